//! `info`: a bundle's manifest and who signed it; what is not verified is called so.

use libupdate::bundle::delta::{self, OldImages};
use libupdate::bundle::pack::{Pack, Texts};
use libupdate::bundle::rollout::Rollout;
use libupdate::bundle::{Anchors, Unverified};
use libupdate::manifest::{Encoding, Manifest, Payload};
use libupdate::units::limits::ENVELOPE_BYTES;
use libupdate::{Error, RootHash};
use libupdate_linux::OsError;
use serde::Serialize;

use crate::cli::Info;
use crate::exit::Failure;
use crate::output::{Printable, Report, Size};
use crate::session::Session;
use crate::source::{BundleSource, shown};

/// Shows the manifest. With keys it says whether they signed; without, that nothing is verified.
pub fn run(session: &Session, args: &Info) -> Result<(), Failure> {
    let what = format!("cannot read {}", shown(&args.file));
    let named = |fault| Failure::from(Error::<OsError>::from(fault)).doing(&what);
    let mut source = BundleSource::open(&args.file, &args.fetch, session)?;
    let mut head = Box::new([0; ENVELOPE_BYTES]);
    let read = Unverified::read(&mut source, &mut head);
    let unverified = read.map_err(|fault| source.explained(named(fault)))?;
    args.export.run(session, &unverified)?;
    let anchors = session.anchors_if_any()?;
    let signatures = unverified.signatures().map(|signature| signature.key_id().to_string()).collect();
    let described = match anchors {
        None => {
            session.output.warn("no key to check with (give --trust): nothing here is verified");
            let manifest = unverified.danger_manifest().map_err(|kind| named(kind.into()))?;
            Described::of(&manifest, &unverified, signatures, Trust::NotChecked)
        }
        Some(anchors) => checked(&unverified, &anchors, signatures, session).map_err(named)?,
    };
    session.output.result(&described)
}

fn checked(
    unverified: &Unverified<'_>,
    anchors: &Anchors,
    signatures: Vec<String>,
    session: &Session,
) -> Result<Described, libupdate::error::BundleFault> {
    let envelope = Unverified::parse(unverified.envelope())?;
    match envelope.verify(anchors) {
        Ok(verified) => Ok(Described::of(verified.manifest(), unverified, signatures, Trust::Verified)),
        Err(kind) => {
            session.output.warn(&format!("not authentic: {kind}; nothing here is verified"));
            Ok(Described::of(&unverified.danger_manifest()?, unverified, signatures, Trust::NotAuthentic))
        }
    }
}

/// What is known about the signatures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Trust {
    Verified,
    NotAuthentic,
    NotChecked,
}

#[derive(Serialize)]
struct Described {
    trust: Trust,
    version: String,
    compatibles: Vec<String>,
    rollback_index: u64,
    build_time: Option<String>,
    manifest_digest: String,
    signed_by: Vec<String>,
    /// The file beside it that holds the whole images.
    full_bundle: Option<String>,
    /// Thousandths of devices that take it by themselves; `None` if it says something else.
    rollout_thousandths: Option<u16>,
    /// What it is if it is a pack; `None`: it is a release.
    pack: Option<OfAPack>,
    payloads: Vec<Image>,
}

#[derive(Serialize)]
struct OfAPack {
    name: String,
    level: u32,
    fits: u32,
    supersedes: Vec<String>,
    reload: Vec<String>,
    restart: Vec<String>,
    sysusers: bool,
    tmpfiles: bool,
}

impl OfAPack {
    fn of(pack: &Pack<'_>) -> Self {
        let owned = |texts: Texts<'_>| texts.map(str::to_owned).collect();
        Self {
            name: pack.name().to_string(),
            level: pack.level(),
            fits: pack.fits(),
            supersedes: owned(pack.supersedes()),
            reload: owned(pack.reload()),
            restart: owned(pack.restart()),
            sysusers: pack.sysusers(),
            tmpfiles: pack.tmpfiles(),
        }
    }

    fn in_words(&self) -> String {
        let mut text = format!("pack            {}, level {}, fits version {}\n", self.name, self.level, self.fits);
        for (word, texts) in [("supersedes", &self.supersedes), ("reloads", &self.reload), ("restarts", &self.restart)]
        {
            if !texts.is_empty() {
                text += &format!("  {word:<14}{}\n", Printable(&texts.join(", ")));
            }
        }
        text
    }
}

#[derive(Serialize)]
struct Image {
    role: String,
    image_bytes: u64,
    root_hash: String,
    salt: String,
    compression: &'static str,
    /// Root hash of the old image that it is made from.
    old_image: Option<String>,
}

impl Described {
    fn of(manifest: &Manifest<'_>, unverified: &Unverified<'_>, signed_by: Vec<String>, trust: Trust) -> Self {
        // What breaks its rule is refused by who installs it.
        let old = OldImages::named(manifest).ok();
        let old = old.into_iter().flat_map(|old| old.roots().collect::<Vec<_>>()).chain(std::iter::repeat(None));
        Self {
            trust,
            version: manifest.version().to_string(),
            compatibles: manifest.compatibles().iter().map(|name| name.to_string()).collect(),
            rollback_index: manifest.rollback_index(),
            build_time: crate::time::rfc3339(manifest.build_time()),
            manifest_digest: unverified.digest().to_string(),
            signed_by,
            full_bundle: delta::full_bundle(manifest).map(|name| name.to_string()),
            rollout_thousandths: Rollout::of(manifest).ok().map(Rollout::thousandths),
            pack: Pack::danger_of(manifest).map(|pack| OfAPack::of(&pack)),
            payloads: manifest.payloads().iter().zip(old).map(|(payload, old)| Image::of(&payload, old)).collect(),
        }
    }
}

impl Image {
    fn of(payload: &Payload<'_>, old: Option<RootHash>) -> Self {
        Self {
            role: payload.role().to_string(),
            image_bytes: payload.image_len().get(),
            root_hash: payload.root_hash().to_string(),
            salt: payload.salt().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect(),
            compression: if payload.encoding() == Encoding::Raw { "none" } else { "zstd" },
            old_image: old.map(|root| root.to_string()),
        }
    }
}

impl Report for Described {
    fn human(&self) -> String {
        let trust = match self.trust {
            Trust::Verified => "signatures verified",
            Trust::NotAuthentic => "NOT AUTHENTIC: not signed by the given keys",
            Trust::NotChecked => "NOT VERIFIED: no key was given",
        };
        let mut text = format!("version         {}   ({trust})\n", Printable(&self.version));
        text += &format!("compatible      {}\n", Printable(&self.compatibles.join(", ")));
        text += &format!("rollback index  {}\n", self.rollback_index);
        text += &self.build_time.as_ref().map_or(String::new(), |time| format!("build time      {time}\n"));
        text += &format!("manifest        {}\n", self.manifest_digest);
        text += &self.signed_by.iter().map(|key| format!("signed by       {key}\n")).collect::<String>();
        let full = self.full_bundle.as_ref().map(|name| format!("whole images    {}\n", Printable(name)));
        text += &full.unwrap_or_default();
        let rollout = self.rollout_thousandths.filter(|all| *all < 1000);
        text +=
            &rollout.map_or(String::new(), |all| format!("rollout         {}.{} % of devices\n", all / 10, all % 10));
        text += &self.pack.as_ref().map_or(String::new(), OfAPack::in_words);
        for image in &self.payloads {
            let (role, size) = (Printable(&image.role), Size(image.image_bytes));
            text += &format!("payload         {role}: {size}, compression {}\n", image.compression);
            text += &format!("  root hash     {}\n  salt          {}\n", image.root_hash, image.salt);
            text += &image.old_image.as_ref().map_or(String::new(), |root| format!("  made from     {root}\n"));
        }
        text
    }
}
