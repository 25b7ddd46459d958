//! The picture in the README is of a real run: `updater-cli demo`, carried out, and drawn again.

use std::fs;

use tests::answer::Exit;
use tests::cli::Cli;
use tests::{timeline, tree};

#[test]
fn the_picture_is_of_a_real_run() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("demo");
    let told = Cli::new(&["demo", place.to_str().unwrap()]).run().exits(Exit::Done);
    let moments = timeline::moments(told.stdout());
    let words: Vec<String> = moments.iter().flat_map(|moment| &moment.slots).map(|held| held.state.clone()).collect();
    // What the story is about.
    for state in ["empty", "trial", "exhausted", "good", "disarmed"] {
        assert!(words.iter().any(|word| word == state), "{state}: {moments:?}");
    }
    let path = tree::root().join("docs/update.svg");
    let drawn = timeline::svg(&moments);
    if std::env::var_os("DRAW").is_some() {
        fs::write(&path, &drawn).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, drawn, "draw it again: DRAW=1 cargo test -p tests --test docs picture");
}
