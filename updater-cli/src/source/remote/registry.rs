//! A bundle put into an OCI registry: its blob, the empty configuration, and the manifest that names both, last.
//!
//! ```text
//!  HEAD blobs/sha256:..   it is there already ─► nothing to send
//!  POST blobs/uploads/    ─► Location ─► PUT Location?digest=sha256:..
//!  PUT  manifests/TAG
//! ```
//! A run that ends early leaves a blob that nothing names; running again does not send it again.

use std::io::Read;

use libupdate::units::bytes::len_u64;
use ureq::Body;
use ureq::http::{Method, Response, StatusCode, header};

use super::fault::Fault;
use super::oci::{BUNDLE, Descriptor, EMPTY, MANIFEST, Manifest, Reference};
use super::server::{Sent, Server};
use super::url::{Url, encoded};

/// The whole of an artifact's empty configuration.
const NOTHING: &[u8] = b"{}";

/// A registry that takes an artifact.
pub struct Registry {
    server: Server,
    reference: Reference,
}

impl Registry {
    /// Asks nothing yet.
    pub const fn new(server: Server, reference: Reference) -> Self {
        Self { server, reference }
    }

    /// Puts the file there, whose digest and length these are, and names it. Gives the manifest.
    ///
    /// # Errors
    /// What the registry, or the way to it, says.
    pub fn put(&mut self, body: &mut dyn Read, digest: &str, size: u64) -> Result<Vec<u8>, Fault> {
        self.put_blob(digest, Sent::Stream(size, body))?;
        let empty = format!("sha256:{}", libupdate::Digest::of(&[NOTHING]));
        self.put_blob(&empty, Sent::Bytes("application/octet-stream", NOTHING))?;
        let bundle = Descriptor { media_type: BUNDLE.to_owned(), digest: digest.to_owned(), size };
        let config = Descriptor { media_type: EMPTY.to_owned(), digest: empty, size: len_u64(NOTHING) };
        let (media_type, artifact_type) = (Some(MANIFEST.to_owned()), Some(BUNDLE.to_owned()));
        let manifest = Manifest { schema_version: 2, media_type, artifact_type, config, layers: vec![bundle] };
        let text = serde_json::to_vec(&manifest).map_err(|error| Fault::lasting(error.to_string(), "report it"))?;
        let url = self.url(&format!("manifests/{}", self.reference.tag()))?;
        let answer = self.server.exchange(&Method::PUT, &url, Sent::Bytes(MANIFEST, &text))?;
        expect(&answer, StatusCode::CREATED)?;
        Ok(text)
    }

    fn put_blob(&mut self, digest: &str, sent: Sent<'_>) -> Result<(), Fault> {
        let there = self.url(&format!("blobs/{digest}"))?;
        let status = self.server.exchange(&Method::HEAD, &there, Sent::Nothing)?.status();
        // Some say where it is.
        if status.is_success() || status.is_redirection() {
            return Ok(());
        }
        let uploads = self.url("blobs/uploads/")?;
        let answer = self.server.exchange(&Method::POST, &uploads, Sent::Bytes("application/octet-stream", &[]))?;
        expect(&answer, StatusCode::ACCEPTED)?;
        let next = "ask who keeps the registry";
        let location = answer.headers().get(header::LOCATION).map(|location| encoded(location.as_bytes().trim_ascii()));
        let location = location.ok_or_else(|| Fault::lasting("the registry does not say where to send it", next))?;
        let joint = if location.contains('?') { '&' } else { '?' };
        let to = uploads.redirected(&format!("{location}{joint}digest={digest}"));
        let answer = self.server.exchange(&Method::PUT, &to.map_err(|refusal| Fault::redirect(&refusal))?, sent)?;
        expect(&answer, StatusCode::CREATED)
    }

    fn url(&self, place: &str) -> Result<Url, Fault> {
        self.reference.url(place).map_err(|refusal| Fault::lasting(refusal.to_string(), "check the reference"))
    }
}

fn expect(answer: &Response<Body>, status: StatusCode) -> Result<(), Fault> {
    if answer.status() == status { Ok(()) } else { Err(Fault::of_push(answer.status())) }
}
