//! Key files as people have them. What openssl reads as a P-256 key is read; anything else is called by its name.

use std::borrow::Cow;
use std::fmt;

use libupdate::bundle::PublicKey;
use p256::SecretKey;
use p256::ecdsa::VerifyingKey;
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey};

use super::pem::{self, Block, Secrecy};
use super::role::KeyRole;
use super::unfit::UnfitKey;

const PUBLIC: &str = "PUBLIC KEY";

/// Algorithms and curves that are not ours, by their object identifiers in DER.
const OTHERS: [(&[u8], &str); 8] = [
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", "an RSA key"),
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", "an RSA key"),
    (b"\x06\x03\x2b\x65\x70", "an Ed25519 key"),
    (b"\x06\x03\x2b\x65\x71", "an Ed448 key"),
    (b"\x06\x05\x2b\x81\x04\x00\x22", "a key on P-384"),
    (b"\x06\x05\x2b\x81\x04\x00\x23", "a key on P-521"),
    (b"\x06\x05\x2b\x81\x04\x00\x0a", "a key on secp256k1"),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x01\x01", "a key that spells its curve out"),
];

/// The one public key in a file.
///
/// # Errors
/// What the file holds instead.
pub fn public(bytes: &[u8]) -> Result<PublicKey, UnfitKey> {
    let wanted = KeyRole::Public;
    if bytes.first() == Some(&0x30) {
        let key = VerifyingKey::from_public_key_der(bytes).map(PublicKey::from);
        return key.map_err(|_| UnfitKey::Der { holds: other(bytes), wanted });
    }
    let text = text(bytes)?;
    let blocks = pem::blocks(&text).map_err(|pem::CutShort| UnfitKey::CutShort)?;
    if blocks.iter().any(|block| block.label.ends_with("PRIVATE KEY")) {
        return Err(UnfitKey::Private);
    }
    let keys: Vec<&Block<'_>> = blocks.iter().filter(|block| block.label == PUBLIC).collect();
    match keys.as_slice() {
        [key] => VerifyingKey::from_public_key_pem(&key.strict())
            .map(PublicKey::from)
            .map_err(|error| invalid(key, wanted, &error)),
        [] => Err(no_public_key(&blocks, &text)),
        several => Err(UnfitKey::Several { count: several.len() }),
    }
}

/// The one private key in a file.
///
/// # Errors
/// What the file holds instead.
pub fn private(bytes: &[u8]) -> Result<SecretKey, UnfitKey> {
    let wanted = KeyRole::Private;
    if bytes.first() == Some(&0x30) {
        let secret = SecretKey::from_pkcs8_der(bytes).or_else(|_| SecretKey::from_sec1_der(bytes));
        return secret.map_err(|_| UnfitKey::Der { holds: other(bytes), wanted });
    }
    let text = text(bytes)?;
    let blocks = pem::blocks(&text).map_err(|pem::CutShort| UnfitKey::CutShort)?;
    let keys: Vec<&Block<'_>> = blocks.iter().filter(|block| block.label.ends_with("PRIVATE KEY")).collect();
    match keys.as_slice() {
        [key] if key.secrecy == Secrecy::Encrypted || key.label.starts_with("ENCRYPTED") => Err(UnfitKey::Passphrase),
        [key] => SecretKey::from_pem(&key.strict()).map_err(|error| invalid(key, wanted, &error)),
        [] if blocks.iter().any(|block| block.label == PUBLIC) => Err(UnfitKey::Public),
        [] => Err(UnfitKey::NoKey { wanted }),
        several => Err(UnfitKey::Several { count: several.len() }),
    }
}

/// What a block of the right label holds that does not decode.
fn invalid(key: &Block<'_>, wanted: KeyRole, error: &dyn fmt::Display) -> UnfitKey {
    match named(key) {
        Some(holds) => UnfitKey::OtherKind { holds },
        None => UnfitKey::Invalid { wanted, why: error.to_string() },
    }
}

/// What the file is instead, by the labels of its blocks or by its first words.
fn no_public_key(blocks: &[Block<'_>], text: &str) -> UnfitKey {
    let label = |wanted: &str| blocks.iter().any(|block| block.label.ends_with(wanted));
    let begins = |words: &[&str]| words.iter().any(|word| text.trim_start().starts_with(word));
    if label("CERTIFICATE REQUEST") {
        UnfitKey::CertificateRequest
    } else if label("CERTIFICATE") {
        UnfitKey::Certificate
    } else if label("RSA PUBLIC KEY") {
        UnfitKey::OtherKind { holds: "an RSA key" }
    } else if begins(&["ssh-", "ecdsa-sha2-", "sk-", "---- BEGIN SSH2"]) {
        UnfitKey::OpenSsh
    } else if label("PGP PUBLIC KEY BLOCK") {
        UnfitKey::OpenPgp
    } else if let Some(block) = blocks.first() {
        UnfitKey::OtherBlock { label: block.label.to_owned() }
    } else {
        UnfitKey::NoKey { wanted: KeyRole::Public }
    }
}

/// A key that is not ours, by the object identifier in it.
fn named(key: &Block<'_>) -> Option<&'static str> {
    let (_, document) = p256::pkcs8::Document::from_pem(&key.strict()).ok()?;
    other(document.as_bytes())
}

fn other(der: &[u8]) -> Option<&'static str> {
    let holds = |identifier: &[u8]| der.windows(identifier.len()).any(|window| window == identifier);
    OTHERS.iter().find(|(identifier, _)| holds(identifier)).map(|(_, name)| *name)
}

/// The file as text. Comments may be in any encoding of one byte a sign.
fn text(bytes: &[u8]) -> Result<Cow<'_, str>, UnfitKey> {
    if bytes.trim_ascii().is_empty() {
        return Err(UnfitKey::Empty);
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(UnfitKey::Utf16);
    }
    if bytes.contains(&0) {
        return Err(UnfitKey::Binary);
    }
    Ok(String::from_utf8_lossy(bytes))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// What a shell makes of this line.
    fn made(line: &str) -> Vec<u8> {
        let done = Command::new("sh").args(["-ec", line]).stderr(Stdio::null()).output().unwrap();
        assert!(done.status.success(), "{line}");
        done.stdout
    }

    const MAKE: &str = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";

    #[test]
    fn what_openssl_reads_as_a_key_is_read() {
        let private_pem = made(MAKE);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("k"), &private_pem).unwrap();
        let at = |line: &str| made(&format!("cd {}; {line}", folder.path().display()));
        let plain = at("openssl pkey -in k -pubout");
        let key = public(&plain).unwrap();
        let certificate = at("openssl req -new -x509 -key k -subj /CN=x");
        let dressed: [&[&[u8]]; 6] = [
            &[&plain, b"\n\n"],
            &[&plain, b"# rotated in M\xe4rz\n"],
            &[&plain, &certificate],
            &[&certificate, &plain],
            &[b"\xef\xbb\xbf", &plain],
            &[b"comment: before it\n", &plain],
        ];
        for parts in dressed {
            assert_eq!(public(&parts.concat()), Ok(key), "{}", String::from_utf8_lossy(&parts.concat()));
        }
        assert_eq!(public(&at("openssl pkey -in k -pubout | sed 's/$/ \\r/'")), Ok(key));
        assert_eq!(
            public(&at("openssl pkey -in k -pubout | tr -d '\\n' | sed 's/Y-----/Y-----\\n/; s/-----E/\\n-----E/'")),
            Ok(key)
        );
        assert_eq!(public(&at("openssl pkey -in k -pubout -outform DER")), Ok(key));
        let secret = private(&private_pem).unwrap();
        for line in [
            "cat k; openssl req -new -x509 -key k -subj /CN=x",
            "echo comment; cat k; echo",
            "openssl pkey -in k -outform DER",
            "openssl ec -in k -outform DER",
            "openssl ecparam -name prime256v1; openssl ec -in k",
        ] {
            assert!(private(&at(line)).is_ok_and(|found| found == secret), "{line}");
        }
    }

    #[test]
    fn what_is_no_key_is_called_by_its_name() {
        let other = |line: &str| made(&format!("{line} | openssl pkey -pubout"));
        let key = other(MAKE);
        let cases: [(Vec<u8>, &str); 14] = [
            (b"".to_vec(), "empty"),
            (b" \n".to_vec(), "empty"),
            ([key.clone(), other(MAKE)].concat(), "more than one key"),
            (made(&format!("{MAKE} >/dev/null; {MAKE}")), "a private key"),
            (
                made(&format!("T=$(mktemp); {MAKE} -out $T; openssl req -new -x509 -key $T -subj /CN=x; rm $T")),
                "a certificate",
            ),
            (made(&format!("T=$(mktemp); {MAKE} -out $T; openssl req -new -key $T -subj /CN=x; rm $T")), "request"),
            (other("openssl genpkey -algorithm ED25519"), "Ed25519"),
            (other("openssl genpkey -algorithm RSA"), "RSA"),
            (other("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384"), "P-384"),
            (other("openssl ecparam -name prime256v1 -param_enc explicit -genkey"), "spells its curve out"),
            (key[..100].to_vec(), "cut short"),
            (b"\xff\xfe-\0-\0".to_vec(), "UTF-16"),
            (b"\0\x05\x16\x07".to_vec(), "binary"),
            (b"ecdsa-sha2-nistp256 AAAA me@here\n".to_vec(), "OpenSSH"),
        ];
        for (bytes, word) in cases {
            let unfit = public(&bytes).unwrap_err();
            assert!(unfit.to_string().contains(word), "{word}: {unfit}");
        }
        let der = made("openssl genpkey -algorithm ED25519 | openssl pkey -pubout -outform DER");
        assert!(public(&der).unwrap_err().to_string().contains("binary (DER) and holds an Ed25519 key"));
        assert!(private(&key).unwrap_err().to_string().contains("public key"));
        let locked = made(&format!("{MAKE} | openssl pkcs8 -topk8 -passout pass:x"));
        assert!(private(&locked).unwrap_err().to_string().contains("passphrase"));
        let old = made(&format!("{MAKE} | openssl ec -aes128 -passout pass:x"));
        assert!(private(&old).unwrap_err().to_string().contains("passphrase"));
        assert!(private(&made("openssl genpkey -algorithm ED25519")).unwrap_err().to_string().contains("Ed25519"));
    }
}
