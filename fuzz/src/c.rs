//! A call of libupdate for C, with any operands: a disk as in [`gpt`](crate::gpt), sizes, counts and memory that are wrong, pointers that are
//! null or not aligned, callbacks that fail.
//!
//! ```text
//!  input   function, what is wrong, sizes | the rest as the target gpt has it
//! ```
//! A number comes back that the header has, memory around what was lent is as it was, and a disk that was only looked at, too.
#![allow(unsafe_code, reason = "the interface of C is called")]

use std::ffi::{CString, c_void};
use std::ptr::{null, null_mut};

use libupdate::bundle::writer::Signer as _;
use libupdate::slot::{Duty, PartitionSpec};
use libupdate::{BlockIo as _, BlockSize, Lba};
use libupdate_c::abi::{self, Board, Boot, Disk, Failure, Partition, Place, SlotStatus};
use libupdate_c::ffi::exports::{
    lu_choose, lu_choose_and_spend, lu_mark_bad, lu_mark_good, lu_place, lu_repair, lu_text,
};
use libupdate_c::ffi::exports_full::{lu_boot, lu_confirm, lu_reject, lu_status, lu_verify};

use crate::bundles::KEY;
use crate::disk::{self, Fault};
use crate::gpt;
use crate::input::Input;
use crate::machine::Shape;

/// Bytes before and after the memory that is lent.
const AROUND: usize = 256;
const PAINT: u8 = 0xc3;
const MEMORY: usize = 80 << 10;

unsafe extern "C" fn read(context: *mut c_void, lba: u64, blocks: u32, to: *mut c_void) -> i32 {
    // SAFETY: the context is the disk that the call lent, which nobody else uses; the core reads into memory of this size.
    let (disk, to) = unsafe {
        let disk = &mut *context.cast::<disk::Disk>();
        let len = blocks as usize * disk.block_size().bytes();
        (disk, std::slice::from_raw_parts_mut(to.cast::<u8>(), len))
    };
    disk.read(Lba::new(lba), to).map_or(-5, |()| 0)
}
unsafe extern "C" fn write(context: *mut c_void, lba: u64, blocks: u32, from: *const c_void) -> i32 {
    // SAFETY: as in `read`.
    let (disk, from) = unsafe {
        let disk = &mut *context.cast::<disk::Disk>();
        let len = blocks as usize * disk.block_size().bytes();
        (disk, std::slice::from_raw_parts(from.cast::<u8>(), len))
    };
    disk.write(Lba::new(lba), from).map_or(-5, |()| 0)
}
unsafe extern "C" fn flush(context: *mut c_void) -> i32 {
    // SAFETY: as in `read`.
    unsafe { &mut *context.cast::<disk::Disk>() }.flush().map_or(-5, |()| 0)
}
unsafe extern "C" fn start(_: *mut c_void, sound: *mut c_void, _: *const Boot) -> i32 {
    assert!(!sound.is_null());
    0
}

/// A size, mostly the right one.
fn size<T>(input: &mut Input<'_>) -> u32 {
    let right = u32::try_from(size_of::<T>()).expect("a small struct");
    if input.byte() == 0xff { u32::from(input.byte()) } else { right }
}

/// What is right until the input says otherwise.
struct Operands {
    function: u8,
    wrong: u8,
    slot: u8,
    /// Bytes of memory that are lent, and where they begin.
    len: usize,
    at: usize,
    /// What the structs say of themselves: disk, board, partition, error.
    sizes: [u32; 4],
}

impl Operands {
    fn of(input: &mut Input<'_>) -> Self {
        let (function, wrong, slot) = (input.byte() % 11, input.byte(), input.byte());
        let (len, misaligned) = (input.short() * 4 % (MEMORY + 1), usize::from(input.byte()) % 65);
        let sizes = [size::<Disk>(input), size::<Board>(input), size::<Partition>(input), size::<Failure>(input)];
        Self { function, wrong, slot, len, at: AROUND + misaligned, sizes }
    }

    fn partitions(&self, texts: &[[CString; 2]], specs: &[PartitionSpec<'_>]) -> Vec<Partition> {
        let partition = |(spec, [role, label]): (&PartitionSpec<'_>, &[CString; 2])| Partition {
            size: self.sizes[2],
            slot: u8::try_from(spec.slot.index()).expect("few slots") + 1,
            control: u8::from(spec.duty == Duty::Control),
            reserved: [0; 2],
            type_guid: *spec.type_guid.as_bytes(),
            role: role.as_ptr(),
            label: if self.wrong == 2 { null() } else { label.as_ptr() },
        };
        specs.iter().zip(texts).map(partition).collect()
    }

    fn board(&self, partitions: &[Partition], keys: &[abi::Key]) -> Board {
        Board {
            size: self.sizes[1],
            tries: 3,
            guard: self.wrong % 17,
            booted: if self.wrong & 8 == 0 { abi::NO_SLOT } else { self.slot },
            reserved: 0,
            partitions: partitions.as_ptr(),
            partition_count: if self.wrong == 3 { usize::MAX } else { partitions.len() },
            compatible: c"fuzz".as_ptr(),
            keys: keys.as_ptr(),
            key_count: usize::from(self.wrong != 4),
            threshold: usize::from(self.wrong == 5) * 2,
        }
    }

    fn disk(&self, lent: &mut disk::Disk) -> Disk {
        Disk {
            size: self.sizes[0],
            block_size: if self.wrong == 6 {
                1000
            } else {
                u32::try_from(lent.block_size().bytes()).expect("a small block")
            },
            block_count: lent.block_count().get(),
            physical_block_size: 0,
            reserved: 0,
            context: (&raw mut *lent).cast(),
            read: Some(read),
            write: Some(write),
            flush: if self.wrong == 7 { None } else { Some(flush) },
        }
    }
}

/// Calls one function.
///
/// # Panics
/// If it breaks a promise of the header.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let operands = Operands::of(&mut input);
    let Operands { function, wrong, slot, len, at, sizes } = operands;
    let (flags, blocks) = (input.byte(), input.byte());
    let mut lent = gpt::disk(flags, blocks, &mut input);
    lent.begin(if wrong & 3 == 1 { Fault::Write(usize::from(wrong >> 4)) } else { Fault::None });
    let shape = Shape { block_size: BlockSize::B512, slots: 3, roles: 1, partition_blocks: 4 };
    let text = |text: &str| CString::new(text).expect("no zero");
    let texts: Vec<_> = shape.specs().iter().map(|spec| [spec.role, spec.label].map(text)).collect();
    let partitions = operands.partitions(&texts, shape.specs());
    let key = KEY.public_key().to_spki();
    let keys = [abi::Key { der: key.as_ptr(), len: key.len() }];
    let board = operands.board(&partitions, &keys);
    let c_disk = operands.disk(&mut lent);
    let mut failure = Failure { size: sizes[3], status: 7, cause: 0, reserved: 0, text: [1; abi::TEXT_BYTES] };
    let mut memory = vec![PAINT; AROUND + 65 + MEMORY + AROUND];
    let place: *mut c_void = if wrong == 8 { null_mut() } else { memory[at..].as_mut_ptr().cast() };
    let answer = call(function, (&c_disk, &board, slot), (place, len), &mut failure);
    judge(answer, &failure, (sizes[3], function));
    let mut around = memory[..at].iter().chain(&memory[at + len..]);
    assert!(around.all(|byte| *byte == PAINT), "memory that was not lent was written");
}

/// One function of the header.
fn call(
    function: u8,
    (disk, board, slot): (&Disk, &Board, u8),
    (memory, len): (*mut c_void, usize),
    failure: &mut Failure,
) -> i32 {
    let mut boot = Boot { size: abi::BOOT_SIZE, slot: 0, kind: 0, tries_left: 0, needs_repair: 0 };
    let mut place = Place { size: size_of::<Place>() as u32, entry: 0, first_lba: 0, blocks: 0 };
    let blank = SlotStatus {
        size: size_of::<SlotStatus>() as u32,
        slot: 0,
        state: 0,
        priority: 0,
        tries_left: 0,
        rollback_index: 0,
        version: [0; abi::VERSION_BYTES],
    };
    let mut slots = [blank; 3];
    let rules =
        abi::Rules { size: 8, named: slot & 3, mark_good: slot >> 2 & 1, last_resort: slot >> 3 & 1, reserved: 0 };
    let starter =
        abi::Starter { size: size_of::<abi::Starter>() as u32, reserved: 0, context: null_mut(), start: Some(start) };
    let (mut to, mut image) = (vec![0_u64; 4096], 0_usize);
    let none = std::ptr::null();
    // SAFETY: every pointer is null, or of a value that lives here; the memory is as large as `len` says.
    unsafe {
        match function {
            0 => lu_choose(disk, board, memory, len, &mut boot, failure),
            1 => lu_choose_and_spend(disk, board, memory, len, &mut boot, failure),
            2 => lu_place(disk, board, slot, c"root".as_ptr(), memory, len, &mut place, failure),
            3 => lu_mark_good(disk, board, slot, memory, len, failure),
            4 => lu_mark_bad(disk, board, slot, memory, len, failure),
            5 => lu_repair(disk, memory, len, failure),
            6 => lu_status(disk, board, memory, len, slots.as_mut_ptr(), 3, failure),
            7 => lu_boot(disk, board, &rules, &starter, none, memory, len, &mut boot, failure),
            8 => lu_confirm(disk, board, slot, none.cast(), memory, len, failure),
            9 => lu_reject(disk, board, slot, c"why".as_ptr(), none.cast(), memory, len, failure),
            _ => lu_verify(
                disk,
                board,
                slot,
                c"root".as_ptr(),
                memory,
                len,
                to.as_mut_ptr().cast(),
                8 * 4096,
                &mut image,
                failure,
            ),
        }
    }
}

/// A number of the header; a sentence with each that is negative, if there was room for one.
fn judge(answer: i32, failure: &Failure, (size, function): (u32, u8)) {
    assert!((-11..=2).contains(&answer), "{function} gave {answer}");
    // SAFETY: it points to text that lives as long as the program.
    assert_ne!(unsafe { *lu_text(answer) }, 0, "{answer} without a sentence");
    let told = size as usize == size_of::<Failure>();
    match (answer < 0, told) {
        (true, true) => {
            assert_eq!(failure.status, answer);
            assert!(failure.text.contains(&0) && failure.text[0] != 0, "{answer} without a sentence");
        }
        _ => assert_eq!(failure.status, 7),
    }
}
