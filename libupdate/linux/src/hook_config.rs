//! The boot's configuration, made of a profile and its keys, and read with texts and paths of the program's own. What is in the file:
//! [`libupdate::hook_config`].

use std::path::PathBuf;

use libupdate::bundle::Anchors;
use libupdate::hook_config;
use libupdate::units::limits::HOOK_CONFIG_BYTES;

use crate::profile::Profile;

pub use libupdate::hook_config::BadConfig;

/// Where the hook finds it.
pub const PATH: &str = "/etc/updater/hook.config";

/// What the hook knows of its device.
pub type HookConfig<'c> = hook_config::HookConfig<'c, String, PathBuf>;

/// The file's bytes for a board with these keys; `None` for more than the hook reads.
#[must_use]
pub fn encode(profile: &Profile, anchors: &Anchors) -> Option<Vec<u8>> {
    let config = HookConfig {
        compatible: &profile.compatible,
        disk: profile.disk.clone(),
        guard: profile.guard,
        specs: profile.specs().as_slice().try_into().ok()?,
        anchors: anchors.clone(),
        boot: profile.boot.clone(),
    };
    let mut room = vec![0; usize::try_from(HOOK_CONFIG_BYTES).ok()?];
    config.encode(&mut room).map(<[u8]>::to_vec)
}

#[cfg(all(test, feature = "keys", feature = "profile"))]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    #[test]
    fn what_a_profile_says_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let files = crate::keys::generate(folder.path(), "k").unwrap();
        let anchors = Anchors::new(&[crate::keys::public(&files.public).unwrap()], NonZeroUsize::MIN).unwrap();
        let profile = Profile::load(Some("generic-x86_64-uefi")).unwrap();
        let bytes = encode(&profile, &anchors).unwrap();
        let read = HookConfig::decode(&bytes).unwrap();
        assert_eq!((read.compatible, &read.disk, read.guard), (&*profile.compatible, &profile.disk, profile.guard));
        assert_eq!((&read.specs[..], &read.boot), (&profile.specs()[..], &profile.boot));
        assert_eq!(read.anchors.keys(), anchors.keys());
        assert!(bytes.len() < 512, "{} bytes", bytes.len());
    }
}
