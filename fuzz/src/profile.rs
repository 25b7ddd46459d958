//! A profile: what is accepted keeps the promises of its type, and what is refused is told in words.

use std::collections::BTreeSet;
use std::path::Path;

use libupdate::slot::Duty;
use libupdate_linux::profile::Profile;

/// Reads the bytes as a profile.
///
/// # Panics
/// Where a profile is accepted that breaks a promise.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let profile = match Profile::from_text(text, "fuzz.toml", Path::new("/etc/updater")) {
        Ok(profile) => profile,
        Err(error) => {
            assert!(!error.kind().to_string().is_empty(), "{error}");
            return;
        }
    };
    let specs = profile.specs();
    assert!(profile.slots.len() >= 2, "{:?}", profile.slots);
    let labels: BTreeSet<&str> = specs.iter().map(|spec| spec.label).collect();
    assert_eq!(labels.len(), specs.len(), "two partitions of one label");
    let of = |slot| specs.iter().filter(move |spec| spec.slot == slot);
    let roles: Vec<Vec<&str>> = profile.slots.iter().map(|slot| of(*slot).map(|spec| spec.role).collect()).collect();
    assert!(roles.iter().all(|one| *one == roles[0] && !one.is_empty()), "{roles:?}");
    for slot in &profile.slots {
        assert_eq!(of(*slot).filter(|spec| spec.duty == Duty::Control).count(), 1, "slot {slot}");
    }
    assert!(profile.tries.get() > 0, "a trial without a boot");
    let absolute = profile.trust.keys.iter().all(|key| key.is_absolute());
    assert!(absolute, "{:?}", profile.trust.keys);
}
