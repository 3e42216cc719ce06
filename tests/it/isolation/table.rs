//! The table of probes and their controls in `harness/engine/PROBES.md`, which these tests generate and compare.

use std::path::Path;

use bulkhead_model::{Outcome, ProbeRecord, Service};

use super::{Sharing, controls, of};

const FILE: &str = "harness/engine/PROBES.md";

/// Which version of a server the table's last column is about, where several are tested.
const VERSIONS: [(Service, &str); 4] = [
    (Service::Postgres, "postgres 15."),
    (Service::Redis, "redis 7."),
    (Service::Rabbitmq, "rabbitmq 3.10."),
    (Service::S3, "embedded "),
];

/// Compares the part of the table that a test has just shown to be true. Another version than the table's may differ,
/// and has rows of its own in it where it does.
pub(super) fn compare(service: Service, sharing: Sharing, version: &str, sound: &[ProbeRecord]) {
    let (_, tabled) = VERSIONS.into_iter().find(|(of, _)| *of == service).unwrap();
    if !version.starts_with(tabled) {
        return;
    }
    let part = format!("{service} {}", format!("{sharing:?}").to_lowercase());
    let mut lines = vec![
        String::from("| probe | class | what it does | turned red by | on a sound server |"),
        String::from("| --- | --- | --- | --- | --- |"),
    ];
    for probe in of(service) {
        let about = probe.about();
        let record = sound.iter().find(|record| record.probe == about.name).unwrap();
        let controls = || controls::of(service).iter().filter(|control| control.sharing.contains(&sharing));
        let own: Vec<_> = controls().filter(|control| control.probe == about.name).collect();
        let opens: Vec<_> = match own.is_empty() {
            true => controls().filter(|control| control.also.contains(&about.name)).collect(),
            false => own,
        };
        let grants: Vec<_> = opens.iter().map(|control| format!("`{}`", control.grant)).collect();
        let grants = match (record.outcome, grants.is_empty()) {
            (Outcome::Skipped, _) => String::from("nothing"),
            (_, true) => String::from("nothing: it is by itself"),
            (_, false) => grants.join(", "),
        };
        let found = match record.outcome {
            Outcome::Skipped => format!("not tried: {}", record.evidence),
            Outcome::Allowed => format!("**leaks**: {}", record.inherent),
            _ if record.canary_seen => format!("**leaks**: {}", record.inherent),
            outcome => outcome.to_string(),
        };
        let name = about.name.split_once('.').unwrap().1;
        let row =
            [name, about.class.name(), about.sentence, &grants, &found].map(|cell| cell.replace('|', "\\|"));
        lines.push(format!("| {} |", row.join(" | ")));
    }
    let generated = lines.join("\n");
    let (begin, end) = (format!("<!-- {part} -->\n"), "\n<!-- end -->");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let page = std::fs::read_to_string(path).unwrap();
    let there = page.split_once(&begin).and_then(|(_, rest)| rest.split_once(end)).map(|(there, _)| there);
    if there == Some(generated.as_str()) {
        return;
    }
    // Beside what the build makes, so that it can be copied over; a test writes nothing into the sources.
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.md", part.replace(' ', "-")));
    std::fs::write(&out, &generated).unwrap();
    panic!("{FILE}: the part `{part}` is stale; what it should be is in {}", out.display());
}
