//! The page `harness/engine/S3.md`: every probe of S3, every workload and the checklist's items on it, on the embedded server,
//! on MinIO and on Backblaze B2. Two columns are measured, by a test a server, and the third is written down in `b2`.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_engine::{probes::Probe, workload};
use bulkhead_model::{
    Act, Ended, Ending, Enforcement, Found, Outcome, ProbeRecord, Service, Topology, Verdict,
    history::{Event, EventKind},
    scenario::{self, Scenario},
};
use bulkhead_target::Session;

use super::{Rig, Separate, Shared, judge_probe, of, table};
use crate::{
    scenarios::{known, these_pass_on},
    support,
};

mod answers;
mod b2;

use b2::{Known, Source};

const FILE: &str = "harness/engine/S3.md";

/// The row of what every refusal says.
const REFUSALS: &str = "every refusal";

/// Where the answers differ by the way of sharing.
const OWN: &str = "a bucket each: ";
const ONE: &str = "; a prefix each: ";

/// Whose column was measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Embedded,
    Minio,
}

/// Compares the page's part with what was measured on one server; the other's column stays as it is there, so that each is
/// the business of its own test.
fn compare(part: &str, server: Server, measured: &[(String, String)], b2: &dyn Fn(&str) -> Option<Known>) {
    let page = table::read(FILE);
    let there: BTreeMap<_, _> = table::section(&page, part)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .filter_map(|line| line.split_once(" | "))
        .collect();
    let mut lines = vec![
        format!("| {part} | embedded | MinIO | Backblaze B2 |"),
        String::from("| --- | --- | --- | --- |"),
    ];
    for (name, answer) in measured {
        let known =
            b2(name).unwrap_or_else(|| panic!("`{name}` has no row in `b2`: say what is known of it"));
        let mut old = there.get(name.as_str()).copied().unwrap_or_default().split(" | ");
        let (embedded, minio) = (old.next().unwrap_or_default(), old.next().unwrap_or("not measured"));
        let (embedded, minio) = match server {
            Server::Embedded => (answer.as_str(), minio.to_owned()),
            Server::Minio => (embedded, beside(embedded, answer)),
        };
        lines.push(format!("| {name} | {embedded} | {minio} | {} |", told(known, embedded)));
    }
    table::is_there(FILE, &page, part, &lines.join("\n"));
}

/// What another server answered beside the embedded one.
fn beside(embedded: &str, answer: &str) -> String {
    match answer {
        _ if answer == embedded => String::from("same"),
        _ if answer.starts_with("not asked") => answer.to_owned(),
        _ => format!("differs: {answer}"),
    }
}

/// What is known of B2 beside what the embedded server answered.
fn told(known: Known, embedded: &str) -> String {
    let by = |source: Source| format!("[{}]", source.told().0);
    match known {
        Known::Refused { right, source } => {
            // `HEAD` has no body on B2 either, and so no code.
            let refused = ["denied: 403 `AccessDenied`", "denied: 403 without a body"];
            let mut ways = embedded.trim_start_matches(OWN).split(ONE);
            let same = ways.all(|way| refused.iter().any(|refused| way.starts_with(refused)));
            let how = if same { "same" } else { "differs: denied" };
            format!("{how}; it takes `{right}` {}", by(source))
        }
        Known::Same(words, source) => format!("same: {words} {}", by(source)),
        Known::Differs(words, source) => format!("differs: {words} {}", by(source)),
        Known::Not(what) => format!("not known: {what}"),
    }
}

fn find(rows: &'static [(&'static str, Known)], name: &str) -> Option<Known> {
    rows.iter().find(|(of, _)| *of == name).map(|(_, known)| *known)
}

/// Makes every probe on a server, in both ways of sharing, and compares what it answers.
pub(super) async fn of_probes(mut rig: Rig, server: Server) {
    let mut ways = Vec::new();
    for (sharing, mark) in [(Separate, "own"), (Shared, "one")] {
        rig.sharing = sharing;
        let [from, to] = rig.slices(mark, Enforcement::Enforced).await;
        let records = rig.probe_all(&from, &to, Enforcement::Enforced).await;
        for record in &records {
            let passes = record.control.held && judge_probe(record) == Verdict::Pass;
            assert!(record.outcome == Outcome::Skipped || passes, "{record:#?}");
        }
        ways.push(records);
    }
    let row = |probe: &'static dyn Probe| {
        let name = probe.about().name;
        let answer = |records: &Vec<ProbeRecord>| {
            answers::answer(records.iter().find(|record| record.probe == name).unwrap())
        };
        let (own, one) = (answer(&ways[0]), answer(&ways[1]));
        let both = if own == one { own } else { format!("{OWN}{own}{ONE}{one}") };
        (name.to_owned(), both)
    };
    let words = (String::from(REFUSALS), answers::words(ways.iter().flatten()));
    let rows: Vec<_> = std::iter::once(words).chain(of(Service::S3).map(row)).collect();
    rig.server.running.stop().await;
    let facts = |name: &str| if name == REFUSALS { Some(b2::REFUSAL) } else { find(b2::PROBES, name) };
    compare("probe", server, &rows, &facts);
}

/// What each workload must keep to: one that has no row here is played for nothing.
const KEEPS: [(&str, &[&str]); 4] = [
    ("s3.config", &["nothing-foreign", "linearizable"]),
    ("s3.logs", &["nothing-foreign", "nothing-lost"]),
    ("s3.backups", &["byte-exact"]),
    ("s3.assets", &["byte-exact", "fails-closed"]),
];

/// Plays every workload and examines every item, and compares what the server answered.
pub(super) async fn of_workloads(session: &Session, server: Server) {
    let topology = Topology::builtin();
    let workloads = workload::ALL.iter().filter(|workload| workload.service() == Service::S3);
    let mut scenarios: Vec<_> = workloads.map(|workload| played(workload.shape().name)).collect();
    scenarios.extend(items());
    let cases = scenario::expand(&scenarios, &topology).unwrap();
    let runs = these_pass_on(session, &topology, cases).await;
    let row = |scenario: &Scenario| {
        // An item is examined for each tenant.
        let run = runs.iter().find(|run| run.case.scenario.name == scenario.name).unwrap();
        (about(scenario), answers::of_workload(&run.history))
    };
    let rows: Vec<_> = scenarios.iter().map(row).collect();
    let facts = |name: &str| find(b2::WORKLOADS, name).or_else(|| find(b2::ITEMS, name));
    compare("workload or item", server, &rows, &facts);
}

/// The workload or the item that it is about.
fn about(scenario: &Scenario) -> String {
    let workload = scenario.workload.first().map(|chosen| chosen.name.clone());
    workload.unwrap_or_else(|| scenario.name.trim_start_matches("checklist/").to_owned())
}

/// A second of one workload.
fn played(workload: &str) -> Scenario {
    let (_, keeps) = KEEPS
        .into_iter()
        .find(|(of, _)| *of == workload)
        .unwrap_or_else(|| panic!("`{workload}` has no row in `KEEPS`: say which checks must pass"));
    let text = format!(
        "title: What it is answered\nwhy: The page tells it.\ntags: [chaos]\ntenants: [engine]\nworkload:\n  - {workload}: {{}}\n\
         run-for: 1s\nexpect: [{}]\n",
        keeps.join(", ")
    );
    known(|known| Scenario::parse(&workload.replace('.', "-"), &text, "page.yaml", known)).unwrap().remove(0)
}

/// The checklist's items that are about S3 and ask it.
fn items() -> Vec<Scenario> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/checklist");
    let mut scenarios = known(|known| scenario::load(&[folder], known)).unwrap();
    let is_about_s3 = |scenario: &Scenario| scenario.tags.iter().any(|tag| *tag == "s3");
    // What a tenant's variables are is asked of no server.
    scenarios.retain(|scenario| is_about_s3(scenario) && scenario.name != "checklist/env-configured");
    scenarios
}

#[tokio::test]
async fn s3_md_tells_how_the_embedded_server_answers_probes() {
    of_probes(Rig::new(Service::S3, Separate).await, Server::Embedded).await;
}

#[tokio::test]
async fn s3_md_tells_how_the_embedded_server_answers_workloads() {
    of_workloads(&support::session().await, Server::Embedded).await;
}

#[test]
fn s3_md_says_where_each_source_is() {
    let facts = [b2::PROBES, b2::WORKLOADS, b2::ITEMS].into_iter().flatten().map(|(_, known)| *known);
    let sources: BTreeSet<_> = facts.chain([b2::REFUSAL]).filter_map(Known::source).collect();
    let told = |write: &dyn Fn(&str, &str) -> String| -> Vec<String> {
        sources.iter().map(|source| source.told()).map(|(name, at)| write(name, at)).collect()
    };
    let names = told(&|name, _| format!("[{name}]")).join(", ");
    let links = told(&|name, at| format!("[{name}]: {at}")).join("\n");
    table::is_there(FILE, &table::read(FILE), "sources", &format!("{names}.\n\n{links}"));
}

#[test]
fn a_fact_without_its_probe_and_an_answer_that_differs_are_seen() {
    for (name, _) in b2::PROBES {
        assert!(of(Service::S3).any(|probe| probe.about().name == *name), "{name} is no probe");
    }
    let same = beside("denied: 403 `AccessDenied`", "denied: 403 `AccessDenied`");
    let other = beside("denied: 403 `AccessDenied`", "leaks");
    assert_eq!((same.as_str(), other.as_str()), ("same", "differs: leaks"));
    let takes = Known::Refused { right: "readFiles", source: Source::AppKeys };
    assert_eq!(told(takes, "denied: 403 `AccessDenied`"), "same; it takes `readFiles` [app keys]");
    assert_eq!(told(takes, "leaks"), "differs: denied; it takes `readFiles` [app keys]");
}
