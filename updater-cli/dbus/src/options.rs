//! The options of an installation, `a{sv}` of D-Bus, as words of `updater-cli install`. Pure.
//!
//! What is not in the table is refused by its name: an option that is dropped in silence may be one that its caller relies on.

use std::collections::HashMap;

use zbus::zvariant::OwnedValue;

use crate::fault::Fault;

/// A source or a text may have so many bytes: longer than any path.
const TEXT_BYTES: usize = 4096;

/// What a caller says of an installation.
pub type Options = HashMap<String, OwnedValue>;

/// What becomes of an option.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    /// `--NAME` if it is true.
    Flag(&'static str),
    /// `--NAME=TEXT`.
    Text(&'static str),
    /// `--NAME=NUMBER`.
    Number(&'static str),
    /// It may only be false: why, and what to do instead.
    Never(&'static str),
    /// It changes nothing here.
    Skipped,
}

/// Options that one interface knows.
#[derive(Clone, Copy, Debug)]
pub struct Known(&'static [(&'static str, Meaning)]);

/// Those of RAUC's `InstallBundle`.
pub const RAUC: Known = Known(&[
    ("ignore-compatible", Meaning::Never("a bundle for another device is never installed; make one for this device")),
    ("tls-ca", Meaning::Text("ca")),
    ("tls-no-verify", Meaning::Never("servers are always checked; name their authority with tls-ca")),
    ("transaction-id", Meaning::Skipped),
]);

/// Those of `org.libupdate.Updater1`: the names of the command line.
pub const OWN: Known = Known(&[
    ("allow-downgrade", Meaning::Flag("allow-downgrade")),
    ("ca", Meaning::Text("ca")),
    ("dry-run", Meaning::Flag("dry-run")),
    ("no-activate", Meaning::Flag("no-activate")),
    ("reboot", Meaning::Flag("reboot")),
    ("retries", Meaning::Number("retries")),
    ("retry-failed", Meaning::Flag("retry-failed")),
    ("slot", Meaning::Text("slot")),
    ("timeout", Meaning::Number("timeout")),
    ("trial", Meaning::Text("trial")),
    ("within", Meaning::Number("within")),
]);

impl Known {
    /// The words of `updater-cli install`.
    ///
    /// # Errors
    /// A source that is neither an absolute path nor a URL; an option that is not known, or has another type.
    pub fn install(self, source: &str, options: &Options) -> Result<Vec<String>, Fault> {
        let mut words = vec!["install".to_owned()];
        let mut named: Vec<_> = options.iter().collect();
        named.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in named {
            words.extend(self.word(name, value)?);
        }
        words.extend(["--".to_owned(), checked(source)?]);
        Ok(words)
    }

    fn word(self, name: &str, value: &OwnedValue) -> Result<Option<String>, Fault> {
        let Some((known, meaning)) = self.0.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = self.0.iter().map(|(name, _)| *name).collect();
            let name: String = name.chars().take(64).collect();
            let text = format!("there is no option {name:?}; next: leave it out, or use one of {}", known.join(", "));
            return Err(Fault::argument(text));
        };
        let of_type = |wanted: &str| {
            let found = value.value_signature();
            Fault::argument(format!("option {known} has type {found}, not {wanted}; next: pass it as {wanted}"))
        };
        let flag = || bool::try_from(value).map_err(|_| of_type("b"));
        Ok(match meaning {
            Meaning::Skipped => None,
            Meaning::Flag(word) => flag()?.then(|| format!("--{word}")),
            Meaning::Never(_) if !flag()? => None,
            Meaning::Never(why) => return Err(Fault::argument(format!("option {known} is refused: {why}"))),
            Meaning::Number(word) => Some(format!("--{word}={}", number(value).ok_or_else(|| of_type("u"))?)),
            Meaning::Text(word) => {
                let text = <&str>::try_from(value).map_err(|_| of_type("s"))?;
                Some(format!("--{word}={}", short(known, text)?))
            }
        })
    }
}

/// Callers in languages without unsigned numbers send others.
fn number(value: &OwnedValue) -> Option<u32> {
    let signed = || i32::try_from(value).ok().and_then(|number| u32::try_from(number).ok());
    u32::try_from(value).ok().or_else(signed)
}

/// A bundle, as the service can open it: it has another folder than its caller, and no stdin.
///
/// # Errors
/// What is neither an absolute path nor a URL, or too long.
pub fn checked(source: &str) -> Result<String, Fault> {
    let source = short("source", source)?;
    if source.starts_with('/') || source.starts_with("http://") || source.starts_with("https://") {
        return Ok(source);
    }
    Err(Fault::argument(format!("{source:?} is no absolute path and no http(s) URL; next: name the bundle by one")))
}

fn short(what: &str, text: &str) -> Result<String, Fault> {
    if text.len() <= TEXT_BYTES {
        return Ok(text.to_owned());
    }
    Err(Fault::argument(format!(
        "{what} has {} bytes, and {TEXT_BYTES} are allowed; next: pass a shorter one",
        text.len()
    )))
}

/// A slot for a verb's `--slot`, or none for the one that the program chooses.
///
/// # Errors
/// What is too long for a letter.
pub fn slot(letter: &str) -> Result<Vec<String>, Fault> {
    match letter {
        "" => Ok(vec![]),
        letter if letter.len() == 1 => Ok(vec![format!("--slot={letter}")]),
        _ => Err(Fault::argument("a slot is one letter, or empty for the one that is meant".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use zbus::zvariant::Value;

    use super::*;

    fn words(known: Known, source: &str, options: &[(&str, Value<'_>)]) -> Result<String, String> {
        let owned = |(name, value): &(&str, Value<'_>)| {
            ((*name).to_owned(), value.try_to_owned().expect("it has no descriptor"))
        };
        let options = options.iter().map(owned).collect();
        known.install(source, &options).map(|words| words.join(" ")).map_err(|fault| fault.to_string())
    }

    #[test]
    fn known_options_become_words() {
        let all = [("slot", Value::from("b")), ("within", 60_u32.into()), ("retries", 3_i32.into())];
        assert_eq!(words(OWN, "/x", &all).as_deref(), Ok("install --retries=3 --slot=b --within=60 -- /x"));
        let flags = [("dry-run", Value::from(true)), ("reboot", Value::from(false))];
        assert_eq!(words(OWN, "https://x/y", &flags).as_deref(), Ok("install --dry-run -- https://x/y"));
        let rauc =
            [("ignore-compatible", Value::from(false)), ("transaction-id", "x".into()), ("tls-ca", "/ca".into())];
        assert_eq!(words(RAUC, "/x", &rauc).as_deref(), Ok("install --ca=/ca -- /x"));
    }

    #[test]
    fn a_value_never_becomes_another_option() {
        let sly = [("slot", Value::from("b --profile=/tmp/mine"))];
        let options = sly.map(|(name, value)| (name.to_owned(), value.try_to_owned().expect("text"))).into();
        let words = OWN.install("/x", &options).expect("the program judges it");
        assert_eq!(words, ["install", "--slot=b --profile=/tmp/mine", "--", "/x"]);
        for source in ["-", "--help", "relative.bundle", "file:///x", ""] {
            assert!(checked(source).is_err(), "{source}");
        }
    }

    #[test]
    fn each_refusal_says_what_it_met() {
        let refused = |known, options: &[(&str, Value<'_>)]| words(known, "/x", options).expect_err("it is refused");
        assert!(refused(RAUC, &[("ignore-compatible", true.into())]).contains("never installed"));
        assert!(refused(RAUC, &[("slot", "b".into())]).starts_with("there is no option \"slot\""));
        assert!(refused(OWN, &[("within", "60".into())]).starts_with("option within has type s, not u"));
        assert!(refused(OWN, &[("within", (-1).into())]).starts_with("option within has type i, not u"));
        assert!(refused(OWN, &[("slot", vec![1_u8].into())]).starts_with("option slot has type ay, not s"));
        assert!(words(OWN, &format!("/{}", "x".repeat(TEXT_BYTES)), &[]).expect_err("long").contains("has 4097 bytes"));
        assert!(slot("ab").is_err() && slot("").is_ok_and(|words| words.is_empty()));
    }
}
