//! What is a pack, and what is none.

use std::vec::Vec;

use super::*;
use crate::bundle::writer::PackSpec;

fn spec() -> PackSpec<'static> {
    PackSpec {
        name: "hotfix-b",
        level: 3,
        fits: 2,
        supersedes: std::vec!["hotfix-a", "hotfix.0"],
        reload: std::vec!["web@1.service"],
        restart: std::vec!["mail.service", "mail.socket"],
        sysusers: true,
        tmpfiles: false,
    }
}

fn rule(bytes: &[u8]) -> Option<&'static str> {
    Pack::parse(bytes).err().map(|broken| broken.rule())
}

#[test]
fn what_is_written_is_read() {
    let bytes = spec().encode().unwrap();
    let pack = Pack::parse(&bytes).unwrap();
    assert_eq!((pack.name().as_str(), pack.level(), pack.fits()), ("hotfix-b", 3, 2));
    assert_eq!(pack.supersedes().collect::<Vec<_>>(), ["hotfix-a", "hotfix.0"]);
    assert_eq!(pack.reload().collect::<Vec<_>>(), ["web@1.service"]);
    assert_eq!(pack.restart().collect::<Vec<_>>(), ["mail.service", "mail.socket"]);
    assert!(pack.sysusers() && !pack.tmpfiles() && !pack.restart().is_empty());
}

#[test]
fn every_length_but_its_own_is_refused_and_so_is_every_other_head() {
    let bytes = spec().encode().unwrap();
    for len in 0..bytes.len() {
        assert_eq!(rule(&bytes[..len]), Some("PackForm"), "{len}");
    }
    assert_eq!(rule(&[&bytes[..], &[0]].concat()), Some("PackForm"));
    for (at, value) in [(0, 0), (8, 4), (8, 0x80), (9, 17), (10, 9), (11, 9), (12, 255), (13, 0xff)] {
        let mut other = bytes.clone();
        other[at] = value;
        assert_eq!(rule(&other), Some("PackForm"), "byte {at} is {value}");
    }
}

#[test]
fn names_are_names_of_folders_and_nothing_else() {
    let long = "x".repeat(65);
    for name in ["", "..", "../x", "a/b", "a..b", ".a", "-a", "a b", "a:b", "a,b", "\u{e9}", "a\0", &long] {
        let named = PackSpec { name, ..spec() };
        assert_eq!(named.encode().unwrap_err().rule(), "PackName", "{name:?}");
        let superseding = PackSpec { supersedes: std::vec![name], ..spec() };
        assert_eq!(superseding.encode().unwrap_err().rule(), "PackName", "{name:?}");
    }
    for name in ["a", "A.b_c-1", &"x".repeat(64)] {
        assert!(PackSpec { name, ..spec() }.encode().is_ok(), "{name}");
    }
}

#[test]
fn units_have_a_kind_and_no_path() {
    for unit in ["", "x", "x.sh", "../x.service", "/x.service", "-x.service", "x.service ", "x .service", ".service"] {
        let reload = PackSpec { reload: std::vec![unit], ..spec() };
        assert_eq!(reload.encode().unwrap_err().rule(), "PackUnit", "{unit:?}");
        let restart = PackSpec { restart: std::vec![unit], ..spec() };
        assert_eq!(restart.encode().unwrap_err().rule(), "PackUnit", "{unit:?}");
    }
}

#[test]
fn nothing_supersedes_itself_or_twice() {
    for supersedes in [std::vec!["hotfix-b"], std::vec!["a", "b", "a"]] {
        assert_eq!(PackSpec { supersedes, ..spec() }.encode().unwrap_err().rule(), "PackSupersedes");
    }
}

#[test]
fn more_than_the_bounds_is_refused() {
    let many = PackSpec { supersedes: std::vec!["a"; 17], ..spec() };
    assert_eq!(many.encode().unwrap_err().rule(), "PackForm");
    let many = PackSpec { restart: std::vec!["a.service"; 9], ..spec() };
    assert_eq!(many.encode().unwrap_err().rule(), "PackForm");
}

#[test]
fn the_major_version_is_the_first_number() {
    let majors = ["2.0", "2", "10.1~rc", "", "x", "99999999999"].map(major);
    assert_eq!(majors, [Some(2), Some(2), Some(10), None, None, None]);
}
