//! The folder of offline updates.
//!
//! ```text
//!  /var/lib/updater/offline/
//!      bundle          what is to be installed, as a bundle is carried; `bundle.new` while it is stored
//!      request.json    what it is; written last, so that it never names a bundle that was not checked in full
//!      poweroff        there: the machine is to power off after the update, and not to reboot
//!      result.json     how the last offline update ended; first of all that it was cut short
//!      lock            who prepares or cancels
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use libupdate::units::limits::STATE_BYTES;
use libupdate_linux::file;
use rustix::fs::{FlockOperation, Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::Then;
use crate::exit::{self, Exit, Failure};
use crate::output::{self, Printable};

/// Where it is, and what each link of ours leads to.
pub const FOLDER: &str = "/var/lib/updater/offline";

/// The folder.
pub struct Folder(PathBuf);

/// What is prepared.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// As it was named, without what is secret.
    pub from: String,
    pub version: String,
    pub manifest_digest: String,
    pub bundle_bytes: u64,
    pub allow_downgrade: bool,
    pub retry_failed: bool,
    /// When; `None` if the clock was not set.
    pub prepared: Option<String>,
}

/// How an offline update ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ended {
    pub version: String,
    pub began: Option<String>,
    /// `None` where it was cut short.
    pub code: Option<u8>,
    pub class: Option<String>,
    pub why: String,
}

impl Ended {
    /// How it stands as soon as it begins.
    pub fn cut_short(request: &Request) -> Self {
        let began = crate::time::rfc3339(libupdate_linux::time::now());
        let why = "it was cut short: the power went, or the program was ended".to_owned();
        Self { version: request.version.clone(), began, code: None, class: None, why }
    }

    /// How it has ended.
    pub fn with(self, failure: Option<&Failure>) -> Self {
        let exit = failure.map_or(Exit::Done, |failure| failure.code);
        let why = failure.map_or_else(String::new, |failure| failure.why.clone());
        Self { code: Some(exit.code()), class: Some(exit.class().to_owned()), why, ..self }
    }

    /// For people.
    pub fn in_words(&self) -> String {
        let class = self.class.as_deref().unwrap_or("failed");
        let why = if self.why.is_empty() { String::new() } else { format!(": {}", Printable(&self.why)) };
        let time = self.began.as_deref().unwrap_or("at an unknown time");
        format!("{}: {}{why}, {}", Printable(&self.version), Printable(class), Printable(time))
    }
}

impl Folder {
    /// The one of this system.
    pub fn usual() -> Self {
        Self(PathBuf::from(FOLDER))
    }

    /// The stored bundle.
    pub fn bundle(&self) -> PathBuf {
        self.0.join("bundle")
    }

    /// Keeps others out; it is over with the answer.
    pub fn lock(&self) -> Result<File, Failure> {
        let path = self.0.join("lock");
        let lock = file::lock(&path).map_err(|error| self.failed(&error))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            let why = "another `offline` prepares or cancels one";
            Failure::new(Exit::Busy, "cannot change the offline update", why, "wait until it has ended")
        })?;
        Ok(lock)
    }

    /// What is prepared.
    pub fn request(&self) -> Result<Option<Request>, Failure> {
        self.read("request.json")
    }

    /// How the last one ended.
    pub fn ended(&self) -> Result<Option<Ended>, Failure> {
        self.read("result.json")
    }

    /// What the machine does after the update.
    pub fn then(&self) -> Then {
        if fs::symlink_metadata(self.0.join("poweroff")).is_ok() { Then::Poweroff } else { Then::Reboot }
    }

    /// The bundle while it is stored.
    pub fn new_bundle(&self) -> PathBuf {
        self.0.join("bundle.new")
    }

    /// A new file for the bundle, which has no name that counts yet.
    pub fn begin_bundle(&self) -> Result<File, Failure> {
        let new = self.new_bundle();
        let made = file::folder(&self.0)
            .and_then(|()| removed(&new))
            .and_then(|_| file::create(&new, OFlags::WRONLY, Mode::RUSR | Mode::WUSR));
        made.map_err(|error| self.failed(&error))
    }

    /// The bundle is whole: it gets its name, and then there is a request for it.
    ///
    /// # Durability
    /// Both are on the medium when it returns. A cut leaves no request, or one whose bundle is whole.
    pub fn store(&self, bundle: &File, request: &Request) -> Result<(), Failure> {
        let stored =
            bundle.sync_all().and_then(|()| fs::rename(self.new_bundle(), self.bundle())).and_then(|()| self.flush());
        stored.map_err(|error| self.failed(&error))?;
        self.write("request.json", request)
    }

    /// Removes request and bundle. Whether there was one.
    pub fn forget(&self) -> Result<bool, Failure> {
        let any = self.done()?;
        self.set_then(Then::Reboot)?;
        Ok(any)
    }

    /// The same; what the machine is to do after the update stays asked for.
    pub fn done(&self) -> Result<bool, Failure> {
        let mut any = false;
        // The request goes first.
        for name in ["request.json", "bundle", "bundle.new"] {
            let gone = removed(&self.0.join(name)).map_err(|error| self.failed(&error))?;
            any |= gone && name == "request.json";
            if gone {
                self.flush().map_err(|error| self.failed(&error))?;
            }
        }
        Ok(any)
    }

    /// Says what the machine is to do after the update.
    pub fn set_then(&self, then: Then) -> Result<(), Failure> {
        let marker = self.0.join("poweroff");
        let set = match then {
            Then::Poweroff => file::write_state(&marker, b""),
            Then::Reboot => removed(&marker).map(|_| ()),
        };
        set.and_then(|()| self.flush()).map_err(|error| self.failed(&error))
    }

    /// Says how it ended, or first of all that it was cut short.
    pub fn say(&self, ended: &Ended) -> Result<(), Failure> {
        self.write("result.json", ended)
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Failure> {
        let text = output::json(value).map_err(io::Error::from);
        let written = text.and_then(|text| file::write_state(&self.0.join(name), text.as_bytes()));
        written.and_then(|()| self.flush()).map_err(|error| self.failed(&error))
    }

    fn read<T: for<'d> Deserialize<'d>>(&self, name: &str) -> Result<Option<T>, Failure> {
        let path = self.0.join(name);
        let read = file::read_state(&path, STATE_BYTES);
        match read.and_then(|text| serde_json::from_str(&text).map_err(io::Error::from)) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let what = format!("cannot read {}", path.display());
                Err(Failure::new(Exit::Io, what, error, "run `offline cancel`, then `offline prepare` again"))
            }
        }
    }

    fn flush(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    fn failed(&self, error: &io::Error) -> Failure {
        let (code, next) =
            exit::no_room(error).unwrap_or((Exit::Io, "see the kernel log (dmesg), then run the same command again"));
        Failure::new(code, format!("cannot write to {}", self.0.display()), error, next)
    }
}

/// Removes a file. Whether it was there.
pub fn removed(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        let text = |text: &str| text.to_owned();
        Request {
            from: text("x"),
            version: text("2"),
            manifest_digest: text("d"),
            bundle_bytes: 3,
            allow_downgrade: false,
            retry_failed: true,
            prepared: None,
        }
    }

    #[test]
    fn a_request_comes_last_and_goes_first() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder(place.path().join("offline"));
        assert_eq!(folder.request().unwrap(), None);
        let bundle = folder.begin_bundle().unwrap();
        assert!(!folder.bundle().exists() && folder.request().unwrap().is_none());
        folder.store(&bundle, &request()).unwrap();
        assert!(folder.bundle().exists());
        assert_eq!(folder.request().unwrap(), Some(request()));
        folder.set_then(Then::Poweroff).unwrap();
        assert_eq!(folder.then(), Then::Poweroff);
        folder.set_then(Then::Reboot).unwrap();
        assert_eq!(folder.then(), Then::Reboot);
        assert!(folder.forget().unwrap() && !folder.bundle().exists());
        assert!(!folder.forget().unwrap());
    }

    #[test]
    fn what_is_no_request_is_told() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder(place.path().to_owned());
        for text in ["", "{}", "[1]", "\u{0}"] {
            fs::write(place.path().join("request.json"), text).unwrap();
            assert_eq!(folder.request().unwrap_err().code, Exit::Io, "{text}");
        }
    }

    #[test]
    fn a_result_says_first_that_it_was_cut_short() {
        let ended = Ended::cut_short(&request());
        assert!(ended.in_words().starts_with("2: failed: it was cut short"), "{}", ended.in_words());
        let failure = Failure::new(Exit::NotAuthentic, "x", "why", "next");
        assert!(ended.clone().with(Some(&failure)).in_words().starts_with("2: not-authentic: why, "));
        assert!(ended.with(None).in_words().starts_with("2: done, "));
    }

    #[test]
    fn two_do_not_prepare_at_once() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder(place.path().to_owned());
        let held = folder.lock().unwrap();
        assert_eq!(folder.lock().unwrap_err().code, Exit::Busy);
        drop(held);
        folder.lock().unwrap();
    }
}
