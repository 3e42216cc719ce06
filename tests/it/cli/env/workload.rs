//! Workloads on servers that others use: over links that fail, within an allowance, and gone without a trace.

use std::{
    process::{Child, Stdio},
    time::Instant,
};

use bulkhead::model::{
    RunReport, Verdict,
    bench::{BenchReport, Part},
};
use bulkhead_model::Service;
use bulkhead_target::clients;
use nix::sys::signal::Signal;

use super::{
    super::command::CAP, ENDINGS, announced, audited, field::Field, killed::tell, meter::Meter, report,
    shared::VHOST_AND_BUCKET,
};

/// Workloads that spend each in a way of its own; more are where tenants share a vhost and a bucket.
const WORKLOADS: [&str; 6] = [
    "postgres/ledger",
    "rabbitmq/calls",
    "rabbitmq/pipeline",
    "redis/pub-sub",
    "redis/sessions",
    "s3/backups",
];

/// What all of them fit into.
const PLENTY: &str = "redis=1000000,messages=1000000,s3-b=1000000,s3-c=1000000,bytes=10000000000";

fn cut(workload: &str) -> String {
    format!("chaos/{workload}-link [faults=down] (engine)")
}

/// Runs these cases and no others.
fn run(field: &Field, cases: &[String], budget: &str) -> super::super::command::Ran {
    let mut args = vec!["verify", "scenarios/chaos", "scenarios/security", "--target", "env"];
    args.extend(["--ca", "ca.pem", "--format", "json", "--budget", budget]);
    args.extend(cases.iter().flat_map(|case| ["--case", case.as_str()]));
    field.run(&args)
}

/// A bench measures what the client uses, and says of the servers that it does not.
fn client_alone(field: &Field) {
    let args = ["bench", "redis.sessions", "--tenant", "engine", "--run-for", "1s", "--warm-up", "200ms"];
    let env = ["--target", "env", "--ca", "ca.pem", "--format", "json", "--budget", PLENTY];
    let ran = field.run(&[&args[..], &env].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let report: BenchReport = serde_json::from_str(&ran.stdout).unwrap();
    let usage = &report.cases[0].usage;
    let read: Vec<_> = usage.iter().filter(|usage| usage.figures.is_some()).map(|usage| usage.part).collect();
    assert_eq!((read, usage.len()), (vec![Part::Client], 5), "{usage:?}");
    let told = |part: Part| part == Part::Client || part.is_server();
    assert!(
        usage.iter().all(|usage| told(usage.part)
            && (usage.figures.is_some() != usage.not_measured.contains("real service")))
    );
}

/// Why the case was left out.
fn skipped<'r>(report: &'r RunReport, case: &str) -> Option<&'r str> {
    let case = report.cases.iter().find(|ran| ran.id == case).unwrap_or_else(|| panic!("no {case}"));
    case.skipped.as_deref()
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_pass_over_links_that_fail_for_what_was_announced_and_leave_nothing() {
    let mut field = Field::new().await;
    field.fill().await;
    let before = field.digest().await;
    let (asked, carried) = (field.redis_commands().await, field.messages().await);
    let meter = Meter::before(&mut field).await;
    let mut cases: Vec<_> = WORKLOADS.iter().map(|workload| cut(workload)).collect();
    cases.push(String::from("security/postgres-impostor [faults=expired-certificate] (engine)"));
    let killed = String::from("chaos/redis/sessions-server [faults=kill] (engine)");
    cases.push(killed.clone());
    let ran = run(&field, &cases, PLENTY);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let (asked, carried) = (field.redis_commands().await - asked, field.messages().await - carried);
    // What is announced is for a case that its faults make connect again and again.
    meter.holds(announced(&ran.stderr), 50, (asked, carried));
    let whole = report(&ran.stdout);
    assert_eq!((whole.verdict, whole.cases.len()), (Verdict::Pass, cases.len() + 1));
    let of_redis = audited(&whole);
    assert_eq!((of_redis.verdict, of_redis.skipped.as_ref()), (Verdict::Pass, None), "{of_redis:?}");
    let why = skipped(&whole, &killed).unwrap_or_default();
    assert!(why.contains("`kill` is done to more than a link, and others use the server"), "{why}");
    for case in cases.iter().filter(|case| **case != killed) {
        assert_eq!(skipped(&whole, case), None, "{case}");
    }
    assert_eq!(field.digest().await, before);

    let (poor, rich) = (cut("redis/query-cache"), cut("postgres/engine-state"));
    let ran = run(&field, &[poor.clone(), rich.clone()], "redis=200");
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let whole = report(&ran.stdout);
    assert_eq!(skipped(&whole, &rich), None);
    let why = skipped(&whole, &poor).unwrap_or_default();
    for part in ["it may take ", " of `redis`, of which ", " are left; `--budget redis="] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let not_looked = audited(&whole).skipped.clone().unwrap_or_default();
    assert!(
        not_looked.starts_with("not made: it may take ") && not_looked.contains("`redis`"),
        "{not_looked}"
    );
    let enough = why.split("--budget ").nth(1).and_then(|rest| rest.split('`').next()).unwrap();
    let ran = run(&field, &[poor.clone(), rich], enough);
    let whole = report(&ran.stdout);
    assert_eq!((ran.code, skipped(&whole, &poor)), (Some(0), None), "{}", ran.all());
    assert_eq!(audited(&whole).skipped, None);
    client_alone(&field);
    assert_eq!(field.digest().await, before);
    let ran = field.run(&["clean", "--ca", "ca.pem"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "nothing is left of any run\n"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_keys_cannot_be_listed_those_that_are_left_expire() {
    // Logins that may not ask which keys there are.
    let mut field = Field::laid_out(VHOST_AND_BUCKET).await;
    let cases = ["redis/rate-limit", "rabbitmq/events", "s3/assets"].map(cut);
    let ran = run(&field, &cases, PLENTY);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert_eq!(report(&ran.stdout).verdict, Verdict::Pass);
    let keys = field.administer(Service::Redis, "KEYS *").await;
    let keys: Vec<_> = keys.split('"').filter(|part| part.contains("bulkhead:")).map(str::to_owned).collect();
    assert!(!keys.is_empty(), "a limiter's counters stay");
    for key in keys {
        assert!(key.starts_with("engine:bulkhead:") && key.contains(":bulkhead:rate:"), "{key}");
        let lives = field.administer(Service::Redis, &format!("PTTL {key}")).await;
        assert!(lives.starts_with("int(") && !lives.starts_with("int(-"), "{key}: {lives}");
    }
    let ran = field.run(&["clean", "--ca", "ca.pem"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "nothing is left of any run\n"), "{}", ran.all());
}

/// Something of everything, for longer than a test waits.
const ALL: &str = "\
title: Everything is under way
why: Whatever a run was doing when it was killed has to go.
tags: [chaos]
tenants: [engine]
workload:
  - postgres.metrics-log: { clients: 1, rate: 20/s }
  - redis.sessions: { clients: 1, rate: 50/s, sessions: 500, ttl: 30min }
  - rabbitmq.events: { publishers: 1, subscribers: 3, rate: 20/s }
  - s3.logs: { clients: 1, rate: 10/s }
run-for: 120s
faults:
  - latency: { service: rabbitmq, at: 500ms, for: 100s, delay: 10ms }
expect: [nothing-foreign]
";

#[tokio::test(flavor = "multi_thread")]
async fn what_an_ended_workload_leaves_is_gone_at_once_or_after_clean() {
    let mut field = Field::new().await;
    field.desk.write("scenarios/all.yaml", ALL);
    field.fill().await;
    let before = field.digest().await;
    for signal in ENDINGS {
        let mut run = under_way(&field).await;
        tell(&run, signal);
        let ended = run.wait().unwrap();
        if signal == Signal::SIGINT {
            assert_eq!(ended.code(), Some(2), "it removes its own names: {ended:?}");
            assert_eq!(field.digest().await, before);
            continue;
        }
        assert_ne!(field.digest().await, before, "nobody was left to remove anything");
        let ran = field.run(&["clean", "--ca", "ca.pem"]);
        assert_eq!(ran.code, Some(0), "{}", ran.all());
        assert!(ran.stdout.starts_with("removed what run "), "{}", ran.all());
        assert_eq!(field.digest().await, before);
    }
}

/// Starts a run and returns it while its workloads have names everywhere.
async fn under_way(field: &Field) -> Child {
    let args = ["verify", "scenarios/all.yaml", "--target", "env", "--ca", "ca.pem", "--budget", PLENTY];
    let mut command = field.desk.command(&args);
    let mut run = command.envs(&field.variables).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !has_left_much(field).await {
        assert!(run.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(begun.elapsed() < CAP, "it left no trace");
    }
    run
}

/// Whether there are names of a workload on the services that can be asked.
async fn has_left_much(field: &Field) -> bool {
    let access = &field.tenants[0];
    let mut redis = clients::redis::connect(access).await.unwrap();
    let keys = redis::cmd("KEYS").arg("engine:bulkhead:*:*:bulkhead:session:*").to_owned();
    let keys: Vec<String> = keys.query_async(&mut redis).await.unwrap();
    let s3 = clients::s3::client(access).unwrap();
    let bucket = &access.tenant.slices.s3.bucket;
    let listed = s3.list_objects_v2().bucket(bucket).prefix("bulkhead/").send().await.unwrap();
    let objects = listed.contents().iter().filter(|object| object.key().unwrap().contains("/logs/"));
    keys.len() > 20 && objects.count() > 5
}
