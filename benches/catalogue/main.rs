//! How long the catalogue takes against what its cases take by themselves: `cargo bench --bench catalogue`, or with
//! `-- --quick` for the cases of two files alone.
//!
//! A case's own time is that from its first operation, or round, to its end: `run-for` and recovery. One that plays nothing
//! and meets no fault counts nothing, though the run takes its time. The run is one `bulkhead verify` with the `--jobs` that
//! it has by itself, servers included. It prints a table and never fails on a time: targets are for readers.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is the result")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bulkhead_model::{
    RunReport, Verdict,
    history::{Event, EventKind},
};

/// The most that the run should take of the sum of its cases' own times.
const TARGET: f64 = 0.25;

fn main() -> ExitCode {
    // Cargo passes `--bench`; a filter or anything else that a runner may pass changes nothing.
    let quick = env::args().any(|argument| argument == "--quick");
    match measure(quick) {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(quick: bool) -> Result<String> {
    let out = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut verify = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    verify.arg("verify").current_dir(env!("CARGO_MANIFEST_DIR"));
    if quick {
        verify.args(["scenarios/chaos/redis/sessions-link.yaml", "scenarios/security/redis-impostor.yaml"]);
    }
    verify.args(["--format", "json", "--seed", "1", "--out"]).arg(out.path());
    // Its progress is for whoever waits here, its document for us.
    let begun = Instant::now();
    let ran =
        verify.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot start `bulkhead`")?;
    let took = begun.elapsed();
    let report: RunReport = serde_json::from_slice(&ran.stdout).context("cannot read the report")?;
    ensure!(report.verdict == Verdict::Pass, "the run came to `{}`: its times say little", report.verdict);
    let own = own_times(&out.path().join(&report.run).join("cases"))?;
    let played: Vec<_> = report.cases.iter().filter_map(|case| own.get(&case.id)).collect();
    ensure!(!played.is_empty(), "no case played anything");
    let sum: Duration = played.iter().copied().sum();
    let ratio = took.as_secs_f64() / sum.as_secs_f64();
    let verdict = if ratio <= TARGET { "reached" } else { "missed" };
    let rows = [
        ("cases".to_owned(), report.cases.len().to_string(), String::new()),
        ("of them with a workload or faults".to_owned(), played.len().to_string(), String::new()),
        ("their own times together".to_owned(), format!("{:.0} s", sum.as_secs_f64()), String::new()),
        ("the whole run".to_owned(), format!("{:.0} s", took.as_secs_f64()), String::new()),
        (
            "the run : their own times".to_owned(),
            format!("{ratio:.2} ×"),
            format!("≤ {TARGET:.2} × {verdict}"),
        ),
    ];
    let mut table = format!("{:<36} {:>10}   target", "measure", "reached");
    for (measure, reached, target) in rows {
        table.push_str(format!("\n{measure:<36} {reached:>10}   {target}").trim_end());
    }
    Ok(table)
}

/// What each case that played anything took by itself, by its id.
fn own_times(folder: &Path) -> Result<BTreeMap<String, Duration>> {
    let mut times = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let events = text.lines().map(serde_json::from_str).collect::<Result<Vec<Event>, _>>();
        let events = events.with_context(|| format!("cannot read `{}`", path.display()))?;
        let case = events.iter().find_map(|event| match &event.kind {
            EventKind::CaseStarted { case } => Some(case.clone()),
            _ => None,
        });
        let played = events.iter().any(|event| matches!(event.kind, EventKind::Healed));
        let first = events.iter().find(|event| !matches!(event.kind, EventKind::CaseStarted { .. }));
        if let (true, Some(case), Some(first), Some(last)) = (played, case, first, events.last()) {
            times.insert(case, Duration::from_nanos(last.at.saturating_sub(first.at)));
        }
    }
    Ok(times)
}
