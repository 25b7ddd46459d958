//! A Rust file as tokens with lines, which is all that the floors need to know of the language.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A path that begins in the crate's root, by its first name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RootPath {
    /// What follows `crate::`.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
}

/// The tokens of `source`; comments are gone, doc comments are attributes.
///
/// # Panics
/// Where it is no Rust.
#[must_use]
pub fn tokens(source: &str) -> TokenStream {
    source.parse().unwrap_or_else(|error| panic!("not Rust: {error}"))
}

/// Every path from the crate's root in a file whose module lies `depth` modules below it: `crate::x`, `crate::{x, y}`, and
/// `super::x` where that many `super` lead to the root.
#[must_use]
pub fn root_paths(source: &TokenStream, depth: usize) -> Vec<RootPath> {
    let trees: Vec<TokenTree> = source.clone().into_iter().collect();
    let mut found = Vec::new();
    for (at, tree) in trees.iter().enumerate() {
        if let TokenTree::Group(group) = tree {
            let inside = at >= 2 && is_word(&trees[at - 2], "mod") && group.delimiter() == Delimiter::Brace;
            found.extend(root_paths(&group.stream(), depth + usize::from(inside)));
        }
        let first = at == 0 || !is_punct(&trees[at - 1], ':');
        let crate_root = is_word(tree, "crate").then_some(at + 1);
        let super_root = (first && is_word(tree, "super")).then(|| after_supers(&trees, at, depth)).flatten();
        if let Some(next) = crate_root.or(super_root) {
            found.extend(names_after(trees.get(next..).unwrap_or_default()));
        }
    }
    found
}

/// Where a chain of `super` from `at` on ends, if it leads to the root.
fn after_supers(trees: &[TokenTree], at: usize, depth: usize) -> Option<usize> {
    let mut count = 1;
    let mut next = at + 1;
    while is_separator(trees.get(next..)?) && trees.get(next + 2).is_some_and(|tree| is_word(tree, "super")) {
        count += 1;
        next += 3;
    }
    (count == depth).then_some(next)
}

/// The first names after `::`, one or a braced list of them.
fn names_after(rest: &[TokenTree]) -> Vec<RootPath> {
    if !is_separator(rest) {
        return Vec::new();
    }
    match rest.get(2) {
        Some(TokenTree::Ident(name)) => vec![RootPath { name: name.to_string(), line: name.span().start().line }],
        Some(TokenTree::Group(group)) => list_heads(group),
        _ => Vec::new(),
    }
}

/// The first name of each item in `{a::b, c}`.
fn list_heads(group: &Group) -> Vec<RootPath> {
    let trees: Vec<TokenTree> = group.stream().into_iter().collect();
    let items = trees.split(|tree| is_punct(tree, ','));
    let heads = items.filter_map(|item| item.first());
    heads.map(|head| RootPath { name: head.to_string(), line: head.span().start().line }).collect()
}

/// Whether `tree` is the word.
fn is_word(tree: &TokenTree, word: &str) -> bool {
    matches!(tree, TokenTree::Ident(ident) if ident == word)
}

/// Whether `tree` is the sign.
fn is_punct(tree: &TokenTree, sign: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn is_separator(rest: &[TokenTree]) -> bool {
    rest.len() > 2 && is_punct(&rest[0], ':') && is_punct(&rest[1], ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str, depth: usize) -> Vec<String> {
        root_paths(&tokens(source), depth).into_iter().map(|path| path.name).collect()
    }

    #[test]
    fn paths_from_the_root_are_found_in_every_form() {
        assert_eq!(names("use crate::gpt::Entry; fn f() { crate::io::read() }", 1), ["gpt", "io"]);
        assert_eq!(names("use crate::{block::Lba, verity};", 1), ["block", "verity"]);
        assert_eq!(names("macro_rules! m { () => { $crate::plan::x } }", 1), ["plan"]);
        assert_eq!(names("// crate::no\n/// [`crate::no`]\nfn f() -> &'static str { \"crate::no\" }", 1), [""; 0]);
        assert_eq!(names("pub(crate) fn f() {}", 1), [""; 0]);
    }

    #[test]
    fn super_counts_where_it_reaches_the_root() {
        assert_eq!(names("use super::gpt;", 1), ["gpt"]);
        assert_eq!(names("use super::gpt;", 2), [""; 0]);
        assert_eq!(names("use super::super::gpt;", 2), ["gpt"]);
        assert_eq!(names("mod tests { use super::*; use super::super::gpt; }", 1), ["gpt"]);
    }
}
