//! Four messages side by side on the SHA instructions of x86-64, for processors whose vectors are no faster. All `unsafe` of hashing is here.
//!
//! ```text
//!  message i:  [ salt | block i | 80 00 .. length ]   in pieces of 64 bytes, which the four go through in step
//!  registers:  state of each (2 x 4), last four words of each schedule (4), W + K, three to compute with
//!  memory:     the older words of the schedules, the states before the piece
//! ```
//! One message needs 130 cycles a piece, as each of its rounds waits for the one before; the unit could do four meanwhile. Why by hand: compilers
//! of today keep the schedules in registers that are not there, and take 65 cycles a piece where this takes 55 (docs/PERFORMANCE.md).
#![expect(unsafe_code, reason = "each block says why it holds")]

use std::arch::asm;
use std::mem::MaybeUninit;
use std::ptr;

use libupdate::units::digest::{BLOCK_BYTES, DIGEST_BYTES};

/// Messages that go side by side.
pub const STREAMS: usize = 4;
/// Bytes that SHA-256 takes in at a time.
const PIECE: usize = 64;
/// Bytes after a message: one that ends it, and its length.
const END: usize = 9;

/// Whole pieces of the salt, the one that it shares with the block, the block's own, the end.
const MOST_RUNS: usize = 4;

/// A processor that has what is needed. Whoever has a value has asked.
#[derive(Clone, Copy, Debug)]
pub struct ShaNi(());

/// A state as the instructions keep it: f, e, b, a, h, g, d, c.
type State = [u32; 8];

/// Of FIPS 180-4, 5.3.3.
const START: State =
    [0x9b05_688c, 0x510e_527f, 0xbb67_ae85, 0x6a09_e667, 0x5be0_cd19, 0x1f83_d9ab, 0xa54f_f53a, 0x3c6e_f372];

/// What the instructions read beside the messages: the constants of FIPS 180-4, 4.2.2, and the order of a big-endian word's bytes.
#[repr(C, align(64))]
struct Constants {
    rounds: [u32; 64],
    big_endian: [u8; 16],
}

#[rustfmt::skip]
static CONSTANTS: Constants = Constants {
    rounds: [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
    ],
    big_endian: [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12],
};

/// Words of each schedule, and the states before the piece.
#[repr(C, align(64))]
struct Scratch {
    words: [[u8; 256]; STREAMS],
    before: [State; STREAMS],
}

/// The next pieces of the four messages, which lie in a row in each; as many of each. None: the end of the messages.
#[repr(C)]
#[derive(Clone, Copy)]
struct Run {
    messages: [*const u8; STREAMS],
    pieces: usize,
}

const _: () = assert!(size_of::<Run>() == 40, "the instructions go from run to run by so many bytes");

impl ShaNi {
    /// Asks the processor.
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("sha") && is_x86_feature_detected!("avx")).then_some(Self(()))
    }

    /// The digests of the salt with each of four blocks.
    pub fn hash(self, salt: &[u8], blocks: [&[u8; BLOCK_BYTES]; STREAMS]) -> [[u8; DIGEST_BYTES]; STREAMS] {
        let (whole, begun) = salt.as_chunks::<PIECE>();
        let (pieces, front) = whole_and_front(begun.len());
        // The piece that begins with the last of the salt, and those that begin with the last of the block.
        let (mut heads, mut tails) = ([[0; PIECE]; STREAMS], [[0; 2 * PIECE]; STREAMS]);
        let ends = (begun.len() + END).next_multiple_of(PIECE);
        let bits = u64::try_from((salt.len() + BLOCK_BYTES) * 8).unwrap_or(u64::MAX).to_be_bytes();
        for ((head, tail), block) in heads.iter_mut().zip(&mut tails).zip(blocks) {
            if front > 0 {
                let (of_salt, of_block) = head.split_at_mut(begun.len());
                of_salt.copy_from_slice(begun);
                of_block.copy_from_slice(&block[..front]);
            }
            let (last, end) = tail[..ends].split_at_mut(begun.len());
            last.copy_from_slice(&block[BLOCK_BYTES - last.len()..]);
            end[0] = 0x80;
            end[ends - begun.len() - bits.len()..].copy_from_slice(&bits);
        }
        let runs = [
            ([whole.as_flattened(); STREAMS], whole.len()),
            (heads.each_ref().map(<[_; _]>::as_slice), usize::from(front > 0)),
            (blocks.map(|block| &block[front..]), pieces),
            (tails.each_ref().map(<[_; _]>::as_slice), ends / PIECE),
        ];
        self.compress(&runs).map(digest)
    }

    /// The states after the pieces of each run, of which some may have none.
    fn compress(self, runs: &[([&[u8]; STREAMS], usize)]) -> [State; STREAMS] {
        let none = Run { messages: [ptr::null(); STREAMS], pieces: 0 };
        let (mut list, mut states) = ([none; MOST_RUNS + 1], [START; STREAMS]);
        let filled = runs.iter().filter(|(_, pieces)| *pieces > 0);
        for (place, (messages, pieces)) in list[..MOST_RUNS].iter_mut().zip(filled) {
            assert!(messages.iter().all(|message| message.len() >= pieces * PIECE), "a run is longer than its message");
            *place = Run { messages: messages.map(<[u8]>::as_ptr), pieces: *pieces };
        }
        if list[0].pieces > 0 {
            let mut scratch = MaybeUninit::uninit();
            // SAFETY: `self` says that the processor has the instructions. The first run has pieces, the last one has none, and each message
            // of a run is as long as its pieces, as was just asserted; the slices are borrowed until this returns.
            unsafe { compress(&mut states, &list, &mut scratch) };
        }
        states
    }
}

/// How many pieces of a block are whole where the salt has begun one with so many bytes, and how many bytes of the block fill that.
const fn whole_and_front(begun: usize) -> (usize, usize) {
    let front = if begun == 0 { 0 } else { PIECE - begun };
    ((BLOCK_BYTES - front) / PIECE, front)
}

/// Words a to h, big-endian.
fn digest([f, e, b, a, h, g, d, c]: State) -> [u8; DIGEST_BYTES] {
    let mut bytes = [0; DIGEST_BYTES];
    for (place, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *place = word.to_be_bytes();
    }
    bytes
}

/// The registers and the place of a stream: its first half of the state, the second, the last words of its schedule, its pointer, its number.
macro_rules! stream {
    ($what:ident 0 $($rest:tt)*) => { $what!("xmm1", "xmm2", "xmm9", "{p0}", "0", $($rest)*) };
    ($what:ident 1 $($rest:tt)*) => { $what!("xmm3", "xmm4", "xmm10", "{p1}", "1", $($rest)*) };
    ($what:ident 2 $($rest:tt)*) => { $what!("xmm5", "xmm6", "xmm11", "{p2}", "2", $($rest)*) };
    ($what:ident 3 $($rest:tt)*) => { $what!("xmm7", "xmm8", "xmm12", "{p3}", "3", $($rest)*) };
}

/// Takes the state in.
macro_rules! load {
    ($a:literal, $c:literal, $w:literal, $p:literal, $n:literal,) => {
        concat!("vmovdqu ", $a, ", [{states} + 32*", $n, "]\nvmovdqu ", $c, ", [{states} + 32*", $n, " + 16]")
    };
}

/// Keeps the state that the piece begins with, and makes the first words of its schedule. Fetches what this stream reads four blocks later, where the blocks lie in a
/// row: the processor by itself does not look past the end of a page, which a block is.
macro_rules! begin {
    ($a:literal, $c:literal, $w:literal, $p:literal, $n:literal,) => {
        concat!(
            "vmovdqa [{scratch} + 1024 + 32*",
            $n,
            "], ",
            $a,
            "\nvmovdqa [{scratch} + 1024 + 32*",
            $n,
            " + 16], ",
            $c,
            "\n",
            "vmovdqu ",
            $w,
            ", [",
            $p,
            "]\nvpshufb ",
            $w,
            ", ",
            $w,
            ", [{constants} + 256]\n",
            "vmovdqa [{scratch} + 256*",
            $n,
            "], ",
            $w,
            "\nprefetcht0 [",
            $p,
            " + 16384]",
        )
    };
}

/// Rounds 4i to 4i+3, and among them what makes the words of the next four: of the message, of words before, or none any more.
macro_rules! rounds {
    ($a:literal, $c:literal, $w:literal, $p:literal, $n:literal, $i:literal, message) => {
        concat!(
            first!($a, $c, $w, $i),
            "vmovdqu ",
            $w,
            ", [",
            $p,
            " + 16*(",
            $i,
            "+1)]\n",
            second!($a, $c),
            "vpshufb ",
            $w,
            ", ",
            $w,
            ", [{constants} + 256]\n",
            "vmovdqa [{scratch} + 256*",
            $n,
            " + 16*(",
            $i,
            "+1)], ",
            $w,
        )
    };
    ($a:literal, $c:literal, $w:literal, $p:literal, $n:literal, $i:literal, words) => {
        concat!(
            first!($a, $c, $w, $i),
            "vmovdqa xmm13, [{scratch} + 256*",
            $n,
            " + 16*(",
            $i,
            "-3)]\n",
            "sha256msg1 xmm13, [{scratch} + 256*",
            $n,
            " + 16*(",
            $i,
            "-2)]\n",
            "vpalignr xmm14, ",
            $w,
            ", [{scratch} + 256*",
            $n,
            " + 16*(",
            $i,
            "-1)], 4\n",
            second!($a, $c),
            "vpaddd xmm13, xmm13, xmm14\n",
            "sha256msg2 xmm13, ",
            $w,
            "\n",
            "vmovdqa ",
            $w,
            ", xmm13\n",
            "vmovdqa [{scratch} + 256*",
            $n,
            " + 16*(",
            $i,
            "+1)], ",
            $w,
        )
    };
    ($a:literal, $c:literal, $w:literal, $p:literal, $n:literal, $i:literal, none) => {
        concat!(first!($a, $c, $w, $i), second!($a, $c))
    };
}

macro_rules! first {
    ($a:literal, $c:literal, $w:literal, $i:literal) => {
        concat!("vpaddd xmm0, ", $w, ", [{constants} + 16*", $i, "]\nsha256rnds2 ", $c, ", ", $a, "\n")
    };
}

macro_rules! second {
    ($a:literal, $c:literal) => {
        concat!("vpshufd xmm0, xmm0, 14\nsha256rnds2 ", $a, ", ", $c, "\n")
    };
}

/// Adds the state before the piece, and goes on to the next one.
macro_rules! end {
    ($a:literal, $c:literal, $w:literal, $p:literal, $n:literal,) => {
        concat!(
            "vpaddd ",
            $a,
            ", ",
            $a,
            ", [{scratch} + 1024 + 32*",
            $n,
            "]\n",
            "vpaddd ",
            $c,
            ", ",
            $c,
            ", [{scratch} + 1024 + 32*",
            $n,
            " + 16]\nadd ",
            $p,
            ", 64",
        )
    };
}

macro_rules! store {
    ($a:literal, $c:literal, $w:literal, $p:literal, $n:literal,) => {
        concat!("vmovdqu [{states} + 32*", $n, "], ", $a, "\nvmovdqu [{states} + 32*", $n, " + 16], ", $c)
    };
}

/// The same of every stream.
macro_rules! each {
    ($what:ident $($rest:tt)*) => {
        concat!(
            stream!($what 0 $($rest)*), "\n", stream!($what 1 $($rest)*), "\n",
            stream!($what 2 $($rest)*), "\n", stream!($what 3 $($rest)*), "\n",
        )
    };
}

/// Takes the pieces of every run into the states.
///
/// # Safety
/// The processor has SHA and AVX, as every [`ShaNi`] says. The first run has pieces, the last one has none, and no other. Each message of a run
/// has as many bytes as the run's pieces.
#[inline(never)]
unsafe fn compress(states: &mut [State; STREAMS], runs: &[Run; MOST_RUNS + 1], scratch: &mut MaybeUninit<Scratch>) {
    // SAFETY: the instructions exist, as the caller says. They read runs up to the one that has no pieces; 64 bytes for each piece from each
    // pointer, which the caller says are there; and the constants. What is fetched ahead may be no memory at all: a prefetch then does nothing. They write within `states` and `scratch`, which are ours alone, at offsets
    // below their sizes (words up to 256 * 3 + 16 * 15 + 15 < 1024, states up to 1024 + 127), and read of `scratch` what they wrote.
    // `Scratch` and `Constants` are aligned for the instructions that ask for it. Every register that is written is named; the stack is not touched.
    unsafe {
        asm!(
            each!(load),
            "2:",
            "mov {p0}, [{runs}]", "mov {p1}, [{runs} + 8]", "mov {p2}, [{runs} + 16]", "mov {p3}, [{runs} + 24]",
            "mov {pieces}, [{runs} + 32]",
            "add {runs}, 40",
            "3:",
            each!(begin),
            each!(rounds "0", message), each!(rounds "1", message), each!(rounds "2", message),
            each!(rounds "3", words), each!(rounds "4", words), each!(rounds "5", words), each!(rounds "6", words),
            each!(rounds "7", words), each!(rounds "8", words), each!(rounds "9", words), each!(rounds "10", words),
            each!(rounds "11", words), each!(rounds "12", words), each!(rounds "13", words), each!(rounds "14", words),
            each!(rounds "15", none),
            each!(end),
            "dec {pieces}",
            "jnz 3b",
            "cmp qword ptr [{runs} + 32], 0",
            "jne 2b",
            each!(store),
            p0 = out(reg) _, p1 = out(reg) _, p2 = out(reg) _, p3 = out(reg) _, pieces = out(reg) _,
            runs = inout(reg) runs.as_ptr() => _, states = in(reg) states.as_mut_ptr(),
            scratch = in(reg) scratch.as_mut_ptr(), constants = in(reg) &raw const CONSTANTS,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _, out("xmm12") _, out("xmm13") _, out("xmm14") _,
            options(nostack),
        );
    }
}
