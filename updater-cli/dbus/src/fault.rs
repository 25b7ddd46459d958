//! Why a call is refused: the name of a D-Bus error, and one line for people.
//!
//! | name | the caller |
//! |---|---|
//! | `org.freedesktop.DBus.Error.AccessDenied` | is neither root nor allowed by polkit |
//! | `org.freedesktop.DBus.Error.InvalidArgs` | said something that the call does not know |
//! | `org.libupdate.Error.Busy` | waits for the installation that runs, or for whoever else works on the disk |
//! | `org.libupdate.Error.` and another class of exit codes | reads what to do next in the text |
//! | `org.libupdate.Error.Program` | asks the journal: `updater-cli` did not run, or died |

use std::borrow::Cow;
use std::fmt;

use zbus::message::{Header, Message};
use zbus::names::ErrorName;

use crate::document::Failure;

/// A refusal, with its operands in the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    name: Cow<'static, str>,
    text: String,
}

impl Fault {
    /// The caller may not do this.
    pub fn denied(text: String) -> Self {
        Self { name: "org.freedesktop.DBus.Error.AccessDenied".into(), text }
    }

    /// What the caller said is not understood.
    pub fn argument(text: String) -> Self {
        Self { name: "org.freedesktop.DBus.Error.InvalidArgs".into(), text }
    }

    /// Another installation runs.
    pub fn busy() -> Self {
        let text = "an installation runs already; next: wait for Completed, or call Stop of org.libupdate.Updater1";
        Self { name: "org.libupdate.Error.Busy".into(), text: text.to_owned() }
    }

    /// The program gave no answer.
    pub fn program(text: String) -> Self {
        Self { name: "org.libupdate.Error.Program".into(), text }
    }

    /// What the program says.
    pub fn told(failure: &Failure) -> Self {
        let class = match failure.class.as_str() {
            "usage" => "Usage",
            "refused" => "Refused",
            "not-authentic" => "NotAuthentic",
            "no-space" => "NoSpace",
            "busy" => "Busy",
            "nothing-to-do" => "NothingToDo",
            "io" => "Io",
            "interrupted" => "Interrupted",
            "network" => "Network",
            "disk" => "Disk",
            _ => "Failed",
        };
        Self { name: format!("org.libupdate.Error.{class}").into(), text: failure.text() }
    }

    /// Whether the act was not needed.
    pub fn nothing_to_do(&self) -> bool {
        self.name == "org.libupdate.Error.NothingToDo"
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Fault {}

impl zbus::DBusError for Fault {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name())?.build(&self.text)
    }

    fn name(&self) -> ErrorName<'_> {
        // Each of them is made above, of words that are valid in it.
        ErrorName::from_str_unchecked(&self.name)
    }

    fn description(&self) -> Option<&str> {
        Some(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_that_d_bus_allows() {
        let failure = |class: &str| Failure {
            class: class.to_owned(),
            what: "cannot install".to_owned(),
            why: "the key is unknown".to_owned(),
            next: String::new(),
        };
        let told = ["usage", "refused", "not-authentic", "no-space", "nothing-to-do", "network", "of a later version"];
        let mut all = told.map(|class| Fault::told(&failure(class))).to_vec();
        all.extend([Fault::busy(), Fault::denied(String::new()), Fault::argument(String::new())]);
        for fault in &all {
            assert!(ErrorName::try_from(fault.name.as_ref()).is_ok(), "{fault:?}");
        }
        assert_eq!(all[0].to_string(), "cannot install: the key is unknown");
        assert_eq!(all[6].name, "org.libupdate.Error.Failed");
        assert!(all[4].nothing_to_do() && !all[1].nothing_to_do());
    }
}
