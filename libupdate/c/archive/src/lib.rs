//! libupdate-c as a static library. `libupdate.h` says what it exports.
#![no_std]

pub use libupdate_c::ffi;

unsafe extern "C" {
    fn lu_panic() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: the host defines it, and it does not return: the header says so.
    unsafe { lu_panic() }
}
