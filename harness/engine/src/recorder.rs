//! The journal of one case: JSON Lines on disk, a line at the moment that something happens.
//!
//! Only the recorder stamps time, from one monotonic clock a run. Lines are written whole, so a run that was killed leaves
//! a history that can be read up to its last line. All is there before anything more is done but the ends of operations,
//! which go with the event that follows: an operation without an end is one of which nobody knows how it ended, so that
//! a history that lacks the last of them says less and nothing wrong.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    mem,
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
    /// Lines that are to be written with the next.
    unwritten: Vec<u8>,
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
        Self { clock, file: folder.and_then(|()| open()), path, unwritten: Vec::new(), history: Vec::new() }
    }

    /// Stamps and writes one event.
    pub fn record(&mut self, kind: EventKind) {
        let event = Event { at: self.now(), kind };
        if self.file.is_ok() {
            let lined = serde_json::to_writer(&mut self.unwritten, &event).map_err(io::Error::from);
            self.unwritten.push(b'\n');
            let waits = matches!(event.kind, EventKind::Ended(_));
            let written = lined.and_then(|()| if waits { Ok(()) } else { self.write() });
            if let Err(error) = written {
                self.file = Err(error);
            }
        }
        self.history.push(event);
    }

    /// Writes what is unwritten.
    fn write(&mut self) -> io::Result<()> {
        if let Ok(file) = &mut self.file {
            file.write_all(&self.unwritten)?;
        }
        self.unwritten.clear();
        Ok(())
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
        if let Err(error) = self.write() {
            self.file = Err(error);
        }
        if let Err(error) = &self.file {
            let error = format!("could not write the history `{}`: {error}", self.path.display());
            self.record(EventKind::Broken { error });
        }
        (mem::take(&mut self.history), mem::take(&mut self.path))
    }
}

impl Drop for Recorder {
    /// A case that is given up leaves all that was recorded.
    fn drop(&mut self) {
        // Whoever gave the case up has said why; nobody is left to tell this to.
        let _given_up = self.write();
    }
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
    fn an_end_is_written_with_what_follows_it_and_at_the_latest_when_the_case_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.jsonl");
        let lines = || std::fs::read_to_string(&path).unwrap().lines().count();
        let mut recorder = Recorder::begin(path.clone(), Clock::start());
        let end = |op| {
            let (outcome, detail) = (bulkhead_model::Ending::Ok, String::new());
            EventKind::Ended(bulkhead_model::Ended { op, outcome, detail, found: None })
        };
        recorder.record(end(1));
        assert_eq!(lines(), 0);
        recorder.record(EventKind::Healed);
        assert_eq!(lines(), 2);
        recorder.record(end(2));
        drop(recorder);
        assert_eq!(lines(), 3);
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
