//! The core's device with one thing wrong in it: two steps exchanged, a flush dropped, a check left out. The laboratory notices each.
//!
//! A copy of the core is built once with all of them in it. Each is behind a name that the environment gives; without a name the copy is
//! the core.

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use tests::board::Board;
use tests::chance::Chance;
use tests::crash::{Effort, Grain, Tears};
use tests::lab::{Lab, Scale};
use tests::models::SMALL;
use tests::scenario::Stage;
use tests::seen::Seen;
use tests::tree;

/// What is wrong, by the word that switches it on, and the edits that put it there.
const MUTANTS: [(&str, &[Edit]); 8] = [
    (
        "exchanged-arming-and-asking",
        &[
            Edit {
                file: "device/installation.rs",
                right: "        self.ask(staged, request.confirm_within, (slots, block))?;\n        let tries",
                wrong: "        if !crate::mutant(\"exchanged-arming-and-asking\") {
                    self.ask(staged, request.confirm_within, (&mut *slots, &mut *block))?;
                }
                let tries",
            },
            Edit {
                file: "device/installation.rs",
                right: "        .map(|_| Installed::staged(staged, ending))",
                wrong: "        .map(|_| ())?;
                if crate::mutant(\"exchanged-arming-and-asking\") {
                    self.find_again(slots)?;
                    let slot = slots.get(staged.slot())?;
                    confirmation::ask(self.disk, slot, staged.verified().digest(), request.confirm_within, block)?;
                }
                Ok(Installed::staged(staged, ending))",
            },
        ],
    ),
    (
        "exchanged-spending-and-reading",
        &[
            Edit {
                file: "device/boot.rs",
                right: "self.tries_of(step, rules.spender, starter).map_err(Refused::unknown)?;",
                wrong: "if crate::mutant(\"exchanged-spending-and-reading\") { step.tries_left() } else {
                    self.tries_of(step, rules.spender, starter).map_err(Refused::unknown)?
                };",
            },
            Edit {
                file: "device/boot.rs",
                right: "        let started = starter.start(self.disk, &sound).map_err(refused)?;",
                wrong: "        let started = starter.start(self.disk, &sound).map_err(refused)?;
                if crate::mutant(\"exchanged-spending-and-reading\") {
                    self.tries_of(step, rules.spender, starter).map_err(Refused::unknown)?;
                }",
            },
        ],
    ),
    (
        "exchanged-disarming-and-marks",
        &[Edit {
            file: "device/marking.rs",
            right: "        let Room { slots, facts, block, .. } = room;
        let outcome =\n",
            wrong: "        let Room { slots, facts, block, .. } = room;
            if crate::mutant(\"exchanged-disarming-and-marks\") && let Some(installed) = &facts.slot(slot)?.installed {
                transition::unseal(self.disk, slots.get(slot)?, installed.digest, block)?;
            }
        let outcome =\n",
        }],
    ),
    (
        "dropped-flush-of-a-commit",
        &[Edit {
            file: "gpt/write/executor.rs",
            right: "        Step::Flush => io::flush(disk),",
            wrong: "        Step::Flush if crate::mutant(\"dropped-flush-of-a-commit\") => Ok(()),
        Step::Flush => io::flush(disk),",
        }],
    ),
    (
        "left-out-disarming",
        &[Edit {
            file: "device/installation.rs",
            right: "        let disarmed = self.disarm(admitted, listener)?;",
            wrong: "        let disarmed = if crate::mutant(\"left-out-disarming\") {
                Disarmed::of(admitted)
            } else {
                self.disarm(admitted, listener)?
            };",
        }],
    ),
    (
        "left-out-reading-what-a-slot-holds",
        &[Edit {
            file: "device/installation.rs",
            right: "        match read_back(self.disk, admitted.verified().clone(), place, (work, blocks), listener) {",
            wrong: "        if crate::mutant(\"left-out-reading-what-a-slot-holds\") {
                let place = (place.0.id, place.0.control, place.1);
                return install::held(admitted.verified().clone(), place, ByteLen::new(0)).map(Some);
            }
            match read_back(self.disk, admitted.verified().clone(), place, (work, blocks), listener) {",
        }],
    ),
    (
        "left-out-failing-a-trial",
        &[Edit {
            file: "device/boot.rs",
            right: "                self.follow(step, manifest, &setback, room, starter);\n",
            wrong: "                if !crate::mutant(\"left-out-failing-a-trial\") {
                    self.follow(step, manifest, &setback, room, starter);
                }\n",
        }],
    ),
    (
        "left-out-reading-a-suspect",
        &[Edit {
            file: "device/boot.rs",
            right: "            Depth::Everything => {",
            wrong: "            Depth::Everything if crate::mutant(\"left-out-reading-a-suspect\") => Ok(()),
            Depth::Everything => {",
        }],
    ),
];

/// The switch, put into the copy's root.
const SWITCH: &str = r#"
/// Whether this mutant is switched on.
pub(crate) fn mutant(name: &str) -> bool {
    static NAME: std::sync::OnceLock<Option<std::string::String>> = std::sync::OnceLock::new();
    NAME.get_or_init(|| std::env::var("LIBUPDATE_MUTANT").ok()).as_deref() == Some(name)
}
"#;

/// A change of the core's source: `right` is there once.
struct Edit {
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
}

/// The whole laboratory in small: every scenario on two boards, each act cut at every write.
#[test]
fn every_scenario_is_sound_in_small() {
    let scale = Scale {
        effort: Effort { samples: 20, tears: Tears::Never, grain: Grain::Coarse },
        recoveries: [0; 3],
        next_install: 1,
    };
    for model in [SMALL[0], SMALL[1]] {
        let board = Board::new(model);
        let seen = Seen::default();
        let mut lab = Lab::new(&board, &seen, scale, &Chance::new(1));
        for scenario in Stage::new(&board).scenarios() {
            let tally = lab.run(&scenario);
            assert!(tally.is_sound(), "{}, {}: {:?}", model.name, scenario.name, tally.told);
        }
    }
}

#[test]
fn each_mutant_of_the_device_is_caught() {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    copy(folder.path());
    for (_, edits) in &MUTANTS {
        edits.iter().for_each(|edit| edit.make(folder.path()));
    }
    let lib = folder.path().join(COPY).join("libupdate/src/lib.rs");
    let root = fs::read_to_string(&lib).expect("the copy can be read");
    fs::write(&lib, root + SWITCH).expect("the copy can be written");
    let sound = small_laboratory(folder.path(), None);
    assert!(sound.status.success(), "the copy is not the core: {}", text(&sound));
    let unnoticed: Vec<&str> =
        MUTANTS.iter().map(|(name, _)| *name).filter(|name| !is_noticed(folder.path(), name)).collect();
    assert!(unnoticed.is_empty(), "not noticed: {unnoticed:?}");
}

/// Whether the small laboratory fails with this mutant, and by a verdict of its own.
fn is_noticed(folder: &Path, name: &str) -> bool {
    let ended = small_laboratory(folder, Some(name));
    let said = text(&ended);
    let verdict = said.lines().find(|line| line.contains(": [")).and_then(|line| line.split(": [").next());
    eprintln!("result: {name:40} {}", verdict.map_or("not noticed".to_owned(), |at| format!("caught in {at}")));
    !ended.status.success() && verdict.is_some()
}

impl Edit {
    fn make(&self, folder: &Path) {
        let path = folder.join(COPY).join("libupdate/src").join(self.file);
        let source = fs::read_to_string(&path).expect("the copy can be read");
        assert_eq!(source.matches(self.right).count(), 1, "{} has not once: {}", self.file, self.right);
        fs::write(&path, source.replace(self.right, self.wrong)).expect("the copy can be written");
    }
}

/// Where the copy's packages are in its workspace. Cargo tells packages of one name apart by this, and the copy is built beside the core.
const COPY: &str = "mutants";

/// The core and the laboratory, as a workspace of their own.
fn copy(folder: &Path) {
    for file in tree::files() {
        let wanted = [
            "hardware-profiles",
            "libupdate/c/host-crypto",
            "libupdate/linux",
            "libupdate/src",
            "libupdate/examples",
            "libupdate/Cargo.toml",
            "tests/src",
            "tests/tests/power",
            "tests/Cargo.toml",
        ];
        if wanted.iter().any(|under| file.starts_with(under)) {
            let to = folder.join(COPY).join(&file);
            fs::create_dir_all(to.parent().expect("it is in a folder")).expect("the copy can be made");
            fs::copy(tree::root().join(&file), to).expect("the copy can be made");
        }
    }
    let workspace = tree::text(Path::new("Cargo.toml"));
    let members = workspace.lines().find(|line| line.starts_with("members")).expect("the workspace has members");
    let mine = workspace
        .replace(members, &format!("members = [\"{COPY}/libupdate\", \"{COPY}/tests\"]"))
        .replace("path = \"libupdate\"", &format!("path = \"{COPY}/libupdate\""))
        .replace("path = \"libupdate/linux\"", &format!("path = \"{COPY}/libupdate/linux\""))
        .replace("path = \"libupdate/c/host-crypto\"", &format!("path = \"{COPY}/libupdate/c/host-crypto\""));
    fs::write(folder.join("Cargo.toml"), mine).expect("the copy can be written");
    fs::copy(tree::root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("the copy can be made");
}

/// Runs [`every_scenario_is_sound_in_small`] of the copy. What it needs besides is built already, for these very tests.
fn small_laboratory(folder: &Path, mutant: Option<&str>) -> Output {
    let target = env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| tree::root().join("target").display().to_string());
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--offline", "-p", "tests", "--test", "power", "--", "--exact"]);
    cargo.arg("mutants::every_scenario_is_sound_in_small").current_dir(folder).env("CARGO_TARGET_DIR", target);
    if let Some(name) = mutant {
        cargo.env("LIBUPDATE_MUTANT", name);
    }
    cargo.output().expect("cargo runs")
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}
