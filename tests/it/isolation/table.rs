//! The table of probes and their controls in `harness/engine/PROBES.md`, which these tests generate and compare.

use std::path::Path;

use bulkhead_engine::probes::Probe;
use bulkhead_model::{Outcome, ProbeRecord, Service};

use super::{Control, Sharing, controls, of};
use crate::tools::skipped;

const FILE: &str = "harness/engine/PROBES.md";

/// The server that the table's last column is about, to the number that its makers count releases by.
const TABLED: [(Service, &str); 4] = [
    (Service::Postgres, "postgres 15"),
    (Service::Redis, "redis 7.0"),
    (Service::Rabbitmq, "rabbitmq 3.10"),
    (Service::S3, "embedded"),
];

/// Others that `.ci/run` tests; below the table stands where they answer differently.
const OTHERS: [(Service, &str); 5] = [
    (Service::Postgres, "postgres 17"),
    (Service::Postgres, "postgres 18"),
    (Service::Redis, "redis 8.0"),
    (Service::Redis, "valkey 8"),
    (Service::Rabbitmq, "rabbitmq 4.0"),
];

/// Compares the part of the page that a test has just shown to be true: the table, or where another server differs from
/// it. On a server that the page does not tell of there is nothing to compare, which is a skip.
pub(super) fn compare(service: Service, sharing: Sharing, version: &str, sound: &[ProbeRecord]) {
    let (_, tabled) = TABLED.into_iter().find(|(of, _)| *of == service).unwrap();
    let server = match told_of(service, version) {
        Ok(server) => server,
        Err(untold) => return skipped(&untold),
    };
    let part = format!("{service} {}", format!("{sharing:?}").to_lowercase());
    let rows: Vec<_> = of(service).map(|probe| row(probe, sharing, sound)).collect();
    let page = read(FILE);
    if server == tabled {
        let head = [
            "| probe | class | what it does | turned red by | seen | on a sound server |",
            "| --- | --- | --- | --- | --- | --- |",
        ];
        let rows = rows.iter().map(|cells| line(cells));
        let lines = head.into_iter().map(String::from).chain(rows).chain(controlled_otherwise(sound));
        is_there(FILE, &page, &part, &lines.collect::<Vec<_>>().join("\n"));
    } else {
        let table = section(&page, &part).unwrap_or_else(|| panic!("{FILE}: there is no part `{part}`"));
        let differences = differences(table, tabled, server, &rows);
        is_there(FILE, &page, &format!("{part} on {server}"), &differences);
    }
}

/// Which of the page's servers this one is (`redis 7.0.15`), or what the page has no column for.
fn told_of(service: Service, version: &str) -> Result<&'static str, String> {
    let known =
        || TABLED.into_iter().chain(OTHERS).filter(|(of, _)| *of == service).map(|(_, server)| server);
    let is = |server: &&str| {
        version.strip_prefix(*server).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ' ']))
    };
    known().find(is).ok_or_else(|| {
        let known = known().collect::<Vec<_>>().join(", ");
        format!("{FILE} has no column `{version}`: its answers are held against nothing; it tells of {known}")
    })
}

/// A probe's cells: its name, class and sentence, what turns it red, how it was seen red, and what came of it on a sound
/// server.
fn row(probe: &dyn Probe, sharing: Sharing, sound: &[ProbeRecord]) -> [String; 6] {
    let about = probe.about();
    let record = sound.iter().find(|record| record.probe == about.name).unwrap();
    let grants = grants(about.service, sharing, record);
    // The last digits of a version change with every update of the machine.
    let inherent = record.inherent.replace(&record.server, "the server");
    let found = match record.outcome {
        Outcome::Skipped => format!("not tried: {}", record.evidence),
        Outcome::Allowed => format!("**leaks**: {inherent}"),
        _ if record.canary_seen => format!("**leaks**: {inherent}"),
        outcome => outcome.to_string(),
    };
    let name = about.name.split_once('.').unwrap().1;
    let seen = seen(about.service, sharing, record);
    [name, about.class.name(), about.sentence, &grants, &seen, &found].map(|cell| cell.replace('|', "\\|"))
}

fn line(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

/// Where these rows' last cells are not those of the table.
fn differences(table: &str, tabled: &str, other: &str, rows: &[[String; 6]]) -> String {
    let last = |row: &str| row.rsplit_once(" | ").map(|(_, cell)| cell.trim_end_matches(" |").to_owned());
    let differ = rows.iter().filter_map(|[name, .., found]| {
        let there = table.lines().find(|line| line.starts_with(&format!("| {name} |"))).and_then(last);
        let there = there.unwrap_or_default();
        (there != *found).then(|| line(&[name.clone(), there, found.clone()]))
    });
    let differ: Vec<_> = differ.collect();
    if differ.is_empty() {
        return format!("All answers of {other} are those of {tabled}.");
    }
    let head = [line(&["probe", tabled, other].map(String::from)), String::from("| --- | --- | --- |")];
    head.into_iter().chain(differ).collect::<Vec<_>>().join("\n")
}

/// A page of the project's.
pub(super) fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// What stands on a page between the marks of that part.
pub(super) fn section<'a>(page: &'a str, part: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("<!-- {part} -->\n"))?;
    rest.split_once("\n<!-- end -->").map(|(there, _)| there)
}

/// Fails where a page's part is not what was generated.
pub(super) fn is_there(file: &str, page: &str, part: &str, generated: &str) {
    if section(page, part) == Some(generated) {
        return;
    }
    // Beside what the build makes, so that it can be copied over; a test writes nothing into the sources.
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.md", part.replace(' ', "-")));
    std::fs::write(&out, generated).unwrap();
    panic!("{file}: the part `{part}` is stale; what it should be is in {}", out.display());
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

/// Which controls are other calls than their probes'.
fn controlled_otherwise(sound: &[ProbeRecord]) -> Vec<String> {
    let made = sound.iter().filter(|record| record.outcome != Outcome::Skipped);
    let otherwise = made.filter(|record| {
        let call = |text: &str| call(text, [record.from.as_str(), record.to.as_str()]);
        let instead = record.control.detail.contains(", and instead ");
        instead || call(&record.control.detail) != call(&record.evidence)
    });
    let name = |record: &ProbeRecord| record.probe.split_once('.').map(|(_, name)| format!("`{name}`"));
    let names: Vec<_> = otherwise.filter_map(name).collect();
    let (many, all) = (names.len(), sound.len());
    vec![
        String::new(),
        format!(
            "The control of most is the same call on one's own slice. Where that makes no sense, since the call is about \
             the whole server or what lies beside every slice, or where every tenant is kept from it, the control is \
             another call by the same client, which shows that the client works. So it is for {many} of {all}: {}.",
            names.join(", ")
        ),
    ]
}

/// The call that a text begins with, without the names and numbers in it that are the side's.
fn call(text: &str, tenants: [&str; 2]) -> String {
    let ends = [" in database `", " in vhost `", " as `", " as its owner", ": "];
    let end = ends.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    let plain = tenants.iter().fold(text[..end].to_owned(), |text, tenant| text.replace(tenant, "…"));
    plain.replace(|c: char| matches!(c, '0'..='9' | 'a'..='f'), "")
}

/// How the test saw that the probe tells a leak from none.
fn seen(service: Service, sharing: Sharing, record: &ProbeRecord) -> String {
    if record.outcome == Outcome::Skipped {
        return String::from("not tried");
    }
    if !record.leaked() {
        return String::from("red so, and not before");
    }
    let shut = controls::shut(service)
        .iter()
        .find(|shut| shut.probe == record.probe && shut.sharing.contains(&sharing));
    let opened = |control: &Control| {
        let named = control.probe == record.probe || control.also.contains(&record.probe.as_str());
        named && !control.sharing.contains(&sharing)
    };
    match shut {
        Some(shut) => format!("leaking as it is, and not after `{}`", shut.by),
        None if controls::of(service).iter().any(opened) => {
            String::from("leaking as it is, and not where tenants share otherwise")
        }
        None => String::from("leaking as it is; no setting of a stock server shuts it"),
    }
}

#[test]
fn the_page_begins_with_the_servers_that_it_is_about() {
    let row = |(service, tabled): (Service, &str)| {
        let others: Vec<_> =
            OTHERS.into_iter().filter(|(of, _)| *of == service).map(|(_, other)| other).collect();
        let others =
            if service == Service::S3 { String::from("[MinIO and B2](S3.md)") } else { others.join(", ") };
        format!("| {service} | {tabled} | {others} |")
    };
    let head = ["| service | the tables are of | others beside them |", "| --- | --- | --- |"];
    let lines: Vec<_> = head.into_iter().map(String::from).chain(TABLED.map(row)).collect();
    is_there(FILE, &read(FILE), "servers", &lines.join("\n"));
}

#[test]
fn a_server_is_told_by_its_release_and_an_unknown_one_by_its_missing_column() {
    for (service, version, server) in [
        (Service::Postgres, "postgres 15.18", "postgres 15"),
        (Service::Postgres, "postgres 18.4", "postgres 18"),
        (Service::Redis, "redis 7.0.15", "redis 7.0"),
        (Service::Redis, "redis 8.0.2", "redis 8.0"),
        (Service::Redis, "valkey 8.1.1", "valkey 8"),
        (Service::Rabbitmq, "rabbitmq 3.10.8", "rabbitmq 3.10"),
        (Service::Rabbitmq, "rabbitmq 4.0.5", "rabbitmq 4.0"),
        (Service::S3, "embedded 0.1.0", "embedded"),
    ] {
        assert_eq!(told_of(service, version), Ok(server));
    }
    for (service, version) in [
        (Service::Postgres, "postgres 16.1"),
        (Service::Postgres, "postgres 150"),
        (Service::Redis, "redis 7.2.4"),
        (Service::Redis, "redis 7"),
        (Service::Rabbitmq, "rabbitmq 3.13.7"),
        (Service::Rabbitmq, "rabbitmq 3.1"),
        (Service::S3, "minio 2025"),
    ] {
        let untold = told_of(service, version).unwrap_err();
        assert!(untold.contains(&format!("no column `{version}`")), "{untold}");
    }
}

#[test]
fn what_another_server_answers_differently_is_told() {
    let cells = |found: &str| ["p", "read", "Reads.", "`x`", "red", found].map(String::from);
    let table = format!("| probe | … |\n{}", line(&cells("denied")));
    let told = |found: &str| differences(&table, "postgres 15", "postgres 18", &[cells(found)]);
    assert_eq!(told("denied"), "All answers of postgres 18 are those of postgres 15.");
    assert_eq!(told("invisible").lines().last(), Some("| p | denied | invisible |"));
}
