//! The first bytes of a bundle, kept as they were read: why it was refused can be said with what it is for and who signed it.

use std::num::NonZeroUsize;

use libupdate::bundle::{Anchors, Unverified};
use libupdate::units::limits::ENVELOPE_BYTES;

use crate::exit::{Exit, Failure};

/// As many bytes as an envelope may have.
#[derive(Default)]
pub struct Front(Vec<u8>);

impl Front {
    /// Takes what was read next, as far as there is room.
    pub fn see(&mut self, bytes: &[u8]) {
        let room = ENVELOPE_BYTES.saturating_sub(self.0.len());
        self.0.extend(bytes.iter().take(room));
    }

    /// The failure with what the bundle says of itself: of whom it is signed, and what it is for.
    pub fn explained(&self, failure: Failure, anchors: &Anchors, device: Option<&str>) -> Failure {
        let mut head = Box::new([0; ENVELOPE_BYTES]);
        let Ok(bundle) = Unverified::read(&mut self.0.as_slice(), &mut head) else { return failure };
        match failure.code {
            Exit::NotAuthentic => signed_wrongly(failure, &bundle, anchors),
            Exit::Refused => for_others(failure, &bundle, device),
            _ => failure,
        }
    }
}

/// Why signatures do not reach the threshold; the same failure where they do, and something else is wrong.
fn signed_wrongly(failure: Failure, bundle: &Unverified<'_>, anchors: &Anchors) -> Failure {
    let Ok(again) = Unverified::parse(bundle.envelope()) else { return failure };
    let rule = again.verify(anchors).err().map(|broken| broken.rule());
    if rule != Some("NotEnoughSignatures") {
        return failure;
    }
    let trusted: Vec<String> = anchors.keys().iter().map(|key| key.id().to_string()).collect();
    let signed: Vec<String> = bundle.signatures().map(|signature| signature.key_id().to_string()).collect();
    let known = signed.iter().filter(|key| trusted.contains(key)).count();
    let cause = cause(signed.len(), known, anchors.threshold());
    let signed = signed.iter().map(|key| format!("signed by    {key}"));
    let trusted = trusted.iter().map(|key| format!("trusted key  {key}"));
    let details = if signed.len() == 0 { Vec::new() } else { signed.chain(trusted).collect() };
    Failure { why: format!("{}: {cause}", failure.why), details, ..failure }
}

fn cause(signed: usize, known: usize, threshold: NonZeroUsize) -> String {
    match (signed, known) {
        (0, _) => "it is not signed at all".to_owned(),
        (1, 0) => "it is signed by another key than those that are trusted here".to_owned(),
        (_, 0) => format!("its {signed} signatures are by other keys than those that are trusted here"),
        _ if known >= threshold.get() => {
            "it names trusted keys, but was changed after they signed it, or they signed something else".to_owned()
        }
        _ => format!("{known} of its {signed} signatures names a trusted key"),
    }
}

/// Both boards, where the bundle is not for this one.
fn for_others(failure: Failure, bundle: &Unverified<'_>, device: Option<&str>) -> Failure {
    let (Some(device), Ok(manifest)) = (device, bundle.danger_manifest()) else { return failure };
    let names: Vec<String> = manifest.compatibles().iter().map(|name| name.to_string()).collect();
    if names.iter().any(|name| name == device) {
        return failure;
    }
    Failure { why: format!("{}: it is for {}, this device is {device}", failure.why, names.join(", ")), ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_words() {
        let one = NonZeroUsize::MIN;
        let two = NonZeroUsize::new(2).unwrap();
        assert_eq!(cause(0, 0, one), "it is not signed at all");
        assert!(cause(1, 0, one).contains("by another key"));
        assert!(cause(2, 0, two).starts_with("its 2 signatures"));
        assert!(cause(1, 1, one).contains("changed after"));
        assert_eq!(cause(2, 1, two), "1 of its 2 signatures names a trusted key");
    }
}
