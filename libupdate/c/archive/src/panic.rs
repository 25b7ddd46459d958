//! A panic is the host's.

unsafe extern "C" {
    fn lu_panic() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: the host defines it, and it does not return: the header says so.
    unsafe { lu_panic() }
}
