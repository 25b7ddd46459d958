//! `keygen`: a key pair for signing bundles.

use libupdate_linux::keys;
use serde::Serialize;

use crate::cli::create::Keygen;
use crate::exit::Failure;
use crate::output::{Printable, Report};
use crate::session::Session;

/// Makes the pair; existing files stay as they are.
pub fn run(session: &Session, args: &Keygen) -> Result<(), Failure> {
    let pair = keys::generate(&args.out, &args.name)?;
    session.output.done(&Made {
        private_key: pair.private.display().to_string(),
        public_key: pair.public.display().to_string(),
        key_id: keys::public(&pair.public)?.id().to_string(),
    });
    Ok(())
}

#[derive(Serialize)]
struct Made {
    private_key: String,
    public_key: String,
    key_id: String,
}

impl Report for Made {
    fn human(&self) -> String {
        format!(
            "private key  {}   keep it off every device\npublic key   {}   give it to devices, or to --trust\nkey id       {}\n",
            Printable(&self.private_key),
            Printable(&self.public_key),
            self.key_id
        )
    }
}
