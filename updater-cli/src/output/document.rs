//! The JSON document of a result: on one line, ASCII only, so that no terminal acts upon a string in it.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::SCHEMA;
use crate::exit::Failure;

#[derive(Serialize)]
struct Document<'a, T> {
    schema: u32,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Serialize)]
struct Failed<'a> {
    error: &'a Failure,
}

/// The document and a line end.
pub fn render<T: Serialize>(body: &T) -> Result<String, serde_json::Error> {
    Ok(json(&Document { schema: SCHEMA, body })? + "\n")
}

/// Anything as JSON, in the same characters.
pub fn json<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Ascii))?;
    // The formatter writes ASCII only.
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

/// The document of a failure.
pub fn render_error(error: &Failure) -> Result<String, serde_json::Error> {
    render(&Failed { error })
}

struct Ascii;

impl Formatter for Ascii {
    /// Control characters below space, quotes and backslashes never come here; the rest of what is not printable does.
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        fragment.chars().try_for_each(|c| {
            if c.is_ascii() && !c.is_ascii_control() {
                return write!(writer, "{c}");
            }
            c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_comes_back_and_only_ascii_goes_out() {
        #[derive(Serialize)]
        struct Text<'t> {
            text: &'t str,
        }
        let text = "\u{0}\u{7f}\"\\é\u{9b}\u{1f600}";
        let line = render(&Text { text }).unwrap();
        assert_eq!(line, "{\"schema\":1,\"text\":\"\\u0000\\u007f\\\"\\\\\\u00e9\\u009b\\ud83d\\ude00\"}\n");
        let back: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["text"], text);
    }
}
