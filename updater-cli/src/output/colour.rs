//! Colour on a terminal, where it may be: words that were escaped already get it, so that no foreign string brings its own.

use std::env;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::ops::Range;

/// What a word says of the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// Green.
    Well,
    /// Yellow.
    Careful,
    /// Red.
    Wrong,
}

impl Tone {
    /// The terminal's code, ECMA-48's "select graphic rendition".
    const fn code(self) -> &'static str {
        match self {
            Self::Well => "\u{1b}[32m",
            Self::Careful => "\u{1b}[33m",
            Self::Wrong => "\u{1b}[31m",
        }
    }
}

/// A word of a line and its tone.
pub type Toned = (Range<usize>, Tone);

/// Whether a stream gets colour: a terminal that knows any, and nobody who has asked for none (`NO_COLOR`).
///
/// `TERM=linux` says nothing: the kernel gives it to its first process, whatever the console is, and what boots says it to a serial line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    On,
    Off,
}

impl Colour {
    /// Of a stream of this process.
    pub fn of(stream: &impl IsTerminal) -> Self {
        Self::judged(stream.is_terminal(), env::var_os("NO_COLOR"), env::var_os("TERM"))
    }

    fn judged(terminal: bool, no_color: Option<OsString>, term: Option<OsString>) -> Self {
        let unwanted = no_color.is_some_and(|value| !value.is_empty());
        let able = term.is_some_and(|name| name != "dumb" && name != "linux");
        if terminal && able && !unwanted { Self::On } else { Self::Off }
    }

    /// The text with a toned word in each line that has one.
    pub fn paint(self, text: &str, toned: impl Fn(&str) -> Option<Toned>) -> String {
        let painted = |line: &str| match toned(line).filter(|_| self == Self::On) {
            Some((word, tone)) => dyed(line, word, tone).unwrap_or_else(|| line.to_owned()),
            None => line.to_owned(),
        };
        text.split_inclusive('\n').map(painted).collect()
    }
}

fn dyed(line: &str, word: Range<usize>, tone: Tone) -> Option<String> {
    let (before, after) = (line.get(..word.start)?, line.get(word.end..)?);
    Some(format!("{before}{}{}\u{1b}[0m{after}", tone.code(), line.get(word)?))
}

/// The tone of a message of ours: "error: ..", "warning: ..".
pub fn of_message(line: &str) -> Option<Toned> {
    let begins = |word: &str, tone| line.starts_with(word).then_some((0..word.len(), tone));
    begins("error:", Tone::Wrong).or_else(|| begins("warning:", Tone::Careful))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_colour_unless_somebody_wants_none() {
        let of = |terminal, no_color: Option<&str>, term: Option<&str>| {
            Colour::judged(terminal, no_color.map(OsString::from), term.map(OsString::from))
        };
        assert_eq!(of(true, None, Some("xterm")), Colour::On);
        assert_eq!(of(true, Some(""), Some("vt220")), Colour::On);
        assert_eq!(of(true, None, Some("linux")), Colour::Off);
        assert_eq!(of(true, Some("1"), Some("xterm")), Colour::Off);
        assert_eq!(of(false, None, Some("xterm")), Colour::Off);
        assert_eq!(of(true, None, Some("dumb")), Colour::Off);
        assert_eq!(of(true, None, None), Colour::Off);
    }

    #[test]
    fn only_the_word_is_painted() {
        let text = "error: no disk\nnext: x\n";
        assert_eq!(Colour::On.paint(text, of_message), "\u{1b}[31merror:\u{1b}[0m no disk\nnext: x\n");
        assert_eq!(Colour::Off.paint(text, of_message), text);
        assert_eq!(Colour::On.paint("é", |_| Some((1..9, Tone::Well))), "é", "a range that is none paints nothing");
    }
}
