//! RAUC's interface, `de.pengutronix.rauc.Installer` at `/`: its members, types and words are RAUC's, so that its clients go on working.
//! docs/DBUS.md has what each of them becomes.

use std::collections::HashMap;

use zbus::message::Header;
use zbus::object_server::{InterfaceRef, SignalEmitter};
use zbus::zvariant::{OwnedValue, Value};
use zbus::{Connection, interface};

use crate::document::{Info, Status};
use crate::fault::Fault;
use crate::options::{self, Options};
use crate::rights::Right;
use crate::service::Service;
use crate::slots::{Mark, Row};

/// The object.
pub const PATH: &str = "/";
/// The bus name.
pub const NAME: &str = "de.pengutronix.rauc";

/// The object that RAUC's clients call.
pub struct Installer(pub Service);

impl Installer {
    async fn begin(&self, source: &str, args: &Options, by: (&Connection, &Header<'_>)) -> Result<(), Fault> {
        Right::Install.check(by.0, by.1).await?;
        let words = options::RAUC.install(source, args)?;
        self.0.install(by.0, words).await
    }

    async fn look_into(&self, bundle: &str, by: (&Connection, &Header<'_>)) -> Result<Info, Fault> {
        Right::Install.check(by.0, by.1).await?;
        let info: Info = self.0.read(&["info", "--", &options::checked(bundle)?]).await?;
        match info.trust.as_str() {
            "verified" => Ok(info),
            other => {
                Err(Fault::argument(format!("the bundle is {other}; next: fetch one that a trusted key has signed")))
            }
        }
    }

    async fn status(&self) -> Result<Status, Fault> {
        self.0.read(&["status"]).await
    }

    /// For properties, whose errors are the standard's.
    async fn property(&self) -> zbus::fdo::Result<Status> {
        self.status().await.map_err(|fault| zbus::fdo::Error::Failed(fault.to_string()))
    }
}

#[interface(name = "de.pengutronix.rauc.Installer")]
impl Installer {
    async fn install(
        &self,
        source: String,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Fault> {
        self.begin(&source, &Options::new(), (connection, &call)).await
    }

    async fn install_bundle(
        &self,
        source: String,
        args: Options,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Fault> {
        self.begin(&source, &args, (connection, &call)).await
    }

    #[zbus(out_args("compatible", "version"))]
    async fn info(
        &self,
        bundle: String,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(String, String), Fault> {
        let info = self.look_into(&bundle, (connection, &call)).await?;
        Ok((info.compatibles.first().cloned().unwrap_or_default(), info.version))
    }

    #[zbus(out_args("info"))]
    async fn inspect_bundle(
        &self,
        bundle: String,
        args: Options,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<HashMap<String, OwnedValue>, Fault> {
        // They say the same of a bundle as they do of its installation.
        options::RAUC.install(&bundle, &args)?;
        inspected(&self.look_into(&bundle, (connection, &call)).await?)
    }

    #[zbus(out_args("slot_name", "message"))]
    async fn mark(
        &self,
        state: String,
        slot_identifier: String,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(String, String), Fault> {
        Right::Mark.check(connection, &call).await?;
        let mark = Mark::of(&state)?;
        if self.0.desk.installing() {
            return Err(Fault::busy());
        }
        let status = self.status().await?;
        let slot = status.meant(&slot_identifier)?;
        match self.0.verb(mark.words(slot)).await {
            Err(fault) if !fault.nothing_to_do() => return Err(fault),
            _ => {}
        }
        let name = status.name_of(&slot.name).unwrap_or_default();
        let message = mark.done(&name);
        Ok((name, message))
    }

    #[zbus(out_args("slot_status_array"))]
    async fn get_slot_status(
        &self,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<Vec<Row>, Fault> {
        Right::Read.check(connection, &call).await?;
        Ok(self.status().await?.rows())
    }

    #[zbus(out_args("primary"))]
    async fn get_primary(
        &self,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        Right::Read.check(connection, &call).await?;
        let status = self.status().await?;
        let next = status.next.as_ref().and_then(|letter| status.name_of(letter));
        next.ok_or_else(|| Fault::program("no slot boots next; next: see `updater-cli status`".to_owned()))
    }

    #[zbus(signal)]
    async fn completed(emitter: &SignalEmitter<'_>, result: i32) -> zbus::Result<()>;

    #[zbus(property)]
    fn operation(&self) -> &str {
        if self.0.desk.asked().installing() { "installing" } else { "idle" }
    }

    #[zbus(property)]
    fn last_error(&self) -> String {
        self.0.desk.asked().last_error()
    }

    #[zbus(property)]
    fn progress(&self) -> (i32, String, i32) {
        self.0.desk.asked().progress()
    }

    #[zbus(property(emits_changed_signal = "false"))]
    async fn compatible(&self) -> zbus::fdo::Result<String> {
        Ok(self.property().await?.compatible().unwrap_or_default().to_owned())
    }

    #[zbus(property(emits_changed_signal = "false"))]
    fn variant(&self) -> &str {
        ""
    }

    #[zbus(property(emits_changed_signal = "false"))]
    async fn boot_slot(&self) -> zbus::fdo::Result<String> {
        Ok(self.property().await?.booted.unwrap_or_default())
    }
}

/// As RAUC's clients nest it.
fn inspected(info: &Info) -> Result<HashMap<String, OwnedValue>, Fault> {
    let update = HashMap::from([
        ("compatible", Value::from(info.compatibles.first().map_or("", String::as_str))),
        ("version", Value::from(info.version.as_str())),
    ]);
    let image = |payload: &crate::document::Payload| {
        HashMap::from([
            ("slot-class".to_owned(), Value::from(payload.role.clone())),
            ("size".to_owned(), Value::from(payload.image_bytes)),
        ])
    };
    let images: Vec<HashMap<String, Value<'_>>> = info.payloads.iter().map(image).collect();
    let all = [
        ("manifest-hash", Value::from(info.manifest_digest.as_str())),
        ("update", Value::from(update)),
        ("images", Value::from(images)),
    ];
    let owned = |(key, value): (&str, Value<'_>)| Some((key.to_owned(), value.try_to_owned().ok()?));
    all.into_iter().map(owned).collect::<Option<_>>().ok_or_else(|| Fault::program("no answer can be made".to_owned()))
}

async fn installer(connection: &Connection) -> zbus::Result<InterfaceRef<Installer>> {
    connection.object_server().interface(PATH).await
}

/// An installation has begun.
pub async fn began(connection: &Connection) -> zbus::Result<()> {
    let object = installer(connection).await?;
    let (installer, emitter) = (object.get().await, object.signal_emitter());
    installer.last_error_changed(emitter).await?;
    installer.progress_changed(emitter).await?;
    installer.operation_changed(emitter).await
}

/// It is further than before.
pub async fn progress(connection: &Connection) -> zbus::Result<()> {
    let object = installer(connection).await?;
    object.get().await.progress_changed(object.signal_emitter()).await
}

/// It has ended. The error is there before the result, since clients read it then.
pub async fn ended(connection: &Connection, hindered: Option<&Fault>) -> zbus::Result<()> {
    let object = installer(connection).await?;
    let (installer, emitter) = (object.get().await, object.signal_emitter());
    installer.last_error_changed(emitter).await?;
    installer.progress_changed(emitter).await?;
    Installer::completed(emitter, i32::from(hindered.is_some())).await?;
    installer.operation_changed(emitter).await
}
