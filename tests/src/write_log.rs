//! What qemu writes down of a disk: every write with its content, and every flush.
//!
//! ```text
//!  sector 0   magic version entries sector-size     the log's superblock
//!  sector 1   first sectors flags bytes             an entry, and behind it the sectors of a write
//!  ...
//! ```
//! The format is that of Linux's dm-log-writes (`Documentation/admin-guide/device-mapper/log-writes.rst`), kept by qemu's
//! `blklogwrites`, little-endian, everything padded to a sector. qemu counts entries only at a flush, so that the file's end says where
//! the log ends. A write stands in it once it has ended, a flush too: whoever waits for a write before it asks for a flush finds them in
//! that order.

use std::path::Path;

use crate::medium::Sector;
use crate::sim_disk::Event;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
/// Forced unit access: durable by itself. Taken for a write like others, which allows a cut more and not less.
const FUA: u64 = 2;

/// The events of a log, in their order.
///
/// # Panics
/// Where the file is no such log, or has an entry that a disk with a cache does not make: a discard, a mark.
#[must_use]
pub fn events(log: &Path) -> Vec<Event> {
    let bytes = std::fs::read(log).expect("qemu has written it");
    assert_eq!((word(&bytes, 0), word(&bytes, 8)), (MAGIC, 1), "{} is a log of version 1", log.display());
    let sector = usize::try_from(word(&bytes, 24) & 0xffff_ffff).expect("32 bits");
    let (mut at, mut events) = (sector, Vec::new());
    while at + sector <= bytes.len() {
        let [first, sectors, flags] = [0, 8, 16].map(|field| word(&bytes, at + field));
        at += sector;
        assert_eq!(flags & !(FLUSH | FUA), 0, "entry {} is a write or a flush", events.len());
        let len = usize::try_from(sectors).expect("a small disk") * sector;
        if len > 0 {
            events.push(Event::Write(first, bytes[at..at + len].chunks(sector).map(Sector::new).collect()));
            at += len;
        }
        if flags & FLUSH != 0 {
            events.push(Event::Flush);
        }
    }
    events
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes[at..].first_chunk().expect("the log has a whole number of sectors");
    u64::from_le_bytes(*word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector(words: &[u64]) -> Vec<u8> {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.resize(512, 0);
        bytes
    }

    fn read(entries: &[Vec<u8>]) -> Vec<Event> {
        let file = tempfile::NamedTempFile::new().expect("the temporary folder can be written");
        let superblock = sector(&[MAGIC, 1, 0, 512]);
        std::fs::write(file.path(), [superblock, entries.concat()].concat()).expect("it can be written");
        events(file.path())
    }

    #[test]
    fn writes_and_flushes_in_their_order() {
        let found = read(&[sector(&[7, 2, 0, 0]), sector(&[1]), sector(&[2]), sector(&[0, 0, FLUSH, 0])]);
        assert!(matches!(&found[..], [Event::Write(7, sectors), Event::Flush] if sectors.len() == 2));
    }

    #[test]
    #[should_panic(expected = "a write or a flush")]
    fn a_discard_is_not_passed_over() {
        let discard = 4;
        drop(read(&[sector(&[7, 2, discard, 0])]));
    }
}
