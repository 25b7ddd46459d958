//! P-256 keys in files: `N.key` signs (PKCS#8 PEM, for the owner's eyes only), `N.pub` checks (SubjectPublicKeyInfo PEM).
//!
//! The same files as `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` and `openssl pkey -pubout` make. What else people
//! have, `form` takes or calls by its name.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use libupdate::bundle::{Anchors, PublicKey};
use libupdate::manifest::Name;
use libupdate::units::limits::KEY_BYTES;
use p256::SecretKey;
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate;
use p256::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};

use crate::file;
use crate::profile::TrustFiles;

mod error;
mod form;
mod pem;
mod role;
mod unfit;

pub use error::{AnchorsError, KeyError, KeyErrorKind, MakeKeyError, MakeKeyErrorKind, SkipReason, Skipped};
pub use role::KeyRole;
pub use unfit::UnfitKey;

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
/// A bad name, a file that exists, no randomness, or what the system says.
pub fn generate(folder: &Path, name: &str) -> Result<KeyFiles, MakeKeyError> {
    made(folder, name).map_err(|kind| MakeKeyError { name: name.to_owned(), kind })
}

fn made(folder: &Path, name: &str) -> Result<KeyFiles, MakeKeyErrorKind> {
    use MakeKeyErrorKind as Kind;
    if Name::new(name).is_err() || name.starts_with('.') {
        return Err(Kind::BadName);
    }
    let files = KeyFiles { private: folder.join(format!("{name}.key")), public: folder.join(format!("{name}.pub")) };
    let secret = SecretKey::try_generate().map_err(|error| Kind::NoRandomness(error.to_string()))?;
    // Neither encoding of a valid key can fail.
    let private = secret.to_pkcs8_pem(LineEnding::LF).map_err(|error| Kind::Unencodable(error.to_string()))?;
    let public =
        secret.public_key().to_public_key_pem(LineEnding::LF).map_err(|error| Kind::Unencodable(error.to_string()))?;
    make_folder(folder).map_err(Kind::Unwritten)?;
    write_both(folder, &files, private.as_bytes(), public.as_bytes()).map_err(Kind::Unwritten)?;
    Ok(files)
}

/// The key that signs.
///
/// # Errors
/// No such file, or not a private P-256 key without a passphrase.
pub fn private(path: &Path) -> Result<SigningKey, KeyError> {
    let failed = |kind| KeyError::new(path, KeyRole::Private, kind);
    let bytes = file::read(path, KEY_BYTES).map_err(|error| failed(KeyErrorKind::Unreadable(error)))?;
    form::private(&bytes).map(SigningKey::from).map_err(|unfit| failed(KeyErrorKind::Unfit(unfit)))
}

/// The key that checks.
///
/// # Errors
/// No such file, or not one public P-256 key.
pub fn public(path: &Path) -> Result<PublicKey, KeyError> {
    let failed = |kind| KeyError::new(path, KeyRole::Public, kind);
    let bytes = file::read(path, KEY_BYTES).map_err(|error| failed(KeyErrorKind::Unreadable(error)))?;
    form::public(&bytes).map_err(|unfit| failed(KeyErrorKind::Unfit(unfit)))
}

/// What the device trusts, `threshold` keys of the files together; and what lies in the trust folder and adds none.
///
/// # Errors
/// Those of [`public`] for a file that was named, one named key twice, too many keys, or a threshold that those which are left cannot
/// reach.
pub fn anchors(files: &TrustFiles, threshold: NonZeroUsize) -> Result<(Anchors, Vec<Skipped>), AnchorsError> {
    let mut keys = files.named.iter().map(|path| public(path)).collect::<Result<Vec<_>, _>>()?;
    let mut skipped = Vec::new();
    for path in &files.gathered {
        let why = match spare(path) {
            Ok(key) if keys.iter().any(|known| known.id() == key.id()) => SkipReason::Repeated,
            Ok(key) => {
                keys.push(key);
                continue;
            }
            Err(why) => why,
        };
        skipped.push(Skipped { path: path.clone(), why });
    }
    match Anchors::new(&keys, threshold) {
        Ok(anchors) => Ok((anchors, skipped)),
        Err(fault) => {
            let files = files.named.iter().chain(&files.gathered).cloned().collect();
            Err(AnchorsError::Together { fault, files, skipped })
        }
    }
}

/// The key in a file of the trust folder, or why there is none: an editor's or another system's file must stop nobody.
fn spare(path: &Path) -> Result<PublicKey, SkipReason> {
    if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
        return Err(SkipReason::Hidden);
    }
    match fs::metadata(path) {
        Ok(facts) if facts.is_file() => public(path).map_err(|error| SkipReason::Key(error.into_kind())),
        Ok(_) => Err(SkipReason::NotAFile),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(SkipReason::Dangling),
        Err(error) => Err(SkipReason::Unknown(error)),
    }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use p256::ecdsa::signature::Signer;
    use p256::ecdsa::{Signature, signature::Verifier};

    use super::*;

    fn anchors(files: &[PathBuf], threshold: NonZeroUsize) -> Result<Anchors, AnchorsError> {
        let files = TrustFiles { named: files.to_vec(), gathered: Vec::new() };
        super::anchors(&files, threshold).map(|(anchors, _)| anchors)
    }

    fn unfit<K>(read: Result<K, KeyError>) -> UnfitKey {
        match read.map(|_| ()).map_err(KeyError::into_kind) {
            Err(KeyErrorKind::Unfit(unfit)) => unfit,
            other => panic!("{other:?}"),
        }
    }

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
        assert_eq!(anchors(&[files.public], NonZeroUsize::MIN).unwrap().keys().len(), 1);
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
        assert!(twice.to_string().contains("given twice"), "{twice}");
    }

    #[test]
    fn another_curve_a_passphrase_and_a_mixed_up_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let p384 = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", "p384.key"];
        openssl(&p384, folder.path());
        assert_eq!(unfit(private(&at("p384.key"))), UnfitKey::OtherKind { holds: "a key on P-384" });
        let files = generate(folder.path(), "k").unwrap();
        openssl(&["pkcs8", "-topk8", "-passout", "pass:x", "-in", "k.key", "-out", "secret.key"], folder.path());
        assert_eq!(unfit(private(&at("secret.key"))), UnfitKey::Passphrase);
        assert_eq!(unfit(public(&files.private)), UnfitKey::Private);
        assert_eq!(unfit(private(&files.public)), UnfitKey::Public);
        let missing = private(&at("missing")).unwrap_err();
        assert!(matches!(missing.kind(), KeyErrorKind::Unreadable(_)), "{missing}");
        let threshold = NonZeroUsize::new(2).unwrap();
        assert!(anchors(&[files.public], threshold).unwrap_err().to_string().contains("cannot be reached"));
    }

    #[test]
    fn neither_file_is_overwritten_nor_left_alone() {
        for (exists, other) in [("k.key", "k.pub"), ("k.pub", "k.key")] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(exists), "old").unwrap();
            let error = generate(folder.path(), "k").unwrap_err();
            assert!(
                matches!(error.kind(), MakeKeyErrorKind::Unwritten(cause) if cause.kind() == ErrorKind::AlreadyExists),
                "{error}"
            );
            assert!(error.to_string().contains(exists), "{error}");
            assert_eq!(fs::read_to_string(folder.path().join(exists)).unwrap(), "old");
            assert!(!folder.path().join(other).exists());
        }
        for name in ["", "../k", "a/b", ".hidden", "a b"] {
            let error = generate(Path::new("/dev/null/none"), name).unwrap_err();
            assert!(matches!(error.kind(), MakeKeyErrorKind::BadName), "{error}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = generate(file.path(), "k").unwrap_err();
        assert!(
            matches!(error.kind(), MakeKeyErrorKind::Unwritten(cause) if cause.kind() == ErrorKind::AlreadyExists),
            "{error}"
        );
    }

    #[test]
    fn the_folder_is_made_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("new/keys");
        generate(&deep, "k").unwrap();
        assert_eq!(fs::metadata(&deep).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn spare_files_in_the_trust_folder_are_skipped_and_told_while_the_threshold_holds() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        generate(folder.path(), "k").unwrap();
        fs::copy(at("k.pub"), at("z.pub")).unwrap();
        fs::write(at("._k.pub"), [0, 5, 22, 7]).unwrap();
        fs::write(at("empty.pub"), "").unwrap();
        fs::create_dir(at("folder.pub")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("gone.pub")).unwrap();
        assert!(Command::new("mkfifo").arg(at("pipe.pub")).status().unwrap().success());
        let spare = ["._k.pub", "empty.pub", "folder.pub", "gone.pub", "pipe.pub", "z.pub"];
        let gathered = ["._k.pub", "empty.pub", "folder.pub", "gone.pub", "k.pub", "pipe.pub", "z.pub"].map(at);
        let files = TrustFiles { named: vec![], gathered: gathered.to_vec() };
        let (trusted, skipped) = super::anchors(&files, NonZeroUsize::MIN).unwrap();
        assert_eq!((trusted.keys().len(), skipped.len()), (1, spare.len()), "{skipped:?}");
        for (name, told) in spare.iter().zip(&skipped) {
            assert_eq!(told.path, at(name), "{told}");
        }
        // A copy is no second key.
        let too_few = super::anchors(&files, NonZeroUsize::new(2).unwrap()).unwrap_err();
        let words = too_few.to_string();
        assert!(words.contains("cannot be reached") && words.contains("gone.pub (a link"), "{too_few}");
        // One that was named is no spare file.
        let named = anchors(&[at("empty.pub")], NonZeroUsize::MIN).unwrap_err().to_string();
        assert!(named.ends_with("empty.pub: the file is empty"), "{named}");
    }
}
