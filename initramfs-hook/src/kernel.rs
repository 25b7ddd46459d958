//! The calls of the kernel that have no safe form in a library, or none that fits into the hook: the watchdog's
//! ioctl, programs, and kexec; and what must be done before the standard library starts. All `unsafe` of this crate is here.
#![expect(unsafe_code, reason = "each block says why it holds")]

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::process::Pid;

/// Called by the C library before `main`.
// SAFETY: the section holds pointers to functions that the C library calls once each, with arguments that this one does not look at.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = open_streams;

/// Has a descriptor for each of stdin, stdout and stderr. The kernel gives its first process none where `console=` names a port that the
/// machine has not got, and then the standard library aborts: an initramfs has no `/dev/null` yet. The root folder stands in, which
/// takes no write; whatever is run later gets what the kernel gave.
extern "C" fn open_streams() {
    const LAST: i32 = 2;
    let open = || rustix::fs::open("/", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    while let Ok(folder) = open() {
        if folder.as_raw_fd() > LAST || folder.into_raw_fd() == LAST {
            break;
        }
    }
}

const SET_TIMEOUT: Opcode = opcode::read_write::<i32>(b'W', 6);

/// Sets the time that a watchdog waits to be fed, in seconds.
pub fn watchdog_timeout(watchdog: &File, mut seconds: i32) -> Result<(), Errno> {
    // SAFETY: WDIOC_SETTIMEOUT of linux/watchdog.h takes a pointer to an `int`, which it reads and writes.
    unsafe { ioctl(watchdog, Updater::<SET_TIMEOUT, _>::new(&mut seconds)) }
}

/// The words of a program as execve(2) takes them: the standard library's `Command` would be 12 KB of this one.
struct Words {
    words: Vec<CString>,
    list: Vec<*const libc::c_char>,
}

impl Words {
    fn new<'w>(words: impl Iterator<Item = &'w OsStr>) -> io::Result<Self> {
        let words: Vec<CString> = words.map(|word| CString::new(word.as_bytes())).collect::<Result<_, _>>()?;
        // Strings do not move with their list.
        let list = words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect();
        Ok(Self { words, list })
    }

    fn program(&self) -> io::Result<*const libc::c_char> {
        self.words.first().map(|word| word.as_ptr()).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
    }
}

/// Runs a program as this process, with its environment. Returns only where that fails.
pub fn exec<'w>(program: &'w Path, arguments: &'w [OsString]) -> io::Error {
    let words = [program.as_os_str()].into_iter().chain(arguments.iter().map(OsString::as_os_str));
    let run = || {
        let words = Words::new(words)?;
        let program = words.program()?;
        // SAFETY: signal(2) takes two numbers. execv(3) takes a string and a list of strings, each of which ends with a zero byte,
        // and the list with a null pointer; `words` holds them until the call returns.
        unsafe {
            // Rust ignores it, and what runs next would, too.
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            libc::execv(program, words.list.as_ptr());
        }
        Err::<(), _>(io::Error::last_os_error())
    };
    run().err().unwrap_or_else(|| io::Error::other("it came back"))
}

/// Starts a program whose root is `root`, without an environment: its path there, and its arguments.
pub fn spawn_in(root: &Path, words: &[&str]) -> io::Result<Pid> {
    let root = CString::new(root.as_os_str().as_bytes())?;
    let words = Words::new(words.iter().map(OsStr::new))?;
    let program = words.program()?;
    let nothing = [ptr::null()];
    // SAFETY: this process has one thread. The child only calls signal(2), chroot(2), chdir(2), execve(2) and _exit(2), with memory that was
    // taken before: strings that end with a zero byte, and lists of them that end with a null pointer.
    let child = unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            if libc::chroot(root.as_ptr()) == 0 && libc::chdir(c"/".as_ptr()) == 0 {
                libc::execve(program, words.list.as_ptr(), nothing.as_ptr());
            }
            libc::_exit(NOT_RUN);
        }
        child
    };
    Pid::from_raw(child).filter(|_| child > 0).ok_or_else(io::Error::last_os_error)
}

/// How a child ends that could not be a program, as a shell's does.
const NOT_RUN: libc::c_int = 127;

/// `KEXEC_FILE_NO_INITRAMFS` of linux/kexec.h.
const NO_INITRAMFS: libc::c_ulong = 4;

/// Loads a kernel to be started by a reboot of the kind kexec.
pub fn kexec_load(kernel: &File, initrd: Option<&File>, command_line: &[u8]) -> Result<(), Errno> {
    let text = CString::new(command_line).map_err(|_| Errno::INVAL)?;
    let bytes = text.as_bytes_with_nul();
    let (initrd, flags) = match initrd {
        Some(file) => (file.as_raw_fd(), 0),
        None => (-1, NO_INITRAMFS),
    };
    // SAFETY: kexec_file_load(2) takes two descriptors, which both files keep open, the length of the command line with its
    // terminating zero byte, a pointer to that many bytes, and flags. It only reads.
    let answer = unsafe {
        libc::syscall(libc::SYS_kexec_file_load, kernel.as_raw_fd(), initrd, bytes.len(), bytes.as_ptr(), flags)
    };
    if answer == 0 { Ok(()) } else { Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)) }
}
