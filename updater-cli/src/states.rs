//! What the state of a slot means, and what to do about it: for `status` and the manual pages.

use crate::output::Tone;

/// A state in the word of `status`.
pub struct State {
    /// The word.
    pub word: &'static str,
    /// What is so.
    pub means: &'static str,
    /// What helps; may be empty.
    pub next: &'static str,
    /// How it is painted.
    pub tone: Option<Tone>,
}

/// Every word that `status` has for a slot.
pub const STATES: [State; 9] = [
    State { word: "empty", means: "nothing was installed there yet", next: "`install` writes it", tone: None },
    State {
        word: "disarmed",
        means: "an installation began there and did not end, or was taken back; it does not boot",
        next: "run `install` with the same bundle again: it goes on with what is there",
        tone: Some(Tone::Careful),
    },
    State {
        word: "staged",
        means: "an installation is complete there, and does not boot yet",
        next: "`activate` lets it boot next, `cancel` takes it back",
        tone: Some(Tone::Careful),
    },
    State {
        word: "trial",
        means: "it boots as often as it has tries; if nobody says `mark-good` from it, the other slot boots after that",
        next: "reboot, if it does not run yet; then `mark-good` from it keeps it",
        tone: Some(Tone::Careful),
    },
    State { word: "good", means: "it has completed a boot and was marked good", next: "", tone: Some(Tone::Well) },
    State {
        word: "exhausted",
        means: "its tries ran out before anybody said `mark-good`; it does not boot again",
        next: "`install` another version, or this one with --retry-failed",
        tone: Some(Tone::Wrong),
    },
    State {
        word: "failed",
        means: "a check or `mark-bad` found it bad; it does not boot again",
        next: "`install` another version, or this one with --retry-failed",
        tone: Some(Tone::Wrong),
    },
    State {
        word: "unverified",
        means: "what it holds is damaged, or not signed by a key that this device trusts; it does not boot",
        next: "`install` a bundle: it writes the slot anew",
        tone: Some(Tone::Wrong),
    },
    State {
        word: "unreadable",
        means: "the disk does not return what it holds",
        next: "see the kernel log (dmesg); `install` writes it anew, if the medium still can",
        tone: Some(Tone::Wrong),
    },
];

/// The tone of a word; `None` for one that is no state, too.
pub fn tone(word: &str) -> Option<Tone> {
    STATES.iter().find(|state| state.word == word)?.tone
}

/// A sentence about a slot that is in this state, for a person; `None` where the word says all.
pub fn sentence(slot: &str, word: &str) -> Option<String> {
    let state = STATES.iter().find(|state| state.word == word)?;
    let told = !matches!(word, "empty" | "good");
    told.then(|| format!("slot {slot} is {word}: {}.\n  {}.\n", state.means, state.next))
}

#[cfg(test)]
mod tests {
    use libupdate::slot::SlotState as S;

    use super::*;

    #[test]
    fn every_state_has_its_words() {
        let all = [S::Empty, S::Disarmed, S::Staged, S::Trial, S::Good, S::Exhausted, S::Failed, S::Unverified];
        for state in all {
            assert!(STATES.iter().any(|known| known.word == state.word()), "{state}");
            let told = !matches!(state, S::Empty | S::Good);
            assert_eq!(sentence("b", state.word()).is_some(), told, "{state}");
        }
        assert!(sentence("b", "staged").unwrap().starts_with("slot b is staged: an installation is complete"));
    }
}
