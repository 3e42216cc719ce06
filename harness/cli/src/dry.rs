//! A plan as text: what a run would do, and how each of its cases is run. The same seed gives the same plan.

use std::io::Write as _;

use anyhow::Result;
use bulkhead_model::scenario::Scenario;
use bulkhead_report::text;
use serde_json::json;

use crate::{
    args::Format,
    plan::{Plan, Planned},
};

/// The plan for people or for programs.
pub(crate) fn told(plan: &Plan, format: Format) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    match format {
        Format::Human => human(plan, &mut out)?,
        Format::Json => {
            out = document(plan.seed, &plan.cases)?;
        }
    }
    Ok(out)
}

/// The plan of these cases for programs: what `--dry-run` prints, and what lies beside the history of a case that failed.
pub(crate) fn document(seed: u64, cases: &[Planned]) -> Result<Vec<u8>> {
    let cases = cases.iter().map(|planned| {
        let mut case = json!({ "case": planned.case.id, "again": planned.repro });
        for (name, lines) in parts(&planned.case.scenario) {
            case[name] = json!(lines);
        }
        case
    });
    let plan = json!({ "version": 1, "seed": seed, "cases": cases.collect::<Vec<_>>() });
    let mut out = serde_json::to_vec_pretty(&plan)?;
    writeln!(out)?;
    Ok(out)
}

fn human(plan: &Plan, out: &mut Vec<u8>) -> Result<()> {
    for planned in &plan.cases {
        writeln!(out, "{}", planned.case.id)?;
        for (name, lines) in parts(&planned.case.scenario) {
            for line in lines {
                writeln!(out, "      {name:<10} {line}")?;
            }
        }
        writeln!(out, "      {:<10} {}", "again", planned.repro)?;
    }
    writeln!(out, "{}, seed {}", text::count(plan.cases.len(), "case"), plan.seed)?;
    Ok(())
}

/// What a case does, in the order of its file.
fn parts(scenario: &Scenario) -> Vec<(&'static str, Vec<String>)> {
    let run_for = match scenario.workload.is_empty() {
        true => Vec::new(),
        false => vec![format!("{:?}", scenario.run_for)],
    };
    let parts = [
        ("probes", scenario.probes.clone()),
        ("checklist", scenario.checklist.iter().map(ToString::to_string).collect()),
        ("workload", scenario.workload.iter().map(ToString::to_string).collect()),
        ("run-for", run_for),
        ("faults", scenario.faults.iter().map(ToString::to_string).collect()),
        ("expect", scenario.expect.iter().map(ToString::to_string).collect()),
    ];
    parts.into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
}
