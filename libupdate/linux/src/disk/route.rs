//! A partition's own node, and how it is opened: for reading by anybody, for writing by us alone.

use std::path::{Path, PathBuf};

use libupdate::Extent;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::medium::{Caching, Medium};
use super::mode::{Mode, flags};
use crate::error::{OsError, OsErrorKind};
use crate::node::Node;

/// A partition whose accesses go to its own node.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) extent: Extent,
    /// Where it is, or why it cannot be used.
    pub(super) node: Result<PathBuf, OsError>,
    /// Opened at the first access; again, with more rights, at the first write.
    pub(super) medium: Option<(Medium, Mode)>,
}

impl Route {
    pub(super) fn open(&mut self, mode: Mode, caching: Caching) -> Result<&mut Medium, OsError> {
        let enough = match &self.medium {
            None => false,
            Some((_, Mode::ReadWrite)) => true,
            Some((_, Mode::ReadOnly)) => mode == Mode::ReadOnly,
        };
        let node = self.node.as_ref().map_err(OsError::clone)?;
        let medium = match self.medium.take().filter(|_| enough) {
            Some(opened) => opened,
            None if mode == Mode::ReadOnly => (Medium::open(node, flags(mode), caching)?, mode),
            None => (open_exclusively(node, self.extent, caching)?, mode),
        };
        Ok(&mut self.medium.insert(medium).0)
    }
}

/// The node is looked at again here: the table, or the kernel's idea of it, may have changed since it was routed.
fn open_exclusively(path: &Path, extent: Extent, caching: Caching) -> Result<Medium, OsError> {
    let node = device(path)?;
    node.expect_at(extent)?;
    if let Some(by) = node.user()? {
        return Err(OsError::new(path, OsErrorKind::InUse { by }));
    }
    Medium::open(path, flags(Mode::ReadWrite) | OFlags::EXCL, caching).map_err(|error| match error.errno() {
        Some(Errno::BUSY) => OsError::new(path, OsErrorKind::InUse { by: "another process has it for itself".into() }),
        _ => error,
    })
}

/// The node, where it is one and lies at the extent.
pub(super) fn lies_at(node: PathBuf, extent: Extent) -> Result<PathBuf, OsError> {
    device(&node)?.expect_at(extent)?;
    Ok(node)
}

fn device(path: &Path) -> Result<Node, OsError> {
    Node::of(path)?.ok_or_else(|| OsError::new(path, OsErrorKind::NotADisk))
}
