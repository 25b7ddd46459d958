//! The floors of `libupdate`: a lower floor never names a higher one, and no two modules name each other in a circle.
//!
//! The table is not written here. It is read from the picture in the documentation of `libupdate/src/lib.rs`, so that the
//! picture cannot lie:
//!
//! ```text
//! //!  floor 3  acts       activate  install  apply  plan             disk writes, in their order
//! ```
//! Columns stand two spaces apart: the floor, its name, its modules, what they have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tests::rust_source::{root_paths, tokens};
use tests::tree;

/// Module to floor, and name re-exported by the root to the module it comes from.
struct Floors {
    of_module: BTreeMap<String, u8>,
    home_of: BTreeMap<String, String>,
}

/// One module names another.
struct Import {
    from: String,
    to: String,
    place: String,
}

impl Floors {
    fn read(lib_rs: &str) -> Result<Self, String> {
        let mut of_module = BTreeMap::new();
        for line in lib_rs.lines().filter_map(|line| line.strip_prefix("//!")) {
            let Some((floor, modules)) = picture_line(line) else { continue };
            for module in modules {
                if of_module.insert(module.to_owned(), floor).is_some() {
                    return Err(format!("{module} stands on two floors"));
                }
            }
        }
        if of_module.is_empty() {
            return Err("the documentation of lib.rs has no picture of the floors".to_owned());
        }
        Ok(Self { of_module, home_of: reexports(lib_rs) })
    }

    /// The module that a name after `crate::` belongs to.
    fn module_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.home_of.get(name).map_or(name, String::as_str)
    }

    /// What is wrong with the modules that lib.rs declares.
    fn judge_modules(&self, lib_rs: &str) -> Vec<String> {
        let declared = declared_modules(lib_rs, Built::Always);
        let drawn: BTreeSet<String> = self.of_module.keys().cloned().collect();
        let homeless = declared.difference(&drawn).map(|module| format!("{module} is on no floor of the picture"));
        let absent = drawn.difference(&declared).map(|module| format!("{module} is in the picture but not in lib.rs"));
        homeless.chain(absent).collect()
    }

    /// What is wrong with one import.
    fn judge(&self, import: &Import) -> Option<String> {
        let Import { from, to, place } = import;
        match (self.of_module.get(from), self.of_module.get(to)) {
            (Some(from_floor), Some(to_floor)) if to_floor > from_floor => {
                Some(format!("{place}: {from} (floor {from_floor}) names {to} (floor {to_floor}) above it"))
            }
            (Some(_), None) => Some(format!("{place}: {from} names {to}, which is on no floor")),
            _ => None,
        }
    }
}

/// Floor and modules of a line like ` floor 3  acts  activate  plan  disk writes`.
fn picture_line(line: &str) -> Option<(u8, Vec<&str>)> {
    let columns: Vec<&str> = line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
    let [floor, _name, modules @ .., _meaning] = columns.as_slice() else { return None };
    let floor = floor.strip_prefix("floor ")?.parse().ok()?;
    Some((floor, modules.to_vec()))
}

/// Where a module exists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Built {
    Always,
    OnlyInTests,
}

/// `mod x;` of lib.rs.
fn declared_modules(lib_rs: &str, built: Built) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    let mut here = Built::Always;
    for line in lib_rs.lines() {
        let declaration = line.trim_start_matches("pub ").strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
        if let Some(module) = declaration.filter(|_| here == built) {
            modules.insert(module.to_owned());
        }
        here = if line == "#[cfg(test)]" { Built::OnlyInTests } else { Built::Always };
    }
    modules
}

/// `pub use block::{Lba, Extent};` of lib.rs, as name to module.
fn reexports(lib_rs: &str) -> BTreeMap<String, String> {
    let joined: String = lib_rs.lines().filter(|line| !line.starts_with("//")).collect::<Vec<_>>().join(" ");
    let mut homes = BTreeMap::new();
    for statement in joined.split(';') {
        let Some((_, path)) = statement.split_once("pub use ") else { continue };
        let Some((module, names)) = path.split_once("::") else { continue };
        for name in names.split(|sign: char| !sign.is_alphanumeric() && sign != '_').filter(|name| !name.is_empty()) {
            homes.insert(name.to_owned(), module.trim().to_owned());
        }
    }
    homes
}

/// What `source`, the text of `libupdate/src/FILE`, names of other modules.
fn imports(floors: &Floors, file: &Path, source: &str) -> Vec<Import> {
    let without_ending = file.with_extension("");
    let modules: Vec<&str> = without_ending.iter().filter_map(|part| part.to_str()).collect();
    let Some(from) = modules.first() else { return Vec::new() };
    let paths = root_paths(&tokens(source), modules.len());
    let named = paths.into_iter().map(|path| Import {
        from: (*from).to_owned(),
        to: floors.module_of(&path.name).to_owned(),
        place: format!("libupdate/src/{}:{}", file.display(), path.line),
    });
    named.filter(|import| import.from != import.to).collect()
}

/// A circle in the imports, if there is one: modules are taken away that name only modules already gone.
fn circle(imports: &[Import]) -> BTreeSet<String> {
    let mut left: BTreeSet<String> = imports.iter().map(|import| import.from.clone()).collect();
    loop {
        let stuck = |module: &String| imports.iter().any(|import| import.from == *module && left.contains(&import.to));
        let next: BTreeSet<String> = left.iter().filter(|module| stuck(module)).cloned().collect();
        if next == left {
            return left;
        }
        left = next;
    }
}

/// Every import between modules of the core. What exists only in tests stands on no floor: no production code can name it.
fn all_imports(floors: &Floors, lib_rs: &str) -> Vec<Import> {
    let mut found = Vec::new();
    for (path, source) in tree::texts("rs") {
        let Ok(file) = path.strip_prefix("libupdate/src") else { continue };
        // The root names its modules, which is its purpose.
        if file != Path::new("lib.rs") {
            found.extend(imports(floors, file, &source));
        }
    }
    let for_tests = declared_modules(lib_rs, Built::OnlyInTests);
    found.retain(|import| !for_tests.contains(&import.from) && !for_tests.contains(&import.to));
    found
}

fn core_floors() -> (Floors, String) {
    let lib_rs = tree::text(Path::new("libupdate/src/lib.rs"));
    (Floors::read(&lib_rs).expect("the picture can be read"), lib_rs)
}

#[test]
fn every_module_stands_on_a_floor() {
    let (floors, lib_rs) = core_floors();
    assert_eq!(floors.judge_modules(&lib_rs), [""; 0]);
}

#[test]
fn no_floor_names_a_higher_one() {
    let (floors, lib_rs) = core_floors();
    let imports = all_imports(&floors, &lib_rs);
    assert!(imports.len() >= 5, "only {} imports found: the test reads the wrong files", imports.len());
    let wrong: Vec<String> = imports.iter().filter_map(|import| floors.judge(import)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_modules_name_each_other_in_a_circle() {
    let (floors, lib_rs) = core_floors();
    let imports = all_imports(&floors, &lib_rs);
    let circle = circle(&imports);
    let places: Vec<&str> = imports
        .iter()
        .filter(|import| circle.contains(&import.from) && circle.contains(&import.to))
        .map(|import| import.place.as_str())
        .collect();
    assert!(circle.is_empty(), "{circle:?}\n{}", places.join("\n"));
}

/// A core of four modules, for the tests of the tests.
const FIXTURE: &str = "//! floor 1  acts   plan  apply   in order\n//! floor 0  words  bytes  io  the seam\n\
    pub mod apply;\npub mod bytes;\npub mod io;\nmod plan;\n#[cfg(test)]\nmod ram;\npub use io::{Read, Write};\npub use plan::Plan;\n";

fn fixture_faults(file: &str, source: &str) -> Vec<String> {
    let floors = Floors::read(FIXTURE).expect("the fixture has a picture");
    imports(&floors, Path::new(file), source).iter().filter_map(|import| floors.judge(import)).collect()
}

#[test]
fn an_import_upward_is_caught_in_every_form() {
    let wrong = ["libupdate/src/bytes.rs:1: bytes (floor 0) names plan (floor 1) above it"];
    assert_eq!(fixture_faults("bytes.rs", "use crate::plan::X;"), wrong);
    assert_eq!(fixture_faults("bytes.rs", "use crate::{io::X, plan};"), wrong);
    assert_eq!(fixture_faults("bytes.rs", "fn f() { crate::plan::x() }"), wrong);
    assert_eq!(fixture_faults("bytes.rs", "use super::plan;"), wrong);
    assert_eq!(fixture_faults("bytes.rs", "use crate::Plan;"), wrong);
    let deeper = ["libupdate/src/bytes/le.rs:1: bytes (floor 0) names plan (floor 1) above it"];
    assert_eq!(fixture_faults("bytes/le.rs", "use super::super::plan;"), deeper);
}

#[test]
fn imports_downward_and_beside_are_accepted() {
    assert_eq!(fixture_faults("plan.rs", "use crate::{bytes, io::Read, Write}; use crate::apply::x;"), [""; 0]);
    assert_eq!(fixture_faults("bytes/le.rs", "use super::plan; // a child module of bytes"), [""; 0]);
}

#[test]
fn a_name_on_no_floor_is_caught() {
    assert_eq!(
        fixture_faults("plan.rs", "use crate::misc;"),
        ["libupdate/src/plan.rs:1: plan names misc, which is on no floor"]
    );
}

#[test]
fn a_module_without_a_floor_and_a_floor_without_a_module_are_caught() {
    let floors = Floors::read(FIXTURE).expect("the fixture has a picture");
    assert_eq!(floors.judge_modules(FIXTURE), [""; 0]);
    let more = format!("{FIXTURE}pub mod extra;\n");
    assert_eq!(floors.judge_modules(&more), ["extra is on no floor of the picture"]);
    let fewer = FIXTURE.replace("pub mod io;\n", "");
    assert_eq!(floors.judge_modules(&fewer), ["io is in the picture but not in lib.rs"]);
    assert_eq!(declared_modules(FIXTURE, Built::OnlyInTests), BTreeSet::from(["ram".to_owned()]));
    assert!(Floors::read("//! no picture\n").is_err());
    assert!(Floors::read("//! floor 0  a  x  y\n//! floor 1  b  x  z\n").is_err());
}

#[test]
fn a_circle_is_caught() {
    let import = |from: &str, to: &str| Import { from: from.to_owned(), to: to.to_owned(), place: String::new() };
    assert!(circle(&[import("plan", "io"), import("io", "bytes"), import("plan", "bytes")]).is_empty());
    let found = circle(&[import("plan", "io"), import("io", "bytes"), import("bytes", "io")]);
    assert!(found.contains("io") && found.contains("bytes"), "{found:?}");
}
