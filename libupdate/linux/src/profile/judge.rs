//! From the keys of a file to a profile: the rules that cross several keys, each with the line it is about.

use std::ops::Range;
use std::time::Duration;

use libupdate::SlotId;
use libupdate::slot::Duty;
use libupdate::units::limits::{PAYLOADS, SLOTS};
use toml::Spanned;

use super::board::{Planned, Profile, SlotPartition};
use super::boot::{
    Boot, Exhausted, HandOver, Marker, Naming, OnCorruption, OnExhausted, Overlay, SlotKernel, Spender, Start, Voice,
    Watchdog,
};
use super::loader;
use super::size::Size;
use super::tables;
use super::trust::Trust;
use super::value::{AttributeWord, Label, PartitionKind};
use crate::find::Selection;

/// Long enough to be read from a screen.
const DEFAULT_PANIC: Duration = Duration::from_secs(10);
/// Longer than any disk of the field needs to appear.
const DEFAULT_DISK_WAIT: Duration = Duration::from_secs(30);

/// A rule that the file breaks, and the bytes of it that do. No place: the file as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    pub place: Option<Range<usize>>,
    pub rule: String,
}

impl From<toml::de::Error> for Broken {
    fn from(error: toml::de::Error) -> Self {
        Self { place: error.span(), rule: error.message().trim_end().replace('\n', "; ") }
    }
}

pub(super) fn broken(place: Range<usize>, rule: impl Into<String>) -> Broken {
    Broken { place: Some(place), rule: rule.into() }
}

/// Reads and judges a profile's text.
pub fn profile(text: &str) -> Result<Profile, Broken> {
    let file: tables::File = toml::from_str(text)?;
    let slots = slots(file.slots.names.as_ref())?;
    let layout = layout(&file.partition, &slots)?;
    let roles: Vec<&str> = file.partition.iter().filter_map(|one| one.get_ref().role.as_deref()).collect();
    let Some(first) = roles.first().copied() else {
        return Err(Broken { place: None, rule: "no partition has a role: there is nothing to update".into() });
    };
    let control = match &file.slots.control {
        Some(named) => known_role(named.get_ref(), &roles, named.span())?,
        None => first.to_owned(),
    };
    let loader = file.boot.as_ref().map(|boot| loader::loader(boot, file.slots.tries.tries(), &roles)).transpose()?;
    let boot = match file.boot {
        Some(boot) => boot_table(boot, &control, &roles, &file.partition)?,
        None => default_boot(&control),
    };
    let mut specs = Vec::new();
    for planned in &layout {
        if let Some((slot, role)) = &planned.slot {
            let duty = if *role == control { Duty::Control } else { Duty::Member };
            let (role, label, type_guid) = (role.clone(), planned.label.clone(), planned.type_guid);
            specs.push(SlotPartition { slot: *slot, role, label, type_guid, duty });
        }
    }
    Ok(Profile {
        name: file.name.to_string(),
        compatible: file.compatible.to_string(),
        disk: disk(file.disk)?,
        slots,
        tries: file.slots.tries.tries(),
        guard: libupdate::boot::Guard::new(file.slots.guard.tries()),
        partitions: specs,
        layout,
        trust: trust(file.trust)?,
        merge: file.packs.merge,
        boot,
        loader: loader.flatten(),
        emmc_boot: emmc_boot(&file.partition)?,
    })
}

fn disk(table: tables::Disk) -> Result<Selection, Broken> {
    let tables::Disk { node, bus, guid } = table;
    match (node, bus, guid) {
        (None, None, None) => Ok(Selection::ByTable),
        (Some(node), None, None) => Ok(Selection::Node(node)),
        (None, Some(bus), None) if bus.get_ref().is_empty() => {
            Err(broken(bus.span(), "an empty bus path matches every disk"))
        }
        (None, Some(bus), None) => Ok(Selection::Bus(bus.into_inner())),
        (None, None, Some(guid)) => Ok(Selection::Guid(*guid.get_ref().as_bytes())),
        (Some(_), Some(bus), _) => Err(broken(bus.span(), "`node` and `bus` together: one of them names the disk")),
        (_, _, Some(guid)) => Err(broken(guid.span(), "`guid` with `node` or `bus`: one of them names the disk")),
    }
}

fn slots(names: Option<&Spanned<Vec<String>>>) -> Result<Vec<SlotId>, Broken> {
    let Some(names) = names else { return Ok(vec![SlotId::A, SlotId::B]) };
    let wanted = || broken(names.span(), format!("not the first 2 to {SLOTS} letters of the alphabet, in order"));
    let in_order = |(index, name): (usize, &String)| SlotId::from_name(name).filter(|slot| slot.index() == index);
    let slots: Option<Vec<SlotId>> = names.get_ref().iter().enumerate().map(in_order).collect();
    slots.filter(|slots| slots.len() >= 2).ok_or_else(wanted)
}

pub(super) fn known_role(role: &str, roles: &[&str], place: Range<usize>) -> Result<String, Broken> {
    if roles.contains(&role) {
        Ok(role.to_owned())
    } else {
        Err(broken(place, format!("no partition has the role `{role}`")))
    }
}

/// Every partition of the disk, in table order.
fn layout(partitions: &[Spanned<tables::Partition>], slots: &[SlotId]) -> Result<Vec<Planned>, Broken> {
    let mut layout: Vec<Planned> = Vec::new();
    let mut roles: Vec<&str> = Vec::new();
    for one in partitions {
        let partition = one.get_ref();
        let fault = |rule: String| broken(one.span(), rule);
        if let Some(role) = partition.role.as_deref() {
            if roles.contains(&role) {
                return Err(fault(format!("two partitions have the role `{role}`")));
            }
            roles.push(role);
        }
        if roles.len() > PAYLOADS {
            return Err(fault(format!("more than {PAYLOADS} partitions have a role")));
        }
        for planned in planned(partition, slots).map_err(|rule| fault(rule.to_owned()))? {
            if layout.iter().any(|other| other.label == planned.label) {
                return Err(fault(format!("two partitions have the label `{}`", planned.label)));
            }
            if planned.size == Size::Rest && layout.iter().any(|other| other.size == Size::Rest) {
                return Err(fault("two partitions take the rest of the disk".into()));
            }
            layout.push(planned);
        }
    }
    Ok(layout)
}

/// The partitions that one table of the file describes.
fn planned(partition: &tables::Partition, slots: &[SlotId]) -> Result<Vec<Planned>, &'static str> {
    let one = |label: String, slot: Option<(SlotId, String)>| Planned {
        label,
        type_guid: partition.type_guid,
        size: partition.size,
        attributes: AttributeWord::together(&partition.attributes),
        slot,
    };
    match (&partition.role, partition.label.names_the_slot()) {
        (None, false) => Ok(vec![one(partition.label.as_str().to_owned(), None)]),
        (None, true) => Err("`{slot}` in the label of a partition without a role"),
        (Some(_), false) => Err("no `{slot}` in the label: the slots' partitions could not be told apart"),
        (Some(_), true) if partition.size == Size::Rest => Err("a partition with a role has a size, not \"rest\""),
        (Some(role), true) => {
            Ok(slots.iter().map(|slot| one(partition.label.of(*slot), Some((*slot, role.to_string())))).collect())
        }
    }
}

/// The role of the one payload that goes to the boot partitions of the eMMC.
fn emmc_boot(partitions: &[Spanned<tables::Partition>]) -> Result<Option<String>, Broken> {
    let mut found = None;
    for one in partitions.iter().filter(|one| one.get_ref().kind == PartitionKind::EmmcBoot) {
        let Some(role) = &one.get_ref().role else {
            return Err(broken(one.span(), "kind = \"emmc-boot\" without a role: no bundle would bring it"));
        };
        if found.replace(role.to_string()).is_some() {
            return Err(broken(one.span(), "two partitions have kind = \"emmc-boot\": an eMMC starts one boot loader"));
        }
    }
    Ok(found)
}

fn trust(table: Spanned<tables::Trust>) -> Result<Trust, Broken> {
    let place = table.span();
    let tables::Trust { keys, folder, threshold } = table.into_inner();
    if keys.is_empty() && folder.is_none() {
        return Err(broken(place, "neither `keys` nor `folder`: nothing would be trusted"));
    }
    if folder.is_none() && usize::from(threshold.get()) > keys.len() {
        return Err(broken(
            place,
            format!("a threshold of {} cannot be reached with {} keys", threshold.get(), keys.len()),
        ));
    }
    let threshold = std::num::NonZeroUsize::new(usize::from(threshold.get())).unwrap_or(std::num::NonZeroUsize::MIN);
    Ok(Trust { keys, folder, threshold })
}

fn boot_table(
    table: Spanned<tables::Boot>,
    control: &str,
    roles: &[&str],
    partitions: &[Spanned<tables::Partition>],
) -> Result<Boot, Broken> {
    let place = table.span();
    let boot = table.into_inner();
    let fault = |rule: &str| Err(broken(place.clone(), rule));
    let payload = boot.payload.map(|role| known_role(role.get_ref(), roles, role.span())).transpose()?;
    let hand_over = match (boot.hand_over, payload, boot.kernel, boot.initrd, boot.command_line) {
        (HandOver::SwitchRoot, None, None, None, None) => Start::SwitchRoot,
        (HandOver::SwitchRoot, ..) => {
            return fault("`payload`, `kernel`, `initrd` and `command-line` go with hand-over = \"kexec\" only");
        }
        (HandOver::Kexec, None, None, ..) => return fault("hand-over = \"kexec\" needs `payload` or `kernel`"),
        (HandOver::Kexec, _, None, Some(_), _) | (HandOver::Kexec, _, None, _, Some(_)) => {
            return fault("`initrd` and `command-line` go with `kernel`: a UKI brings its own");
        }
        (HandOver::Kexec, payload, kernel, initrd, command_line) => {
            Start::Kexec(SlotKernel { payload, kernel, initrd, command_line })
        }
    };
    let on_exhausted = match (boot.on_exhausted, boot.recovery) {
        (OnExhausted::LastResort, None) => Exhausted::LastResort,
        (OnExhausted::Reboot, None) => Exhausted::Reboot,
        (OnExhausted::Recovery, Some(label)) => Exhausted::Recovery { label: outside(&label, partitions)? },
        (OnExhausted::Recovery, None) => return fault("on-exhausted = \"recovery\" needs `recovery`"),
        (_, Some(label)) => return Err(broken(label.span(), "`recovery` goes with on-exhausted = \"recovery\" only")),
    };
    let root = match &boot.root {
        Some(root) => known_role(root.get_ref(), roles, root.span())?,
        None => control.to_owned(),
    };
    let seconds = |seconds: u16| Duration::from_secs(u64::from(seconds));
    Ok(Boot {
        spends_try: boot.spends_try,
        naming: if boot.loader.is_some() { Naming::Insists } else { Naming::PassesOver },
        root,
        hand_over,
        on_corruption: boot.on_corruption,
        on_exhausted,
        panic: seconds(boot.panic_seconds.get()),
        mark_good: boot.mark_good,
        var: boot.var.map(|label| outside(&label, partitions)).transpose()?,
        overlay: if boot.overlay { Overlay::InMemory } else { Overlay::None },
        watchdog: boot.watchdog.map(|dog| Watchdog { device: dog.device, timeout: seconds(dog.timeout_seconds.get()) }),
        disk_wait: seconds(boot.disk_seconds.get()),
        voice: if boot.verbose { Voice::Verbose } else { Voice::Normal },
    })
}

/// Every default, for a file without the table.
pub fn default_boot(role: &str) -> Boot {
    Boot {
        spends_try: Spender::default(),
        naming: Naming::default(),
        root: role.to_owned(),
        hand_over: Start::SwitchRoot,
        on_corruption: OnCorruption::default(),
        on_exhausted: Exhausted::LastResort,
        panic: DEFAULT_PANIC,
        mark_good: Marker::default(),
        var: None,
        overlay: Overlay::None,
        watchdog: None,
        disk_wait: DEFAULT_DISK_WAIT,
        voice: Voice::Normal,
    }
}

/// The label of a partition that belongs to no slot.
fn outside(label: &Spanned<Label>, partitions: &[Spanned<tables::Partition>]) -> Result<String, Broken> {
    let named = |one: &tables::Partition| one.role.is_none() && one.label == *label.get_ref();
    if partitions.iter().any(|one| named(one.get_ref())) {
        Ok(label.get_ref().as_str().to_owned())
    } else {
        Err(broken(label.span(), "no partition without a role has this label"))
    }
}
