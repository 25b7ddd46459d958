//! What the demo leaves: files, and commands to try on them.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;

use super::stage::{Act, Stage};
use super::story::DISK;
use crate::exit::Failure;
use crate::output::{Printable, Report, Size};
use crate::source::unreadable;

/// Commands up to this length have their explanations in one column.
const WIDTH: usize = 80;
/// What a story leaves.
pub struct Leaves {
    /// Its files, for people.
    pub files: &'static str,
    /// Commands for a shell in its folder, in an order in which each of them works, and what each does.
    pub next: Vec<(String, &'static str)>,
}

/// The end of the story; with `--json` all of it.
#[derive(Serialize)]
pub struct Ending<'s> {
    folder: String,
    seconds: f64,
    steps: &'s [Act],
    files: Vec<Left>,
    next: Vec<Next>,
    #[serde(skip)]
    left: &'static str,
}

/// A file that is left.
#[derive(Serialize)]
struct Left {
    name: String,
    file_bytes: u64,
}

/// A command to try.
#[derive(Serialize)]
struct Next {
    command: String,
    does: &'static str,
}

impl<'s> Ending<'s> {
    /// The end of what was played in `folder`.
    pub fn of(stage: &'s Stage<'_>, folder: &Path, leaves: Leaves) -> Result<Self, Failure> {
        let program = env::current_exe().ok();
        let home = program.as_deref().and_then(Path::parent);
        Ok(Self {
            folder: folder.to_string_lossy().into_owned(),
            seconds: stage.elapsed().as_secs_f64(),
            steps: stage.acts(),
            files: left(folder)?,
            next: next(folder, home, leaves.next),
            left: leaves.files,
        })
    }
}

fn left(folder: &Path) -> Result<Vec<Left>, Failure> {
    let failed = |error| unreadable(folder, &error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let metadata = entry.metadata().map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Of a sparse file, what it takes on the medium.
        let file_bytes = if name == DISK { metadata.blocks() * 512 } else { metadata.len() };
        files.push(Left { name, file_bytes });
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

/// Commands for a shell anywhere.
fn next(folder: &Path, home: Option<&Path>, of_the_story: Vec<(String, &'static str)>) -> Vec<Next> {
    let home = home.map(|home| (format!("PATH={}:\"$PATH\"", quoted(home.as_os_str())), "where this program is"));
    let first = (format!("cd {}", quoted(folder.as_os_str())), "where the files are");
    let rows = [first].into_iter().chain(home).chain(of_the_story);
    rows.map(|(command, does)| Next { command, does }).collect()
}

/// A path, or another word, as one word of a shell's.
pub fn quoted(path: &OsStr) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._+,@%=-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

impl Report for Ending<'_> {
    fn human(&self) -> String {
        let bytes: u64 = self.files.iter().map(|file| file.file_bytes).sum();
        let width =
            self.next.iter().map(|next| next.command.len()).filter(|len| *len <= WIDTH).max().unwrap_or_default();
        let row = |next: &Next| format!("  {:<width$}  # {}\n", Printable(&next.command).to_string(), next.does);
        let folder = Printable(&self.folder);
        format!(
            "\n== What to try next ==\n\nAll of this took {:.1} s and left {} in {folder}:\n\n{}\n{}\n\
             Remove the folder when you have seen enough.\n",
            self.seconds,
            Size(bytes),
            self.left,
            self.next.iter().map(row).collect::<String>(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_the_shell() {
        let word = |text: &str| quoted(OsStr::new(text));
        assert_eq!(word("/tmp/updater-demo-1"), "/tmp/updater-demo-1");
        assert_eq!(word("/tmp/a b"), "'/tmp/a b'");
        assert_eq!(word("/tmp/it's $HOME"), r"'/tmp/it'\''s $HOME'");
        assert_eq!(word("~"), "'~'");
    }

    #[test]
    fn the_first_command_goes_to_the_folder_and_the_second_finds_the_program() {
        let commands: Vec<String> =
            next(Path::new("/d e"), Some(Path::new("/bin")), vec![("updater-cli status".to_owned(), "x")])
                .into_iter()
                .map(|row| row.command)
                .collect();
        assert_eq!(commands, ["cd '/d e'", "PATH=/bin:\"$PATH\"", "updater-cli status"]);
    }
}
