//! What a pack says of itself, in the making.

use std::vec::Vec;

use crate::bundle::pack::Pack;
use crate::error::{Corrupt, Rule};

/// What a pack says of itself.
#[derive(Clone, Debug)]
pub struct PackSpec<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it adds to the version that runs: 1 or more.
    pub level: u32,
    /// Major version of the systems that it is for.
    pub fits: u32,
    /// Names of packs that it takes the place of.
    pub supersedes: Vec<&'a str>,
    /// Units that are reloaded once it is merged.
    pub reload: Vec<&'a str>,
    /// Units that are restarted once it is merged.
    pub restart: Vec<&'a str>,
    /// Whether system users are made that its files declare.
    pub sysusers: bool,
    /// Whether files and folders are made that its files declare.
    pub tmpfiles: bool,
}

impl PackSpec<'_> {
    /// The bytes of the extension.
    ///
    /// # Errors
    /// The rule of [`pack`](crate::bundle::pack) that it would break.
    pub fn encode(&self) -> Result<Vec<u8>, Corrupt> {
        let count = |texts: &[&str]| u8::try_from(texts.len()).map_err(|_| Corrupt(Rule::PackForm));
        let steps = u8::from(self.sysusers) | u8::from(self.tmpfiles) << 1;
        let counts = [steps, count(&self.supersedes)?, count(&self.reload)?, count(&self.restart)?];
        let mut out = [&self.level.to_le_bytes()[..], &self.fits.to_le_bytes(), &counts].concat();
        let lists = self.supersedes.iter().chain(&self.reload).chain(&self.restart);
        for text in [self.name].iter().chain(lists) {
            // A text of more than 255 bytes is longer than any name.
            out.push(u8::try_from(text.len()).map_err(|_| Corrupt(Rule::PackName))?);
            out.extend_from_slice(text.as_bytes());
        }
        Pack::parse(&out)?;
        Ok(out)
    }
}
