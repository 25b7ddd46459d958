//! stub
use crate::{cli::Demo, exit::Failure, session::Session};
/// x
pub fn run(_s: &Session, _a: &Demo) -> Result<(), Failure> {
    Ok(())
}
