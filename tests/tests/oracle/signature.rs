//! Keys and signatures against `openssl`: what we sign it verifies, what it signs we accept, and its key files are ours.

use core::num::NonZeroUsize;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use libupdate::bundle::writer::{
    self, BundleSpec, Carriage, Image, LocalKey, Sealed, Signer as _, Tools, from_der, to_der,
};
use libupdate::bundle::{Anchors, PublicKey, Unverified, UpdaterVersion};
use libupdate::error::Corrupt;
use libupdate::manifest::Name;
use libupdate::{ByteLen, SoftHasher, UnixSeconds};
use tempfile::TempDir;
use tests::tool;

/// The bundle of one small image, signed with `keys`.
fn bundle(keys: &[&LocalKey]) -> Vec<u8> {
    let spec = BundleSpec {
        compatibles: vec![Name::new("acme-box").unwrap()],
        version: Name::new("1.0").unwrap(),
        rollback_index: 1,
        build_time: UnixSeconds::UNKNOWN,
        extensions: vec![],
        minimum_updater: UpdaterVersion::OLDEST,
    };
    let source = &b"image"[..];
    let role = Name::new("root").unwrap();
    let image = Image { role, len: ByteLen::new(5), source, salt: None, carriage: Carriage::Raw };
    let mut signers: Vec<&dyn writer::Signer> = Vec::new();
    keys.iter().for_each(|key| signers.push(*key));
    let mut out = Cursor::new(Vec::new());
    let mut tools = Tools { hasher: SoftHasher, progress: &mut |_| {} };
    writer::write(&spec, &mut [image], &signers, &mut out, &mut tools).unwrap();
    out.into_inner()
}

fn envelope(bundle: &[u8]) -> Vec<u8> {
    let mut buf = [0; 8192];
    Unverified::read(&mut &bundle[..], &mut buf).unwrap().envelope().to_vec()
}

fn sealed(envelope: &[u8]) -> Sealed {
    Sealed::from(&Unverified::parse(envelope).unwrap())
}

fn signed_by(envelope: &[u8], key: &PublicKey) -> Result<(), Corrupt> {
    let anchors = Anchors::new(&[*key], NonZeroUsize::MIN).unwrap();
    Unverified::parse(envelope).unwrap().verify(&anchors).map(|_| ())
}

/// A folder of files for the tool.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// A new P-256 key in a PEM file.
    fn new_key(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let curve = "ec_paramgen_curve:P-256";
        openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", curve, "-out", text(&path)]);
        path
    }

    /// The public half of a private key file, as `SubjectPublicKeyInfo` with this form of the point.
    fn public_der(&self, private: &Path, point: &str) -> Vec<u8> {
        let out = self.path("public.der");
        let arguments =
            ["pkey", "-in", text(private), "-pubout", "-outform", "DER", "-ec_conv_form", point, "-out", text(&out)];
        openssl(&arguments);
        fs::read(out).unwrap()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn openssl(arguments: &[&str]) -> String {
    tool::run("openssl", arguments)
}

/// Whether openssl says that `signature` signs `message`.
fn openssl_verifies(files: &Files, public_spki: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let public = files.put("verify.der", public_spki);
    let (message, signature) = (files.put("message", message), files.put("signature", signature));
    let arguments = [
        "dgst",
        "-sha256",
        "-keyform",
        "DER",
        "-verify",
        text(&public),
        "-signature",
        text(&signature),
        text(&message),
    ];
    let output = tool::output("openssl", &arguments);
    let said = String::from_utf8(output.stdout).unwrap();
    match said.trim() {
        "Verified OK" => true,
        "Verification failure" | "Verification Failure" => false,
        other => panic!("openssl said {other:?} {}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[test]
fn openssl_verifies_our_signature_over_the_message_and_nothing_else() {
    let files = Files::new();
    // Each other number gives another r and s: some with a top bit, some with leading zeros.
    for secret in 1..=20 {
        let key = LocalKey::from_scalar(&[secret; 32]).unwrap();
        let sealed = sealed(&envelope(&bundle(&[&key])));
        let unverified = Unverified::parse(sealed.envelope()).unwrap();
        let signature = unverified.signatures().next().unwrap();
        let spki = key.public_key().to_spki();
        assert!(openssl_verifies(&files, &spki, &sealed.message(), &to_der(signature.bytes())));
        let mut other = sealed.message();
        *other.last_mut().unwrap() ^= 1;
        assert!(!openssl_verifies(&files, &spki, &other, &to_der(signature.bytes())));
    }
}

#[test]
fn a_signature_by_openssl_over_the_message_is_accepted() {
    let files = Files::new();
    let unsigned = sealed(&envelope(&bundle(&[])));
    let message = files.put("message", &unsigned.message());
    let mut high = 0;
    for round in 0..20 {
        let private = files.new_key("private.pem");
        let public = PublicKey::from_spki(&files.public_der(&private, "uncompressed")).unwrap();
        let out = files.path("signature");
        openssl(&["dgst", "-sha256", "-sign", text(&private), "-out", text(&out), text(&message)]);
        let der = fs::read(&out).unwrap();
        assert_eq!(to_der(&from_der(&der).unwrap()), der, "round {round}: our DER is openssl's");
        high += usize::from(from_der(&der).unwrap()[32] >= 0x80);

        let attached = unsigned.clone().attach(&public, &der).unwrap();
        assert_eq!(signed_by(attached.envelope(), &public), Ok(()));
        // What was normalised on its way in still holds for openssl.
        let stored = *Unverified::parse(attached.envelope()).unwrap().signatures().next().unwrap().bytes();
        assert!(openssl_verifies(&files, &public.to_spki(), &unsigned.message(), &to_der(&stored)));
    }
    assert!(high > 0, "twenty signatures without a high s: one in a million, or openssl normalises now");
}

/// A token signs the digest: `pkeyutl -sign` does as `CKM_ECDSA` would.
#[test]
fn a_signature_over_the_digest_is_a_signature_over_the_message() {
    let files = Files::new();
    let unsigned = sealed(&envelope(&bundle(&[])));
    let private = files.new_key("private.pem");
    let public = PublicKey::from_spki(&files.public_der(&private, "uncompressed")).unwrap();
    let digest = files.put("digest", unsigned.digest().as_bytes());
    let message = files.put("message", &unsigned.message());
    let said = openssl(&["dgst", "-sha256", "-r", text(&message)]);
    assert!(said.starts_with(&unsigned.digest().to_string()), "{said}");
    let out = files.path("signature");
    openssl(&["pkeyutl", "-sign", "-inkey", text(&private), "-in", text(&digest), "-out", text(&out)]);
    let attached = unsigned.attach(&public, &fs::read(out).unwrap()).unwrap();
    assert_eq!(signed_by(attached.envelope(), &public), Ok(()));
}

#[test]
fn both_point_forms_of_openssl_are_one_key() {
    let files = Files::new();
    for _ in 0..8 {
        let private = files.new_key("private.pem");
        let long = files.public_der(&private, "uncompressed");
        let short = files.public_der(&private, "compressed");
        assert_eq!((long.len(), short.len()), (91, 59));
        let key = PublicKey::from_spki(&long).unwrap();
        assert_eq!(PublicKey::from_spki(&short), Ok(key));
        assert_eq!(key.to_spki().as_slice(), long);
        // The key id is what `sha256sum` says of the file.
        let file = files.put("long.der", &long);
        let said = openssl(&["dgst", "-sha256", "-r", text(&file)]);
        assert!(said.starts_with(&key.id().to_string()), "{said}");
    }
}

#[test]
fn keys_that_are_not_p256_are_refused() {
    let files = Files::new();
    let keys: [&[&str]; 4] = [
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"],
        &["-algorithm", "ED25519"],
    ];
    for arguments in keys {
        let private = files.path("private.pem");
        openssl(&[&["genpkey", "-out", text(&private)], arguments].concat());
        let public = files.path("public.der");
        openssl(&["pkey", "-in", text(&private), "-pubout", "-outform", "DER", "-out", text(&public)]);
        assert!(PublicKey::from_spki(&fs::read(public).unwrap()).is_err(), "{arguments:?}");
    }
}

/// The same secret number gives the same public key.
#[test]
fn openssl_derives_our_public_key_from_the_secret() {
    let files = Files::new();
    for secret in [1, 2, 0x7f] {
        let key = LocalKey::from_scalar(&[secret; 32]).unwrap();
        // SEC 1 private key (RFC 5915): version 1, the number, the curve's name.
        let mut der = vec![0x30, 0x31, 2, 1, 1, 4, 32];
        der.extend([secret; 32]);
        der.extend([0xa0, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]);
        let private = files.put("private.der", &der);
        let out = files.path("public.der");
        openssl(&["ec", "-inform", "DER", "-in", text(&private), "-pubout", "-outform", "DER", "-out", text(&out)]);
        assert_eq!(fs::read(out).unwrap(), key.public_key().to_spki());
    }
}
