//! Boots of real kernels in qemu, one program for all: its guests run three at a time to the end, and what they are made of is made once.

mod aarch64;
mod apply_live;
mod cuts;
mod demo;
mod disk;
mod efi_boot_next;
mod fallback;
mod glue;
mod grub;
mod hardware;
mod kernel;
mod offline;
mod overlays;
mod packs;
mod person;
mod places;
mod porting;
mod roots;
mod systemd;
mod systemd_boot;
mod u_boot_env;
mod uboot;
mod uefi;
mod updates;
