//! Foreign strings and sizes, as a terminal may show them.

use std::fmt::{self, Write as _};

/// A string from a bundle, a disk or a path, with everything escaped that a terminal would act upon.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'s>(pub &'s str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| if acts(c) { write!(f, "{}", c.escape_default()) } else { f.write_char(c) })
    }
}

/// A number of bytes for people: "1.2 GiB". Cut, not rounded, so that 100 % is never shown early.
#[derive(Clone, Copy, Debug)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        match units.into_iter().find(|(_, shift)| self.0 >> shift > 0) {
            Some((unit, shift)) => {
                let tenths = ((self.0 >> (shift - 10)) & 0x3ff) * 10 / 1024;
                write!(f, "{}.{tenths} {unit}", self.0 >> shift)
            }
            None => write!(f, "{} bytes", self.0),
        }
    }
}

/// Text of our own with line ends, in which a foreign string may have been forgotten.
pub fn lines(text: &str) -> String {
    text.split_inclusive('\n').fold(String::with_capacity(text.len()), |mut safe, line| {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        safe.extend([Printable(line).to_string().as_str(), end]);
        safe
    })
}

/// Control characters, and those that reorder or hide what is around them (Unicode's bidirectional and zero-width
/// formatting characters, line and paragraph separators).
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_upon_is_escaped() {
        assert_eq!(
            Printable("a\u{1b}]0;x\u{7}\r\n\u{7f}\u{85}ü").to_string(),
            "a\\u{1b}]0;x\\u{7}\\r\\n\\u{7f}\\u{85}ü"
        );
        assert_eq!(Printable("\u{202e}\u{200b}\u{feff}").to_string(), "\\u{202e}\\u{200b}\\u{feff}");
        assert_eq!(lines("a\tb\n\u{1b}\nc"), "a\\tb\n\\u{1b}\nc");
    }

    #[test]
    fn sizes_are_cut_not_rounded() {
        let shown = [0, 1023, 1024, 1536, (1 << 20) - 1, 1 << 30, 12 << 40].map(|bytes| Size(bytes).to_string());
        assert_eq!(shown, ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "1023.9 KiB", "1.0 GiB", "12.0 TiB"]);
    }
}
