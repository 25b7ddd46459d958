//! Where the request is put so that the next boot finds it: pure.
//!
//! | `/` | systemd | `/etc` | `/var` by the hook | place |
//! |---|---|---|---|---|
//! | is a disk's and can be written | any | | | `/system-update` |
//! | else | 254 or later | is of the same file system as `/`, a disk's, and can be written | | `/etc/system-update` |
//! | else | any | else | yes | `/var/lib/updater/system-update`, for our generator |
//! | else | | | no | nowhere |
//!
//! A root in memory (an overlay of the hook) takes a link and has forgotten it in the next boot. An `/etc` that is mounted later than generators
//! run shows them no link.

/// What the system has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    pub root: Keeps,
    /// Of `/etc`, if it is of the file system of `/`; else as if it could not be written.
    pub etc: Keeps,
    pub systemd: Option<u32>,
    /// Whether the hook mounts `/var`: before anything of the system runs.
    pub early_var: bool,
}

/// Whether a file that is made now is there in the next boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keeps {
    /// None can be made.
    ReadOnly,
    /// It is gone.
    Memory,
    /// It is.
    Disk,
}

/// Where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// `/system-update`.
    Root,
    /// `/etc/system-update`.
    Etc,
    /// `/var/lib/updater/system-update`.
    Var,
}

/// The first version of systemd that looks in `/etc`.
const LOOKS_IN_ETC: u32 = 254;

/// The place; `None` if the next boot would find it in none.
pub fn of(facts: Facts) -> Option<Place> {
    let etc = facts.etc == Keeps::Disk && facts.systemd.is_some_and(|version| version >= LOOKS_IN_ETC);
    match facts.root {
        Keeps::Disk => Some(Place::Root),
        _ if etc => Some(Place::Etc),
        _ => facts.early_var.then_some(Place::Var),
    }
}

/// The version in what `systemctl --version` says: "systemd 252 (252.30-1~deb12u2)".
pub fn version(said: &str) -> Option<u32> {
    let word = said.strip_prefix("systemd ")?.split_whitespace().next()?;
    let digits = word.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(word.len());
    word.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_has_the_place_of_the_table() {
        for root in [Keeps::ReadOnly, Keeps::Memory, Keeps::Disk] {
            for etc in [Keeps::ReadOnly, Keeps::Memory, Keeps::Disk] {
                for systemd in [None, Some(252), Some(253), Some(254), Some(257)] {
                    for early_var in [false, true] {
                        let wanted = if root == Keeps::Disk {
                            Some(Place::Root)
                        } else if etc == Keeps::Disk && matches!(systemd, Some(254 | 257)) {
                            Some(Place::Etc)
                        } else if early_var {
                            Some(Place::Var)
                        } else {
                            None
                        };
                        assert_eq!(of(Facts { root, etc, systemd, early_var }), wanted);
                    }
                }
            }
        }
    }

    #[test]
    fn a_version_is_a_number_at_its_place() {
        assert_eq!(version("systemd 252 (252.30-1~deb12u2)\n+PAM"), Some(252));
        assert_eq!(version("systemd 257.8-1 (257.8-1)"), Some(257));
        assert_eq!(version("systemd 258~rc1"), Some(258));
        for other in ["", "systemd", "systemd x", "openrc 254"] {
            assert_eq!(version(other), None, "{other}");
        }
    }
}
