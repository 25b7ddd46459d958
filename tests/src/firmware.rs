//! UEFI firmware of a guest, of the package `ovmf`, and its memory, in which the keys of Secure Boot are.
//!
//! ```text
//!  0x64  after the headers of volume and store: variables, each on 4 bytes        MdeModulePkg/Include/Guid/VariableFormat.h
//!        55AA 2, state 1, zero 1, attributes 4, zero 8, time 16, zero 4, bytes of name and data 4 4, owner 16, name, data
//!        the data of a key: type 16, bytes 4, zero 4, bytes of the only entry 4, owner 16, certificate in DER
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libupdate::gpt::Guid;
use libupdate::guid;

use crate::tool;

/// Where Debian has it.
const FOLDER: &str = "/usr/share/OVMF";

/// Firmware.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Firmware {
    /// It starts what it finds. Its memory.
    Plain(PathBuf),
    /// It starts what is signed. Its memory, with keys.
    SecureBoot(PathBuf),
}

impl Firmware {
    /// As it is delivered, with a memory of its own at `path`.
    ///
    /// # Panics
    /// Where the package is missing.
    #[must_use]
    pub fn plain(path: &Path) -> Self {
        fs::copy(Path::new(FOLDER).join("OVMF_VARS_4M.fd"), path).expect("the package ovmf is installed");
        Self::Plain(path.to_owned())
    }

    /// As it is delivered, with a memory of its own at `path` that has these boot entries, the first of which is tried first.
    ///
    /// # Panics
    /// Where the package is missing.
    #[must_use]
    pub fn with_entries(path: &Path, entries: &[(u16, BootEntry<'_>)]) -> Self {
        let mut memory = fs::read(Path::new(FOLDER).join("OVMF_VARS_4M.fd")).expect("the package ovmf is installed");
        let order: Vec<u8> = entries.iter().flat_map(|(number, _)| number.to_le_bytes()).collect();
        let named = entries.iter().map(|(number, entry)| (format!("Boot{number:04X}"), entry.data()));
        let mut at = FIRST_VARIABLE;
        for (name, data) in named.chain([("BootOrder".to_owned(), order)]) {
            let variable = variable(&name, GLOBAL, 7, &data);
            assert!(memory[at..at + variable.len()].iter().all(|byte| *byte == 0xff), "OVMF's memory is not empty");
            memory[at..at + variable.len()].copy_from_slice(&variable);
            at = (at + variable.len()).next_multiple_of(4);
        }
        fs::write(path, memory).expect("the folder can be written");
        Self::Plain(path.to_owned())
    }

    /// With Secure Boot on and one certificate for everything, and a memory of its own at `path`.
    ///
    /// # Panics
    /// Where the package is missing.
    #[must_use]
    pub fn with_keys(path: &Path, keys: &Keys) -> Self {
        let mut memory = fs::read(Path::new(FOLDER).join("OVMF_VARS_4M.fd")).expect("the package ovmf is installed");
        let certificate = keys.entry();
        let mut at = FIRST_VARIABLE;
        for (name, owner, attributes, data) in [
            ("PK", GLOBAL, 0x27, &certificate[..]),
            ("KEK", GLOBAL, 0x27, &certificate),
            ("db", SECURITY, 0x27, &certificate),
            ("SecureBootEnable", guid!("f0a30bc7-af08-4556-99c4-001009c93a44"), 3, &[1]),
        ] {
            let variable = variable(name, owner, attributes, data);
            assert!(memory[at..at + variable.len()].iter().all(|byte| *byte == 0xff), "OVMF's memory is not empty");
            memory[at..at + variable.len()].copy_from_slice(&variable);
            at = (at + variable.len()).next_multiple_of(4);
        }
        fs::write(path, memory).expect("the folder can be written");
        Self::SecureBoot(path.to_owned())
    }

    /// Adds it to a machine.
    pub fn plug_in(&self, qemu: &mut Command) {
        let (code, memory) = match self {
            Self::Plain(memory) => ("OVMF_CODE_4M.fd", memory),
            Self::SecureBoot(memory) => ("OVMF_CODE_4M.secboot.fd", memory),
        };
        if matches!(self, Self::SecureBoot(_)) {
            qemu.args(["-M", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"]);
        }
        let part = "if=pflash,format=raw,unit";
        qemu.arg("-drive").arg(format!("{part}=0,readonly=on,file={FOLDER}/{code}"));
        qemu.arg("-drive").arg(format!("{part}=1,file={}", memory.display()));
    }
}

/// A boot entry: a file on a partition of a disk.
#[derive(Clone, Copy, Debug)]
pub struct BootEntry<'e> {
    /// Its description.
    pub name: &'e str,
    /// Number of the partition, its first sector, its sectors.
    pub place: (u32, u64, u64),
    /// The partition's own GUID.
    pub guid: Guid,
    /// The file.
    pub file: &'e str,
}

impl BootEntry<'_> {
    /// The variable: UEFI 2.10, 3.1.3, 10.3.5.1 (hard drive), 10.3.5.4 (file path).
    fn data(&self) -> Vec<u8> {
        let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect() };
        let node = |kind: u8, data: &[u8]| {
            let len = u16::try_from(data.len() + 4).expect("a path is short").to_le_bytes();
            [&[4, kind][..], &len, data].concat()
        };
        let (number, first, sectors) = self.place;
        let partition = [&number.to_le_bytes()[..], &first.to_le_bytes(), &sectors.to_le_bytes()].concat();
        let drive = node(1, &[&partition[..], self.guid.as_bytes(), &[2, 2]].concat());
        let path = [drive, node(4, &utf16(self.file)), vec![0x7f, 0xff, 4, 0]].concat();
        let len = u16::try_from(path.len()).expect("a path is short").to_le_bytes();
        [&1_u32.to_le_bytes()[..], &len, &utf16(self.name), &path].concat()
    }
}

const FIRST_VARIABLE: usize = 0x64;
/// Owners of variables, and of what is in them.
const GLOBAL: Guid = guid!("8be4df61-93ca-11d2-aa0d-00e098032b8c");
const SECURITY: Guid = guid!("d719b2cb-3d3a-4596-a3bc-dad00e67656f");
const OURS: Guid = guid!("5a3b9b60-0f0e-4a39-8d0c-3c1f9f2f7a11");
const X509: Guid = guid!("a5c059a1-94e4-4aa7-87b5-ab155c2bf072");

fn variable(name: &str, owner: Guid, attributes: u32, data: &[u8]) -> Vec<u8> {
    let name: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a variable is short").to_le_bytes();
    // The first of January 2026.
    let mut time = [0; 16];
    time[..4].copy_from_slice(&[0xea, 0x07, 1, 1]);
    let mut bytes = vec![0xaa, 0x55, 0x3f, 0];
    bytes.extend(attributes.to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(time);
    bytes.extend([0; 4]);
    bytes.extend(length(&name));
    bytes.extend(length(data));
    bytes.extend(owner.as_bytes());
    bytes.extend(name);
    bytes.extend(data);
    bytes
}

/// A key that signs for firmware, and its certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    key: PathBuf,
    certificate: PathBuf,
}

impl Keys {
    /// Makes them; the key is at `path`.
    #[must_use]
    pub fn make(path: &Path) -> Self {
        let keys = Self { key: path.to_owned(), certificate: path.with_extension("crt") };
        let [key, certificate] = keys.paths();
        let request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=updater tests"];
        tool::run("openssl", &[&request[..], &["-keyout", key, "-out", certificate]].concat());
        keys
    }

    /// Signs a program, in place.
    pub fn sign(&self, program: &Path) {
        let [key, certificate] = self.paths();
        let program = text(program);
        tool::run("sbsign", &["--key", key, "--cert", certificate, "--output", program, program]);
    }

    /// The certificate as firmware keeps it.
    fn entry(&self) -> Vec<u8> {
        let der = self.certificate.with_extension("der");
        tool::run("openssl", &["x509", "-in", self.paths()[1], "-outform", "DER", "-out", text(&der)]);
        let der = fs::read(der).expect("it was made");
        let [list, entry] = [44, 16].map(|head| u32::try_from(head + der.len()).expect("a certificate is short"));
        let numbers = [list, 0, entry].map(u32::to_le_bytes).concat();
        [X509.as_bytes(), &numbers[..], OURS.as_bytes(), &der].concat()
    }

    fn paths(&self) -> [&str; 2] {
        [text(&self.key), text(&self.certificate)]
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}
