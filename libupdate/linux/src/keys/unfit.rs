//! Why a file is not the key that is needed.

use std::fmt;

use super::role::KeyRole;

/// What a key file holds instead.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum UnfitKey {
    /// Nothing, or blanks.
    Empty,
    /// Text in UTF-16.
    Utf16,
    /// Bytes that are neither PEM nor DER.
    Binary,
    /// A PEM block without its end.
    CutShort,
    /// Several keys.
    Several {
        /// How many.
        count: usize,
    },
    /// DER, and no key of the role on P-256.
    Der {
        /// What it is, where its algorithm is known: "an RSA key".
        holds: Option<&'static str>,
        /// The role that was asked for.
        wanted: KeyRole,
    },
    /// A key of another algorithm or curve, or one that spells its curve out.
    OtherKind {
        /// Which: "an RSA key".
        holds: &'static str,
    },
    /// A PEM block of the right label that does not hold a P-256 key.
    Invalid {
        /// The role that was asked for.
        wanted: KeyRole,
        /// What the decoder says.
        why: String,
    },
    /// A private key behind a passphrase, which is never asked for.
    Passphrase,
    /// A private key, where a public one is needed.
    Private,
    /// A public key, where a private one is needed.
    Public,
    /// A request for a certificate.
    CertificateRequest,
    /// A certificate.
    Certificate,
    /// A key of OpenSSH.
    OpenSsh,
    /// A key of OpenPGP.
    OpenPgp,
    /// A PEM block of another label.
    OtherBlock {
        /// Its label.
        label: String,
    },
    /// No PEM block that could be the key.
    NoKey {
        /// The role that was asked for.
        wanted: KeyRole,
    },
}

impl fmt::Display for UnfitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the file is empty"),
            Self::Utf16 => f.write_str("it is text in UTF-16"),
            Self::Binary => f.write_str("it is binary, and not a key"),
            Self::CutShort => f.write_str("it is cut short: a PEM block in it has no end"),
            Self::Several { count } => write!(f, "it holds more than one key: {count} of them"),
            Self::Der { holds: Some(holds), wanted } => {
                write!(f, "it is binary (DER) and holds {holds}, not a {wanted} key on P-256")
            }
            Self::Der { holds: None, wanted } => write!(f, "it is binary (DER), and no {wanted} key on P-256"),
            Self::OtherKind { holds } => {
                write!(f, "it is {holds}; what is needed is a key on P-256, which it names (prime256v1)")
            }
            Self::Invalid { wanted: KeyRole::Private, why } => write!(f, "not a P-256 key ({why})"),
            Self::Invalid { wanted: KeyRole::Public, why } => write!(f, "not a P-256 public key in PEM ({why})"),
            Self::Passphrase => f.write_str("it needs a passphrase, and none is ever asked for"),
            Self::Private => f.write_str("it holds a private key"),
            Self::Public => f.write_str("it is a public key, which signs nothing"),
            Self::CertificateRequest => f.write_str("it is a request for a certificate, not a public key"),
            Self::Certificate => f.write_str("it is a certificate, not a public key"),
            Self::OpenSsh => f.write_str("it is a key of OpenSSH"),
            Self::OpenPgp => f.write_str("it is a key of OpenPGP"),
            Self::OtherBlock { label } => write!(f, "it is a {label}, not a public key"),
            Self::NoKey { wanted } => write!(f, "it holds no {wanted} key in PEM"),
        }
    }
}

impl core::error::Error for UnfitKey {}
