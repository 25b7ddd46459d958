//! What is wrong with key files, as the exit code and the words of this program.

use std::io::ErrorKind;
use std::path::PathBuf;

use libupdate_linux::keys::{AnchorsError, KeyError, KeyErrorKind, KeyRole, MakeKeyError, MakeKeyErrorKind, UnfitKey};

use super::{Exit, Failure, no_room};

const PUBLIC_OF_PRIVATE: &str = "take it from the private key: openssl pkey -in KEY -pubout -out KEY.pub";
const MAKE_OR_CONVERT: &str =
    "make one with `keygen`, or convert yours: openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW";

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let (path, role) = (error.path().display(), error.role());
        let (what, next) = match error.kind() {
            KeyErrorKind::Unreadable(_) => {
                (format!("cannot read the {role} key {path}"), "check the path and the rights")
            }
            KeyErrorKind::Unfit(unfit) => (format!("cannot use the {role} key {path}"), next_for_unfit(unfit, role)),
            _ => (format!("cannot use the {role} key {path}"), "give another one"),
        };
        Self::new(Exit::Usage, what, error.kind(), next)
    }
}

/// The way from what the file holds to the key that is needed.
const fn next_for_unfit(unfit: &UnfitKey, role: KeyRole) -> &'static str {
    match (unfit, role) {
        (UnfitKey::Empty | UnfitKey::CutShort, _) => "copy the file again",
        (UnfitKey::Utf16, _) => "save it as plain text: iconv -f UTF-16 -t ASCII FILE >KEY.pub",
        (UnfitKey::Several { .. }, _) => "give one key a file",
        (UnfitKey::Private, _) => "this is a private key: give its .pub file, and keep this one off the device",
        (UnfitKey::Public, _) => "give the .key file that belongs to it",
        (UnfitKey::CertificateRequest, _) => "take its key: openssl req -in REQUEST -pubkey -noout -out KEY.pub",
        (UnfitKey::Certificate, _) => "take its key: openssl x509 -in CERTIFICATE -pubkey -noout -out KEY.pub",
        (UnfitKey::OpenSsh, _) => "convert it: ssh-keygen -e -m PKCS8 -f FILE >KEY.pub",
        (_, KeyRole::Public) => PUBLIC_OF_PRIVATE,
        (_, KeyRole::Private) => MAKE_OR_CONVERT,
    }
}

impl From<MakeKeyError> for Failure {
    fn from(error: MakeKeyError) -> Self {
        let (code, next) = match error.kind() {
            MakeKeyErrorKind::BadName => (Exit::Usage, "give another --name"),
            MakeKeyErrorKind::NoRandomness(_) => {
                (Exit::Io, "the system gives no random numbers: see the kernel log (dmesg)")
            }
            MakeKeyErrorKind::Unwritten(cause) if cause.kind() == ErrorKind::AlreadyExists => {
                (Exit::Usage, "keys are never overwritten: give another --name, or move the old files")
            }
            MakeKeyErrorKind::Unwritten(cause) => {
                no_room(cause).unwrap_or((Exit::Io, "check the folder and its rights"))
            }
            _ => (Exit::Io, "run it again"),
        };
        Self::new(code, format!("cannot make the key {}", error.name()), error.kind(), next)
    }
}

impl From<AnchorsError> for Failure {
    fn from(error: AnchorsError) -> Self {
        let files = match error {
            AnchorsError::Named(error) => return error.into(),
            AnchorsError::Together { ref files, .. } => files.as_slice(),
            _ => &[],
        };
        let listed: Vec<String> = files.iter().map(PathBuf::as_path).map(|path| path.display().to_string()).collect();
        let next = "check the trust table of the profile, or the --trust options";
        Self::new(Exit::Usage, format!("cannot trust {}", listed.join(", ")), &error, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libupdate_linux::keys;

    #[test]
    fn who_gives_the_wrong_file_hears_the_way_to_the_right_one() {
        let folder = tempfile::tempdir().unwrap();
        let files = keys::generate(folder.path(), "k").unwrap();
        let public = Failure::from(keys::public(&files.private).unwrap_err());
        assert_eq!((public.code, public.why.as_str()), (Exit::Usage, "it holds a private key"));
        assert!(public.next.starts_with("this is a private key"), "{public}");
        assert!(public.what.starts_with("cannot use the public key "), "{public}");
        let missing = Failure::from(keys::private(&folder.path().join("missing")).unwrap_err());
        assert!(missing.what.starts_with("cannot read the private key "), "{missing}");
        let again = Failure::from(keys::generate(folder.path(), "k").unwrap_err());
        assert_eq!((again.code, again.what.as_str()), (Exit::Usage, "cannot make the key k"));
    }
}
