//! What stdout and stderr can show: whether they are terminals, how wide, whether in colour.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use bulkhead_report::{Look, Terminal, Verbosity};

use crate::args::{Format, Volume};

/// Columns where there is no terminal to ask.
const PAGE: usize = 100;

impl Volume {
    pub(crate) fn verbosity(self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        }
    }
}

/// The terminal report: on stdout for people; on stderr when stdout is for a program.
pub(crate) fn terminal(format: Format, volume: Volume) -> Terminal {
    match format {
        Format::Human => on(io::stdout(), volume),
        Format::Json => on(io::stderr(), volume),
    }
}

/// Puts a text that is finished on stdout.
pub(crate) fn say(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    read_enough(out.write_all(text).and_then(|()| out.flush()))
}

/// A reader that has seen enough is no failure.
pub(crate) fn read_enough(shown: io::Result<()>) -> io::Result<()> {
    shown.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

/// The terminal report on that stream.
pub(crate) fn on(stream: impl Write + IsTerminal + Send + 'static, volume: Volume) -> Terminal {
    let is_terminal = stream.is_terminal();
    let look = Look {
        live: is_terminal && env::var_os("TERM").is_none_or(|term| term != "dumb"),
        colour: is_terminal && wants_colour(),
        width: width(is_terminal),
        verbosity: volume.verbosity(),
    };
    Terminal::new(stream, look)
}

/// <https://no-color.org>: set to anything but nothing.
fn wants_colour() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Columns for a text that is put on stdout when it is finished.
pub(crate) fn page_width() -> usize {
    width(io::stdout().is_terminal()).max(40)
}

fn width(is_terminal: bool) -> usize {
    let said = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let seen =
        || terminal_size::terminal_size().map(|(terminal_size::Width(columns), _)| usize::from(columns));
    said.or_else(|| if is_terminal { seen() } else { None }).unwrap_or(PAGE)
}
