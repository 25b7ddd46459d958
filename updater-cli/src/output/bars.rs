//! Bars on a terminal, and who takes them off it while a line is written.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use libupdate::ByteLen;
use libupdate_linux::printable::Size;

mod terminal;

const BAR: &str = "{msg:10} [{wide_bar}] {percent:>3} % {binary_bytes_per_sec:>12} eta {eta}";

/// All bars of the program.
#[derive(Clone)]
pub struct Bars(MultiProgress);

/// The bar of a phase.
pub struct Bar(ProgressBar);

impl Bars {
    /// None is drawn yet.
    pub fn new() -> Self {
        Self(MultiProgress::with_draw_target(terminal::target()))
    }

    /// Draws a new one, where the program has bars.
    pub fn begin(&self, phase: &'static str, total: ByteLen) -> Option<Bar> {
        // The template is a constant that the tests draw.
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total.get()).with_style(style.progress_chars("=> ")).with_message(phase);
        Some(Bar(self.0.add(bar)))
    }

    /// Writes while no bar is in the way.
    pub fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }
}

impl Bar {
    /// So much is done, and so many bytes came over a network since the program began.
    pub fn at(&self, phase: &'static str, done: ByteLen, fetched: u64) {
        if fetched > 0 {
            self.0.set_message(format!("{phase}, {} fetched", Size(fetched)));
        }
        self.0.set_position(done.get());
    }

    /// Goes away.
    pub fn finish(self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bars_template_is_valid() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }
}
