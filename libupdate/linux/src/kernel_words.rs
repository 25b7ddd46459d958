//! Words of the kernel's command line, parted as the kernel parts them (`next_arg` of lib/cmdline.c). Pure.
//!
//! 1. Blanks part words, but not between double quotes: `dyndbg="file a.c +p"` is one word.
//! 2. Quotes around a whole word or a whole value are not part of it.
//! 3. What is after a word `--` belongs to init.
//! 4. Bytes, not text: a boot loader writes what it likes, and one odd byte must not hide the other words.

/// Where the kernel shows them.
pub const PATH: &str = "/proc/cmdline";

/// All words as they are, quotes included, those of init too.
pub fn all(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    line.split(move |byte| {
        quoted ^= *byte == b'"';
        is_blank(*byte) && !quoted
    })
    .filter(|word| !word.is_empty())
}

/// The kernel's words as they are, quotes included.
pub fn of_kernel(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    all(line).take_while(|word| *word != b"--")
}

/// The value of the last word `name=`, without quotes.
pub fn value<'l>(line: &'l [u8], name: &str) -> Option<&'l [u8]> {
    values(line, name).last()
}

/// The values of each word `name=`, without quotes.
pub fn values<'l>(line: &'l [u8], name: &str) -> impl Iterator<Item = &'l [u8]> {
    of_kernel(line).filter_map(move |word| {
        let (key, value) = pair(word);
        value.filter(|_| same_name(key, name.as_bytes()))
    })
}

/// Name and value of a word, without quotes.
pub fn pair(word: &[u8]) -> (&[u8], Option<&[u8]>) {
    let word = unquoted(word);
    match word.iter().position(|byte| *byte == b'=') {
        None => (word, None),
        Some(at) => {
            let (key, rest) = word.split_at(at);
            (key, Some(unquoted(rest.get(1..).unwrap_or_default())))
        }
    }
}

/// Whether two names of parameters or modules are one for the kernel, to which dashes are underscores.
pub fn same_name(one: &[u8], other: &[u8]) -> bool {
    let plain = |byte: &u8| if *byte == b'-' { b'_' } else { *byte };
    one.iter().map(plain).eq(other.iter().map(plain))
}

fn unquoted(text: &[u8]) -> &[u8] {
    match text.strip_prefix(b"\"") {
        Some(inner) => inner.strip_suffix(b"\"").unwrap_or(inner),
        None => text,
    }
}

/// The kernel's `isspace`, except for the byte 0xa0, which may be part of a letter.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: impl Iterator<Item = impl AsRef<[u8]>>) -> Vec<String> {
        words.map(|word| String::from_utf8_lossy(word.as_ref()).into_owned()).collect()
    }

    #[test]
    fn blanks_part_words_but_not_between_quotes() {
        let line = b" quiet\ta=\"1  2\"\n\"b=3 4\" c=5\"6 7\"8 -- x\n";
        assert_eq!(text(all(line)), ["quiet", "a=\"1  2\"", "\"b=3 4\"", "c=5\"6 7\"8", "--", "x"]);
        assert_eq!(text(of_kernel(line)).len(), 4);
        assert_eq!(text(all(b"open=\"1 2")), ["open=\"1 2"]);
        assert_eq!(text(all(b"")), [""; 0]);
    }

    #[test]
    fn the_last_value_counts_without_its_quotes() {
        let line = b"a-b=1 a_b=\"2 3\" \"c=4 5\" d a.b=6 bad=\xff -- a_b=7";
        assert_eq!(value(line, "a_b"), Some(&b"2 3"[..]));
        assert_eq!(value(line, "c"), Some(&b"4 5"[..]));
        assert_eq!(value(line, "bad"), Some(&b"\xff"[..]));
        assert_eq!((value(line, "d"), value(line, "b")), (None, None));
        assert_eq!(values(line, "a-b").count(), 2);
    }
}
