//! A file on a server, from any byte on: what is asked, whom to trust, where redirects lead.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::CertificateDer;
use ureq::http::{Response, StatusCode, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, BodyReader, Proxy, ProxyProtocol};

use super::fault::{Fault, of_ureq};
use super::identity::{Begins, Identity};
use crate::source::url::{Scheme, Url};

/// Who redirects more often than this leads nowhere.
const REDIRECTS: u32 = 5;
/// The connection's own memory. TLS sends pieces of at most 16 KiB.
const BUFFER: usize = 64 << 10;

/// A piece takes at most so many times the timeout.
const DRIP: u32 = 10;

/// Where the file is, and how to get at it.
#[derive(Debug)]
pub struct Server {
    url: Url,
    timeout: Duration,
    authority: Option<PathBuf>,
    plain: Option<Agent>,
    secure: Option<Agent>,
}

/// The file's bytes from the one that was asked for on.
pub struct Rest {
    pub body: BodyReader<'static>,
    pub identity: Identity,
    pub ranges: Ranges,
}

/// Whether a server gives a part of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ranges {
    Told,
    Unknown,
}

impl Server {
    pub const fn new(url: Url, timeout: Duration, authority: Option<PathBuf>) -> Self {
        Self { url, timeout, authority, plain: None, secure: None }
    }

    /// Asks for the file from byte `at` on, which must be the rest of the `known` one.
    pub fn rest(&mut self, at: u64, known: Option<&Identity>) -> Result<Rest, Fault> {
        let known = known.filter(|_| at > 0);
        let response = self.follow(at, known)?;
        let (status, headers) = (response.status(), response.headers());
        let begins = match (known, status) {
            (Some(known), StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE) => {
                known.continued(at, status, headers)?
            }
            (None, StatusCode::OK) => Begins::ThereAlready,
            _ => return Err(Fault::answer(status, headers)),
        };
        if let Some(coding) = headers.get(header::CONTENT_ENCODING).filter(|coding| *coding != "identity") {
            return Err(Fault::coding(coding));
        }
        let told = headers.get(header::ACCEPT_RANGES).is_some_and(|unit| unit == "bytes");
        // One that says so and gives all of it would have to give it again for each part.
        let gives = status == StatusCode::PARTIAL_CONTENT || (told && begins == Begins::ThereAlready);
        let ranges = if gives { Ranges::Told } else { Ranges::Unknown };
        let identity = known.cloned().unwrap_or_else(|| Identity::of(status, headers));
        let mut body = response.into_body().into_reader();
        if begins == Begins::AtTheFront {
            self.leave_out(&mut body, at)?;
        }
        Ok(Rest { body, identity, ranges })
    }

    /// Fills the front of `bytes`; less only at the file's end, or before a fault. A server that drips is left like one that is silent.
    pub fn fill(&self, body: &mut BodyReader<'_>, bytes: &mut [u8]) -> (usize, Option<Fault>) {
        let mut got = 0;
        let until = Instant::now().checked_add(self.timeout.saturating_mul(DRIP));
        while let Some(room) = bytes.get_mut(got..).filter(|room| !room.is_empty()) {
            if until.is_some_and(|until| Instant::now() > until) {
                return (got, Some(Fault::passing(format!("the server drips: {got} bytes in {DRIP} times --timeout"))));
            }
            match body.read(room) {
                Ok(0) => break,
                Ok(more) => got = got.saturating_add(more),
                Err(error) => return (got, Some(of_ureq(error.into(), &self.url, self.url.host()))),
            }
        }
        (got, None)
    }

    fn leave_out(&self, body: &mut BodyReader<'_>, mut left: u64) -> Result<(), Fault> {
        let mut bytes = vec![0; BUFFER];
        while left > 0 {
            let len = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
            let (got, fault) = self.fill(body, bytes.get_mut(..len).unwrap_or_default());
            match fault {
                Some(fault) => return Err(fault),
                None if got < len => return Err(Fault::passing("the connection was cut")),
                None => left = left.saturating_sub(u64::try_from(got).unwrap_or(left)),
            }
        }
        Ok(())
    }

    /// The first answer that is no redirect.
    fn follow(&mut self, at: u64, known: Option<&Identity>) -> Result<Response<Body>, Fault> {
        let mut url = self.url.clone();
        for _ in 0..=REDIRECTS {
            let response = self.ask(&url, at, known)?;
            let location = match response.status().as_u16() {
                301 | 302 | 303 | 307 | 308 => response.headers().get(header::LOCATION),
                _ => return Ok(response),
            };
            let location = location.and_then(|location| location.to_str().ok());
            let location =
                location.ok_or_else(|| Fault::lasting("the server redirects to nowhere", "check the URL"))?;
            url = url.redirected(location).map_err(|refusal| Fault::redirect(&refusal))?;
        }
        Err(Fault::lasting(format!("the server redirects more than {REDIRECTS} times"), "check the URL"))
    }

    fn ask(&mut self, url: &Url, at: u64, known: Option<&Identity>) -> Result<Response<Body>, Fault> {
        let next = next(url)?;
        let mut request = self.agent(url)?.get(url.uri()).header(header::ACCEPT_ENCODING, "identity");
        if at > 0 {
            request = request.header(header::RANGE, format!("bytes={at}-"));
            if let Some(validator) = known.and_then(Identity::if_range) {
                request = request.header(header::IF_RANGE, validator);
            }
        }
        if let Some(login) = url.login() {
            request = request.header(header::AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(login)));
        }
        request.call().map_err(|error| of_ureq(error, url, &next))
    }

    /// The certificates of authorities are read when they are needed, and once.
    fn agent(&mut self, url: &Url) -> Result<Agent, Fault> {
        let known = match url.scheme() {
            Scheme::Http => &mut self.plain,
            Scheme::Https => &mut self.secure,
        };
        if let Some(agent) = known {
            return Ok(agent.clone());
        }
        let tls = match url.scheme() {
            Scheme::Http if !proxy_speaks_tls() => TlsConfig::default(),
            Scheme::Http | Scheme::Https => tls(self.authority.as_deref())?,
        };
        Ok(known.insert(agent(self.timeout, tls)).clone())
    }
}

/// What may name a proxy; the first that can be understood counts.
const PROXIES: [&str; 6] = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// Who is called: the server, or the proxy that the environment names for it.
fn next(url: &Url) -> Result<String, Fault> {
    let Some(proxy) = Proxy::try_from_env() else {
        let set = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        return PROXIES.iter().find(set).map_or(Ok(url.host().to_owned()), |name| Err(Fault::proxy(name)));
    };
    match proxy.protocol() {
        _ if proxy.is_no_proxy(url.uri()) => Ok(url.host().to_owned()),
        ProxyProtocol::Http | ProxyProtocol::Https => Ok(format!("the proxy {}", proxy.host())),
        _ => Err(Fault::socks()),
    }
}

/// Whether TLS is spoken on the way even to a server that speaks none.
fn proxy_speaks_tls() -> bool {
    Proxy::try_from_env().is_some_and(|proxy| proxy.protocol() == ProxyProtocol::Https)
}

fn agent(timeout: Duration, tls: TlsConfig) -> Agent {
    let timeout = Some(timeout);
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_resolve(timeout)
        .timeout_connect(timeout)
        .timeout_recv_response(timeout)
        .timeout_per_read(timeout)
        .timeout_per_write(timeout)
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER)
        .user_agent(concat!("updater-cli/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .build()
        .new_agent()
}

/// Trusts the authorities of one file, else those of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` say where it keeps them). None
/// are built in: they would grow old with the program, and a device has its own way to renew them.
fn tls(authority: Option<&Path>) -> Result<TlsConfig, Fault> {
    let found = match authority {
        Some(file) => rustls_native_certs::load_certs_from_paths(Some(file), None),
        None => rustls_native_certs::load_native_certs(),
    };
    if found.certs.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
        let why = format!("there is no certificate of an authority to check the server's with{why}");
        return Err(Fault::lasting(why, "give one with --ca FILE, or install the system's (ca-certificates)"));
    }
    let certificates = found.certs.iter().map(|der: &CertificateDer<'_>| Certificate::from_der(der).to_owned());
    let roots = RootCerts::Specific(Arc::new(certificates.collect()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(provider).build())
}
