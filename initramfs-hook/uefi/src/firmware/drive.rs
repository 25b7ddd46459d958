//! The flush of a drive by its own command. EDK2's FlushBlocks of SATA and SCSI drives does nothing and says that it has (seen in a log of
//! the drive's accesses), and a change of the table without a barrier between its copies is not safe in a cut.

use core::ptr;

use uefi::boot::{self, ScopedProtocol};
use uefi::proto::device_path::DevicePath;
use uefi::proto::unsafe_protocol;
use uefi::{Handle, Status, StatusExt as _};
use uefi_raw::protocol::ata::{
    AtaCommandBlock, AtaPassThruCommandPacket, AtaPassThruCommandProtocol, AtaPassThruLength, AtaPassThruProtocol,
    AtaStatusBlock,
};
use uefi_raw::protocol::scsi::{
    ScsiIoDataDirection, ScsiIoHostAdapterStatus, ScsiIoProtocol, ScsiIoScsiRequestPacket, ScsiIoTargetStatus,
};

/// Half a minute, as drives have for it, in units of 100 ns.
const PATIENCE: u64 = 300_000_000;
/// FLUSH CACHE EXT of ACS-3, and FLUSH CACHE, which drives of less than 128 GiB may have alone.
const ATA_FLUSHES: [u8; 2] = [0xea, 0xe7];
/// SYNCHRONIZE CACHE (10) of SBC-3: everything.
const SCSI_FLUSH: [u8; 10] = [0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Bytes of a drive's explanation.
const SENSE: usize = 252;

/// The passage to ATA drives.
#[derive(Debug)]
#[repr(transparent)]
#[unsafe_protocol(AtaPassThruProtocol::GUID)]
struct Ata(AtaPassThruProtocol);

/// A SCSI drive.
#[derive(Debug)]
#[repr(transparent)]
#[unsafe_protocol(ScsiIoProtocol::GUID)]
struct Scsi(ScsiIoProtocol);

/// What a command is put into: controllers want it aligned, 4096 is enough for each.
#[repr(C, align(4096))]
struct Page<T>(T);

/// A drive that is asked by its own command.
#[derive(Debug)]
pub struct Drive(Way);

#[derive(Debug)]
enum Way {
    Ata { passage: ScopedProtocol<Ata>, port: u16, multiplier: u16 },
    Scsi(ScopedProtocol<Scsi>),
}

impl Drive {
    /// The drive of a disk; `None` for others than SATA and SCSI drives, whose FlushBlocks is left to their driver.
    pub fn of(disk: Handle) -> Option<Self> {
        if let Ok(scsi) = super::open::<Scsi>(disk) {
            return Some(Self(Way::Scsi(scsi)));
        }
        let path = super::open::<DevicePath>(disk).ok()?;
        let mut rest: &DevicePath = &path;
        let passage = super::open::<Ata>(boot::locate_device_path::<Ata>(&mut rest).ok()?).ok()?;
        let (mut port, mut multiplier) = (0, 0);
        // SAFETY: the protocol is open; the rest of the path ends where the disk's does, which is open, too; the function reads it and writes
        // two numbers.
        let found = unsafe { (passage.0.get_device)(&passage.0, rest.as_ffi_ptr().cast(), &mut port, &mut multiplier) };
        found.is_success().then_some(Self(Way::Ata { passage, port, multiplier }))
    }

    /// Has the drive write what is in its cache.
    ///
    /// # Errors
    /// The firmware's, or DEVICE_ERROR if the drive refuses.
    pub fn flush(&mut self) -> uefi::Result<()> {
        match &mut self.0 {
            Way::Ata { passage, port, multiplier } => {
                let [first, second] = ATA_FLUSHES;
                ata(passage, (*port, *multiplier), first).or_else(|_| ata(passage, (*port, *multiplier), second))
            }
            Way::Scsi(drive) => scsi(drive),
        }
    }
}

fn ata(passage: &mut Ata, (port, multiplier): (u16, u16), command: u8) -> uefi::Result<()> {
    // The drive counts blocks, and not cylinders.
    let acb = Page(AtaCommandBlock { command, device_head: 0x40, ..AtaCommandBlock::default() });
    // SAFETY: the structure has numbers alone, and zeros are some.
    let mut asb: Page<AtaStatusBlock> = Page(unsafe { core::mem::zeroed() });
    let mut packet = AtaPassThruCommandPacket {
        asb: &mut asb.0,
        acb: &acb.0,
        timeout: PATIENCE,
        in_data_buffer: ptr::null_mut(),
        out_data_buffer: ptr::null(),
        in_transfer_length: 0,
        out_transfer_length: 0,
        protocol: AtaPassThruCommandProtocol::ATA_NON_DATA,
        length: AtaPassThruLength::NO_DATA_TRANSFER,
    };
    // SAFETY: the protocol is open, the packet and both blocks live until the call returns, and without an event it returns only once the
    // command has ended. The command transfers nothing.
    unsafe { (passage.0.pass_thru)(&mut passage.0, port, multiplier, &mut packet, ptr::null_mut()) }.to_result()
}

fn scsi(drive: &Scsi) -> uefi::Result<()> {
    let mut command = Page(SCSI_FLUSH);
    let mut sense = Page([0_u8; SENSE]);
    let mut packet = ScsiIoScsiRequestPacket {
        timeout: PATIENCE,
        in_data_buffer: ptr::null_mut(),
        out_data_buffer: ptr::null_mut(),
        sense_data: sense.0.as_mut_ptr().cast(),
        cdb: command.0.as_mut_ptr().cast(),
        in_transfer_length: 0,
        out_transfer_length: 0,
        cdb_length: 10,
        data_direction: ScsiIoDataDirection::READ,
        host_adapter_status: ScsiIoHostAdapterStatus::OK,
        target_status: ScsiIoTargetStatus::GOOD,
        sense_data_length: 252,
    };
    // SAFETY: the protocol is open, the packet, the command and the memory for its explanation live until the call returns, and without an
    // event it returns only once the command has ended. The command transfers nothing.
    unsafe { (drive.0.execute_scsi_command)(&drive.0, &mut packet, ptr::null_mut()) }.to_result()?;
    let good =
        packet.host_adapter_status == ScsiIoHostAdapterStatus::OK && packet.target_status == ScsiIoTargetStatus::GOOD;
    if good { Ok(()) } else { Err(Status::DEVICE_ERROR.into()) }
}
