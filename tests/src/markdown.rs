//! What the tests need to know of a Markdown file: fences, headings and links.

/// A fenced block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fence {
    /// The word after the opening fence, empty where there is none.
    pub language: String,
    /// Line of the opening fence, from 1.
    pub line: usize,
    /// What stands in it, every line with its end.
    pub body: String,
}

/// A link or an image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its target as written.
    pub target: String,
    /// Its line, from 1.
    pub line: usize,
}

/// Every fenced block, in order. One that is never closed ends with the file.
#[must_use]
pub fn fences(text: &str) -> Vec<Fence> {
    let mut found = Vec::new();
    let mut open: Option<Fence> = None;
    for (line, number) in text.lines().zip(1..) {
        match (line.trim_start().strip_prefix("```"), open.as_mut()) {
            (Some(word), None) => {
                open = Some(Fence { language: word.trim().to_owned(), line: number, body: String::new() });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some(fence)) => {
                fence.body.push_str(line);
                fence.body.push('\n');
            }
            (None, None) => {}
        }
    }
    found.extend(open);
    found
}

/// The lines outside fences, with their numbers from 1.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    let mut lines = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push((number, line));
        }
    }
    lines
}

/// Every `[text](target)` outside fences and code spans.
#[must_use]
pub fn links(text: &str) -> Vec<Link> {
    let mut found = Vec::new();
    for (line, words) in prose(text) {
        // Every second piece between backticks is code.
        let plain: String = words.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for rest in plain.split("](").skip(1) {
            if let Some((target, _)) = rest.split_once(')') {
                found.push(Link { target: target.split(' ').next().unwrap_or_default().to_owned(), line });
            }
        }
    }
    found
}

/// The anchors of the headings, as GitHub makes them: lower case, blanks to hyphens, other signs gone.
#[must_use]
pub fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).into_iter().filter(|(_, line)| line.starts_with('#'));
    let titles = headings.map(|(_, line)| line.trim_start_matches('#').trim().to_lowercase());
    let kept = |sign: &char| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_');
    titles.map(|title| title.chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# The `one` idea, now\n[a](b.md) ![c](d.png \"t\") `[e](f)` [g](#h)\n```sh\n# no [i](j)\n```\n[k](l)\n";

    #[test]
    fn fences_are_found_with_their_language_and_line() {
        let found = fences(TEXT);
        assert_eq!(found, [Fence { language: "sh".to_owned(), line: 3, body: "# no [i](j)\n".to_owned() }]);
        assert_eq!(fences("```\nnever closed\n").len(), 1);
    }

    #[test]
    fn links_are_found_outside_code() {
        let found: Vec<_> = links(TEXT).into_iter().map(|link| (link.target, link.line)).collect();
        let wanted = [("b.md", 2), ("d.png", 2), ("#h", 2), ("l", 6)];
        assert_eq!(found, wanted.map(|(target, line)| (target.to_owned(), line)));
    }

    #[test]
    fn anchors_are_those_of_the_headings() {
        assert_eq!(anchors(TEXT), ["the-one-idea-now"]);
    }
}
