//! The terminal that bars are drawn on. One that goes away in the middle, as with a connection that breaks, ends nothing: the library
//! panics where a bar cannot be taken off the terminal, so it never hears that.

use std::fmt;
use std::io;

use console::Term;
use indicatif::{ProgressDrawTarget, TermLike};

/// Bars are drawn so many times a second.
const HERTZ: u8 = 20;

/// stderr where it is a terminal that can move its cursor; else bars are not drawn.
pub fn target() -> ProgressDrawTarget {
    let usual = ProgressDrawTarget::stderr();
    if usual.is_hidden() {
        return usual;
    }
    ProgressDrawTarget::term_like_with_hz(Box::new(Unheard(Term::buffered_stderr())), HERTZ)
}

/// A terminal whose errors nobody hears.
struct Unheard(Term);

impl fmt::Debug for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unheard")
    }
}

/// What was drawn is lost, and the work goes on.
fn drop_error(drawn: io::Result<()>) -> io::Result<()> {
    drawn.or(Ok(()))
}

impl TermLike for Unheard {
    fn width(&self) -> u16 {
        TermLike::width(&self.0)
    }

    fn height(&self) -> u16 {
        TermLike::height(&self.0)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        drop_error(self.0.move_cursor_up(n))
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        drop_error(self.0.move_cursor_down(n))
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        drop_error(self.0.move_cursor_right(n))
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        drop_error(self.0.move_cursor_left(n))
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        drop_error(self.0.write_line(text))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        drop_error(self.0.write_str(text))
    }

    fn clear_line(&self) -> io::Result<()> {
        drop_error(self.0.clear_line())
    }

    fn flush(&self) -> io::Result<()> {
        drop_error(self.0.flush())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use indicatif::{MultiProgress, ProgressBar};

    use super::*;

    /// A bar that is moved, and taken off the terminal for a line.
    fn draws_on(target: ProgressDrawTarget) -> &'static str {
        let bars = MultiProgress::with_draw_target(target);
        let bar = bars.add(ProgressBar::new(10));
        bar.set_position(5);
        bar.tick();
        bars.suspend(|| ());
        bar.finish_and_clear();
        bars.suspend(|| "done")
    }

    #[test]
    fn a_terminal_that_takes_nothing_ends_nothing() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let terminal = Term::read_write_pair(File::open("/dev/null").unwrap(), full);
        terminal.write_str("x").unwrap_err();
        assert_eq!(draws_on(ProgressDrawTarget::term_like(Box::new(Unheard(terminal)))), "done");
    }
}
