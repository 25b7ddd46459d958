//! The parts of a bundle that a server gives: the bundle, or a raw image and its detached head; or what is sent in their place.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::credentials::Credentials;
use super::download::Patience;
use super::fault::{Fault, Outlook};
use super::proxy::Proxies;
use super::url::{Refusal, Url};
use super::{How, Remote, authorities, page};
use crate::cli::Fetch;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::source::{HEAD, MAGIC, Part, padding, shown};

/// Asks for what the user named, and for its head where it is an image.
pub fn parts(path: &Path, fetch: &Fetch, session: &Session) -> Result<Vec<Part>, Failure> {
    let refused = |refusal: Refusal| {
        let what = format!("cannot fetch {}", shown(path));
        Failure::new(Exit::Usage, what, refusal, "give it as https://HOST/PATH, or fetch it with another program")
    };
    let url = Url::parse(&path.to_string_lossy()).map_err(refused)?;
    let how = how(fetch, &url, session)?;
    let open = |url: &Url| -> Result<Result<Remote, Fault>, Failure> {
        let stopped = |error: io::Error| {
            let code = if error.kind() == io::ErrorKind::Interrupted { Exit::Interrupted } else { Exit::Io };
            Failure::new(code, format!("cannot fetch {url}"), error, "run the same command again")
        };
        Remote::open(url.clone(), &how, session).map_err(stopped)
    };
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

/// What command line and environment say about fetching.
fn how(fetch: &Fetch, url: &Url, session: &Session) -> Result<How, Failure> {
    let proxies = Proxies::of_environment();
    for strange in proxies.strange() {
        session.output.warn(&format!("{strange}, which is no host, no address and no network; it is passed over"));
    }
    let trust = authorities::of_option(fetch.ca.as_deref())?;
    let credentials = Credentials::of_options(fetch, url)?;
    let timeout = Duration::from_secs(fetch.timeout.into());
    let patience = Patience { time: Duration::from_secs(fetch.retry_for.into()), times: fetch.retries };
    Ok(How { timeout, patience, rate: fetch.limit_rate, credentials, trust, proxies })
}

/// What is read is neither a bundle nor an image that has a head.
fn no_head(what: &str, head: &str) -> Failure {
    let why = format!("it is no bundle, and there is no {head} that is the head of one");
    let next = "make one: updater-cli bundle create --detached --image FILE ..";
    Failure::new(Exit::NotAuthentic, format!("cannot read {what}"), why, next)
}
