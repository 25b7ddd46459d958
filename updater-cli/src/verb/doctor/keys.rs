//! The keys that this system trusts: whether they can be used, and what lies beside them.

use libupdate::bundle::Anchors;
use libupdate_linux::keys::Skipped;

use super::row::Row;
use crate::exit::Failure;

const NAME: &str = "keys";

/// Keys, and the files of the trust folder that add none.
pub fn judge(trusted: &Result<(Anchors, Vec<Skipped>), Failure>) -> Row {
    match trusted {
        Err(failure) => Row::failed(NAME, failure),
        Ok((anchors, skipped)) if skipped.is_empty() => Row::ok(NAME, known(anchors)),
        Ok((anchors, skipped)) => {
            let skipped: Vec<String> = skipped.iter().map(ToString::to_string).collect();
            let detail = format!("{}; skipped: {}", known(anchors), skipped.join(", "));
            Row::warning(NAME, detail, "take what is no key out of the trust folder, or put the right key there")
        }
    }
}

fn known(anchors: &Anchors) -> String {
    let ids: Vec<String> = anchors.keys().iter().map(|key| key.id().to_string()).collect();
    format!("{} of {} must sign: {}", anchors.threshold(), ids.len(), ids.join(", "))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use libupdate_linux::keys;
    use libupdate_linux::profile::TrustFiles;

    use super::super::row::State;
    use super::*;

    #[test]
    fn what_lies_in_the_folder_and_is_no_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let files = keys::generate(folder.path(), "k").unwrap();
        let spare = folder.path().join("old.pub");
        let trusted = |gathered| {
            let files = TrustFiles { named: vec![files.public.clone()], gathered };
            keys::anchors(&files, NonZeroUsize::MIN).map_err(Failure::from)
        };
        assert_eq!(judge(&trusted(vec![])).state, State::Ok);
        std::fs::write(&spare, "no key").unwrap();
        let row = judge(&trusted(vec![spare]));
        assert!(row.state == State::Warning && row.told().1.contains("old.pub"), "{row:?}");
        let none = TrustFiles { named: vec![folder.path().join("gone.pub")], gathered: vec![] };
        assert_eq!(judge(&keys::anchors(&none, NonZeroUsize::MIN).map_err(Failure::from)).state, State::Error);
    }
}
