//! The profile: data that describes a board. `hardware-profiles/README.md` has every key.

mod board;
pub mod boot;
pub mod disk;
#[cfg(feature = "profile")]
mod error;
#[cfg(feature = "boot-report")]
mod find_disk;
#[cfg(feature = "profile")]
mod judge;
mod loader;
#[cfg(feature = "profile")]
mod read;
mod size;
#[cfg(feature = "profile")]
mod tables;
mod trust;
#[cfg(feature = "profile")]
mod value;

pub use board::{Merge, Planned, Profile, SlotPartition};
pub use boot::Boot;
#[cfg(feature = "profile")]
pub use error::{ProfileError, ProfileErrorKind};
pub use loader::{BootLoader, LoaderKind};
#[cfg(feature = "profile")]
pub use read::built_in_names;
pub use size::{Size, parse_bytes};
pub use trust::{Trust, TrustError, TrustFiles};

#[cfg(all(test, feature = "profile"))]
mod tests;
