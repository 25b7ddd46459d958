//! The chain of the history's lines.
//!
//! ```text
//!  {"previous":"<hash of the line before>", .. ,"hash":"<SHA-256 of this line without this member>"}
//!
//!  line 1      line 2      torn            line 3
//!  hash ◄───── previous    no hash         previous = SHA-256 of: hash of line 2 in hex, a line feed, the torn bytes
//!              hash ◄───────────────────── hash
//! ```
//!
//! 1. The hash of a linked line is its member `hash`. `previous` of the first line of a file is 64 zeros.
//! 2. A line that is no linked entry (torn by a cut, of an earlier form, or anybody's) takes part all the same: its hash is made of the hash
//!    before it and of its bytes. So the next entry attests it, and everything before it.
//! 3. A file that is made shorter begins with `carried_lines` lines of old installations; then come the newest entries as they were. The
//!    entry that made it so has the SHA-256 of all bytes before it as `kept`, and attests those that have lost the line before them.
//! 4. Who can write the file can make all of it anew, or take lines from its end: the system's log has each `hash`, too.

use libupdate::Digest;

use super::Entry;
use crate::output;

/// What a linked line begins with.
const PREVIOUS: &str = "{\"previous\":\"";
/// What stands before its last member.
const MEMBER: &str = ",\"hash\":\"";
/// And what ends it.
const END: &str = "\"}";
/// Digits of a hash.
const DIGITS: usize = 64;

/// The hash before the first line.
pub fn nothing() -> Digest {
    Digest::new([0; 32])
}

/// Whether a text is a hash, as it is written here.
pub fn is_hash(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The entry as a line after another one, without its end, and the hash of it.
///
/// # Errors
/// None that is known of.
pub fn link(entry: &mut Entry, before: Digest) -> std::io::Result<(String, Digest)> {
    entry.previous = Some(before.to_string());
    entry.hash = None;
    let body = output::json(entry)?;
    let hash = Digest::of(&[body.as_bytes()]);
    entry.hash = Some(hash.to_string());
    let open = body.strip_suffix('}').unwrap_or(&body);
    Ok((format!("{open}{MEMBER}{hash}{END}"), hash))
}

/// The entries as lines, one after the other.
///
/// # Errors
/// None that is known of.
pub fn linked(entries: &mut [Entry], mut before: Digest) -> std::io::Result<String> {
    let mut lines = String::new();
    for entry in entries {
        let (line, hash) = link(entry, before)?;
        lines += &line;
        lines.push('\n');
        before = hash;
    }
    Ok(lines)
}

/// The hash after the lines that are there: what the next one has as `previous`.
pub fn after(bytes: &[u8]) -> Digest {
    lines(bytes).fold(nothing(), |before, line| Line::of(line).hash(before))
}

/// The lines, and what is torn at their end.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    whole.split(|byte| *byte == b'\n').filter(move |_| !bytes.is_empty())
}

/// One line.
struct Line<'l> {
    bytes: &'l [u8],
    entry: Option<Entry>,
    link: Option<Link<'l>>,
}

/// What a linked line says. It is found by the form of its text: a later version may have other members.
struct Link<'l> {
    previous: &'l str,
    hash: &'l str,
    /// What its bytes come to.
    own: Digest,
}

impl<'l> Line<'l> {
    fn of(bytes: &'l [u8]) -> Self {
        let text = str::from_utf8(bytes).ok();
        Self { bytes, entry: text.and_then(Entry::of_line), link: text.and_then(Link::of) }
    }

    /// The hash of a line that is right.
    fn hash(&self, before: Digest) -> Digest {
        let unlinked = || Digest::of(&[before.to_string().as_bytes(), b"\n", self.bytes]);
        self.link.as_ref().map_or_else(unlinked, |link| link.own)
    }

    fn kept(&self) -> Option<&str> {
        self.entry.as_ref().and_then(|entry| entry.kept.as_deref())
    }

    fn carried(&self) -> usize {
        self.entry.as_ref().and_then(|entry| entry.carried_lines).unwrap_or(0)
    }
}

impl<'l> Link<'l> {
    fn of(line: &'l str) -> Option<Self> {
        let previous = line.strip_prefix(PREVIOUS)?.get(..DIGITS)?;
        let (body, hash) = line.strip_suffix(END)?.rsplit_once(MEMBER)?;
        let own = Digest::of(&[body.as_bytes(), b"}"]);
        (is_hash(previous) && is_hash(hash)).then_some(Self { previous, hash, own })
    }
}

/// What a history that fits together has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Whole {
    /// Linked entries.
    pub linked: usize,
    /// Entries of the form without a chain.
    pub earlier: usize,
    /// Numbers of the lines that are no entries, from 1 on.
    pub torn: Vec<usize>,
    /// Of the last line.
    pub hash: Digest,
}

/// The first line that does not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misfit {
    /// Its number, from 1 on.
    pub line: usize,
    /// The rule that it breaks.
    pub why: String,
}

/// Follows the chain through all lines of the file.
///
/// # Errors
/// The first line that does not fit.
pub fn verify(bytes: &[u8]) -> Result<Whole, Misfit> {
    let lines: Vec<Line<'_>> = lines(bytes).map(Line::of).collect();
    let shortened = lines.iter().rposition(|line| line.kept().is_some());
    // Those are attested together, and the first of the newest entries has lost the line before it.
    let together = shortened.map_or(0, |at| lines.get(at).map_or(0, |line| line.carried().min(at)).saturating_add(1));
    let mut whole = Whole { linked: 0, earlier: 0, torn: Vec::new(), hash: nothing() };
    for (at, line) in lines.iter().enumerate() {
        let misfit = |why: String| Misfit { line: at.saturating_add(1), why };
        match (&line.link, &line.entry) {
            (Some(link), _) => {
                whole.linked = whole.linked.saturating_add(1);
                if link.own.to_string() != link.hash {
                    return Err(misfit("its bytes are not those that it has the hash of".to_owned()));
                }
                if at >= together && link.previous != whole.hash.to_string() {
                    return Err(misfit(unlinked(at)));
                }
            }
            (None, Some(_)) => whole.earlier = whole.earlier.saturating_add(1),
            (None, None) => whole.torn.push(at.saturating_add(1)),
        }
        whole.hash = line.hash(whole.hash);
    }
    match shortened {
        Some(at) if !attested(&lines, at) => Err(Misfit {
            line: 1,
            why: format!("it and those up to line {at} are not what was kept when the file was full"),
        }),
        _ => Ok(whole),
    }
}

fn unlinked(at: usize) -> String {
    match at {
        0 => "it is not the first line that was written: lines before it are gone".to_owned(),
        before => format!("it does not follow line {before}: that one was changed, or lines between them are gone"),
    }
}

/// Whether the lines before the one that made the file shorter are those that it kept.
fn attested(lines: &[Line<'_>], at: usize) -> bool {
    let Some((before, rest)) = lines.split_at_checked(at) else { return false };
    rest.first().and_then(Line::kept) == Some(hash_of(before.iter().map(|line| line.bytes)).to_string().as_str())
}

/// The hash of lines, each with its end.
pub fn hash_of<'l>(lines: impl Iterator<Item = &'l [u8]>) -> Digest {
    let parts: Vec<&[u8]> = lines.flat_map(|line| [line, b"\n"]).collect();
    Digest::of(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"{"time":null,"verb":"install","disk":"/dev/x","code":0,"class":"done","why":""}"#;

    /// `count` linked lines after what is there.
    fn chained(mut bytes: Vec<u8>, count: usize) -> Vec<u8> {
        for _ in 0..count {
            let mut entry = Entry::of_line(OLD).unwrap();
            let (line, _) = link(&mut entry, after(&bytes)).unwrap();
            if !bytes.is_empty() && !bytes.ends_with(b"\n") {
                bytes.push(b'\n');
            }
            bytes.extend(line.bytes().chain([b'\n']));
        }
        bytes
    }

    fn pieces(bytes: &[u8]) -> Vec<Vec<u8>> {
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn a_line_has_the_hash_of_itself_and_of_the_one_before() {
        let bytes = chained(Vec::new(), 3);
        let whole = verify(&bytes).unwrap();
        assert_eq!((whole.linked, whole.earlier, whole.torn.len()), (3, 0, 0));
        assert_eq!(whole.hash, after(&bytes));
        let last = String::from_utf8(pieces(&bytes)[2].clone()).unwrap();
        assert!(last.ends_with(&format!("{MEMBER}{}{END}\n", whole.hash)), "{last}");
        assert_eq!(verify(b"").unwrap().hash, nothing());
    }

    /// Every byte of every line, and every line.
    #[test]
    fn whatever_is_changed_or_taken_is_found() {
        let bytes = chained(Vec::new(), 4);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            // The last line may be one that a cut has torn.
            match verify(&changed) {
                Err(Misfit { line: found, .. }) => assert!(found == line || found == line + 1, "{at}: {found}"),
                Ok(whole) => assert!(line == 4 && !whole.torn.is_empty(), "byte {at} of line {line}"),
            }
        }
        for taken in 0..3 {
            let mut left = pieces(&bytes);
            left.remove(taken);
            assert_eq!(verify(&left.concat()).unwrap_err().line, taken + 1);
            let mut exchanged = pieces(&bytes);
            exchanged.swap(taken, taken + 1);
            assert_eq!(verify(&exchanged.concat()).unwrap_err().line, taken + 1);
        }
        let mut added = pieces(&bytes);
        added.insert(2, b"garbage\n".to_vec());
        assert_eq!(verify(&added.concat()).unwrap_err().line, 4);
    }

    /// Half a line, zeros, or bytes of anybody: told, attested by the next entry, and the chain goes on.
    #[test]
    fn what_a_cut_has_torn_is_told_and_the_chain_goes_on() {
        let before = chained(Vec::new(), 2);
        let half = chained(before.clone(), 1);
        let torn =
            [half[..half.len() - 40].to_vec(), [&before[..], &[0; 300]].concat(), [&before[..], b"\xff\xfe"].concat()];
        for torn in torn {
            assert_eq!(verify(&torn).unwrap().torn, [3]);
            let after = chained(torn.clone(), 2);
            let whole = verify(&after).unwrap();
            assert_eq!((whole.linked, whole.torn.as_slice()), (4, &[3][..]));
            // Neither can the torn bytes be exchanged, nor what is before them.
            let lines = pieces(&after);
            let other = [&lines[..2], &[b"other\n".to_vec()], &lines[3..]].concat().concat();
            assert_eq!(verify(&other).unwrap_err().line, 4);
            let taken = [&lines[..1], &lines[2..]].concat().concat();
            assert_eq!(verify(&taken).unwrap_err().line, 3);
        }
        // A line whose end alone is missing is whole.
        let endless = &half[..half.len() - 1];
        assert_eq!(verify(endless).unwrap().torn, [0; 0]);
        assert_eq!(verify(&chained(endless.to_vec(), 1)).unwrap().linked, 4);
    }

    #[test]
    fn lines_of_an_earlier_form_are_attested_once_one_follows() {
        let old = format!("{OLD}\n{OLD}\n");
        assert_eq!(verify(old.as_bytes()).unwrap().earlier, 2);
        let bytes = chained(old.clone().into_bytes(), 2);
        let whole = verify(&bytes).unwrap();
        assert_eq!((whole.linked, whole.earlier), (2, 2));
        let changed = String::from_utf8(bytes).unwrap().replacen("/dev/x", "/dev/y", 1);
        assert_eq!(verify(changed.as_bytes()).unwrap_err().line, 3);
    }
}
