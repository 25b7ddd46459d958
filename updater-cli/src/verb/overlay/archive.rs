//! `overlay backup` and `overlay restore`: what an overlay holds, in a tar archive that zstd has compressed.
//!
//! ```text
//!  overlay.json     what the overlay is
//!  upper            its layer: folders, files, links and whiteouts in the order of their paths, with owners, modes, times and attributes
//!  upper/..
//! ```
//! The same content gives the same bytes. An archive is not signed, and nothing of it is run; who restores one says what is laid over this system.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use libupdate::units::limits::STATE_BYTES;
use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use tar::{Archive, Builder, EntryType, Header};

use super::change;
use super::store::{self, Overlay, Overlays};
use crate::cli::overlay::{Backup, Keep, PRIORITIES, Restore};
use crate::exit::{Exit, Failure};
use crate::new_file::{Existing, NewFile};
use crate::output::{Printable, Report, Size};
use crate::session::Session;
use crate::verb::live::{self, layer, memory};

const HEAD: &str = "overlay.json";
const LAYER: &str = "upper";
const ATTRIBUTE: &str = "SCHILY.xattr.";
/// Attributes that the kernel keeps for itself, but for one.
const OVERLAYS: &str = "trusted.overlay.";
const LEVEL: i32 = 3;
const PERMISSIONS: u32 = 0o7777;
const NEXT: &str = "give an archive of `overlay backup`";

/// The document of `overlay backup --json`.
#[derive(serde::Serialize)]
struct Written {
    name: String,
    output: String,
    entries: usize,
    bytes: u64,
}

impl Report for Written {
    fn human(&self) -> String {
        let (name, output) = (Printable(&self.name), Printable(&self.output));
        format!("the overlay {name} is in {output} ({} entries, {})\n", self.entries, Size(self.bytes))
    }
}

/// Writes one.
pub fn backup(session: &Session, args: &Backup) -> Result<(), Failure> {
    let what = format!("cannot back up the overlay {}", args.name);
    let _lock = live::lock().map_err(|failure| failure.doing(&*what))?;
    let all = Overlays::read()?;
    let overlay = all.named(&args.name).map_err(|failure| failure.doing(&*what))?;
    let existing = if args.force { Existing::Replaced } else { Existing::Stays };
    let mut new = NewFile::begin(&args.output, existing, &session.interrupt)?;
    let written = write(overlay, new.file()).map_err(|error| {
        let next = "stop what writes to it, then run the same command again";
        Failure::new(Exit::Io, &*what, error, next)
    })?;
    let went = new.commit()?;
    let (entries, bytes) = written;
    let output = args.output.display().to_string();
    session.output.done_after(went, &Written { name: overlay.name.clone(), output, entries, bytes });
    Ok(())
}

fn write(overlay: &Overlay, out: &mut File) -> io::Result<(usize, u64)> {
    let mut tar = Builder::new(zstd::Encoder::new(out, LEVEL)?);
    let head = serde_json::to_vec(overlay)?;
    let mut header = Header::new_ustar();
    header.set_size(head.len().try_into().unwrap_or(u64::MAX));
    header.set_mode(0o644);
    tar.append_data(&mut header, HEAD, head.as_slice())?;
    let (paths, mut bytes) = (paths(&overlay.upper())?, 0_u64);
    for path in &paths {
        bytes = bytes.saturating_add(append(&mut tar, &overlay.upper().join(path), &Path::new(LAYER).join(path))?);
    }
    tar.into_inner()?.finish()?.flush()?;
    Ok((paths.len(), bytes))
}

/// Every path of a layer, its own first.
fn paths(upper: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut paths, mut folders) = (vec![PathBuf::new()], vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(upper.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path.clone());
            }
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn append(tar: &mut Builder<impl Write>, at: &Path, name: &Path) -> io::Result<u64> {
    let facts = fs::symlink_metadata(at)?;
    let attributes: Vec<(String, Vec<u8>)> = layer::attributes(at)?
        .into_iter()
        .filter(|(name, _)| name == layer::OPAQUE || !name.starts_with(OVERLAYS))
        .map(|(name, value)| (format!("{ATTRIBUTE}{name}"), value))
        .collect();
    tar.append_pax_extensions(attributes.iter().map(|(name, value)| (name.as_str(), value.as_slice())))?;
    let mut header = Header::new_ustar();
    header.set_mode(facts.mode() & PERMISSIONS);
    header.set_uid(facts.uid().into());
    header.set_gid(facts.gid().into());
    header.set_mtime(facts.mtime().try_into().unwrap_or(0));
    header.set_size(0);
    let nothing = io::empty();
    if facts.is_dir() {
        header.set_entry_type(EntryType::Directory);
        tar.append_data(&mut header, name, nothing)?;
    } else if facts.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        tar.append_link(&mut header, name, fs::read_link(at)?)?;
    } else if layer::is_whiteout(&facts) {
        header.set_entry_type(EntryType::Char);
        header.set_device_major(0)?;
        header.set_device_minor(0)?;
        tar.append_data(&mut header, name, nothing)?;
    } else if facts.is_file() {
        header.set_size(facts.len());
        let mut file = File::open(at)?.take(facts.len());
        tar.append_data(&mut header, name, &mut file)?;
        if file.limit() > 0 {
            return Err(io::Error::other(format!("{} became shorter as it was read", at.display())));
        }
        return Ok(facts.len());
    } else {
        return Err(io::Error::other(format!("{} is neither a file nor a folder nor a link", at.display())));
    }
    Ok(0)
}

/// Makes an overlay of one.
pub fn restore(session: &Session, args: &Restore) -> Result<(), Failure> {
    let what = format!("cannot restore {}", args.file.display());
    let act = || {
        let file = File::open(&args.file).map_err(|error| Failure::new(Exit::Usage, "", error, NEXT))?;
        let mut archive = Archive::new(zstd::Decoder::new(file).map_err(|error| wrong(&error))?);
        let mut entries = archive.entries().map_err(|error| wrong(&error))?;
        let head =
            entries.next().ok_or_else(|| wrong(&"it is empty"))?.and_then(head).map_err(|error| wrong(&error))?;
        let name = args.name.clone().unwrap_or_else(|| head.name.clone());
        if !store::is_name(&name) || !PRIORITIES.contains(&head.priority) {
            return Err(wrong(&"it names no overlay"));
        }
        let size_bytes = (head.keep == Keep::None).then(|| memory::size(None)).transpose()?;
        let made_for = head.root_hash.clone();
        let overlay = Overlay { name, enabled: true, off: None, size_bytes, ..head };
        change::made(session, overlay, |overlay| {
            unpack(&mut entries, &overlay.upper(), args.force)?;
            if overlay.root_hash != made_for {
                let base = overlay.scope.place().base();
                layer::rebase(&overlay.upper(), &base).map_err(|error| store::failed(&overlay.upper(), &error))?;
            }
            Ok(())
        })
    };
    act().map_err(|failure: Failure| failure.doing(what))
}

fn head(entry: tar::Entry<'_, impl Read>) -> io::Result<Overlay> {
    if entry.path()? != Path::new(HEAD) {
        return Err(io::Error::other(format!("it does not begin with {HEAD}")));
    }
    let mut text = String::new();
    entry.take(STATE_BYTES).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

fn wrong(why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::NotAuthentic, "", format!("it is no archive of an overlay: {why}"), NEXT)
}

/// Modes and times of folders come last: what is put into one changes it.
type Folders = BTreeMap<PathBuf, (u32, u64)>;

fn unpack<'e, R: Read + 'e>(
    entries: &mut impl Iterator<Item = io::Result<tar::Entry<'e, R>>>,
    upper: &Path,
    force: bool,
) -> Result<(), Failure> {
    let mut folders = Folders::new();
    for (number, entry) in entries.enumerate() {
        if number >= layer::ENTRIES {
            return Err(wrong(&format!("it has more than {} entries", layer::ENTRIES)));
        }
        let mut entry = entry.map_err(|error| wrong(&error))?;
        let path = inside(&entry)?;
        let set_id = entry.header().mode().map_err(|error| wrong(&error))? & 0o6000 != 0;
        let rights =
            attributes(&mut entry).map_err(|error| wrong(&error))?.iter().any(|(name, _)| name == layer::CAPABILITY);
        if entry.header().entry_type().is_file() && (set_id || rights) && !force {
            let what = if rights { "has capabilities" } else { "is setuid or setgid" };
            let why = format!("{} {what}", Printable(&path.display().to_string()));
            return Err(Failure::new(Exit::Refused, "", why, "--force takes it all the same"));
        }
        one(&mut entry, upper, &path, &mut folders).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => wrong(&error),
            _ => store::failed(&upper.join(&path), &error),
        })?;
    }
    let ended = folders.iter().rev().try_for_each(|(path, (mode, time))| {
        let at = upper.join(path);
        fs::set_permissions(&at, Permissions::from_mode(*mode))?;
        File::open(&at)?.set_modified(UNIX_EPOCH + Duration::from_secs(*time))
    });
    ended.and_then(|()| layer::flush(upper)).map_err(|error| store::failed(upper, &error))
}

/// The path below the layer.
fn inside(entry: &tar::Entry<'_, impl Read>) -> Result<PathBuf, Failure> {
    let path = entry.path().map_err(|error| wrong(&error))?;
    let inside = path
        .strip_prefix(LAYER)
        .map_err(|_| wrong(&format!("{} is not in {LAYER}", Printable(&path.display().to_string()))))?;
    match inside.components().all(|part| matches!(part, Component::Normal(_))) {
        true => Ok(inside.to_owned()),
        false => Err(wrong(&format!("{} leads elsewhere", Printable(&path.display().to_string())))),
    }
}

fn one(entry: &mut tar::Entry<'_, impl Read>, upper: &Path, path: &Path, folders: &mut Folders) -> io::Result<()> {
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let (at, header) = (upper.join(path), entry.header().clone());
    let number = |number: io::Result<u64>| {
        number.and_then(|number| u32::try_from(number).map_err(|_| bad("an owner is no number of 32 bits")))
    };
    let (uid, gid) = (number(header.uid())?, number(header.gid())?);
    let (mode, time) = (header.mode()? & PERMISSIONS, header.mtime()?);
    // Of the layer itself no name is looked up; of all else the folder is one that was made here, and no link.
    let above = at.parent().ok_or_else(|| bad("it has no folder"))?;
    if !path.as_os_str().is_empty() && !fs::symlink_metadata(above).is_ok_and(|facts| facts.is_dir()) {
        return Err(bad("its folder does not come before it"));
    }
    match header.entry_type() {
        EntryType::Directory => {
            if !path.as_os_str().is_empty() {
                fs::create_dir(&at)?;
            }
            chown(&at, Some(uid), Some(gid))?;
            folders.insert(path.to_owned(), (mode, time));
        }
        EntryType::Symlink => {
            symlink(entry.link_name()?.ok_or_else(|| bad("it is a link to nothing"))?, &at)?;
            lchown(&at, Some(uid), Some(gid))?;
        }
        EntryType::Char if (header.device_major()?, header.device_minor()?) == (Some(0), Some(0)) => {
            rustix::fs::mknodat(CWD, &at, FileType::CharacterDevice, Mode::empty(), 0)?;
            lchown(&at, Some(uid), Some(gid))?;
        }
        EntryType::Regular => {
            let mut file = File::create_new(&at)?;
            io::copy(entry, &mut file)?;
            chown(&at, Some(uid), Some(gid))?;
            file.set_permissions(Permissions::from_mode(mode))?;
            file.set_modified(UNIX_EPOCH + Duration::from_secs(time))?;
        }
        _ => return Err(bad("it is neither a file nor a folder nor a link")),
    }
    for (name, value) in attributes(entry)? {
        if name.starts_with(OVERLAYS) && (name != layer::OPAQUE || value != b"y") {
            return Err(bad("it has an attribute of overlays that is not followed here"));
        }
        rustix::fs::lsetxattr(&at, name.as_str(), &value, XattrFlags::empty())?;
    }
    Ok(())
}

fn attributes(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(Vec::new()) };
    let mut attributes = Vec::new();
    for extension in extensions {
        let extension = extension?;
        if let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix(ATTRIBUTE)) {
            attributes.push((name.to_owned(), extension.value_bytes().to_vec()));
        }
    }
    Ok(attributes)
}
