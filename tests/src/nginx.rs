//! A real server: Debian's nginx in a folder of its own, on ports of its own, with a log of what it was asked.

use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::tool::SYSTEM_FOLDERS;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; dropped, it is killed.
#[derive(Debug)]
pub struct Nginx {
    folder: TempDir,
    child: Child,
    /// Where it speaks http.
    pub port: u16,
    /// Where it speaks https, a port for each certificate it was given.
    pub tls: Vec<u16>,
}

/// One line of its log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The answer's status.
    pub status: u16,
    /// What was asked for.
    pub path: String,
    /// The header `Range`, or `-`.
    pub range: String,
    /// Bytes of the body that went out.
    pub bytes: u64,
}

impl Nginx {
    /// Starts it. `locations` stand in its `server` block; each certificate is a key and a chain.
    ///
    /// # Panics
    /// Where it does not start: install nginx-light.
    #[must_use]
    pub fn start(locations: &str, certificates: &[[String; 2]]) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        fs::create_dir(folder.path().join("www")).expect("a new folder is empty");
        let port = free_port();
        let tls: Vec<u16> = certificates.iter().map(|_| free_port()).collect();
        let at = folder.path().display();
        let mut servers = server(&format!("listen 127.0.0.1:{port};"), &at.to_string(), locations);
        for (port, [key, chain]) in tls.iter().zip(certificates) {
            let listen = format!("listen 127.0.0.1:{port} ssl; ssl_certificate {chain}; ssl_certificate_key {key};");
            servers += &server(&listen, &at.to_string(), locations);
        }
        let text = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\nevents {{}}\nhttp {{\n\
             log_format asked '$status $body_bytes_sent $uri $http_range';\naccess_log {at}/asked.log asked;\n\
             client_body_temp_path {at}/t1; proxy_temp_path {at}/t2; fastcgi_temp_path {at}/t3;\n\
             uwsgi_temp_path {at}/t4; scgi_temp_path {at}/t5;\n{servers}}}\n"
        );
        fs::write(folder.path().join("nginx.conf"), text).expect("the folder can be written");
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new("nginx")
            .args(["-e", &format!("{at}/error.log"), "-p", &at.to_string(), "-c", &format!("{at}/nginx.conf")])
            .env("PATH", format!("{path}:{SYSTEM_FOLDERS}"))
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx can be run: install nginx-light, this test needs it");
        let server = Self { folder, child, port, tls };
        server.answers();
        server
    }

    /// Waits until it takes connections.
    fn answers(&self) {
        let until = Instant::now() + PATIENCE;
        for port in self.tls.iter().chain([&self.port]) {
            while TcpStream::connect(("127.0.0.1", *port)).is_err() {
                assert!(Instant::now() < until, "nginx does not answer: {}", self.read("error.log"));
                sleep(Duration::from_millis(5));
            }
        }
    }

    /// Puts a file where it is served.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("www").join(name);
        // Under another name first: a file that is being sent is not changed, another one takes its place.
        let new = path.with_extension("new");
        fs::write(&new, bytes).and_then(|()| fs::rename(&new, &path)).expect("the folder can be written");
        path
    }

    /// The URL of a file, without TLS.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// The URL of a file at the place of a certificate.
    #[must_use]
    pub fn tls_url(&self, certificate: usize, name: &str) -> String {
        format!("https://localhost:{}/{name}", self.tls[certificate])
    }

    /// What it was asked, once `requests` have ended.
    ///
    /// # Panics
    /// Where they do not end, or there are more.
    #[must_use]
    pub fn asked(&self, requests: usize) -> Vec<Asked> {
        let until = Instant::now() + PATIENCE;
        loop {
            let log = self.read("asked.log");
            let lines: Vec<Asked> = log.lines().map(Asked::of).collect();
            if lines.len() >= requests {
                assert!(lines.len() == requests, "wanted {requests} requests: {log}");
                return lines;
            }
            assert!(Instant::now() < until, "wanted {requests} requests: {log}");
            sleep(Duration::from_millis(5));
        }
    }

    /// Bytes of all answers about a file, once nothing is sent any more.
    ///
    /// # Panics
    /// If that does not end.
    #[must_use]
    pub fn sent_of(&self, name: &str) -> u64 {
        let until = Instant::now() + PATIENCE;
        let mut log = self.read("asked.log");
        loop {
            sleep(Duration::from_millis(500));
            let now = self.read("asked.log");
            if now == log {
                let of_it = log.lines().map(Asked::of).filter(|asked| asked.path.trim_start_matches('/') == name);
                return of_it.map(|asked| asked.bytes).sum();
            }
            assert!(Instant::now() < until, "it goes on sending: {now}");
            log = now;
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

impl Asked {
    fn of(line: &str) -> Self {
        let mut fields = line.splitn(4, ' ');
        let mut field = || fields.next().unwrap_or_else(|| panic!("a line of four fields: {line}")).to_owned();
        let number = |text: String| text.parse().unwrap_or_else(|_| panic!("a number: {text}"));
        let (status, bytes) = (number(field()), number(field()));
        let status = u16::try_from(status).expect("a status");
        Self { status, bytes, path: field(), range: field() }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
    }
}

fn server(listen: &str, folder: &str, locations: &str) -> String {
    let mut text = String::new();
    writeln!(text, "server {{\n{listen}\nserver_name localhost;\nroot {folder}/www;\n{locations}\n}}")
        .expect("it is text");
    text
}

/// A port that nobody listens at now.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}
