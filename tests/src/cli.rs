//! The program under test: the real `updater-cli`, run as a user runs it.
//!
//! A test program stands in `TARGET/PROFILE/deps`, so the program is `TARGET/PROFILE/updater-cli`: `cargo build`
//! brings it up to date once in each test program, with the same profile and target folder. `UPDATER_CLI=PATH` names another one,
//! a release or a static build, which is taken as it is.

use std::ffi::OsStr;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::answer::Answer;
use crate::{tool, tree};

/// A run that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);

/// The program's path.
///
/// # Panics
/// Where it cannot be built.
#[must_use]
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| std::env::var_os("UPDATER_CLI").map_or_else(|| built("updater-cli"), PathBuf::from))
}

/// A program of the workspace, brought up to date.
pub(crate) fn built(program: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.parent().and_then(Path::parent).expect("it stands in TARGET/PROFILE/deps");
    let target = folder.parent().expect("it stands in TARGET/PROFILE/deps");
    let profile = match folder.file_name().and_then(OsStr::to_str) {
        Some("debug") => "dev",
        Some(other) => other,
        None => panic!("{} names no profile", folder.display()),
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let done = tool::outside_cargo(cargo)
        // As tests/shell/tally.sh does, so that neither builds it anew for the other.
        .args(["build", "--locked", "--quiet", "--workspace", "--all-features", "--bin", program])
        .args(["--test", "layers", "--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(tree::root())
        .status()
        .expect("cargo can be run");
    assert!(done.success(), "{program} does not build: {done}");
    folder.join(program)
}

/// Variables that name a proxy.
pub const PROXIES: [&str; 8] =
    ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"];

/// A command line of the program.
#[derive(Debug)]
pub struct Cli(Command);

impl Cli {
    /// The program with these arguments.
    #[must_use]
    pub fn new<A: AsRef<OsStr>>(arguments: &[A]) -> Self {
        let mut command = Command::new(binary());
        command.args(arguments).env_remove("SOURCE_DATE_EPOCH");
        // A proxy that this machine needs is none that the tests' servers can be reached by.
        for name in PROXIES {
            command.env_remove(name);
        }
        Self(command)
    }

    /// With more arguments.
    #[must_use]
    pub fn and<A: AsRef<OsStr>>(mut self, arguments: &[A]) -> Self {
        self.0.args(arguments);
        self
    }

    /// The same, started by another program, which takes it as its last arguments.
    #[must_use]
    pub fn under(self, wrapper: &[&str]) -> Self {
        let (program, first) = wrapper.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(first).arg(self.0.get_program()).args(self.0.get_args()).env_remove("SOURCE_DATE_EPOCH");
        Self(command)
    }

    /// Runs it to its end, with nothing on its stdin.
    #[must_use]
    pub fn run(self) -> Answer {
        self.start().wait()
    }

    /// Runs it to its end, with `input` on its stdin in pieces of these lengths, over and over. It may end before it has read all.
    ///
    /// # Panics
    /// Where `pieces` has no length over zero.
    #[must_use]
    pub fn run_with_input(self, input: &[u8], pieces: &[usize]) -> Answer {
        let mut running = self.start();
        let mut stdin = running.stdin.take().expect("it was piped");
        let mut rest = input;
        assert!(pieces.iter().any(|piece| *piece > 0), "pieces without a byte");
        for piece in pieces.iter().cycle() {
            let (now, later) = rest.split_at((*piece).min(rest.len()));
            // A program that has seen enough closes its end.
            if rest.is_empty() || stdin.write_all(now).is_err() {
                break;
            }
            rest = later;
        }
        drop(stdin);
        running.wait()
    }

    /// Starts it, with its stdin held open.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start(mut self) -> Running {
        let line = format!("{:?}", self.0);
        let command = self.0.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        let stdout = reader(child.stdout.take().expect("it was piped"));
        let stderr = reader(child.stderr.take().expect("it was piped"));
        let stdin = child.stdin.take();
        Running { line, child, stdin, readers: Some([stdout, stderr]) }
    }
}

fn reader(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

/// A run of the program that goes on. Dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    line: String,
    child: Child,
    stdin: Option<ChildStdin>,
    readers: Option<[JoinHandle<Vec<u8>>; 2]>,
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its stdin, which stays open. Returns when the pipe has taken all, so that all but the pipe's 64 KiB were read.
    ///
    /// # Panics
    /// Where the program does not read.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().expect("stdin is open").write_all(bytes).expect("the program reads its stdin");
    }

    /// Waits until it catches SIGINT and SIGTERM: before, a signal just ends it.
    ///
    /// # Panics
    /// Where it never does.
    pub fn catches_signals(&self) {
        let wanted = 1 << (Signal::INT.as_raw() - 1) | 1 << (Signal::TERM.as_raw() - 1);
        let caught = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
            let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        };
        let until = Instant::now() + PATIENCE;
        while caught().is_none_or(|mask| mask & wanted != wanted) {
            assert!(Instant::now() < until, "{} catches no signal", self.line);
            thread::sleep(POLL);
        }
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// Where the process is gone.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id is a positive number");
        kill_process(pid, signal).expect("the process is there");
    }

    /// Waits for the end, with stdin open as it is.
    ///
    /// # Panics
    /// Where it takes longer than a minute.
    #[must_use]
    pub fn wait_with_stdin_open(mut self) -> Answer {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().expect("a child can be waited for") {
                Some(status) => break status,
                None if Instant::now() < until => thread::sleep(POLL),
                None => panic!("{} hangs", self.line),
            }
        };
        let readers = self.readers.take().expect("nobody has waited yet");
        let [stdout, stderr] = readers.map(|reader| reader.join().expect("the reader has read"));
        Answer::new(self.line.clone(), status, stdout, stderr)
    }

    /// Closes stdin and waits for the end.
    ///
    /// # Panics
    /// Where it takes longer than a minute.
    #[must_use]
    pub fn wait(mut self) -> Answer {
        drop(self.stdin.take());
        self.wait_with_stdin_open()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where it has ended already there is nobody to kill, and that is what was wanted.
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
    }
}
