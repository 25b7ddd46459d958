//! Which disk is the profile's.

use serde::{Deserialize, Serialize};

/// How the profile tells its disk from others.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Selection<T, P> {
    /// The one whose partition table holds the profile's slots.
    #[default]
    ByTable,
    /// The one at this node, whatever kind of disk it is.
    Node(P),
    /// Of those with the slots, the one whose directory in sysfs has this path in it, or that of a device it is made of.
    Bus(T),
    /// Of those with the slots, the one whose partition table has this disk GUID (16 bytes, in the order of the table).
    Guid([u8; 16]),
}
