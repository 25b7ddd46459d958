//! Whether a file is a program that a guest without libraries can run: an ELF of x86-64 that names no interpreter.

/// Of the ELF format, version 1: where the header says it, and what.
const IDENT: (usize, &[u8]) = (0, &[0x7f, b'E', b'L', b'F', 2, 1]);
const MACHINE: (usize, &[u8]) = (18, &[62, 0]);
/// Type of the program header with the name of who loads the libraries.
const INTERPRETER: u32 = 3;

/// What is wrong with a program for the guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// It is of another processor, or no program.
    Foreign,
    /// It needs libraries.
    Linked,
}

impl Unfit {
    /// In words, of a file.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Foreign => "is no program for x86-64",
            Self::Linked => "needs libraries, and there are none in an initramfs that holds nothing else",
        }
    }
}

/// Judges a program by its bytes.
pub fn judge(file: &[u8]) -> Result<(), Unfit> {
    let says = |(at, bytes): (usize, &[u8])| file.get(at..).is_some_and(|rest| rest.starts_with(bytes));
    if !says(IDENT) || !says(MACHINE) {
        return Err(Unfit::Foreign);
    }
    let headers = program_headers(file).ok_or(Unfit::Foreign)?;
    if headers.contains(&INTERPRETER) { Err(Unfit::Linked) } else { Ok(()) }
}

/// The types of a program's headers.
fn program_headers(file: &[u8]) -> Option<Vec<u32>> {
    let short = |at: usize| Some(usize::from(u16::from_le_bytes(file.get(at..)?.first_chunk().copied()?)));
    let start = usize::try_from(u64::from_le_bytes(file.get(32..)?.first_chunk().copied()?)).ok()?;
    let (size, count) = (short(54)?, short(56)?);
    let kind = |number: usize| {
        let at = start.checked_add(number.checked_mul(size)?)?;
        Some(u32::from_le_bytes(file.get(at..)?.first_chunk().copied()?))
    };
    (0..count).map(kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_this_machine_are_told_apart() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(judge(&own), Err(Unfit::Linked), "tests are linked with the C library");
        let init = super::super::init::program("x", super::super::init::Then::Ends).unwrap();
        assert_eq!(judge(&init), Ok(()));
        let mut arm = init.clone();
        arm[18] = 183;
        assert_eq!(judge(&arm), Err(Unfit::Foreign));
        assert_eq!(judge(&init[..100]), Ok(()), "one header is all there");
        assert_eq!(judge(&init[..64]), Err(Unfit::Foreign));
        assert_eq!(judge(b"#!/bin/sh\n"), Err(Unfit::Foreign));
    }
}
