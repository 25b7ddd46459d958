//! `status`: slots with state, version and tries; what is booted, what boots next, and why something fell back.

use std::ops::Range;
use std::path::Path;

use libupdate::boot::Reason;
use libupdate::device::Next;
use libupdate::gpt::Successful;
use libupdate::inspect::Inspection;
use libupdate::policy::SlotFacts;
use libupdate::region::{boot_note, confirmation};
use libupdate::slot::{self, Slot, SlotState};
use libupdate_linux::Mode;
use libupdate_linux::booted::PassedOver;
use libupdate_linux::profile::Profile;
use libupdate_linux::profile::boot::Watchdog;
use libupdate_linux::running::Running;
use libupdate_linux::var::{self, VAR};
use libupdate_linux::watchdog::Keeper;
use serde::Serialize;

use crate::exit::Failure;
use crate::history;
use crate::open_device::OpenDevice;
use crate::output::{Printable, Report, Size, Toned};
use crate::session::Session;
use crate::states;
use crate::verb::choose;

mod copies;
#[cfg(not(feature = "live"))]
mod no_laid;
mod store;

#[cfg(feature = "live")]
pub use super::laid::Laid;
use copies::Copies;
#[cfg(not(feature = "live"))]
pub use no_laid::Laid;
use store::StoreRow;

/// Shows what is on the disk. Reads only, but for the store of a boot loader that fell behind.
pub fn run(session: &Session) -> Result<(), Failure> {
    let (device, mut opened, survey) = OpenDevice::begin(session, Mode::ReadOnly)?;
    warn_of_watchdog(session, &opened, device.profile);
    if !opened.has_store() {
        let laid = laid(session, &opened);
        return session.output.result(&Status { laid, ..Status::of(&mut opened, &survey, device.profile) });
    }
    drop(opened);
    let store = store::reconcile(session);
    let (device, mut opened, survey) = OpenDevice::begin(session, Mode::ReadOnly)?;
    let status = Status { laid: laid(session, &opened), ..Status::of(&mut opened, &survey, device.profile) };
    session.output.result(&Status { boot_loader: StoreRow::of(session, device.profile, store), ..status })
}

/// What is laid over the system that runs from this disk.
fn laid(session: &Session, opened: &OpenDevice) -> Laid {
    if opened.is_file() || !matches!(opened.running, Running::Slot(_)) { Laid::default() } else { Laid::of(session) }
}

/// The document of `status --json`.
#[derive(Serialize)]
pub struct Status {
    disk: String,
    disk_guid: String,
    gpt: Copies,
    booted: Option<String>,
    /// Whether nobody said which slot runs, which is not to say that none does.
    #[serde(skip)]
    running: Running,
    /// Why slots before the next one do not boot.
    #[serde(skip)]
    passed_over: Vec<String>,
    next: Option<String>,
    slots: Vec<SlotRow>,
    /// Of an installation on this very disk.
    last_result: Option<history::Entry>,
    last_fallback: Option<Fallback>,
    /// Of the machine that runs; `None` for another disk, and where the profile has none.
    watchdog: Option<WatchdogRow>,
    /// Whether the next boot makes `/var` anew; `None` for another disk, and where the profile has none.
    reset_waits: Option<bool>,
    /// `None` where it does not choose by itself, and where its store is not here.
    boot_loader: Option<StoreRow>,
    /// Of the machine that runs.
    #[serde(flatten)]
    laid: Laid,
}

#[derive(Serialize)]
struct WatchdogRow {
    device: String,
    state: &'static str,
    timeout_seconds: u64,
}

#[derive(Serialize)]
struct SlotRow {
    name: String,
    priority: u8,
    tries_left: u8,
    successful: bool,
    bootable: bool,
    state: &'static str,
    version: Option<String>,
    compatible: Option<String>,
    rollback_index: Option<u64>,
    root_hash: Option<String>,
    /// Seconds that a person has to confirm its trial.
    confirm_seconds: Option<u32>,
    partitions: Vec<PartitionRow>,
}

#[derive(Serialize)]
struct PartitionRow {
    role: String,
    label: String,
    start_bytes: u64,
    size_bytes: u64,
}

#[derive(Serialize)]
struct Fallback {
    slot: String,
    version: Option<String>,
    reason: String,
    detail: String,
    time: Option<String>,
}

impl Status {
    /// The status of a surveyed disk.
    pub fn of(opened: &mut OpenDevice, survey: &Inspection<'_>, profile: &Profile) -> Self {
        let name = |slot: libupdate::SlotId| slot.to_string();
        // What cannot be read now was read a moment ago: then it is shown that nothing is known.
        let next = opened.next().unwrap_or(Next { boot: None, passed_over: Default::default() });
        let passed_over = choose::lines(&next).collect();
        let next = next.boot.map(|boot| name(boot.candidate.slot));
        let rows = survey.slots.slots().iter().map(|slot| SlotRow::of(slot, opened, survey, profile)).collect();
        Self {
            disk: opened.disk.path().display().to_string(),
            disk_guid: survey.table.header().disk_guid().to_string(),
            gpt: Copies::of(&survey.table),
            booted: opened.view.booted.map(name),
            running: opened.running,
            passed_over,
            next,
            slots: rows,
            last_result: history::last_installation(opened.disk.path(), survey.table.header().disk_guid()),
            last_fallback: fallback(opened, survey),
            watchdog: keeper(opened, profile).map(|(watchdog, keeper)| WatchdogRow {
                device: watchdog.device.display().to_string(),
                state: word_for(keeper),
                timeout_seconds: watchdog.timeout.as_secs(),
            }),
            reset_waits: (opened.runs_here && profile.boot.var.is_some()).then(|| var::is_asked(Path::new(VAR))),
            boot_loader: None,
            laid: Laid::default(),
        }
    }
}

/// The keeper of the watchdog in the word of the contract.
const fn word_for(keeper: Keeper) -> &'static str {
    match keeper {
        Keeper::Fed => "fed",
        Keeper::Unfed => "unfed",
        Keeper::Off => "off",
        Keeper::Unknown => "unknown",
    }
}

/// The watchdog of the machine that runs, and who feeds it.
fn keeper<'p>(opened: &OpenDevice, profile: &'p Profile) -> Option<(&'p Watchdog, Keeper)> {
    let watchdog = profile.boot.watchdog.as_ref().filter(|_| opened.runs_here)?;
    Some((watchdog, Keeper::of(&watchdog.device)))
}

/// Warns where the hook has armed a watchdog that nobody has taken over, or where none runs.
pub fn warn_of_watchdog(session: &Session, opened: &OpenDevice, profile: &Profile) {
    let Some((watchdog, keeper)) = keeper(opened, profile) else { return };
    let (device, seconds) = (watchdog.device.display().to_string(), watchdog.timeout.as_secs());
    let node = Printable(&device);
    match keeper {
        Keeper::Unfed => session.output.warn(&format!(
            "nobody feeds the watchdog {node}: it resets this machine {seconds} s after it was armed. Have systemd feed it (initramfs-hook/systemd/system.conf.d), or run updater-watchdog; docs/BOOT.md has both"
        )),
        Keeper::Off => session.output.warn(&format!(
            "the watchdog {node} of the profile does not run: a system that hangs is not reset. Check its driver, and `device` in [boot.watchdog]"
        )),
        Keeper::Fed | Keeper::Unknown => {}
    }
}

impl SlotRow {
    fn of(slot: &Slot<'_>, opened: &mut OpenDevice, survey: &Inspection<'_>, profile: &Profile) -> Self {
        let facts = survey.facts.slot(slot.id).ok();
        let installed = facts.and_then(|facts| facts.installed.as_ref());
        let asked = facts.and_then(|facts| asked(opened, slot, facts));
        let partition = |partition: &slot::Partition<'_>| PartitionRow {
            role: partition.role.to_owned(),
            label: partition.label.to_owned(),
            start_bytes: partition.extent.first().get() * partition.extent.block_size().bytes_u64(),
            size_bytes: partition.extent.len().get(),
        };
        let bits = slot.bits();
        let state = facts.map_or(SlotState::Unverified, |facts| facts.state);
        // Of what cannot be read nothing is known: it may be all right.
        let unread = state == SlotState::Unverified && opened.unreadable(slot).is_some();
        Self {
            name: slot.id.to_string(),
            priority: bits.priority.get(),
            tries_left: bits.tries_left.get(),
            successful: bits.successful == Successful::Yes,
            bootable: slot::bootable(bits),
            state: if unread { "unreadable" } else { state.word() },
            version: installed.map(|installed| installed.version.to_string()),
            compatible: installed.map(|_| profile.compatible.clone()),
            rollback_index: installed.map(|installed| installed.rollback_index),
            root_hash: installed.map(|installed| installed.root_hash.to_string()),
            confirm_seconds: asked,
            partitions: slot.partitions.iter().map(partition).collect(),
        }
    }
}

/// Seconds that a person has to confirm the trial of a slot that has or will have one.
fn asked(opened: &mut OpenDevice, slot: &Slot<'_>, facts: &SlotFacts) -> Option<u32> {
    let waits = matches!(facts.state, SlotState::Trial | SlotState::Staged);
    let installed = facts.installed.as_ref().filter(|_| waits)?;
    let (disk, memory) = opened.disk_and_memory();
    confirmation::asked(disk, slot, installed.digest, memory.block)
}

/// Why the device is not running what it would run: the boot note of a slot that failed, ran out of tries, or holds nothing authentic;
/// else what the hook said in this boot of a good slot, which it only passed over.
fn fallback(opened: &mut OpenDevice, survey: &Inspection<'_>) -> Option<Fallback> {
    let fell = |state| matches!(state, SlotState::Failed | SlotState::Exhausted | SlotState::Unverified);
    fallback_of(opened, survey, fell)
}

fn fallback_of(opened: &mut OpenDevice, survey: &Inspection<'_>, fell: fn(SlotState) -> bool) -> Option<Fallback> {
    let slots = survey.facts.slots.iter();
    match slots.filter(|facts| fell(facts.state)).max_by_key(|facts| facts.bits.priority) {
        Some(facts) => fallen(opened, survey, facts),
        None => passed_over(opened, survey),
    }
}

/// The same in a line that differs for another fallback.
#[cfg(feature = "live")]
pub fn last_fallback(opened: &mut OpenDevice, survey: &Inspection<'_>) -> Option<String> {
    // A slot that holds nothing authentic has what an installation that was cut has left, and no fallback.
    let told = fallback_of(opened, survey, |state| matches!(state, SlotState::Failed | SlotState::Exhausted));
    let Fallback { slot, version, reason, time, .. } = told?;
    let version = version.map(|version| format!(", version {version}")).unwrap_or_default();
    Some(format!("slot {slot}{version}: {reason}{}", time.map(|time| format!(", {time}")).unwrap_or_default()))
}

fn fallen(opened: &mut OpenDevice, survey: &Inspection<'_>, facts: &SlotFacts) -> Option<Fallback> {
    let place = survey.slots.get(facts.slot).ok()?;
    let (disk, memory) = opened.disk_and_memory();
    // A boot note about another bundle was left behind by an earlier one. Where nothing is authentic, there is none to compare.
    let verdict = match &facts.installed {
        Some(installed) => boot_note::about(disk, place, installed.digest, memory.block),
        None => boot_note::any(disk, place, memory.block),
    };
    let (reason, detail, time) = match (verdict, facts.state) {
        (Some(verdict), _) => {
            (verdict.reason.to_string(), verdict.detail.as_str().to_owned(), crate::time::of_clock(verdict.at))
        }
        (None, SlotState::Unverified) => return None,
        (None, SlotState::Exhausted) => ("tries ran out".to_owned(), String::new(), None),
        (None, _) => ("marked bad".to_owned(), String::new(), None),
    };
    Some(Fallback { slot: facts.slot.to_string(), version: version(facts), reason, detail, time })
}

fn passed_over(opened: &OpenDevice, survey: &Inspection<'_>) -> Option<Fallback> {
    let PassedOver { slot, reason, detail } = opened.passed_over.first()?;
    let facts = survey.facts.slot(*slot).ok()?;
    let known = Reason::of_word(reason).map_or_else(|| reason.clone(), |reason| reason.to_string());
    Some(Fallback {
        slot: slot.to_string(),
        version: version(facts),
        reason: known,
        detail: detail.clone(),
        time: None,
    })
}

fn version(facts: &SlotFacts) -> Option<String> {
    facts.installed.as_ref().map(|installed| installed.version.to_string())
}

impl Status {
    /// Slots that wait for a person.
    fn waiting(&self) -> String {
        let mut text = String::new();
        for row in &self.slots {
            if let Some(seconds) = row.confirm_seconds {
                text += &format!(
                    "\nslot {} waits for a person: `mark-good` from it within {seconds} s, else the old slot boots\n",
                    row.name
                );
            }
        }
        text
    }
}

impl Report for Status {
    fn human(&self) -> String {
        let mut text = format!("disk    {}   GPT {}\n", Printable(&self.disk), self.gpt.in_words());
        let booted = match self.running {
            Running::Slot(slot) => format!("slot {slot}"),
            Running::Elsewhere => "none".to_owned(),
            Running::Unknown => "unknown".to_owned(),
        };
        let next = self.next.as_ref().map_or("none".to_owned(), |slot| format!("slot {slot}"));
        text += &format!("booted  {booted}\nnext    {next}\n\n");
        text += &self.laid.in_words();
        text += "slot  state       version               prio  tries  good  partitions\n";
        for row in &self.slots {
            text += &row.line();
        }
        let sentences: String = self.slots.iter().filter_map(|row| states::sentence(&row.name, row.state)).collect();
        if !sentences.is_empty() {
            text += &format!("\n{sentences}");
        }
        for line in &self.passed_over {
            text += &format!("\n{line}\n");
        }
        text += &self.waiting();
        if let Some(fallback) = &self.last_fallback {
            text += &format!("\nlast fallback  from slot {}", fallback.slot);
            text +=
                &fallback.version.as_ref().map_or(String::new(), |version| format!(", version {}", Printable(version)));
            text += &format!(": {}", Printable(&fallback.reason));
            text +=
                &if fallback.detail.is_empty() { String::new() } else { format!(" ({})", Printable(&fallback.detail)) };
            text += &fallback.time.as_ref().map_or("\n".to_owned(), |time| format!(", {time}\n"));
        }
        if let Some(WatchdogRow { device, state, .. }) = &self.watchdog {
            text += &format!("\nwatchdog       {} is {state}\n", Printable(device));
        }
        if self.reset_waits == Some(true) {
            text += &format!(
                "\nreset          everything in {VAR} is removed in the next boot; `reset --cancel` takes it back\n"
            );
        }
        if let Some(store) = &self.boot_loader {
            text += &format!("\nboot loader    {}\n", store.in_words());
        }
        if let Some(last) = &self.last_result {
            text += &format!("last result    {}\n", last.in_words());
        }
        text
    }

    /// The state in a row of the table: nothing foreign is in that column.
    fn toned(&self, line: &str) -> Option<Toned> {
        let word = line.get(STATE_COLUMN)?.trim_end();
        let is_row = self.slots.iter().any(|row| line.starts_with(&format!("{:<5} {word} ", row.name)));
        let tone = states::tone(word).filter(|_| is_row)?;
        Some((STATE_COLUMN.start..STATE_COLUMN.start.saturating_add(word.len()), tone))
    }
}

/// Bytes of a row of the table that hold the state.
const STATE_COLUMN: Range<usize> = 6..17;

impl SlotRow {
    fn line(&self) -> String {
        let version = self.version.as_deref().unwrap_or("-");
        let good = if self.successful { "yes" } else { "no" };
        let place =
            |partition: &PartitionRow| format!("{} ({})", Printable(&partition.label), Size(partition.size_bytes));
        let places: Vec<String> = self.partitions.iter().map(place).collect();
        let columns = format!(
            "{:<5} {:<11} {:<21} {:>4}  {:>5}  {:<4}  ",
            self.name,
            self.state,
            Printable(version).to_string(),
            self.priority,
            self.tries_left,
            good
        );
        columns + &places.join(", ") + "\n"
    }
}

/// What an act that changed slot bits reports: the slots as they are now.
pub fn after(session: &Session, opened: &mut OpenDevice, profile: &Profile) -> Result<(), Failure> {
    let survey = opened.inspect_again(session)?;
    session.record.leaves(&survey.facts);
    session.output.done(&Status::of(opened, &survey, profile));
    Ok(())
}
