//! What a device shows to a server: a bearer token, a certificate of its own. Neither is in any message.
//!
//! | | goes to |
//! |---|---|
//! | token | the server that the user named, over https: no redirect takes it elsewhere |
//! | certificate | any https server that asks for one: it proves who the device is, and gives nothing away |

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use libupdate::units::limits::KEY_BYTES;
use libupdate_linux::file;
use ureq::tls::{ClientCert, PemItem, parse_pem};

use super::url::{Scheme, Url};
use crate::cli;
use crate::exit::{Exit, Failure};

/// What it shows.
#[derive(Clone, Default)]
pub struct Credentials {
    token: Option<Arc<str>>,
    certificate: Option<ClientCert>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = [self.token.is_some(), self.certificate.is_some()];
        f.debug_struct("Credentials").field("has", &has).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads `--token-file`, `--client-cert` and `--client-key`.
    ///
    /// # Errors
    /// [`Exit::Usage`] if a file does not hold what it should, or the token would go over http.
    pub fn of_options(options: &cli::Server, url: &Url) -> Result<Self, Failure> {
        let token = options.token_file.as_deref().map(token).transpose()?;
        if let (Some(file), Scheme::Http) = (&options.token_file, url.scheme()) {
            return Err(refused("--token-file", file, "whoever listens would have the token", "give an https:// URL"));
        }
        let certificate = match &options.client_cert {
            Some(file) => Some(certificate(file, options.client_key.as_deref().unwrap_or(file))?),
            None => None,
        };
        Ok(Self { token, certificate })
    }

    /// The header that goes to `url`, on the way to the one that the user `named`.
    pub fn authorization(&self, named: &Url, url: &Url) -> Option<String> {
        let token = self.token.as_ref().filter(|_| url.scheme() == Scheme::Https && url.is_at(named))?;
        Some(format!("Bearer {token}"))
    }

    /// The certificate.
    pub fn certificate(&self) -> Option<ClientCert> {
        self.certificate.clone()
    }
}

/// A token: one line of printable characters without blanks.
fn token(path: &Path) -> Result<Arc<str>, Failure> {
    let text = file::read_text(path, KEY_BYTES)
        .map_err(|error| refused("--token-file", path, &error.to_string(), "check the path and its permissions"))?;
    let token = text.trim();
    match token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Err(refused("--token-file", path, "it is not one line with a token in it", "write the token into it")),
        false => Ok(token.into()),
    }
}

fn certificate(chain: &Path, key: &Path) -> Result<ClientCert, Failure> {
    let read = |option: &'static str, path: &Path| {
        file::read(path, KEY_BYTES)
            .map_err(|error| refused(option, path, &error.to_string(), "check the path and its permissions"))
    };
    let (chain_pem, key_pem) = (read("--client-cert", chain)?, read("--client-key", key)?);
    let certificates: Vec<_> = parse_pem(&chain_pem)
        .filter_map(|item| if let Ok(PemItem::Certificate(certificate)) = item { Some(certificate) } else { None })
        .collect();
    if certificates.is_empty() {
        return Err(refused("--client-cert", chain, "there is no certificate in it", "give it in PEM"));
    }
    let private = parse_pem(&key_pem)
        .find_map(|item| if let Ok(PemItem::PrivateKey(private)) = item { Some(private) } else { None })
        .ok_or_else(|| {
            let next = "give the private key in PEM, without a passphrase, with --client-key";
            refused("--client-key", key, "there is no private key in it", next)
        })?;
    Ok(ClientCert::new_with_certs(&certificates, private))
}

fn refused(option: &str, path: &Path, why: &str, next: &str) -> Failure {
    Failure::new(Exit::Usage, format!("cannot use {option} {}", path.display()), why, next)
}
