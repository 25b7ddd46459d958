//! The boards that every act is tried on.

use libupdate::BlockSize::{B512, B4096};

use crate::board::{Entries, Model};

/// 512-byte sectors, two slots of one partition, an image of one block.
pub const PLAIN: Model = Model {
    name: "plain",
    block_size: B512,
    physical: B512,
    slots: 2,
    roles: &[("root", 1)],
    entries: Entries::Usual,
    buffer: 512 << 10,
    scratch: 4096,
};

/// Small images: the boards for what is tried very often.
pub const SMALL: [Model; 5] = [
    PLAIN,
    Model { name: "4Kn", block_size: B4096, physical: B4096, roles: &[("root", 3)], ..PLAIN },
    Model { name: "three slots", slots: 3, roles: &[("root", 2)], scratch: 64 << 10, ..PLAIN },
    Model { name: "two roles", roles: &[("boot", 1), ("root", 6)], buffer: 8192, ..PLAIN },
    Model { name: "512e", physical: B4096, roles: &[("root", 3)], scratch: 64 << 10, ..PLAIN },
];

/// Boards that are large, or have several oddities at once.
pub const LARGE: [Model; 5] = [
    Model { name: "entries apart", entries: Entries::Apart, roles: &[("root", 4)], ..PLAIN },
    Model { slots: 3, roles: &[("boot", 1), ("root", 2)], entries: Entries::Apart, name: "all of it, 4Kn", ..SMALL[1] },
    Model { name: "one full level", roles: &[("root", 128)], ..PLAIN },
    Model { name: "two levels", roles: &[("root", 130)], buffer: 4096, ..PLAIN },
    Model { name: "two levels, 4Kn", roles: &[("boot", 127), ("root", 129)], ..SMALL[1] },
];
