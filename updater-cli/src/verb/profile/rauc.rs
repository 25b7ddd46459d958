//! What RAUC's system.conf says: a key file with `[system]`, `[keyring]` and a section `[slot.CLASS.INDEX]` for each slot.

use ini::{Ini, ParseOption, Properties};

/// The configuration, as far as it has a counterpart here.
pub struct Rauc {
    pub compatible: String,
    pub bootloader: String,
    /// Boots that a new slot gets, if it says so.
    pub attempts: Option<u8>,
    /// GRUB's environment block.
    pub grubenv: Option<String>,
    pub has_keyring: bool,
    pub slots: Vec<Slot>,
}

/// A slot of RAUC: one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slot {
    pub class: String,
    pub index: u32,
    pub device: String,
    /// What the boot loader calls it; none of a slot that is not booted by itself.
    pub bootname: Option<String>,
    /// The slot that it belongs to: CLASS.INDEX.
    pub parent: Option<String>,
}

impl Slot {
    /// CLASS.INDEX.
    pub fn name(&self) -> String {
        format!("{}.{}", self.class, self.index)
    }
}

impl Rauc {
    /// Reads the text.
    ///
    /// # Errors
    /// The rule that it breaks, in words.
    pub fn read(text: &str) -> Result<Self, String> {
        let how = ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
        let file =
            Ini::load_from_str_opt(text, how).map_err(|error| format!("it is not read as a key file: {error}"))?;
        let sections = file.iter().filter_map(|(name, section)| Some((name?.strip_prefix("slot.")?, section)));
        let slots = sections.map(|(name, section)| slot(name, section)).collect::<Result<_, _>>()?;
        let system = file.section(Some("system")).ok_or("there is no [system] in it")?;
        let of_system = |key: &str| system.get(key).map(|value| value.trim().to_owned());
        Ok(Self {
            compatible: of_system("compatible").ok_or("[system] has no compatible")?,
            bootloader: of_system("bootloader").unwrap_or_default(),
            attempts: of_system("boot-attempts").and_then(|number| number.parse().ok()),
            grubenv: of_system("grubenv"),
            has_keyring: file.section(Some("keyring")).is_some(),
            slots,
        })
    }
}

fn slot(name: &str, section: &Properties) -> Result<Slot, String> {
    let parts = name.rsplit_once('.').and_then(|(class, index)| Some((class, index.parse().ok()?)));
    let (class, index) = parts.ok_or_else(|| format!("[slot.{name}] is not [slot.CLASS.NUMBER]"))?;
    let of = |key: &str| section.get(key).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    Ok(Slot {
        class: class.to_owned(),
        index,
        device: of("device").unwrap_or_default(),
        bootname: of("bootname"),
        parent: of("parent"),
    })
}
