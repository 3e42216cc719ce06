//! `run`: programs that nobody here wrote, on servers of their own, over links that are broken for them.

use bulkhead_model::{Tenant, Topology};
use nix::sys::signal::Signal;

use super::{
    command::Desk,
    interrupted::{signalled, started},
};
use crate::{
    clients::{Language, Program, Room},
    tools::skipped,
};

/// The programs of a language, one after another until one fails, as a line for a shell.
fn all_of(language: Language, room: &Room, tenant: &Tenant) -> String {
    let line = |program: &Program| room.line(program, tenant).join(" ");
    Program::of(language).map(line).collect::<Vec<_>>().join(" && ")
}

/// The tenant of that name, in the documents' layout.
fn tenant(name: &str) -> Tenant {
    Topology::builtin().tenant(name).unwrap().clone()
}

/// They work over an ocean, on all four services, each of which is touched.
fn over_an_ocean(language: Language) {
    let room = match Room::open(language) {
        Ok(room) => room,
        Err(reason) => return skipped(&reason),
    };
    let desk = Desk::served();
    let script = all_of(language, &room, &tenant("plane"));
    let ran = desk.run(&["run", "--tenant", "plane", "--faults", "transatlantic", "--", "sh", "-c", &script]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert_eq!(ran.stdout.lines().count(), 4, "a line of each program, and nothing else: {}", ran.all());
    for service in ["postgres", "redis", "rabbitmq", "s3"] {
        let told = ran
            .stderr
            .lines()
            .find(|line| line.starts_with(&format!("fault       transatlantic {service}: touched ")));
        assert!(told.is_some_and(|line| !line.ends_with("nothing")), "{service}: {}", ran.stderr);
        let found =
            if service == "redis" { "0 names, all inside" } else { "the server refuses everything outside" };
        let slice = format!("slice       {service}: {found} the slice");
        assert!(ran.stderr.contains(&slice), "{service}: {}", ran.stderr);
    }
}

#[test]
fn programs_in_python_work_over_an_ocean() {
    over_an_ocean(Language::Python);
}

#[test]
fn programs_in_node_work_over_an_ocean() {
    over_an_ocean(Language::Node);
}

/// They work with nothing done to them, their code is the command's, and nothing is left.
fn on_their_links(language: Language) {
    let room = match Room::open(language) {
        Ok(room) => room,
        Err(reason) => return skipped(&reason),
    };
    let desk = Desk::alone();
    let script = all_of(language, &room, &tenant("engine")) + " && exit 7";
    let ran = desk.run(&["run", "--", "sh", "-c", &script]);
    assert_eq!(ran.code, Some(7), "the command's own code: {}", ran.all());
    assert_eq!(ran.stdout.lines().count(), 4, "{}", ran.all());
    assert!(!ran.stderr.contains("fault       "), "{}", ran.stderr);
    let history = ran.stderr.lines().find_map(|line| line.strip_prefix("history     ")).unwrap();
    let history = std::fs::read_to_string(desk.path("").join(history)).unwrap();
    assert!(
        history.contains("case-started") && history.ends_with("\"event\":\"case-ended\"}\n"),
        "{history}"
    );
    desk.vanishes();
}

#[test]
fn programs_in_python_work_on_their_links_and_leave_nothing() {
    on_their_links(Language::Python);
}

#[test]
fn programs_in_node_work_on_their_links_and_leave_nothing() {
    on_their_links(Language::Node);
}

/// In the documents' layout nothing refuses a key of Redis outside the slice: it is found. The link is cut meanwhile, and the server paused.
#[test]
fn what_a_program_writes_outside_its_slice_is_found_and_its_faults_are_undone() {
    let room = match Room::open(Language::Python) {
        Ok(room) => room,
        Err(reason) => return skipped(&reason),
    };
    let desk = Desk::served();
    desk.write(
        "faults.yaml",
        "faults:\n  - pause: { service: redis, at: 0s, for: 300ms }\n  - down: { service: redis, at: 1s, for: 500ms }\n  \
         - latency: { service: s3, at: 600s, for: 1s }\n",
    );
    let program = "import os, redis, time\nfrom redis.backoff import ConstantBackoff\nfrom redis.retry import Retry\n\
                   retry = Retry(ConstantBackoff(0.1), 100)\n\
                   client = redis.Redis.from_url(os.environ['REDIS_URL'], retry=retry, \
                   retry_on_error=[redis.ConnectionError])\n\
                   until = time.monotonic() + 2.5\nwhile time.monotonic() < until:\n    client.incr('engine:count')\n\
                   client.set('stray:key', 1)\n";
    desk.write("program.py", program);
    let python = room.interpreter();
    let ran = desk.run(&["run", "--faults", "faults.yaml", "--", python, "program.py"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    for told in ["fault       pause redis: touched ", "fault       down redis: touched "] {
        let line = ran.stderr.lines().find(|line| line.starts_with(told));
        assert!(line.is_some(), "{told} is missing in:\n{}", ran.stderr);
    }
    for told in [
        "fault       latency s3: not begun: the command had ended",
        "slice       redis: of 2 names these lie outside the slice: stray:key",
    ] {
        assert!(ran.stderr.contains(told), "{told} is missing in:\n{}", ran.stderr);
    }
}

#[test]
fn whoever_is_killed_takes_its_command_along() {
    let desk = Desk::alone();
    let child = started(&desk, &["run", "--", "sh", "-c", "echo the command runs; exec sleep 3600"], "runs");
    let of_the_command = |left: &String| left.contains("sleep 3600");
    assert!(desk.left().iter().any(of_the_command), "{:?}", desk.left());
    assert_eq!(signalled(child, Signal::SIGKILL), None, "a signal ended it");
    desk.vanishes();
}

#[test]
fn what_cannot_be_run_is_said_before_anything_starts() {
    let desk = Desk::alone();
    for (args, told) in [
        (&["run", "--tenant", "engin", "--", "true"][..], "the topology has no tenant `engin`"),
        (&["run", "--faults", "4g", "--", "true"], "`4g` is no fault, and no file that can be read"),
        (&["run", "--topology", "none.toml", "--", "true"], "none.toml"),
    ] {
        let ran = desk.run(args);
        assert_eq!(ran.code, Some(3), "{args:?}: {}", ran.all());
        assert!(ran.stderr.contains(told), "{told} is missing in:\n{}", ran.stderr);
    }
    assert_eq!(desk.run(&["run"]).code, Some(64));
    assert!(!desk.path("target").exists(), "no folder is made for a run that is none");
    assert!(desk.left().is_empty(), "{:?}", desk.left());
}
