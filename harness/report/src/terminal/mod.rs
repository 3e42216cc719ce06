//! What a person sees: one line per thing while it runs, redrawn in place on a terminal and plain lines elsewhere;
//! then every failure explained, the verdicts, the isolation matrix, the checklist and where the report is.
//!
//! Passes are counted, failures explained. Symbols never stand without a word, colour never without a symbol or word.

mod blocks;
mod ending;
mod grid;
mod live;
mod style;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bulkhead_model::{RunEvent, RunReport, Service, report::CaseReport};

use crate::{Counts, explain, redact};
use live::Live;
use style::Style;

/// The narrowest terminal that output is laid out for; on a narrower one its own wrapping takes over.
pub const NARROWEST: usize = 60;

/// How much to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Only failures and the summary.
    Quiet,
    /// The first screen that a newcomer needs.
    #[default]
    Normal,
    /// Every case, probe and item too.
    Verbose,
}

/// What the sink can do and what the reader wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether lines can be redrawn in place.
    pub live: bool,
    /// Whether colour may be used.
    pub colour: bool,
    /// Columns.
    pub width: usize,
    /// How much to show.
    pub verbosity: Verbosity,
}

/// The terminal report. It takes events from any thread and writes to the sink it was given.
pub struct Terminal {
    state: Mutex<State>,
}

struct State {
    sink: Sink,
    look: Look,
    style: Style,
    live: Option<Live>,
    stand_ins: Vec<StandIn>,
    stand_ins_shown: bool,
    cases: usize,
    counts: Counts,
    running: Vec<String>,
    explained: Vec<String>,
}

/// How far one server is.
struct StandIn {
    service: Service,
    words: Option<String>,
}

impl Terminal {
    /// A report on `sink`.
    pub fn new(sink: impl Write + Send + 'static, look: Look) -> Self {
        let look = Look { width: look.width.max(NARROWEST), ..look };
        let sink = Sink::new(sink);
        let live =
            (look.live && look.verbosity > Verbosity::Quiet).then(|| Live::new(sink.clone(), look.width));
        let state = State {
            sink,
            look,
            style: Style { colour: look.colour },
            live,
            stand_ins: Vec::new(),
            stand_ins_shown: false,
            cases: 0,
            counts: Counts::default(),
            running: Vec::new(),
            explained: Vec::new(),
        };
        Self { state: Mutex::new(state) }
    }

    /// Shows one step of the run.
    pub fn event(&self, event: &RunEvent) {
        let mut state = self.lock();
        match event {
            RunEvent::Planned { target, reason, topology, seed, tenants, cases, .. } => {
                state.cases = *cases;
                let (topology, reason) = (redact::text(topology), reason.as_deref().map(redact::text));
                let target = (target.as_str(), reason.as_deref());
                let header = blocks::header(target, &topology, *seed, tenants, state.look.width, state.style);
                state.say(Verbosity::Normal, &header);
            }
            RunEvent::StandInStarting(service) => state.stand_in(*service, None),
            RunEvent::StandInReady(server) => {
                let words = blocks::stand_in(server, state.style);
                state.stand_in(server.service, Some(words));
            }
            RunEvent::Note(note) => {
                let lines = blocks::note(&redact::text(note), state.look.width);
                state.say(Verbosity::Normal, &lines);
            }
            RunEvent::CaseStarted { id } => {
                state.settle();
                state.running.push(id.clone());
                state.redraw();
            }
            RunEvent::CaseEnded(case) => state.ended(&redact::case(case)),
        }
    }

    /// Ends the lines that were redrawn in place: nothing more will be redrawn until the next event.
    pub fn settle(&self) {
        let mut state = self.lock();
        state.settle();
        if let Some(live) = &state.live {
            live.clear();
        }
    }

    /// Shows the whole result: what was not explained yet, verdicts, isolation, checklist, where the report is, and
    /// the exit code that the command settled on.
    ///
    /// # Errors
    /// The first error that the sink gave, now or before.
    pub fn finish(&self, report: &RunReport, saved: Option<&str>, exit: u8) -> io::Result<()> {
        let report = redact::report(report);
        let mut state = self.lock();
        state.settle();
        if let Some(live) = state.live.take() {
            live.clear();
        }
        for case in report.cases.iter().filter(|case| explain::is_due(case)) {
            state.explain(case);
        }
        let ending = ending::Ending { report: &report, saved, exit, look: state.look, style: state.style };
        let lines = ending.lines();
        state.write(&lines);
        state.sink.finish()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere must not hide the results that are there.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn say(&self, from: Verbosity, lines: &[String]) {
        if self.look.verbosity >= from {
            self.write(lines);
        }
    }

    fn write(&self, lines: &[String]) {
        match &self.live {
            Some(live) => live.above(|| self.sink.lines(lines)),
            None => self.sink.lines(lines),
        }
    }

    fn stand_in(&mut self, service: Service, words: Option<String>) {
        if self.live.is_none() {
            if let Some(words) = &words {
                let line = format!("{}{words}", blocks::label("stand-ins"));
                self.say(Verbosity::Normal, &[line]);
            }
            return;
        }
        match self.stand_ins.iter_mut().find(|known| known.service == service) {
            Some(known) => known.words = words,
            None => self.stand_ins.push(StandIn { service, words }),
        }
        let lines = self.stand_in_lines();
        if let Some(live) = &self.live {
            live.stand_ins(&lines.join("\n"));
        }
    }

    fn stand_in_lines(&self) -> Vec<String> {
        let words =
            |known: &StandIn| known.words.clone().unwrap_or_else(|| format!("{} starting", known.service));
        let items: Vec<_> = self.stand_ins.iter().map(words).collect();
        blocks::items("stand-ins", &items, self.look.width)
    }

    /// Turns the stand-ins' line into one that stays.
    fn settle(&mut self) {
        if self.stand_ins_shown || self.stand_ins.is_empty() {
            return;
        }
        self.stand_ins_shown = true;
        if let Some(live) = &self.live {
            live.end_stand_ins();
        }
        let lines = self.stand_in_lines();
        self.say(Verbosity::Normal, &lines);
    }

    fn ended(&mut self, case: &CaseReport) {
        self.counts.add(case);
        self.running.retain(|id| *id != case.id);
        if explain::is_due(case) {
            self.explain(case);
        } else {
            let line = blocks::case_line(case, self.style);
            self.say(Verbosity::Verbose, &[line]);
        }
        self.pass_quarter();
        self.redraw();
    }

    fn explain(&mut self, case: &CaseReport) {
        if self.explained.contains(&case.id) {
            return;
        }
        self.explained.push(case.id.clone());
        self.write(&blocks::explanation(case, self.look, self.style));
    }

    fn redraw(&self) {
        if let Some(live) = &self.live {
            let running = self.running.first().map(String::as_str);
            live.cases(self.counts.total(), self.cases, running, self.counts);
        }
    }

    /// Where nothing can be redrawn, a line at each quarter of the way: a log shows life and the failures stay in view.
    fn pass_quarter(&self) {
        let done = self.counts.total();
        let quarters = |cases: usize| cases * 4 / self.cases.max(1);
        if self.live.is_none() && quarters(done) > quarters(done - 1) {
            let line = format!("{}{done}/{} · {}", blocks::label("cases"), self.cases, self.counts.line());
            self.say(Verbosity::Normal, &[line]);
        }
    }
}

/// The sink, shared with whatever redraws lines on it. It keeps the first error.
#[derive(Clone)]
pub(crate) struct Sink(Arc<Mutex<Inner>>);

struct Inner {
    writer: Box<dyn Write + Send>,
    error: Option<io::Error>,
}

impl Sink {
    fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Inner { writer: Box::new(writer), error: None })))
    }

    pub(crate) fn raw(&self, text: &str) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.error.is_none() {
            inner.error = inner.writer.write_all(text.as_bytes()).err();
        }
    }

    pub(crate) fn flush(&self) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.error.is_none() {
            inner.error = inner.writer.flush().err();
        }
    }

    fn lines(&self, lines: &[String]) {
        for line in lines {
            self.raw(line);
            self.raw("\n");
        }
        self.flush();
    }

    fn finish(&self) -> io::Result<()> {
        self.flush();
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.error.take().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
pub(crate) mod tests;
