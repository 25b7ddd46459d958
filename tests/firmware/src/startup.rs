//! From reset to `main`.
//!
//! ```text
//!  0x00000000 FLASH   vectors | text | rodata | data, as loaded
//!  0x20000000 STACK   painted, so that its deepest use can be read off
//!  0x20010000 RAM     data | bss
//! ```

use core::arch::global_asm;

use crate::host;

// Vectors: the first stack pointer, reset, and one handler for every exception of the processor.
global_asm!(".section .vectors, \"a\"", ".word stack_top", ".word reset", ".rept 14", ".word fault", ".endr",);

// Reset: switch on the FPU before any compiled code runs, paint the stack, copy data, clear bss, call main.
global_asm!(
    ".section .text.reset, \"ax\"",
    ".global reset",
    ".type reset, %function",
    ".thumb_func",
    "reset:",
    "ldr r0, =0xE000ED88",
    "ldr r1, [r0]",
    "orr r1, r1, #0xF00000",
    "str r1, [r0]",
    "dsb",
    "isb",
    "ldr r0, =stack_bottom",
    "ldr r1, =stack_top",
    "ldr r2, ={paint}",
    "0: str r2, [r0], #4",
    "cmp r0, r1",
    "blo 0b",
    "ldr r0, =data_start",
    "ldr r1, =data_end",
    "ldr r3, =data_load",
    "b 2f",
    "1: ldr r2, [r3], #4",
    "str r2, [r0], #4",
    "2: cmp r0, r1",
    "blo 1b",
    "ldr r0, =bss_start",
    "ldr r1, =bss_end",
    "movs r2, #0",
    "b 4f",
    "3: str r2, [r0], #4",
    "4: cmp r0, r1",
    "blo 3b",
    "bl main",
    "b .",
    ".pool",
    paint = const PAINT,
);

const PAINT: u32 = 0x5aa5_c33c;
/// Exit code of a processor fault.
const FAULT: u32 = 102;
/// Exit code of a panic.
const PANIC: u32 = 101;

unsafe extern "C" {
    static stack_bottom: u32;
    static stack_top: u32;
}

/// Tells how much stack was used and ends the machine.
pub fn finish(code: u32) -> ! {
    host::say("stack ");
    host::say_number(stack_used());
    host::say("\n");
    host::exit(code)
}

/// Bytes of stack that were ever in use: from the first word that lost its paint to the top.
fn stack_used() -> usize {
    let (mut at, top) = (&raw const stack_bottom, &raw const stack_top);
    // SAFETY: every word between the two symbols is RAM of the stack region; a volatile read of one has no effect, and
    // `at` stays below `top`.
    while at < top && unsafe { at.read_volatile() } == PAINT {
        at = at.wrapping_add(1);
    }
    top.addr() - at.addr()
}

#[unsafe(no_mangle)]
extern "C" fn fault() -> ! {
    host::say("fault\n");
    host::exit(FAULT)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    host::say("panic in ");
    host::say(info.location().map_or("unknown", |location| location.file()));
    host::say("\n");
    host::exit(PANIC)
}
