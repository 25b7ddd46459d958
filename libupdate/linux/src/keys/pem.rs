//! The blocks of a PEM file, as leniently as openssl reads them.
//!
//! ```text
//!  any text                       comments, "Bag Attributes", a byte order mark
//!  -----BEGIN LABEL-----
//!  Proc-Type: 4,ENCRYPTED         headers of RFC 1421
//!  base64                         lines of any length, blanks around them
//!  -----END LABEL-----
//!  any text
//! ```
//! A block is handed on as RFC 7468 wants it, which is all that the library behind reads.

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// Signs of a line of base64 in RFC 7468.
const WIDTH: usize = 64;

/// One block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block<'t> {
    /// What it says that it is: "PUBLIC KEY".
    pub label: &'t str,
    /// Its base64, without blanks.
    body: String,
    /// Whether a header says that it is encrypted.
    pub secrecy: Secrecy,
}

/// Whether a passphrase is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secrecy {
    /// No header says so.
    Plain,
    /// `Proc-Type: 4,ENCRYPTED`.
    Encrypted,
}

/// A block that has no end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CutShort;

impl Block<'_> {
    /// The block in the strict form.
    #[must_use]
    pub fn strict(&self) -> String {
        let mut text = format!("{BEGIN}{}{DASHES}\n", self.label);
        // Base64 is ASCII; what is not makes the block invalid wherever it is cut.
        for (at, sign) in self.body.chars().enumerate() {
            if at > 0 && at.is_multiple_of(WIDTH) {
                text.push('\n');
            }
            text.push(sign);
        }
        text + &format!("\n{END}{}{DASHES}\n", self.label)
    }
}

/// Every block of a file.
///
/// # Errors
/// [`CutShort`].
pub fn blocks(text: &str) -> Result<Vec<Block<'_>>, CutShort> {
    let mut found = Vec::new();
    let mut lines = text.trim_start_matches('\u{feff}').split(['\n', '\r']).map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = label(line, BEGIN) else { continue };
        let mut block = Block { label, body: String::new(), secrecy: Secrecy::Plain };
        loop {
            let line = lines.next().ok_or(CutShort)?;
            if self::label(line, END) == Some(label) {
                break;
            }
            match line.split_once(':') {
                Some(("Proc-Type", value)) if value.contains("ENCRYPTED") => block.secrecy = Secrecy::Encrypted,
                Some(_) => {}
                None => block.body.extend(line.split_whitespace()),
            }
        }
        found.push(block);
    }
    Ok(found)
}

fn label<'t>(line: &'t str, kind: &str) -> Option<&'t str> {
    line.strip_prefix(kind)?.strip_suffix(DASHES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_blocks_is_passed_over() {
        let text = "\u{feff}Bag Attributes\r\n-----BEGIN A-----  \r\n AAAA \r\nBB==\r\n\r\n-----END A-----\r\n# why\n-----BEGIN B C-----\n\
                    Proc-Type: 4,ENCRYPTED\nDEK-Info: AES,00\n\nCCCC\n-----END B C-----";
        let found = blocks(text).unwrap();
        assert_eq!(found.iter().map(|block| block.label).collect::<Vec<_>>(), ["A", "B C"]);
        assert_eq!(found[0].strict(), "-----BEGIN A-----\nAAAABB==\n-----END A-----\n");
        assert_eq!([found[0].secrecy, found[1].secrecy], [Secrecy::Plain, Secrecy::Encrypted]);
        assert_eq!(blocks("no block").unwrap(), []);
    }

    #[test]
    fn a_block_without_its_end_is_cut_short() {
        assert_eq!(blocks("-----BEGIN A-----\nAAAA\n"), Err(CutShort));
        assert_eq!(blocks("-----BEGIN A-----\nAAAA\n-----END B-----\n"), Err(CutShort));
    }

    #[test]
    fn long_lines_are_folded() {
        let text = format!("{BEGIN}A{DASHES}\n{}\n{END}A{DASHES}", "x".repeat(WIDTH + 1));
        let strict = blocks(&text).unwrap()[0].strict();
        assert_eq!(strict.lines().map(str::len).collect::<Vec<_>>(), [17, WIDTH, 1, 15]);
    }
}
