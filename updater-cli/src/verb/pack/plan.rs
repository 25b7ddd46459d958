//! Which packs go together, and in which order they are laid over the system. Pure.
//!
//! ```text
//!  new pack ─► fits the version that runs? ─► newer than its namesake? ─► superseded? ─► a cycle? ─► other parts of the same name?
//!  set ─► those that fit ─► highest level on top; of equal levels the first name ─► parts in the order of each pack's head
//! ```

use super::known::{Known, Part};

/// Packs in one set.
pub const PACKS: usize = 16;
/// Layers of one overlay: their paths have to fit a page of the kernel.
const LAYERS: usize = 32;

/// What becomes of a pack that is offered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is newer, and takes the place of packs with these names.
    Newer(Vec<String>),
    /// It, or something newer, is here: why.
    Held(String),
    /// It does not go with what is here: why, and what helps.
    Refused(String, &'static str),
}

/// Judges a pack by the system that runs and by the packs that are stored.
pub fn judge(new: &Known, stored: &[Known], (version, major): (&str, Option<u32>)) -> Verdict {
    let Known { name, level, fits, .. } = new;
    if major != Some(*fits) {
        let why = format!("{name} fits version {fits}, and {version} runs");
        return Verdict::Refused(why, "take the pack for the version that runs");
    }
    if let Some(here) = stored.iter().find(|here| here.name == *name && here.level >= *level) {
        return Verdict::Held(format!("{name} is here at level {}, and this one is of level {level}", here.level));
    }
    let names = |pack: &Known, other: &str| pack.supersedes.iter().any(|name| name == other);
    for here in stored.iter().filter(|here| here.name != *name) {
        let other = &here.name;
        match (names(new, other), names(here, name)) {
            (true, true) => {
                let why = format!("{name} supersedes {other}, and {other} supersedes {name}");
                return Verdict::Refused(why, "make one of them again, without the other's name");
            }
            (true, false) if here.level >= *level => {
                let why = format!("{name} of level {level} supersedes {other}, which is of level {}", here.level);
                return Verdict::Refused(why, "make it again, with a higher level");
            }
            (false, true) => return Verdict::Held(format!("{name} is superseded by {other}, which is here")),
            _ => {}
        }
    }
    taken(new, stored)
}

/// The same where somebody insists on one that is not newer.
pub fn judge_forced(new: &Known, stored: &[Known], running: (&str, Option<u32>)) -> Verdict {
    match judge(new, stored, running) {
        Verdict::Held(_) => taken(new, stored),
        other => other,
    }
}

/// It takes the place of its namesake and of what it supersedes, if it goes with the rest.
fn taken(new: &Known, stored: &[Known]) -> Verdict {
    let goes = |here: &&Known| here.name == new.name || new.supersedes.contains(&here.name);
    let (gone, stay): (Vec<&Known>, Vec<&Known>) = stored.iter().partition(goes);
    conflict(new, &stay).unwrap_or_else(|| Verdict::Newer(gone.iter().map(|here| here.name.clone()).collect()))
}

fn conflict(new: &Known, stay: &[&Known]) -> Option<Verdict> {
    let twins = |part: &Part| new.parts.iter().filter(|other| other.root_hash == part.root_hash).count() > 1;
    if new.parts.iter().any(twins) {
        return Some(Verdict::Refused(
            format!("two images of {} are the same", new.name),
            "make it again with one of them",
        ));
    }
    for (here, part) in stay.iter().flat_map(|here| here.parts.iter().map(move |part| (here, part))) {
        if new.parts.iter().any(|own| own.name == part.name && own.root_hash != part.root_hash) {
            let why =
                format!("{} brings another {} than {}, which it does not supersede", new.name, part.name, here.name);
            return Some(Verdict::Refused(why, "remove that one first, or make this one again with another name"));
        }
    }
    let layers = stay.iter().map(|here| here.parts.len()).sum::<usize>().saturating_add(new.parts.len());
    (stay.len() >= PACKS || layers > LAYERS).then(|| {
        let why = format!("more than {PACKS} packs, or {LAYERS} images of packs, are more than one system takes");
        Verdict::Refused(why, "remove some, or install a cumulative pack that supersedes them")
    })
}

/// The images of these packs, the one on top first. One that several packs bring is there once.
pub fn layers<'k>(packs: &[&'k Known]) -> Vec<(&'k Known, &'k Part)> {
    let mut packs = packs.to_vec();
    packs.sort_by(|one, other| other.level.cmp(&one.level).then_with(|| one.name.cmp(&other.name)));
    let mut layers: Vec<(&Known, &Part)> = Vec::new();
    for (pack, part) in packs.into_iter().flat_map(|pack| pack.parts.iter().map(move |part| (pack, part))) {
        if !layers.iter().any(|(_, other)| other.name == part.name) {
            layers.push((pack, part));
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(name: &str, level: u32, supersedes: &[&str]) -> Known {
        let part = |name: &str| Part { name: name.to_owned(), root_hash: format!("{name}-root"), stored_bytes: 1 };
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Known {
            name: name.to_owned(),
            level,
            fits: 2,
            supersedes: owned(supersedes),
            parts: vec![part(name)],
            ..Known::default()
        }
    }

    fn judged(new: &Known, stored: &[Known]) -> Verdict {
        judge(new, stored, ("2.1", Some(2)))
    }

    fn newer(names: &[&str]) -> Verdict {
        Verdict::Newer(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_pack_is_newer_than_what_it_takes_the_place_of() {
        assert_eq!(judged(&pack("a", 1, &[]), &[]), newer(&[]));
        assert_eq!(judged(&pack("a", 2, &[]), &[pack("a", 1, &[])]), newer(&["a"]));
        assert_eq!(judged(&pack("c", 3, &["a", "b"]), &[pack("a", 1, &[]), pack("b", 2, &[])]), newer(&["a", "b"]));
        assert_eq!(judged(&pack("b", 1, &[]), &[pack("a", 1, &[])]), newer(&[]));
    }

    #[test]
    fn what_is_here_or_newer_is_held() {
        for level in [1, 2] {
            assert!(matches!(judged(&pack("a", level, &[]), &[pack("a", 2, &[])]), Verdict::Held(_)));
        }
        assert!(matches!(judged(&pack("a", 1, &[]), &[pack("c", 3, &["a"])]), Verdict::Held(_)));
        // Also at a higher level: what superseded it knew better.
        assert!(matches!(judged(&pack("a", 9, &[]), &[pack("c", 3, &["a"])]), Verdict::Held(_)));
    }

    #[test]
    fn who_insists_is_still_refused_what_does_not_go_together() {
        let forced = |new: &Known, stored: &[Known]| judge_forced(new, stored, ("2.1", Some(2)));
        assert_eq!(forced(&pack("a", 1, &[]), &[pack("a", 2, &[])]), newer(&["a"]));
        let many: Vec<Known> = (0..PACKS).map(|number| pack(&format!("p{number}"), 5, &["a"])).collect();
        assert!(matches!(forced(&pack("a", 1, &[]), &many), Verdict::Refused(..)));
        assert!(matches!(forced(&pack("a", 1, &[]), &many[1..]), Verdict::Newer(_)));
    }

    #[test]
    fn another_major_version_a_cycle_and_a_level_that_falls_are_refused() {
        let refused = |verdict| matches!(verdict, Verdict::Refused(..));
        assert!(refused(judge(&pack("a", 1, &[]), &[], ("3.0", Some(3)))));
        assert!(refused(judge(&pack("a", 1, &[]), &[], ("x", None))));
        assert!(refused(judged(&pack("a", 2, &["b"]), &[pack("b", 1, &["a"])])));
        assert!(refused(judged(&pack("a", 1, &["b"]), &[pack("b", 1, &[])])));
    }

    #[test]
    fn one_name_means_one_image() {
        let cumulative = |root: &str| {
            let mut pack = pack("c", 3, &[]);
            pack.parts.push(Part { name: "a".to_owned(), root_hash: root.to_owned(), stored_bytes: 1 });
            pack
        };
        assert_eq!(judged(&cumulative("a-root"), &[pack("a", 1, &[])]), newer(&[]));
        assert!(matches!(judged(&cumulative("other"), &[pack("a", 1, &[])]), Verdict::Refused(..)));
    }

    #[test]
    fn a_set_has_a_bound() {
        let many: Vec<Known> = (0..16).map(|number| pack(&format!("p{number}"), 1, &[])).collect();
        assert!(matches!(judged(&pack("a", 1, &[]), &many), Verdict::Refused(..)));
        assert_eq!(judged(&pack("p3", 2, &[]), &many), newer(&["p3"]));
    }

    #[test]
    fn the_highest_level_is_on_top_and_each_image_is_there_once() {
        let (a, b, mut c) = (pack("a", 1, &[]), pack("b", 1, &[]), pack("c", 3, &[]));
        c.parts.push(a.parts[0].clone());
        let layers = layers(&[&b, &a, &c]);
        let names: Vec<&str> = layers.iter().map(|(_, part)| part.name.as_str()).collect();
        assert_eq!(names, ["c", "a", "b"]);
    }
}
