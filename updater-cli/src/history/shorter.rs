//! What stays of a file that is full.
//!
//! ```text
//!  old      1 2 3 4 5 6 7 8 9                  I: the last installation on a disk
//!                 I       └─ newer half
//!  new      4 7 8 9 10                         line 10 has the hash of all that is before it, and that one line was carried over
//! ```
//!
//! The newer half is unchanged and has no gap: it begins after the last line that is no entry.

use libupdate::units::limits::STATE_BYTES;

use super::{Entry, chain};

/// The file anew: what stays, and the entries, the first of which attests what is before it.
///
/// # Errors
/// None that is known of.
pub fn anew(before: &[u8], entries: &mut [Entry]) -> std::io::Result<Vec<u8>> {
    let kept = Kept::of(before);
    if let Some(first) = entries.first_mut() {
        first.carried_lines = Some(kept.carried.len());
        first.kept = Some(chain::hash_of(kept.lines()).to_string());
    }
    let added = chain::linked(entries, chain::after(before))?;
    let stays = kept.lines().flat_map(|line| [line, b"\n"].concat());
    Ok(stays.chain(added.bytes()).collect())
}

#[derive(Default)]
struct Kept<'l> {
    /// The last installation on each disk, if it is not in the newer half.
    carried: Vec<&'l [u8]>,
    newer: Vec<&'l [u8]>,
}

impl<'l> Kept<'l> {
    fn of(before: &'l [u8]) -> Self {
        let bound = usize::try_from(STATE_BYTES).unwrap_or(usize::MAX);
        let (half, all) = (bound / 2, bound / 4 * 3);
        let mut kept = Self::default();
        let (mut taken, mut gap) = (0, false);
        let mut disks: Vec<Option<String>> = Vec::new();
        let lines: Vec<&[u8]> = chain::lines(before).collect();
        for line in lines.into_iter().rev() {
            let entry = str::from_utf8(line).ok().and_then(Entry::of_line);
            let after = taken + line.len() + 1;
            gap = gap || entry.is_none() || after > half;
            let last =
                entry.filter(|entry| entry.is_installation() && entry.is_end() && !disks.contains(&entry.disk_guid));
            let is_last = last.is_some();
            disks.extend(last.map(|entry| entry.disk_guid));
            if gap && (!is_last || after > all) {
                continue;
            }
            taken = after;
            if gap { kept.carried.push(line) } else { kept.newer.push(line) }
        }
        kept.carried.reverse();
        kept.newer.reverse();
        kept
    }

    fn lines(&self) -> impl Iterator<Item = &'l [u8]> {
        self.carried.iter().chain(&self.newer).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Entries, INSTALL, parsed};
    use super::chain::{link, verify};
    use super::*;

    fn entry(number: u32, verb: &str, disk: u32) -> Entry {
        let line = format!(
            r#"{{"time":null,"verb":"{verb}","disk":"/dev/x","disk_guid":"fe3a2a5d-4f32-41a7-b725-accc3285a30{disk}","slot":"b",
            "version":"{number}","code":0,"class":"done","why":""}}"#
        );
        Entry::of_line(&line.replace('\n', "")).unwrap()
    }

    /// As the program does it.
    fn add(bytes: &mut Vec<u8>, mut entry: Entry) {
        let (line, _) = link(&mut entry, chain::after(bytes)).unwrap();
        if u64::try_from(bytes.len() + line.len() + 1).unwrap() < STATE_BYTES {
            bytes.extend(line.bytes().chain([b'\n']));
        } else {
            *bytes = anew(bytes, &mut [entry]).unwrap();
        }
    }

    fn versions(bytes: &[u8]) -> Vec<u32> {
        let Entries { found, skipped } = parsed(bytes);
        assert_eq!(skipped, 0);
        found.iter().map(|entry| entry.version.as_ref().unwrap().parse().unwrap()).collect()
    }

    /// The newest are there, and the last installation on each disk, however long ago it was; and the chain holds all the time.
    #[test]
    fn a_thousand_acts_stay_within_the_bound_and_fit_together() {
        let mut bytes = Vec::new();
        (0..4).for_each(|number| add(&mut bytes, entry(number, INSTALL, number / 2)));
        for number in 4..1000 {
            add(&mut bytes, entry(number, "mark-good", 0));
            assert!(u64::try_from(bytes.len()).unwrap() <= STATE_BYTES);
            if number % 50 == 0 {
                verify(&bytes).unwrap();
            }
        }
        let versions = versions(&bytes);
        assert_eq!((versions[..2].to_vec(), versions.last()), (vec![1, 3], Some(&999)));
        assert!(versions.len() > 60 && versions[2..].windows(2).all(|pair| pair[0] + 1 == pair[1]), "{versions:?}");
        assert_eq!(verify(&bytes).unwrap().linked, versions.len());
    }

    /// Each line of a file that was made shorter: taken, changed, or with another one before it.
    #[test]
    fn what_is_done_to_a_shorter_file_is_found() {
        let mut bytes = Vec::new();
        add(&mut bytes, entry(0, INSTALL, 0));
        (1..400).for_each(|number| add(&mut bytes, entry(number, "repair", 0)));
        assert_eq!(versions(&bytes)[0], 0);
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        // Without the last, which nobody follows.
        for at in 0..lines.len() - 1 {
            let taken = [&lines[..at], &lines[at + 1..]].concat().concat();
            verify(&taken).unwrap_err();
            let twice = [&lines[..at], &lines[at..=at], &lines[at..]].concat().concat();
            verify(&twice).unwrap_err();
            let changed = String::from_utf8(lines[at].to_vec()).unwrap().replace("/dev/x", "/dev/y");
            let changed = [&lines[..at], &[changed.as_bytes()], &lines[at + 1..]].concat().concat();
            assert_eq!(verify(&changed).unwrap_err().line, at + 1);
        }
    }

    #[test]
    fn what_is_no_entry_does_not_stay() {
        let mut bytes = Vec::new();
        add(&mut bytes, entry(1, INSTALL, 0));
        bytes.extend(b"garbage\n");
        let bytes = anew(&bytes, &mut [entry(2, "repair", 0)]).unwrap();
        assert_eq!(versions(&bytes), [1, 2]);
        verify(&bytes).unwrap();
    }
}
