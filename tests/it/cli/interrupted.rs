//! Ctrl-C and SIGTERM in the middle of things.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::mpsc,
};

use bulkhead::model::{RunReport, Verdict};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::command::{CAP, Desk};

/// Starts the command and returns it as soon as a line of its stdout holds `word`.
pub(super) fn started(desk: &Desk, args: &[&str], word: &str) -> Child {
    let mut child = desk.command(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let seen = lines.by_ref().map(Result::unwrap).any(|line| line.contains(word));
    // What it says from here on must have somewhere to go.
    std::thread::spawn(move || lines.for_each(drop));
    assert!(seen, "`{word}` was never printed: {:?}", child.wait());
    child
}

/// Signals the command and waits for its exit code.
pub(super) fn signalled(mut child: Child, signal: Signal) -> Option<i32> {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait().unwrap().code()));
    end.recv_timeout(CAP).expect("it ends")
}

#[test]
fn an_interrupted_verify_reports_what_it_has_as_unknown_and_leaves_nothing() {
    let desk = Desk::alone();
    // With one job and -v every case is a line, so most are still to come when the first is seen.
    let child = started(&desk, &["verify", "-v", "--jobs", "1"], "pass     ");
    assert_eq!(signalled(child, Signal::SIGINT), Some(2));
    desk.vanishes();
    let runs: Vec<_> =
        fs::read_dir(desk.path("target/bulkhead")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let report = fs::read_to_string(runs[0].join("report.json")).unwrap();
    let report: RunReport = serde_json::from_str(&report).unwrap();
    assert_eq!(report.verdict, Verdict::Unknown);
    assert!(report.cases.iter().any(|case| case.verdict == Verdict::Pass && case.skipped.is_none()));
    assert!(report.cases.iter().any(|case| case.skipped.as_deref() == Some("interrupted")));
}

#[test]
fn an_interrupt_while_servers_start_leaves_nothing_either() {
    let desk = Desk::alone();
    let child = started(&desk, &["verify"], "bulkhead 0.1.0");
    assert_eq!(signalled(child, Signal::SIGTERM), Some(2));
    desk.vanishes();
}

#[test]
fn up_in_the_foreground_ends_with_ctrl_c_and_takes_everything_with_it() {
    let desk = Desk::alone();
    let child = started(&desk, &["up"], "Ctrl-C stops");
    assert_eq!(desk.run(&["status"]).code, Some(0));
    assert_eq!(signalled(child, Signal::SIGINT), Some(0));
    // The keeper answers just before it ends itself.
    desk.vanishes();
    assert_eq!(desk.run(&["status"]).code, Some(3));
}
