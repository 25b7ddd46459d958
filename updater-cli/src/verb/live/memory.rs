//! How much of the free memory may be taken.

use std::fs;

use libupdate_linux::profile::parse_bytes;

use crate::exit::{Exit, Failure};
use crate::output::Size;

const INFO: &str = "/proc/meminfo";
/// Less holds nothing.
const LEAST: u64 = 64 << 10;
const USUAL: &str = "50%";

/// Whether so many bytes are free.
pub fn room_for(bytes: u64) -> Result<(), Failure> {
    let free = free(&fs::read_to_string(INFO).unwrap_or_default()).unwrap_or(0);
    if bytes <= free {
        return Ok(());
    }
    let why = format!("{} of memory are needed, and {} are free", Size(bytes), Size(free));
    Err(Failure::new(Exit::NoSpace, "", why, "reboot into it, or end what takes memory"))
}

/// Bytes that `--size` means, of the memory that is free now.
pub fn size(asked: Option<&str>) -> Result<u64, Failure> {
    let free = free(&fs::read_to_string(INFO).unwrap_or_default());
    let Some(free) = free else {
        return Err(Failure::new(Exit::Io, "", format!("{INFO} does not say how much memory is free"), "mount /proc"));
    };
    judged(asked.unwrap_or(USUAL), free)
}

fn judged(asked: &str, free: u64) -> Result<u64, Failure> {
    let wrong = || {
        let why = format!("{asked} is no size");
        Failure::new(
            Exit::Usage,
            "",
            why,
            "give bytes, 64K or more, as in 100M, or a part of the free memory, as in 50%",
        )
    };
    let bytes = match asked.strip_suffix('%') {
        Some(percent) => {
            let percent: u64 = percent.parse().ok().filter(|percent| (1..=100).contains(percent)).ok_or_else(wrong)?;
            free.checked_mul(percent).map_or(free, |bytes| bytes / 100)
        }
        None => parse_bytes(asked).ok_or_else(wrong)?,
    };
    if bytes < LEAST {
        return Err(wrong());
    }
    if bytes > free {
        let why = format!("{} of memory are asked for, and {} are free", Size(bytes), Size(free));
        return Err(Failure::new(
            Exit::NoSpace,
            "",
            why,
            "give a smaller --size, or --keep boot, which is a folder of /var",
        ));
    }
    Ok(bytes)
}

/// `MemAvailable`, by proc(5).
fn free(info: &str) -> Option<u64> {
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_of_the_memory_that_is_free() {
        let info = "MemTotal:  100 kB\nMemAvailable:    1024 kB\n";
        assert_eq!(free(info), Some(1 << 20));
        let code = |asked| judged(asked, 1 << 20).map_err(|failure| failure.code);
        assert_eq!(
            (code("50%"), code("100%"), code("64K"), code("1M")),
            (Ok(512 << 10), Ok(1 << 20), Ok(64 << 10), Ok(1 << 20))
        );
        assert_eq!(code("1025K"), Err(Exit::NoSpace));
        for wrong in ["", "%", "0%", "101%", "-1", "1K", "x", "5 %"] {
            assert_eq!(code(wrong), Err(Exit::Usage), "{wrong}");
        }
    }
}
