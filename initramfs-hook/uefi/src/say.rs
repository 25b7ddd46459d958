//! What the application says: lines on the firmware's console. A line that cannot be written is dropped.

use alloc::format;
use core::fmt::{self, Write as _};

use crate::firmware;

/// Says a line: `say!("no disk: {error}")`.
macro_rules! say {
    ($($words:tt)+) => { $crate::say::line(format_args!($($words)+)) };
}
pub(crate) use say;

/// Says a line, foreign characters replaced.
pub fn line(words: fmt::Arguments<'_>) {
    if !firmware::has_console() {
        return;
    }
    let plain = |letter: char| if letter == ' ' || letter.is_ascii_graphic() { letter } else { '?' };
    let text: alloc::string::String = format!("updater: {words}").chars().map(plain).collect();
    // A console that takes no line stops no boot.
    uefi::system::with_stdout(|console| console.write_str(&text).and_then(|()| console.write_str("\r\n")))
        .unwrap_or_default();
}
