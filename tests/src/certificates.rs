//! Certificates of openssl for servers of the tests: an authority, and what a server may show that is right or wrong.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tool;

const CONFIGURATION: &str = "\
[ca]
default_ca = tests
[tests]
database = index
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
";

/// An authority, in a folder of its own.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
}

/// From when to when a certificate is valid, as openssl writes it.
#[derive(Clone, Copy, Debug)]
pub struct Validity(&'static str, &'static str);

/// Longer than any test.
pub const VALID: Validity = Validity("20200101000000Z", "20990101000000Z");
/// It was.
pub const EXPIRED: Validity = Validity("20200101000000Z", "20210101000000Z");
/// It will be.
pub const NOT_YET: Validity = Validity("20980101000000Z", "20990101000000Z");

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// Where openssl does not make it.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("the temporary folder can be written");
        fs::write(folder.join("index"), "").expect("the temporary folder can be written");
        let new_certs = format!("new_certs_dir = {}", folder.display());
        let index = format!("database = {}", folder.join("index").display());
        let serial = format!("serial = {}", folder.join("serial").display());
        let text = CONFIGURATION.replace("new_certs_dir = .", &new_certs).replace("database = index", &index);
        let text = text.replace("serial = serial", &serial);
        fs::write(folder.join("ca.cnf"), text).expect("the temporary folder can be written");
        let authority = Self { folder: folder.to_owned() };
        let (key, certificate) = (authority.path("ca.key"), authority.path("ca.pem"));
        let mut line = vec!["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
        let subject = format!("/CN=Authority {}", folder.file_name().and_then(|name| name.to_str()).expect("a name"));
        line.extend(["-days", "3000", "-subj", &subject, "-keyout", &key, "-out", &certificate]);
        tool::run("openssl", &line);
        authority
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.path("ca.pem")
    }

    /// Makes a server's key and certificate for a DNS name; their files are `NAME.key` and `NAME.pem` of its folder.
    ///
    /// # Panics
    /// Where openssl does not make them.
    #[must_use]
    pub fn vouches(&self, name: &str, for_host: &str, validity: Validity) -> [String; 2] {
        let [key, request, extensions, certificate] =
            ["key", "csr", "ext", "pem"].map(|ending| self.path(&format!("{name}.{ending}")));
        let mut line = vec!["req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
        line.extend(["-subj", "/CN=server", "-keyout", &key, "-out", &request]);
        tool::run("openssl", &line);
        fs::write(&extensions, format!("subjectAltName = DNS:{for_host}\n")).expect("the folder can be written");
        let (ca, ca_key, configuration) = (self.certificate(), self.path("ca.key"), self.path("ca.cnf"));
        let mut line = vec!["ca", "-batch", "-notext", "-rand_serial", "-config", &configuration, "-cert", &ca];
        line.extend(["-keyfile", &ca_key, "-startdate", validity.0, "-enddate", validity.1]);
        line.extend(["-extfile", &extensions, "-in", &request, "-out", &certificate]);
        tool::run("openssl", &line);
        [key, certificate]
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().expect("a path of the tests is text").to_owned()
    }
}
