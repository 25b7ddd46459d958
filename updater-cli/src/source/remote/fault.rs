//! What goes wrong between here and a server: in words, with what helps, and whether it may be right a moment later.

use std::io;
use std::time::Duration;

use rustls::CertificateError as Certificate;
use ureq::Timeout;
use ureq::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::identity::Mismatch;
use super::url::{Refusal, Url};
use crate::exit::{Exit, Failure};

/// A file that does not come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What becomes of it.
    pub outlook: Outlook,
    /// How long the server wants to be left alone, if it says so.
    pub wait: Option<Duration>,
    why: String,
    next: String,
}

/// What becomes of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outlook {
    /// It may go away by itself.
    Passing,
    /// It stays until somebody does something.
    Lasting,
    /// There is no such file.
    Missing,
}

/// No server is waited for that wants to be left alone for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
const AGAIN: &str = "see whether the server and the network work, then run the same command again, it resumes";

impl Fault {
    fn new(outlook: Outlook, why: impl Into<String>, next: impl Into<String>) -> Self {
        Self { outlook, wait: None, why: why.into(), next: next.into() }
    }

    /// One that may go away by itself.
    pub fn passing(why: impl Into<String>) -> Self {
        Self::new(Outlook::Passing, why, AGAIN)
    }

    /// One that stays.
    pub fn lasting(why: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Outlook::Lasting, why, next)
    }

    /// The same, of something that `what` names.
    pub fn of(self, what: &str) -> Self {
        Self { why: format!("{what}: {}", self.why), ..self }
    }

    /// What a registry answers that does not take a bundle.
    #[cfg(feature = "push")]
    pub fn of_push(status: StatusCode) -> Self {
        let why = |text: &str| format!("{text} (HTTP status {})", status.as_u16());
        match status.as_u16() {
            401 | 403 => {
                Self::lasting(why("the registry refuses"), "check the reference, its user and its password or token")
            }
            413 => Self::lasting(
                why("the bundle is too large for the registry, or for a proxy before it"),
                "have them take it",
            ),
            _ => Self::lasting(
                why("the registry does not take it"),
                "see whether the registry works, then run the same command again",
            ),
        }
    }

    /// The same with other words for what to do.
    #[cfg(feature = "push")]
    pub fn then(self, next: &str) -> Self {
        Self { next: next.to_owned(), ..self }
    }

    /// A redirect that nobody follows.
    pub fn redirect(refusal: &Refusal) -> Self {
        let why = format!("the server redirects to another place, which is not followed: {refusal}");
        Self::lasting(why, "ask who keeps the server, or give the URL that it should lead to")
    }

    /// The words for it.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// As the program ends with it.
    pub fn failure(self, url: &Url) -> Failure {
        Failure::new(Exit::Network, format!("cannot fetch {url}"), self.why, self.next)
    }

    /// What an answer without a file means.
    pub fn answer(status: StatusCode, headers: &HeaderMap) -> Self {
        // Seconds; the header's other form, a date, would need clocks that agree.
        let wait = headers.get(header::RETRY_AFTER).and_then(|value| seconds(value.to_str().ok()?));
        let fault = Self { wait: wait.map(Duration::from_secs), ..Self::status(status) };
        match fault.wait {
            Some(wait) if wait > LONGEST_WAIT && fault.outlook == Outlook::Passing => {
                let why = format!("the server asks to wait {} s (HTTP status {})", wait.as_secs(), status.as_u16());
                Self::lasting(why, "run the same command again then, it resumes")
            }
            _ => fault,
        }
    }

    fn status(status: StatusCode) -> Self {
        let why = |text: &str| format!("{text} (HTTP status {})", status.as_u16());
        match status.as_u16() {
            404 | 410 => Self::new(Outlook::Missing, why("the server has no such file"), "check the URL"),
            401 | 403 => Self::lasting(why("the server refuses"), "check the URL, its user and its password or token"),
            407 => Self::password(),
            408 | 429 => Self::passing(why("the server asks to wait")),
            511 => Self::lasting(why("the network wants you to sign in"), "sign in, then run the same command again"),
            500..=599 => Self::passing(why("the server failed")),
            _ => Self::lasting(why("the server does not give the file"), "check the URL"),
        }
    }

    fn password() -> Self {
        let next = "give them where the proxy is named: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT";
        Self::lasting("the proxy wants a user and a password", next)
    }

    /// The proxy in the environment speaks something that this program does not.
    pub fn socks(variable: &str) -> Self {
        let next = format!("unset {variable}, or name one that speaks http in its place");
        Self::lasting(format!("{variable} names a SOCKS proxy, which is not supported"), next)
    }

    /// An environment variable names no proxy that can be understood.
    pub fn proxy(variable: &str) -> Self {
        Self::lasting(
            format!("{variable} holds no URL of a proxy"),
            "let it be http://HOST:PORT with a port up to 65535, or unset it",
        )
    }

    /// There is another file than the one whose front has come.
    pub fn changed() -> Self {
        let why = "the file on the server changed while it was fetched";
        Self::lasting(why, "run the same command again: it takes the file that is there now")
    }

    /// The file that the server has ends before the bundle does.
    pub fn short() -> Self {
        let next = "see whether all of the file is on the server, then run the same command again, it resumes";
        Self::new(Outlook::Passing, "the file on the server ends before the bundle does", next)
    }

    /// The answer has no bytes.
    pub fn empty() -> Self {
        Self::lasting("the server sent an empty file", "see whether the file is on the server, and check the URL")
    }

    /// The server, or who answers in its place, sent `what` for people or other programs.
    pub fn page(what: &str) -> Self {
        let next = "check the URL in a browser: a network may want you to sign in first, or a server to log in; then run the same \
                    command again";
        Self::lasting(format!("the server sent {what}, not the bundle"), next)
    }

    /// The file does not come as it is.
    pub fn coding(coding: &HeaderValue) -> Self {
        let why = format!("the server sends the file with Content-Encoding {coding:?}, which was not asked for");
        Self::lasting(why, "store it there as it is, without that encoding")
    }

    /// What a proxy says that does not connect.
    fn connect(why: &str) -> Self {
        let status = why.rsplit('/').next().and_then(|status| status.parse::<u16>().ok());
        match status {
            // Some say the server's word for it.
            Some(401 | 407) => Self::password(),
            Some(status @ (400..=407 | 409..=428 | 430..=499)) => {
                let why = format!("the proxy refuses to connect (HTTP status {status})");
                Self::lasting(why, "have it allow CONNECT to the server's port, or name the server in NO_PROXY")
            }
            _ => Self::passing(format!("the proxy does not connect: {why}")),
        }
    }
}

impl From<Mismatch> for Fault {
    fn from(mismatch: Mismatch) -> Self {
        match mismatch {
            Mismatch::Changed => Self::changed(),
            Mismatch::Nonsense => {
                let why = "the server answers a range that was not asked for";
                Self::lasting(why, "ask who keeps the server, or a proxy before it")
            }
            Mismatch::Over | Mismatch::Short => Self::short(),
            // The network may be another one a moment later.
            Mismatch::Page => Self { outlook: Outlook::Passing, ..Self::page("a web page") },
        }
    }
}

/// More than fits is still a long time.
fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// What the connection, or the way to it, says: `next` is who is called, the server or a proxy.
pub fn of_ureq(error: ureq::Error, url: &Url, next: &str) -> Fault {
    use ureq::Error as E;
    let host = url.host();
    match error {
        E::HostNotFound => Fault::passing(format!("no address is known for {next}")),
        E::Timeout(Timeout::Connect | Timeout::Resolve) => Fault::passing(format!("{next} does not answer")),
        E::Timeout(_) => Fault::passing("the server stalls: it sent nothing for as long as --timeout says"),
        E::Io(error) => of_io(error, host, next),
        E::Rustls(error) => of_tls(&error, host),
        E::Tls(text) => Fault::lasting(format!("no TLS with {host}: {text}"), "check the URL"),
        E::ConnectProxyFailed(why) => Fault::connect(&why),
        error => Fault::passing(error.to_string()),
    }
}

fn of_io(error: io::Error, host: &str, next: &str) -> Fault {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return of_tls(tls, host);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Fault::passing(format!("{next} refuses the connection")),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Fault::passing("the connection was cut")
        }
        // The resolver's: its words are the system's.
        _ => Fault::passing(format!("no connection to {next}: {error}")),
    }
}

fn of_tls(error: &rustls::Error, host: &str) -> Fault {
    let rustls::Error::InvalidCertificate(kind) = error else {
        return match error {
            rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
                Fault::lasting(format!("{host} does not speak TLS there"), "check the URL: is it an http:// one?")
            }
            rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(_) => {
                Fault::lasting(format!("no TLS with {host}: {error}"), "check the URL; the server wants another TLS")
            }
            // Bytes that turned on the way.
            _ => Fault::passing(format!("TLS with {host} failed: {error}")),
        };
    };
    let why = |text: &str| format!("the certificate of {host} {text}");
    match kind {
        // The second: by one that took a trusted one's name.
        Certificate::UnknownIssuer | Certificate::BadSignature => Fault::lasting(
            why("is not signed by an authority that is trusted here"),
            "give the authority's certificate with --ca FILE, or install the system's (ca-certificates)",
        ),
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            Fault::lasting(why("has expired"), "check this device's clock; else the server needs a new certificate")
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            Fault::lasting(why("is not valid yet"), "check this device's clock")
        }
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            Fault::lasting(why("is for another name"), "check the URL: somebody else may answer in the server's place")
        }
        other => Fault::lasting(why(&format!("is not valid: {other}")), "ask who keeps the server"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> Url {
        Url::parse("https://u:p@h/x").unwrap()
    }

    #[test]
    fn each_status_has_its_outlook() {
        for (code, outlook) in [
            (404, Outlook::Missing),
            (410, Outlook::Missing),
            (401, Outlook::Lasting),
            (403, Outlook::Lasting),
            (418, Outlook::Lasting),
            (304, Outlook::Lasting),
            (408, Outlook::Passing),
            (429, Outlook::Passing),
            (500, Outlook::Passing),
            (503, Outlook::Passing),
            (511, Outlook::Lasting),
        ] {
            let fault = Fault::status(StatusCode::from_u16(code).unwrap());
            assert_eq!(fault.outlook, outlook, "{code}");
            assert!(fault.why().contains(&code.to_string()) && !fault.next.is_empty(), "{fault:?}");
        }
    }

    #[test]
    fn a_server_says_how_long_to_wait_or_nothing_that_is_understood() {
        for (value, wait) in [
            ("7", Some(7)),
            ("-1", None),
            ("+5", None),
            ("0x10", None),
            ("", None),
            ("Sun, 22 Nov 2026 19:00:00 GMT", None),
            ("600", Some(600)),
        ] {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
            let fault = Fault::answer(StatusCode::SERVICE_UNAVAILABLE, &headers);
            assert_eq!((fault.wait, fault.outlook), (wait.map(Duration::from_secs), Outlook::Passing), "{value}");
        }
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, "99999999999999999999".parse().unwrap())]);
        assert_eq!(Fault::answer(StatusCode::SERVICE_UNAVAILABLE, &headers).outlook, Outlook::Lasting);
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, "601".parse().unwrap())]);
        let fault = Fault::answer(StatusCode::TOO_MANY_REQUESTS, &headers);
        assert!(fault.outlook == Outlook::Lasting && fault.why().contains("wait 601 s"), "{fault:?}");
        assert_eq!(Fault::answer(StatusCode::NOT_FOUND, &headers).outlook, Outlook::Missing);
    }

    #[test]
    fn a_certificate_is_never_asked_twice_for() {
        let tls = |kind| {
            let inner = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(kind));
            of_ureq(ureq::Error::Io(inner), &url(), "h")
        };
        for (kind, word) in [
            (Certificate::UnknownIssuer, "authority"),
            (Certificate::BadSignature, "authority"),
            (Certificate::Expired, "expired"),
            (Certificate::NotValidYet, "yet"),
            (Certificate::NotValidForName, "another name"),
            (Certificate::Revoked, "not valid"),
        ] {
            let fault = tls(kind);
            assert!(fault.outlook == Outlook::Lasting && fault.why().contains(word), "{fault:?}");
        }
    }

    #[test]
    fn a_proxy_that_refuses_goes_on_refusing() {
        for (why, outlook) in [
            ("proxy server responded 403/403", Outlook::Lasting),
            ("proxy server responded 407/407", Outlook::Lasting),
            ("proxy server responded 429/429", Outlook::Passing),
            ("proxy server responded 502/502", Outlook::Passing),
            ("proxy server did not respond", Outlook::Passing),
        ] {
            let fault = of_ureq(ureq::Error::ConnectProxyFailed(why.to_owned()), &url(), "the proxy p");
            assert_eq!(fault.outlook, outlook, "{fault:?}");
        }
    }

    #[test]
    fn a_cut_passes() {
        for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionRefused] {
            assert_eq!(of_ureq(ureq::Error::Io(kind.into()), &url(), "h").outlook, Outlook::Passing);
        }
        let failure = of_ureq(ureq::Error::HostNotFound, &url(), "h").failure(&url());
        assert_eq!((failure.code, failure.what.as_str()), (Exit::Network, "cannot fetch https://h/x"));
    }
}
