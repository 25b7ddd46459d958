//! A real proxy: Debian's tinyproxy in a folder of its own, with a log of where it was asked to connect to.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::nginx::free_port;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running proxy; dropped, it is killed.
#[derive(Debug)]
pub struct Tinyproxy {
    folder: TempDir,
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl Tinyproxy {
    /// Starts it; `more` stands in its configuration.
    ///
    /// # Panics
    /// Where it does not start: install tinyproxy-bin.
    #[must_use]
    pub fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let (port, at) = (free_port(), folder.path().display().to_string());
        let text =
            format!("Port {port}\nListen 127.0.0.1\nTimeout 20\nLogFile \"{at}/log\"\nLogLevel Connect\n{more}\n");
        let file = folder.path().join("tinyproxy.conf");
        fs::write(&file, text).expect("the folder can be written");
        let child = Command::new("/usr/bin/tinyproxy")
            .arg("-d")
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("tinyproxy can be run: install tinyproxy-bin, this test needs it");
        let proxy = Self { folder, child, port };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "tinyproxy does not answer: {}", proxy.log());
            sleep(Duration::from_millis(5));
        }
        proxy
    }

    /// How often it was asked to connect to `place`.
    #[must_use]
    pub fn connections(&self, place: &str) -> usize {
        self.log().matches(&format!("CONNECT {place} ")).count()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
    }
}
