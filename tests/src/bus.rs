//! A message bus of a test's own, with the rules of a system's bus, the policy that is shipped, and the service that is shipped: the bus
//! starts it at the first call, as root, and behind it is the real program with a disk image.
//!
//! ```text
//!  rauc, gdbus ──► dbus-daemon ──starts──► updater-dbus ──runs──► updater-cli --disk disk.img
//! ```

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::device::Device;
use crate::{cli, superuser, tree};

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// The bus names that the service owns.
pub const NAMES: [&str; 2] = ["org.libupdate.Updater1", "de.pengutronix.rauc"];
/// Seconds without a call after which the service of a test ends.
pub const IDLE_SECONDS: u64 = 3;
/// Files that are shipped.
const DATA: &str = "updater-cli/dbus/data";

/// As /usr/share/dbus-1/system.conf has it, as far as a client sees it.
const RULES: &str = r#"
<policy context="default">
<allow user="*"/><deny own="*"/><deny send_type="method_call"/>
<allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/>
<allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/>
<allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
<allow send_destination="org.freedesktop.DBus"/>
</policy>
"#;

/// A bus, with a service for one device.
#[derive(Debug)]
pub struct Bus {
    folder: TempDir,
    daemon: Child,
}

/// What a client came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// Whether its exit status is 0.
    pub done: bool,
    /// What it wrote to stdout.
    pub out: String,
    /// What it wrote to stderr.
    pub err: String,
}

impl Bus {
    /// Starts a bus for this device.
    ///
    /// # Panics
    /// Where a tool is missing.
    #[must_use]
    pub fn for_device(device: &Device) -> Self {
        Self::with_program(device, cli::binary())
    }

    /// The same with another program in place of updater-cli.
    ///
    /// # Panics
    /// Where a tool is missing.
    #[must_use]
    pub fn with_program(device: &Device, program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let services = folder.path().join("services");
        fs::create_dir(&services).expect("a new folder is empty");
        let line = format!(
            "{} --program {} --idle {IDLE_SECONDS} -- --profile {} --disk {} --booted {}",
            service().display(),
            program.display(),
            device.workshop.text("profile.toml"),
            device.disk().display(),
            device.booted_slot()
        );
        for name in NAMES {
            let file = shipped(&format!("{name}.service"));
            let at_test = file.replace("Exec=/usr/libexec/updater-dbus", &format!("Exec={line}"));
            assert_ne!(file, at_test, "{name}.service starts another program");
            fs::write(services.join(format!("{name}.service")), at_test).expect("the folder can be written");
        }
        let at = folder.path().display();
        let policy = tree::root().join(DATA).join("org.libupdate.Updater1.conf");
        let text = format!(
            "<busconfig><type>system</type><listen>unix:path={at}/bus</listen><auth>EXTERNAL</auth>\n\
             <servicedir>{at}/services</servicedir>{RULES}<include>{}</include></busconfig>\n",
            policy.display()
        );
        fs::write(folder.path().join("bus.conf"), text).expect("the folder can be written");
        let mut line: Vec<String> = if superuser::is_root() { vec![] } else { vec!["sudo".into(), "-n".into()] };
        line.extend(["dbus-daemon".into(), "--nofork".into(), format!("--config-file={at}/bus.conf")]);
        let daemon = Command::new(&line[0])
            .args(&line[1..])
            .stdin(Stdio::null())
            .spawn()
            .expect("dbus-daemon can be run: install dbus-daemon, this test needs it");
        let bus = Self { folder, daemon };
        eventually("the bus listens", || bus.folder.path().join("bus").exists());
        bus
    }

    fn address(&self) -> String {
        format!("DBUS_SYSTEM_BUS_ADDRESS=unix:path={}/bus", self.folder.path().display())
    }

    /// Runs a client as root to its end.
    #[must_use]
    pub fn client(&self, line: &[&str]) -> Said {
        let whole = [&["LC_ALL=C", &self.address()], line].concat();
        said(superuser::output("env", &whole))
    }

    /// The same as a user without any right.
    #[must_use]
    pub fn nobody(&self, line: &[&str]) -> Said {
        let address = self.address();
        let who = ["--reuid=65534", "--regid=65534", "--clear-groups", "env", "LC_ALL=C", &address];
        said(superuser::output("setpriv", &[&who, line].concat()))
    }

    /// Starts a client that goes on; whoever started it ends it.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn starts(&self, line: &[&str]) -> Child {
        let mut whole = if superuser::is_root() { vec![] } else { vec!["sudo", "-n"] };
        let address = self.address();
        whole.extend(["env", "LC_ALL=C", &address]);
        whole.extend(line);
        let (program, arguments) = whole.split_first().expect("a program");
        Command::new(program).args(arguments).stdout(Stdio::piped()).spawn().expect("it can be started")
    }

    /// Whether somebody owns the name.
    #[must_use]
    pub fn owned(&self, name: &str) -> bool {
        let bus = "org.freedesktop.DBus";
        let method = "org.freedesktop.DBus.NameHasOwner";
        let answer = self.client(&["gdbus", "call", "--system", "-d", bus, "-o", "/", "-m", method, name]);
        answer.out.trim() == "(true,)"
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // The service ends by itself once its bus is gone.
        if superuser::is_root() {
            self.daemon.kill().unwrap_or_default();
        } else {
            superuser::run("pkill", &["-P", &self.daemon.id().to_string()]);
        }
        drop(self.daemon.wait());
    }
}

impl Said {
    /// It succeeded.
    ///
    /// # Panics
    /// Where it did not.
    pub fn well(self) -> String {
        assert!(self.done, "a client fails: {}\n{}", self.out, self.err);
        self.out
    }

    /// It failed, and said this.
    ///
    /// # Panics
    /// Where it did not.
    pub fn refused(self, why: &str) -> String {
        assert!(!self.done && self.err.contains(why), "wanted {why:?}\n{}\n{}", self.out, self.err);
        self.err
    }
}

/// Waits for what is to come.
///
/// # Panics
/// Where it does not come within a minute.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "it does not come to this: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// A file of the service as it is shipped.
///
/// # Panics
/// Where it is missing.
#[must_use]
pub fn shipped(name: &str) -> String {
    tree::text(&Path::new(DATA).join(name))
}

fn service() -> &'static Path {
    static SERVICE: OnceLock<PathBuf> = OnceLock::new();
    SERVICE.get_or_init(|| cli::built("updater-dbus"))
}

fn said(output: Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { done: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) }
}
