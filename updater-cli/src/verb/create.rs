//! The verbs of who makes keys and bundles.

use crate::cli::create::{Bundle, Create};
use crate::exit::Failure;
use crate::session::Session;

mod bundle;
mod keygen;

/// Runs one of them.
pub fn run(session: &Session, verb: Create) -> Result<(), Failure> {
    match verb {
        Create::Keygen(args) => keygen::run(session, &args),
        Create::Bundle(Bundle::Create(args)) => bundle::create::run(session, &args),
        Create::Bundle(Bundle::Digest(args)) => bundle::digest::run(session, &args),
        Create::Bundle(Bundle::AttachSignature(args)) => bundle::attach::run(session, &args),
        #[cfg(feature = "push")]
        Create::Bundle(Bundle::Push(args)) => bundle::push::run(session, &args),
    }
}
