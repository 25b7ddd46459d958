//! The command line of `bundle`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use libupdate::bundle::frame::Frames;
use libupdate::bundle::rollout::Rollout;

use crate::cli::Fetch;
#[cfg(feature = "push")]
use crate::cli::Server;

/// `bundle`.
#[derive(Subcommand, Debug)]
pub enum Bundle {
    /// Make a bundle from images
    Create(Box<BundleCreate>),
    /// Write the message that a signature is made over, and its SHA-256, for signing elsewhere
    Digest(BundleDigest),
    /// Add a signature that was made elsewhere
    AttachSignature(AttachSignature),
    /// Put a bundle into an OCI registry, from where `install oci://..` takes it
    #[cfg(feature = "push")]
    Push(Push),
}

/// `bundle create`.
#[derive(Args, Debug)]
pub struct BundleCreate {
    /// Image of the role `root`: a file, a block device, a FIFO, or - for stdin
    #[arg(long, value_name = "F")]
    pub image: Option<PathBuf>,
    /// Image of another role; may be given again
    #[arg(long, value_name = "ROLE=FILE", value_parser = payload)]
    pub payload: Vec<(String, PathBuf)>,
    /// Version of the release
    #[arg(long, value_name = "V")]
    pub version: String,
    /// Devices it is for; may be given again
    #[arg(long, value_name = "C", required = true)]
    pub compatible: Vec<String>,
    /// Private key (PKCS#8 or SEC 1, PEM or DER, without a passphrase); may be given again; without one the bundle is unsigned, to be signed elsewhere
    #[arg(long, value_name = "K")]
    pub key: Vec<PathBuf>,
    /// The bundle to write; - for stdout, and then everything else goes to stderr
    #[arg(short, long, value_name = "OUT", required_unless_present = "detached", conflicts_with = "detached")]
    pub output: Option<PathBuf>,
    /// Leave the image as it is and write F.manifest beside it
    #[arg(long)]
    pub detached: bool,
    /// How chunks are carried [default: none, and zstd with --delta-from]
    #[arg(long, value_enum)]
    pub compression: Option<CompressionOption>,
    /// Leave out the hints by which devices find what they hold already: 0.15 % of the image, and any update over http fetches all of it
    #[arg(long)]
    pub no_hints: bool,
    /// Carry chunks in pieces of so many KiB, 16 to 512: the smaller, the less of them do devices fetch that hold most of the image, and the larger is the
    /// whole bundle (64: by 3 %) [default: 512]
    #[arg(long, value_name = "KIB", value_parser = frames, requires = "compression", conflicts_with_all = ["no_hints", "delta_from", "detached"])]
    pub frame_size: Option<Frames>,
    /// Carry what differs from an older release, for devices that have it: its bundle, or the image that --image takes the place of.
    /// May be given again: then OUT is a folder, where each OLD has a bundle V-from-OLD.bundle
    #[arg(long, value_name = "OLD", conflicts_with = "detached")]
    pub delta_from: Vec<PathBuf>,
    /// File name of the bundle beside it for devices that have another release
    #[arg(long, value_name = "NAME", requires = "delta_from")]
    pub full: Option<String>,
    /// Devices that take it by `update`: so many of a hundred, each by its machine id and the version; `install` asks for no fraction [default: 100%]
    #[arg(long, value_name = "PERCENT", value_parser = rollout)]
    pub rollout: Option<Rollout>,
    /// Salt of the hash trees, in hex [default: made from compatible and role]
    #[arg(long, value_name = "HEX")]
    pub salt: Option<String>,
    /// Devices refuse an index lower than that of their good slots
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub rollback_index: u64,
    /// Make a pack of this name, which is merged over a running system, and no release: the image, and each ROLE, is an extension image with an
    /// extension-release of NAME, or of ROLE
    #[arg(long, value_name = "NAME", requires_all = ["level", "fits"], conflicts_with_all = ["delta_from", "detached", "rollout"])]
    pub pack: Option<String>,
    /// Of a pack.
    #[command(flatten, next_help_heading = "Of a pack")]
    pub of_a_pack: OfAPack,
    /// Replace OUT if it exists; a FIFO or a device is never replaced, but written to
    #[arg(long)]
    pub force: bool,
}

/// What a pack is.
#[derive(Args, Debug)]
pub struct OfAPack {
    /// What it adds to the version that runs, 1 or more: of several packs the higher level is on top
    #[arg(long, value_name = "N", requires = "pack")]
    pub level: Option<u32>,
    /// Major version of the systems that it is for
    #[arg(long, value_name = "MAJOR", requires = "pack")]
    pub fits: Option<u32>,
    /// A pack that it takes the place of; may be given again
    #[arg(long, value_name = "NAME", requires = "pack")]
    pub supersedes: Vec<String>,
    /// A unit that is reloaded once it is merged; may be given again
    #[arg(long, value_name = "UNIT", requires = "pack")]
    pub reload: Vec<String>,
    /// A unit that is restarted once it is merged; may be given again
    #[arg(long, value_name = "UNIT", requires = "pack")]
    pub restart: Vec<String>,
    /// Make the system users that its files declare
    #[arg(long, requires = "pack")]
    pub sysusers: bool,
    /// Make the files and folders that its files declare
    #[arg(long, requires = "pack")]
    pub tmpfiles: bool,
}

/// `10%`, `0.5%`.
fn rollout(text: &str) -> Result<Rollout, String> {
    let (whole, tenths) = text.trim_end_matches('%').split_once('.').unwrap_or((text.trim_end_matches('%'), "0"));
    let thousandths = whole.parse::<u16>().ok().and_then(|whole| whole.checked_mul(10));
    let tenth = tenths.parse::<u16>().ok().filter(|_| tenths.len() == 1);
    let all = thousandths.zip(tenth).and_then(|(whole, tenth)| Rollout::new(whole.checked_add(tenth)?));
    all.ok_or_else(|| "not a fraction of 100%, as 10% or 0.5%".to_owned())
}

/// `64`: KiB.
fn frames(text: &str) -> Result<Frames, String> {
    let blocks =
        text.parse::<u16>().ok().filter(|kib| kib.is_multiple_of(4)).and_then(|kib| u8::try_from(kib / 4).ok());
    blocks.and_then(Frames::of_blocks).ok_or_else(|| "not 16, 32, 64, 128, 256 or 512".to_owned())
}

fn payload(text: &str) -> Result<(String, PathBuf), String> {
    let (role, file) = text.split_once('=').ok_or("not of the form ROLE=FILE")?;
    Ok((role.to_owned(), PathBuf::from(file)))
}

/// `--compression`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum CompressionOption {
    /// As they are.
    None,
    /// Each chunk on its own, with zstd.
    Zstd,
}

/// `bundle digest`.
#[derive(Args, Debug)]
pub struct BundleDigest {
    /// Bundle or detached head
    pub file: PathBuf,
    /// The message to write, for `openssl dgst -sha256 -sign`; - for stdout
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// If it is a URL.
    #[command(flatten)]
    pub fetch: Fetch,
}

/// `bundle push`.
#[cfg(feature = "push")]
#[derive(Args, Debug)]
pub struct Push {
    /// The bundle
    pub file: PathBuf,
    /// oci://HOST[:PORT]/REPOSITORY[:TAG]; user and password before the host, if the registry wants them. A registry on localhost is asked over http, any other over
    /// https
    #[arg(value_name = "REFERENCE")]
    pub to: PathBuf,
    /// As for fetching.
    #[command(flatten, next_help_heading = "The registry")]
    pub server: Server,
}

/// `bundle attach-signature`.
#[derive(Args, Debug)]
pub struct AttachSignature {
    /// Bundle or detached head, changed in place
    pub file: PathBuf,
    /// The signature, DER or 64 bytes r and s
    #[arg(long, value_name = "SIG")]
    pub signature: PathBuf,
    /// The signer's public key
    #[arg(long, value_name = "PUB")]
    pub public_key: PathBuf,
}
