//! Four messages side by side on the SHA instructions of x86-64, for processors whose vectors are no faster. All `unsafe` of hashing is here.
//!
//! ```text
//!  message i:  [ salt | block i | 80 00 .. length ]   in pieces of 64 bytes, which the four go through in step
//!  registers:  state of each (2 x 4), last four words of each schedule (4), W + K, three to compute with
//!  memory:     the older words of the schedules, the states before the piece
//! ```
//! One message needs 128 cycles a piece, as each of its rounds waits for the one before; the unit could do four meanwhile. Why by hand: compilers
//! of today keep the schedules in registers that are not there, and take 65 cycles a piece where this order takes 54 (docs/PERFORMANCE.md).
#![expect(unsafe_code, reason = "each block says why it holds")]

use std::arch::asm;

use libupdate::units::digest::{BLOCK_BYTES, DIGEST_BYTES};

/// Messages that go side by side.
pub const STREAMS: usize = 4;
/// Bytes that SHA-256 takes in at a time.
const PIECE: usize = 64;
/// Bytes after a message: one that ends it, and its length.
const END: usize = 9;

/// A processor that has what is needed. Whoever has a value has asked.
#[derive(Clone, Copy, Debug)]
pub struct ShaNi(());

/// A state as the instructions keep it: f, e, b, a, h, g, d, c.
type State = [u32; 8];

/// Of FIPS 180-4, 5.3.3.
const START: State = [
    0x9b05_688c, 0x510e_527f, 0xbb67_ae85, 0x6a09_e667, 0x5be0_cd19, 0x1f83_d9ab, 0xa54f_f53a, 0x3c6e_f372,
];

/// What the instructions read beside the messages: the constants of FIPS 180-4, 4.2.2, and the order of a big-endian word's bytes.
#[repr(C, align(64))]
struct Constants {
    rounds: [u32; 64],
    big_endian: [u8; 16],
}

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

/// Words 0 to 55 of each schedule, and the states before the piece.
#[repr(C, align(64))]
struct Scratch {
    words: [[u8; 256]; STREAMS],
    before: [State; STREAMS],
}

impl ShaNi {
    /// Asks the processor.
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("sha") && is_x86_feature_detected!("avx")).then_some(Self(()))
    }

    /// The digests of the salt with each of four blocks.
    pub fn hash(self, salt: &[u8], blocks: [&[u8; BLOCK_BYTES]; STREAMS]) -> [[u8; DIGEST_BYTES]; STREAMS] {
        let mut states = [START; STREAMS];
        let (whole, begun) = salt.as_chunks::<PIECE>();
        self.compress(&mut states, [whole; STREAMS]);
        // The piece that begins with the last of the salt.
        let fill = if begun.is_empty() { 0 } else { PIECE - begun.len() };
        let mut edges = [[0; PIECE * 2]; STREAMS];
        let bodies = blocks.map(|block| block.split_at(fill));
        if fill > 0 {
            for (edge, (front, _)) in edges.iter_mut().zip(&bodies) {
                edge[..begun.len()].copy_from_slice(begun);
                edge[begun.len()..PIECE].copy_from_slice(front);
            }
            self.compress(&mut states, edges.each_ref().map(|edge| edge[..PIECE].as_chunks().0));
        }
        let bodies = bodies.map(|(_, body)| body.as_chunks::<PIECE>());
        self.compress(&mut states, bodies.map(|(pieces, _)| pieces));
        let left = begun.len();
        let ends = (left + END).next_multiple_of(PIECE);
        let bits = u64::try_from((salt.len() + BLOCK_BYTES) * 8).unwrap_or(u64::MAX);
        for (edge, (_, rest)) in edges.iter_mut().zip(&bodies) {
            edge[..left].copy_from_slice(rest);
            edge[left..].fill(0);
            edge[left] = 0x80;
            edge[ends - 8..ends].copy_from_slice(&bits.to_be_bytes());
        }
        self.compress(&mut states, edges.each_ref().map(|edge| edge[..ends].as_chunks().0));
        states.map(digest)
    }

    /// Takes the pieces of each message into its state: as many of each as the shortest has.
    #[inline]
    fn compress(self, states: &mut [State; STREAMS], messages: [&[[u8; PIECE]]; STREAMS]) {
        let count = messages.iter().map(|pieces| pieces.len()).min().unwrap_or(0);
        if count > 0 {
            let mut scratch = Scratch { words: [[0; 256]; STREAMS], before: [[0; 8]; STREAMS] };
            // SAFETY: `count` is at least 1, and each message has as many pieces.
            unsafe { compress(states, messages.map(<[_]>::as_ptr), count, &mut scratch) };
        }
    }
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

/// Keeps the state that the piece begins with, and makes the first words of its schedule.
macro_rules! begin {
    ($a:literal, $c:literal, $w:literal, $p:literal, $n:literal,) => {
        concat!(
            "vmovdqa [{scratch} + 1024 + 32*", $n, "], ", $a, "\nvmovdqa [{scratch} + 1024 + 32*", $n, " + 16], ", $c, "\n",
            "vmovdqu ", $w, ", [", $p, "]\nvpshufb ", $w, ", ", $w, ", [{constants} + 256]\n",
            "vmovdqa [{scratch} + 256*", $n, "], ", $w,
        )
    };
}

/// Rounds 4i to 4i+3, and among them what makes the words of the next four: of the message, of words before, or none any more.
macro_rules! rounds {
    ($a:literal, $c:literal, $w:literal, $p:literal, $n:literal, $i:literal, message) => {
        concat!(
            first!($a, $c, $w, $i),
            "vmovdqu ", $w, ", [", $p, " + 16*(", $i, "+1)]\n",
            second!($a, $c),
            "vpshufb ", $w, ", ", $w, ", [{constants} + 256]\n",
            "vmovdqa [{scratch} + 256*", $n, " + 16*(", $i, "+1)], ", $w,
        )
    };
    ($a:literal, $c:literal, $w:literal, $p:literal, $n:literal, $i:literal, words) => {
        concat!(
            first!($a, $c, $w, $i),
            "vmovdqa xmm13, [{scratch} + 256*", $n, " + 16*(", $i, "-3)]\n",
            "sha256msg1 xmm13, [{scratch} + 256*", $n, " + 16*(", $i, "-2)]\n",
            "vpalignr xmm14, ", $w, ", [{scratch} + 256*", $n, " + 16*(", $i, "-1)], 4\n",
            second!($a, $c),
            "vpaddd xmm13, xmm13, xmm14\n",
            "sha256msg2 xmm13, ", $w, "\n",
            "vmovdqa ", $w, ", xmm13\n",
            "vmovdqa [{scratch} + 256*", $n, " + 16*(", $i, "+1)], ", $w,
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
            "vpaddd ", $a, ", ", $a, ", [{scratch} + 1024 + 32*", $n, "]\n",
            "vpaddd ", $c, ", ", $c, ", [{scratch} + 1024 + 32*", $n, " + 16]\nadd ", $p, ", 64",
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

/// Takes `count` pieces of each message into its state.
///
/// # Safety
/// The processor has SHA and AVX, as every [`ShaNi`] says; `count` is at least 1, and each message has as many pieces.
#[inline(never)]
unsafe fn compress(
    states: &mut [State; STREAMS],
    [p0, p1, p2, p3]: [*const [u8; PIECE]; STREAMS],
    count: usize,
    scratch: &mut Scratch,
) {
    // SAFETY: the instructions exist, as the caller says. They read `count` times 64 bytes from each pointer, which the caller says are
    // there, and the constants; they write within `states` and `scratch`, which are ours alone, at offsets below their sizes (words up to
    // 256 * 3 + 16 * 15 + 15 < 1024, states up to 1024 + 127). `Scratch` and `Constants` are aligned for the instructions that ask for it.
    // Every register that is written is named; the stack is not touched.
    unsafe {
        asm!(
            each!(load),
            "2:",
            each!(begin),
            each!(rounds "0", message), each!(rounds "1", message), each!(rounds "2", message),
            each!(rounds "3", words), each!(rounds "4", words), each!(rounds "5", words), each!(rounds "6", words),
            each!(rounds "7", words), each!(rounds "8", words), each!(rounds "9", words), each!(rounds "10", words),
            each!(rounds "11", words), each!(rounds "12", words), each!(rounds "13", words), each!(rounds "14", words),
            each!(rounds "15", none),
            each!(end),
            "dec {count}",
            "jnz 2b",
            each!(store),
            p0 = inout(reg) p0 => _, p1 = inout(reg) p1 => _, p2 = inout(reg) p2 => _, p3 = inout(reg) p3 => _,
            count = inout(reg) count => _,
            states = in(reg) states.as_mut_ptr(), scratch = in(reg) scratch, constants = in(reg) &raw const CONSTANTS,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _, out("xmm12") _, out("xmm13") _, out("xmm14") _,
            options(nostack),
        );
    }
}
