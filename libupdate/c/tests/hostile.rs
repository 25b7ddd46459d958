//! What C may get wrong answers with a number: sizes of structs, null, memory that is too small or not aligned, counts and texts without
//! an end. Callbacks that fail, lie or say too much do no harm.
#![allow(unsafe_code, clippy::as_conversions, reason = "the interface of C is called")]

use std::ffi::{CStr, c_void};
use std::ptr::{null, null_mut};

use libupdate_c::abi::{self, Board, Boot, Disk, Failure, Partition};
use libupdate_c::ffi::exports::*;
use libupdate_c::ffi::exports_full::*;

#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "small numbers of its own")]
#[path = "../../examples/made/table.rs"]
mod table;

const ARGUMENT: i32 = -1;
const MEMORY: i32 = -2;
const DISK: i32 = -3;
const TABLE: i32 = -4;

unsafe extern "C" fn zeros(_: *mut c_void, _: u64, blocks: u32, to: *mut c_void) -> i32 {
    // SAFETY: the caller has this room.
    unsafe { to.cast::<u8>().write_bytes(0, blocks as usize * 512) };
    0
}
unsafe extern "C" fn fails(_: *mut c_void, _: u64, _: u32, _: *mut c_void) -> i32 {
    -71
}
unsafe extern "C" fn no_write(_: *mut c_void, _: u64, _: u32, _: *const c_void) -> i32 {
    panic!("nothing may be written")
}
unsafe extern "C" fn flush(_: *mut c_void) -> i32 {
    0
}

/// A call's operands, right until a test makes one wrong.
struct Given {
    disk: Disk,
    partitions: [Partition; 2],
    board: Board,
    memory: Vec<u64>,
}

impl Given {
    fn new() -> Self {
        let partition = |slot, label: &'static CStr| Partition {
            size: size_of::<Partition>() as u32,
            slot,
            control: 1,
            reserved: [0; 2],
            type_guid: [7; 16],
            role: c"root".as_ptr(),
            label: label.as_ptr(),
        };
        let disk = Disk {
            size: size_of::<Disk>() as u32,
            block_size: 512,
            block_count: 4096,
            physical_block_size: 0,
            reserved: 0,
            context: null_mut(),
            read: Some(zeros),
            write: Some(no_write),
            flush: Some(flush),
        };
        let board = Board {
            size: size_of::<Board>() as u32,
            tries: 3,
            guard: 3,
            booted: abi::NO_SLOT,
            reserved: 0,
            partitions: null(),
            partition_count: 2,
            compatible: c"board".as_ptr(),
            keys: null(),
            key_count: 0,
            threshold: 0,
        };
        let partitions = [partition(1, c"root-a"), partition(2, c"root-b")];
        Self { disk, partitions, board, memory: vec![0; 1 << 14] }
    }

    fn failure() -> Failure {
        Failure { size: size_of::<Failure>() as u32, status: 0, cause: 0, reserved: 0, text: [1; abi::TEXT_BYTES] }
    }

    /// What the chooser answers; the same as every other function that takes these operands.
    fn answer(&mut self) -> i32 {
        self.board.partitions = if self.board.partition_count == 0 { null() } else { self.partitions.as_ptr() };
        let mut boot = Boot { size: abi::BOOT_SIZE, slot: 0, kind: 0, tries_left: 0, needs_repair: 0 };
        let (memory, len) = (self.memory.as_mut_ptr().cast(), size_of_val(&self.memory[..]));
        let mut failure = Self::failure();
        // SAFETY: the pointers are of values that live here; what is wrong in them is what is tested.
        let answers = unsafe {
            [
                lu_choose(&self.disk, &self.board, memory, len, &mut boot, &mut failure),
                lu_choose_and_spend(&self.disk, &self.board, memory, len, &mut boot, null_mut()),
                lu_mark_good(&self.disk, &self.board, 1, memory, len, null_mut()),
                lu_mark_bad(&self.disk, &self.board, 1, memory, len, null_mut()),
            ]
        };
        assert_eq!(answers, [answers[0]; 4]);
        let text = CStr::from_bytes_until_nul(&failure.text).unwrap().to_str().unwrap();
        assert_eq!((failure.status, text.is_empty()), (answers[0], false));
        answers[0]
    }
}

#[test]
fn what_is_right_is_taken() {
    // The disk is all zeros, which is a matter of the table.
    assert_eq!(Given::new().answer(), TABLE);
}

#[test]
fn a_struct_of_another_size_is_refused() {
    let wrong: [fn(&mut Given); 3] =
        [|given| given.disk.size -= 4, |given| given.board.size += 8, |given| given.partitions[1].size = 0];
    for wrong in wrong {
        let mut given = Given::new();
        wrong(&mut given);
        assert_eq!(given.answer(), ARGUMENT);
    }
}

#[test]
fn values_out_of_their_range_are_refused() {
    static LONG: [u8; 300] = [b'x'; 300];
    let wrong: [fn(&mut Given); 22] = [
        |given| given.disk.read = None,
        |given| given.disk.write = None,
        |given| given.disk.flush = None,
        |given| given.disk.block_size = 0,
        |given| given.disk.block_size = 1024,
        |given| given.disk.block_count = 0,
        |given| given.disk.physical_block_size = 511,
        |given| given.board.guard = 16,
        |given| given.board.partition_count = 0,
        |given| given.board.partition_count = usize::MAX,
        |given| given.partitions[0].slot = 9,
        |given| given.partitions[0].label = null(),
        |given| given.partitions[0].role = c"\xff".as_ptr(),
        |given| given.partitions[0].label = LONG.as_ptr().cast(),
        |given| given.partitions[0].slot = abi::NO_SLOT,
        |given| given.partitions[0].reserved = [0, 1],
        |given| given.partitions[0].control = 2,
        |given| given.partitions[1].control = 0,
        |given| given.partitions[1].slot = 1,
        |given| given.partitions[1].label = given.partitions[0].label,
        |given| given.board.reserved = 1,
        |given| given.disk.reserved = 1,
    ];
    for (at, wrong) in wrong.iter().enumerate() {
        let mut given = Given::new();
        wrong(&mut given);
        assert_eq!(given.answer(), ARGUMENT, "{at}");
    }
}

#[test]
fn null_is_refused() {
    let mut given = Given::new();
    given.board.partitions = given.partitions.as_ptr();
    let mut boot = Boot { size: abi::BOOT_SIZE, slot: 0, kind: 0, tries_left: 0, needs_repair: 0 };
    let (disk, board): (*const Disk, *const Board) = (&given.disk, &given.board);
    let (memory, len) = (given.memory.as_mut_ptr().cast::<c_void>(), 1 << 16);
    // SAFETY: as in `answer`.
    unsafe {
        assert_eq!(lu_choose(null(), board, memory, len, &mut boot, null_mut()), ARGUMENT);
        assert_eq!(lu_choose(disk, null(), memory, len, &mut boot, null_mut()), ARGUMENT);
        assert_eq!(lu_choose(disk, board, null_mut(), len, &mut boot, null_mut()), MEMORY);
        assert_eq!(lu_choose(disk, board, memory, len, null_mut(), null_mut()), ARGUMENT);
        assert_eq!(lu_choose(disk.byte_add(1), board, memory, len, &mut boot, null_mut()), ARGUMENT);
        assert_eq!(lu_repair(null(), memory, len, null_mut()), ARGUMENT);
        assert_eq!(lu_load(null_mut(), c"root".as_ptr(), memory, len, null_mut(), null_mut()), ARGUMENT);
        assert_eq!(lu_load_memory(null(), c"root".as_ptr()), 0);
        assert_eq!(lu_install(disk, board, null(), null(), null(), memory, len, null_mut(), null_mut()), ARGUMENT);
        assert_eq!(lu_boot(disk, board, null(), null(), null(), memory, len, &mut boot, null_mut()), ARGUMENT);
        // A board without keys trusts nobody.
        assert_eq!(lu_status(disk, board, memory, len, null_mut(), 0, null_mut()), ARGUMENT);
        // A text for an error that has another size keeps the act from running.
        let mut failure = Given::failure();
        failure.size = 12;
        assert_eq!(lu_choose(disk, board, memory, len, &mut boot, &mut failure), ARGUMENT);
        assert_eq!(failure.status, 0);
    }
}

#[test]
fn memory_that_is_too_small_or_not_aligned_is_no_harm() {
    let mut given = Given::new();
    given.board.partitions = given.partitions.as_ptr();
    let mut boot = Boot { size: abi::BOOT_SIZE, slot: 0, kind: 0, tries_left: 0, needs_repair: 0 };
    let memory = given.memory.as_mut_ptr().cast::<c_void>();
    let enough = lu_chooser_memory();
    for (at, len) in (0..70).map(|at| (at, enough)).chain((0..enough - 128).step_by(61).map(|len| (0, len))) {
        // SAFETY: the memory is larger than both together.
        let answer = unsafe { lu_choose(&given.disk, &given.board, memory.byte_add(at), len, &mut boot, null_mut()) };
        assert_eq!(answer, if len == enough { TABLE } else { MEMORY }, "{at} {len}");
    }
    // SAFETY: it is never touched, since no object is so long.
    let answer = unsafe { lu_choose(&given.disk, &given.board, memory, usize::MAX, &mut boot, null_mut()) };
    assert_eq!(answer, MEMORY);
}

#[test]
fn a_disk_that_fails_says_what_its_callback_gave() {
    let mut given = Given::new();
    given.disk.read = Some(fails);
    given.board.partitions = given.partitions.as_ptr();
    let mut boot = Boot { size: abi::BOOT_SIZE, slot: 0, kind: 0, tries_left: 0, needs_repair: 0 };
    let (memory, len) = (given.memory.as_mut_ptr().cast(), size_of_val(&given.memory[..]));
    let mut failure = Given::failure();
    // SAFETY: as in `answer`.
    let answer = unsafe { lu_choose(&given.disk, &given.board, memory, len, &mut boot, &mut failure) };
    assert_eq!((answer, failure.cause), (DISK, -71));
}

/// A start is asked for before anything is written, and pieces of memory with something in common are refused.
#[test]
fn what_would_be_noticed_too_late_is_refused_first() {
    let mut given = Given::new();
    given.board.partitions = given.partitions.as_ptr();
    let (memory, len) = (given.memory.as_mut_ptr().cast::<c_void>(), size_of_val(&given.memory[..]));
    let rules = abi::Rules { size: 8, named: 0, mark_good: 0, last_resort: 0, reserved: 0 };
    let size = size_of::<abi::Starter>() as u32;
    let starter = abi::Starter { size, reserved: 0, context: null_mut(), start: None };
    let mut boot = Boot { slot: 7, ..Boot::NONE };
    let mut image = 9;
    // SAFETY: as in `answer`.
    unsafe {
        let (disk, board) = (&given.disk, &given.board);
        assert_eq!(lu_boot(disk, board, &rules, &starter, null(), memory, len, &mut boot, null_mut()), ARGUMENT);
        assert_eq!(boot.slot, abi::NO_SLOT);
        let to = memory.byte_add(len - 4096);
        let role = c"root".as_ptr();
        assert_eq!(lu_verify(disk, board, 1, role, memory, len, to, 8192, &mut image, null_mut()), ARGUMENT);
        assert_eq!(lu_verify(disk, board, 0, role, memory, 64, to, 4096, &mut image, null_mut()), ARGUMENT);
    }
}

unsafe extern "C" fn read_slice(context: *mut c_void, lba: u64, blocks: u32, to: *mut c_void) -> i32 {
    // SAFETY: the context is the slice of the test, and the core reads within the disk's blocks, into memory of this size.
    unsafe {
        let memory = &*context.cast::<Vec<u8>>();
        let (start, len) = (lba as usize * 512, blocks as usize * 512);
        to.cast::<u8>().copy_from_nonoverlapping(memory[start..start + len].as_ptr(), len);
    }
    0
}
unsafe extern "C" fn worn(_: *mut c_void, _: u64, _: u32, _: *const c_void) -> i32 {
    -30
}

/// A worn disk with an update that is armed: the trial must not boot, and the good slot does.
#[test]
fn a_disk_that_takes_no_writes_boots_its_good_slot() {
    let mut given = Given::new();
    let type_guid = libupdate::gpt::Guid::new([7; 16]);
    let [a, b] = [(libupdate::SlotId::A, "root-a"), (libupdate::SlotId::B, "root-b")].map(|(slot, label)| {
        let duty = libupdate::slot::Duty::Control;
        libupdate::slot::PartitionSpec { slot, role: "root", label, type_guid, duty }
    });
    let mut bytes = table::disk(&[(a, table::GOOD), (b, table::TRIAL)]).unwrap();
    given.disk.block_count = (bytes.len() / 512) as u64;
    given.disk.context = (&raw mut bytes).cast();
    given.disk.read = Some(read_slice);
    given.disk.write = Some(worn);
    given.board.partitions = given.partitions.as_ptr();
    let (memory, len) = (given.memory.as_mut_ptr().cast(), size_of_val(&given.memory[..]));
    let mut boot = Boot::NONE;
    // SAFETY: as in `answer`.
    unsafe {
        assert_eq!(lu_choose(&given.disk, &given.board, memory, len, &mut boot, null_mut()), 0);
        assert_eq!(boot.slot, 2);
        assert_eq!(lu_choose_and_spend(&given.disk, &given.board, memory, len, &mut boot, null_mut()), 2);
        assert_eq!(boot.slot, 1);
        // Without a good one nothing may boot.
        given.board.partition_count = 1;
        given.board.partitions = &given.partitions[1];
        assert_eq!(lu_choose_and_spend(&given.disk, &given.board, memory, len, &mut boot, null_mut()), DISK);
        assert_eq!(boot.slot, abi::NO_SLOT);
    }
}
