//! A stream that keeps what is written to it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Output, Settings, Sink};

/// What was written, shared by all clones.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// What was written so far, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output {
    /// Streams that keep what is written to them, for a command that runs inside another.
    pub fn captured(settings: Settings) -> (Self, [Captured; 2]) {
        let [out, err] = [Captured::default(), Captured::default()];
        let sinks: [Sink; 2] = [Arc::new(Mutex::new(out.clone())), Arc::new(Mutex::new(err.clone()))];
        let [to_out, to_err] = sinks;
        (Self::with(settings, to_out, to_err, None), [out, err])
    }
}
