//! The slot's own kernel, opened: from its payload, which is a UKI or a file system, or from its root file system.
//!
//! ```text
//!  payload, "MZ" and .linux ─► copied to memory, part by part      (kexec wants whole files)
//!  payload, a file system ───► mounted read-only ─► the profile's paths
//!  no payload ───────────────► the root file system ─► the profile's paths
//! ```
//! Every byte is read through dm-verity.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use libupdate::uki::{self, Uki};
use libupdate::units::limits::COMMAND_LINE_BYTES;
use libupdate_linux::file;
use libupdate_linux::profile::boot::SlotKernel;
use rustix::fs::{MemfdFlags, OFlags};

use libupdate_linux::filesystem::{self, Rights, open_inside};

/// Where a payload that is a file system is mounted.
const MOUNT: &str = "/run/updater/boot";

/// What kexec loads.
#[derive(Debug)]
pub struct Loadable {
    /// The kernel.
    pub kernel: File,
    /// Its initramfs.
    pub initrd: Option<File>,
    /// The command line that came with it.
    pub command_line: Option<Vec<u8>>,
}

/// A payload that is mapped.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'p> {
    /// Its node.
    pub node: &'p Path,
    /// Bytes of its image.
    pub len: u64,
}

/// Opens what `wanted` names.
///
/// # Errors
/// What is missing or cannot be read, in words.
pub fn open(wanted: &SlotKernel, root: &Path, payload: Option<Payload<'_>>) -> Result<Loadable, String> {
    let Some(payload) = payload else { return in_tree(wanted, root) };
    if let Some(loadable) = from_uki(payload).map_err(|error| format!("the kernel's payload: {error}"))? {
        return Ok(loadable);
    }
    if wanted.kernel.is_none() {
        return Err("the kernel's payload is no UKI, and the profile names no `kernel` in it".to_owned());
    }
    let tree = Path::new(MOUNT);
    filesystem::mount(payload.node, tree, Rights::Root).map_err(|error| format!("the kernel's payload: {error}"))?;
    let found = in_tree(wanted, tree);
    // The open files keep it.
    filesystem::unmount(tree);
    found
}

fn in_tree(wanted: &SlotKernel, tree: &Path) -> Result<Loadable, String> {
    let open = |path: &Path| open_inside(tree, path, OFlags::RDONLY).map_err(|_| format!("no {}", path.display()));
    let kernel = open(wanted.kernel.as_deref().ok_or("the profile names no `kernel`")?)?;
    let initrd = wanted.initrd.as_deref().map(open).transpose()?;
    let line = wanted.command_line.as_deref().map(|path| open(path).and_then(|file| text(file, path))).transpose()?;
    Ok(Loadable { kernel, initrd, command_line: line })
}

fn text(file: File, path: &Path) -> Result<Vec<u8>, String> {
    file::bounded(&file, COMMAND_LINE_BYTES).map_err(|error| format!("{}: {error}", path.display()))
}

fn from_uki(payload: Payload<'_>) -> std::io::Result<Option<Loadable>> {
    let mut image = File::open(payload.node)?;
    let mut head = Vec::new();
    part(&mut image, 0..uki::HEAD.try_into().unwrap_or(u64::MAX))?.read_to_end(&mut head)?;
    let Some(Uki { linux, initrd, command_line }) = Uki::parse(&head, payload.len) else { return Ok(None) };
    let kernel = in_memory(&mut image, linux)?;
    let initrd = initrd.map(|range| in_memory(&mut image, range)).transpose()?;
    let command_line = command_line.map(|range| {
        let longest = range.start.saturating_add(COMMAND_LINE_BYTES);
        if range.end > longest {
            return Err(std::io::Error::other("its command line is longer than any kernel takes"));
        }
        let mut line = Vec::new();
        part(&mut image, range)?.read_to_end(&mut line)?;
        // A section is filled up with zeros.
        line.truncate(line.iter().position(|byte| *byte == 0).unwrap_or(line.len()));
        Ok(line)
    });
    Ok(Some(Loadable { kernel, initrd, command_line: command_line.transpose()? }))
}

fn part(image: &mut File, range: Range<u64>) -> std::io::Result<impl Read> {
    image.seek(SeekFrom::Start(range.start))?;
    Ok(image.take(range.end.saturating_sub(range.start)))
}

fn in_memory(image: &mut File, range: Range<u64>) -> std::io::Result<File> {
    let mut copy = File::from(rustix::fs::memfd_create("part", MemfdFlags::CLOEXEC)?);
    let mut from = part(image, range)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => return copy.rewind().map(|()| copy),
            count => copy.write_all(buffer.get(..count).unwrap_or_default())?,
        }
    }
}
