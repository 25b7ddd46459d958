//! stub
use crate::error::Error;
use crate::gpt::{EntryNumber, SlotBits, Table};
use crate::io::BlockIo;
/// x
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edit {
    /** x */
    pub entry: EntryNumber,
    /** x */
    pub bits: SlotBits,
}
/// x
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome;
/// x
/// # Errors
/// x
pub fn commit<D: BlockIo>(_d: &mut D, _t: &Table, _e: &[Edit], _s: &mut [u8]) -> Result<Outcome, Error<D::Error>> {
    Ok(Outcome)
}
