//! What the firmware's interface has no safe form for. All `unsafe` of this crate is here.
#![expect(unsafe_code, reason = "each block says why it holds")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use uefi::boot::{self, OpenProtocolAttributes, OpenProtocolParams, ScopedProtocol};
use uefi::proto::ProtocolPointer;
use uefi::proto::loaded_image::LoadedImage;
use uefi::runtime::{self, ResetType};
use uefi::{Handle, Status};

/// Whether a panic may still say something: one that comes of saying it does not. It begins as true, so that `.data` is in the file: a section
/// of zeros alone takes no place there, and objcopy, which adds the configuration, drops such a one. Firmware would then not clear the
/// memory of it, and what a boot before has left there would be taken for values. `build` checks it.
static MAY_SPEAK: AtomicBool = AtomicBool::new(true);

mod drive;

pub use drive::Drive;

/// How long a panic is on the screen.
const PANIC: Duration = Duration::from_secs(10);

/// Opens a protocol as GetProtocol does: nobody is disconnected from it. To open a disk for this program alone would take the driver of
/// its partitions from it, and with that the file system that the application came from.
///
/// # Errors
/// The firmware's.
pub fn open<P: ProtocolPointer + ?Sized>(handle: Handle) -> uefi::Result<ScopedProtocol<P>> {
    let params = OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
    // SAFETY: the interface must stay until it is dropped. Nothing here disconnects a driver or removes a handle while one is open, and the
    // firmware does so only if it is asked, or if a device is unplugged: it then answers calls of the old interface with NO_MEDIA or
    // DEVICE_ERROR, since drivers free it only once nobody has opened it.
    unsafe { boot::open_protocol::<P>(params, OpenProtocolAttributes::GetProtocol) }
}

/// The bytes of this application, as the firmware has loaded them.
///
/// # Errors
/// The firmware's.
pub fn own_image() -> uefi::Result<&'static [u8]> {
    let image = open::<LoadedImage>(boot::image_handle())?;
    let (start, bytes) = image.info();
    let bytes = usize::try_from(bytes).map_err(|_| Status::LOAD_ERROR)?;
    if start.is_null() {
        return Err(Status::LOAD_ERROR.into());
    }
    // SAFETY: the firmware has loaded so many bytes there, and keeps them as long as the application runs. What is read of them are the
    // headers and the section `.updater`, which no code writes.
    Ok(unsafe { core::slice::from_raw_parts(start.cast(), bytes) })
}

/// Gives an image its load options: a text that ends with a zero.
///
/// # Errors
/// The firmware's.
pub fn set_options(image: Handle, text: Vec<u16>) -> uefi::Result<()> {
    let text: &'static [u16] = Box::leak(text.into_boxed_slice());
    let bytes = u32::try_from(size_of_val(text)).map_err(|_| Status::BAD_BUFFER_SIZE)?;
    let mut loaded = open::<LoadedImage>(image)?;
    // SAFETY: the text must outlive the image. It is never freed.
    unsafe { loaded.set_load_options(text.as_ptr().cast(), bytes) };
    Ok(())
}

/// Whether there is a console to say something on.
pub fn has_console() -> bool {
    // SAFETY: the system table is the one that the firmware has started this application with, and boot services are never left here.
    uefi::table::system_table_raw().is_some_and(|table| !unsafe { table.as_ref() }.stdout.is_null())
}

/// Ticks of the processor's clock.
pub fn ticks() -> u64 {
    // SAFETY: RDTSC reads a register, which every x86-64 processor has; firmware runs where it may.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// What is said by a panic: at most a line.
struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        uefi::system::with_stdout(|console| console.write_str(text))
    }
}

/// A panic restarts the machine: the try is spent, and the next boot goes on from there.
#[panic_handler]
fn panic(panic: &PanicInfo<'_>) -> ! {
    let speaks = MAY_SPEAK.swap(false, Ordering::Relaxed) && has_console();
    if speaks && writeln!(Console, "updater: {panic}").is_ok() {
        boot::stall(PANIC);
    }
    runtime::reset(ResetType::COLD, Status::ABORTED, None)
}
