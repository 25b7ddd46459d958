//! Every relative link of the project's Markdown leads to a file of the tree, and every anchor to a heading.

use std::path::{Component, Path, PathBuf};

use tests::markdown::{anchors, links};
use tests::tree;

/// What is wrong with the links of `file`, whose text is `text`; `read` gives the text of a file of the tree, `None` where there
/// is none.
fn broken(file: &Path, text: &str, read: impl Fn(&Path) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for link in links(text).iter().filter(|link| !is_foreign(&link.target)) {
        let (path, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
        let target = if path.is_empty() { Some(file.to_owned()) } else { resolve(file, path) };
        let there = target.and_then(|target| if target == file { Some(text.to_owned()) } else { read(&target) });
        let problem = match there {
            None => "leads nowhere in the tree",
            Some(text) if !anchor.is_empty() && !anchors(&text).iter().any(|found| found == anchor) => {
                "has no such heading"
            }
            Some(_) => continue,
        };
        found.push(format!("{}:{}: {} {problem}", file.display(), link.line, link.target));
    }
    found
}

fn is_foreign(target: &str) -> bool {
    ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme))
}

/// The path from the root of the tree; `None` where it leaves the tree.
fn resolve(from: &Path, link: &str) -> Option<PathBuf> {
    let mut path = from.parent()?.to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

#[test]
fn every_link_leads_somewhere() {
    let files = tree::files();
    let read = |path: &Path| {
        let listed = files.iter().any(|file| file == path || file.starts_with(path));
        listed.then(|| std::fs::read_to_string(tree::root().join(path)).unwrap_or_default())
    };
    let documents = tree::texts("md");
    assert!(documents.len() >= 2, "only {} documents: the test reads the wrong folder", documents.len());
    let found: Vec<String> = documents.iter().flat_map(|(file, text)| broken(file, text, read)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_broken_link_is_caught() {
    let read = |path: &Path| (path == Path::new("docs/FORMAT.md")).then(|| "# One slot\n".to_owned());
    let judge = |text: &str| broken(Path::new("docs/DESIGN.md"), text, read);
    assert_eq!(
        judge("[a](FORMAT.md) [b](FORMAT.md#one-slot) [c](../docs/FORMAT.md) [d](https://example.org/x)"),
        [""; 0]
    );
    assert_eq!(judge("# Here\n[a](#here)"), [""; 0]);
    assert_eq!(judge("[a](POWER.md)"), ["docs/DESIGN.md:1: POWER.md leads nowhere in the tree"]);
    assert_eq!(
        judge("[a](../../shared/DESIGN.md)"),
        ["docs/DESIGN.md:1: ../../shared/DESIGN.md leads nowhere in the tree"]
    );
    assert_eq!(judge("[a](FORMAT.md#two)"), ["docs/DESIGN.md:1: FORMAT.md#two has no such heading"]);
    assert_eq!(judge("[a](#two)"), ["docs/DESIGN.md:1: #two has no such heading"]);
    assert_eq!(judge("[a](/etc/passwd)").len(), 1);
}
