//! Examples of each verb, for `--help` and for the manual pages.

/// The verb, as it is typed, and its examples: what is typed, and what it does.
pub const EXAMPLES: [(&str, &[(&str, &str)]); 22] = [
    (
        "",
        &[
            ("updater-cli status", "what this device runs, and what boots next"),
            ("updater-cli install https://updates.example/1.4.bundle", "write 1.4 into the slot that does not run"),
            ("updater-cli mark-good", "keep what runs, if no service of the system says so"),
        ],
    ),
    (
        "install",
        &[
            ("updater-cli install update-1.4.bundle", "from a file; then reboot, and the new system is on trial"),
            ("updater-cli install --reboot https://updates.example/1.4.bundle", "from a server, and reboot at once"),
            ("curl -s URL | updater-cli install -", "from a pipe"),
            ("updater-cli install --dry-run update-1.4.bundle", "say what would be done, and change nothing"),
            (
                "updater-cli install --trial manual --within 600 update-1.4.bundle",
                "a person confirms, within 10 minutes",
            ),
        ],
    ),
    ("check", &[("updater-cli check https://updates.example/stable.bundle", "is there news; exit code 7 if not")]),
    (
        "update",
        &[("updater-cli update --reboot https://updates.example/stable.bundle", "install it if it is, and reboot")],
    ),
    (
        "status",
        &[
            ("updater-cli status", "for people"),
            ("updater-cli status --json", "for programs"),
            ("updater-cli --profile qemu-x86_64 --disk disk.img status", "of a disk image file"),
        ],
    ),
    (
        "verify",
        &[
            ("updater-cli verify --trust release.pub update-1.4.bundle", "a bundle, every block of it"),
            ("updater-cli verify --slot b", "what is installed in slot b, every block of it"),
        ],
    ),
    ("info", &[("updater-cli info --trust release.pub update-1.4.bundle", "what is in it, and who signed it")]),
    ("rollback", &[("updater-cli rollback", "boot the other good slot next")]),
    (
        "mark-bad",
        &[("updater-cli mark-bad --reason 'camera is dead'", "boot the other slot from now on, and say why there")],
    ),
    (
        "provision",
        &[("updater-cli --profile qemu-x86_64 --disk disk.img provision --size 8G v1.bundle", "a new disk image file")],
    ),
    (
        "keygen",
        &[(
            "updater-cli keygen --out keys --name release",
            "keys/release.key for the signer, keys/release.pub for devices",
        )],
    ),
    (
        "bundle create",
        &[
            (
                "updater-cli bundle create --image root.erofs --version 1.4 --compatible my-board --key keys/release.key -o 1.4.bundle",
                "one root image, signed",
            ),
            (
                "updater-cli bundle create --image root.erofs --payload boot=uki.efi --version 1.4 --compatible my-board --key keys/release.key -o 1.4.bundle",
                "root and kernel, for a profile with both partitions",
            ),
            (
                "updater-cli bundle create --image root.erofs --delta-from 1.3.bundle --full 1.4.bundle --version 1.4 --compatible my-board --key keys/release.key -o 1.4-from-1.3.bundle",
                "what differs, for devices that run 1.3",
            ),
            (
                "updater-cli bundle create --pack hotfix-a --level 1 --fits 1 --image hotfix.squashfs --restart web.service --version 1.4 --compatible my-board --key keys/release.key -o hotfix-a.bundle",
                "a pack for version 1, merged without a reboot",
            ),
        ],
    ),
    (
        "bundle push",
        &[(
            "updater-cli bundle push 1.4.bundle oci://registry.example/my-board:1.4",
            "for `install oci://registry.example/my-board:1.4`",
        )],
    ),
    (
        "hook-config",
        &[("updater-cli --profile my-board hook-config -o initramfs/etc/updater/hook.config", "for the boot hook")],
    ),
    (
        "demo",
        &[
            ("updater-cli demo", "on a disk file, with nothing but this program"),
            ("updater-cli demo --boot", "the fallback on a real kernel, if qemu, a kernel and the hook are installed"),
        ],
    ),
    (
        "pack install",
        &[
            ("updater-cli pack install hotfix-a.bundle", "merged at once, and at each boot of a version that it fits"),
            ("updater-cli pack install --no-merge https://updates.example/hotfix-a.bundle", "from the next boot on"),
        ],
    ),
    (
        "overlay create",
        &[
            ("updater-cli overlay create", "/usr can be written until the next boot"),
            ("updater-cli overlay create --name fix --keep version", "kept for the version that runs"),
            ("updater-cli overlay create --scope user --name try", "for `overlay enter try -- COMMAND` alone"),
        ],
    ),
    (
        "overlay add",
        &[("updater-cli overlay add /usr/bin/web=./web", "put a program of one's own in the place of the image's")],
    ),
    (
        "overlay backup",
        &[(
            "updater-cli overlay backup fix -o fix.tar.zst",
            "then `overlay restore fix.tar.zst`, here or on another device",
        )],
    ),
    (
        "apply-live",
        &[
            ("updater-cli apply-live --dry-run", "what would be done, and whether only a reboot brings all of it"),
            ("updater-cli apply-live --force --restart-services", "all of it, and the services that run what differs"),
            ("updater-cli apply-live --reset", "take it back"),
        ],
    ),
    (
        "pack check",
        &[("updater-cli pack check https://updates.example/hotfix.bundle", "is it newer; exit code 7 if not")],
    ),
    ("choose", &[("eval \"$(updater-cli choose --spend)\"", "in a boot script: the slot that boots, its try spent")]),
];

/// The examples of a verb, as `--help` shows them; `None` for a verb whose usage says it all.
pub fn shown(verb: &str) -> Option<String> {
    let lines = of(verb)?.iter().map(|(typed, does)| format!("\n  {typed}\n      {does}"));
    Some(format!("Examples:{}", lines.collect::<String>()))
}

/// The examples of a verb.
pub fn of(verb: &str) -> Option<&'static [(&'static str, &'static str)]> {
    EXAMPLES.iter().find(|(name, _)| *name == verb).map(|(_, examples)| *examples)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a line as a shell would see them, as far as the examples need it; what begins the program, and its arguments.
    fn arguments(typed: &str) -> Vec<String> {
        let ours = &typed[typed.find("updater-cli").unwrap()..];
        let ours = ours.trim_end_matches(")\"");
        let mut quoted = false;
        let cut = |c: char| {
            quoted ^= c == '\'';
            c == ' ' && !quoted
        };
        ours.split(cut).map(|word| word.trim_matches('\'').to_owned()).collect()
    }

    #[test]
    fn every_example_is_a_command_line_of_its_verb() {
        let mut missing = Vec::new();
        for (verb, examples) in EXAMPLES {
            for (typed, _) in examples {
                let Some(first) = verb.split(' ').next() else { continue };
                let command = crate::cli::command();
                if !first.is_empty() && command.find_subcommand(first).is_none() {
                    missing.push(verb);
                    continue;
                }
                let arguments = arguments(typed);
                let parsed = command.try_get_matches_from(&arguments);
                assert!(parsed.is_ok(), "{typed}: {}", parsed.unwrap_err());
                let named = arguments.join(" ");
                assert!(named.contains(verb), "{typed} is no example of {verb}");
            }
        }
        // A smaller program has fewer verbs.
        if cfg!(feature = "demo") {
            assert!(missing.is_empty(), "there are no verbs {missing:?}");
        }
    }
}
