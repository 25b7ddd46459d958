//! A machine in qemu: started, heard line by line, and ended, whatever happens to this program's act.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use libupdate_linux::{Interrupt, Shield};

/// How often it is looked for a signal while nothing is said.
const POLL: Duration = Duration::from_millis(50);
/// Whatever it says, a guest that runs for so long never ends.
const LIFETIME: Duration = Duration::from_secs(20 * 60);
/// Bytes of a line; a longer one goes on in the next.
const LINE_BYTES: u64 = 4096;

/// A running machine. Dropped, its power is cut.
#[derive(Debug)]
pub struct Guest<'i> {
    child: Child,
    lines: Receiver<String>,
    complaints: Option<JoinHandle<String>>,
    patience: Patience,
    waits: Duration,
    until: Instant,
    end: Instant,
    interrupt: &'i Interrupt,
    /// Dropped last: a second signal must not come before qemu is ended.
    _shield: Shield,
}

/// How long a guest may say nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// At first.
    pub first: Duration,
    /// After each line.
    pub then: Duration,
}

/// Why a guest was not heard to its end.
#[derive(Debug)]
pub enum Fault {
    /// It said nothing for so long.
    Silent(Duration),
    /// It goes on and on.
    Endless(Duration),
    /// qemu ended by itself, and not as it does when a machine is off.
    Failed(ExitStatus, String),
    /// Somebody asked to stop.
    Interrupted,
    /// qemu cannot be run, or be waited for.
    System(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl<'i> Guest<'i> {
    /// Starts it. A guest that says nothing new for as long as `patience` has is taken to hang.
    pub fn start(mut qemu: Command, patience: Patience, interrupt: &'i Interrupt) -> Result<Self, Fault> {
        let shield = interrupt.shield();
        let mut child = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (sender, lines) = channel();
        let now = Instant::now();
        let (waits, until, end) = (patience.first, now + patience.first, now + LIFETIME);
        let mut guest =
            Self { child, lines, complaints: None, patience, waits, until, end, interrupt, _shield: shield };
        guest.complaints = err.map(|err| spawn("complaints", move || text(err))).transpose()?;
        if let Some(out) = out {
            // It ends when qemu does.
            drop(spawn("console", move || each_line(out, |line| sender.send(line).is_ok()))?);
        }
        Ok(guest)
    }

    /// The next line, or `None` where the machine is off.
    pub fn line(&mut self) -> Result<Option<String>, Fault> {
        loop {
            if self.interrupt.requested() {
                return Err(Fault::Interrupted);
            }
            match self.lines.recv_timeout(POLL) {
                Ok(line) => {
                    self.waits = self.patience.then;
                    self.until = Instant::now() + self.waits;
                    return Ok(Some(line));
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() > self.until => {
                    return Err(Fault::Silent(self.waits));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.ended().map(|()| None),
            }
            if Instant::now() > self.end {
                return Err(Fault::Endless(LIFETIME));
            }
        }
    }

    /// qemu has closed the console, and is about to end.
    fn ended(&mut self) -> Result<(), Fault> {
        let status = self.child.wait()?;
        let said = self.complaints.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        match status.success() {
            _ if self.interrupt.requested() => Err(Fault::Interrupted),
            true => Ok(()),
            false => Err(Fault::Failed(status, said)),
        }
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        // If it has ended already there is nobody to kill, and that is what was wanted.
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
    }
}

fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Hands on each line, without what ends it, until nobody takes it.
fn each_line(pipe: impl Read, mut take: impl FnMut(String) -> bool) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    while let Ok(1..) = pipe.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
        if !take(String::from_utf8_lossy(&line).trim_end().to_owned()) {
            return;
        }
        line.clear();
    }
}

/// What qemu itself says, a few lines.
fn text(pipe: impl Read) -> String {
    let mut words = String::new();
    each_line(pipe, |line| {
        if words.len() < usize::from(u16::MAX) {
            words.extend([line.as_str(), "\n"]);
        }
        true
    });
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Patience = Patience { first: Duration::from_secs(60), then: Duration::from_secs(60) };

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn every_line_is_heard_and_then_the_end() {
        let interrupt = Interrupt::default();
        let script = "printf 'one\\r\\n\\ntw'; sleep 0.1; printf 'o\\nlast'";
        let mut guest = Guest::start(shell(script), LONG, &interrupt).unwrap();
        let mut said = Vec::new();
        while let Some(line) = guest.line().unwrap() {
            said.push(line);
        }
        assert_eq!(said, ["one", "", "two", "last"]);
    }

    #[test]
    fn one_that_fails_says_why() {
        let interrupt = Interrupt::default();
        let mut guest = Guest::start(shell("echo no disk >&2; exit 3"), LONG, &interrupt).unwrap();
        let Err(Fault::Failed(status, words)) = guest.line() else { panic!("it did not fail") };
        assert_eq!((status.code(), words.as_str()), (Some(3), "no disk\n"));
        let missing = Guest::start(Command::new("/no/such/qemu"), LONG, &interrupt);
        assert!(matches!(missing, Err(Fault::System(error)) if error.kind() == io::ErrorKind::NotFound));
    }

    #[test]
    fn a_silent_one_is_ended_and_so_is_one_that_nobody_wants_to_hear() {
        let interrupt = Interrupt::default();
        let brief = Patience { then: Duration::from_millis(300), ..LONG };
        let mut guest = Guest::start(shell("echo $$; exec sleep 1000"), brief, &interrupt).unwrap();
        let pid = guest.line().unwrap().unwrap();
        let Err(Fault::Silent(waited)) = guest.line() else { panic!("it spoke") };
        assert_eq!(waited, brief.then);
        let place = format!("/proc/{pid}");
        assert!(std::fs::exists(&place).unwrap(), "it runs until it is dropped");
        drop(guest);
        assert!(!std::fs::exists(&place).unwrap(), "it was ended, and waited for");

        let mut guest = Guest::start(shell("exec sleep 1000"), LONG, &interrupt).unwrap();
        interrupt.request();
        assert!(matches!(guest.line(), Err(Fault::Interrupted)));
    }
}
