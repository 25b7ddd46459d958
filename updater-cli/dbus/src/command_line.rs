//! The command line. Whoever starts the service says which program it runs; nobody on the bus does.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

/// A D-Bus service over updater-cli.
///
/// It owns `de.pengutronix.rauc` and `org.libupdate.Updater1` on the system's bus (DBUS_SYSTEM_BUS_ADDRESS names another one), and
/// ends when nobody has called for a while. Exit codes: 0 ended idle, 1 the bus is not usable, 2 usage.
#[derive(Parser, Debug)]
#[command(name = "updater-dbus", version)]
pub struct CommandLine {
    /// The program that does the work
    #[arg(long, value_name = "PATH", default_value = "/usr/bin/updater-cli")]
    pub program: PathBuf,
    /// Seconds without a call after which the service ends
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub idle: u32,
    /// Options for each run of the program: --profile, --disk, --trust and the like
    #[arg(last = true, value_name = "OPTION")]
    pub options: Vec<OsString>,
}
