//! The init of the guest's roots: a program of some 200 bytes, for x86-64, made here.
//!
//! ```text
//!    0 | ELF header | one program header: all of the file, to be read and run |
//!  120 | write(1, text) | ioctl(1, TCSBRK): until the serial line has taken it |
//!      | only if it is to: as the first process, reboot(POWER_OFF) |
//!      | exit(1): for a first process, a kernel panic |
//!      | the text |
//! ```
//! A shell would need a package that few machines have (a static busybox), and a compiler is not everybody's either. A root file
//! system needs no more than this to be seen to run, and to be seen to fail.

/// Where the file is in memory.
const BASE: u32 = 0x40_0000;
/// Bytes before the code.
const HEADERS: u32 = 120;

/// Linux's numbers, and what else an ELF header says.
const ELF: [u8; 64] = [
    0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, // 64 bits, little-endian
    2, 0, 62, 0, 1, 0, 0, 0, // a program, x86-64
    0x78, 0, 0x40, 0, 0, 0, 0, 0, // begins at BASE + HEADERS
    64, 0, 0, 0, 0, 0, 0, 0, // the program header is next
    0, 0, 0, 0, 0, 0, 0, 0, // no sections
    0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0, // no flags; sizes, one program header
];
/// `mov eax, 1; mov edi, 1`: write to stdout. Address and length follow.
const WRITE: [u8; 10] = [0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0];
/// `mov esi, ..`.
const ADDRESS: u8 = 0xbe;
/// `mov edx, ..`.
const LENGTH: u8 = 0xba;
const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// `mov eax, 16; mov edi, 1; mov esi, 0x5409; mov edx, 1; syscall`: ioctl, TCSBRK.
const DRAIN: [u8; 22] = [0xb8, 16, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0xbe, 0x09, 0x54, 0, 0, 0xba, 1, 0, 0, 0, 0x0f, 0x05];
/// `mov eax, 39; syscall; cmp eax, 1; jne` past [`POWER_OFF`]: nobody who runs it on his own machine loses that.
const AS_FIRST_PROCESS: [u8; 12] = [0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x83, 0xf8, 1, 0x75, 22];
/// `mov eax, 169; mov edi, 0xfee1dead; mov esi, 0x28121969; mov edx, 0x4321fedc; syscall`: reboot.
const POWER_OFF: [u8; 22] = [
    0xb8, 169, 0, 0, 0, 0xbf, 0xad, 0xde, 0xe1, 0xfe, 0xbe, 0x69, 0x19, 0x12, 0x28, 0xba, 0xdc, 0xfe, 0x21, 0x43, 0x0f,
    0x05,
];
/// `mov eax, 60; mov edi, 1; syscall`.
const EXIT: [u8; 12] = [0xb8, 60, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0x0f, 0x05];

/// What it does when it has said its words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// The machine is off.
    PowersOff,
    /// The first process ends, which the kernel does not survive.
    Ends,
}

/// The program that says `text`. `None` of a text that is longer than an address can be.
pub fn program(text: &str, then: Then) -> Option<Vec<u8>> {
    let rest: &[&[u8]] = match then {
        Then::PowersOff => &[&SYSCALL, &DRAIN, &AS_FIRST_PROCESS, &POWER_OFF, &EXIT],
        Then::Ends => &[&SYSCALL, &DRAIN, &EXIT],
    };
    let rest = rest.concat();
    // Both `mov` that are put together here have five bytes.
    let code = u32::try_from(WRITE.len() + 10 + rest.len()).ok()?;
    let length = u32::try_from(text.len()).ok()?;
    let bytes = HEADERS.checked_add(code)?.checked_add(length)?;
    let address = BASE.checked_add(HEADERS)?.checked_add(code)?;

    let mut file = ELF.to_vec();
    file.extend(segment(bytes));
    file.extend(WRITE);
    file.push(ADDRESS);
    file.extend(address.to_le_bytes());
    file.push(LENGTH);
    file.extend(length.to_le_bytes());
    file.extend(rest);
    file.extend(text.as_bytes());
    Some(file)
}

/// The program header: so many bytes of the file, at [`BASE`], to be read and run.
fn segment(bytes: u32) -> Vec<u8> {
    let [load, read_and_run] = [1_u32, 5].map(u32::to_le_bytes);
    let wide = |value: u32| u64::from(value).to_le_bytes();
    let fields = [0, BASE, BASE, bytes, bytes, 0x1000].map(wide);
    [load, read_and_run].concat().into_iter().chain(fields.concat()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    /// What objdump reads in the code.
    fn instructions(then: Then) -> Vec<String> {
        let text = "\u{1}";
        let mut file = program(text, then).unwrap();
        file.truncate(file.len() - text.len());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("init");
        fs::write(&path, file).unwrap();
        let start = format!("--start-address={HEADERS}");
        let arguments = ["-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--no-show-raw-insn", &start];
        let done = Command::new("objdump").args(arguments).arg(path).env("LC_ALL", "C").output();
        let done = done.expect("the oracle `objdump` (binutils) is installed");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let words =
            |line: &str| line.split_once(":\t").map(|(_, code)| code.split_whitespace().collect::<Vec<_>>().join(" "));
        String::from_utf8_lossy(&done.stdout).lines().filter_map(words).collect()
    }

    const SAYS: [&str; 10] = [
        "mov eax,0x1",
        "mov edi,0x1",
        "mov esi,ADDRESS",
        "mov edx,0x1",
        "syscall",
        "mov eax,0x10",
        "mov edi,0x1",
        "mov esi,0x5409",
        "mov edx,0x1",
        "syscall",
    ];
    const ENDS: [&str; 3] = ["mov eax,0x3c", "mov edi,0x1", "syscall"];

    /// These instructions, with the address that its text has in a program of this length.
    fn wanted(parts: &[&[&str]], bytes: u32) -> Vec<String> {
        let address = format!("{:#x}", BASE + bytes - 1);
        parts.concat().iter().map(|line| line.replace("ADDRESS", &address)).collect()
    }

    #[test]
    fn a_disassembler_reads_what_is_meant() {
        assert_eq!(instructions(Then::Ends), wanted(&[&SAYS, &ENDS], 177));
        // 176 bytes to the end of the jump, and 22 that it leaves out.
        let off = ["mov eax,0x27", "syscall", "cmp eax,0x1", "jne 0xc6", "mov eax,0xa9", "mov edi,0xfee1dead"];
        let more = ["mov esi,0x28121969", "mov edx,0x4321fedc", "syscall"];
        assert_eq!(instructions(Then::PowersOff), wanted(&[&SAYS, &off, &more, &ENDS], 211));
    }

    #[test]
    fn the_one_that_ends_is_a_program_that_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("init");
        fs::write(&path, program("it is broken\n", Then::Ends).unwrap()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let done = Command::new(&path).output().expect("this machine is an x86-64");
        assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(1), &b"it is broken\n"[..]));
    }
}
