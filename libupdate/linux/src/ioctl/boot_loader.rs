//! Those of the stores of boot loaders: the Raspberry Pi's firmware, and the registers of an eMMC.

use std::fs::File;

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// Words of a message with one property to the firmware of a Raspberry Pi.
pub const PROPERTY_WORDS: usize = 7;
/// Its bytes, which its first word says.
pub const PROPERTY_BYTES: u32 = 28;
const _: () = assert!(size_of::<[u32; PROPERTY_WORDS]>() == 28);

/// IOCTL_MBOX_PROPERTY of `drivers/char/broadcom/vcio.c` in Raspberry Pi's kernel: the size in its number is that of a pointer.
const PROPERTY: Opcode = opcode::read_write::<*mut u8>(100, 0);

/// Sends a property message to the firmware by `/dev/vcio`; the answer replaces it.
///
/// # Errors
/// What the kernel says.
pub fn firmware_property(mailbox: &File, message: &mut [u32; PROPERTY_WORDS]) -> Result<(), Errno> {
    // The kernel reads and writes as many bytes as the first word says.
    message[0] = PROPERTY_BYTES;
    // SAFETY: the number is vcio's own and takes a pointer to a message; its first word, set right above, is the size of the array, which
    // the exclusive reference keeps valid.
    unsafe { ioctl(mailbox, Updater::<PROPERTY, _>::new(message)) }
}

/// Bytes of the EXT_CSD register of an eMMC.
pub const EXT_CSD_BYTES: usize = 512;

/// `struct mmc_ioc_cmd` of linux/mmc/ioctl.h.
#[repr(C)]
struct MmcCommand {
    write_flag: i32,
    is_acmd: i32,
    opcode: u32,
    argument: u32,
    response: [u32; 4],
    flags: u32,
    block_size: u32,
    blocks: u32,
    postsleep_min_us: u32,
    postsleep_max_us: u32,
    data_timeout_ns: u32,
    command_timeout_ms: u32,
    pad: u32,
    data: u64,
}
const _: () = assert!(size_of::<MmcCommand>() == 72);

/// MMC_IOC_CMD.
const MMC_COMMAND: Opcode = opcode::read_write::<MmcCommand>(179, 0);
/// CMD8, SEND_EXT_CSD; MMC_RSP_SPI_R1 | MMC_RSP_R1 | MMC_CMD_ADTC of linux/mmc/core.h.
const SEND_EXT_CSD: (u32, u32) = (8, 0xb5);
/// CMD6, SWITCH; MMC_RSP_SPI_R1B | MMC_RSP_R1B | MMC_CMD_AC.
const SWITCH: (u32, u32) = (6, 0x49d);
/// Access of a SWITCH: the byte is written.
const WRITE_BYTE: u8 = 3;
/// Command set of a SWITCH: the standard one.
const COMMAND_SET: u8 = 1;

const fn mmc(write_flag: i32, (opcode, flags): (u32, u32), argument: u32) -> MmcCommand {
    MmcCommand {
        write_flag,
        is_acmd: 0,
        opcode,
        argument,
        response: [0; 4],
        flags,
        block_size: 0,
        blocks: 0,
        postsleep_min_us: 0,
        postsleep_max_us: 0,
        data_timeout_ns: 0,
        command_timeout_ms: 0,
        pad: 0,
        data: 0,
    }
}

/// Reads the EXT_CSD register of an eMMC.
///
/// # Errors
/// What the kernel says, as of a disk that is no eMMC.
pub fn ext_csd(disk: &File) -> Result<[u8; EXT_CSD_BYTES], Errno> {
    let mut register = [0; EXT_CSD_BYTES];
    let data = register.as_mut_ptr().expose_provenance().try_into().map_err(|_| Errno::INVAL)?;
    let mut command = MmcCommand { block_size: 512, blocks: 1, data, ..mmc(0, SEND_EXT_CSD, 0) };
    // SAFETY: MMC_IOC_CMD takes a pointer to an `mmc_ioc_cmd`, whose fields the struct has in C's layout; the kernel writes one block of
    // 512 bytes to `data`, which is the length of `register`, and that lives until the call returns.
    unsafe { ioctl(disk, Updater::<MMC_COMMAND, _>::new(&mut command)) }?;
    Ok(register)
}

/// Writes one byte of the EXT_CSD register, and waits until the eMMC is no longer busy.
///
/// # Errors
/// What the kernel says.
pub fn ext_csd_switch(disk: &File, index: u8, value: u8) -> Result<(), Errno> {
    // JESD84-B51, 6.6.1: access, index, value and command set, a byte each.
    let argument = u32::from_be_bytes([WRITE_BYTE, index, value, COMMAND_SET]);
    let mut command = mmc(1, SWITCH, argument);
    // SAFETY: as above; SWITCH carries no data, so `data` is not used.
    unsafe { ioctl(disk, Updater::<MMC_COMMAND, _>::new(&mut command)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_kernels_headers() {
        // From a C program with linux/mmc/ioctl.h: printf("%x", MMC_IOC_CMD).
        assert_eq!(MMC_COMMAND, 0xc048_b300);
        if size_of::<usize>() == 8 {
            assert_eq!(PROPERTY, 0xc008_6400);
        }
    }
}
