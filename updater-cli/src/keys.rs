//! P-256 keys in files: `N.key` signs (PKCS#8 PEM, for the owner's eyes only), `N.pub` checks (SubjectPublicKeyInfo PEM).
//!
//! The same files as `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` and `openssl pkey -pubout` make; the
//! `EC PRIVATE KEY` form of `openssl ecparam -genkey` is read too.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use libupdate::bundle::{Anchors, PublicKey};
use libupdate::manifest::Name;
use p256::SecretKey;
use p256::ecdsa::{SigningKey, VerifyingKey};
use p256::elliptic_curve::Generate;
use p256::pkcs8::{DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding};

use crate::exit::{Exit, Failure};

/// A PEM file of one key is a tenth of this; a path to something else should not be read to its end.
const FILE_BYTES: u64 = 64 << 10;

/// The two files of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyFiles {
    /// Signs.
    pub private: PathBuf,
    /// Checks.
    pub public: PathBuf,
}

/// Makes a key and writes `NAME.key` and `NAME.pub` to `folder`. Neither may exist; a failure leaves neither.
///
/// # Durability
/// Both files and their names are on the medium when it returns.
///
/// # Errors
/// [`Exit::Usage`] for a bad name or a file that exists; else what the system says.
pub fn generate(folder: &Path, name: &str) -> Result<KeyFiles, Failure> {
    let what = format!("cannot make the key {name}");
    if Name::new(name).is_err() || name.starts_with('.') {
        let why = "not a name: 1 to 64 characters of A-Z a-z 0-9 . _ + ~ -, not a dot first";
        return Err(Failure::new(Exit::Usage, what, why, "give another --name"));
    }
    let files = KeyFiles { private: folder.join(format!("{name}.key")), public: folder.join(format!("{name}.pub")) };
    let secret = SecretKey::try_generate().map_err(|error| {
        Failure::new(Exit::Io, what.clone(), error, "the system gives no random numbers: see the kernel log (dmesg)")
    })?;
    // Neither encoding of a valid key can fail.
    let unencodable = |error: &dyn std::fmt::Display| Failure::new(Exit::Io, what.clone(), error, "run it again");
    let private = secret.to_pkcs8_pem(LineEnding::LF).map_err(|error| unencodable(&error))?;
    let public = secret.public_key().to_public_key_pem(LineEnding::LF).map_err(|error| unencodable(&error))?;
    make_folder(folder).map_err(|error| unwritten(&what, &error))?;
    write_both(folder, &files, private.as_bytes(), public.as_bytes()).map_err(|error| unwritten(&what, &error))?;
    Ok(files)
}

/// The key that signs.
///
/// # Errors
/// [`Exit::Usage`]: no such file, or not a private P-256 key without a passphrase.
pub fn private(path: &Path) -> Result<SigningKey, Failure> {
    let text = read(path, "private key")?;
    // `openssl ecparam -genkey` puts the curve's own block in front.
    let start = text.find("-----BEGIN EC PRIVATE KEY-----").unwrap_or_default();
    match SecretKey::from_pem(text.get(start..).unwrap_or_default()) {
        Ok(secret) => Ok(SigningKey::from(secret)),
        Err(error) => {
            let what = format!("cannot use the private key {}", path.display());
            let why = format!("not a P-256 key in PEM without a passphrase ({error})");
            let next = "make one with `keygen`, or convert yours: openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW";
            Err(Failure::new(Exit::Usage, what, why, next))
        }
    }
}

/// The key that checks.
///
/// # Errors
/// [`Exit::Usage`]: no such file, or not a public P-256 key.
pub fn public(path: &Path) -> Result<PublicKey, Failure> {
    let text = read(path, "public key")?;
    match VerifyingKey::from_public_key_pem(&text) {
        Ok(key) => Ok(PublicKey::from(key)),
        Err(error) => {
            let what = format!("cannot use the public key {}", path.display());
            let next = match text.contains("PRIVATE KEY-----") {
                true => "this is a private key: give its .pub file, and keep this one off the device",
                false => "take it from the private key: openssl pkey -in KEY -pubout -out KEY.pub",
            };
            Err(Failure::new(Exit::Usage, what, format!("not a P-256 public key in PEM ({error})"), next))
        }
    }
}

/// What the device trusts: every key of the files, `threshold` of them together.
///
/// # Errors
/// [`Exit::Usage`]: those of [`public`], one key twice, too many keys, or a threshold that they cannot reach.
pub fn anchors(files: &[PathBuf], threshold: NonZeroUsize) -> Result<Anchors, Failure> {
    let keys = files.iter().map(|path| public(path)).collect::<Result<Vec<_>, _>>()?;
    Anchors::new(&keys, threshold).map_err(|fault| {
        let listed: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        let what = format!("cannot trust {}", listed.join(", "));
        Failure::new(Exit::Usage, what, fault, "check the trust table of the profile, or the --trust options")
    })
}

fn read(path: &Path, kind: &str) -> Result<String, Failure> {
    let text = File::open(path).and_then(|file| {
        let mut text = String::new();
        file.take(FILE_BYTES).read_to_string(&mut text)?;
        Ok(text)
    });
    text.map_err(|error| {
        let what = format!("cannot read the {kind} {}", path.display());
        Failure::new(Exit::Usage, what, error, "check the path and the rights")
    })
}

/// Both names are taken before either is filled: a clash is found while there is nothing to lose.
fn write_both(folder: &Path, files: &KeyFiles, private: &[u8], public: &[u8]) -> io::Result<()> {
    let key = create(&files.private, 0o600)?;
    let written = create(&files.public, 0o644).and_then(|public_file| {
        let filled =
            fill(key, private).and_then(|()| fill(public_file, public)).and_then(|()| File::open(folder)?.sync_all());
        filled.inspect_err(|_| discard(&files.public))
    });
    written.inspect_err(|_| discard(&files.private))
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    opened.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// The folder of private keys, where it is not there yet: for its owner only.
fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The error that led here is the one to be told.
fn discard(path: &Path) {
    drop(fs::remove_file(path));
}

fn unwritten(what: &str, error: &io::Error) -> Failure {
    let (code, next) = match error.kind() {
        ErrorKind::AlreadyExists => {
            (Exit::Usage, "keys are never overwritten: give another --name, or move the old files")
        }
        ErrorKind::StorageFull => (Exit::NoSpace, "make room, then run the same command again"),
        _ => (Exit::Io, "check the folder and its rights"),
    };
    Failure::new(code, what, error, next)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use p256::ecdsa::signature::Signer;
    use p256::ecdsa::{Signature, signature::Verifier};

    use super::*;

    fn openssl(arguments: &[&str], folder: &Path) -> Vec<u8> {
        let done = Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl is installed");
        assert!(done.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    #[test]
    fn a_made_key_signs_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let files = generate(folder.path(), "release-1").unwrap();
        assert_eq!(files.private, folder.path().join("release-1.key"));
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&files.private), 0o600);
        let signing = private(&files.private).unwrap();
        let signature: Signature = signing.sign(b"message");
        signing.verifying_key().verify(b"message", &signature).unwrap();
        assert_eq!(public(&files.public).unwrap(), PublicKey::from(*signing.verifying_key()));
        let anchors = anchors(&[files.public], NonZeroUsize::MIN).unwrap();
        assert_eq!(anchors.keys().len(), 1);
    }

    #[test]
    fn openssl_reads_what_is_made() {
        let folder = tempfile::tempdir().unwrap();
        generate(folder.path(), "k").unwrap();
        let spki = openssl(&["pkey", "-in", "k.key", "-pubout"], folder.path());
        assert_eq!(String::from_utf8(spki).unwrap(), fs::read_to_string(folder.path().join("k.pub")).unwrap());
    }

    #[test]
    fn what_openssl_makes_is_read_in_all_its_forms() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-out", "sec1.key"], folder.path());
        openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", "sec1.key", "-out", "pkcs8.key"], folder.path());
        openssl(&["pkey", "-in", "pkcs8.key", "-pubout", "-out", "k.pub"], folder.path());
        let compressed = ["ec", "-in", "sec1.key", "-pubout", "-conv_form", "compressed", "-out", "c.pub"];
        openssl(&compressed, folder.path());
        assert!(fs::read_to_string(at("sec1.key")).unwrap().starts_with("-----BEGIN EC PARAMETERS"));
        let (sec1, pkcs8) = (private(&at("sec1.key")).unwrap(), private(&at("pkcs8.key")).unwrap());
        assert_eq!(sec1, pkcs8);
        assert_eq!(public(&at("k.pub")).unwrap(), PublicKey::from(*sec1.verifying_key()));
        assert_eq!(public(&at("c.pub")).unwrap(), public(&at("k.pub")).unwrap());
        let twice = anchors(&[at("c.pub"), at("k.pub")], NonZeroUsize::MIN).unwrap_err();
        assert!(twice.why.contains("given twice"), "{twice}");
    }

    #[test]
    fn another_curve_a_passphrase_and_a_mixed_up_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let p384 = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", "p384.key"];
        openssl(&p384, folder.path());
        assert_eq!(private(&at("p384.key")).unwrap_err().code, Exit::Usage);
        let files = generate(folder.path(), "k").unwrap();
        openssl(&["pkcs8", "-topk8", "-passout", "pass:x", "-in", "k.key", "-out", "secret.key"], folder.path());
        assert_eq!(private(&at("secret.key")).unwrap_err().code, Exit::Usage);
        assert!(public(&files.private).unwrap_err().next.starts_with("this is a private key"));
        assert!(private(&files.public).is_err());
        assert_eq!(private(&at("missing")).unwrap_err().code, Exit::Usage);
        let threshold = NonZeroUsize::new(2).unwrap();
        assert!(anchors(&[files.public], threshold).unwrap_err().why.contains("cannot be reached"));
    }

    #[test]
    fn neither_file_is_overwritten_nor_left_alone() {
        for (exists, other) in [("k.key", "k.pub"), ("k.pub", "k.key")] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(exists), "old").unwrap();
            let failure = generate(folder.path(), "k").unwrap_err();
            assert_eq!(failure.code, Exit::Usage, "{failure}");
            assert!(failure.why.contains(exists), "{failure}");
            assert_eq!(fs::read_to_string(folder.path().join(exists)).unwrap(), "old");
            assert!(!folder.path().join(other).exists());
        }
        for name in ["", "../k", "a/b", ".hidden", "a b"] {
            assert_eq!(generate(Path::new("/dev/null/none"), name).unwrap_err().code, Exit::Usage, "{name}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(generate(file.path(), "k").unwrap_err().code, Exit::Usage);
    }

    #[test]
    fn the_folder_is_made_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("new/keys");
        generate(&deep, "k").unwrap();
        assert_eq!(fs::metadata(&deep).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
