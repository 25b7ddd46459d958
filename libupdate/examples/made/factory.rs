// What a device and its updates come from: a key, signed bundles, and a disk with the first version on it. Also included by the
// documentation of lib.rs.

use std::error::Error;
use std::io::Cursor;
use std::num::NonZeroUsize;

use libupdate::bundle::writer::{self, BundleSpec, Carriage, Image, LocalKey, Signer, Tools};
use libupdate::bundle::{Anchors, Unverified, UpdaterVersion};
use libupdate::device::{Board, Device, Room, Work};
use libupdate::gpt::SlotBits;
use libupdate::install::NoDecompressor;
use libupdate::install::progress::Silent;
use libupdate::manifest::Name;
use libupdate::{BlockSize, ByteLen, SliceDisk, SoftHasher, UnixSeconds};

#[expect(dead_code, reason = "the disk of the other example")]
#[path = "table.rs"]
mod table;

/// Bytes of an image: a very small system.
const IMAGE_BYTES: usize = 16384;

/// Whoever makes the releases of one product.
pub struct Factory {
    compatible: &'static str,
    key: LocalKey,
    /// What its devices trust.
    pub anchors: Anchors,
}

impl Factory {
    pub fn new(compatible: &'static str) -> Result<Self, Box<dyn Error>> {
        let key = LocalKey::from_scalar(&[7; 32])?;
        let anchors = Anchors::new(&[*key.public_key()], NonZeroUsize::MIN)?;
        Ok(Self { compatible, key, anchors })
    }

    /// A signed bundle.
    pub fn bundle(&self, version: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let spec = BundleSpec {
            compatibles: vec![Name::new(self.compatible)?],
            version: Name::new(version)?,
            rollback_index: 0,
            build_time: UnixSeconds::UNKNOWN,
            extensions: Vec::new(),
            minimum_updater: UpdaterVersion::OLDEST,
        };
        let system = version.repeat(IMAGE_BYTES).into_bytes();
        let image = Image {
            role: Name::new("root")?,
            len: ByteLen::new(u64::try_from(IMAGE_BYTES)?),
            source: &system[..IMAGE_BYTES],
            salt: None,
            carriage: Carriage::Raw,
        };
        let mut out = Cursor::new(Vec::new());
        let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
        writer::write(&spec, &mut [image], &[&self.key], &mut out, &mut tools)?;
        Ok(out.into_inner())
    }

    /// The disk of a new device: `version` in its first slot, which is good.
    pub fn device(&self, board: Board<'_>, version: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let bundle = self.bundle(version)?;
        let (mut source, mut envelope) = (bundle.as_slice(), [0; 8192]);
        let verified = Unverified::read(&mut source, &mut envelope)?.verify(&self.anchors)?;
        let partitions: Vec<_> = board.view.specs.iter().map(|spec| (*spec, SlotBits::default())).collect();
        let entries = table::entries(&partitions);
        let mut memory = vec![0; table::DISK_BYTES];
        let mut disk = SliceDisk::new(&mut memory, BlockSize::B512);
        let (mut data, mut scratch) = ([0; 4096], [0; 4096]);
        let (hasher, decompressor) = (&mut SoftHasher, &mut NoDecompressor);
        let mut work = Work::new(&mut data, hasher, decompressor);
        let first = (verified, &mut source);
        let mut device = Device::new(&mut disk, board, &mut scratch);
        let outcome = device.provision(&table::fresh(&entries), first, &mut Room::new(), &mut work, &mut Silent)?;
        assert!(outcome.warning.is_none());
        Ok(memory)
    }
}
