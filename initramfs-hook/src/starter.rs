//! How a slot starts on this machine, once the core has judged it: what the boot calls for each slot that is tried.
//!
//! ```text
//!  nodes ─► dm-verity ─► mount ─► init there?
//! ```
//! What fails is undone: nothing of the slot stays mounted or mapped. What the boot says goes to the console, in order.

use std::path::Path;

use libupdate::boot::{Reason, Setback, Stage};
use libupdate::bundle::Verified;
use libupdate::device::{Listener, News, Sound, Start, Starter};
use libupdate::gpt::{Guid, Table};
use libupdate::install::progress::{Flow, Observer, Progress};
use libupdate::slot::{Slot, SlotTable};
use libupdate::{Digest, SlotId, UnixSeconds};
use libupdate_linux::device_mapper::Mapping;
use libupdate_linux::hook_config::HookConfig;
use libupdate_linux::node::Node;
use libupdate_linux::time;

use crate::boot_disk::BootDisk;
use crate::hand_over::{self, Next};
use crate::nodes;
use crate::phases::Phases;
use crate::report::{Report, Trial};
use crate::say::{self, say};
use crate::slot_kernel::{self, Loadable, Payload};
use crate::watchdog::Watchdog;
use libupdate_linux::filesystem::{self, Rights};

/// What starts slots.
pub struct SlotStarter<'s> {
    /// The board.
    pub config: &'s HookConfig<'s>,
    /// SHA-256 of its configuration.
    pub hook_config: Digest,
    /// The kernel's view of the disk.
    pub node: Node,
    /// The kernel's own name of it.
    pub disk_name: String,
    /// The GUID of its table, once that was read.
    pub disk_guid: Guid,
    /// Where the root is mounted.
    pub root: &'s Path,
    /// What runs there.
    pub next: &'s Next,
    /// To be fed.
    pub watchdog: &'s mut Watchdog,
    /// Times.
    pub phases: &'s mut Phases,
    /// Slots that did not start, and why.
    pub passed_over: Vec<(SlotId, Setback)>,
}

/// A slot that started: its root is mounted.
#[derive(Debug)]
pub struct Ready {
    /// What is known of the boot.
    pub report: Report,
    /// The slot's own kernel, if that is what runs.
    pub kernel: Option<Loadable>,
}

impl Observer for SlotStarter<'_> {
    fn progress(&mut self, _: Progress) -> Flow {
        self.watchdog.feed();
        Flow::Continue
    }
}

impl Listener for SlotStarter<'_> {
    fn hear(&mut self, news: &News<'_>) {
        news.say(say::line);
        match news {
            News::Passed(stage) => self.phases.end(word(*stage)),
            News::PassedOver(slot, setback) => {
                self.passed_over.retain(|(other, _)| other != slot);
                self.passed_over.push((*slot, (*setback).clone()));
            }
            _ => {}
        }
    }
}

impl Starter<BootDisk> for SlotStarter<'_> {
    type Started = Ready;

    fn found(&mut self, _: &mut BootDisk, table: &Table, slots: &SlotTable<'_>) {
        self.disk_guid = table.header().disk_guid();
        nodes::ensure(&self.node, slots);
    }

    fn start(&mut self, _: &mut BootDisk, sound: &Sound<'_>) -> Result<Start<Ready>, Setback> {
        let mut mappings = Vec::new();
        match self.mount(sound.slot, sound.verified, &mut mappings) {
            Ok(kernel) => {
                let ready = Ready { report: self.report(sound, &mappings), kernel };
                Ok(if ready.kernel.is_some() { Start::Kernel(ready) } else { Start::System(ready) })
            }
            Err(setback) => {
                filesystem::unmount(self.root);
                for (_, mapping) in mappings {
                    if let Err(error) = mapping.remove() {
                        say!("{error}");
                    }
                }
                Err(setback)
            }
        }
    }

    fn now(&self) -> UnixSeconds {
        time::now()
    }
}

/// As the core says it of a slot; the core has checked it before.
const OTHER_ROLES: &str = "the manifest's roles are not exactly the profile's";

impl SlotStarter<'_> {
    /// Maps every partition of the slot, mounts the root, and looks for what runs there.
    fn mount(
        &mut self,
        slot: &Slot<'_>,
        verified: &Verified<'_>,
        mappings: &mut Vec<(String, Mapping)>,
    ) -> Result<Option<Loadable>, Setback> {
        let boot = &self.config.boot;
        for payload in verified.manifest().payloads() {
            let role = payload.role().as_str();
            let partition = slot.partition(role).ok_or_else(|| Setback::new(Reason::TRAILER, OTHER_ROLES))?;
            let unreadable = |error| Setback::new(Reason::UNREADABLE, error);
            let node = nodes::of(&self.node, partition).map_err(unreadable)?;
            let none =
                || Setback::new(Reason::UNREADABLE, format_args!("the kernel has no node for {}", partition.label));
            let node = node.ok_or_else(none)?;
            let name = format!("updater-{}-{role}", slot.id);
            let mapping =
                Mapping::make(&name, node.number(), &payload.tree(), boot.on_corruption).map_err(unreadable)?;
            mappings.push((role.to_owned(), mapping));
        }
        self.phases.end("dm-verity");
        let root = mappings.iter().find(|(role, _)| *role == boot.root).map(|(_, mapping)| mapping.node());
        let root = root.ok_or_else(|| Setback::new(Reason::TRAILER, OTHER_ROLES))?;
        filesystem::mount(root, self.root, Rights::Root).map_err(|error| Setback::new(Reason::MOUNT, error))?;
        let kernel = self.what_runs(verified, mappings).map_err(|missing| Setback::new(Reason::NO_INIT, missing))?;
        for (role, mapping) in mappings.iter() {
            match mapping.is_intact() {
                Ok(true) => {}
                Ok(false) => {
                    return Err(Setback::new(Reason::CORRUPTION, format_args!("in {role}, as dm-verity says")));
                }
                Err(error) => return Err(Setback::new(Reason::UNREADABLE, error)),
            }
        }
        self.phases.end("mount");
        Ok(kernel)
    }

    /// Looks for the init, or opens the slot's own kernel.
    fn what_runs(&self, verified: &Verified<'_>, mappings: &[(String, Mapping)]) -> Result<Option<Loadable>, String> {
        let wanted = match self.next {
            Next::Init(inits) => return hand_over::has_init(self.root, inits).map(|()| None),
            Next::Kernel(wanted) => wanted,
        };
        let payload = wanted.payload.as_deref().map(|role| {
            let node = mappings.iter().find(|(mapped, _)| mapped == role).map(|(_, mapping)| mapping.node());
            let len = verified.manifest().payloads().iter().find(|payload| payload.role().as_str() == role);
            let found = node.zip(len).map(|(node, payload)| Payload { node, len: payload.image_len().get() });
            found.ok_or_else(|| format!("the bundle has no payload {role}"))
        });
        slot_kernel::open(wanted, self.root, payload.transpose()?).map(Some)
    }

    fn report(&self, sound: &Sound<'_>, mappings: &[(String, Mapping)]) -> Report {
        let manifest = sound.verified.manifest();
        let root_hash = manifest.payloads().first().map(|payload| payload.root_hash().to_string());
        let devices = mappings.iter().map(|(role, mapping)| (role.clone(), mapping.node().display().to_string()));
        Report {
            slot: sound.slot.id,
            disk: self.disk_name.clone(),
            disk_guid: self.disk_guid.to_string(),
            compatible: self.config.compatible.to_owned(),
            hook_config: self.hook_config,
            kind: sound.step.word(),
            version: manifest.version().to_string(),
            root_hash: root_hash.unwrap_or_default(),
            tries_left: sound.tries_left.get(),
            trial: if sound.step.is_trial() { Trial::Yes } else { Trial::No },
            devices: devices.collect(),
            passed_over: self.passed_over.iter().filter(|(slot, _)| *slot != sound.slot.id).cloned().collect(),
            confirm_seconds: sound.confirm_within,
            earlier: sound.earlier.cloned(),
        }
    }
}

const fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Table => "table",
        Stage::Try => "try",
        Stage::Signature => "signature",
        Stage::Floor => "floor",
        Stage::Blocks => "blocks",
    }
}
