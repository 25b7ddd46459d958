//! Which servers are called without the proxy: what `NO_PROXY` holds, in every form in which other tools take it.
//!
//! ```text
//!  *                              every server
//!  example.com   .example.com     the host of this name, and every one below it; also `*.example.com`, and with a dot at the end
//!  *ample.com    10.*             names that end or begin so; `10.` too
//!  127.0.0.1  ::1  [::1]          the address, however it is written
//!  10.0.0.0/8    fd00::/8         every address of the network
//!  any of them:8080               only at this port; around an IPv6 address stand brackets then
//! ```
//! Entries stand between commas and blanks. Upper and lower case are the same. A host's name is never looked up for its address.

use std::net::IpAddr;

use super::url::{Url, port};

/// Servers that are called without the proxy.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Bypass(Vec<Entry>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Hosts {
    All,
    /// A name, and all below it.
    Domain(String),
    Beginning(String),
    Ending(String),
    /// An address, and how many of its bits count.
    Network(IpAddr, u8),
}

impl Bypass {
    /// What a variable holds, and what of it nobody understands.
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let (mut entries, mut strange) = (Vec::new(), Vec::new());
        let words = text.split(|sign: char| sign == ',' || sign.is_whitespace()).filter(|word| !word.is_empty());
        for word in words {
            match Entry::parse(&word.to_ascii_lowercase()) {
                Some(entry) => entries.push(entry),
                None => strange.push(word.to_owned()),
            }
        }
        (Self(entries), strange)
    }

    /// The same with more.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether the server is called without the proxy.
    pub fn covers(&self, url: &Url) -> bool {
        let host = url.host().trim_end_matches('.').to_ascii_lowercase();
        self.0.iter().any(|entry| entry.port.is_none_or(|port| port == url.port()) && entry.hosts.hold(&host))
    }
}

impl Entry {
    fn parse(word: &str) -> Option<Self> {
        // An IPv6 address without brackets is all colons, and none of them is a port's.
        if let Some(hosts) = Hosts::parse(word) {
            return Some(Self { hosts, port: None });
        }
        let (hosts, digits) = word.rsplit_once(':')?;
        let hosts = Hosts::parse(hosts).filter(|_| !hosts.contains(':') || hosts.starts_with('['))?;
        Some(Self { hosts, port: Some(port(digits)?) })
    }
}

impl Hosts {
    fn parse(word: &str) -> Option<Self> {
        if word == "*" {
            return Some(Self::All);
        }
        if let Some(network) = network(word) {
            return Some(network);
        }
        let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if let Some(ending) = word.strip_prefix('*').filter(|ending| !ending.starts_with('.')) {
            return is_name(ending).then(|| Self::Ending(ending.to_owned()));
        }
        if let Some(beginning) =
            word.strip_suffix('*').or(Some(word).filter(|word| word.ends_with('.') && numeric(word)))
        {
            return is_name(beginning).then(|| Self::Beginning(beginning.to_owned()));
        }
        let name = word.strip_prefix("*.").or_else(|| word.strip_prefix('.')).unwrap_or(word);
        let name = name.strip_suffix('.').unwrap_or(name);
        // No name ends in a number: that would be an address, which was not understood.
        let last_is_numeric = name.rsplit('.').next().is_some_and(numeric);
        (is_name(name) && !last_is_numeric).then(|| Self::Domain(name.to_owned()))
    }

    fn hold(&self, host: &str) -> bool {
        match self {
            Self::All => true,
            Self::Domain(name) => {
                host.strip_suffix(name.as_str()).is_some_and(|front| front.is_empty() || front.ends_with('.'))
            }
            Self::Beginning(text) => host.starts_with(text.as_str()),
            Self::Ending(text) => host.ends_with(text.as_str()),
            Self::Network(network, bits) => address(host).is_some_and(|host| same_bits(host, *network, *bits)),
        }
    }
}

/// Labels of letters, digits, `-` and `_`.
fn is_name(name: &str) -> bool {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && name.bytes().all(sign) && !name.contains("..") && !name.starts_with('.')
}

/// `10.0.0.0/8`, `[fd00::]/8`, or one address.
fn network(word: &str) -> Option<Hosts> {
    let (text, bits) = word.split_once('/').map_or((word, None), |(text, bits)| (text, Some(bits)));
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let network: IpAddr = plain.split('%').next()?.parse().ok()?;
    let most = if network.is_ipv4() { 32 } else { 128 };
    let digits = |bits: &&str| bits.len() <= 3 && bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits: u8 = bits.map_or(Some(most), |bits| Some(bits).filter(digits)?.parse().ok())?;
    (bits <= most).then(|| match (network, network.to_canonical()) {
        // `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
        (IpAddr::V6(_), canonical @ IpAddr::V4(_)) if bits >= 96 => Hosts::Network(canonical, bits.saturating_sub(96)),
        _ => Hosts::Network(network, bits),
    })
}

fn address(host: &str) -> Option<IpAddr> {
    let plain = host.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(host);
    plain.split('%').next()?.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn same_bits(one: IpAddr, other: IpAddr, bits: u8) -> bool {
    let (one, other, width) = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u128::from(one.to_bits()), u128::from(other.to_bits()), 32_u32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
        _ => return false,
    };
    // All of the bits may be too many to shift by.
    (one ^ other).checked_shr(width.saturating_sub(bits.into())).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(list: &str, url: &str) -> bool {
        let (bypass, strange) = Bypass::parse(list);
        assert!(strange.is_empty(), "{list}: {strange:?}");
        bypass.covers(&Url::parse(url).unwrap())
    }

    #[test]
    fn each_form_names_its_servers() {
        for (list, yes, no) in [
            (
                "example.com",
                &["http://example.com/", "http://a.b.EXAMPLE.com", "http://example.com."][..],
                &["http://xexample.com"][..],
            ),
            (
                ".example.com",
                &["http://a.example.com", "http://example.com"],
                &["http://xexample.com", "http://example.org"],
            ),
            ("*.Example.COM.", &["http://a.example.com"], &["http://example.co"]),
            ("*ample.com", &["http://example.com"], &["http://ample.org"]),
            ("127.0.0.1", &["http://127.0.0.1:81"], &["http://127.0.0.11", "http://1.127.0.0.1.test"]),
            ("10.*,192.168.", &["http://10.1.2.3", "http://192.168.7.8"], &["http://110.1.2.3", "http://192.16.8.1"]),
            (
                "10.16.0.0/12",
                &["http://10.16.0.1", "http://10.31.255.255"],
                &["http://10.32.0.0", "http://[::1]", "http://h"],
            ),
            ("0.0.0.0/0", &["http://1.2.3.4", "http://[::ffff:1.2.3.4]"], &["http://[::1]", "http://h"]),
            ("::1", &["http://[::1]/", "http://[0:0::0:1]:8080"], &["http://[::2]", "http://127.0.0.1"]),
            ("[::1]", &["http://[::1]"], &["http://[::2]"]),
            ("[::1]:8080", &["http://[::1]:8080"], &["http://[::1]:80", "http://[::1]"]),
            (
                "fd00::/8 [fe80::]/10",
                &["http://[fdab::1]", "http://[FE80::1]"],
                &["http://[fc00::1]", "http://127.0.0.1"],
            ),
            ("::ffff:10.0.0.0/104", &["http://10.1.2.3"], &["http://11.1.2.3"]),
            ("::/0", &["http://[2001:db8::1]"], &["http://1.2.3.4"]),
            ("h:443", &["https://h/", "http://h:443"], &["http://h", "https://h:444"]),
            (
                "10.0.0.0/8:81,.x.test:82",
                &["http://10.0.0.1:81", "http://a.x.test:82"],
                &["http://10.0.0.1", "http://x.test"],
            ),
            (" a , b\tc ,,", &["http://a", "http://b", "http://c"], &["http://d"]),
            ("*", &["http://h", "http://[::1]"], &[]),
            ("", &[], &["http://h"]),
            ("my_host,xn--bndel-kva.test", &["http://my_host", "http://xn--bndel-kva.test"], &["http://host"]),
        ] {
            yes.iter().for_each(|url| assert!(covers(list, url), "{list}: {url}"));
            no.iter().for_each(|url| assert!(!covers(list, url), "{list}: {url}"));
        }
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for word in [
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/255.0.0.0",
            "fd00::/129",
            "10.0.0.0/-8",
            "10.0.0.0/0x8",
            "300.1.1.1",
            "1.2.3",
            "http://h",
            "h:99999",
            "h:",
            "h:0",
            "h:+1",
            "<local>",
            "a..b",
            "a*b",
            ".",
            "**",
            "[::1",
            "b\u{e4}r",
            "10.0.0.1-10.0.0.9",
            "::1:99999:1:2:3:4:5:6:7",
        ] {
            let (bypass, strange) = Bypass::parse(&format!("a.test,{word}"));
            assert_eq!((strange.as_slice(), bypass.0.len()), (&[word.to_owned()][..], 1), "{word}");
        }
    }
}
