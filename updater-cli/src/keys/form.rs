//! Key files as people have them. What openssl reads as a P-256 key is read; anything else is called by its name, with the way to a key.

use std::borrow::Cow;

use libupdate::bundle::PublicKey;
use p256::SecretKey;
use p256::ecdsa::VerifyingKey;
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey};

use super::pem::{self, Block, Secrecy};

/// Why a file is not the key that is needed, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unfit {
    /// What it is instead.
    pub why: Cow<'static, str>,
    /// The way out.
    pub next: &'static str,
}

const PUBLIC: &str = "PUBLIC KEY";
const PUBLIC_OF_PRIVATE: &str = "take it from the private key: openssl pkey -in KEY -pubout -out KEY.pub";
const MAKE_OR_CONVERT: &str =
    "make one with `keygen`, or convert yours: openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW";
const FROM_CERTIFICATE: &str = "take its key: openssl x509 -in CERTIFICATE -pubkey -noout -out KEY.pub";
const FROM_REQUEST: &str = "take its key: openssl req -in REQUEST -pubkey -noout -out KEY.pub";
const FROM_SSH: &str = "convert it: ssh-keygen -e -m PKCS8 -f FILE >KEY.pub";

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

impl Unfit {
    fn new(why: impl Into<Cow<'static, str>>, next: &'static str) -> Self {
        Self { why: why.into(), next }
    }
}

/// The one public key in a file.
///
/// # Errors
/// [`Unfit`].
pub fn public(bytes: &[u8]) -> Result<PublicKey, Unfit> {
    if bytes.first() == Some(&0x30) {
        return public_der(bytes).map_err(|_| Unfit::new(nameless_der(bytes, "public"), PUBLIC_OF_PRIVATE));
    }
    let text = text(bytes, PUBLIC_OF_PRIVATE)?;
    let blocks = pem::blocks(&text).map_err(|pem::CutShort| cut_short())?;
    if blocks.iter().any(|block| block.label.ends_with("PRIVATE KEY")) {
        return Err(Unfit::new(
            "it holds a private key",
            "this is a private key: give its .pub file, and keep this one off the device",
        ));
    }
    let keys: Vec<&Block<'_>> = blocks.iter().filter(|block| block.label == PUBLIC).collect();
    match keys.as_slice() {
        [key] => public_pem(key),
        [] => Err(no_public_key(&blocks, &text)),
        several => {
            let why = format!("it holds more than one key: {} of them", several.len());
            Err(Unfit::new(why, "give one key a file"))
        }
    }
}

/// The one private key in a file.
///
/// # Errors
/// [`Unfit`].
pub fn private(bytes: &[u8]) -> Result<SecretKey, Unfit> {
    if bytes.first() == Some(&0x30) {
        let secret = SecretKey::from_pkcs8_der(bytes).or_else(|_| SecretKey::from_sec1_der(bytes));
        return secret.map_err(|_| Unfit::new(nameless_der(bytes, "private"), MAKE_OR_CONVERT));
    }
    let text = text(bytes, MAKE_OR_CONVERT)?;
    let blocks = pem::blocks(&text).map_err(|pem::CutShort| cut_short())?;
    let keys: Vec<&Block<'_>> = blocks.iter().filter(|block| block.label.ends_with("PRIVATE KEY")).collect();
    match keys.as_slice() {
        [key] if key.secrecy == Secrecy::Encrypted || key.label.starts_with("ENCRYPTED") => {
            Err(Unfit::new("it needs a passphrase, and none is ever asked for", MAKE_OR_CONVERT))
        }
        [key] => SecretKey::from_pem(&key.strict()).map_err(|error| {
            let why = named(key).map_or_else(|| format!("not a P-256 key ({error})"), needed);
            Unfit::new(why, MAKE_OR_CONVERT)
        }),
        [] if blocks.iter().any(|block| block.label == PUBLIC) => {
            Err(Unfit::new("it is a public key, which signs nothing", "give the .key file that belongs to it"))
        }
        [] => Err(Unfit::new("it holds no private key in PEM", MAKE_OR_CONVERT)),
        several => {
            let why = format!("it holds more than one key: {} of them", several.len());
            Err(Unfit::new(why, "give one key a file"))
        }
    }
}

fn public_pem(key: &Block<'_>) -> Result<PublicKey, Unfit> {
    VerifyingKey::from_public_key_pem(&key.strict()).map(PublicKey::from).map_err(|error| {
        let why = named(key).map_or_else(|| format!("not a P-256 public key in PEM ({error})"), needed);
        Unfit::new(why, PUBLIC_OF_PRIVATE)
    })
}

fn public_der(bytes: &[u8]) -> Result<PublicKey, p256::pkcs8::spki::Error> {
    VerifyingKey::from_public_key_der(bytes).map(PublicKey::from)
}

/// What the file is instead, by the labels of its blocks or by its first words.
fn no_public_key(blocks: &[Block<'_>], text: &str) -> Unfit {
    let label = |wanted: &str| blocks.iter().any(|block| block.label.ends_with(wanted));
    let begins = |words: &[&str]| words.iter().any(|word| text.trim_start().starts_with(word));
    if label("CERTIFICATE REQUEST") {
        Unfit::new("it is a request for a certificate, not a public key", FROM_REQUEST)
    } else if label("CERTIFICATE") {
        Unfit::new("it is a certificate, not a public key", FROM_CERTIFICATE)
    } else if label("RSA PUBLIC KEY") {
        Unfit::new(needed("an RSA key"), PUBLIC_OF_PRIVATE)
    } else if begins(&["ssh-", "ecdsa-sha2-", "sk-", "---- BEGIN SSH2"]) {
        Unfit::new("it is a key of OpenSSH", FROM_SSH)
    } else if label("PGP PUBLIC KEY BLOCK") {
        Unfit::new("it is a key of OpenPGP", PUBLIC_OF_PRIVATE)
    } else if let Some(block) = blocks.first() {
        Unfit::new(format!("it is a {}, not a public key", block.label), PUBLIC_OF_PRIVATE)
    } else {
        Unfit::new("it holds no public key in PEM", PUBLIC_OF_PRIVATE)
    }
}

fn needed(name: &str) -> String {
    format!("it is {name}; what is needed is a key on P-256, which it names (prime256v1)")
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

fn nameless_der(der: &[u8], kind: &str) -> String {
    match other(der) {
        Some(name) => format!("it is binary (DER) and holds {name}, not a {kind} key on P-256"),
        None => format!("it is binary (DER), and no {kind} key on P-256"),
    }
}

fn cut_short() -> Unfit {
    Unfit::new("it is cut short: a PEM block in it has no end", "copy the file again")
}

/// The file as text. Comments may be in any encoding of one byte a sign.
fn text<'b>(bytes: &'b [u8], next: &'static str) -> Result<Cow<'b, str>, Unfit> {
    if bytes.trim_ascii().is_empty() {
        return Err(Unfit::new("the file is empty", "copy the file again"));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Unfit::new(
            "it is text in UTF-16",
            "save it as plain text: iconv -f UTF-16 -t ASCII FILE >KEY.pub",
        ));
    }
    if bytes.contains(&0) {
        return Err(Unfit::new("it is binary, and not a key", next));
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
            assert!(unfit.why.contains(word), "{word}: {}", unfit.why);
        }
        let der = made("openssl genpkey -algorithm ED25519 | openssl pkey -pubout -outform DER");
        assert!(public(&der).unwrap_err().why.contains("binary (DER) and holds an Ed25519 key"));
        assert!(private(&key).unwrap_err().why.contains("public key"));
        let locked = made(&format!("{MAKE} | openssl pkcs8 -topk8 -passout pass:x"));
        assert!(private(&locked).unwrap_err().why.contains("passphrase"));
        let old = made(&format!("{MAKE} | openssl ec -aes128 -passout pass:x"));
        assert!(private(&old).unwrap_err().why.contains("passphrase"));
        assert!(private(&made("openssl genpkey -algorithm ED25519")).unwrap_err().why.contains("Ed25519"));
    }
}
