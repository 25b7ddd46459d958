//! Which disk of this machine is the profile's, where nobody names it.

use std::path::Path;

use super::board::Profile;
use super::disk::holds_slots;
use crate::OsError;
use crate::booted;
use crate::find::{self, Found, Match, Selection};

impl Profile {
    /// This machine's disk, where `--disk` does not name it: the profile's node; else the one that the hook booted from, whatever other
    /// drives there are and whatever became of its table; else the one that holds the slots.
    ///
    /// # Errors
    /// None matches, or several do.
    pub fn find_disk(&self) -> Result<Found, OsError> {
        match (&self.disk, booted::disk()) {
            (Selection::Node(_), _) | (_, None) => find::whole_disk(&self.disk, |node| self.look_at(node)),
            (_, Some(disk)) => Ok(Found::named(disk)),
        }
    }

    fn look_at(&self, node: &Path) -> Result<Match, OsError> {
        holds_slots(node, &self.disk, &self.specs())
    }
}

#[cfg(all(test, feature = "profile"))]
mod tests {
    use std::fs::File;
    use std::process::Command;

    use libupdate::gpt::Guid;

    use super::*;

    #[test]
    fn a_disk_matches_with_every_slot_partition_by_type_and_label() {
        let profile = Profile::load(Some("qemu-x86_64")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk.img");
        File::create(&path).unwrap().set_len(4 << 20).unwrap();
        let is_not = |profile: &Profile, why: &str| match profile.look_at(&path).unwrap() {
            Match::No(said) => assert!(said.contains(why), "{said}"),
            Match::Yes => panic!("it is not: {why}"),
        };
        is_not(&profile, "neither copy of the partition table");
        let sgdisk = |arguments: &[&str]| {
            let made = Command::new("sgdisk").args(arguments).arg(&path).output().expect("gdisk is installed");
            assert!(made.status.success());
        };
        let root = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";
        sgdisk(&["-n", "3:0:+1M", "-t", &format!("3:{root}"), "-c", "3:root-a", "-n", "1:0:+1M", "-c", "1:root-b"]);
        is_not(&profile, "a partition of slot b is not in the table");
        sgdisk(&["-t", &format!("1:{root}")]);
        assert_eq!(profile.look_at(&path).unwrap(), Match::Yes);
        assert!(profile.look_at(&folder.path().join("missing")).is_err());
        let guid = "0f5b2c34-8d1e-4c7a-9b60-2f3a4d5e6f70";
        sgdisk(&["-U", guid]);
        let with = |text| Profile { disk: Selection::Guid(*Guid::parse(text).unwrap().as_bytes()), ..profile.clone() };
        assert_eq!(with(guid).look_at(&path).unwrap(), Match::Yes);
        is_not(&with("0f5b2c34-8d1e-4c7a-9b60-2f3a4d5e6f71"), guid);
    }
}
