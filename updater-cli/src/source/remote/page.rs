//! What a server may send in place of a bundle, told by what it looks like: a page to sign in, an error that calls itself a success.

use super::is_page;

/// How pages begin, in small letters.
const FRONTS: [&[u8]; 7] = [b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<title", b"<meta"];
/// So many bytes tell.
const LOOK: usize = 512;

/// What its first bytes show: no image of a file system begins so.
pub fn seen(media: Option<&str>, front: &[u8]) -> Option<String> {
    let front = front.get(..LOOK).unwrap_or(front);
    let front = front.strip_prefix(b"\xef\xbb\xbf").unwrap_or(front).trim_ascii_start().to_ascii_lowercase();
    let begins = |with: &[u8]| front.starts_with(with);
    let what = match front.first() {
        _ if FRONTS.iter().any(|with| begins(with)) => "a web page",
        Some(b'<') if is_page(media) => "a web page",
        Some(b'<') if begins(b"<?xml") || media.is_some_and(|media| media.ends_with("xml")) => "an XML document",
        Some(b'{' | b'[') if media.is_some_and(|media| media.ends_with("json")) => "a JSON document",
        _ => return None,
    };
    Some(with_type(what, media))
}

/// What the server calls it, where its bytes show nothing.
pub fn called(media: Option<&str>) -> Option<String> {
    is_page(media).then(|| with_type("a web page", media))
}

fn with_type(what: &str, media: Option<&str>) -> String {
    media.map_or_else(|| what.to_owned(), |media| format!("{what} (Content-Type: {media})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_from_an_image() {
        let html = Some("text/html");
        for front in ["<!DOCTYPE html><html>", "\n  <HTML lang=en>", "\u{feff}<head>", "<script>location=1</script>"] {
            assert_eq!(seen(None, front.as_bytes()).as_deref(), Some("a web page"), "{front}");
        }
        assert_eq!(seen(html, b"<!-- x -->").as_deref(), Some("a web page (Content-Type: text/html)"));
        assert_eq!(
            seen(Some("application/json"), b"{}").as_deref(),
            Some("a JSON document (Content-Type: application/json)")
        );
        assert_eq!(
            seen(Some("text/plain"), b"<?xml version='1.0'?>").as_deref(),
            Some("an XML document (Content-Type: text/plain)")
        );
        for image in [&b"hsqs"[..], b"", &[0; 4096], b"{", b"<", b"LUBUNDLE"] {
            assert_eq!(seen(None, image), None, "{image:?}");
        }
        assert_eq!(called(html).as_deref(), Some("a web page (Content-Type: text/html)"));
        assert_eq!(called(Some("application/octet-stream")), None);
    }
}
