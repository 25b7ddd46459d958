//! In the place of servers, where the program is built without the feature `http`: a URL is refused by name.

use std::io;
use std::path::Path;

use libupdate::install::Ahead;

use super::{Part, shown};
use crate::cli::Fetch;
use crate::exit::{Exit, Failure};
use crate::session::Session;

/// A file on a server. There is none.
pub enum Remote {}

/// Refuses what the user named.
pub fn parts(path: &Path, _: &Fetch, _: &Session) -> Result<Vec<Part>, Failure> {
    let why = "this program was built without the feature `http`";
    let next = "have another program fetch it: curl URL | updater-cli install -";
    Err(Failure::new(Exit::Usage, format!("cannot fetch {}", shown(path)), why, next))
}

impl Remote {
    pub const fn len(&self) -> Option<u64> {
        match *self {}
    }

    pub const fn fetched(&self) -> u64 {
        match *self {}
    }

    pub const fn near(&self) -> u64 {
        match *self {}
    }

    pub const fn comes(&self) -> bool {
        match *self {}
    }

    pub const fn left(&self) -> Option<u64> {
        match *self {}
    }

    pub const fn will_read(&mut self, _: Ahead<'_>) {
        match *self {}
    }

    pub const fn needs(&mut self, _: u64) {
        match *self {}
    }

    pub const fn is_short(&self) -> bool {
        match *self {}
    }

    pub const fn failure(&self) -> Option<Failure> {
        match *self {}
    }

    pub const fn mixture(&self) -> Option<Failure> {
        match *self {}
    }

    pub const fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }

    pub const fn ask_for_more(&mut self) -> io::Result<()> {
        match *self {}
    }

    pub const fn skip(&mut self, _: u64) -> u64 {
        match *self {}
    }
}
