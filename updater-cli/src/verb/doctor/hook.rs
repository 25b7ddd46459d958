//! The hook of this boot: its version, its configuration, and the configuration that the next initramfs gets.
//!
//! The hook says in `boot.json` which bytes of `hook.config` it had. They are a function of the profile and the keys: what this system
//! would write now either is the same, or the hook decides by another profile, or trusts other keys.

use std::io::ErrorKind;
use std::path::Path;

use libupdate::Digest;
use libupdate::units::limits::HOOK_CONFIG_BYTES;
use libupdate_linux::booted::BootReport;
use libupdate_linux::file;
use libupdate_linux::hook_config::{self, HookConfig};

use super::row::Row;
use crate::session::Setup;

const CONFIG: &str = "hook-config";
const FILE: &str = "hook-config-file";
const VERSION: &str = "hook-version";
/// Where initramfs makers look for the file.
const PLACES: [&str; 2] = [hook_config::PATH, "/usr/lib/updater/hook.config"];
const PROGRAM: &str = env!("CARGO_PKG_VERSION");
const MAKE_ANEW: &str = "write it anew with `updater-cli hook-config`, and make the initramfs anew";

/// What the hook has said of itself.
#[derive(Clone, Default)]
struct Hook {
    version: Option<String>,
    config: Option<String>,
}

/// The checks. Without keys it is not known what the hook should have.
pub fn rows(setup: Option<&Setup>, report: Option<&BootReport>) -> Vec<Row> {
    let wanted = setup.and_then(|setup| hook_config::encode(setup.profile, setup.anchors));
    let Some(wanted) = wanted else { return vec![Row::skipped(CONFIG, "it is made of the profile and its keys")] };
    let mut rows = vec![judge_file(file().as_ref(), &wanted)];
    match report {
        None => rows.push(Row::skipped(CONFIG, "no hook has reported this boot")),
        Some(report) => {
            let hook = Hook { version: report.hook_version.clone(), config: report.hook_config.clone() };
            rows.push(judge_version(&hook));
            rows.push(judge(&hook, &Digest::of(&[&wanted]).to_string()));
        }
    }
    rows
}

fn judge_version(hook: &Hook) -> Row {
    let next = "make the initramfs anew with the hook of this release";
    match hook.version.as_deref() {
        Some(version) if version == PROGRAM => Row::ok(VERSION, format!("{version}, as this program")),
        Some(version) => Row::warning(VERSION, format!("{version}, and this program is {PROGRAM}"), next),
        None => Row::warning(VERSION, format!("it does not say; this program is {PROGRAM}"), next),
    }
}

fn judge(hook: &Hook, wanted: &str) -> Row {
    let Some(config) = hook.config.as_deref() else {
        return Row::skipped(CONFIG, "the hook of this boot does not say which one it has");
    };
    if config == wanted {
        return Row::ok(CONFIG, "the running initramfs has this profile and these keys");
    }
    let detail =
        format!("the running initramfs has one of SHA-256 {config}; this profile and these keys make {wanted}");
    // Another version may have other fields for the same profile.
    if hook.version.as_deref() == Some(PROGRAM) {
        Row::error(CONFIG, detail, format!("correct the profile and the keys of this system, or {MAKE_ANEW}"))
    } else {
        Row::warning(CONFIG, format!("{detail}; the hook is of another version"), MAKE_ANEW)
    }
}

/// The first of the files that is there, and its bytes, or why it cannot be read.
type Found = (&'static str, Result<Vec<u8>, String>);

fn file() -> Option<Found> {
    PLACES.iter().find_map(|place| match file::read(Path::new(place), HOOK_CONFIG_BYTES) {
        Ok(bytes) => Some((*place, Ok(bytes))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        Err(error) => Some((*place, Err(error.to_string()))),
    })
}

fn judge_file(found: Option<&Found>, wanted: &[u8]) -> Row {
    let Some((place, bytes)) = found else {
        return Row::skipped(FILE, "this system has none: its initramfs is made elsewhere");
    };
    match bytes {
        Ok(bytes) if bytes == wanted => Row::ok(FILE, format!("{place} is of this profile and these keys")),
        Err(why) => Row::error(FILE, format!("{place}: {why}"), MAKE_ANEW),
        Ok(bytes) => match HookConfig::decode(bytes) {
            Err(bad) => Row::error(FILE, format!("{place} is {bad}"), MAKE_ANEW),
            Ok(_) => {
                let detail = format!("{place} is of another profile or of other keys, and the next initramfs gets it");
                Row::warning(FILE, detail, MAKE_ANEW)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::State;
    use super::*;

    fn hook(version: Option<&str>, config: Option<&str>) -> Hook {
        Hook { version: version.map(str::to_owned), config: config.map(str::to_owned) }
    }

    #[test]
    fn another_configuration_of_the_same_version_is_an_error() {
        assert_eq!(judge(&hook(Some(PROGRAM), Some("ab")), "ab").state, State::Ok);
        assert_eq!(judge(&hook(Some(PROGRAM), Some("ab")), "cd").state, State::Error);
        assert_eq!(judge(&hook(Some("0.0.9"), Some("ab")), "cd").state, State::Warning);
        assert_eq!(judge(&hook(None, None), "cd").state, State::Skipped);
    }

    #[test]
    fn a_hook_of_another_version_is_named() {
        assert_eq!(judge_version(&hook(Some(PROGRAM), None)).state, State::Ok);
        let row = judge_version(&hook(Some("0.0.9"), None));
        assert!(row.state == State::Warning && row.told().1.starts_with("0.0.9"), "{row:?}");
        assert_eq!(judge_version(&Hook::default()).state, State::Warning);
    }

    #[test]
    fn the_file_for_the_next_initramfs_is_this_systems() {
        let found = |bytes: &[u8]| Some((PLACES[0], Ok(bytes.to_vec())));
        assert_eq!(judge_file(None, b"x").state, State::Skipped);
        assert_eq!(judge_file(found(b"x").as_ref(), b"x").state, State::Ok);
        let row = judge_file(found(b"y").as_ref(), b"x");
        assert!(row.state == State::Error && row.told().1.contains("not a file of"), "{row:?}");
        assert_eq!(judge_file(Some(&(PLACES[0], Err("denied".to_owned()))), b"x").state, State::Error);
    }
}
