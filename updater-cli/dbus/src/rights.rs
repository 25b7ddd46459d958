//! Who may call what. Root may do everything; others what polkit allows them, and nothing if polkit does not run.
//!
//! | action | calls | polkit, if nobody says otherwise |
//! |---|---|---|
//! | `org.libupdate.updater.read` | status, log, doctor | everybody |
//! | `org.libupdate.updater.install` | install, stop, cancel, and looking into a bundle: the service opens files as root | an administrator, asked once |
//! | `org.libupdate.updater.mark` | good, bad, active, rollback | an administrator, asked once |

use std::collections::HashMap;

use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::message::{Flags, Header};
use zbus::names::BusName;
use zbus::zvariant::Value;

use crate::fault::Fault;

/// What a caller wants to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    Read,
    Install,
    Mark,
}

impl Right {
    const fn action(self) -> &'static str {
        match self {
            Self::Read => "org.libupdate.updater.read",
            Self::Install => "org.libupdate.updater.install",
            Self::Mark => "org.libupdate.updater.mark",
        }
    }

    /// Asks whether the sender of a call has it.
    ///
    /// # Errors
    /// The sender has not, or nobody can say.
    pub async fn check(self, connection: &Connection, call: &Header<'_>) -> Result<(), Fault> {
        let action = self.action();
        let unknown = |error: zbus::Error| Fault::denied(format!("{action}: the bus does not say who calls: {error}"));
        let sender = call.sender().ok_or_else(|| Fault::denied(format!("{action}: the call has no sender")))?;
        let bus = DBusProxy::new(connection).await.map_err(unknown)?;
        let user = bus.get_connection_unix_user(BusName::from(sender.clone())).await;
        if user.map_err(|error| unknown(error.into()))? == 0 {
            return Ok(());
        }
        let interactive = call.primary().flags().contains(Flags::AllowInteractiveAuth);
        match polkit(connection, sender.as_str(), action, interactive).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(Fault::denied(format!("{action}: polkit does not allow it; next: call as root, or add a rule")))
            }
            Err(error) => Err(Fault::denied(format!("{action}: only root may, since polkit does not answer: {error}"))),
        }
    }
}

/// CheckAuthorization: a system-bus-name as subject, no details, and whether a person may be asked.
async fn polkit(connection: &Connection, sender: &str, action: &str, interactive: bool) -> zbus::Result<bool> {
    let subject = ("system-bus-name", HashMap::from([("name", Value::from(sender))]));
    let details = HashMap::<&str, &str>::new();
    let authority = "org.freedesktop.PolicyKit1.Authority";
    let path = "/org/freedesktop/PolicyKit1/Authority";
    let question = &(subject, action, details, u32::from(interactive), "");
    let answer = connection
        .call_method(Some("org.freedesktop.PolicyKit1"), path, Some(authority), "CheckAuthorization", question)
        .await?;
    let (allowed, _, _): (bool, bool, HashMap<String, String>) = answer.body().deserialize()?;
    Ok(allowed)
}
