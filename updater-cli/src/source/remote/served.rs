//! The parts of a bundle that a server gives: the bundle, or a raw image and its detached head; or what is sent in their place.

use std::io;
#[cfg(feature = "push")]
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::credentials::Credentials;
use super::download::Patience;
use super::fault::{Fault, Outlook};
use super::oci::{MANIFEST_BYTES, Manifest, Reference, SCHEME};
use super::proxy::Proxies;
#[cfg(feature = "push")]
use super::registry::Registry;
#[cfg(feature = "push")]
use super::server::Server;
use super::server::Speech;
use super::url::{Refusal, Url};
use super::{How, Remote, authorities, page};
use libupdate::Digest;

use crate::cli::{self, Fetch};
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::source::{HEAD, MAGIC, Part, padding, shown};

/// Asks for what the user named, and for its head where it is an image.
pub fn parts(path: &Path, fetch: &Fetch, session: &Session) -> Result<Vec<Part>, Failure> {
    let refused = |refusal: Refusal| {
        let what = format!("cannot fetch {}", shown(path));
        Failure::new(Exit::Usage, what, refusal, "give it as https://HOST/PATH, or fetch it with another program")
    };
    let text = path.to_string_lossy();
    if text.starts_with(SCHEME) {
        return artifact(path, fetch, session);
    }
    let url = Url::parse(&text).map_err(refused)?;
    let how = how(fetch, &url, Speech::Web, session)?;
    let open = |url: &Url| open(url, &how, session);
    let image = open(&url)?.map_err(|fault| fault.failure(&url))?;
    let front = image.front();
    if front.starts_with(MAGIC) {
        return Ok(vec![image.into()]);
    }
    if front.is_empty() {
        return Err(Fault::empty().failure(&url));
    }
    if let Some(page) = page::seen(image.media(), front) {
        return Err(Fault::page(&page).failure(&url));
    }
    let head_url = url.with_suffix(HEAD).map_err(refused)?;
    let none = || match page::called(image.media()) {
        Some(page) => Fault::page(&page).failure(&url),
        None => no_head(&url.to_string(), &head_url.to_string()),
    };
    let head = open(&head_url)?.map_err(|fault| match fault.outlook {
        Outlook::Missing => none(),
        Outlook::Passing | Outlook::Lasting => fault.failure(&head_url),
    })?;
    // Some servers have an answer for every name.
    if !head.front().starts_with(MAGIC) {
        return Err(none());
    }
    let zeros = padding(image.len().unwrap_or_default());
    Ok(vec![head.into(), image.into(), Part::Zeros(zeros)])
}

fn open(url: &Url, how: &How, session: &Session) -> Result<Result<Remote, Fault>, Failure> {
    Remote::open(url.clone(), how, session).map_err(|error| stopped(url, &error))
}

fn stopped(url: &Url, error: &io::Error) -> Failure {
    let code = if error.kind() == io::ErrorKind::Interrupted { Exit::Interrupted } else { Exit::Io };
    Failure::new(code, format!("cannot fetch {url}"), error, "run the same command again")
}

/// The bundle that a registry has.
fn artifact(path: &Path, fetch: &Fetch, session: &Session) -> Result<Vec<Part>, Failure> {
    let reference = reference(path)?;
    let url = reference.manifest().map_err(|refusal| unfit(path, &refusal))?;
    let mut how = how(fetch, &url, Speech::Manifest, session)?;
    let text = whole(&url, &how, session)?;
    let wrong = |why: String| {
        Failure::new(
            Exit::NotAuthentic,
            format!("cannot use {}", shown(path)),
            why,
            "push it with `bundle push`, or name another one",
        )
    };
    let found = format!("sha256:{}", Digest::of(&[&text]));
    if let Some(named) = reference.digest().filter(|named| *named != found) {
        return Err(wrong(format!("its manifest has the digest {found}, not {named}")));
    }
    let bundle = Manifest::bundle(&text).map_err(wrong)?;
    let blob = reference.url(&format!("blobs/{}", bundle.digest)).map_err(|refusal| unfit(path, &refusal))?;
    how.speech = Speech::Blob;
    let remote = open(&blob, &how, session)?.map_err(|fault| fault.failure(&blob))?;
    if !remote.front().starts_with(MAGIC) {
        return Err(wrong("what it has as a bundle is none".to_owned()));
    }
    if let Some(len) = remote.len().filter(|len| *len != bundle.size) {
        return Err(wrong(format!(
            "its manifest says that the bundle has {} bytes, and the registry has {len}",
            bundle.size
        )));
    }
    Ok(vec![remote.into()])
}

fn reference(path: &Path) -> Result<Reference, Failure> {
    Reference::parse(&path.to_string_lossy()).map_err(|not_one| unfit(path, &not_one))
}

fn unfit(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, format!("cannot fetch {}", shown(path)), why, "give it as oci://HOST/REPOSITORY:TAG")
}

/// All bytes of a small file.
fn whole(url: &Url, how: &How, session: &Session) -> Result<Vec<u8>, Failure> {
    let mut remote = open(url, how, session)?.map_err(|fault| fault.failure(url))?;
    let mut text = vec![0; MANIFEST_BYTES];
    let mut filled = 0;
    while let Some(room) = text.get_mut(filled..).filter(|room| !room.is_empty()) {
        match remote.read(room) {
            Ok(0) => break,
            Ok(got) => filled = filled.saturating_add(got),
            Err(error) => return Err(remote.failure().unwrap_or_else(|| stopped(url, &error))),
        }
    }
    text.truncate(filled);
    Ok(text)
}

/// Where a bundle is to go in a registry.
#[cfg(feature = "push")]
pub fn destination(to: &Path) -> Result<Reference, Failure> {
    let refused = |why: &dyn std::fmt::Display| {
        let what = format!("cannot push to {}", shown(to));
        let next = "give it as oci://HOST/REPOSITORY:TAG; `/`, `?`, `#`, `@` and `%` of a password are percent-encoded";
        Failure::new(Exit::Usage, what, why, next)
    };
    let text = to.to_string_lossy();
    if !text.starts_with(SCHEME) {
        return Err(refused(&"it is no reference to a registry"));
    }
    let reference = Reference::parse(&text).map_err(|not_one| refused(&not_one))?;
    match reference.digest() {
        Some(_) => Err(refused(&"its digest is not known before it is there")),
        None => Ok(reference),
    }
}

/// Puts a bundle into a registry. Gives the digest of its manifest there.
#[cfg(feature = "push")]
pub fn push(
    body: &mut dyn Read,
    (digest, size): (&str, u64),
    (reference, to): (Reference, &Path),
    options: &cli::Server,
    session: &Session,
) -> Result<String, Failure> {
    let url = reference.url("blobs/uploads/").map_err(|refusal| unfit(to, &refusal))?;
    let server = Server::new(url.clone(), &how_to_speak(options, &url, Speech::Blob, session)?);
    let manifest = Registry::new(server, reference).put(body, digest, size);
    let what = format!("cannot push to {}", shown(to));
    let again = "see whether the registry and the network work, then run the same command again";
    let manifest = manifest.map_err(|fault| {
        let fault = if fault.outlook == Outlook::Passing { fault.then(again) } else { fault };
        Failure { what, ..fault.failure(&url) }
    })?;
    Ok(format!("sha256:{}", Digest::of(&[&manifest])))
}

/// What command line and environment say about fetching.
fn how(fetch: &Fetch, url: &Url, speech: Speech, session: &Session) -> Result<How, Failure> {
    let patience = Patience { time: Duration::from_secs(fetch.retry_for.into()), times: fetch.retries };
    Ok(How { patience, rate: fetch.limit_rate, ..how_to_speak(&fetch.server, url, speech, session)? })
}

/// The same without patience: for what is asked once.
fn how_to_speak(server: &cli::Server, url: &Url, speech: Speech, session: &Session) -> Result<How, Failure> {
    let proxies = Proxies::of_environment();
    for strange in proxies.strange() {
        session.output.warn(&format!("{strange}, which is no host, no address and no network; it is passed over"));
    }
    let trust = authorities::of_option(server.ca.as_deref())?;
    let credentials = Credentials::of_options(server, url)?;
    let timeout = Duration::from_secs(server.timeout.into());
    let patience = Patience { time: Duration::ZERO, times: None };
    Ok(How { timeout, patience, rate: None, credentials, speech, trust, proxies })
}

/// What is read is neither a bundle nor an image that has a head.
fn no_head(what: &str, head: &str) -> Failure {
    let why = format!("it is no bundle, and there is no {head} that is the head of one");
    let next = "make one: updater-cli bundle create --detached --image FILE ..";
    Failure::new(Exit::NotAuthentic, format!("cannot read {what}"), why, next)
}
