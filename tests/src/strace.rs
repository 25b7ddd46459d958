//! Debian's `strace` as the hand that kills the program, or lies to it, at a system call of our choice; and as the witness of what it
//! wrote. The program goes around libc for its writes, so nothing that is preloaded would see them.
//!
//! Only calls on one file count, in each thread from 1. So that a number says which call it is, the program gets one processor: then one
//! thread does what the act does not wait for, by the vectored calls, and the act's own thread does the rest.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

use crate::answer::Answer;
use crate::cli::Cli;

/// The calls that write to a disk: those that the act waits for, and those in flight.
pub const WRITES: [&str; 2] = ["pwrite64", "pwritev"];
/// The calls that read from a disk or a bundle: those that the act waits for, and those ahead of it.
pub const READS: [&str; 2] = ["pread64", "preadv"];
/// The call that flushes a disk.
pub const FLUSH: &str = "fdatasync";

/// What happens at the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// The program is killed as it enters it.
    Kill,
    /// It is not carried out and fails with this error.
    Fails(&'static str),
    /// It is not carried out and says that it handled this many bytes.
    Claims(u32),
    /// It is carried out so many microseconds later.
    Late(u32),
}

/// Which calls it happens at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// This one.
    Nth(usize),
    /// This one, and every one after it.
    From(usize),
}

/// The command line, disturbed at a call on a file.
///
/// # Panics
/// Where the path is no UTF-8.
#[must_use]
pub fn disturbed(cli: Cli, file: &Path, call: &str, when: When, deed: Deed) -> Cli {
    let when = match when {
        When::Nth(number) => number.to_string(),
        When::From(number) => format!("{number}+"),
    };
    let deed = match deed {
        Deed::Kill => "signal=KILL".to_owned(),
        Deed::Fails(errno) => format!("error={errno}"),
        Deed::Claims(bytes) => format!("retval={bytes}"),
        Deed::Late(microseconds) => format!("delay_enter={microseconds}"),
    };
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{deed}:when={when}"));
    let file = file.to_str().expect("paths of tests are UTF-8");
    cli.under(&[
        "taskset",
        "-c",
        &processor(),
        "strace",
        "-f",
        "-qqq",
        "-o",
        "/dev/null",
        "-P",
        file,
        "-e",
        &trace,
        "-e",
        &inject,
    ])
}

/// Lengths of these calls that the command line made on a file, in the order in which they ended; and its answer.
///
/// # Panics
/// Where strace cannot tell.
#[must_use]
pub fn counted(cli: Cli, file: &Path, calls: &[&str]) -> (Answer, Vec<u64>) {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let log = folder.path().join("log");
    let [file, out] = [file, &log].map(|path| path.to_str().expect("paths of tests are UTF-8"));
    let trace = format!("trace={}", calls.join(","));
    let answer = cli
        .under(&["taskset", "-c", &processor(), "strace", "-f", "-qqq", "-o", out, "-s", "0", "-P", file, "-e", &trace])
        .run();
    let log = fs::read_to_string(&log).unwrap_or_else(|error| panic!("strace left no log: {error}\n{answer}"));
    // One that another thread came in between of stands on two lines, and ends on the second.
    let is_end = |line: &&str| {
        let begins = |call: &&str| line.contains(&format!(" {call}(")) && !line.contains("<unfinished ...>");
        calls.iter().any(|call| begins(call) || line.contains(&format!("<... {call} resumed>")))
    };
    let ends = log.lines().filter(is_end);
    let result = |line: &str| {
        let (_, result) = line.rsplit_once(" = ").unwrap_or_else(|| panic!("a call without a result: {line}"));
        // A call that failed handled nothing.
        result.trim().parse().unwrap_or_default()
    };
    (answer, ends.map(result).collect())
}

/// A command line that was killed, and what a drive that kept nothing since its last flush has lost with it.
#[derive(Debug)]
pub struct Killed {
    /// Bytes of the file that were written since, or were being written.
    pub lost: Vec<Range<u64>>,
    /// Flushes before.
    pub flushes: usize,
}

/// The command line, killed as it enters the `nth` call that writes to a file.
///
/// # Panics
/// Where strace cannot tell, or the command line ends before.
#[must_use]
pub fn killed(cli: Cli, file: &Path, call: &str, nth: usize) -> Killed {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let log = folder.path().join("log");
    let trace = format!("trace={},{FLUSH}", WRITES.join(","));
    let inject = format!("inject={call}:signal=KILL:when={nth}");
    let [file, out] = [file, &log].map(|path| path.to_str().expect("paths of tests are UTF-8"));
    // With no byte of the data, strace leaves out how many there are.
    let options = ["-f", "-qqq", "-o", out, "-s", "1", "-P", file, "-e", &trace, "-e", &inject];
    let answer = cli.under(&[&["taskset", "-c", &processor(), "strace"][..], &options].concat()).run();
    let answer = answer.killed_by(9);
    let log = fs::read_to_string(&log).unwrap_or_else(|error| panic!("strace left no log: {error}\n{answer}"));
    let mut killed = Killed { lost: Vec::new(), flushes: 0 };
    for line in log.lines() {
        // The program flushes after every write that it waits for has ended.
        if line.contains(&format!("{FLUSH} resumed")) || line.contains(&format!(" {FLUSH}(")) && line.ends_with("= 0") {
            killed.lost.clear();
            killed.flushes += 1;
        }
        if WRITES.iter().any(|call| line.contains(&format!(" {call}("))) {
            killed.lost.push(written(line).unwrap_or_else(|| panic!("not understood: {line}")));
        }
    }
    killed
}

/// Where a call writes, of the line in which it begins: its last operand is the offset, and its bytes are in one piece.
///
/// ```text
/// 12 pwrite64(5, ""..., 4096, 1048576) = 4096
/// 12 pwritev(5, [{iov_base=""..., iov_len=524288}], 1, 1048576 <unfinished ...>
/// ```
fn written(line: &str) -> Option<Range<u64>> {
    let (_, operands) = line.split_once('(')?;
    let operands =
        operands.split_once(" <unfinished").or_else(|| operands.rsplit_once(") ")).map_or(operands, |split| split.0);
    let (before, offset) = operands.rsplit_once(", ")?;
    let len: u64 = match before.split_once("iov_len=") {
        Some(_) => before
            .split("iov_len=")
            .skip(1)
            .map(|piece| piece.split(['}', ',']).next()?.parse::<u64>().ok())
            .sum::<Option<u64>>()?,
        None => before.rsplit_once(", ")?.1.parse().ok()?,
    };
    let offset: u64 = offset.trim_end_matches(')').parse().ok()?;
    Some(offset..offset + len)
}

/// Threads on each processor.
static CLAIMS: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// A processor that one thread of this test program uses for what it runs.
struct Claim(usize);

impl Claim {
    /// The one that the fewest threads have.
    fn new() -> Self {
        let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
        let count = available_parallelism().map_or(1, |number| number.get());
        claims.resize(count, 0);
        let least = (0..count).min_by_key(|number| claims[*number]).unwrap_or_default();
        claims[least] += 1;
        Self(least)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMS.lock().unwrap_or_else(PoisonError::into_inner)[self.0] -= 1;
    }
}

/// The number of this thread's processor: what tests run beside each other does not queue for one.
fn processor() -> String {
    thread_local!(static MINE: Claim = Claim::new());
    MINE.with(|claim| claim.0.to_string())
}

/// The command line on a machine with this many cores, as the program sees it; 63 at most.
///
/// # Panics
/// With more.
#[must_use]
pub fn with_cores(cli: Cli, cores: u32) -> Cli {
    let mask = 1_u64.checked_shl(cores).expect("a mask of 64 bits").wrapping_sub(1);
    let bytes: String = mask.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let call = "sched_getaffinity";
    let inject = format!("inject={call}:retval=8:poke_exit=@arg3={bytes}");
    cli.under(&["strace", "-f", "-qqq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject])
}
