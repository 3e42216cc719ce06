//! Files that are generated and checked in: each is what the program generates now. And the README's table of variables,
//! which is written by hand: it has exactly those that are read.

use std::collections::BTreeSet;

use bulkhead_model::{
    Topology, doctor, scenario,
    url::{EnvFormat, render},
};
use bulkhead_target::{
    backends::compose::{AUTHORITY, compose},
    spec::VARIABLES,
};

const SCHEMA: Generated =
    Generated { path: "scenarios/schema.json", by: "cargo bulkhead scenario schema > scenarios/schema.json" };

const DOCTOR: Generated = Generated {
    path: "harness/model/src/doctor/README.md",
    by: "cargo bulkhead doctor --known > harness/model/src/doctor/README.md",
};

const SCENARIOS: Generated =
    Generated { path: "scenarios/README.md", by: "cargo bulkhead scenario reference > scenarios/README.md" };

/// The files for Docker Compose.
const fn composed(path: &'static str) -> Generated {
    Generated { path, by: "cargo bulkhead compose --out compose" }
}

/// A file that is checked in, and the command that makes it again.
struct Generated {
    path: &'static str,
    by: &'static str,
}

impl Generated {
    /// Says how to make the file again when it is not what is generated.
    fn stale_against(&self, generated: &str) -> Option<String> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(self.path);
        stale(self, &std::fs::read_to_string(path).unwrap_or_default(), generated)
    }
}

fn stale(generated: &Generated, file: &str, text: &str) -> Option<String> {
    let (file, text) = (file.trim_end(), text.trim_end());
    let line = file.lines().zip(text.lines()).position(|(one, other)| one != other);
    let line = line.or_else(|| (file != text).then(|| file.lines().count().min(text.lines().count())))?;
    Some(format!("{}:{}: stale; `{}` makes it again", generated.path, line + 1, generated.by))
}

#[test]
fn the_schema_of_scenario_files_is_the_one_in_the_repository() {
    assert_eq!(SCHEMA.stale_against(&format!("{:#}", scenario::schema())), None);
}

#[test]
fn the_page_of_what_the_doctor_knows_is_the_one_in_the_repository() {
    assert_eq!(DOCTOR.stale_against(&bulkhead_report::doctor::page(doctor::providers())), None);
}

#[test]
fn the_page_of_what_scenario_files_may_say_is_the_one_in_the_repository() {
    let invariants = bulkhead_checks::ALL.map(|check| (check.name(), check.bound(), check.sentence()));
    let page = crate::scenarios::known(|known| {
        bulkhead_report::reference::page(known.workloads, known.faults, &invariants)
    });
    assert_eq!(SCENARIOS.stale_against(&page), None);
}

#[test]
fn the_files_for_compose_are_the_ones_in_the_repository() {
    let made = compose(&Topology::builtin(), std::path::Path::new("compose").join(AUTHORITY)).unwrap();
    assert_eq!(composed("compose/compose.yaml").stale_against(&made.file), None);
    for (tenant, path) in made.tenants.iter().zip(["compose/engine.env", "compose/plane.env"]) {
        let variables = render(EnvFormat::Dotenv, &bulkhead::variables(tenant, false));
        assert_eq!(composed(path).stale_against(&variables), None);
    }
}

/// What is read by others than the room that starts servers: tests, benches, and the library.
const ELSEWHERE: [&str; 5] = [
    "BULKHEAD_BIN",
    "BULKHEAD_PERFTEST",
    "BULKHEAD_TEST_TARGET",
    "BULKHEAD_TOXIPROXY_BIN",
    "BULKHEAD_TOXIPROXY_CLI",
];

/// Bulkhead's variables in the first column of the table below the heading.
fn in_the_table(readme: &str) -> BTreeSet<&str> {
    let section = readme.split("\n## ").find(|section| section.starts_with("Environment variables\n"));
    let rows = section.unwrap_or_default().lines().filter_map(|line| line.strip_prefix("| "));
    let names = rows.filter_map(|row| row.split(" | ").next()).flat_map(|names| names.split('`'));
    names.filter_map(|name| name.split('=').next()).filter(|name| name.starts_with("BULKHEAD_")).collect()
}

#[test]
fn the_readme_has_exactly_the_variables_that_are_read() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let read = VARIABLES.iter().map(|variable| variable.name).chain(ELSEWHERE);
    assert_eq!(in_the_table(&readme), read.collect());
}

#[test]
fn only_the_tables_first_column_counts() {
    let readme = "# B\n`BULKHEAD_X`\n## Environment variables\n\n| `BULKHEAD_A=1`, `BULKHEAD_B` | as `BULKHEAD_C` |\n## Z\n";
    assert_eq!(in_the_table(readme), BTreeSet::from(["BULKHEAD_A", "BULKHEAD_B"]));
}

#[test]
fn a_stale_file_is_refused() {
    assert_eq!(stale(&SCHEMA, "{\n}\n", "{\n}"), None);
    let expected =
        "scenarios/schema.json:2: stale; `cargo bulkhead scenario schema > scenarios/schema.json` makes it";
    assert!(stale(&SCHEMA, "{\n  1\n}\n", "{\n  2\n}\n").unwrap().starts_with(expected));
    assert!(stale(&SCHEMA, "{\n", "{\n}\n").unwrap().starts_with(expected));
}
