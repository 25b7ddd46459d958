//! GRUB's environment block, in two files: `grubenv`, and `grubenv.2` beside it.
//!
//! ```text
//!  0                           25                                                                               512       1024
//!  | # GRUB Environment Block\n | what others keep | ORDER=B A\n A_LEFT=3\n A_OK=1\n B_LEFT=2\n .. SEAL=..\n ### | ####### |
//!  |<------------------------------------ one sector, written at once ------------------------------------------>| fill: # |
//! ```
//! | variable | value |
//! |---|---|
//! | `ORDER` | the slots that boot, the first one first: `B A` |
//! | `A_OK` | `1`: good. `0`: on trial, or off. What boots if no count can be written, or none is left |
//! | `A_LEFT` | boots left, one digit. GRUB takes one before each, of a good slot, too: `mark-good` gives them back |
//! | `SEAL` | all of these again: `ORDER`, then `:`, `OK` and `LEFT` of each of the slots A to H: `B A:13:02::::::` |
//!
//! `ORDER` and `X_OK` are RAUC's names and mean what they mean there. RAUC's `X_TRY` gives a slot one boot; a digit gives it as many as the
//! profile says, and GRUB, which has no arithmetic, compares nine. GRUB knows no checksum either: `SEAL` is compared in its place. It is
//! after what it repeats, so that a block that was written in part has the one new and the other old.
//!
//! # Which file counts
//! The first one whose seal is right; for GRUB, too (`hardware-profiles/boot-loaders/grub.cfg`). If there is none, nothing is counted and
//! the hook chooses by the slot bits.
//!
//! # Durability
//! The file that does not count is written first, flushed and read back, then the one that counts. Neither is ever made shorter, as
//! `grub-editenv` does. A cut in the first write leaves the file that counts as it was; one in the second leaves the other file, which is
//! whole and new. GRUB writes its count in the same order, and does not take a try that it could not write.
//!
//! Sources: `grub-core/lib/envblk.c`, `grub-core/commands/loadenv.c` of GRUB 2.06; `contrib/grub.conf` of RAUC.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use libupdate::gpt::TriesLeft;
use libupdate::loader::{Counting, Loader, Put, Ranking, Standing};
use libupdate::units::limits::SLOTS;
use libupdate::{BlockIo, SlotId};

use super::place::Place;
use super::{capital, refused};
use crate::error::OsError;

/// How a block begins.
const HEADER: &[u8] = b"# GRUB Environment Block\n";
/// Its bytes, as `grub-editenv create` makes it.
const BYTES: usize = 1024;
const BYTES_OF_FILE: u64 = 1024;
/// Those that have variables: one sector, which a drive writes whole or not at all.
const ROOM: usize = 512;
/// The ending of the second file's name.
const SECOND: &str = ".2";
const ORDER: &str = "ORDER";
const SEAL: &str = "SEAL";

/// The two files.
#[derive(Debug)]
pub struct GrubEnv {
    copies: [Place; 2],
    /// Boots of a good slot until GRUB goes on to the next one.
    good: TriesLeft,
}

/// What one file says. Pure: bytes to variables and back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Block {
    /// Lines that are not ours, as they are: comments, too.
    others: Vec<u8>,
    /// Name and value.
    ours: Vec<(String, Vec<u8>)>,
}

impl Block {
    /// The variables of a block; `None` if it is none.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(HEADER)?;
        let mut block = Self::default();
        while let Some((line, after)) = line(rest) {
            match our_variable(line) {
                Some(ours) => block.ours.push(ours),
                None => block.others.extend_from_slice(line),
            }
            rest = after;
        }
        Some(block)
    }

    /// The block with these variables, ours last; `None` if they do not fit.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = [HEADER, &self.others].concat();
        for (name, value) in &self.ours {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(b'=');
            bytes.extend_from_slice(value);
            bytes.push(b'\n');
        }
        if bytes.len() > ROOM {
            return None;
        }
        bytes.resize(BYTES, b'#');
        Some(bytes)
    }

    /// The value of one of our variables. As GRUB has it: the last one of a name counts.
    fn get(&self, name: &str) -> &[u8] {
        self.ours.iter().rev().find(|(ours, _)| ours == name).map_or(&[], |(_, value)| value)
    }

    /// Whether it was written as a whole, by us or by GRUB.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        !self.get(ORDER).is_empty() && self.get(SEAL) == self.seal()
    }

    fn seal(&self) -> Vec<u8> {
        let mut seal = self.get(ORDER).to_vec();
        for slot in slots() {
            seal.push(b':');
            seal.extend_from_slice(self.get(&ok_name(slot)));
            seal.extend_from_slice(self.get(&left_name(slot)));
        }
        seal
    }

    /// Boots that a slot has left, if it boots.
    #[must_use]
    pub fn left(&self, slot: SlotId) -> Option<TriesLeft> {
        if !self.is_sealed() {
            return None;
        }
        let order = str::from_utf8(self.get(ORDER)).ok()?;
        order.split_ascii_whitespace().find(|name| *name == capital(slot))?;
        let digit = str::from_utf8(self.get(&left_name(slot))).ok()?;
        digit.parse().ok().and_then(TriesLeft::new)
    }

    /// The same block with a ranking. `good`: boots of a good slot.
    #[must_use]
    pub fn ranked(&self, ranking: &Ranking, good: TriesLeft) -> Self {
        let mut next = Self { others: self.others.clone(), ours: Vec::new() };
        let order: Vec<String> = ranking.bootable().map(|(slot, _)| capital(slot)).collect();
        next.ours.push((ORDER.to_owned(), order.join(" ").into_bytes()));
        for slot in slots() {
            let Some((_, standing)) = ranking.rows().iter().find(|(row, _)| *row == slot) else { continue };
            let was_good = self.get(&ok_name(slot)) == b"1";
            let (ok, left) = match standing {
                Standing::Good => ("1", ranking.good_left(slot, self.left(slot), was_good, good)),
                Standing::Trial(left) => ("0", *left),
                Standing::Off => ("0", TriesLeft::ZERO),
            };
            next.ours.push((left_name(slot), left.get().to_string().into_bytes()));
            next.ours.push((ok_name(slot), ok.as_bytes().to_vec()));
        }
        next.ours.push((SEAL.to_owned(), next.seal()));
        next
    }
}

/// All that a seal is about, whatever the profile has: the script, too, is the same for every board.
fn slots() -> impl Iterator<Item = SlotId> {
    (0..SLOTS).filter_map(SlotId::from_index)
}

fn ok_name(slot: SlotId) -> String {
    format!("{}_OK", capital(slot))
}

fn left_name(slot: SlotId) -> String {
    format!("{}_LEFT", capital(slot))
}

/// The next comment or variable, its end of line included, and what comes after it. A backslash keeps an end of line in a value.
fn line(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_comment = rest.first() == Some(&b'#');
    let mut at = if is_comment { 0 } else { rest.iter().position(|byte| *byte == b'=')? };
    loop {
        match rest.get(at)? {
            b'\n' => return rest.split_at_checked(at.checked_add(1)?),
            b'\\' if !is_comment => at = at.checked_add(2)?,
            _ => at = at.checked_add(1)?,
        }
    }
}

/// Name and value of a line, if it is one of ours.
fn our_variable(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let equals = line.iter().position(|byte| *byte == b'=')?;
    let (name, value) = line.split_at_checked(equals)?;
    let name = str::from_utf8(name).ok()?;
    let is_ours = |slot| name == ok_name(slot) || name == left_name(slot);
    if name != ORDER && name != SEAL && !slots().any(is_ours) {
        return None;
    }
    let mut bytes = value.strip_prefix(b"=")?.strip_suffix(b"\n")?.iter().copied();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.extend(if byte == b'\\' { bytes.next() } else { Some(byte) });
    }
    Some((name.to_owned(), plain))
}

/// What both files hold.
struct Copies {
    bytes: [Vec<u8>; 2],
    blocks: [Option<Block>; 2],
}

impl Copies {
    /// The one that counts.
    fn counts(&self) -> Option<usize> {
        self.blocks.iter().position(|block| block.as_ref().is_some_and(Block::is_sealed))
    }

    /// The variables: of the one that counts, or else of the first that is a block.
    fn block(&self) -> Option<&Block> {
        match self.counts() {
            Some(copy) => self.blocks.get(copy)?.as_ref(),
            None => self.blocks.iter().flatten().next(),
        }
    }
}

impl GrubEnv {
    /// The files at `store` and beside it.
    ///
    /// # Errors
    /// The first one is not there.
    pub fn open(store: &Path, good: TriesLeft) -> Result<Self, OsError> {
        // A link would lead GRUB nowhere: the second file is beside the real one.
        let first = fs::canonicalize(store).map_err(|error| OsError::io(store, "open", &error))?;
        let mut second = first.clone().into_os_string();
        second.push(SECOND);
        let copies = [first, second.into()].map(|path| Place { path, offset: 0, len: BYTES });
        Ok(Self { copies, good })
    }

    fn copies(&self) -> Result<Copies, OsError> {
        let [first, second] = &self.copies;
        let bytes = [read(first)?, read(second)?];
        let blocks = [Block::of(&bytes[0]), Block::of(&bytes[1])];
        if blocks == [None, None] {
            let why = format!(
                "neither it nor the file of the same name with {SECOND} is an environment block of {BYTES} bytes without holes, so GRUB counts \
                 nothing and the hook chooses. Nothing is written: make both anew (`grub-editenv FILE create`), then run `updater-cli status`"
            );
            return Err(refused(&first.path, why));
        }
        Ok(Copies { bytes, blocks })
    }
}

/// The bytes of a file that GRUB, too, can write; of one that it cannot, none: it is written anew, as a damaged one is.
fn read(place: &Place) -> Result<Vec<u8>, OsError> {
    let refuse = |why: &str| refused(&place.path, format!("{why}. Make it anew: `grub-editenv FILE create`"));
    let status = match fs::metadata(&place.path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(refuse("one of the two copies is not there")),
        status => status.map_err(|error| OsError::io(&place.path, "open", &error))?,
    };
    if !status.is_file() {
        return Err(refuse("it is not a regular file"));
    }
    if status.len() > BYTES_OF_FILE {
        return Err(refuse(&format!("it has {} bytes, and an environment block has {BYTES}", status.len())));
    }
    // A hole, or bytes that are not on blocks of their own: GRUB does not write there.
    let has_blocks = status.blocks().saturating_mul(512) >= BYTES_OF_FILE;
    if status.len() < BYTES_OF_FILE || !has_blocks {
        return Ok(Vec::new());
    }
    // Sectors that cannot be read are a damaged copy, too.
    Ok(place.read().unwrap_or_default())
}

impl<D: BlockIo<Error = OsError>> Loader<D> for GrubEnv {
    fn counting(&self) -> Counting {
        Counting::Down
    }

    fn read(&mut self, _: &mut D, slot: SlotId) -> Result<Option<TriesLeft>, OsError> {
        Ok(self.copies()?.block().and_then(|block| block.left(slot)))
    }

    fn put(&mut self, _: &mut D, ranking: &Ranking) -> Result<Put, OsError> {
        let now = self.copies()?;
        let [first, second] = &self.copies;
        let wanted = now.block().and_then(|block| block.ranked(ranking, self.good).bytes());
        let wanted = wanted.ok_or_else(|| {
            refused(
                &first.path,
                format!("the variables do not fit into its first {ROOM} bytes, which are written at once"),
            )
        })?;
        let [last, other] = if now.counts() == Some(1) { [second, first] } else { [first, second] };
        // An earlier act may have been killed before its flush.
        last.flush()?;
        if now.bytes.iter().all(|bytes| *bytes == wanted) {
            other.flush()?;
            return Ok(Put::Unchanged);
        }
        other.write(&wanted)?;
        last.write(&wanted)?;
        Ok(Put::Written)
    }
}

#[cfg(test)]
mod tests;
