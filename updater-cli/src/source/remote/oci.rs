//! A bundle in an OCI registry: an artifact of one layer, which is the bundle.
//!
//! ```text
//!  oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST]
//!     manifest  /v2/REPOSITORY/manifests/TAG        its digest is checked where it is named
//!       layer   /v2/REPOSITORY/blobs/sha256:..      the bundle, by ranges as from any server; it proves itself
//! ```
//! 1. A registry on this machine (localhost, 127.0.0.1, [::1]) is asked over http, any other over https.
//! 2. What a registry says is believed no more than any server: the bundle's own signatures and hashes judge.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::url::{Refusal, Url};

/// What the layer is.
pub const BUNDLE: &str = "application/vnd.libupdate.bundle.v1";
/// What a manifest is.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// What there is of an artifact that has no configuration.
#[cfg(any(test, feature = "push"))]
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// How these URLs begin.
pub const SCHEME: &str = "oci://";
/// Bytes of a manifest, at most.
pub const MANIFEST_BYTES: usize = 64 << 10;

/// Where an artifact is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    /// The registry, with user and password.
    origin: String,
    repository: String,
    tag: String,
    digest: Option<String>,
}

/// Why a text names no artifact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotOne {
    Repository,
    Tag,
    Digest,
    Host(Refusal),
}

impl fmt::Display for NotOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository => {
                f.write_str("a repository is small letters, digits, `.`, `_`, `-`, and `/` between its parts")
            }
            Self::Tag => f.write_str("a tag is at most 128 letters, digits, `.`, `_` and `-`"),
            Self::Digest => f.write_str("a digest is sha256: and 64 hex digits"),
            Self::Host(refusal) => refusal.fmt(f),
        }
    }
}

impl Reference {
    /// Reads `oci://..`.
    ///
    /// # Errors
    /// Which part is not as it has to be.
    pub fn parse(text: &str) -> Result<Self, NotOne> {
        let rest = text.strip_prefix(SCHEME).unwrap_or(text);
        let (authority, path) = rest.split_once('/').ok_or(NotOne::Repository)?;
        let (path, digest) = path.split_once('@').map_or((path, None), |(path, digest)| (path, Some(digest)));
        let (repository, tag) = path.rsplit_once(':').unwrap_or((path, "latest"));
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        let part = |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(letter);
        if repository.len() > 255 || !repository.split('/').all(part) {
            return Err(NotOne::Repository);
        }
        if !is_tag(tag) {
            return Err(NotOne::Tag);
        }
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(NotOne::Digest);
        }
        let scheme = if is_here(authority) { "http" } else { "https" };
        let origin = format!("{scheme}://{authority}");
        Url::parse(&origin).map_err(NotOne::Host)?;
        Ok(Self { origin, repository: repository.to_owned(), tag: tag.to_owned(), digest: digest.map(str::to_owned) })
    }

    /// Its manifest.
    ///
    /// # Errors
    /// None of a reference that was parsed.
    pub fn manifest(&self) -> Result<Url, Refusal> {
        self.url(&format!("manifests/{}", self.digest.as_deref().unwrap_or(&self.tag)))
    }

    /// A place of the repository.
    ///
    /// # Errors
    /// None of a reference that was parsed.
    pub fn url(&self, place: &str) -> Result<Url, Refusal> {
        Url::parse(&format!("{}/v2/{}/{place}", self.origin, self.repository))
    }

    /// The tag.
    #[cfg(feature = "push")]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The digest that the manifest must have, if it is named.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }
}

fn is_tag(tag: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=128).contains(&tag.len()) && !tag.starts_with(['.', '-']) && tag.chars().all(letter)
}

/// `sha256:` and 64 hex digits in small letters.
pub fn is_digest(text: &str) -> bool {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    text.strip_prefix("sha256:").is_some_and(|digits| digits.len() == 64 && digits.chars().all(hex))
}

fn is_here(authority: &str) -> bool {
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = if host.starts_with('[') { host.split_inclusive(']').next() } else { host.split(':').next() };
    let is_loopback = |host: &str| host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    host.is_some_and(|host| host.eq_ignore_ascii_case("localhost") || host == "[::1]" || is_loopback(host))
}

/// What an artifact consists of.
#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub schema_version: u32,
    pub media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

/// A manifest that leads to others.
#[derive(Deserialize)]
struct Several {
    #[serde(rename = "manifests")]
    _manifests: Vec<serde::de::IgnoredAny>,
}

/// One thing in a registry.
#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: String,
    pub size: u64,
}

impl Manifest {
    /// The bundle's blob.
    ///
    /// # Errors
    /// Why the manifest names none.
    pub fn bundle(text: &[u8]) -> Result<Descriptor, String> {
        if text.len() >= MANIFEST_BYTES {
            return Err(format!("its manifest has {MANIFEST_BYTES} bytes or more"));
        }
        if serde_json::from_slice::<Several>(text).is_ok() {
            return Err("it is a list of several: name one of them by its digest".to_owned());
        }
        let manifest: Self = serde_json::from_slice(text)
            .map_err(|error| format!("its manifest is not that of an artifact: {error}"))?;
        let mut layers = manifest.layers.into_iter().filter(|layer| layer.media_type == BUNDLE);
        match (layers.next(), layers.next()) {
            (Some(layer), None) if is_digest(&layer.digest) => Ok(layer),
            (Some(_), None) => Err("its manifest names the bundle by something else than a sha256 digest".to_owned()),
            (None, _) => Err(format!("it has no layer of the type {BUNDLE}")),
            (Some(_), Some(_)) => Err("it has more than one bundle".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Option<String> {
        Reference::parse(text).ok()?.manifest().ok().map(|url| url.uri().to_string())
    }

    #[test]
    fn references_are_those_of_registries() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let cases = [
            ("oci://r.example/team/box:1.4".to_owned(), Some("https://r.example/v2/team/box/manifests/1.4".to_owned())),
            ("oci://r.example:5000/box".to_owned(), Some("https://r.example:5000/v2/box/manifests/latest".to_owned())),
            ("oci://localhost:5000/box:a".to_owned(), Some("http://localhost:5000/v2/box/manifests/a".to_owned())),
            ("oci://[::1]:5000/box:a".to_owned(), Some("http://[::1]:5000/v2/box/manifests/a".to_owned())),
            (
                format!("oci://u:p@r.example/box:a@{digest}"),
                Some(format!("https://u:p@r.example/v2/box/manifests/{digest}")),
            ),
            ("oci://r.example".to_owned(), None),
            ("oci://r.example/".to_owned(), None),
            ("oci://r.example/Box".to_owned(), None),
            ("oci://r.example/a/../b".to_owned(), None),
            ("oci://r.example/a?x:1".to_owned(), None),
            ("oci://r.example/box:".to_owned(), None),
            ("oci://r.example/box:-x".to_owned(), None),
            ("oci://r.example/box@sha256:0a".to_owned(), None),
            (
                "oci://127.evil.example/box".to_owned(),
                Some("https://127.evil.example/v2/box/manifests/latest".to_owned()),
            ),
            ("oci://127.0.0.1:5/box".to_owned(), Some("http://127.0.0.1:5/v2/box/manifests/latest".to_owned())),
            (
                "oci://localhost.evil.example/box".to_owned(),
                Some("https://localhost.evil.example/v2/box/manifests/latest".to_owned()),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(place(&text), expected, "{text}");
        }
    }

    #[test]
    fn one_layer_is_the_bundle() {
        let layer = |media: &str, digest: &str| format!(r#"{{"mediaType":"{media}","digest":"{digest}","size":7}}"#);
        let digest = format!("sha256:{}", "0a".repeat(32));
        let manifest = |layers: &[String]| {
            let config = layer(EMPTY, &digest);
            format!(
                r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{}],"annotations":{{}}}}"#,
                layers.join(",")
            )
        };
        let bundle = layer(BUNDLE, &digest);
        let found = |layers: &[String]| Manifest::bundle(manifest(layers).as_bytes()).map(|layer| layer.digest);
        assert_eq!(found(&[layer("text/plain", &digest), bundle.clone()]), Ok(digest.clone()));
        assert!(found(&[]).unwrap_err().contains("no layer"));
        assert!(found(&[bundle.clone(), bundle]).unwrap_err().contains("more than one"));
        assert!(found(&[layer(BUNDLE, "sha256:../../x")]).unwrap_err().contains("sha256"));
        assert!(Manifest::bundle(b"{\"manifests\":[]}").unwrap_err().contains("a list of several"));
        assert!(Manifest::bundle(b"[1]").unwrap_err().contains("not that of an artifact"));
        assert!(Manifest::bundle(&[b' '; MANIFEST_BYTES]).unwrap_err().contains("bytes or more"));
    }
}
