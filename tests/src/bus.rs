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

/// What lets polkit own its name.
const OF_POLKIT: &str = "/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf";

/// A bus, with a service for one device.
#[derive(Debug)]
pub struct Bus {
    folder: TempDir,
    /// The bus, and perhaps polkit.
    daemons: Vec<Child>,
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
        // Other users connect to it: tests/run has a temporary folder of root's alone.
        let folder = tempfile::tempdir_in("/tmp").expect("the temporary folder can be written");
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
             <servicedir>{at}/services</servicedir>{RULES}<include>{}</include>\
             <include ignore_missing=\"yes\">{OF_POLKIT}</include></busconfig>\n",
            policy.display()
        );
        fs::write(folder.path().join("bus.conf"), text).expect("the folder can be written");
        let config = format!("--config-file={at}/bus.conf");
        let bus = Self { folder, daemons: vec![as_root(&["dbus-daemon", "--nofork", &config])] };
        eventually("the bus listens", || bus.folder.path().join("bus").exists());
        bus
    }

    /// The same with the real polkit, which knows only these actions.
    ///
    /// # Panics
    /// Where a tool is missing.
    #[must_use]
    pub fn with_polkit(device: &Device, actions: &str) -> Self {
        let mut bus = Self::for_device(device);
        let folder = bus.folder.path().join("actions");
        fs::create_dir(&folder).expect("it is not there yet");
        fs::write(folder.join("test.policy"), actions).expect("the folder can be written");
        let script =
            "mount --bind \"$1\" /usr/share/polkit-1/actions && exec env \"$2\" /usr/lib/polkit-1/polkitd --no-debug";
        let (folder, address) = (folder.display().to_string(), bus.address());
        bus.daemons.push(as_root(&["unshare", "--mount", "sh", "-c", script, "sh", &folder, &address]));
        eventually("polkit owns its name", || bus.owned("org.freedesktop.PolicyKit1"));
        bus
    }

    fn address(&self) -> String {
        format!("DBUS_SYSTEM_BUS_ADDRESS=unix:path={}/bus", self.folder.path().display())
    }

    /// Runs a client as root to its end.
    #[must_use]
    pub fn client(&self, line: &[&str]) -> Said {
        let address = self.address();
        let whole = [&["LC_ALL=C", &address], line].concat();
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
        let address = self.address();
        as_root(&[&["env", "LC_ALL=C", &address], line].concat())
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
        for daemon in self.daemons.iter_mut().rev() {
            if superuser::is_root() {
                daemon.kill().unwrap_or_default();
            } else {
                superuser::run("pkill", &["-P", &daemon.id().to_string()]);
            }
            drop(daemon.wait());
        }
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

/// Starts a program as root, with its stdout kept.
fn as_root(line: &[&str]) -> Child {
    let sudo: &[&str] = if superuser::is_root() { &[] } else { &["sudo", "-n"] };
    let whole = [sudo, line].concat();
    Command::new(whole[0])
        .args(&whole[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{} cannot be run ({error}): install it, this test needs it", whole[0]))
}

fn said(output: Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { done: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) }
}
