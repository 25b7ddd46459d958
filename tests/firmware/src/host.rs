//! Semihosting: the files and the exit of the debugger, here qemu (Arm, "Semihosting for AArch32 and AArch64", chapter 6).

use core::arch::asm;
use core::fmt;

use embedded_io::{ErrorKind, ErrorType, Read};
use libupdate::install::Source;
use libupdate::units::bytes::len_u64;
use libupdate::{BlockCount, BlockIo, BlockSize, Lba};

const SYS_OPEN: u32 = 0x01;
const SYS_WRITE0: u32 = 0x04;
const SYS_WRITE: u32 = 0x05;
const SYS_READ: u32 = 0x06;
const SYS_SEEK: u32 = 0x0a;
const SYS_FLEN: u32 = 0x0c;
const SYS_EXIT_EXTENDED: u32 = 0x20;
const APPLICATION_EXIT: usize = 0x20026;
const MODE_READ: usize = 1;
const MODE_READ_WRITE: usize = 3;

/// The host did not do what was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostError;

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host refused")
    }
}
impl core::error::Error for HostError {}
impl embedded_io::Error for HostError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// Does one operation with a block of arguments.
fn call(operation: u32, arguments: &[usize]) -> usize {
    let mut register = operation;
    // SAFETY: `bkpt 0xab` is the semihosting trap; the host reads the arguments and the memory they point to, which every
    // caller here borrows for the time of the call, and answers in r0.
    unsafe { asm!("bkpt 0xab", inout("r0") register, in("r1") arguments.as_ptr()) };
    usize::try_from(register).unwrap_or(usize::MAX)
}

/// Prints `text` on the host's console.
pub fn say(text: &str) {
    for piece in text.as_bytes().chunks(63) {
        let mut buffer = [0_u8; 64];
        buffer[..piece.len()].copy_from_slice(piece);
        // SAFETY: as in `call`; the operation takes the address of a zero-terminated string itself.
        unsafe { asm!("bkpt 0xab", inout("r0") SYS_WRITE0 => _, in("r1") buffer.as_ptr()) };
    }
}

/// Prints a number in decimal.
pub fn say_number(number: usize) {
    let mut digits = [0_u8; 10];
    let mut left = number;
    let mut first = digits.len();
    while first == digits.len() || left > 0 {
        first -= 1;
        digits[first] = b'0' + u8::try_from(left % 10).unwrap_or_default();
        left /= 10;
    }
    say(core::str::from_utf8(&digits[first..]).unwrap_or_default());
}

/// Ends the machine.
pub fn exit(code: u32) -> ! {
    call(SYS_EXIT_EXTENDED, &[APPLICATION_EXIT, usize::try_from(code).unwrap_or(1)]);
    loop {}
}

/// A file of the host.
#[derive(Debug)]
pub struct HostFile {
    handle: usize,
}

impl HostFile {
    /// Opens it for reading.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn open(name: &core::ffi::CStr) -> Result<Self, HostError> {
        Self::open_as(name, MODE_READ)
    }

    fn open_as(name: &core::ffi::CStr, mode: usize) -> Result<Self, HostError> {
        let handle = call(SYS_OPEN, &[name.as_ptr().addr(), mode, name.to_bytes().len()]);
        if handle == usize::MAX { Err(HostError) } else { Ok(Self { handle }) }
    }

    fn length(&self) -> usize {
        call(SYS_FLEN, &[self.handle])
    }

    fn seek(&self, position: usize) -> Result<(), HostError> {
        if call(SYS_SEEK, &[self.handle, position]) == 0 { Ok(()) } else { Err(HostError) }
    }
}

impl ErrorType for HostFile {
    type Error = HostError;
}

impl Read for HostFile {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, HostError> {
        // The host answers with how many bytes it did not fill.
        let missing = call(SYS_READ, &[self.handle, buf.as_mut_ptr().addr(), buf.len()]);
        buf.len().checked_sub(missing).ok_or(HostError)
    }
}

impl Source for HostFile {}

/// A disk image of the host, of 512-byte blocks.
///
/// # Durability
/// Semihosting has no flush: what power loss does is tested elsewhere, this only shows that the acts fit and run.
#[derive(Debug)]
pub struct HostDisk {
    file: HostFile,
}

impl HostDisk {
    /// Opens it for reading and writing.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn open(name: &core::ffi::CStr) -> Result<Self, HostError> {
        Ok(Self { file: HostFile::open_as(name, MODE_READ_WRITE)? })
    }

    fn seek(&self, at: Lba) -> Result<(), HostError> {
        let position = at.get().checked_mul(self.block_size().bytes_u64()).ok_or(HostError)?;
        self.file.seek(usize::try_from(position).map_err(|_| HostError)?)
    }
}

impl BlockIo for HostDisk {
    type Error = HostError;

    fn block_size(&self) -> BlockSize {
        BlockSize::B512
    }
    fn block_count(&self) -> BlockCount {
        BlockCount::new(u64::try_from(self.file.length()).unwrap_or_default() / self.block_size().bytes_u64())
    }
    fn read(&mut self, at: Lba, buf: &mut [u8]) -> Result<(), HostError> {
        self.seek(at)?;
        self.file.read_exact(buf).map_err(|_| HostError)
    }
    fn write(&mut self, at: Lba, buf: &[u8]) -> Result<(), HostError> {
        let blocks = len_u64(buf) / self.block_size().bytes_u64();
        // A host file would grow where a disk refuses.
        if at.plus(blocks).is_none_or(|end| end.get() > self.block_count().get()) {
            return Err(HostError);
        }
        self.seek(at)?;
        let missing = call(SYS_WRITE, &[self.file.handle, buf.as_ptr().addr(), buf.len()]);
        if missing == 0 { Ok(()) } else { Err(HostError) }
    }
    fn flush(&mut self) -> Result<(), HostError> {
        Ok(())
    }
}
