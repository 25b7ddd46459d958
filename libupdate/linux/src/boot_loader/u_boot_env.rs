//! U-Boot's environment: two copies of an environment block, of which the newer valid one counts.
//!
//! ```text
//!  0            4       5                                                        len
//!  | CRC32      | flags | name=value NUL name=value NUL .. NUL | fill             |
//!  | of the data| +1 a  |<----------------------- data ------------------------->|
//!  |            | write |
//! ```
//! Two variables have the names and the meaning that RAUC's boot scripts and U-Boot's `bootmeth rauc` know: `BOOT_ORDER="B A"`, the slots
//! that boot, and `BOOT_B_LEFT=3`, the boots that each has left. A boot script takes one and saves the environment. The third is ours:
//! `BOOT_GOOD="A"`, the slots that are good. Our script (`hardware-profiles/boot-loaders/u-boot.cmd`) does not count their boots, and
//! boots one of them when no other has a boot left; one that does not know the variable counts them, too, until `mark-good`.
//!
//! # Durability
//! A write goes to the copy that does not count, both variables at once, with the next number in `flags`; then a flush, and it is read
//! back. A cut before, inside or after it leaves one valid copy that says all of the old or all of the new. With both copies damaged
//! U-Boot boots with what was compiled in: then nothing is written, since every other variable would be lost.
//!
//! Sources: `env/common.c`, `include/env_internal.h` and `tools/env/fw_env.c` of U-Boot 2023.01.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libupdate::gpt::TriesLeft;
use libupdate::loader::{Counting, Loader, Put, Ranking, Standing};
use libupdate::units::crc::crc32;
use libupdate::{BlockIo, SlotId};
use rustix::fs::{FlockOperation, OFlags};

use super::place::Place;
use super::{capital, refused};
use crate::error::OsError;
use crate::file;

/// The variable that names the slots which boot.
const ORDER: &str = "BOOT_ORDER";
/// The variable that names those of them which are good.
const GOOD: &str = "BOOT_GOOD";
/// Bytes of a copy before its data: checksum and flags.
const HEAD: usize = 5;
/// Bytes of one copy, at most: U-Boot's own boards have 128 KiB.
const MOST_BYTES: usize = 1 << 20;
/// Bytes of `fw_env.config`.
const CONFIG_BYTES: u64 = 64 << 10;
/// How long `fw_setenv` may be at work.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
/// What `fw_printenv` and `fw_setenv` lock: those of libubootenv (Debian's), and U-Boot's own.
const LOCKS: [&str; 2] = ["/run/lock/fw_printenv.lock", "/run/fw_printenv.lock"];

/// The environment of a device.
#[derive(Debug)]
pub struct UBootEnv {
    config: PathBuf,
    copies: [Place; 2],
    /// Boots of a good slot until the script goes on to the next one.
    good: TriesLeft,
}

/// What both copies hold. Pure: bytes to variables and back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Env {
    variables: Vec<Vec<u8>>,
    /// Which copy counts.
    current: usize,
    flags: u8,
    /// Whether the other copy is damaged.
    one_is_lost: bool,
    len: usize,
}

impl Env {
    /// The variables of the copy that counts; `None` if neither is valid. A copy that cannot be read is `None`, and damaged. `len`: bytes
    /// of a copy.
    #[must_use]
    pub fn of(copies: [Option<&[u8]>; 2], len: usize) -> Option<Self> {
        let [first, second] = copies.map(|copy| copy.and_then(decode));
        let (current, flags, variables, one_is_lost) = match (first, second) {
            (None, None) => return None,
            (Some((flags, variables)), None) => (0, flags, variables, true),
            (None, Some((flags, variables))) => (1, flags, variables, true),
            (Some(first), Some(second)) if newer(second.0, first.0) => (1, second.0, second.1, false),
            (Some((flags, variables)), Some(_)) => (0, flags, variables, false),
        };
        Some(Self { variables, current, flags, one_is_lost, len })
    }

    /// Whether the other copy is damaged: a write heals it.
    #[must_use]
    pub const fn one_is_lost(&self) -> bool {
        self.one_is_lost
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.variables.iter().rev().find_map(|variable| value(variable, name))
    }

    /// Gives a variable a value; the others stay, in their order.
    pub fn set(&mut self, name: &str, new: &str) {
        let line = format!("{name}={new}").into_bytes();
        match self.variables.iter().position(|variable| value(variable, name).is_some()) {
            Some(place) => {
                self.variables[place] = line;
                let mut number = 0;
                self.variables.retain(|variable| {
                    number += 1;
                    number <= place + 1 || value(variable, name).is_none()
                });
            }
            None => self.variables.push(line),
        }
    }

    /// The copy to write, and its bytes: all variables, newer than the one that counts. `None` if they do not fit.
    #[must_use]
    pub fn next(&self) -> Option<(usize, Vec<u8>)> {
        let mut bytes = vec![0; HEAD];
        for variable in &self.variables {
            bytes.extend_from_slice(variable);
            bytes.push(0);
        }
        bytes.push(0);
        if bytes.len() > self.len {
            return None;
        }
        bytes.resize(self.len, 0);
        let crc = crc32(&bytes[HEAD..]);
        bytes[..4].copy_from_slice(&crc.to_ne_bytes());
        bytes[4] = self.flags.wrapping_add(1);
        Some((1 - self.current, bytes))
    }

    /// Boots that a slot has left, if it is in the order and counted.
    #[must_use]
    pub fn left(&self, slot: SlotId) -> Option<TriesLeft> {
        if !self.names(ORDER, slot) {
            return None;
        }
        let digits = str::from_utf8(self.get(&left_name(slot))?).ok()?;
        digits.parse().ok().and_then(TriesLeft::new)
    }

    /// Whether the list in a variable has this slot.
    fn names(&self, list: &str, slot: SlotId) -> bool {
        let list = self.get(list).and_then(|list| str::from_utf8(list).ok()).unwrap_or_default();
        list.split_ascii_whitespace().any(|name| name == capital(slot))
    }

    /// Has the variables say a ranking. `good`: boots of a good slot.
    pub fn rank(&mut self, ranking: &Ranking, good: TriesLeft) {
        let (mut order, mut goods) = (String::new(), String::new());
        for (slot, standing) in ranking.rows() {
            let left = match standing {
                Standing::Good => ranking.good_left(*slot, self.left(*slot), self.names(GOOD, *slot), good),
                Standing::Trial(left) => *left,
                Standing::Off => TriesLeft::ZERO,
            };
            self.set(&left_name(*slot), &left.get().to_string());
            if *standing != Standing::Off {
                name(&mut order, *slot);
            }
            if *standing == Standing::Good {
                name(&mut goods, *slot);
            }
        }
        self.set(ORDER, &order);
        self.set(GOOD, &goods);
    }
}

/// One more slot at the end of a list.
fn name(list: &mut String, slot: SlotId) {
    let space = if list.is_empty() { "" } else { " " };
    // Writing to a string does not fail.
    write!(list, "{space}{}", capital(slot)).unwrap_or_default();
}

fn left_name(slot: SlotId) -> String {
    format!("BOOT_{}_LEFT", capital(slot))
}

fn value<'v>(variable: &'v [u8], name: &str) -> Option<&'v [u8]> {
    variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

/// Flags and variables of a valid copy.
fn decode(bytes: &[u8]) -> Option<(u8, Vec<Vec<u8>>)> {
    let (head, data) = bytes.split_at_checked(HEAD)?;
    let (crc, flags) = head.split_first_chunk::<4>()?;
    if u32::from_ne_bytes(*crc) != crc32(data) {
        return None;
    }
    let mut variables = Vec::new();
    for variable in data.split(|byte| *byte == 0) {
        if variable.is_empty() {
            return Some((*flags.first()?, variables));
        }
        variables.push(variable.to_vec());
    }
    // No empty one ends the list: U-Boot would read on.
    None
}

/// Whether `flags` is a later number than `than`: they wrap around.
const fn newer(flags: u8, than: u8) -> bool {
    match (flags, than) {
        (0, 255) => true,
        (255, 0) => false,
        _ => flags > than,
    }
}

impl UBootEnv {
    /// The environment that a `fw_env.config` describes.
    ///
    /// # Errors
    /// The file is not there or breaks a rule; it has one copy only: a write to it cannot be made so that a cut is harmless.
    pub fn open(config: &Path, good: TriesLeft) -> Result<Self, OsError> {
        let text = file::read_text(config, CONFIG_BYTES).map_err(|error| OsError::io(config, "read", &error))?;
        let mut places = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                places.push(place(config, number, line)?);
            }
        }
        let count = places.len();
        let Ok(copies) = <[Place; 2]>::try_from(places) else {
            let why = format!(
                "it names {count} of the two copies that are needed: a cut inside a write to the only one would lose it (CONFIG_SYS_REDUNDAND_ENVIRONMENT)"
            );
            return Err(refused(config, why));
        };
        let [first, second] = &copies;
        let between = usize::try_from(first.offset.abs_diff(second.offset)).unwrap_or(usize::MAX);
        let apart = first.path != second.path || between >= first.len;
        if first.len != second.len || !apart {
            return Err(refused(config, "its two copies differ in size, or overlap".to_owned()));
        }
        Ok(Self { config: config.to_owned(), copies, good })
    }

    fn env(&self) -> Result<Env, OsError> {
        let copies = [0, 1].map(|copy| self.copies[copy].read());
        if let [Err(error), Err(_)] = copies {
            return Err(error);
        }
        let [first, second] = copies.each_ref().map(|copy| copy.as_deref().ok());
        Env::of([first, second], self.copies[0].len).ok_or_else(|| {
            let why = "neither copy of the environment is valid, so U-Boot boots with what was compiled in. Nothing is written: every \
                       other variable would be lost. Write the board's environment again (mkenvimage), then run `updater-cli status`";
            refused(&self.config, why.to_owned())
        })
    }
}

impl<D: BlockIo<Error = OsError>> Loader<D> for UBootEnv {
    fn counting(&self) -> Counting {
        Counting::Down
    }

    fn read(&mut self, _: &mut D, slot: SlotId) -> Result<Option<TriesLeft>, OsError> {
        Ok(self.env()?.left(slot))
    }

    fn put(&mut self, _: &mut D, ranking: &Ranking) -> Result<Put, OsError> {
        let _locks = LOCKS.map(|lock| locked(Path::new(lock)));
        let now = self.env()?;
        let mut wanted = now.clone();
        wanted.rank(ranking, self.good);
        if wanted == now && !now.one_is_lost {
            // An earlier act may have been killed before its flush.
            self.copies[now.current].flush()?;
            return Ok(Put::Unchanged);
        }
        let room = self.copies[0].len;
        let (copy, bytes) = wanted
            .next()
            .ok_or_else(|| refused(&self.config, format!("the variables do not fit into its {room} bytes any more")))?;
        self.copies[now.current].flush()?;
        self.copies[copy].write(&bytes)?;
        Ok(Put::Written)
    }
}

/// One line of `fw_env.config`: device, offset (negative: from its end), size; what follows is about flash.
fn place(config: &Path, number: usize, line: &str) -> Result<Place, OsError> {
    let wrong = |why: &str| refused(config, format!("line {number}: {why}"));
    let mut words = line.split_ascii_whitespace();
    let (Some(path), Some(offset), Some(len)) = (words.next(), words.next(), words.next()) else {
        return Err(wrong("a device, an offset and a size are needed"));
    };
    let path = PathBuf::from(path);
    let len = integer(len).and_then(|len| usize::try_from(len).ok()).filter(|len| *len > HEAD && *len <= MOST_BYTES);
    let len = len.ok_or_else(|| wrong("the size is not 6 bytes to 1 MiB"))?;
    let offset = match offset.strip_prefix('-') {
        None => integer(offset).ok_or_else(|| wrong("the offset is no number"))?,
        Some(back) => {
            let back = integer(back).ok_or_else(|| wrong("the offset is no number"))?;
            let end = end_of(&path)?;
            end.checked_sub(back).ok_or_else(|| wrong("the offset is before the start of the device"))?
        }
    };
    Ok(Place { path, offset, len })
}

fn end_of(path: &Path) -> Result<u64, OsError> {
    let file = file::open(path, OFlags::RDONLY).and_then(|mut file| file.seek(SeekFrom::End(0)));
    file.map_err(|error| OsError::io(path, "open", &error))
}

fn integer(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `fw_setenv` waits until this is dropped. Who may not take the lock, not being root, writes a file of their own; and whoever holds it for
/// long, which anybody can who may open the file, keeps nobody from confirming a trial.
fn locked(path: &Path) -> Option<File> {
    let file = file::lock(path).ok()?;
    let until = Instant::now() + PATIENCE;
    while rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() >= until {
            return None;
        }
        sleep(POLL);
    }
    Some(file)
}

#[cfg(test)]
mod tests;
