//! A machine in qemu, under software emulation, and what its serial console says.

use std::fs::OpenOptions;
use std::io::{Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use libupdate::BlockSize;
use tempfile::TempDir;

use crate::firmware::Firmware;
use crate::guest_disk::GuestDisk;
use crate::guest_kit::Kernel;
use crate::guest_medium::{Bus, Medium, drive};

/// A guest that says nothing new for so long hangs. It is many times what a boot takes on a machine with other work.
const PATIENCE: Duration = Duration::from_secs(150);
/// A guest that starts over and over never ends, whatever it says.
const LIFETIME: Duration = Duration::from_secs(20 * 60);
const POLL: Duration = Duration::from_millis(20);
/// What the hook says once in each boot: as it hands over, or as it gives up.
const BOOTED: [&str; 2] = [" boots: version ", GAVE_UP];
const GAVE_UP: &str = "updater: nothing can be booted";

/// A running machine. Dropped, its power is cut.
#[derive(Debug)]
pub struct Guest {
    child: Child,
    said: Arc<Mutex<String>>,
    readers: Vec<thread::JoinHandle<()>>,
    folder: TempDir,
    buttons: Option<UnixStream>,
}

/// How a machine is put together.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Words for the guest's init.
    pub acts: &'static str,
    /// A bundle on a second disk.
    pub bundle: Option<PathBuf>,
    /// Another disk beside the board's.
    pub twin: Option<PathBuf>,
    /// More words for the kernel; a `console=` among them is instead of the machine's.
    pub words: &'static str,
    /// Another initramfs than the board's, which is the hook alone.
    pub initramfs: Option<PathBuf>,
    /// UEFI firmware, which starts what it finds on the disk, and not the board's kernel.
    pub firmware: Option<Firmware>,
    /// A boot loader of its processor in the place of firmware, which starts what it finds on the disk.
    pub loader: Option<PathBuf>,
    /// What its disk hangs on.
    pub bus: Bus,
    /// What its disk does with writes.
    pub medium: Medium,
    /// More options of qemu.
    pub devices: &'static [&'static str],
}

impl Machine {
    /// One whose init does `acts`.
    #[must_use]
    pub fn does(acts: &'static str) -> Self {
        Self { acts, ..Self::default() }
    }

    /// Starts it from a disk.
    ///
    /// # Panics
    /// Where qemu cannot be started.
    #[must_use]
    pub fn start(&self, disk: &GuestDisk) -> Guest {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let (mut qemu, console) = emulator(disk.board().kernel);
        qemu.args(["-accel", "tcg,thread=multi", "-smp", "1", "-m", disk.board().memory_mib()])
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-monitor"])
            .arg(format!("unix:{},server=on,wait=off", socket(&folder).display()))
            .args(self.devices);
        match (&self.firmware, &self.loader) {
            (Some(firmware), _) => firmware.plug_in(&mut qemu),
            (None, Some(loader)) => {
                qemu.arg("-bios").arg(loader);
            }
            (None, None) => {
                let console =
                    if self.words.contains("console=") { String::new() } else { format!("console={console}") };
                // The kernel's tests of its own ciphers are a tenth of a boot.
                let words = format!("{console} quiet cryptomgr.notests panic=-1 guest.do={} {}", self.acts, self.words);
                let initramfs = self.initramfs.clone().unwrap_or_else(|| disk.kit().initramfs(disk.board()));
                qemu.arg("-kernel").arg(disk.kit().kernel(disk.board().kernel)).arg("-initrd").arg(initramfs);
                qemu.arg("-append").arg(words);
            }
        }
        drive(&mut qemu, &disk.path(), self.bus, self.medium, disk.sectors());
        if let Some(bundle) = &self.bundle {
            drive(&mut qemu, &second_disk(bundle, &folder), Bus::Virtio, Medium::Sound, BlockSize::B512);
        }
        if let Some(twin) = &self.twin {
            drive(&mut qemu, twin, Bus::Virtio, Medium::Sound, BlockSize::B512);
        }
        let mut child =
            qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("qemu is installed");
        let said = Arc::new(Mutex::new(String::new()));
        let console = listen(child.stdout.take().expect("it was piped"), &said);
        let complaints = listen(child.stderr.take().expect("it was piped"), &said);
        Guest { child, said, readers: vec![console, complaints], folder, buttons: None }
    }

    /// Runs it until it powers off.
    ///
    /// # Panics
    /// Where it does not.
    #[must_use]
    pub fn run(&self, disk: &GuestDisk) -> String {
        self.start(disk).powers_off()
    }
}

/// The emulator of a kernel's processor, and the serial port of its machine.
fn emulator(kernel: Kernel) -> (Command, &'static str) {
    let (program, options, console): (_, &[&str], _) = match kernel {
        // Plain "max" signs pointers in full, which takes five times as long.
        Kernel::Arm64 => ("qemu-system-aarch64", &["-M", "virt", "-cpu", "max,pauth-impdef=on"], "ttyAMA0"),
        Kernel::Cloud | Kernel::Full | Kernel::Compressed => ("qemu-system-x86_64", &["-cpu", "max"], "ttyS0"),
    };
    let mut qemu = Command::new(program);
    qemu.args(options);
    (qemu, console)
}

/// Adds what comes out of a pipe to what was said.
fn listen(mut pipe: impl Read + Send + 'static, said: &Arc<Mutex<String>>) -> thread::JoinHandle<()> {
    let into = Arc::clone(said);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..count]).replace('\r', "");
            into.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        }
    })
}

fn socket(folder: &TempDir) -> PathBuf {
    folder.path().join("monitor")
}

/// A bundle, behind a block that begins with its length. It is this guest's own: qemu locks what it opens.
fn second_disk(bundle: &Path, folder: &TempDir) -> PathBuf {
    let bytes = std::fs::read(bundle).expect("the bundle was made");
    let mut disk = format!("{:<15}\n", bytes.len()).into_bytes();
    disk.resize(4096, 0);
    disk.extend(bytes);
    disk.resize(disk.len().next_multiple_of(4096), 0);
    let path = folder.path().join("bundle.disk");
    std::fs::write(&path, disk).expect("the folder can be written");
    path
}

impl Guest {
    /// What the console has said until now.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the console has said `text` so many times.
    ///
    /// # Panics
    /// Where it never does.
    pub fn says(&self, text: &str, times: usize) {
        self.waits_until(&format!("{text:?}, {times} times"), |said| said.matches(text).count() >= times);
    }

    /// Waits until a slot boots.
    ///
    /// # Panics
    /// Where none does.
    pub fn comes_up(&self) {
        self.waits_until("what it boots", |said| boots(said) > 0);
        assert!(!self.said().contains(GAVE_UP), "{}", self.said());
    }

    fn waits_until(&self, what: &str, met: impl Fn(&str) -> bool) {
        let (mut heard, mut until, end) = (0, Instant::now() + PATIENCE, Instant::now() + LIFETIME);
        loop {
            let said = self.said();
            if met(&said) {
                return;
            }
            if said.len() != heard {
                (heard, until) = (said.len(), Instant::now() + PATIENCE);
            }
            assert!(Instant::now() < until.min(end), "the guest never said {what}:\n{said}");
            thread::sleep(POLL);
        }
    }

    /// Waits until the guest has powered itself off, and gives what it said.
    ///
    /// # Panics
    /// Where it never does.
    #[must_use]
    pub fn powers_off(mut self) -> String {
        self.says("guest: powers off", 1);
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait().expect("a child can be waited for").is_none() {
            assert!(Instant::now() < until, "the guest does not power off:\n{}", self.said());
            thread::sleep(POLL);
        }
        self.join();
        self.said()
    }

    /// Presses its reset button.
    ///
    /// # Panics
    /// Where qemu does not listen.
    pub fn reset(&mut self) {
        let connect = || UnixStream::connect(socket(&self.folder)).expect("the monitor listens once qemu runs");
        let buttons = self.buttons.get_or_insert_with(connect);
        buttons.write_all(b"system_reset\n").expect("qemu runs");
    }

    /// Cuts its power, and gives what it said.
    #[must_use]
    pub fn cut(mut self) -> String {
        self.end();
        self.said()
    }

    fn end(&mut self) {
        // Where it has ended already there is nobody to kill, and that is what was wanted.
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
        self.join();
    }

    fn join(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().expect("the console was read");
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.end();
        count(boots(&self.said()));
    }
}

/// How many times the hook has come to its end.
#[must_use]
pub fn boots(said: &str) -> usize {
    said.lines().filter(|line| BOOTED.iter().any(|sign| line.contains(sign))).count()
}

/// These words stand in what was said, one after the other.
///
/// # Panics
/// Where one is missing, or not in its place.
pub fn in_order(said: &str, words: &[&str]) {
    let mut rest = said;
    for word in words {
        (_, rest) =
            rest.split_once(word).unwrap_or_else(|| panic!("{word:?} is missing, or not in its place:\n{said}"));
    }
}

/// Adds a line for each boot to the file that the part counts.
///
/// # Panics
/// Where the file cannot be written.
pub fn count(boots: usize) {
    let Some(path) = std::env::var_os("GUEST_BOOTS") else { return };
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.and_then(|mut file| file.write_all("boot\n".repeat(boots).as_bytes())).expect("the tally can be written");
}
