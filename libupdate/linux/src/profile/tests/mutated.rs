//! Texts that are nearly profiles: no panic, a rule that names a line of the text, or a profile that keeps its invariants.
//!
//! This is the fuzz target of the parser, which is in a program, where `fuzz/` cannot reach it. `PROFILE_TEXTS=N` makes more texts.

use super::*;

const SEED: u64 = 0x5eed_0000_0000_0003;

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    fn one_of<'t, T: ?Sized>(&mut self, choices: &[&'t T]) -> &'t T {
        choices[self.below(choices.len())]
    }
}

const VALUES: [&str; 24] = [
    "0",
    "1",
    "15",
    "16",
    "-1",
    "65536",
    "9223372036854775807",
    "1.5",
    "true",
    "\"\"",
    "\"rest\"",
    "\"4K\"",
    "\"1T\"",
    "\"99999999999T\"",
    "\"{slot}\"",
    "\"{slot}{slot}\"",
    "\"root-{slot}\"",
    "\"a\\u0000b\"",
    "\"\\u001b[31m\"",
    "[]",
    "[\"a\", \"b\", \"c\"]",
    "{ }",
    "\"00000000-0000-0000-0000-000000000000\"",
    "1979-05-27T07:32:00Z",
];
const LINES: [&str; 12] = [
    "[boot]",
    "[trust]",
    "[slots]",
    "[disk]",
    "[[partition]]",
    "role = \"root\"",
    "role = \"boot\"",
    "names = [\"a\", \"b\", \"c\"]",
    "control = \"boot\"",
    "hand-over = \"kexec\"",
    "label = \"x-{slot}\"",
    "size = \"rest\"",
];

/// A few lines of `text` moved, doubled, dropped, or with another value.
fn mutated(text: &str, chance: &mut Chance) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..1 + chance.below(4) {
        let (at, other) = (chance.below(lines.len()), chance.below(lines.len()));
        match chance.below(7) {
            0 => lines.swap(at, other),
            1 => lines.insert(at, lines[other].clone()),
            2 if lines.len() > 1 => drop(lines.remove(at)),
            3 => lines.insert(at, chance.one_of(&LINES).to_owned()),
            4 | 5 => {
                if let Some((key, _)) = lines[at].split_once('=') {
                    lines[at] = format!("{key}= {}", chance.one_of(&VALUES));
                }
            }
            _ => {
                let mut letters: Vec<char> = lines[at].chars().collect();
                let place = chance.below(letters.len() + 1);
                letters.insert(place, char::from_u32(u32::try_from(chance.below(0x250)).unwrap()).unwrap());
                lines[at] = letters.into_iter().collect();
            }
        }
    }
    lines.join("\n")
}

fn holds(profile: &Profile) {
    let specs = profile.specs();
    assert!((2..=8).contains(&profile.slots.len()));
    let roles_of = |slot| specs.iter().filter(move |spec| spec.slot == slot).map(|spec| (spec.role, spec.duty));
    for slot in &profile.slots {
        assert!(roles_of(*slot).eq(roles_of(profile.slots[0])), "slots differ in their roles");
        assert_eq!(roles_of(*slot).filter(|(_, duty)| *duty == Duty::Control).count(), 1);
    }
    for (index, planned) in profile.layout.iter().enumerate() {
        assert!(!profile.layout[..index].iter().any(|other| other.label == planned.label), "a label twice");
        assert!((1..=36).contains(&planned.label.encode_utf16().count()), "{:?}", planned.label);
    }
}

#[test]
fn no_text_panics_or_makes_half_a_profile() {
    let texts: usize = std::env::var("PROFILE_TEXTS").map_or(20_000, |texts| texts.parse().unwrap());
    let mut chance = Chance(SEED);
    let bases = [LEAST, BUILT_IN[0].1, BUILT_IN[1].1];
    let (mut good, mut broken) = (0, 0);
    for _ in 0..texts {
        let text = mutated(chance.one_of(&bases), &mut chance);
        match std::panic::catch_unwind(|| read(&text)) {
            Ok(Ok(profile)) => {
                good += 1;
                holds(&profile);
            }
            Ok(Err(error)) => {
                broken += 1;
                let Kind::Broken { line, rule } = error.kind() else { panic!("{error} of\n{text}") };
                let lines = text.matches('\n').count() + 1;
                assert!(line.is_none_or(|line| (1..=lines).contains(&line)) && !rule.is_empty(), "{error} of\n{text}");
            }
            Err(_) => panic!("this text panics:\n{text}"),
        }
    }
    assert!(
        good > texts / 50 && broken > texts / 2,
        "{good} profiles, {broken} refused: the mutations are too mild or too wild"
    );
}
