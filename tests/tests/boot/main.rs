//! Boots of real kernels in qemu, one program for all: its guests run two at a time to the end, and what they are made of is made once.

#[path = "boot/aarch64.rs"]
mod aarch64;
#[path = "boot/cuts.rs"]
mod cuts;
#[path = "boot/disk.rs"]
mod disk;
#[path = "boot/fallback.rs"]
mod fallback;
#[path = "boot/glue.rs"]
mod glue;
#[path = "boot/hardware.rs"]
mod hardware;
#[path = "boot/kernel.rs"]
mod kernel;
#[path = "boot/person.rs"]
mod person;
#[path = "boot/places.rs"]
mod places;
#[path = "boot/porting.rs"]
mod porting;
#[path = "boot/roots.rs"]
mod roots;
#[path = "boot/systemd.rs"]
mod systemd;
#[path = "boot/uefi.rs"]
mod uefi;
#[path = "boot/updates.rs"]
mod updates;
