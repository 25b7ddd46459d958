//! What became of two slots, as a picture: a column for each moment, a row for each slot.
//!
//! ```text
//!  transcript of `demo` ──► moments: title, and the last table of `status` under it ──► SVG
//! ```
//! Nothing in it moves, and no font has to be there: it is read on a page of the repository.

use std::fmt::Write as _;

/// A slot at a moment: what it holds, and its state in the word of `status`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Its letter.
    pub slot: String,
    /// Its state.
    pub state: String,
    /// Its version, or a dash.
    pub version: String,
    /// Whether it boots next.
    pub next: bool,
}

/// A moment in the life of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moment {
    /// What happens.
    pub title: String,
    /// The slots after it.
    pub slots: Vec<Held>,
}

/// The moments of a transcript: each section `== N. TITLE ==` with a table of slots in it.
#[must_use]
pub fn moments(transcript: &str) -> Vec<Moment> {
    let sections = transcript.split("\n== ").skip(1).filter_map(|section| section.split_once(" ==\n"));
    let of = |(title, text): (&str, &str)| {
        let title = title.split_once(". ").map_or(title, |(_, title)| title).to_owned();
        let next = text.lines().rev().find_map(|line| line.trim().strip_prefix("next    slot ")).unwrap_or_default();
        let tables = text.rsplit_once("slot  state")?.1;
        let rows = tables.lines().skip(1).map_while(|line| held(line, next)).collect();
        Some(Moment { title, slots: rows })
    };
    sections.filter_map(of).collect()
}

fn held(line: &str, next: &str) -> Option<Held> {
    let mut words = line.split_whitespace();
    let slot = words.next().filter(|word| word.len() == 1)?.to_owned();
    let [state, version] = [words.next()?, words.next()?].map(str::to_owned);
    Some(Held { next: slot == next, slot, state, version })
}

const COLUMN: usize = 150;
const ROW: usize = 62;
const LEFT: usize = 60;
const TOP: usize = 84;

/// The picture.
#[must_use]
pub fn svg(moments: &[Moment]) -> String {
    let rows = moments.first().map_or(0, |moment| moment.slots.len());
    let (width, height) = (LEFT + COLUMN * moments.len() + 10, TOP + ROW * rows + 46);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>An update that fails and one that succeeds: what the two slots of a device hold</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (at, moment) in moments.iter().enumerate() {
        column(&mut text, LEFT + COLUMN * at, moment);
    }
    for (at, held) in moments.first().iter().flat_map(|moment| moment.slots.iter().enumerate()) {
        let y = TOP + ROW * at + ROW / 2;
        writeln!(text, "<text x=\"8\" y=\"{y}\" fill=\"#222222\">slot {}</text>", held.slot)
            .expect("a string takes it");
    }
    let y = height - 18;
    writeln!(
        text,
        "<text x=\"{LEFT}\" y=\"{y}\" fill=\"#555555\">A thick frame: the slot that boots next. Made of a run of updater-cli demo.</text>\n</svg>"
    )
    .expect("a string takes it");
    text
}

fn column(text: &mut String, x: usize, moment: &Moment) {
    let mut say = |line: String| writeln!(text, "{line}").expect("a string takes it");
    for (at, line) in wrapped(&moment.title, 21).iter().enumerate() {
        say(format!("<text x=\"{x}\" y=\"{}\" fill=\"#222222\">{line}</text>", 20 + 17 * at));
    }
    for (at, held) in moment.slots.iter().enumerate() {
        let y = TOP + ROW * at;
        let (fill, frame) = (colour(&held.state), if held.next { 3 } else { 1 });
        let (width, height) = (COLUMN - 14, ROW - 12);
        say(format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"{fill}\" stroke=\"#222222\" stroke-width=\"{frame}\"/>"
        ));
        let (x, first, second) = (x + 10, y + 21, y + 39);
        say(format!("<text x=\"{x}\" y=\"{first}\" fill=\"#222222\" font-weight=\"bold\">{}</text>", held.version));
        say(format!("<text x=\"{x}\" y=\"{second}\" fill=\"#222222\">{}</text>", held.state));
    }
}

/// The colour of a state; each has its word beside it, so that nobody needs the colour.
fn colour(state: &str) -> &'static str {
    match state {
        "good" => "#cfe8cf",
        "trial" | "staged" => "#fbe6b0",
        "exhausted" | "failed" | "unverified" => "#f3c6c0",
        _ => "#ececec",
    }
}

/// A title in lines of at most so many characters, escaped.
fn wrapped(title: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in title.split(' ') {
        let line = lines.last_mut().expect("there is one");
        match line.is_empty() {
            true => line.push_str(word),
            false if line.len() + 1 + word.len() <= most => line.extend([" ", word]),
            false => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| line.replace('&', "&amp;").replace('<', "&lt;")).collect()
}
