//! The text of `autoboot.txt`: bytes to values and back. Pure.

/// Bytes that the firmware reads of it.
pub const AUTOBOOT_BYTES: usize = 512;

const PARTITION: &str = "boot_partition";
const A_B: &str = "tryboot_a_b";

/// What the file says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Autoboot {
    /// `boot_partition` of a usual start.
    pub usual: Option<u32>,
    /// `boot_partition` of a start with the flag.
    pub trial: Option<u32>,
    /// Whether the flag chooses a partition and not `tryboot.txt`.
    a_b: bool,
    /// Lines that are not ours, of each section.
    kept: [Vec<String>; 2],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Section {
    All,
    Tryboot,
}

impl Autoboot {
    /// Reads the text. An empty one says nothing.
    ///
    /// # Errors
    /// The rule that it breaks, with the line, in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > AUTOBOOT_BYTES {
            return Err(format!("it has more than {AUTOBOOT_BYTES} bytes, and the firmware reads no more"));
        }
        // What is past the old text in its sector, if a cut came while it was made longer.
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let text = str::from_utf8(&bytes[..end]).map_err(|_| "it is no text".to_owned())?;
        let mut read = Self::default();
        let mut section = Section::All;
        for (number, line) in (1..).zip(text.lines()) {
            section = read.take(section, line.trim()).map_err(|why| format!("line {number}: {why}"))?;
        }
        Ok(read)
    }

    /// Takes one line; gives the section that the next one is in.
    fn take(&mut self, section: Section, line: &str) -> Result<Section, String> {
        if line.chars().any(char::is_control) {
            return Err("a control character in it".to_owned());
        }
        if line.is_empty() {
            return Ok(section);
        }
        if line.starts_with('[') {
            return match line {
                "[all]" => Ok(Section::All),
                "[tryboot]" => Ok(Section::Tryboot),
                other => Err(format!("the filter {other} is neither [all] nor [tryboot]")),
            };
        }
        let place = match section {
            Section::All => &mut self.usual,
            Section::Tryboot => &mut self.trial,
        };
        match line.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
            Some((PARTITION, value)) => {
                let number = value.parse().map_err(|_| format!("{value:?} is no number of a partition"))?;
                if place.replace(number).is_some() {
                    return Err(format!("a second {PARTITION} in one section"));
                }
            }
            Some((A_B, value)) if section == Section::All => self.a_b = value == "1",
            Some((A_B, _)) => return Err(format!("{A_B} belongs under [all]")),
            Some(_) => self.keep(section, line),
            None if line.starts_with('#') => self.keep(section, line),
            None => return Err("it is no setting".to_owned()),
        }
        Ok(section)
    }

    fn keep(&mut self, section: Section, line: &str) {
        let [all, tryboot] = &mut self.kept;
        match section {
            Section::All => all.push(line.to_owned()),
            Section::Tryboot => tryboot.push(line.to_owned()),
        }
    }

    /// Has it name the partition of a usual start, and that of a start with the flag.
    pub const fn name(&mut self, usual: u32, trial: u32) {
        (self.usual, self.trial, self.a_b) = (Some(usual), Some(trial), true);
    }

    /// The text.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let number = |number: Option<u32>| number.map(|number| format!("{PARTITION}={number}"));
        let a_b = self.a_b.then(|| format!("{A_B}=1"));
        let [all, tryboot] = &self.kept;
        let head = std::iter::once("[all]".to_owned()).chain(a_b).chain(number(self.usual));
        let middle = std::iter::once("[tryboot]".to_owned()).chain(number(self.trial));
        let lines = head.chain(all.iter().cloned()).chain(middle).chain(tryboot.iter().cloned());
        lines.flat_map(|line| (line + "\n").into_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of `config_txt/autoboot.adoc`.
    const DOCUMENTED: &str = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";

    fn why(text: &[u8]) -> String {
        Autoboot::parse(text).unwrap_err()
    }

    #[test]
    fn the_documents_example_is_read_and_made_again_and_mark_good_swaps_it() {
        let mut read = Autoboot::parse(DOCUMENTED.as_bytes()).unwrap();
        assert_eq!((read.usual, read.trial), (Some(2), Some(3)));
        assert_eq!(read.encode(), DOCUMENTED.as_bytes());
        read.name(3, 2);
        let swapped = "[all]\ntryboot_a_b=1\nboot_partition=3\n[tryboot]\nboot_partition=2\n";
        assert_eq!(String::from_utf8(read.encode()).unwrap(), swapped);
    }

    #[test]
    fn what_is_not_ours_stays_in_its_section() {
        let text = "# first\nboot_partition = 2\r\nboot_watchdog_timeout=8\n\n[tryboot]\n# second\n[all]\nx=1\n";
        let mut read = Autoboot::parse(text.as_bytes()).unwrap();
        assert_eq!((read.usual, read.trial), (Some(2), None));
        read.name(4, 7);
        let wanted = "[all]\ntryboot_a_b=1\nboot_partition=4\n# first\nboot_watchdog_timeout=8\nx=1\n\
                      [tryboot]\nboot_partition=7\n# second\n";
        assert_eq!(String::from_utf8(read.encode()).unwrap(), wanted);
        assert_eq!(Autoboot::parse(&read.encode()).unwrap(), read);
    }

    #[test]
    fn padding_and_an_empty_file_say_nothing() {
        assert_eq!(Autoboot::parse(b"").unwrap(), Autoboot::default());
        assert_eq!(Autoboot::parse(&[0; 512]).unwrap(), Autoboot::default());
        let read = Autoboot::parse(DOCUMENTED.as_bytes()).unwrap();
        for fill in [b'\n', 0] {
            let mut padded = DOCUMENTED.as_bytes().to_vec();
            padded.resize(AUTOBOOT_BYTES, fill);
            assert_eq!(Autoboot::parse(&padded).unwrap(), read);
        }
    }

    #[test]
    fn without_the_setting_the_flag_would_choose_a_file() {
        let without = DOCUMENTED.replace("tryboot_a_b=1", "tryboot_a_b=0");
        let mut read = Autoboot::parse(without.as_bytes()).unwrap();
        let before = read.clone();
        read.name(2, 3);
        assert_ne!(read, before, "it has to be written");
        assert_eq!(read.encode(), DOCUMENTED.as_bytes());
    }

    #[test]
    fn hostile_text_names_its_line() {
        assert!(why(&[b'\n'; 513]).contains("more than 512 bytes"));
        assert_eq!(why(&[0xff, 0xfe]), "it is no text");
        assert_eq!(why(b"x\0=1\nboot_partition=2"), "line 1: a control character in it");
        assert_eq!(why(b"[all]\nboot_partition=2\nboot_partition=3"), "line 3: a second boot_partition in one section");
        assert_eq!(why(b"[all]\nboot_partition=-1"), "line 2: \"-1\" is no number of a partition");
        assert_eq!(why(b"boot_partition=99999999999"), "line 1: \"99999999999\" is no number of a partition");
        assert_eq!(why(b"[none]\n"), "line 1: the filter [none] is neither [all] nor [tryboot]");
        assert_eq!(why(b"[tryboot]\ntryboot_a_b=1"), "line 2: tryboot_a_b belongs under [all]");
        assert_eq!(why(b"start4.elf"), "line 1: it is no setting");
    }
}
