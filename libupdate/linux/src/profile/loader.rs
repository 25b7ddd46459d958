//! A boot loader that chooses the slot by itself, and where its store is.

use std::path::{Path, PathBuf};

use libupdate::gpt::TriesLeft;
use serde::Deserialize;
#[cfg(feature = "profile")]
use toml::Spanned;

#[cfg(feature = "profile")]
use super::boot::{HandOver, Marker, Spender};
#[cfg(feature = "profile")]
use super::judge::{Broken, broken, known_role};
#[cfg(feature = "profile")]
use super::tables;

/// `loader`, `loader-store` and `loader-payload` of the `[boot]` table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BootLoader {
    /// Whose store it is.
    pub kind: LoaderKind,
    /// Where it is: see [`LoaderKind::usual_store`].
    pub store: PathBuf,
    /// Role of the payload that the loader starts, for a kind that [needs](LoaderKind::needs_payload) to know it.
    pub payload: Option<String>,
}

/// The word of `loader`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoaderKind {
    /// Boot entries of UEFI firmware, which chooses one by its variables.
    EfiBootNext,
    /// systemd-boot, which counts in the names of files.
    SystemdBoot,
    /// GRUB's environment block, in two files.
    GrubEnv,
    /// U-Boot's environment, in two copies.
    UBootEnv,
    /// `autoboot.txt` and the tryboot flag of a Raspberry Pi.
    Tryboot,
}

impl LoaderKind {
    /// The most tries that a store of this kind counts.
    pub const MOST_TRIES: TriesLeft = TriesLeft::NINE;

    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::EfiBootNext => "efi-boot-next",
            Self::SystemdBoot => "systemd-boot",
            Self::GrubEnv => "grub-env",
            Self::UBootEnv => "u-boot-env",
            Self::Tryboot => "tryboot",
        }
    }

    /// Where the store usually is.
    #[must_use]
    pub fn usual_store(self) -> &'static Path {
        Path::new(match self {
            Self::EfiBootNext => "/sys/firmware/efi/efivars",
            Self::SystemdBoot => "/efi",
            Self::GrubEnv => "/boot/grub/grubenv",
            Self::UBootEnv => "/etc/fw_env.config",
            Self::Tryboot => "/boot/firmware",
        })
    }

    /// Whether the store is about a payload of the slot, whose role has to be known.
    #[must_use]
    pub const fn needs_payload(self) -> bool {
        match self {
            Self::SystemdBoot | Self::Tryboot => true,
            Self::EfiBootNext | Self::GrubEnv | Self::UBootEnv => false,
        }
    }
}

/// The boot loader of a `[boot]` table, judged with the keys that it goes with. `tries`: those of a slot on trial.
#[cfg(feature = "profile")]
pub fn loader(table: &Spanned<tables::Boot>, tries: TriesLeft, roles: &[&str]) -> Result<Option<BootLoader>, Broken> {
    let boot = table.get_ref();
    let fault = |rule: String| Err(broken(table.span(), rule));
    let Some(kind) = boot.loader else {
        return match (&boot.loader_store, &boot.loader_payload) {
            (None, None) => Ok(None),
            _ => fault("`loader-store` and `loader-payload` go with `loader` only".to_owned()),
        };
    };
    let word = kind.word();
    if boot.spends_try != Spender::BootLoader {
        return fault(format!("loader = \"{word}\" counts by itself: it needs spends-try = \"boot-loader\""));
    }
    if boot.mark_good != Marker::System {
        return fault(format!("loader = \"{word}\" needs mark-good = \"system\": the hook does not write its store"));
    }
    if boot.hand_over != HandOver::SwitchRoot {
        return fault(format!("loader = \"{word}\" starts the slot's kernel itself: no hand-over = \"kexec\""));
    }
    if tries > LoaderKind::MOST_TRIES {
        return fault(format!("loader = \"{word}\" counts up to {} tries, not {}", LoaderKind::MOST_TRIES, tries));
    }
    let payload = match (&boot.loader_payload, kind.needs_payload()) {
        (Some(role), true) => Some(known_role(role.get_ref(), roles, role.span())?),
        (None, false) => None,
        (None, true) => return fault(format!("loader = \"{word}\" needs `loader-payload`")),
        (Some(role), false) => {
            return Err(broken(role.span(), format!("loader = \"{word}\" has no use for `loader-payload`")));
        }
    };
    let store = boot.loader_store.clone().unwrap_or_else(|| kind.usual_store().to_owned());
    Ok(Some(BootLoader { kind, store, payload }))
}
