//! `verify --links toxiproxy`: what breaks links is a Toxiproxy in a container, on whichever target.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use bulkhead_model::{RunReport, Verdict};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{Desk, containers, desk, engine, runs};
use crate::http;

/// How long something may take that is about to happen.
const CAP: Duration = Duration::from_secs(60);

/// Sessions in Redis.
const SESSIONS: &str = "redis.sessions: { clients: 2, sessions: 4, rate: 50/s, ttl: 2s }";

fn scenario(workload: &str, faults: &str, run_for: &str, expect: &str) -> String {
    format!(
        "title: T\nwhy: W\ntenants: [engine]\nworkload:\n  - {workload}\n{faults}\nrun-for: {run_for}\nexpect: [{expect}]\n"
    )
}

/// What the histories of a run say that are of cases of that name.
fn history(desk: &Desk, case: &str) -> String {
    let run = std::fs::read_dir(desk.path("out")).unwrap().next().unwrap().unwrap().path();
    let files = std::fs::read_dir(run.join("cases")).unwrap().flatten();
    let of_it = files.filter(|file| file.file_name().to_string_lossy().starts_with(case));
    of_it.map(|file| std::fs::read_to_string(file.path()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_toxiproxy_breaks_are_judged_as_others_are() {
    let Some(_) = engine().await else { return };
    let desk = desk();
    let faults = "for-each:\n  faults:\n    - [{ down: { service: redis, at: 300ms, for: 500ms } }]\n    \
                  - [{ latency: { service: redis, at: 300ms, for: 500ms, delay: 60ms } }]\n    \
                  - [{ half-open: { service: redis, at: 300ms, for: 500ms } }]\nfaults: $faults";
    let expect = "nothing-foreign, { recovers-within: 8s }";
    desk.write("mine/redis.yaml", &scenario(SESSIONS, faults, "1500ms", expect));
    for (service, workload) in [
        ("postgres", "postgres.engine-state: { clients: 2, engines: 4, rate: 20/s }"),
        ("rabbitmq", "rabbitmq.tasks: { publishers: 1, consumers: 1, rate: 50/s, size: 128B }"),
        ("s3", "s3.logs: { clients: 2, rate: 20/s, size: 128B }"),
    ] {
        let faults = format!("faults:\n  - 3g: {{ service: {service}, at: 300ms, for: 700ms }}");
        desk.write(&format!("mine/{service}.yaml"), &scenario(workload, &faults, "1500ms", expect));
    }
    // Only a toxic that is there makes Redis so slow.
    let slow =
        "faults:\n  - latency: { service: redis, at: 300ms, for: 2s, delay: 900ms, stream: downstream }";
    desk.write("mine/slow.yaml", &scenario(SESSIONS, slow, "2500ms", "{ answers-within: 850ms }"));
    let ran = desk.run(&[
        "verify",
        "mine",
        "--links",
        "toxiproxy",
        "--seed",
        "7",
        "--out",
        "out",
        "--format",
        "json",
    ]);
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    let report: RunReport = serde_json::from_str(&ran.stdout).unwrap();
    let by = report.links.unwrap();
    assert!(by.starts_with("Toxiproxy ") && by.contains("in a container of `"), "{by}");
    assert!(ran.stderr.contains("links are broken by Toxiproxy"), "{}", ran.all());
    let case = |part: &str| report.cases.iter().find(|case| case.id.contains(part)).unwrap();
    for (part, verdict) in [
        ("redis [faults=down]", Verdict::Pass),
        ("redis [faults=latency]", Verdict::Pass),
        ("postgres ", Verdict::Pass),
        ("rabbitmq ", Verdict::Pass),
        ("s3 ", Verdict::Pass),
        ("slow ", Verdict::Fail),
    ] {
        let case = case(part);
        assert_eq!(case.verdict, verdict, "{case:#?}");
        assert!(case.repro.contains(" --links toxiproxy "), "{}", case.repro);
    }
    let skipped = case("half-open").skipped.as_deref();
    assert_eq!(
        skipped,
        Some("`half-open` is done by Bulkhead's own proxy alone, and Toxiproxy is to break links")
    );
    let shown = "\"way\":\"downstream\"";
    let slow = history(&desk, "slow");
    let line = slow.lines().find(|line| line.contains(shown)).unwrap_or_else(|| panic!("{slow}"));
    assert!(line.contains("latency jitter 0 latency 900 of toxicity 1, as Toxiproxy shows it"), "{line}");
    desk.vanishes();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_toxic_is_in_the_container_which_outlives_no_harness_that_is_killed() {
    let Some(docker) = engine().await else { return };
    let desk = desk();
    let slow = "faults:\n  - latency: { service: redis, at: 0ms, for: 60s, delay: 7ms }";
    desk.write("mine/slow.yaml", &scenario(SESSIONS, slow, "60s", "nothing-foreign"));
    let mut verify = desk.command(&["verify", "mine", "--links", "toxiproxy", "--out", "out"]);
    let mut verify = verify.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let said = BufReader::new(verify.stdout.take().unwrap());
    let port = |line: String| line.trim().strip_prefix("127.0.0.1:")?.parse::<u16>().ok();
    let words = said.lines().map_while(Result::ok);
    // The note may be broken where it is too wide.
    let port = words.flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>()).find_map(port);
    let port = port.expect("it says where the API is");

    let url = format!("http://127.0.0.1:{port}/proxies");
    let begun = Instant::now();
    let shown = loop {
        let (status, proxies) = http::get(&url, None, std::path::Path::new("/none")).await;
        assert_eq!(status, 200, "{proxies}");
        if proxies.contains("latency_downstream") {
            break proxies;
        }
        assert!(begun.elapsed() < CAP, "no toxic comes: {proxies}");
        tokio::task::yield_now().await;
    };
    assert!(shown.contains("engine-redis") && shown.contains("\"latency\":7"), "{shown}");

    let mut there = Vec::new();
    for run in runs(&desk) {
        there.extend(containers(&docker, &run).await);
    }
    let command = |port: u16| format!("-host 127.0.0.1 -port {port}");
    let of_it =
        there.iter().filter(|one| one.command.as_deref().is_some_and(|said| said.contains(&command(port))));
    assert_eq!(of_it.count(), 1, "{there:#?}");

    let all = runs(&desk);
    kill(Pid::from_raw(i32::try_from(verify.id()).unwrap()), Signal::SIGKILL).unwrap();
    verify.wait().unwrap();
    desk.vanishes();
    for run in all {
        assert!(containers(&docker, &run).await.is_empty(), "{run}");
    }
}
