//! The table of probes and their controls in `harness/engine/PROBES.md`, which these tests generate and compare.

use std::path::Path;

use bulkhead_model::{Outcome, ProbeRecord, Service};

use super::{Control, Sharing, controls, of};

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
        let grants = grants(service, sharing, record);
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

/// What turns a probe red: its own controls, else those that open it by the nature of their right.
fn grants(service: Service, sharing: Sharing, record: &ProbeRecord) -> String {
    let shown = |opens: &dyn Fn(&Control) -> bool| -> Vec<String> {
        let controls = controls::of(service).iter().filter(|control| control.sharing.contains(&sharing));
        controls.filter(|control| opens(control)).map(|control| format!("`{}`", control.grant)).collect()
    };
    let own = shown(&|control| control.probe == record.probe);
    let others = shown(&|control| control.also.contains(&record.probe.as_str()));
    match others.is_empty() {
        _ if record.outcome == Outcome::Skipped => String::from("nothing"),
        _ if !own.is_empty() => own.join(", "),
        // Many rights let into a database: the first stands for them.
        false if !record.leaked() && service == Service::Postgres => others[0].clone(),
        false if !record.leaked() => others.join(", "),
        _ => String::from("nothing: it is by itself"),
    }
}
