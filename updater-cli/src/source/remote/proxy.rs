//! The proxy that the environment names, and the servers that are called without it.
//!
//! 1. For https the first that is set of `https_proxy`, `all_proxy`, `http_proxy`; for http of `http_proxy`, `all_proxy`, `https_proxy`.
//! 2. Each name in small letters first, then in large ones. An empty one is not set. One that cannot be understood ends the act.
//! 3. `no_proxy` and `NO_PROXY` count both: [`Bypass`].

use std::env;

use ureq::{Proxy, ProxyProtocol};

use super::bypass::Bypass;
use super::fault::Fault;
use super::url::{Scheme, Url, authority, port_of};

/// What the environment says.
#[derive(Clone, Debug)]
pub struct Proxies {
    http: Option<Named>,
    https: Option<Named>,
    bypass: Bypass,
    /// Entries that nobody understands, each with its variable.
    strange: Vec<String>,
}

/// A variable and what it holds.
#[derive(Clone, Debug)]
struct Named {
    variable: String,
    value: String,
}

/// Who is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Way {
    /// The server.
    Direct,
    /// The proxy.
    Through(Proxy),
}

impl Proxies {
    /// Of this process.
    pub fn of_environment() -> Self {
        let first = |names: [&str; 3]| names.into_iter().find_map(named);
        let (http, https) =
            (first(["http_proxy", "all_proxy", "https_proxy"]), first(["https_proxy", "all_proxy", "http_proxy"]));
        let (mut bypass, mut strange) = (Bypass::default(), Vec::new());
        for variable in ["no_proxy", "NO_PROXY"] {
            let value = env::var_os(variable).unwrap_or_default();
            let (more, words) = Bypass::parse(&value.to_string_lossy());
            bypass.extend(more);
            strange.extend(words.into_iter().map(|word| format!("{variable} holds {word:?}")));
        }
        Self { http, https, bypass, strange }
    }

    /// What of it nobody understands, if a proxy is named at all.
    pub fn strange(&self) -> &[String] {
        if self.http.is_some() { &self.strange } else { &[] }
    }

    /// Who is called for a URL.
    ///
    /// # Errors
    /// Where the environment names a proxy that this program cannot speak to.
    pub fn way(&self, url: &Url) -> Result<Way, Fault> {
        let named = match url.scheme() {
            Scheme::Http => &self.http,
            Scheme::Https => &self.https,
        };
        let Some(Named { variable, value }) = named.as_ref().filter(|_| !self.bypass.covers(url)) else {
            return Ok(Way::Direct);
        };
        // The library takes a port that does not fit for none.
        let port = port_of(authority(value).unwrap_or(value));
        let proxy = port.ok().and_then(|_| Proxy::new(value).ok()).ok_or_else(|| Fault::proxy(variable))?;
        match proxy.protocol() {
            ProxyProtocol::Http | ProxyProtocol::Https => Ok(Way::Through(proxy)),
            _ => Err(Fault::socks(variable)),
        }
    }
}

/// The variable, in small letters or in large ones.
fn named(name: &str) -> Option<Named> {
    [name.to_owned(), name.to_ascii_uppercase()].into_iter().find_map(|variable| {
        let value = env::var_os(&variable)?.to_string_lossy().trim().to_owned();
        (!value.is_empty()).then_some(Named { variable, value })
    })
}

impl Way {
    /// As messages call who is called.
    pub fn words(&self, url: &Url) -> String {
        match self {
            Self::Direct => url.host().to_owned(),
            Self::Through(proxy) => format!("the proxy {}", proxy.host()),
        }
    }

    /// Whether TLS is spoken on it even to a server that speaks none.
    pub fn speaks_tls(&self) -> bool {
        matches!(self, Self::Through(proxy) if proxy.protocol() == ProxyProtocol::Https)
    }

    /// For the library.
    pub fn proxy(&self) -> Option<Proxy> {
        match self {
            Self::Direct => None,
            Self::Through(proxy) => Some(proxy.clone()),
        }
    }
}
