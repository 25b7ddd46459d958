//! A real registry: Debian's docker-registry in a folder of its own, on a port of its own.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::nginx::free_port;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running registry; dropped, it is killed.
#[derive(Debug)]
pub struct Registry {
    folder: TempDir,
    child: Child,
    port: u16,
}

impl Registry {
    /// Starts it.
    ///
    /// # Panics
    /// Where it does not start: install docker-registry.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let (port, data) = (free_port(), folder.path().join("data"));
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '127.0.0.1:{port}', secret: tests}}\n",
            data.display()
        );
        fs::write(&config, text).expect("the folder can be written");
        let child = Command::new("docker-registry")
            .args(["serve".as_ref(), config.as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry can be run: install it, this test needs it");
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "the registry does not answer");
            sleep(Duration::from_millis(5));
        }
        Self { folder, child, port }
    }

    /// A reference to what it has, or will have.
    #[must_use]
    pub fn reference(&self, artifact: &str) -> String {
        format!("oci://localhost:{}/{artifact}", self.port)
    }

    /// Bytes that it keeps.
    #[must_use]
    pub fn kept(&self) -> u64 {
        let files = walkdir(&self.folder.path().join("data"));
        files.iter().map(|file| fs::metadata(file).map_or(0, |data| data.len())).sum()
    }
}

fn walkdir(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { walkdir(&path) } else { vec![path] }).collect()
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
    }
}
