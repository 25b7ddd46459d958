//! The place of a bundle on a server.
//!
//! ```text
//!  https://user:word@host:8443/releases/update.bundle?token=1#part
//!          used,     shown                           used,   left out
//!          not shown                                 not shown
//! ```
//! 1. `http` and `https` only. What is fetched is signed, so that `http` is as safe against a forger; who listens sees what it is.
//! 2. A redirect leads to another such place, never from `https` to `http`; user and password go along to the same server only.
//! 3. Both are percent-encoded where they hold `/`, `?`, `#`, `@` or `%`. What looks as if they were not is neither fetched nor shown.

use std::fmt;
use std::path::Path;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use ureq::http::Uri;

use crate::source::name::{has_bare_password, shown};

/// A URL that can be fetched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    uri: Uri,
}

/// How the bytes come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// As they are.
    Http,
    /// Encrypted, from a server that proved its name.
    Https,
}

/// Why a URL cannot be fetched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It is no URL.
    Malformed(String),
    /// It may hold a password that is not percent-encoded.
    Password,
    /// Neither `http` nor `https`.
    Scheme,
    /// A port that does not exist.
    Port(String),
    /// An IPv6 address that holds only on one network interface.
    Zone(String),
    /// The host's name in letters that the network's names do not have.
    Letters,
    /// A redirect from `https` to `http`.
    Downgrade,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "it is not a URL: {why}"),
            Self::Password => f.write_str(
                "behind the host stands no port, or an `@` follows it: `/`, `?`, `#`, `@` and `%` of a password, and an `@` of \
                 the path, must be percent-encoded (`%40`)",
            ),
            Self::Scheme => f.write_str("only http://, https:// and oci:// can be fetched"),
            Self::Port(port) => write!(f, "{port} is no port: it is a number from 1 to 65535"),
            Self::Zone(zone) => write!(
                f,
                "the zone identifier of an IPv6 address ({zone}) is not supported: use another address of the server, or its name"
            ),
            Self::Letters => f.write_str("a host's name is written in ASCII (xn--..)"),
            Self::Downgrade => f.write_str("it leads from https to http"),
        }
    }
}

impl Url {
    /// As a person wrote it.
    ///
    /// # Errors
    /// Where it cannot be fetched.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match text.split_once("://") {
            Some((_, rest)) if has_bare_password(rest) => Err(Refusal::Password),
            _ => Self::read(text),
        }
    }

    /// As a program wrote it: an `@` behind a port is one of the path.
    fn read(text: &str) -> Result<Self, Refusal> {
        let text = text.split('#').next().unwrap_or_default();
        if !text
            .split_once(':')
            .is_some_and(|(scheme, _)| matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https"))
        {
            return Err(Refusal::Scheme);
        }
        let authority = authority(text).unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        if let Some((_, zone)) = host.split_once('%').filter(|_| host.starts_with('[')) {
            return Err(Refusal::Zone(format!("%{}", zone.split(']').next().unwrap_or_default())));
        }
        if !host.is_ascii() || host.contains('%') {
            return Err(Refusal::Letters);
        }
        port_of(authority)?;
        let uri: Uri =
            text.parse().map_err(|error: ureq::http::uri::InvalidUri| Refusal::Malformed(error.to_string()))?;
        match (uri.scheme(), uri.host()) {
            // `http:x` would be the port x of a host called http.
            (None, _) | (_, None | Some("")) => Err(Refusal::Malformed("it names no host".to_owned())),
            _ => Ok(Self { uri }),
        }
    }

    /// How the bytes come.
    pub fn scheme(&self) -> Scheme {
        if self.uri.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http }
    }

    /// The server's name.
    pub fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    /// Where the server listens.
    pub fn port(&self) -> u16 {
        let usual = if self.scheme() == Scheme::Https { 443 } else { 80 };
        self.uri.port_u16().unwrap_or(usual)
    }

    /// What goes to the server, secrets included.
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// User and password, decoded, with a colon between them.
    pub fn login(&self) -> Option<Vec<u8>> {
        let (login, _) = self.uri.authority()?.as_str().rsplit_once('@')?;
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let mut decoded: Vec<u8> = percent_decode_str(user).collect();
        decoded.push(b':');
        decoded.extend(percent_decode_str(password));
        Some(decoded)
    }

    /// The same place with more at the end of its path.
    pub fn with_suffix(&self, suffix: &str) -> Result<Self, Refusal> {
        let query = self.uri.query().map_or(String::new(), |query| format!("?{query}"));
        Self::read(&format!("{}{}{suffix}{query}", self.origin(), self.uri.path()))
    }

    /// Where the server sends on to: an absolute URL, or one that is relative to this one.
    ///
    /// # Errors
    /// Where nobody follows.
    pub fn redirected(&self, location: &str) -> Result<Self, Refusal> {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let folder = self.uri.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        let (path, query) = location.split_at(location.find(['?', '#']).unwrap_or(location.len()));
        let to = if has_scheme(location) {
            location.to_owned()
        } else if location.starts_with("//") {
            format!("{scheme}:{location}")
        } else if location.starts_with('/') {
            format!("{}{}{query}", self.origin(), without_dots(path))
        } else if location.starts_with('?') {
            format!("{}{}{location}", self.origin(), self.uri.path())
        } else {
            format!("{}{}{query}", self.origin(), without_dots(&format!("{folder}/{path}")))
        };
        let mut to = Self::read(&to)?;
        if to.place() == self.place() && to.login().is_none() {
            to.uri = self.with(&to.uri)?;
        }
        match (self.scheme(), to.scheme()) {
            (Scheme::Https, Scheme::Http) => Err(Refusal::Downgrade),
            _ => Ok(to),
        }
    }

    /// Which server it is, and how it is spoken to.
    fn place(&self) -> (Scheme, String, u16) {
        (self.scheme(), self.host().to_ascii_lowercase(), self.port())
    }

    /// Whether it is on the same server, spoken to in the same way.
    pub fn is_at(&self, other: &Self) -> bool {
        self.place() == other.place()
    }

    /// Whether it is on the same host, at whichever port.
    pub fn is_on_host_of(&self, other: &Self) -> bool {
        self.host().eq_ignore_ascii_case(other.host())
    }

    /// Another place on this one's server, with its user and password.
    fn with(&self, to: &Uri) -> Result<Uri, Refusal> {
        let mut parts = to.clone().into_parts();
        parts.authority = self.uri.authority().cloned();
        Uri::from_parts(parts).map_err(|error| Refusal::Malformed(error.to_string()))
    }

    /// Scheme and server, with user and password: a redirect on the same server needs them too.
    fn origin(&self) -> String {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        format!("{scheme}://{authority}")
    }
}

/// User, password, host and port of a URL's text.
pub fn authority(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

/// The port behind a host, if one stands there. The library takes a number that does not fit for none.
pub fn port_of(authority: &str) -> Result<Option<u16>, Refusal> {
    let host = authority.rsplit('@').next().unwrap_or_default();
    let behind = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
    match behind.rsplit_once(':') {
        None | Some((_, "")) => Ok(None),
        Some((_, digits)) => port(digits).map(Some).ok_or_else(|| Refusal::Port(digits.to_owned())),
    }
}

/// Digits of a port that exists.
pub fn port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?.filter(|port| *port > 0)
}

/// A redirect as servers write it: blanks, and letters of any alphabet, are sent percent-encoded.
pub fn encoded(location: &[u8]) -> String {
    const KEPT: &AsciiSet =
        &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');
    percent_encode(location, KEPT).to_string()
}

/// RFC 3986, 5.2.4: `/a/./b` is `/a/b`, `/a/../b` is `/b`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if segments.peek().is_none() {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

/// RFC 3986, 3.1: a letter, then letters, digits, `+`, `-`, `.`, before a colon.
fn has_scheme(location: &str) -> bool {
    let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    location
        .split_once(':')
        .is_some_and(|(scheme, _)| scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && letters(scheme))
}

impl fmt::Display for Url {
    /// As [`shown`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(Path::new(&self.uri.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(Url::parse("https://u:p@h/x?token=1").unwrap().to_string(), "https://h/x");
    }

    #[test]
    fn only_what_can_be_fetched_is_a_url() {
        for text in ["file:///etc/passwd", "ftp://h/x", "FILE:///x", "", "h/x://"] {
            assert_eq!(Url::parse(text), Err(Refusal::Scheme), "{text}");
        }
        for text in ["https://", "http:///x", "https://h/a b", "https://h/a\nb", "http:x"] {
            Url::parse(text).unwrap_err();
        }
        for text in ["https://u:pa/ss@h/x", "https://u:1/ss@h/x", "http://u:p#s@h"] {
            assert_eq!(Url::parse(text), Err(Refusal::Password), "{text}");
        }
        assert_eq!(Url::parse("HTTPS://h/x").unwrap().scheme(), Scheme::Https);
        // Sent as it stands: the server knows what its files are called.
        Url::parse("https://h/\u{e4}").unwrap();
    }

    #[test]
    fn a_redirect_is_absolute_or_relative() {
        let from = Url::parse("http://u:p@h:81/a/b?q=1").unwrap();
        let cases = [
            ("https://other/x", "https://other/x"),
            ("//other/x?y#z", "http://other/x?y"),
            ("/x", "http://u:p@h:81/x"),
            ("x:1/y", "scheme"),
            ("./x:1", "http://u:p@h:81/a/x:1"),
            ("c", "http://u:p@h:81/a/c"),
            ("?r", "http://u:p@h:81/a/b?r"),
            ("../x?../y", "http://u:p@h:81/x?../y"),
            ("/a/../../x/.", "http://u:p@h:81/x/"),
            ("http://other:82/x@y", "http://other:82/x@y"),
            ("file:///etc/passwd", "scheme"),
        ];
        for (location, expected) in cases {
            let to = from.redirected(location).map(|to| to.uri().to_string());
            assert_eq!(to.unwrap_or_else(|_| "scheme".to_owned()), expected, "{location}");
        }
        let secure = Url::parse("https://h/a").unwrap();
        assert_eq!(secure.redirected("http://h/a"), Err(Refusal::Downgrade));
        assert_eq!(secure.redirected("/b").unwrap().scheme(), Scheme::Https);
    }

    #[test]
    fn a_port_that_does_not_exist_is_no_other_one() {
        let from = Url::parse("http://h/a").unwrap();
        for port in ["65536", "65616", "0", "00", "99999999999999999999", "4294967376"] {
            let refused = Err(Refusal::Port(port.to_owned()));
            for host in ["h", "[::1]", "u:p@h"] {
                assert_eq!(Url::parse(&format!("http://{host}:{port}/x")), refused, "{host}");
                assert_eq!(from.redirected(&format!("//{host}:{port}/x")), refused, "{host}");
            }
        }
        for port in ["+80", "-1", "0x50", "8 0"] {
            assert_eq!(from.redirected(&format!("http://h:{port}")), Err(Refusal::Port(port.to_owned())));
            Url::parse(&format!("http://h:{port}/x")).unwrap_err();
        }
        for (text, port) in
            [("http://h:/x", 80), ("https://[::1]/x", 443), ("http://h:0081/x", 81), ("http://h:65535", 65_535)]
        {
            assert_eq!(Url::parse(text).unwrap().port(), port, "{text}");
        }
    }

    #[test]
    fn a_zone_and_a_name_of_other_letters_are_refused_by_name() {
        for text in ["http://[fe80::1%25lo]/x", "http://[fe80::1%lo]/x", "http://u:p%25@[fe80::1%25lo]:80/x"] {
            assert!(matches!(Url::parse(text), Err(Refusal::Zone(_))), "{text}");
        }
        assert_eq!(Url::parse("http://b\u{e4}r/x"), Err(Refusal::Letters));
    }

    #[test]
    fn a_redirect_may_hold_blanks_and_any_letters() {
        let from = Url::parse("http://h/a").unwrap();
        for (location, expected) in [
            (&b"/my bundle"[..], "http://h/my%20bundle"),
            ("/b\u{fc}ndel%20x".as_bytes(), "http://h/b%C3%BCndel%20x"),
            (b"http://g/b\xfc?q=<a b>#c", "http://g/b%FC?q=%3Ca%20b%3E"),
        ] {
            assert_eq!(from.redirected(&encoded(location)).unwrap().uri().to_string(), expected);
        }
        assert_eq!(from.redirected(&encoded("http://b\u{fc}/".as_bytes())), Err(Refusal::Letters));
    }

    #[test]
    fn user_and_password_stay_with_their_server() {
        let from = Url::parse("http://u:p%40s%3A@h/a").unwrap();
        assert_eq!(from.login().as_deref(), Some(&b"u:p@s:"[..]));
        for (location, login) in [
            ("http://h/b", Some(&b"u:p@s:"[..])),
            ("http://H:80/b", Some(b"u:p@s:")),
            ("http://x:y@h/b", Some(b"x:y")),
            ("http://h:81/b", None),
            ("https://h/b", None),
            ("http://h.test/b", None),
            ("//g/b", None),
        ] {
            assert_eq!(from.redirected(location).unwrap().login().as_deref(), login, "{location}");
        }
        assert_eq!(from.redirected("http://h/b?c").unwrap().uri().to_string(), "http://u:p%40s%3A@h/b?c");
        assert_eq!(Url::parse("http://u@h/").unwrap().login().as_deref(), Some(&b"u:"[..]));
    }

    #[test]
    fn a_suffix_goes_before_the_query() {
        let image = Url::parse("https://h/a.raw?t=1").unwrap();
        assert_eq!(image.with_suffix(".manifest").unwrap().uri().to_string(), "https://h/a.raw.manifest?t=1");
    }
}
