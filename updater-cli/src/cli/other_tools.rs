//! Verbs of other updaters, and what does the same here: who comes from RAUC, SWUpdate, Mender, a package manager or git types them first.

/// A word of another tool, and what to run instead.
const WORDS: [(&str, &str); 37] = [
    ("abort", CANCEL),
    ("apply", INSTALL),
    ("apply-update", INSTALL),
    ("boot", CHOOSE),
    ("build", CREATE),
    ("create", CREATE),
    ("discard", CANCEL),
    ("download", INSTALL),
    ("extract", "`verify FILE` checks a bundle; the image in it is what `bundle create --image` was given"),
    ("factory-reset", "`reset` makes /var and the data anew at the next boot"),
    ("fail", MARK_BAD),
    ("flash", INSTALL),
    ("good", MARK_GOOD),
    ("health", "`status` shows the device, `doctor` checks it"),
    ("history", "`log` shows the acts on this device"),
    ("journal", "`log` shows the acts on this device"),
    ("key", KEYGEN),
    ("keys", KEYGEN),
    ("mark", "`mark-good` keeps the running slot, `mark-bad` makes the other one boot"),
    ("mark-active", ACTIVATE),
    ("pending", STATUS),
    ("ping", STATUS),
    ("revert", ROLLBACK),
    ("service", "no act needs a daemon: run the verb itself; `status` shows the device"),
    ("set-active", ACTIVATE),
    ("set-good", MARK_GOOD),
    ("set-primary", ACTIVATE),
    ("show", STATUS),
    ("sign", "`bundle create --key KEY` signs; `bundle digest` and `bundle attach-signature` sign elsewhere"),
    ("slots", STATUS),
    ("state", STATUS),
    ("switch", ACTIVATE),
    ("sync", INSTALL),
    ("undo", ROLLBACK),
    ("update-apply", INSTALL),
    ("vacuum", "nothing is left to remove: `install` takes the slot that does not run"),
    ("write", INSTALL),
];

const ACTIVATE: &str =
    "`activate` boots a slot next that was installed with --no-activate, `rollback` the other good slot";
const CANCEL: &str = "`cancel` takes back an installation that has not booted yet";
const CHOOSE: &str = "`choose` shows the slot that boots next";
const CREATE: &str = "`bundle create --image IMAGE --version V --compatible C --key KEY -o OUT` makes a bundle";
const INSTALL: &str = "`install FILE`, or `install URL`, writes the slot that does not run";
const KEYGEN: &str = "`keygen --out DIR --name NAME` makes a key pair";
const MARK_BAD: &str = "`mark-bad` says that the running slot must not boot again";
const MARK_GOOD: &str = "`mark-good` keeps the running slot";
const ROLLBACK: &str = "`rollback` boots the other good slot next";
const STATUS: &str = "`status` shows slots, versions, and what boots next";

/// What to run here for a verb of another tool.
pub fn here(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the program has a verb of this name, hidden or not.
    fn is_verb(word: &str) -> bool {
        let command = crate::cli::command();
        command.get_subcommands().any(|verb| verb.get_name() == word || verb.get_all_aliases().any(|name| name == word))
    }

    #[test]
    fn a_hint_names_verbs_that_exist_for_one_that_does_not() {
        for (theirs, ours) in WORDS {
            assert!(!is_verb(theirs), "{theirs} is a verb");
            let named = ours.split('`').skip(1).step_by(2).filter_map(|text| text.split(' ').next());
            let named: Vec<&str> = named.collect();
            assert!(!named.is_empty(), "{ours}");
            // A smaller program has fewer of them.
            if cfg!(all(feature = "create", feature = "doctor", feature = "history", feature = "reset")) {
                named.iter().for_each(|verb| assert!(is_verb(verb), "{theirs}: there is no verb {verb}"));
            }
        }
        assert!(WORDS.is_sorted());
        assert_eq!(here("flash"), Some(INSTALL));
        assert_eq!(here("status"), None);
    }
}
