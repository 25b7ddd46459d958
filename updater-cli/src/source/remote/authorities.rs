//! The authorities whose word counts for an https server's name.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};

use super::fault::Fault;
use crate::exit::{Exit, Failure};

/// Whom to trust.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those of `--ca`.
    Named(Arc<Vec<CertificateDer<'static>>>),
    /// The system's, read when they are needed.
    Systems,
}

/// Reads `--ca`.
///
/// # Errors
/// [`Exit::Usage`] where the file holds no certificate that can be used.
pub fn of_option(file: Option<&Path>) -> Result<Trust, Failure> {
    let Some(file) = file else { return Ok(Trust::Systems) };
    let found = load_certs_from_paths(Some(file), None);
    if usable(&found) > 0 {
        return Ok(Trust::Named(Arc::new(found.certs)));
    }
    let why = match (found.errors.first(), found.certs.is_empty()) {
        (Some(error), _) => error.to_string(),
        (None, true) => {
            "there is no certificate in it: nothing stands between BEGIN CERTIFICATE and END CERTIFICATE".to_owned()
        }
        (None, false) => "what stands in it as a certificate is none".to_owned(),
    };
    let next = "give the authority's certificate in PEM; from DER: openssl x509 -inform der -in FILE";
    Err(Failure::new(Exit::Usage, format!("cannot use --ca {}", file.display()), why, next))
}

/// The system's.
pub fn systems() -> Result<Arc<Vec<CertificateDer<'static>>>, Fault> {
    let found = load_native_certs();
    if usable(&found) > 0 {
        return Ok(Arc::new(found.certs));
    }
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| {
        std::env::var_os(name).map_or_else(String::new, |value| format!(", {name} is {}", value.display()))
    });
    let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
    let why = format!("there is no certificate of an authority to check the server's with{}{why}", named.concat());
    Err(Fault::lasting(why, "give one with --ca FILE, or install the system's (ca-certificates)"))
}

/// How many of them are certificates.
fn usable(found: &CertificateResult) -> usize {
    let (usable, _) = RootCertStore::empty().add_parsable_certificates(found.certs.iter().cloned());
    usable
}
