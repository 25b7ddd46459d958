//! The files that are shipped with the service, read by the programs that they are for.

use tests::bus::{NAMES, shipped};
use tests::{tool, tree};

const UNIT: &str = "updater-dbus.service";

/// The value of a key.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

#[test]
fn both_names_start_one_unit_that_waits_for_the_last_of_them() {
    let unit = shipped(UNIT);
    for name in NAMES {
        let file = shipped(&format!("{name}.service"));
        assert_eq!((value(&file, "Name"), value(&file, "SystemdService")), (Some(name), Some(UNIT)));
        assert_eq!(value(&file, "Exec"), value(&unit, "ExecStart"));
    }
    assert_eq!((value(&unit, "Type"), value(&unit, "BusName")), (Some("dbus"), Some(NAMES[0])));
}

#[test]
fn systemd_understands_the_unit() {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let unit = folder.path().join(UNIT);
    // systemd-analyze wants the program to be there.
    let text = shipped(UNIT).replace("ExecStart=/usr/libexec/updater-dbus", "ExecStart=/bin/true");
    std::fs::write(&unit, text).expect("the folder can be written");
    drop(tool::run_silent("systemd-analyze", &["verify", "--man=no", unit.to_str().expect("it is UTF-8")]));
}

#[test]
fn polkit_has_each_action_that_the_service_asks_for() {
    let rights = tree::text(std::path::Path::new("updater-cli/dbus/src/rights.rs"));
    let asked = rights.lines().filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\","));
    let file = tree::root().join("updater-cli/dbus/data/org.libupdate.updater.policy");
    let file = file.to_str().expect("paths of tests are UTF-8");
    let known = tool::run("xmllint", &["--nonet", "--xpath", "//action/@id", file]);
    let mut known: Vec<&str> = known.split('"').skip(1).step_by(2).collect();
    let mut asked: Vec<&str> = asked.collect();
    known.sort_unstable();
    asked.sort_unstable();
    assert!(known == asked && known.len() == 3, "{known:?} {asked:?}");
}
