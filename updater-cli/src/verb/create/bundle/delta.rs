//! `bundle create --delta-from OLD`: which image each payload refers to, and what the bundle is called.

use std::path::{Path, PathBuf};

use libupdate::{ByteLen, Salt};

use super::create::ROOT;
use super::old_release::{self, OldPayload};
use crate::cli::create::BundleCreate;
use crate::delta::{OldImage, Unreadable};
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::source::local::{self, STDIN};
use crate::source::unreadable;

/// What a bundle's name has at its end, if nobody gives another.
const ENDING: &str = ".bundle";

/// An older release, with one of its images, or none, for each payload of the new one.
pub struct OldPayloads<'o> {
    path: &'o Path,
    payloads: Vec<Option<OldPayload>>,
}

impl<'o> OldPayloads<'o> {
    /// Opens OLD, and finds its image for each payload, given by role and salt.
    ///
    /// # Errors
    /// [`Exit::Usage`] if it has none of their images, or one with another salt.
    pub fn open(session: &Session, path: &'o Path, payloads: &[(&str, Salt<'_>)]) -> Result<Self, Failure> {
        let mut old = old_release::open(session, path).map_err(|failure| failure.doing(local::what(path)))?;
        let roles: Vec<_> = old.iter().filter_map(|one| Some(one.stated.as_ref()?.role.clone())).collect();
        let mut find = |(role, salt): &(&str, Salt<'_>)| -> Result<Option<OldPayload>, Failure> {
            let is_for = |one: &OldPayload| one.stated.as_ref().map_or(*role == ROOT, |stated| stated.role == *role);
            let Some(found) = old.iter().position(is_for).map(|place| old.swap_remove(place)) else { return Ok(None) };
            match &found.stated {
                Some(stated) if stated.salt != salt.as_bytes() => {
                    let why = format!("the hash tree of its image for {role} has another salt");
                    Err(refused(path, &why, "give the --compatible and --salt that it was made with"))
                }
                _ => Ok(Some(found)),
            }
        };
        let payloads: Vec<_> = payloads.iter().map(&mut find).collect::<Result<_, _>>()?;
        if payloads.iter().all(Option::is_none) {
            let why = match roles.is_empty() {
                true => format!("it is an image, which is taken for that of the role {ROOT}, and there is no --image"),
                false => format!("it has no image of any role of this bundle, but for {}", roles.join(", ")),
            };
            return Err(refused(path, &why, "give a bundle with an image of the same role"));
        }
        Ok(Self { path, payloads })
    }

    /// Bytes of its images.
    pub fn len(&self) -> u64 {
        self.payloads.iter().flatten().map(|one| one.image.len.get()).sum()
    }

    /// Reads the images, each with the salt of its payload. `tell` hears how many bytes are done.
    pub fn read(
        self,
        session: &Session,
        payloads: &[(&str, Salt<'_>)],
        tell: &mut dyn FnMut(ByteLen),
    ) -> Result<Vec<Option<OldImage>>, Failure> {
        let mut before = 0;
        let mut images = Vec::new();
        for (payload, (_, salt)) in self.payloads.into_iter().zip(payloads) {
            let Some(OldPayload { stated, image }) = payload else {
                images.push(None);
                continue;
            };
            let len = image.len.get();
            let mut tell = |done: ByteLen| tell(ByteLen::new(done.get().saturating_add(before)));
            let old = OldImage::read(image, *salt, &session.interrupt, &mut tell);
            let old = old.map_err(|fault| unread(self.path, fault))?;
            if stated.is_some_and(|stated| stated.root_hash != old.root_hash()) {
                let why = "the image does not have the root hash of its manifest";
                return Err(Failure::new(Exit::NotAuthentic, local::what(self.path), why, "fetch or make it again"));
            }
            images.push(Some(old));
            before = before.saturating_add(len);
        }
        Ok(images)
    }
}

fn refused(path: &Path, why: &str, next: &str) -> Failure {
    Failure::new(Exit::Usage, format!("cannot make a delta from {}", path.display()), why, next)
}

fn unread(path: &Path, fault: Unreadable) -> Failure {
    match fault {
        Unreadable::File(error) => unreadable(path, &error),
        Unreadable::Interrupted => {
            Failure::new(Exit::Interrupted, "", "interrupted", "run the same command again, it begins anew")
        }
        Unreadable::Length => refused(path, "it is longer than an image can be", "give an image"),
    }
}

/// Each OLD, and the file of its bundle: OUT, or a file in it if it is a folder.
///
/// # Errors
/// [`Exit::Usage`] if several have one name, or OUT is no folder for them.
pub fn outputs<'a>(args: &'a BundleCreate, out: &Path) -> Result<Vec<(&'a Path, PathBuf)>, Failure> {
    let olds = || args.delta_from.iter().map(PathBuf::as_path);
    if !out.is_dir() {
        return match args.delta_from.len() {
            0 | 1 => Ok(olds().map(|old| (old, out.to_owned())).collect()),
            _ => {
                let why = format!("{} is no folder, and each --delta-from has a bundle of its own", out.display());
                Err(Failure::new(Exit::Usage, "cannot make the bundles", why, "make it: mkdir"))
            }
        };
    }
    let mut outputs: Vec<(&Path, PathBuf)> = Vec::new();
    for old in olds() {
        let file = out.join(name(&args.version, old));
        if let Some((other, _)) = outputs.iter().find(|(_, known)| *known == file) {
            let why = format!("{} and {} have the same name", other.display(), old.display());
            return Err(Failure::new(Exit::Usage, "cannot make the bundles", why, "make one after the other"));
        }
        outputs.push((old, file));
    }
    Ok(outputs)
}

/// The name of a delta, by what it leads from and to.
fn name(version: &str, old: &Path) -> String {
    let old = match old.file_name() {
        Some(name) if old != Path::new(STDIN) => name.to_string_lossy(),
        _ => "stdin".into(),
    };
    let old = old.strip_suffix(ENDING).unwrap_or(&old);
    format!("{version}-from-{old}{ENDING}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_is_named_after_both_releases() {
        for (old, expected) in [
            ("releases/1.3.bundle", "1.4-from-1.3.bundle"),
            ("root-1.3.erofs", "1.4-from-root-1.3.erofs.bundle"),
            ("-", "1.4-from-stdin.bundle"),
        ] {
            assert_eq!(name("1.4", Path::new(old)), expected);
        }
    }
}
