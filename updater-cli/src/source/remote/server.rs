//! A file on a server, from any byte on: what is asked, whom to trust, where redirects lead.

use std::io::{Read, Take};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::CertificateDer;
#[cfg(feature = "push")]
use ureq::SendBody;
use ureq::http::{HeaderValue, Response, StatusCode, header};
#[cfg(feature = "push")]
use ureq::http::{Method, Request};
use ureq::tls::{Certificate, ClientCert, RootCerts, TlsConfig};
use ureq::{Agent, Body, BodyReader, Proxy};

use super::How;
use super::authorities::{self, Trust};
use super::credentials::Credentials;
use super::fault::{Fault, of_ureq};
use super::identity::{Identity, Mismatch, Sameness, Span, is_page};
use super::oci::MANIFEST;
use super::proxy::{Proxies, Way};
use super::token::{self, Challenge};
use super::url::{Scheme, Url, encoded};

/// Who redirects more often than this leads nowhere.
const REDIRECTS: u32 = 5;
/// The connection's own memory. TLS sends pieces of at most 16 KiB.
const BUFFER: usize = 64 << 10;

/// Who gives parts that are shorter, and shorter than they were asked for, gives nothing.
const LEAST_PART: u64 = 4096;
/// A piece takes at most so many times the timeout.
const DRIP: u32 = 10;

/// Where the file is, and how to get at it.
#[derive(Debug)]
pub struct Server {
    url: Url,
    timeout: Duration,
    trust: Trust,
    proxies: Proxies,
    credentials: Credentials,
    speech: Speech,
    /// The token that a registry gave.
    bearer: Option<String>,
    agents: Vec<(Scheme, Way, Agent)>,
    ranges: Ranges,
}

/// What goes with a request.
#[cfg(feature = "push")]
pub enum Sent<'s> {
    Nothing,
    /// Of this type.
    Bytes(&'s str, &'s [u8]),
    /// So many bytes.
    Stream(u64, &'s mut dyn Read),
}

/// What kind of server it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speech {
    /// Any.
    Web,
    /// A registry that is asked for a manifest.
    Manifest,
    /// A registry that is asked for a blob.
    Blob,
}

impl Speech {
    const fn accept(self) -> Option<&'static str> {
        match self {
            Self::Manifest => Some(MANIFEST),
            Self::Web | Self::Blob => None,
        }
    }
}

/// The file's bytes from the one that was asked for on.
pub struct Rest {
    pub body: Take<BodyReader<'static>>,
    /// What is known of the file now.
    pub identity: Identity,
    /// The place behind the body's last byte, where it is known.
    pub end: Option<u64>,
    pub file: Sameness,
    pub ranges: Ranges,
    /// Bytes that come before the one that was asked for.
    pub left_out: u64,
    /// Its end is known by its length.
    framed: bool,
}

impl Rest {
    /// The body was read to its last byte: its connection serves the next request, if no more has to be waited for. Whether it does.
    pub fn give_back(self) -> bool {
        self.framed && self.body.into_inner().read(&mut [0]).is_ok_and(|got| got == 0)
    }
}

/// Whether a server gives a part of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ranges {
    Told,
    Unknown,
    /// It was asked for one, and gave something else.
    Never,
}

impl Server {
    pub fn new(url: Url, how: &How) -> Self {
        let How { timeout, trust, proxies, credentials, speech, .. } = how.clone();
        Self {
            url,
            timeout,
            trust,
            proxies,
            credentials,
            speech,
            bearer: None,
            agents: Vec::new(),
            ranges: Ranges::Unknown,
        }
    }

    /// Asks for the file from byte `at` on, to the one before `to`, if that is said. It must be the `known` file. None: it ends there.
    pub fn rest(&mut self, at: u64, to: Option<u64>, known: Option<&Identity>) -> Result<Option<Rest>, Fault> {
        let known = known.filter(|_| at > 0).cloned().unwrap_or_default();
        loop {
            let ranged = self.ranges != Ranges::Never && (at > 0 || to.is_some());
            let response = self.follow(ranged.then_some((at, to)))?;
            let status = whole(response.status());
            match (status, known.continued(at, status, response.headers())) {
                (StatusCode::OK | StatusCode::PARTIAL_CONTENT, Ok(span)) => {
                    return self.body(response, (at, to, span), known).map(Some);
                }
                // A fresh start, once: it is asked for all of it from now on.
                (_, Err(Mismatch::Nonsense)) if ranged && is_answer(status) => self.ranges = Ranges::Never,
                (_, Err(Mismatch::Over)) if ranged => return Ok(None),
                (_, Err(mismatch)) if at > 0 && is_answer(status) => return Err(mismatch.into()),
                (StatusCode::PARTIAL_CONTENT, Err(mismatch)) => return Err(mismatch.into()),
                _ => return Err(Fault::answer(status, response.headers())),
            }
        }
    }

    /// Whether it was seen to know no ranges.
    pub fn has_no_ranges(&self) -> bool {
        self.ranges == Ranges::Never
    }

    /// Lets go of all connections that are kept.
    pub fn hang_up(&mut self) {
        self.agents.clear();
    }

    fn body(
        &mut self,
        response: Response<Body>,
        (at, to, span): (u64, Option<u64>, Span),
        known: Identity,
    ) -> Result<Rest, Fault> {
        let (status, headers) = (whole(response.status()), response.headers());
        let now = Identity::of(status, headers);
        if let Some(coding) = headers.get(header::CONTENT_ENCODING).filter(|coding| !is_none(coding)) {
            return Err(match is_page(now.media.as_deref()) {
                true => Fault::page("a web page"),
                false => Fault::coding(coding),
            });
        }
        let told =
            headers.get(header::ACCEPT_RANGES).is_some_and(|unit| unit.as_bytes().eq_ignore_ascii_case(b"bytes"));
        // One that says so and gives all of it would have to give it again for each part.
        let gives = status == StatusCode::PARTIAL_CONTENT || (told && span.first == at);
        self.ranges = match self.ranges {
            Ranges::Never => Ranges::Never,
            _ if gives => Ranges::Told,
            _ if at > 0 && span.first == 0 => Ranges::Never,
            _ => Ranges::Unknown,
        };
        let bytes = span.end.map_or(u64::MAX, |end| end.saturating_sub(span.first));
        let framed = !response.headers().contains_key(header::TRANSFER_ENCODING);
        let body = response.into_body().into_reader().take(bytes);
        // Asked for the front it gave all, and says nothing of ranges: it goes on as a stream. Where that is cut, a part is asked for again.
        let streams = at == 0 && to.is_some() && status == StatusCode::OK && !told;
        let ranges = if streams { Ranges::Never } else { self.ranges };
        let left_out = at.saturating_sub(span.first);
        let part = span.end.map(|end| end.saturating_sub(at));
        let asked = span.total.map(|total| total.min(to.unwrap_or(total)).saturating_sub(at));
        if let (Some(part), Some(asked)) = (part, asked)
            && part < LEAST_PART.min(asked)
        {
            return Err(Fault::passing(format!("the server gives {part} bytes where {asked} were asked for")));
        }
        Ok(Rest { body, identity: known.and(now), end: span.end, file: span.file, ranges, left_out, framed })
    }

    /// Fills the front of `bytes`; less only at the file's end, or before a fault. A server that drips is left like one that is silent.
    pub fn fill(&self, body: &mut impl Read, bytes: &mut [u8]) -> (usize, Option<Fault>) {
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

    /// The first answer that is no redirect.
    fn follow(&mut self, range: Option<(u64, Option<u64>)>) -> Result<Response<Body>, Fault> {
        let mut url = self.url.clone();
        for _ in 0..=REDIRECTS {
            let mut response = self.ask(&url, range)?;
            if let Some(challenge) = self.challenge(&url, &response) {
                self.bearer = Some(self.token(&challenge)?);
                response = self.ask(&url, range)?;
            }
            let location = match response.status().as_u16() {
                301 | 302 | 303 | 307 | 308 => response.headers().get(header::LOCATION),
                _ => return Ok(response),
            };
            let location = location.map(|location| location.as_bytes().trim_ascii()).filter(|text| !text.is_empty());
            let location =
                location.ok_or_else(|| Fault::lasting("the server redirects to nowhere", "check the URL"))?;
            url = url.redirected(&encoded(location)).map_err(|refusal| Fault::redirect(&refusal))?;
        }
        Err(Fault::lasting(format!("the server redirects more than {REDIRECTS} times"), "check the URL"))
    }

    /// No `If-Range`: machines behind one name may tag the same file each in its own way, and the hashes judge what comes.
    fn ask(&mut self, url: &Url, range: Option<(u64, Option<u64>)>) -> Result<Response<Body>, Fault> {
        let way = self.proxies.way(url)?;
        let next = way.words(url);
        let mut request = self.agent(url, way)?.get(url.uri()).header(header::ACCEPT_ENCODING, "identity");
        if let Some((at, to)) = range {
            let last = to.map(|to| to.saturating_sub(1).to_string()).unwrap_or_default();
            request = request.header(header::RANGE, format!("bytes={at}-{last}"));
        }
        if let Some(accept) = self.speech.accept() {
            request = request.header(header::ACCEPT, accept);
        }
        if let Some(word) = self.authorization(url) {
            request = request.header(header::AUTHORIZATION, word);
        }
        request.call().map_err(|error| of_ureq(error, url, &next))
    }

    /// What is shown to a server: a registry's token to the registry, the user's own to the server that was named, or user and password.
    fn authorization(&self, url: &Url) -> Option<String> {
        let given = self.bearer.as_ref().filter(|_| url.is_at(&self.url)).map(|token| format!("Bearer {token}"));
        let own = || self.credentials.authorization(&self.url, url);
        let login = || url.login().map(|login| format!("Basic {}", BASE64_STANDARD.encode(login)));
        given.or_else(own).or_else(login)
    }

    /// What a registry wants before it answers.
    fn challenge(&self, url: &Url, response: &Response<Body>) -> Option<Challenge> {
        let asks = self.speech != Speech::Web && response.status() == StatusCode::UNAUTHORIZED && url.is_at(&self.url);
        asks.then(|| Challenge::of(response.headers())).flatten()
    }

    fn token(&mut self, challenge: &Challenge) -> Result<String, Fault> {
        let url = challenge.url(&self.url)?;
        self.token_from(&url).map_err(|fault| fault.of(&format!("no token from {}", url.host())))
    }

    fn token_from(&mut self, url: &Url) -> Result<String, Fault> {
        let way = self.proxies.way(url)?;
        let next = way.words(url);
        let mut request = self.agent(url, way)?.get(url.uri());
        if let Some(login) = self.url.login() {
            request = request.header(header::AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(login)));
        }
        let answer = request.call().map_err(|error| of_ureq(error, url, &next))?;
        if answer.status() != StatusCode::OK {
            return Err(Fault::answer(answer.status(), answer.headers()));
        }
        let mut text = vec![0; token::ANSWER_BYTES];
        let (got, fault) = self.fill(&mut answer.into_body().into_reader(), &mut text);
        let token = token::of_answer(text.get(..got).unwrap_or_default());
        match fault {
            Some(fault) => Err(fault),
            None => token.ok_or_else(|| Fault::lasting("the answer holds none", "ask who keeps the registry")),
        }
    }

    /// One request of another kind, to a registry. A stream is sent once; for everything else the registry may ask for a token first.
    #[cfg(feature = "push")]
    pub fn exchange(&mut self, method: &Method, url: &Url, sent: Sent<'_>) -> Result<Response<Body>, Fault> {
        let way = self.proxies.way(url)?;
        let next = way.words(url);
        let agent = self.agent(url, way)?;
        let request = |server: &Self| {
            let request = Request::builder().method(method.clone()).uri(url.uri());
            match server.authorization(url) {
                Some(word) => request.header(header::AUTHORIZATION, word),
                None => request,
            }
        };
        let wrong = |error: ureq::http::Error| Fault::lasting(error.to_string(), "check the reference");
        let of_error = |error| of_ureq(error, url, &next);
        let run = |server: &Self, what: Option<(&str, &[u8])>| match what {
            Some((media, bytes)) => {
                let request = request(server).header(header::CONTENT_TYPE, media).body(bytes).map_err(wrong)?;
                agent.run(request).map_err(of_error)
            }
            None => agent.run(request(server).body(()).map_err(wrong)?).map_err(of_error),
        };
        let what = match sent {
            Sent::Nothing => None,
            Sent::Bytes(media, bytes) => Some((media, bytes)),
            Sent::Stream(len, body) => {
                let request = request(self).header(header::CONTENT_TYPE, "application/octet-stream");
                let request = request.header(header::CONTENT_LENGTH, len).body(SendBody::from_reader(body));
                return agent.run(request.map_err(wrong)?).map_err(of_error);
            }
        };
        let answer = run(self, what)?;
        let Some(challenge) = self.challenge(url, &answer) else { return Ok(answer) };
        self.bearer = Some(self.token(&challenge)?);
        run(self, what)
    }

    /// The certificates of authorities are read when they are needed.
    fn agent(&mut self, url: &Url, way: Way) -> Result<Agent, Fault> {
        let scheme = url.scheme();
        if let Some((_, _, agent)) = self.agents.iter().find(|(known, by, _)| *known == scheme && *by == way) {
            return Ok(agent.clone());
        }
        let tls = match scheme {
            Scheme::Http if !way.speaks_tls() => TlsConfig::default(),
            Scheme::Http | Scheme::Https => tls(&self.trust, self.credentials.certificate())?,
        };
        let agent = agent(self.timeout, tls, way.proxy());
        self.agents.push((scheme, way, agent.clone()));
        Ok(agent)
    }
}

/// A server's copy that something on the way changed, says RFC 9110, 15.3.4, is still all of it: the hashes judge.
fn whole(status: StatusCode) -> StatusCode {
    if status == StatusCode::NON_AUTHORITATIVE_INFORMATION { StatusCode::OK } else { status }
}

/// Whether it says something about the bytes that were asked for.
fn is_answer(status: StatusCode) -> bool {
    matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE)
}

/// Whether it is no coding, in words.
fn is_none(coding: &HeaderValue) -> bool {
    let coding = coding.as_bytes().trim_ascii();
    coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
}

fn agent(timeout: Duration, tls: TlsConfig, proxy: Option<Proxy>) -> Agent {
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
        .proxy(proxy)
        .build()
        .new_agent()
}

/// Trusts the authorities that were named, else those of the system (`SSL_CERT_FILE` and `SSL_CERT_DIR` say where it keeps them). None
/// are built in: they would grow old with the program, and a device has its own way to renew them.
fn tls(trust: &Trust, certificate: Option<ClientCert>) -> Result<TlsConfig, Fault> {
    let certificates = match trust {
        Trust::Named(certificates) => certificates.clone(),
        Trust::Systems => authorities::systems()?,
    };
    let certificates = certificates.iter().map(|der: &CertificateDer<'_>| Certificate::from_der(der).to_owned());
    let roots = RootCerts::Specific(Arc::new(certificates.collect()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = TlsConfig::builder().root_certs(roots).client_cert(certificate);
    Ok(config.unversioned_rustls_crypto_provider(provider).build())
}
