//! How a slot starts on this machine, once the core has judged it: its kernel is read into memory, checked there, and given to the
//! firmware from there. What is checked is what starts.

use alloc::format;
use alloc::string::String;
use alloc::string::ToString as _;

use libupdate::boot::{Reason, Setback, Stage};
use libupdate::device::{Listener, News, Sound, Start, Starter};
use libupdate::install::progress::{Flow, Observer, Progress};
use libupdate::slot::Slot;
use libupdate::uki::{HEAD, Headers, Signature, Uki};
use libupdate::{BlockIo, SlotId, SoftHasher};
use uefi::boot::{self, LoadImageSource};
use uefi::{Handle, Status};

use crate::disk::Disk;
use crate::memory::Aligned;
use crate::phases::Phases;
use crate::say::{self, say};
use crate::told;
use crate::watchdog;

/// What starts slots.
#[derive(Debug)]
pub struct SlotStarter<'s> {
    /// The role of the payload that is the kernel.
    pub role: &'s str,
    /// Whether the firmware starts only what is signed.
    pub secure_boot: bool,
    /// Times.
    pub phases: &'s mut Phases,
}

/// A slot whose kernel the firmware has loaded.
#[derive(Debug)]
pub struct Ready {
    /// The kernel.
    pub kernel: Handle,
    /// The slot.
    pub slot: SlotId,
    /// Its version.
    pub version: String,
    /// Its tries as the disk has them now.
    pub tries_left: u8,
    /// Seconds that a person has to confirm the trial.
    pub confirm_within: Option<u32>,
    /// Why an earlier boot of the same trial was not marked good.
    pub earlier: Option<Setback>,
}

impl Observer for SlotStarter<'_> {
    fn progress(&mut self, _: Progress) -> Flow {
        watchdog::feed();
        Flow::Continue
    }
}

impl Listener for SlotStarter<'_> {
    fn hear(&mut self, news: &News<'_>) {
        news.say(say::line);
        if let News::Passed(stage) = news {
            self.phases.end(match stage {
                Stage::Table => "table",
                Stage::Try => "try",
                Stage::Signature => "signature",
                Stage::Floor => "floor",
                Stage::Blocks => "blocks",
            });
        }
    }
}

impl Starter<Disk> for SlotStarter<'_> {
    type Started = Ready;

    /// Whether the kernel has a signature at all is in its first blocks, and nothing that is done to the slot would give it one.
    fn may_start(&mut self, disk: &mut Disk, slot: &Slot<'_>) -> Result<(), Setback> {
        let Some(partition) = slot.partition(self.role).filter(|_| self.secure_boot) else { return Ok(()) };
        let (Some(mut head), first) = (Aligned::new(HEAD), partition.extent.first()) else { return Ok(()) };
        // What cannot be read, or is no kernel, is found once the try is spent.
        if disk.read(first, &mut head).is_ok()
            && Headers::parse(&head).is_some_and(|headers| headers.signature() == Signature::Missing)
        {
            return Err(Setback::new(
                Reason::KERNEL,
                "Secure Boot is on and it has no signature: sign it with a key of db",
            ));
        }
        Ok(())
    }

    fn start(&mut self, disk: &mut Disk, sound: &Sound<'_>) -> Result<Start<Ready>, Setback> {
        watchdog::feed();
        let none = || Setback::new(Reason::KERNEL, format_args!("the bundle has no payload {}: add one", self.role));
        let no_memory = || Setback::new(Reason::KERNEL, "no memory for it: give the machine more, or make it smaller");
        let mut image = Aligned::new(sound.load_bytes(self.role).ok_or_else(none)?).ok_or_else(no_memory)?;
        let len = sound.load(disk, self.role, &mut image, &mut SoftHasher).map_err(Setback::damage)?;
        self.phases.end("kernel");
        let kernel = self.load(image.get(..len).unwrap_or_default(), sound.slot.id)?;
        self.phases.end("load");
        Ok(Start::Kernel(Ready {
            kernel,
            slot: sound.slot.id,
            version: sound.verified.manifest().version().to_string(),
            tries_left: sound.tries_left.get(),
            confirm_within: sound.confirm_within,
            earlier: sound.earlier.cloned(),
        }))
    }
}

impl SlotStarter<'_> {
    /// Gives the kernel to the firmware, and tells it the slot.
    fn load(&self, image: &[u8], slot: SlotId) -> Result<Handle, Setback> {
        let len = u64::try_from(image.len()).unwrap_or(u64::MAX);
        let uki = Uki::parse(image.get(..HEAD).unwrap_or(image), len);
        let uki = uki.ok_or_else(|| {
            Setback::new(Reason::KERNEL, "its payload is no unified kernel image: make it with systemd's stub")
        })?;
        let source = LoadImageSource::FromBuffer { buffer: image, file_path: None };
        let kernel = boot::load_image(boot::image_handle(), source).map_err(|error| match error.status() {
            Status::SECURITY_VIOLATION | Status::ACCESS_DENIED => {
                Setback::new(Reason::KERNEL, "Secure Boot refuses its signature: sign it with a key of db")
            }
            status => Setback::new(
                Reason::KERNEL,
                format!("the firmware does not load it: {status}: is it for this processor?"),
            ),
        })?;
        if let Err(error) = told::by_variable(slot) {
            say!(
                "the variable UpdaterSlot cannot be set ({}), so the kernel may choose anew: make room among the firmware's variables",
                error.status()
            );
        }
        if !self.secure_boot {
            let place = uki.command_line.unwrap_or_default();
            let [start, end] = [place.start, place.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
            let line = image.get(start..end).unwrap_or_default();
            if let Err(error) = told::by_command_line(kernel, line, slot) {
                say!(
                    "the kernel's command line cannot be set ({}): the variable UpdaterSlot tells it alone",
                    error.status()
                );
            }
        }
        Ok(kernel)
    }
}
