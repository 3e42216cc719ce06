//! `bulkhead check`: judges a saved history again. It needs no services, and a check that was mended since gives its
//! new verdict on an old run.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result};
use bulkhead_checks::ALL;
use bulkhead_model::{
    Problems, RunReport, TenantName, Verdict,
    history::{self, Event, EventKind},
    report::{CaseReport, IsolationRow},
    scenario::Expected,
};
use bulkhead_report::json;
use clap::Args;

use crate::{
    args::{Format, Volume},
    exit, look,
    plan::quoted,
    project::Project,
    scenarios,
};

const EXAMPLES: &str = "\
Examples:
  bulkhead check target/bulkhead/2026-11-24T12-01-07/cases/isolation.s3.read.engine.plane.jsonl
  bulkhead check saved.jsonl --format json";

/// `bulkhead check`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Check {
    /// A history, as `verify` saves one for each case
    file: PathBuf,
    /// What to print on stdout
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
}

impl Check {
    /// Reads, judges, shows.
    pub(crate) fn run(self, volume: Volume) -> Result<u8> {
        let file = self.file.display().to_string();
        let bytes = fs::read(&self.file).with_context(|| format!("could not read the history `{file}`"))?;
        let history = history::read(bytes, &file).map_err(Problems::from)?;
        let report = judged(&history.events, &file);
        let code = exit::settle(report.verdict);
        let shown = look::terminal(self.format, volume).finish(&report, None, code);
        look::read_enough(shown).context("could not show the result")?;
        if self.format == Format::Json {
            let mut out = io::stdout().lock();
            let written = json::write(&report, &mut out).and_then(|()| out.flush());
            look::read_enough(written).context("could not write to stdout")?;
        }
        Ok(code)
    }
}

fn judged(events: &[Event], file: &str) -> RunReport {
    let id = events.iter().find_map(|event| match &event.kind {
        EventKind::CaseStarted { case } => Some(case.clone()),
        _ => None,
    });
    let id = id.unwrap_or_else(|| file.to_owned());
    let name = id.split_once(" (").map_or(id.as_str(), |(name, _)| name);
    // Files that do not read are `verify`'s business; here they only mean that nothing is known of the scenario.
    let sources = Project::here().and_then(|project| scenarios::load(&[], &project)).unwrap_or_default();
    let scenario = sources.into_iter().map(|source| source.scenario).find(|scenario| scenario.id() == name);
    let expect = scenario.as_ref().map_or_else(|| concerned(events), |scenario| scenario.expect.clone());
    let invariants = bulkhead_checks::judge(events, &expect);
    let isolation = bulkhead_checks::isolation_rows(events);
    let checklist = bulkhead_checks::checklist_rows(events);
    let verdict = Verdict::worst(invariants.iter().map(|invariant| invariant.verdict));
    let ended = events.last().map_or(0, |event| event.at);
    let duration_ms = u64::try_from(Duration::from_nanos(ended).as_millis()).unwrap_or(u64::MAX);
    let case = CaseReport {
        title: scenario.as_ref().map_or_else(|| id.clone(), |scenario| scenario.title.clone()),
        why: scenario.map_or_else(
            || String::from("the scenario of this history is not known here"),
            |scenario| scenario.why,
        ),
        id,
        verdict,
        skipped: None,
        duration_ms,
        faults: Vec::new(),
        invariants,
        attempts: Vec::new(),
        likely: None,
        diagnoses: crate::judged::diagnoses(events, verdict, &isolation, &checklist),
        repro: format!("bulkhead check {}", quoted(file)),
        logs: Vec::new(),
    };
    RunReport {
        version: 1,
        run: file.to_owned(),
        seed: 0,
        target: String::from("saved history"),
        target_reason: None,
        links: None,
        verdict,
        duration_ms,
        tenants: tenants(&isolation, checklist.iter().map(|row| &row.tenant)),
        servers: Vec::new(),
        cases: vec![case],
        isolation,
        checklist,
    }
}

/// The checks that read something of this history and need no bound: without the scenario, all that it can be judged by.
fn concerned(events: &[Event]) -> Vec<Expected> {
    let reads = |check: &&&dyn bulkhead_checks::Check| events.iter().any(|event| check.concerns(&event.kind));
    let plain = ALL.iter().filter(|check| check.bound().is_none()).filter(reads);
    plain.map(|check| Expected::plain(check.name())).collect()
}

fn tenants<'a>(
    isolation: &'a [IsolationRow],
    others: impl Iterator<Item = &'a TenantName>,
) -> Vec<TenantName> {
    let mut tenants: Vec<TenantName> = Vec::new();
    for name in isolation.iter().flat_map(|row| [&row.from, &row.to]).chain(others) {
        if !tenants.contains(name) {
            tenants.push(name.clone());
        }
    }
    tenants
}
