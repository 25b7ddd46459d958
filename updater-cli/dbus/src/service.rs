//! The service on the bus: its objects, its two names, one installation at a time, and its end when nobody calls.

use std::time::Duration;

use zbus::Connection;
use zbus::connection::Builder;

use crate::command_line::CommandLine;
use crate::desk::{Desk, Installation};
use crate::document::Progress;
use crate::fault::Fault;
use crate::program::{Program, Watcher};
use crate::{rauc, updater};

/// Calls that came before the names were given up are answered within this time.
const LAST_CALLS: Duration = Duration::from_millis(500);

/// What both interfaces share.
#[derive(Clone, Debug)]
pub struct Service {
    pub program: Program,
    pub desk: Desk,
}

/// Serves until nobody has called for a while.
///
/// # Errors
/// The bus is not there, or the names are not to be had.
pub fn run(line: CommandLine) -> zbus::Result<()> {
    let idle = Duration::from_secs(line.idle.into());
    let service = Service { program: Program { path: line.program, options: line.options }, desk: Desk::new() };
    async_io::block_on(async {
        let connection = Builder::system()?
            .serve_at(rauc::PATH, rauc::Installer(service.clone()))?
            .serve_at(updater::PATH, updater::Updater(service.clone()))?
            .name(rauc::NAME)?
            .name(updater::NAME)?
            .build()
            .await?;
        service.desk.idle(idle).await;
        // From here on a call starts another service. What was sent to this one is answered.
        connection.release_name(rauc::NAME).await?;
        connection.release_name(updater::NAME).await?;
        service.desk.idle(LAST_CALLS).await;
        connection.graceful_shutdown().await;
        Ok(())
    })
}

impl Desk {
    async fn idle(&self, wanted: Duration) {
        loop {
            match self.idle_for() {
                Some(idle) if idle >= wanted => return,
                Some(idle) => async_io::Timer::after(wanted.saturating_sub(idle)).await,
                None => async_io::Timer::after(wanted).await,
            };
        }
    }
}

impl Service {
    /// Runs a verb to its end, without holding up other calls.
    ///
    /// # Errors
    /// Those of [`Program::run`].
    pub async fn verb(&self, words: Vec<String>) -> Result<String, Fault> {
        let (program, call) = (self.program.clone(), self.desk.call());
        blocking::unblock(move || {
            let answer = program.run(&words);
            drop(call);
            answer
        })
        .await
    }

    /// The same, read.
    pub async fn read<T: serde::de::DeserializeOwned>(&self, words: &[&str]) -> Result<T, Fault> {
        let document = self.verb(words.iter().map(|word| (*word).to_owned()).collect()).await?;
        crate::program::read(&document)
    }

    /// Begins an installation. It goes on and ends, whoever has asked for it and is gone.
    ///
    /// # Errors
    /// [`Fault::busy`].
    pub async fn install(&self, connection: &Connection, words: Vec<String>) -> Result<(), Fault> {
        let installation = self.desk.install()?;
        let (program, connection) = (self.program.clone(), connection.clone());
        announce(rauc::began(&connection).await);
        std::thread::spawn(move || {
            let mut told = Told { installation, connection };
            let result = program.watched(&words, &mut told);
            let Told { installation, connection } = told;
            // A slot that holds the very same already is what RAUC's clients call installed.
            let hindered = result.as_ref().err().filter(|fault| !fault.nothing_to_do());
            let call = installation.ends(hindered);
            async_io::block_on(async {
                announce(updater::ended(&connection, &result).await);
                announce(rauc::ended(&connection, hindered).await);
            });
            drop(call);
        });
        Ok(())
    }
}

/// Everybody on the bus hears how far an installation is.
struct Told {
    installation: Installation,
    connection: Connection,
}

impl Watcher for Told {
    fn started(&mut self, process: u32) {
        self.installation.runs_as(process);
    }

    fn progress(&mut self, told: &Progress, line: &str) {
        let changed = self.installation.is_at(told.percent(), &told.phase);
        async_io::block_on(async {
            announce(updater::progress(&self.connection, line).await);
            if changed {
                announce(rauc::progress(&self.connection).await);
            }
        });
    }
}

/// A signal that cannot be sent changes nothing for the act: clients ask for the state instead.
fn announce(sent: zbus::Result<()>) {
    if let Err(error) = sent {
        eprintln!("warning: a signal was not sent: {error}");
    }
}
