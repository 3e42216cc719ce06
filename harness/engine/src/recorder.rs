//! The journal of one case: JSON Lines on disk, a line at the moment that something happens.
//!
//! Only the recorder stamps time, from one monotonic clock a run. A line is written whole and not buffered, so a run
//! that was killed leaves a history that can be read up to its last line.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use bulkhead_model::history::{Event, EventKind};

/// The run's one clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

/// Writes one case's history and keeps it.
#[derive(Debug)]
pub struct Recorder {
    clock: Clock,
    path: PathBuf,
    file: io::Result<File>,
    history: Vec<Event>,
}

impl Clock {
    /// Starts at zero now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Recorder {
    /// Begins the journal, replacing one that is there, and makes its folder.
    ///
    /// A journal that cannot be written does not stop the case, whose slices must be given back: it breaks the history
    /// that [`Recorder::finish`] gives, which then proves nothing.
    pub fn begin(path: PathBuf, clock: Clock) -> Self {
        let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let open = || OpenOptions::new().write(true).create(true).truncate(true).open(&path);
        Self { clock, file: folder.and_then(|()| open()), path, history: Vec::new() }
    }

    /// Stamps and writes one event.
    pub fn record(&mut self, kind: EventKind) {
        let event = Event { at: self.now(), kind };
        if let Ok(file) = &mut self.file
            && let Err(error) = write(file, &event)
        {
            self.file = Err(error);
        }
        self.history.push(event);
    }

    /// Since the run began, in nanoseconds.
    pub fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// What was recorded so far.
    pub fn history(&self) -> &[Event] {
        &self.history
    }

    /// The whole history and where it lies.
    pub fn finish(mut self) -> (Vec<Event>, PathBuf) {
        if let Err(error) = &self.file {
            let error = format!("could not write the history `{}`: {error}", self.path.display());
            self.record(EventKind::Broken { error });
        }
        (self.history, self.path)
    }
}

fn write(file: &mut File, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    file.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_on_disk_at_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/cases/one.jsonl");
        let mut recorder = Recorder::begin(path.clone(), Clock::start());
        recorder.record(EventKind::CaseStarted { case: String::from("one") });
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with('\n') && text.contains("case-started"), "{text}");
        recorder.record(EventKind::CaseEnded);
        let (history, journal) = recorder.finish();
        let text = std::fs::read_to_string(journal).unwrap();
        let saved: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(saved, history);
        assert!(history[0].at <= history[1].at);
    }

    #[test]
    fn a_history_that_does_not_reach_the_disk_is_broken_and_says_which() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("run"), "a file where a folder should be").unwrap();
        let mut recorder = Recorder::begin(folder.path().join("run/one.jsonl"), Clock::start());
        recorder.record(EventKind::CaseEnded);
        let (history, _) = recorder.finish();
        let [_, Event { kind: EventKind::Broken { error }, .. }] = history.as_slice() else {
            panic!("{history:?}")
        };
        assert!(error.contains("one.jsonl"), "{error}");
    }
}
