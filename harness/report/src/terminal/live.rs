//! Lines that are redrawn in place while a run lasts: the stand-ins, then the cases with a bar.
//!
//! indicatif draws; this gives it the sink as a terminal and decides what the lines say.

use std::{fmt, io};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::Sink;
use crate::{Counts, text};

/// Redraws a second. Fast enough to look alive, slow enough not to cost the servers anything.
const REDRAWS: u8 = 12;

/// Columns of the bar itself.
const BAR: usize = 20;

pub(super) struct Live {
    lines: MultiProgress,
    stand_ins: ProgressBar,
    cases: ProgressBar,
    width: usize,
}

impl Live {
    pub(super) fn new(sink: Sink, width: usize) -> Self {
        let screen = Screen { sink, width: u16::try_from(width).unwrap_or(u16::MAX) };
        let lines =
            MultiProgress::with_draw_target(ProgressDrawTarget::term_like_with_hz(Box::new(screen), REDRAWS));
        let blank = || ProgressBar::new(0).with_style(message_only());
        Self { stand_ins: lines.add(blank()), cases: lines.add(blank()), lines, width }
    }

    /// Writes something that stays, above the lines that are redrawn.
    pub(super) fn above(&self, write: impl FnOnce()) {
        self.lines.suspend(write);
    }

    pub(super) fn stand_ins(&self, lines: &str) {
        self.stand_ins.set_message(lines.to_owned());
    }

    pub(super) fn end_stand_ins(&self) {
        self.stand_ins.finish_and_clear();
    }

    pub(super) fn cases(&self, done: usize, of: usize, running: Option<&str>, counts: Counts) {
        let filled = (done * BAR).checked_div(of).unwrap_or(0).min(BAR);
        let bar = format!("{}{}", "█".repeat(filled), "░".repeat(BAR - filled));
        let mut line = format!("{}{bar} {done}/{of}", super::blocks::label("cases"));
        let mut tail = String::new();
        for (number, word) in [(counts.fail, "failed"), (counts.unknown, "unknown")] {
            if number > 0 {
                tail.push_str(&format!("   {number} {word}"));
            }
        }
        if let Some(running) = running {
            let room = self.width.saturating_sub(text::width(&line) + text::width(&tail) + 4);
            line.push_str("   ");
            line.push_str(&text::shorten(&text::one_line(running), room));
        }
        line.push_str(&tail);
        self.cases.set_message(line);
    }

    pub(super) fn clear(&self) {
        self.stand_ins.finish_and_clear();
        self.cases.finish_and_clear();
    }
}

fn message_only() -> ProgressStyle {
    // The fallback is never taken, the template being constant; it only spares a panic.
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The sink as indicatif sees it.
struct Screen {
    sink: Sink,
    width: u16,
}

impl Screen {
    fn send(&self, text: &str) -> io::Result<()> {
        self.sink.raw(text);
        Ok(())
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("width", &self.width).finish_non_exhaustive()
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.width
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        if n > 0 { self.send(&format!("\x1b[{n}A")) } else { Ok(()) }
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        if n > 0 { self.send(&format!("\x1b[{n}B")) } else { Ok(()) }
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        if n > 0 { self.send(&format!("\x1b[{n}C")) } else { Ok(()) }
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        if n > 0 { self.send(&format!("\x1b[{n}D")) } else { Ok(()) }
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.send(s)?;
        self.send("\n")
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        self.send(s)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.send("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        self.sink.flush();
        Ok(())
    }
}
