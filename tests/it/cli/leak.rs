//! A leak that is really there: `verify` on a PostgreSQL that grants too much fails and explains itself, and the same
//! command passes once the leak is gone.
//!
//! The leak is in the databases that the server starts with: an `initdb` of the test's own runs the real one and then
//! plants an event trigger, as a careless administrator would. No other test looks for servers there.

use std::{env, fs, os::unix::fs::PermissionsExt, path::PathBuf};

use bulkhead::model::{Class, Outcome, RunReport, Service, Verdict, report::IsolationRow};

use super::command::Desk;
use crate::support;

/// Whenever `plane` makes a table, everybody may read it. On one line, which is where a server without clients ends a
/// statement.
pub(super) const LEAK: &str = "\
    CREATE FUNCTION public.open_up() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE made record; BEGIN \
      FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE schema_name = 'plane' AND object_type = 'table' LOOP \
        EXECUTE 'GRANT USAGE ON SCHEMA plane TO PUBLIC'; \
        EXECUTE 'GRANT SELECT ON ' || made.object_identity || ' TO PUBLIC'; \
      END LOOP; END $$; \
    CREATE EVENT TRIGGER open_up ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.open_up()";

/// The same for the first database alone in which it happens: as a migration that mends itself, or a race. What it was
/// called is written where all databases of a server have it in common.
const LEAK_ONCE: &str = "\
    CREATE FUNCTION public.open_up() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ \
      DECLARE made record; first text; BEGIN \
      FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE schema_name = 'plane' AND object_type = 'table' LOOP \
        first := coalesce(shobj_description('pg_monitor'::regrole, 'pg_authid'), ''); \
        IF first NOT LIKE 'leaked in %' THEN first := 'leaked in ' || current_database(); \
          EXECUTE format('COMMENT ON ROLE pg_monitor IS %L', first); END IF; \
        IF first = 'leaked in ' || current_database() THEN \
          EXECUTE 'GRANT USAGE ON SCHEMA plane TO PUBLIC'; \
          EXECUTE 'GRANT SELECT ON ' || made.object_identity || ' TO PUBLIC'; END IF; \
      END LOOP; END $$; \
    CREATE EVENT TRIGGER open_up ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.open_up()";

/// One scenario is enough: what a failure looks like does not depend on how many ran.
const COMMAND: [&str; 8] = [
    "verify",
    "scenarios/isolation/postgres/read.yaml",
    "--topology",
    "shared.toml",
    "--seed",
    "11",
    "--junit",
    "junit.xml",
];

/// The folder of the installed server's programs.
fn real_programs() -> PathBuf {
    support::ensure_now();
    let named = env::var_os("BULKHEAD_POSTGRES_BIN").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = debian.map(|version| version.path().join("bin"));
    let mut files =
        named.into_iter().chain(env::split_paths(&path)).chain(debian).map(|bin| bin.join("postgres"));
    let found = files.find(|file| file.is_file()).expect("PostgreSQL is on PATH or where Debian keeps it");
    fs::canonicalize(found).unwrap().parent().unwrap().to_owned()
}

/// Puts the two programs that Bulkhead looks for in the desk's own folder.
pub(super) fn install(desk: &Desk, leak: Option<&str>) {
    let real = real_programs().display().to_string();
    let plant = leak.map_or_else(String::new, |leak| {
        format!(
            "while [ \"$1\" != -D ]; do shift; done\n\
             '{real}/postgres' --single -D \"$2\" template0 <<'END'\n{leak}\nEND\n"
        )
    });
    let programs = [
        ("postgres", format!("exec '{real}/postgres' \"$@\"\n")),
        ("initdb", format!("'{real}/initdb' \"$@\"\n{plant}")),
    ];
    for (name, lines) in programs {
        let below = format!("postgres/{name}");
        desk.write(&below, &format!("#!/bin/sh\nset -e\n{lines}"));
        fs::set_permissions(desk.path(&below), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(desk.path("postgres"), fs::Permissions::from_mode(0o711)).unwrap();
}

#[test]
fn a_leak_fails_with_its_explanation_and_the_same_command_passes_without_it() {
    let mut desk = Desk::alone();
    desk.set("BULKHEAD_POSTGRES_BIN", desk.path("postgres").to_str().unwrap());
    desk.set("BULKHEAD_CACHE", desk.path("cache").to_str().unwrap());
    desk.write("shared.toml", support::ALL_SHARED);

    install(&desk, Some(LEAK));
    let red = desk.run(&COMMAND);
    assert_eq!(red.code, Some(1), "{}", red.all());
    let report = saved(&desk);
    let again = explained(&red.stdout);
    told_alike(&report, &fs::read_to_string(desk.path("junit.xml")).unwrap());

    let second = desk.shell(&format!("{again} --format json"));
    assert_eq!(second.code, Some(1), "{again}: {}", second.all());
    let second: RunReport = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!((second.cases.len(), second.verdict), (1, Verdict::Fail), "only the case that failed");
    assert_eq!((&second.cases[0].id, second.seed), (&report.cases[0].id, report.seed));
    let fast = desk.run(&[&COMMAND[..6], &["--fail-fast", "--jobs", "1"]].concat());
    assert_eq!(fast.code, Some(1), "{}", fast.all());
    let end = "0 pass · 1 fail · 0 unknown · 1 skipped";
    assert!(fast.stdout.contains(end), "the other case is not run: {}", fast.all());
    desk.vanishes();

    install(&desk, None);
    let green = desk.run(&COMMAND);
    assert_eq!(green.code, Some(0), "{}", green.all());
    assert!(green.stdout.contains("2 pass · 0 fail · 0 unknown") && !green.stdout.contains("FAIL"));
    let junit = fs::read_to_string(desk.path("junit.xml")).unwrap();
    assert!(junit.contains("failures=\"0\"") && !junit.contains("<failure"), "{junit}");
    desk.vanishes();
}

#[test]
fn what_leaks_once_is_flaky_when_it_is_tried_again_and_that_is_no_pass() {
    let mut desk = Desk::alone();
    desk.set("BULKHEAD_POSTGRES_BIN", desk.path("postgres").to_str().unwrap());
    desk.set("BULKHEAD_CACHE", desk.path("cache").to_str().unwrap());
    desk.write("shared.toml", support::ALL_SHARED);
    install(&desk, Some(LEAK_ONCE));
    let retried = [&COMMAND[..6], &["--case", "engine:plane", "--retries", "2"]].concat();
    let flaky = desk.run(&retried);
    assert_eq!(flaky.code, Some(1), "{}", flaky.all());
    let case = "isolation/postgres/read (engine → plane)";
    for part in [
        &format!("{case} came to `fail` and is tried again, 1 of 2"),
        &format!("\nFLAKY  {case}\n"),
        "attempts   fail, pass\n",
        "invariant  isolated: 2 of 15 probes got through",
        "0 pass · 0 fail · 1 flaky · 0 unknown · 0 skipped",
    ] {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&flaky.all()).contains(&words(part)), "`{part}` is missing in {}", flaky.all());
    }
    let report = saved(&desk);
    let told = &report.cases[0];
    assert_eq!((report.verdict, told.verdict), (Verdict::Flaky, Verdict::Flaky));
    assert_eq!(told.attempts, [Verdict::Fail, Verdict::Pass]);
    let cases = desk.path("target/bulkhead").join(&report.run).join("cases");
    let name = "isolation.postgres.read.engine.plane";
    let plan = fs::read_to_string(cases.join(format!("{name}.plan.json"))).unwrap();
    assert!(plan.contains(&told.repro) && plan.contains(r#""seed": 11"#), "{plan}");
    for (history, verdict) in [(name.to_owned(), 1), (format!("{name}.attempt-2"), 0)] {
        let history = cases.join(format!("{history}.jsonl"));
        let judged = desk.run(&["check", history.to_str().unwrap()]);
        assert_eq!(judged.code, Some(verdict), "{}", judged.all());
    }
    assert!(!cases.join(format!("{name}.attempt-2.plan.json")).exists(), "what passes needs no plan");
    desk.vanishes();
}

/// The only report below the desk.
fn saved(desk: &Desk) -> RunReport {
    let runs = fs::read_dir(desk.path("target/bulkhead")).unwrap().map(|entry| entry.unwrap().path());
    let [run] = &runs.collect::<Vec<_>>()[..] else { panic!("one run") };
    serde_json::from_str(&fs::read_to_string(run.join("report.json")).unwrap()).unwrap()
}

/// A person is told what failed, why it matters, what got through, how to close it, how to see it again and what the
/// server said; the matrix shows the leak beside what held. Gives the line that runs it again.
fn explained(stdout: &str) -> &str {
    let (_, rest) = stdout.split_once("\nFAIL  isolation/postgres/read (engine → plane)\n").expect(stdout);
    let block: Vec<_> = rest.lines().take_while(|line| line.starts_with("      ")).collect();
    let labels = block.iter().filter_map(|line| line.trim().split_once("  ")).map(|(label, _)| label);
    let labels: Vec<_> = labels.filter(|label| label.chars().all(char::is_alphabetic)).collect();
    assert_eq!(labels, ["why", "invariant", "invariant", "fault", "likely", "again", "log"], "{stdout}");
    let words = block.iter().flat_map(|line| line.split_whitespace()).collect::<Vec<_>>().join(" ");
    for part in [
        "why One tenant's state, metrics and ledger are nobody else's business.",
        // What the schema lets in calls its functions as well.
        "invariant isolated: 2 of 15 probes got through, at most 0 may: engine → plane",
        "postgres.select-foreign-rows: `SELECT token FROM \"plane\".bulkhead_canary` in database",
        "invariant nothing-foreign: 2 of 15 probes brought the canary back",
        "fix: REVOKE SELECT ON ALL TABLES IN SCHEMA \"plane\" FROM",
        "log postgres, last",
        // The server's own words.
        " LOG: ",
    ] {
        assert!(words.contains(part), "`{part}` is missing in:\n{stdout}");
    }
    let matrix = stdout.split_once("\nisolation   ").expect(stdout).1;
    let row = |pair: &str| {
        let line = matrix.lines().find(|line| line.trim_start().starts_with(pair)).expect(stdout);
        line.split_whitespace().skip(3).take(3).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("engine → plane"), "postgres allowed ▲1", "{matrix}");
    assert_eq!(row("plane → engine"), "postgres leaks ▲2", "what one database has in common: {matrix}");
    assert!(matrix.contains("▲1 postgres.select-foreign-rows: "), "{matrix}");
    assert!(stdout.contains("1 pass · 1 fail · 0 unknown · 0 skipped") && stdout.ends_with("exit 1\n"));
    assert_eq!(stdout.matches("FAIL  ").count(), 1, "the way back is fenced: {stdout}");

    let again = block.iter().find_map(|line| line.trim().strip_prefix("again ")).unwrap().trim();
    assert_eq!(again, format!("bulkhead {} --case engine:plane", COMMAND[..6].join(" ")));
    again
}

/// The report for programs and the one for CI say the same as the screen.
fn told_alike(report: &RunReport, junit: &str) {
    assert_eq!(report.verdict, Verdict::Fail);
    let verdicts: Vec<_> = report.cases.iter().map(|case| (case.id.as_str(), case.verdict)).collect();
    let leaky = "isolation/postgres/read (engine → plane)";
    let sound = "isolation/postgres/read (plane → engine)";
    assert_eq!(verdicts, [(leaky, Verdict::Fail), (sound, Verdict::Pass)]);
    assert!(!report.cases[0].logs.is_empty() && report.cases[1].logs.is_empty());
    let selects: Vec<_> =
        report.isolation.iter().filter(|row| row.probe == "postgres.select-foreign-rows").collect();
    let [leak, held] = selects[..] else { panic!("{:?}", report.isolation) };
    assert_eq!((leak.from.as_str(), leak.to.as_str()), ("engine", "plane"));
    for (row, outcome, verdict) in
        [(leak, Outcome::Allowed, Verdict::Fail), (held, Outcome::Denied, Verdict::Pass)]
    {
        let IsolationRow { service, class, .. } = row;
        assert_eq!((*service, *class), (Service::Postgres, Class::Read), "{row:?}");
        assert_eq!(
            (row.outcome, row.verdict, row.fix.is_empty()),
            (outcome, verdict, verdict == Verdict::Pass)
        );
        assert!(row.evidence.contains("bulkhead_canary"), "{row:?}");
    }

    assert!(junit.contains("tests=\"2\" skipped=\"0\" failures=\"1\" errors=\"0\""), "{junit}");
    let (failed, rest) = junit.split_once("<failure").expect(junit);
    assert!(failed.contains(leaky) && !failed.contains(sound), "{junit}");
    let (failure, rest) = rest.split_once("</failure>").expect(junit);
    assert!(rest.contains(sound) && !rest.contains("<failure"), "{junit}");
    for part in [&report.cases[0].repro, "isolated: 2 of 15 probes got through", "log of postgres, last"] {
        assert!(failure.contains(part), "`{part}` is missing in:\n{junit}");
    }
}
