//! Catalogue of cases, letter H: the header of a copy.
//!
//! Where docs/POWER.md differs from vboot, the row says so:
//!
//! | rule | vboot | here | why |
//! |---|---|---|---|
//! | header size | 92 to 512 | 92 to one block | a 4096-byte block may hold more, and the checksum covers it |
//! | entries | exactly 128 | 1 to 1024 | most writers can make them, and refusing a disk bricks it |
//! | place of the backup's entries | right before its header | anywhere behind the usable range | written tables exist |
//! | last usable of the primary | room for a backup behind it | inside the disk | its backup may stand elsewhere |

use libupdate::error::TableFault;
use libupdate::gpt::{BothCopies, CopyState, DiskEnds, detect_block_size};
use libupdate::{BlockSize, ByteLen, Lba};
use tests::gpt_disk::GptDisk;

const SIZES: [BlockSize; 2] = [BlockSize::B512, BlockSize::B4096];

fn disk(size: BlockSize) -> GptDisk {
    GptDisk::with_slots(size, [(2, 0, 1), (1, 3, 0), (0, 0, 0)])
}

/// State of the copy whose header stands at `header`.
fn state(made: &GptDisk, header: u64) -> CopyState {
    let survey = BothCopies::read(&mut made.disk(), &mut [0; 4096]).unwrap();
    let copy = if header == 1 { survey.primary() } else { survey.backup() };
    copy.state()
}

/// The verdict on a header with one field changed and its checksum renewed. The other copy is as it was, so that "differs" means
/// that the changed one holds.
fn holds(size: BlockSize, header: u64, at: usize, field: &[u8]) -> Result<(), TableFault> {
    let mut made = disk(size);
    made.set(header, at, field);
    match state(&made, header) {
        CopyState::Valid | CopyState::Differs => Ok(()),
        CopyState::Faulty(fault) => Err(fault),
        CopyState::Ignored => panic!("ignored"),
    }
}

fn lba(at: u64) -> Lba {
    Lba::new(at)
}

/// H1, vboot `SignatureTest`, `RevisionTest`, `SizeTest`, `CrcFieldTest`, `ReservedFieldsTest`, in both copies.
#[test]
fn h1_signature_revision_size_checksum_reserved() {
    for size in SIZES {
        let last = disk(size).last();
        for header in [1, last] {
            for byte in 0..8 {
                let mut made = disk(size);
                made.block(header)[byte] ^= 0x20;
                made.seal(header);
                assert_eq!(state(&made, header), CopyState::Faulty(TableFault::Signature), "byte {byte}");
            }
            for found in [0, 0x0000_ffff, 0x0001_0001, 0x0002_0000] {
                let verdict = holds(size, header, 8, &u32::to_le_bytes(found));
                assert_eq!(verdict, Err(TableFault::Revision { found }));
            }
            let block = u32::try_from(size.bytes()).unwrap();
            for (found, good) in
                [(0, false), (91, false), (92, true), (93, true), (511, true), (512, true), (block, true)]
                    .into_iter()
                    .chain([(block + 1, false), (u32::MAX, false)])
            {
                let wanted = if good { Ok(()) } else { Err(TableFault::HeaderSize { found }) };
                assert_eq!(holds(size, header, 12, &found.to_le_bytes()), wanted);
            }
            assert_eq!(holds(size, header, 20, &[1]), Err(TableFault::Reserved));
            let mut stale = disk(size);
            stale.block(header)[16] ^= 1;
            assert_eq!(state(&stale, header), CopyState::Faulty(TableFault::HeaderCrc));
            stale.seal(header);
            assert_eq!(state(&stale, header), CopyState::Valid);
        }
    }
}

/// H2, vboot `MyLbaTest`.
#[test]
fn h2_own_place_other_header_and_entries() {
    let size = BlockSize::B512;
    let (last, entries) = (516, 484);
    for (header, found) in [(1, 0), (1, 2), (1, last), (1, u64::MAX), (last, last - 1), (last, last + 1), (last, 1)] {
        let wanted = Err(TableFault::MyLba { found: lba(found), at: lba(header) });
        assert_eq!(holds(size, header, 24, &found.to_le_bytes()), wanted);
    }
    for other in [0, 2, last - 1, last + 1, u64::MAX] {
        assert_eq!(holds(size, 1, 32, &other.to_le_bytes()), Ok(()), "not judged");
        assert_eq!(holds(size, last, 32, &other.to_le_bytes()), Ok(()), "not judged");
    }
    for (header, found) in
        [(1, 0), (1, 1), (1, 3), (1, u64::MAX), (last, entries - 1), (last, entries + 1), (last, 2), (last, u64::MAX)]
    {
        let wanted = Err(TableFault::EntriesLba { found: lba(found) });
        assert_eq!(holds(size, header, 72, &found.to_le_bytes()), wanted);
    }
}

/// H3, vboot `FirstUsableLbaAndLastUsableLbaTest`, its rows and two of ours, on 517 blocks: what vboot says and what we say.
#[test]
fn h3_the_usable_range() {
    const ROWS: [(u64, u64, bool, bool); 12] = [
        (34, 483, true, true),
        (33, 483, false, false),
        (34, 484, false, false),
        (35, 483, true, true),
        (34, 482, true, true),
        (33, 482, false, false),
        (35, 484, false, false),
        (480, 34, false, false),
        (486, 33, false, false),
        (2, 483, false, false),
        (100, 100, true, true),
        (0, 483, false, false),
    ];
    for (first, last, primary, backup) in ROWS {
        let field = [first.to_le_bytes(), last.to_le_bytes()].concat();
        // Off vboot: a primary may leave no room behind its usable range, since its backup may stand elsewhere.
        let wanted = primary || (first, last) == (34, 484) || (first, last) == (35, 484);
        // Entries that the range excludes would be the next fault: here only the range is judged.
        let judged = |header| match holds(BlockSize::B512, header, 40, &field) {
            Err(TableFault::DiskTooShort { .. } | TableFault::UsableRange | TableFault::EntriesLba { .. }) => false,
            Ok(()) | Err(TableFault::EntryRange { .. }) => true,
            other => panic!("{other:?}"),
        };
        assert_eq!((judged(1), judged(516)), (wanted, backup), "{first} to {last}");
    }
}

/// H4, decided: an entry has 128 bytes, and there are 1 to 1024 (vboot: exactly 128; GRUB: sizes 128 times a power of two).
#[test]
fn h4_entries_are_1_to_1024_of_128_bytes() {
    for size in SIZES {
        for found in [0, 64, 127, 129, 256, 512, u32::MAX] {
            assert_eq!(holds(size, 1, 84, &found.to_le_bytes()), Err(TableFault::EntrySize { found }));
        }
        for found in [0, 1025, u32::MAX] {
            assert_eq!(holds(size, 1, 80, &found.to_le_bytes()), Err(TableFault::EntryCount { found }));
        }
        for count in [1_u32, 8, 16, 64, 127] {
            let mut made = disk(size);
            for header in [1, made.last()] {
                made.set(header, 80, &count.to_le_bytes());
                made.seal_entries(header);
            }
            // Fewer blocks of entries: the backup's then end before their old place, which is allowed.
            assert_eq!((state(&made, 1), state(&made, made.last())), (CopyState::Valid, CopyState::Valid), "{count}");
        }
    }
}

/// H5, vboot `ParameterTests`: 512 and 4096, found from the table; the least disk.
#[test]
fn h5_sector_sizes_and_the_least_disk() {
    for (bytes, known) in
        [(512, true), (4096, true), (520, false), (123, false), (4097, false), (256, false), (2048, false)]
    {
        assert_eq!(BlockSize::new(bytes).is_some(), known, "{bytes}");
    }
    for size in SIZES {
        let made = disk(size);
        let ends = DiskEnds {
            head: &made.bytes[..8192],
            tail: &made.bytes[made.bytes.len() - 8192..],
            len: ByteLen::new(u64::try_from(made.bytes.len()).unwrap()),
        };
        assert_eq!(detect_block_size(ends), Ok(Some(size)));
    }
    for blocks in [0, 1, 5] {
        let mut made = disk(BlockSize::B512);
        made.bytes.truncate(blocks * 512);
        let verdict = BothCopies::read(&mut made.disk(), &mut [0; 4096]).map(|_| ());
        assert_eq!(verdict, Err(TableFault::DiskTooSmall.into()));
    }
}

/// H6, vboot `HeaderCrcTest`: the checksum covers `header_size` bytes, whatever they are, and none after.
#[test]
fn h6_the_checksum_covers_the_header_size() {
    for (size, bytes) in
        [(BlockSize::B512, 92), (BlockSize::B512, 300), (BlockSize::B512, 512), (BlockSize::B4096, 4096)]
    {
        let mut made = disk(size);
        made.set(1, 12, &u32::try_from(bytes).unwrap().to_le_bytes());
        assert_eq!(state(&made, 1), CopyState::Valid, "{bytes}");
        for covered in [bytes - 1, 56] {
            let mut damaged = made.clone();
            damaged.block(1)[covered] ^= 1;
            assert_eq!(state(&damaged, 1), CopyState::Faulty(TableFault::HeaderCrc), "byte {covered} of {bytes}");
        }
        if bytes < size.bytes() {
            made.block(1)[bytes] ^= 1;
            assert_eq!(state(&made, 1), CopyState::Valid, "byte {bytes}");
        }
    }
}
