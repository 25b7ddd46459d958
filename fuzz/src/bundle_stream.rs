//! A bundle in any pieces into any buffers: what ends in a staged slot is what was signed, byte for byte.

use std::sync::LazyLock;

use embedded_io::{ErrorKind, ErrorType, Read};
use libupdate::boot::Guard;
use libupdate::bundle::signature;
use libupdate::bundle::writer::Signer as _;
use libupdate::bundle::{Features, Prefix, Unverified, UpdaterVersion};
use libupdate::device::Ending;
use libupdate::gpt::TriesLeft;
use libupdate::install::Source;
use libupdate::manifest::Manifest;
use libupdate::verity::CHUNK_BYTES;
use libupdate::{BlockSize, Error};
use tests::chance::Chance;
use tests::medium::Zone;

use crate::bundles::{ANCHORS, BLOCK, Bundle, Carried, KEY, bundle, naive_tree};
use crate::input::Input;
use crate::machine::{Machine, Shape, Sizes, id, willing};

/// What the machine's key has signed, of 1 to 300 blocks, all of which fit its slots.
pub static BUNDLES: LazyLock<Vec<Bundle>> = LazyLock::new(|| {
    vec![
        bundle("1", &[BLOCK], Carried::Raw),
        bundle("2", &[2 * BLOCK + 1], Carried::Raw),
        bundle("3", &[128 * BLOCK], Carried::Raw),
        bundle("4", &[129 * BLOCK], Carried::Raw),
        bundle("5", &[3 * BLOCK], Carried::Paged),
        bundle("6", &[300 * BLOCK - 77], Carried::Paged),
    ]
});

/// A machine whose slot a is good and whose slot b is empty.
static MACHINE: LazyLock<Machine> = LazyLock::new(|| {
    let shape = Shape { block_size: BlockSize::B512, slots: 2, roles: 1, partition_blocks: 325 };
    let mut machine = Machine::blank(shape, Guard::Off, TriesLeft::MAX);
    let (mut first, mut head) = (BUNDLES[0].bytes.as_slice(), [0; 8192]);
    let unverified = Unverified::read(&mut first, &mut head).expect("a valid head");
    let verified = unverified.verify(&ANCHORS).expect("the machine's key");
    machine.provision((verified, &mut first), Sizes::USUAL).expect("an empty disk");
    machine.booted = Some(0);
    machine
});

/// Reads the bytes as a bundle; or changes a valid one, with or without a new signature, and installs it.
///
/// # Panics
/// Where something else than what was signed is staged, or a valid bundle is not.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.below(4) {
        0 => head_only(&mut input),
        1 => resigned(&mut input),
        _ => damaged(&mut input),
    }
}

/// Arbitrary bytes as an envelope.
fn head_only(input: &mut Input<'_>) {
    let pieces = input.bytes(4).to_vec();
    let mut source = Trickle::new(input.rest().to_vec(), pieces);
    let mut head = [0; 8192];
    let Ok(unverified) = Unverified::read(&mut source, &mut head) else { return };
    assert!(source.bytes.starts_with(unverified.envelope()));
    assert_eq!(source.at, unverified.envelope().len(), "more than the envelope was read");
    if let Ok(verified) = unverified.verify(&ANCHORS) {
        assert!(BUNDLES.iter().any(|bundle| bundle.digest == verified.digest()), "a forged signature");
    }
}

/// A valid bundle with some bytes changed after it was signed.
fn damaged(input: &mut Input<'_>) {
    let chosen = &BUNDLES[input.below(BUNDLES.len())];
    let (sizes, pieces) = (sizes(input), input.bytes(3).to_vec());
    let mut source = Trickle::new(chosen.bytes.clone(), pieces);
    if input.byte() == 0xff {
        source.fails_at = Some(input.long() as usize % source.bytes.len());
    }
    mutate(&mut source.bytes, input);
    let (same, fails) = (source.bytes == chosen.bytes, source.fails_at.is_some());
    let mut machine = MACHINE.clone();
    let result = machine.install(&mut source, &willing(), sizes);
    match &result {
        Ok(installed) => {
            assert_eq!((installed.slot, installed.ending), (id(1), Ending::Armed));
            assert!(machine.holds(1, 0, &chosen.images[0]), "another image was staged");
            assert_eq!(machine.verify(1), Ok(chosen.digest));
        }
        Err(Error::Misuse(_)) => assert!(sizes.data < CHUNK_BYTES || sizes.carried < CHUNK_BYTES, "{result:?}"),
        Err(error) => assert!(!same || fails, "a valid bundle was refused: {error}"),
    }
    other_slot_is_untouched(&machine);
}

/// A manifest with some bytes changed, signed anew, before payloads with some bytes changed: the signer is hostile, or broken.
fn resigned(input: &mut Input<'_>) {
    let chosen = &BUNDLES[input.below(BUNDLES.len())];
    let (sizes, pieces) = (sizes(input), input.bytes(3).to_vec());
    let manifest_len = input.short() % 600;
    let mut manifest = if input.yes() { input.bytes(manifest_len).to_vec() } else { manifest_of(chosen).to_vec() };
    let changes = input.short() % 64;
    mutate(&mut manifest, &mut Input::new(input.bytes(changes)));
    let mut payload = chosen.bytes[chosen.head..].to_vec();
    mutate(&mut payload, input);
    let Some(head) = sealed(&manifest) else { return };
    let mut source = Trickle::new([head, payload].concat(), pieces);
    let mut machine = MACHINE.clone();
    if machine.install(&mut source, &willing(), sizes).is_ok() {
        let manifest = Manifest::decode(&manifest).expect("it was installed");
        let payload = manifest.payloads().first().expect("it has one");
        let len = payload.image_len().get() as usize;
        let image = machine.partition(1, 0, len.next_multiple_of(BLOCK));
        let (root, _) = naive_tree(&image, payload.salt().as_bytes());
        assert_eq!(*payload.root_hash().digest().as_bytes(), root, "staged without its root hash");
        assert!(machine.verify(1).is_ok());
    }
    other_slot_is_untouched(&machine);
}

fn other_slot_is_untouched(machine: &Machine) {
    let [now, before] = [machine, &*MACHINE].map(|machine| machine.disk.content().identity().zone(Zone::of_slot(0)));
    assert_eq!(now, before, "slot a was written");
}

fn manifest_of(bundle: &Bundle) -> &[u8] {
    let head = &bundle.bytes[..bundle.head];
    let len = u32::from_le_bytes([head[12], head[13], head[14], head[15]]) as usize;
    &head[40..40 + len]
}

/// An envelope with the machine's own key, whatever the manifest is.
fn sealed(manifest: &[u8]) -> Option<Vec<u8>> {
    let paged = Manifest::decode(manifest)
        .is_ok_and(|manifest| libupdate::bundle::envelope::required_features(&manifest) == Features::ZSTD);
    let features = if paged { Features::ZSTD } else { Features::NONE };
    let prefix = Prefix::new(manifest.len(), features, UpdaterVersion::OLDEST).ok()?.encode();
    let signed = [&prefix[..], manifest].concat();
    let signature = KEY.sign(&signature::message_digest(&signed)).expect("a key in memory signs");
    let id = *KEY.public_key().id().digest().as_bytes();
    Some([&signed[..], &[1, 0, 0, 0], &id, &signature].concat())
}

fn sizes(input: &mut Input<'_>) -> Sizes {
    let data = input.one_of(&[CHUNK_BYTES, BLOCK, 2 * BLOCK, 3 * BLOCK, CHUNK_BYTES + 5000, 16 * BLOCK, BLOCK - 1, 0]);
    Sizes { data, carried: input.one_of(&[CHUNK_BYTES, 0, 1]) }
}

/// Changes, one after the other, until the input ends.
fn mutate(bytes: &mut Vec<u8>, input: &mut Input<'_>) {
    while !input.is_empty() && !bytes.is_empty() {
        let what = input.byte();
        // Near the start, near the end, or anywhere.
        let far = input.short();
        let at = match what >> 6 {
            0 => far,
            1 => bytes.len() - 1 - far % bytes.len(),
            _ => far * 41,
        } % bytes.len();
        let len = 1 + input.below(255).min(bytes.len() - at - 1);
        match what % 8 {
            0 => bytes[at] ^= input.byte(),
            1 => bytes[at] = input.byte(),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..at + len)),
            4 => drop(bytes.splice(at..at, input.bytes(len).iter().copied())),
            5 => bytes.rotate_left(at / BLOCK * BLOCK),
            6 => bytes[at..at + len].fill(input.byte()),
            _ => {
                let mut chance = Chance::new(input.long());
                let other = chance.below(bytes.len());
                bytes.swap(at, other);
            }
        }
    }
}

/// Gives the bytes in pieces of these lengths, over and over; fails where it is told to.
struct Trickle {
    bytes: Vec<u8>,
    pieces: Vec<u8>,
    at: usize,
    reads: usize,
    fails_at: Option<usize>,
}

impl Trickle {
    const fn new(bytes: Vec<u8>, pieces: Vec<u8>) -> Self {
        Self { bytes, pieces, at: 0, reads: 0, fails_at: None }
    }
}

impl ErrorType for Trickle {
    type Error = ErrorKind;
}

impl Read for Trickle {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        self.reads += 1;
        if self.fails_at.is_some_and(|at| at <= self.at) {
            return Err(ErrorKind::ConnectionReset);
        }
        let piece = self.pieces.get(self.reads % self.pieces.len().max(1)).map_or(usize::MAX, |piece| match piece {
            0..100 => 700 + usize::from(*piece),
            100..200 => 4096 * usize::from(piece - 99),
            _ => usize::MAX,
        });
        let len = buf.len().min(piece).min(self.bytes.len() - self.at);
        buf[..len].copy_from_slice(&self.bytes[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

impl Source for Trickle {}
