//! What the model promises to the other rooms, a module a subject. Unit tests of single rules are beside the code.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod connections;
mod doctor;
mod fuzz;
mod history;
mod scenario;
mod scenario_files;
mod schema;
mod secrets;
mod strings;
mod topology;
mod topology_scoped;
mod urls;

use bulkhead_model::Problems;

/// The problems as a reader sees them, one text each.
fn shown(problems: &Problems) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// Fails unless each problem begins with the place and holds the part, in this order, and there are no others.
fn expect(problems: &Problems, expected: &[(&str, &str)]) {
    let shown = shown(problems);
    let listing = shown.join("\n");
    for (index, (place, part)) in expected.iter().enumerate() {
        let problem =
            shown.get(index).unwrap_or_else(|| panic!("no problem {index} (`{part}`) in:\n{listing}"));
        assert!(problem.starts_with(&format!("{place}: ")), "problem {index} is not at {place}:\n{listing}");
        assert!(problem.contains(part), "problem {index} lacks `{part}`:\n{listing}");
    }
    assert_eq!(shown.len(), expected.len(), "more problems than expected:\n{listing}");
}
