//! Two tables on a small disk, damaged in any way, and one act on them.
//!
//! ```text
//!  input   flags, size, scratch, cut, fault | edits | records: place, offset, length, bytes
//! ```
//! The records are written over a disk of zeros, from its start or from its end; then checksums are renewed, if the flags say so.

use libupdate::gpt::write::{self, Backup, BackupPlace, Edit, Effect, Relocate};
use libupdate::gpt::{
    Attributes, BothCopies, CopyId, CopyState, DiskEnds, Entry, EntryNumber, PROBE_BYTES, Table, detect_block_size,
};
use libupdate::{BlockIo, BlockSize, ByteLen, Error, Lba};

use crate::disk::{Disk, Failed, Fault};
use crate::input::Input;

/// Bits of the first byte of an input.
pub mod flag {
    /// 4096-byte blocks.
    pub const LARGE: u8 = 1;
    /// Physical blocks of 4096 bytes.
    pub const PHYSICAL: u8 = 2;
    /// The checksum of the entries is renewed in both headers.
    pub const ENTRIES: u8 = 4;
    /// The checksum of both headers is renewed.
    pub const HEADERS: u8 = 8;
    /// The entries of the primary are copied behind the backup's place.
    pub const MIRROR: u8 = 16;
}

/// What is done to the table.
enum Act {
    Commit(Vec<Edit>),
    Repair(Relocate),
}

/// Reads both copies, and does one act if there is a table.
///
/// # Panics
/// Where the act breaks a promise of `apply`.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (flags, size, room, what, seed) = (input.byte(), input.byte(), input.byte(), input.byte(), input.long());
    let fault = match (input.byte() % 8, usize::from(input.byte() % 40)) {
        (1, number) => Fault::Read(number),
        (2, number) => Fault::Write(number % 6),
        (3, number) => Fault::Flush(number % 4),
        _ => Fault::None,
    };
    let act = match what % 4 {
        0 => Act::Repair(Relocate::No),
        1 => Act::Repair(Relocate::Yes),
        _ => Act::Commit(edits(&mut input, usize::from(what >> 4) % 10)),
    };
    let mut disk = disk(flags, size, &mut input);
    let mut scratch = vec![0; [17_408, 4096, 8192, 4097, 4095, 512][usize::from(room) % 6]];
    disk.begin(Fault::None);
    let Ok(table) = Table::read(&mut disk, &mut scratch) else { return };
    probe(&disk, &table);
    let entries = judge(&mut disk, &table, &mut scratch);
    disk.begin(fault);
    match act {
        Act::Commit(edits) => commit(&mut disk, &table, &edits, &mut scratch, &entries, seed),
        Act::Repair(relocate) => repair(&mut disk, &table, relocate, &mut scratch, &entries, seed),
    }
}

fn edits(input: &mut Input<'_>, count: usize) -> Vec<Edit> {
    let mut edit = || {
        let entry = EntryNumber::new(u32::from(input.byte()))?;
        Some(Edit { entry, bits: Attributes::new((input.short() as u64) << 48).slot_bits() })
    };
    (0..count).filter_map(|_| edit()).collect()
}

pub(crate) fn disk(flags: u8, size: u8, input: &mut Input<'_>) -> Disk {
    let (block_size, blocks) = match flags & flag::LARGE {
        0 => (BlockSize::B512, usize::from(size)),
        _ => (BlockSize::B4096, usize::from(size) % 64),
    };
    let physical = if flags & flag::PHYSICAL == 0 { block_size } else { BlockSize::B4096 };
    let mut bytes = vec![0; blocks * block_size.bytes()];
    while !input.is_empty() && blocks > 0 {
        let (place, offset, len) = (input.byte(), input.short(), usize::from(input.byte()));
        let block = match usize::from(place) {
            from_start @ 0..160 => from_start % blocks,
            from_end => blocks - 1 - (from_end - 160) % blocks,
        };
        let start = block * block_size.bytes() + offset % block_size.bytes();
        let piece = input.bytes(len.min(bytes.len() - start));
        bytes[start..start + piece.len()].copy_from_slice(piece);
    }
    if blocks > 2 {
        mend(&mut bytes, flags, block_size.bytes());
    }
    Disk::holding([block_size, physical], &bytes)
}

/// Renews checksums, so that what stands behind them is reached.
fn mend(disk: &mut [u8], flags: u8, size: usize) {
    let blocks = disk.len() / size;
    let alternate = u64::from_le_bytes(disk[size + 32..size + 40].try_into().unwrap_or_default());
    let backup = usize::try_from(alternate).ok().filter(|at| *at > 1 && *at < blocks).unwrap_or(blocks - 1);
    if flags & flag::MIRROR != 0
        && let (Some(from), Some(to)) = (array(disk, 1, size), array(disk, backup, size))
    {
        let len = from.len().min(to.len());
        disk.copy_within(from.start..from.start + len, to.start);
    }
    for header in [1, backup] {
        if flags & flag::ENTRIES != 0
            && let Some(range) = array(disk, header, size)
        {
            let crc = crc32fast::hash(&disk[range]);
            disk[header * size + 88..header * size + 92].copy_from_slice(&crc.to_le_bytes());
        }
        let block = &mut disk[header * size..(header + 1) * size];
        let len = u32::from_le_bytes(block[12..16].try_into().unwrap_or_default()) as usize;
        if flags & flag::HEADERS != 0 && (20..=block.len()).contains(&len) {
            block[16..20].fill(0);
            let crc = crc32fast::hash(&block[..len]);
            block[16..20].copy_from_slice(&crc.to_le_bytes());
        }
    }
}

/// Where in the disk the entries of this header stand.
fn array(disk: &[u8], header: usize, size: usize) -> Option<std::ops::Range<usize>> {
    let block = &disk[header * size..(header + 1) * size];
    let first = u64::from_le_bytes(block[72..80].try_into().ok()?);
    let count = u32::from_le_bytes(block[80..84].try_into().ok()?);
    let start = usize::try_from(first).ok()?.checked_mul(size)?;
    let end = start.checked_add(usize::try_from(count).ok()?.checked_mul(128)?)?;
    (end <= disk.len()).then_some(start..end)
}

/// The prober sees a valid header, unless it sees one of the other block size too.
fn probe(disk: &Disk, table: &Table) {
    let len = disk.block_size().bytes() * disk.block_count().get() as usize;
    let bytes = disk.bytes(0..len);
    let (head, tail) = (&bytes[..bytes.len().min(PROBE_BYTES)], &bytes[bytes.len().saturating_sub(PROBE_BYTES)..]);
    let found = detect_block_size(DiskEnds { head, tail, len: ByteLen::new(bytes.len() as u64) });
    if table.primary().state() == CopyState::Valid {
        assert!(found.is_err() || found == Ok(Some(disk.block_size())), "{found:?} where a primary stands");
    }
}

/// What a table promises. Gives its entries.
fn judge(disk: &mut Disk, table: &Table, scratch: &mut [u8]) -> Vec<Entry> {
    let survey = BothCopies::read(disk, scratch).expect("it was read before");
    assert_eq!(survey.table(), Ok(*table), "two readings differ");
    let mut entries: Vec<Entry> = Vec::new();
    table.entries(disk, scratch, |entry| entries.push(*entry)).expect("it was read before");
    let header = table.header();
    for (index, entry) in entries.iter().enumerate() {
        let (first, last) = (entry.extent.first(), entry.extent.last());
        assert!(header.first_usable() <= first && last <= header.last_usable(), "{entry:?} outside the usable range");
        assert!(last.get() < disk.block_count().get());
        assert!(!entries[..index].iter().any(|other| other.extent.overlaps(&entry.extent)), "entries overlap");
        assert_eq!(table.read_entry(disk, entry.number, scratch), Ok(Some(*entry)));
    }
    entries
}

/// The raw array of the copy that serves.
fn raw(disk: &Disk, table: &Table) -> Vec<u8> {
    let start = table.header().entries_lba().get() as usize * disk.block_size().bytes();
    disk.bytes(start..start + table.header().entry_count() as usize * 128)
}

/// The array after these edits.
fn edited(raw: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut raw = raw.to_vec();
    for edit in edits {
        let at = (edit.entry.get() as usize - 1) * 128 + 48;
        let Some(word) = raw.get_mut(at..at + 8) else { continue };
        let before = Attributes::new(u64::from_le_bytes(word.try_into().unwrap_or_default()));
        word.copy_from_slice(&before.with_slot_bits(edit.bits).get().to_le_bytes());
    }
    raw
}

fn commit(disk: &mut Disk, table: &Table, edits: &[Edit], scratch: &mut [u8], entries: &[Entry], seed: u64) {
    let old = raw(disk, table);
    let new = edited(&old, edits);
    let on_error = if seed & 1 == 0 { Backup::Required } else { Backup::Optional };
    let result = write::commit(disk, table, edits, on_error, scratch);
    confined(disk, table);
    let fault = disk.heal();
    match &result {
        Ok(outcome) => {
            let now = Table::read(disk, scratch).expect("a commit leaves a table");
            assert!(raw(disk, &now) == new, "other entries than were asked for");
            assert_eq!(outcome.effect == Effect::Unchanged, old == new);
            if outcome.warning.is_none() {
                both_valid(&now);
            }
        }
        Err(error) => excused(error, fault, edits, entries),
    }
    if fault == Fault::None {
        after_a_cut(disk, table, scratch, &[&old, &new], seed);
    }
}

fn repair(disk: &mut Disk, table: &Table, relocate: Relocate, scratch: &mut [u8], entries: &[Entry], seed: u64) {
    let old = raw(disk, table);
    let result = write::repair(disk, table, relocate, scratch);
    if relocate == Relocate::No {
        confined(disk, table);
    } else {
        no_partition_is_touched(disk, entries);
    }
    let fault = disk.heal();
    match &result {
        Ok(done) => {
            let now = Table::read(disk, scratch).expect("a repair leaves a table");
            assert!(raw(disk, &now) == old, "a repair changed entries");
            if !matches!(done.backup, BackupPlace::Nowhere(_)) {
                both_valid(&now);
            }
        }
        Err(error) => excused(error, fault, &[], entries),
    }
    if fault == Fault::None {
        after_a_cut(disk, table, scratch, &[&old], seed);
    }
}

/// An error has a cause: the disk failed, the edit names no entry, or there is no place for what would have to be written.
fn excused(error: &Error<Failed>, fault: Fault, edits: &[Edit], entries: &[Entry]) {
    let known = |edit: &Edit| entries.iter().any(|entry| entry.number == edit.entry);
    let unknown = edits.len() > 8 || !edits.iter().all(known);
    assert!(fault != Fault::None || unknown || matches!(error, Error::Table(_)), "{error} for no reason");
}

fn both_valid(table: &Table) {
    for copy in [table.primary(), table.backup()] {
        assert!(matches!(copy.state(), CopyState::Valid | CopyState::Ignored), "{:?} after an act", copy.state());
    }
}

/// Nothing but the table was written: not the usable range, not the protective MBR, and of the gaps only what a copy has there.
fn confined(disk: &Disk, table: &Table) {
    let (first, last) = (table.header().first_usable().get(), table.header().last_usable().get());
    let size = disk.block_size().bytes_u64();
    let blocks = (u64::from(table.header().entry_count()) * 128).div_ceil(size);
    for lba in disk.changed() {
        assert!(lba != 0 && !(first..=last).contains(&lba), "block {lba} is not the table's");
        let belongs = [(CopyId::Primary, 2), (CopyId::Backup, blocks)].into_iter().any(|(copy, distance)| {
            let report = table.copy(copy);
            let Some(at) = report.place().map(|at| at.get()) else { return false };
            // Where the header says nothing, or a place that is too small: behind LBA 1, or right before the backup.
            let usual = if copy == CopyId::Primary { distance } else { at - distance.min(at) };
            let own = report.header().map_or(usual, |header| header.entries_lba().get());
            // A lost header may still be believed where it points at the very same entries.
            let lost = report.header().is_none();
            lba == at || (own..own + blocks).contains(&lba) || (usual..usual + blocks).contains(&lba) || lost
        });
        assert!(belongs, "block {lba} belongs to no copy");
    }
}

fn no_partition_is_touched(disk: &Disk, entries: &[Entry]) {
    for lba in disk.changed() {
        let inside = |entry: &Entry| (entry.extent.first().get()..=entry.extent.last().get()).contains(&lba);
        assert!(lba != 0 && !entries.iter().any(inside), "block {lba} belongs to a partition");
    }
}

/// Whether the backup stands where only the primary's header leads: docs/POWER.md, a disk that grew.
fn strays(disk: &Disk, table: &Table) -> bool {
    table.backup().place().is_some_and(|at| at.get() + 1 < disk.block_count().get())
}

/// Whether the drive lost the block, and not only what was to be written to it.
fn is_lost(disk: &mut Disk, block: u64) -> bool {
    disk.read(Lba::new(block), &mut vec![0; disk.block_size().bytes()]).is_err()
}

/// Old or new, and never no table, where the act had two copies to work with: a copy that the disk refuses to write is none.
fn after_a_cut(disk: &mut Disk, table: &Table, scratch: &mut [u8], allowed: &[&[u8]], seed: u64) {
    let two = [table.primary(), table.backup()]
        .iter()
        .all(|copy| copy.place().is_some() && copy.state() != CopyState::Ignored);
    if !two {
        return;
    }
    let story = disk.cut(seed);
    let now = match Table::read(disk, scratch) {
        Ok(now) => now,
        Err(_) if strays(disk, table) && is_lost(disk, 1) => return,
        Err(error) => {
            panic!("{error} after a cut: {story}\nprimary {:?}\nbackup {:?}", table.primary(), table.backup())
        }
    };
    let found = raw(disk, &now);
    assert!(allowed.iter().any(|one| *one == found), "neither old nor new after a cut");
}
