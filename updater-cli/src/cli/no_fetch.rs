//! How a URL is fetched: not at all, where the program is built without the feature `http`.

use clap::Args;

/// No option.
#[derive(Args, Debug)]
pub struct Fetch {}
