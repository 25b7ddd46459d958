//! How a URL is fetched: the same for every verb that reads a bundle.

use std::path::PathBuf;

use clap::Args;

/// How a URL is fetched.
#[derive(Args, Debug)]
#[command(next_help_heading = "Where it is a URL")]
pub struct Fetch {
    /// The server.
    #[command(flatten)]
    pub server: Server,
    /// Seconds for which a connection is tried again, with growing pauses, while nothing comes
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(0..=604_800))]
    pub retry_for: u32,
    /// How often in a row it is tried again, at most [default: as often as --retry-for allows]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub retries: Option<u32>,
    /// Bytes a second, at most; K, M and G are KiB, MiB and GiB
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub limit_rate: Option<u64>,
}

/// How a server is spoken to.
#[derive(Args, Debug)]
pub struct Server {
    /// Certificates (PEM) of the authorities that vouch for https servers [default: the system's; SSL_CERT_FILE, SSL_CERT_DIR]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Seconds without a byte after which a connection is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub timeout: u32,
    /// File with a bearer token, which goes to the named https server alone
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificate (PEM) of this device, for servers that ask who it is
    #[arg(long, value_name = "FILE")]
    pub client_cert: Option<PathBuf>,
    /// Its private key (PEM, without a passphrase) [default: in the same file]
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
}

/// Bytes, with or without a unit.
fn rate(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.trim_end_matches(['K', 'M', 'G', 'k', 'm', 'g']) {
        digits if digits.len() == text.len() => (digits, 0),
        digits => (
            digits,
            match text.get(digits.len()..).map(str::to_ascii_uppercase).as_deref() {
                Some("K") => 10,
                Some("M") => 20,
                Some("G") => 30,
                _ => return Err("not a number with K, M or G".to_owned()),
            },
        ),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1_u64.checked_shl(shift)?));
    bytes.filter(|bytes| *bytes >= 1024).ok_or_else(|| "not a rate of 1K or more, as 500K or 2M".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_a_unit_or_none() {
        let rates = [("4096", 4096), ("1K", 1024), ("500k", 512_000), ("2M", 2 << 20), ("1G", 1 << 30)];
        rates.iter().for_each(|(text, bytes)| assert_eq!(rate(text), Ok(*bytes), "{text}"));
        for text in ["", "K", "1023", "0", "1KK", "1T", "-1", "1.5M", "99999999999999999999", "99999999999999G"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
