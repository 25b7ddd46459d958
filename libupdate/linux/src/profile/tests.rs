use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use libupdate::boot::Guard;
use libupdate::gpt::{Priority, TriesLeft};
use libupdate::slot::Duty;
use libupdate::{ByteLen, SlotId};

use super::boot::{Marker, Spender, Start};
use super::error::ProfileErrorKind as Kind;
use super::judge::default_boot;
use super::read::{BUILT_IN, BUILT_IN_BASE};
use super::*;
use crate::find::Selection;

/// The least profile there is.
const LEAST: &str = r#"
name = "board"
compatible = "board"
[slots]
[[partition]]
role = "root"
label = "root-{slot}"
type = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
size = "64M"
[trust]
keys = ["release.pub"]
"#;

fn read(text: &str) -> Result<Profile, ProfileError> {
    Profile::from_text(text, "test.toml", Path::new("/etc/updater"))
}

/// The message for the least profile with one line replaced; an empty needle appends.
fn why(from: &str, to: &str) -> String {
    let text = if from.is_empty() { format!("{LEAST}{to}\n") } else { LEAST.replacen(from, to, 1) };
    assert_ne!(text, LEAST);
    let error = read(&text).unwrap_err();
    assert!(matches!(error.kind(), Kind::Broken { .. }));
    error.kind().to_string()
}

#[test]
fn the_least_profile_has_every_default() {
    let profile = read(LEAST).unwrap();
    assert_eq!(profile.slots, [SlotId::A, SlotId::B]);
    assert_eq!((profile.tries.get(), profile.guard), (3, Guard::Boots(TriesLeft::new(3).unwrap())));
    assert_eq!(profile.disk, Selection::ByTable);
    assert_eq!(profile.trust.keys, [Path::new("/etc/updater/release.pub")]);
    assert_eq!(profile.trust.threshold.get(), 1);
    assert_eq!(profile.boot, default_boot("root"));
    assert_eq!(read(&format!("{LEAST}[boot]\n")).unwrap().boot, profile.boot);
    let labels: Vec<_> = profile.specs().iter().map(|spec| (spec.slot, spec.label.to_owned(), spec.duty)).collect();
    let wanted = [(SlotId::A, "root-a".to_owned(), Duty::Control), (SlotId::B, "root-b".to_owned(), Duty::Control)];
    assert_eq!(labels, wanted);
    assert_eq!(profile.roles().collect::<Vec<_>>(), ["root"]);
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let why = why("size = \"64M\"", "size = \"64M\"\nsise = 1");
    assert!(why.starts_with("line 10: unknown field `sise`, expected one of `role`, `label`,"), "{why}");
}

#[test]
fn each_broken_value_is_named_with_its_line() {
    let type_line = "type = \"4f68bce3-e8cd-4db1-96e7-fbcaf984b709\"";
    let cases = [
        ("name = \"board\"", "name = \"a b\"", "line 2: not a name"),
        ("compatible = \"board\"", "compatible = \"\"", "line 3: not a name"),
        (type_line, "type = \"4f68bce3\"", "line 8: \"4f68bce3\" is not a partition type"),
        (type_line, "type = \"00000000-0000-0000-0000-000000000000\"", "line 8: "),
        ("\"64M\"", "\"64m\"", "line 9: not a size"),
        ("\"64M\"", "64", "line 9: invalid type"),
        ("root-{slot}", "", "line 7: not a partition name"),
        ("[slots]", "[slots]\ntries = 0", "line 5: 0 is not 1 to 15"),
        ("[slots]", "[slots]\nguard = 16", "line 5: 16 is not 0 to 15"),
        ("[trust]", "[trust]\nthreshold = 17", "line 11: 17 is not 1 to 16"),
        ("\"64M\"", "\"64M\"\nattributes = [\"auto\"]", "line 10: unknown variant `auto`"),
        ("", "[boot]\nspends-try = \"me\"", "line 13: unknown variant `me`"),
        ("", "[packs]\nmerge = \"theirs\"", "line 13: unknown variant `theirs`"),
        ("", "[boot]\npanic-seconds = 0", "line 13: 0 is not 1 to 3600"),
        ("name = \"board\"", "name = ", "line 2: "),
        ("name = \"board\"\n", "", "line 1: missing field `name`"),
    ];
    for (from, to, wanted) in cases {
        let why = why(from, to);
        assert!(why.starts_with(wanted), "{to}: {why}");
    }
}

#[test]
fn each_rule_of_boot_and_the_disks_guid_is_named_with_its_line() {
    let cases = [
        ("", "[boot]\nkernel = \"/x\"", "line 12: `payload`, `kernel`, `initrd` and `command-line` go with"),
        ("", "[boot]\nhand-over = \"kexec\"", "line 12: hand-over = \"kexec\" needs `payload` or `kernel`"),
        ("", "[boot]\npayload = \"x\"", "line 13: no partition has the role `x`"),
        ("", "[boot]\npayload = \"root\"", "line 12: `payload`, `kernel`,"),
        (
            "",
            "[boot]\nhand-over = \"kexec\"\npayload = \"root\"\ninitrd = \"/i\"",
            "line 12: `initrd` and `command-line` go with",
        ),
        ("", "[boot]\nvar = \"x\"", "line 13: no partition without a role"),
        ("", "[boot]\nvar = \"root-a\"", "line 13: no partition without a role"),
        ("[slots]", "[disk]\nguid = \"00000000-0000-0000-0000-000000000000\"\n[slots]", "line 5: \"0000"),
        (
            "[slots]",
            "[disk]\nbus = \"x\"\nguid = \"0f5b2c34-8d1e-4c7a-9b60-2f3a4d5e6f70\"\n[slots]",
            "line 6: `guid` with",
        ),
        ("", "[boot]\non-exhausted = \"recovery\"", "line 12: on-exhausted = \"recovery\" needs `recovery`"),
        ("", "[boot]\nrecovery = \"x\"", "line 13: `recovery` goes with"),
        ("", "[boot]\non-exhausted = \"recovery\"\nrecovery = \"x\"", "line 14: no partition without a role"),
        ("", "[boot]\nroot = \"x\"", "line 13: no partition has the role `x`"),
    ];
    for (from, to, wanted) in cases {
        let why = why(from, to);
        assert!(why.starts_with(wanted), "{to}: {why}");
    }
}

#[test]
fn each_rule_across_keys_is_named_with_its_line() {
    let again = "[[partition]]\nrole = \"root\"\nlabel = \"x-{slot}\"\ntype = \"4f68bce3-e8cd-4db1-96e7-fbcaf984b709\"\nsize = \"4K\"";
    let rest = |label: &str| {
        format!(
            "[[partition]]\nlabel = \"{label}\"\ntype = \"4f68bce3-e8cd-4db1-96e7-fbcaf984b709\"\nsize = \"rest\"\n"
        )
    };
    let emmc = |role: &str| {
        format!(
            "[[partition]]\nrole = \"{role}\"\nlabel = \"{role}-{{slot}}\"\ntype = \"4f68bce3-e8cd-4db1-96e7-fbcaf984b709\"\nsize = \"4K\"\nkind = \"emmc-boot\"\n"
        )
    };
    let two_loaders = emmc("one") + &emmc("two");
    let two_rests = rest("x") + &rest("y");
    let cases = [
        ("[slots]", "[slots]\nnames = [\"a\"]", "line 5: not the first 2 to 8 letters"),
        ("[slots]", "[slots]\nnames = [\"b\", \"a\"]", "line 5: not the first 2 to 8 letters"),
        (
            "[slots]",
            "[slots]\nnames = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\"]",
            "line 5: not the first",
        ),
        ("[slots]", "[slots]\ncontrol = \"kernel\"", "line 5: no partition has the role `kernel`"),
        ("[slots]", "[disk]\nnode = \"/dev/sda\"\nbus = \"x\"\n[slots]", "line 6: `node` and `bus` together"),
        ("[slots]", "[disk]\nbus = \"\"\n[slots]", "line 5: an empty bus path"),
        ("role = \"root\"\n", "", "line 5: `{slot}` in the label of a partition without a role"),
        ("root-{slot}", "root", "line 5: no `{slot}` in the label"),
        ("\"64M\"", "\"rest\"", "line 5: a partition with a role has a size"),
        ("", again, "line 12: two partitions have the role `root`"),
        ("", &rest("root-a"), "line 12: two partitions have the label `root-a`"),
        ("", &two_rests, "line 16: two partitions take the rest"),
        (
            "size = \"64M\"",
            "size = \"64M\"\nkind = \"nand\"",
            "line 10: unknown variant `nand`, expected `partition` or `emmc-boot`",
        ),
        ("", &emmc("x").replace("role = \"x\"\n", "").replace("-{slot}", ""), "line 12: kind = \"emmc-boot\" without"),
        ("", &two_loaders, "line 18: two partitions have kind = \"emmc-boot\""),
        ("keys = [\"release.pub\"]", "", "line 10: neither `keys` nor `folder`"),
        ("[trust]", "[trust]\nthreshold = 2", "line 10: a threshold of 2 cannot be reached with 1 keys"),
    ];
    for (from, to, wanted) in cases {
        let why = why(from, to);
        assert!(why.starts_with(wanted), "{to}: {why}");
    }
}

#[test]
fn without_any_role_there_is_nothing_to_update() {
    let text = LEAST.replace("role = \"root\"\n", "").replace("-{slot}", "");
    assert!(read(&text).unwrap_err().kind().to_string().starts_with("no partition has a role"));
    let many: String = (0..9).map(|n| {
        format!("[[partition]]\nrole = \"r{n}\"\nlabel = \"r{n}-{{slot}}\"\ntype = \"4f68bce3-e8cd-4db1-96e7-fbcaf984b709\"\nsize = \"4K\"\n")
    }).collect();
    assert!(why("", &many).ends_with("more than 8 partitions have a role"));
}

#[test]
fn the_built_in_profiles_are_valid_and_named_as_their_files() {
    let [x86_64, arm64, chrome_os] = [
        "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
        "b921b045-1df0-41c3-af44-4c6f280d3fae",
        "3cb8e202-3b7e-47dd-8a3c-7ff2a13cfcec",
    ];
    for ((name, text), type_guid) in BUILT_IN.iter().zip([x86_64, x86_64, arm64, arm64, chrome_os]) {
        let profile = Profile::from_text(text, name, Path::new(BUILT_IN_BASE)).unwrap();
        assert_eq!(profile.name, *name);
        assert_eq!(profile.slots.len(), 2);
        let root = profile.layout.iter().find(|one| one.label == "root-b").unwrap();
        assert_eq!(root.type_guid.to_string(), type_guid, "{name}");
        assert_eq!(root.attributes.get(), if type_guid == chrome_os { 0 } else { 1 << 63 });
        assert_eq!(root.attributes.slot_bits().priority, Priority::ZERO);
        assert_eq!(root.slot, Some((SlotId::B, "root".to_owned())));
        assert_eq!(profile.layout.last().map(|data| (data.label.as_str(), data.size)), Some(("data", Size::Rest)));
        assert_eq!(profile.trust.folder.as_deref(), Some(Path::new("/etc/updater/trust")));
        let spender = if type_guid == chrome_os { Spender::BootLoader } else { Spender::Hook };
        assert_eq!((profile.boot.spends_try, profile.boot.mark_good), (spender, Marker::System));
    }
    let pc = Profile::find(Some("generic-x86_64-uefi"), Path::new("/nonexistent"), &[]).unwrap();
    assert_eq!((pc.layout[0].label.as_str(), pc.layout[0].size), ("esp", Size::Bytes(ByteLen::new(256 << 20))));
    assert!(matches!(pc.boot.hand_over, Start::Kexec { .. }));
    let chromebook = Profile::find(Some("chromebook"), Path::new("/nonexistent"), &[]).unwrap();
    let control = chromebook.partitions.iter().find(|one| one.duty == Duty::Control).unwrap();
    assert_eq!(control.type_guid.to_string(), "fe3a2a5d-4f32-41a7-b725-accc3285a309", "what its firmware reads");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../hardware-profiles");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    names.sort();
    let mut wanted: Vec<_> = BUILT_IN.map(|(name, _)| Path::new(folder).join(format!("{name}.toml"))).into();
    wanted.sort();
    assert_eq!(names, wanted, "every file of the folder is built in");
}

#[test]
fn a_boot_loader_that_chooses_and_one_in_an_emmc_are_judged_with_the_keys_they_go_with() {
    let loader = "[[partition]]\nrole = \"loader\"\nlabel = \"loader-{slot}\"\ntype = \"4f68bce3-e8cd-4db1-96e7-fbcaf984b709\"\n\
                  size = \"4M\"\nkind = \"emmc-boot\"\n";
    let tryboot = "[boot]\nspends-try = \"boot-loader\"\nloader = \"tryboot\"\n";
    let profile = read(&format!("{LEAST}{loader}{tryboot}loader-payload = \"root\"\n")).unwrap();
    assert_eq!(profile.emmc_boot.as_deref(), Some("loader"));
    let kind = LoaderKind::Tryboot;
    let wanted = BootLoader { kind, store: PathBuf::from("/boot/firmware"), payload: Some("root".to_owned()) };
    assert_eq!(profile.loader, Some(wanted));
    assert_eq!(read(LEAST).unwrap().emmc_boot, None);
    assert_eq!(why("", tryboot), "line 12: loader = \"tryboot\" needs `loader-payload`");
}

/// The keys of a table, from serde's own message about a key that no table has.
fn keys_of(text: &str) -> Vec<String> {
    let why = read(text).unwrap_err().kind().to_string();
    let (_, listed) = why.split_once("unknown field `no-such-key`, expected ").unwrap_or_else(|| panic!("{why}"));
    listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_readme_has_every_key_in_its_tables_section() {
    let readme = include_str!("../../../../hardware-profiles/README.md");
    let section = |title: &str| {
        let (_, after) = readme.split_once(&format!("## {title}\n")).unwrap_or_else(|| panic!("no section {title}"));
        after.split("\n## ").next().unwrap_or_default()
    };
    let tables = [
        ("Top", format!("no-such-key = 1\n{LEAST}"), 8),
        ("`[disk]`", format!("{LEAST}[disk]\nno-such-key = 1\n"), 3),
        ("`[slots]`", LEAST.replace("[slots]", "[slots]\nno-such-key = 1"), 4),
        ("`[[partition]]`", LEAST.replace("[[partition]]", "[[partition]]\nno-such-key = 1"), 6),
        ("`[trust]`", format!("{LEAST}no-such-key = 1\n"), 3),
        ("`[boot]`", format!("{LEAST}[boot]\nno-such-key = 1\n"), 20),
        ("`[packs]`", format!("{LEAST}[packs]\nno-such-key = 1\n"), 1),
        ("`[boot.watchdog]`", format!("{LEAST}[boot.watchdog]\nno-such-key = 1\n"), 2),
    ];
    for (title, text, count) in tables {
        let mut keys = keys_of(&text);
        assert_eq!(keys.len(), count, "{title}: {keys:?}");
        keys.sort();
        let rows = section(title).lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let mut documented: Vec<_> = rows.map(str::to_owned).collect();
        documented.sort();
        assert_eq!(documented, keys, "{title}");
    }
}

#[test]
fn a_name_is_looked_for_in_the_folders_before_the_built_in_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (etc, usr) = (folder.path().join("etc"), folder.path().join("usr"));
    fs::create_dir_all(&etc).unwrap();
    fs::create_dir_all(&usr).unwrap();
    let find = |asked| Profile::find(asked, &folder.path().join("profile.toml"), &[&etc, &usr]);
    assert_eq!(find(Some("qemu-x86_64")).unwrap().compatible, "qemu-x86_64");
    fs::write(usr.join("qemu-x86_64.toml"), LEAST).unwrap();
    let found = find(Some("qemu-x86_64")).unwrap();
    assert_eq!((found.compatible.as_str(), &found.trust.keys[0]), ("board", &usr.join("release.pub")));
    fs::write(etc.join("qemu-x86_64.toml"), "x").unwrap();
    let broken = find(Some("qemu-x86_64")).unwrap_err();
    assert!(matches!(broken.kind(), Kind::Broken { .. }), "a broken file hides no other: {broken}");
    let missing = find(Some("nothing")).unwrap_err();
    assert_eq!(missing.to_string(), "profile nothing: no profile has this name");
    assert!(find(Some("./nothing")).is_err());
    assert!(find(Some("qemu-x86_64.toml")).is_err(), "a file name is never looked for in the folders");
}

#[test]
fn without_a_name_it_is_the_devices_own() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("profile.toml");
    let none = Profile::find(None, &device, &[]).unwrap_err();
    assert!(matches!(none.kind(), Kind::NoneOfDevice), "{none}");
    fs::write(&device, LEAST).unwrap();
    assert_eq!(Profile::find(None, &device, &[]).unwrap().name, "board");
}

#[test]
fn a_profile_that_is_no_small_text_is_told_by_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("profile.toml");
    let why = || Profile::find(None, &device, &[]).unwrap_err().kind().to_string();
    fs::write(&device, "\n").unwrap();
    assert_eq!(why(), "it is empty");
    // A GB that takes no room: the memory of this test is not asked for it.
    fs::File::create(&device).unwrap().set_len(1 << 30).unwrap();
    assert!(why().starts_with("it has more than 262144 bytes"), "{}", why());
    fs::remove_file(&device).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&device).status().unwrap().success());
    assert_eq!(why(), "it is empty");
}

#[test]
fn the_trust_folder_gives_its_public_keys_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let one = NonZeroUsize::MIN;
    let trust = Trust { keys: vec!["named.pub".into()], folder: Some(folder.path().into()), threshold: one };
    for name in ["b.pub", "a.pub", "a.key", "README"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let files = trust.files().unwrap();
    assert_eq!(files.named, [PathBuf::from("named.pub")]);
    assert_eq!(files.gathered, ["a.pub", "b.pub"].map(|name| folder.path().join(name)));
    let empty = tempfile::tempdir().unwrap();
    let nothing = Trust { keys: vec![], folder: Some(empty.path().into()), threshold: one };
    assert!(matches!(nothing.files().unwrap_err(), TrustError::NoKey { .. }));
    let missing = Trust { folder: Some("/nonexistent".into()), ..nothing };
    assert!(matches!(missing.files().unwrap_err(), TrustError::Unreadable { .. }));
}

mod mutated;

#[test]
fn boot_loaders_of_uefi_have_their_stores_and_one_of_them_a_payload() {
    let text = |boot: &str| format!("{LEAST}[boot]\nspends-try = \"boot-loader\"\n{boot}\n");
    let loader = |boot: &str| read(&text(boot)).unwrap().loader.unwrap();
    let counts = loader("loader = \"systemd-boot\"\nloader-payload = \"root\"");
    let wanted = BootLoader { kind: LoaderKind::SystemdBoot, store: "/efi".into(), payload: Some("root".to_owned()) };
    assert_eq!(counts, wanted);
    let next = loader("loader = \"efi-boot-next\"\nloader-store = \"/x\"");
    assert_eq!(next, BootLoader { kind: LoaderKind::EfiBootNext, store: "/x".into(), payload: None });
    assert_eq!(loader("loader = \"efi-boot-next\"").store, Path::new("/sys/firmware/efi/efivars"));
    for (boot, rule) in [
        ("loader = \"systemd-boot\"", "needs `loader-payload`"),
        ("loader = \"systemd-boot\"\nloader-payload = \"boot\"", "boot"),
        ("loader = \"efi-boot-next\"\nloader-payload = \"root\"", "has no use for `loader-payload`"),
    ] {
        let error = read(&text(boot)).unwrap_err().to_string();
        assert!(error.contains(rule), "{boot}: {error}");
    }
}
