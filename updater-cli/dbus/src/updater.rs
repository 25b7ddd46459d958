//! The project's own interface, `org.libupdate.Updater1`, for what RAUC's cannot say: documents and lines of progress as the command line
//! prints them, and every act. Comments of members are in the introspection, where XML allows no two hyphens. An empty slot is the one that the program chooses.

use zbus::message::Header;
use zbus::object_server::{InterfaceRef, SignalEmitter};
use zbus::{Connection, DBusError as _, interface};

use crate::fault::Fault;
use crate::options::{self, Options};
use crate::rights::Right;
use crate::service::Service;

/// The object.
pub const PATH: &str = "/org/libupdate/Updater1";
/// The bus name.
pub const NAME: &str = "org.libupdate.Updater1";

/// The object.
pub struct Updater(pub Service);

impl Updater {
    async fn act(&self, right: Right, words: Vec<String>, by: (&Connection, &Header<'_>)) -> Result<String, Fault> {
        right.check(by.0, by.1).await?;
        self.0.verb(words).await
    }

    async fn on_slot(
        &self,
        right: Right,
        verb: &str,
        slot: &str,
        by: (&Connection, &Header<'_>),
    ) -> Result<String, Fault> {
        let words = [vec![verb.to_owned()], options::slot(slot)?].concat();
        self.act(right, words, by).await
    }
}

#[interface(name = "org.libupdate.Updater1")]
impl Updater {
    /// The document of `status`.
    #[zbus(out_args("document"))]
    async fn status(
        &self,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        self.act(Right::Read, vec!["status".to_owned()], (connection, &call)).await
    }

    /// That of `log`.
    #[zbus(out_args("document"))]
    async fn log(
        &self,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        self.act(Right::Read, vec!["log".to_owned()], (connection, &call)).await
    }

    /// That of `doctor`, whatever it finds.
    #[zbus(out_args("document"))]
    async fn doctor(
        &self,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        self.act(Right::Read, vec!["doctor".to_owned()], (connection, &call)).await
    }

    /// Begins an installation; `Installed` or `Failed` says how it ended.
    async fn install(
        &self,
        source: String,
        options: Options,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Fault> {
        Right::Install.check(connection, &call).await?;
        let words = options::OWN.install(&source, &options)?;
        self.0.install(connection, words).await
    }

    /// Stops the installation that runs. What it has written stays, and the next one goes on from there.
    async fn stop(
        &self,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Fault> {
        Right::Install.check(connection, &call).await?;
        self.0.desk.stop()
    }

    #[zbus(out_args("status"))]
    async fn activate(
        &self,
        slot: String,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        self.on_slot(Right::Install, "activate", &slot, (connection, &call)).await
    }

    #[zbus(out_args("status"))]
    async fn cancel(
        &self,
        slot: String,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        self.on_slot(Right::Install, "cancel", &slot, (connection, &call)).await
    }

    #[zbus(out_args("status"))]
    async fn rollback(
        &self,
        slot: String,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        self.on_slot(Right::Mark, "rollback", &slot, (connection, &call)).await
    }

    /// A line of progress, as JSON.
    #[zbus(signal)]
    async fn progress(emitter: &SignalEmitter<'_>, line: &str) -> zbus::Result<()>;

    /// The document of `install`.
    #[zbus(signal)]
    async fn installed(emitter: &SignalEmitter<'_>, document: &str) -> zbus::Result<()>;

    /// The name of the error, and what a person reads.
    #[zbus(signal)]
    async fn failed(emitter: &SignalEmitter<'_>, error: &str, text: &str) -> zbus::Result<()>;
}

async fn updater(connection: &Connection) -> zbus::Result<InterfaceRef<Updater>> {
    connection.object_server().interface(PATH).await
}

/// The program has said how far it is.
pub async fn progress(connection: &Connection, line: &str) -> zbus::Result<()> {
    Updater::progress(updater(connection).await?.signal_emitter(), line).await
}

/// An installation has ended.
pub async fn ended(connection: &Connection, result: &Result<String, Fault>) -> zbus::Result<()> {
    let object = updater(connection).await?;
    match result {
        Ok(document) => Updater::installed(object.signal_emitter(), document).await,
        Err(fault) => Updater::failed(object.signal_emitter(), &fault.name(), &fault.to_string()).await,
    }
}
