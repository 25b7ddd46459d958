//! The manual pages say what `--help` says.

use std::fs;

use tests::answer::Exit;
use tests::cli::Cli;

/// Long options, as a text names them.
fn options(text: &str) -> Vec<String> {
    let plain = ["\\fB", "\\fI", "\\fR"].iter().fold(text.replace("\\-", "-"), |text, font| text.replace(font, " "));
    let words = plain.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let mut options: Vec<String> =
        words.filter(|word| word.starts_with("--") && word.len() > 3).map(str::to_owned).collect();
    options.sort();
    options.dedup();
    options
}

#[test]
fn every_verb_has_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let told = Cli::new(&["man", pages.to_str().unwrap(), "--json"]).run().exits(Exit::Done).json();
    assert_eq!(told["folder"], pages.to_str().unwrap());
    let mut seen = 0;
    for page in fs::read_dir(&pages).unwrap() {
        let path = page.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let verb: Vec<&str> = match name.strip_prefix("updater-cli").unwrap().trim_start_matches('-') {
            "" => vec![],
            verb => match verb.split_once('-') {
                Some((group @ ("bundle" | "offline" | "overlay" | "pack" | "profile"), below)) => vec![group, below],
                _ => vec![verb],
            },
        };
        let help = Cli::new(&verb).and(&["--help"]).run().exits(Exit::Done);
        let (said, paged) = (options(help.stdout()), options(&fs::read_to_string(&path).unwrap()));
        for option in &said {
            assert!(paged.contains(option), "{name}: {option} is not in {paged:?}");
        }
        assert!(said.len() >= 8, "{name}: {said:?}");
        seen += 1;
    }
    assert!(seen >= 19, "{seen} pages");
}
