//! Ctrl-C and SIGTERM in the middle of things.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use bulkhead::model::{RunReport, Verdict};
use bulkhead_target::deadlines::CTRL_C;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::command::{CAP, Desk};

/// What a machine that is busy with other tests may add to a deadline.
const GRACE: Duration = Duration::from_secs(2);

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

/// A history of which at least one operation has ended, below the folder of a run that goes on.
fn history_under_way(desk: &Desk) -> PathBuf {
    let begun = Instant::now();
    let listed =
        |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    loop {
        let runs: Vec<_> = listed(&desk.path("target/bulkhead")).collect();
        let found = runs.iter().flat_map(|run| listed(&run.join("cases"))).find(|journal| {
            fs::read_to_string(journal).is_ok_and(|text| text.contains(r#""event":"ended""#))
        });
        if let Some(journal) = found {
            return journal;
        }
        assert!(begun.elapsed() < CAP, "no operation has ended: {runs:?}");
        std::thread::yield_now();
    }
}

#[test]
fn a_killed_verify_leaves_a_history_that_is_read_and_proves_nothing() {
    let desk = Desk::alone();
    desk.write(
        "long.yaml",
        "title: It goes on\nwhy: It is killed meanwhile.\ntags: [chaos]\ntenants: [engine]\n\
         workload: [redis.sessions]\nrun-for: 60s\nexpect: [within-ttl: 100ms]\n",
    );
    let child = started(&desk, &["verify", "long.yaml"], "bulkhead 0.1.0");
    let journal = history_under_way(&desk);
    assert_eq!(signalled(child, Signal::SIGKILL), None, "a signal ended it");
    desk.vanishes();
    let text = fs::read_to_string(&journal).unwrap();
    assert!(text.ends_with("}\n") && !text.contains("case-ended"), "{text}");
    let judged = desk.run(&["check", journal.to_str().unwrap()]);
    assert_eq!(judged.code, Some(2), "{}", judged.all());
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

/// Processes of a desk that do nothing until this is dropped.
struct Stuck(Vec<Pid>);

impl Stuck {
    /// Stops those whose command line says this.
    fn at(desk: &Desk, says: &str) -> Self {
        let found = desk.left().into_iter().filter(|process| process.contains(says));
        let pids = found.filter_map(|process| process.split_once(' ')?.0.parse().ok().map(Pid::from_raw));
        let pids: Vec<_> = pids.filter(|pid| kill(*pid, Signal::SIGSTOP).is_ok()).collect();
        assert!(!pids.is_empty(), "`{says}` is nowhere in {:?}", desk.left());
        Self(pids)
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        for pid in &self.0 {
            // It may have been killed meanwhile, as it should.
            let _gone = kill(*pid, Signal::SIGCONT);
        }
    }
}

#[test]
fn ctrl_c_ends_up_in_time_with_a_stuck_server() {
    let desk = Desk::alone();
    let child = started(&desk, &["up"], "Ctrl-C stops");
    let _stuck = Stuck::at(&desk, "postgres");
    let begun = Instant::now();
    let code = signalled(child, Signal::SIGINT);
    assert!(begun.elapsed() < CTRL_C + GRACE, "{:?}", begun.elapsed());
    // The server is killed instead; whether the command sees that is up to how busy the machine is.
    assert!(matches!(code, Some(0 | 2)), "{code:?}");
    desk.vanishes();
}

/// Who should say that all is gone says nothing. The command says that, and all goes without it.
#[test]
fn ctrl_c_ends_what_holds_servers_in_time_with_a_stuck_keeper() {
    for (args, word) in [
        (&["up"][..], "Ctrl-C stops"),
        (&["run", "--", "sh", "-c", "echo begun; exec sleep 600"], "begun"),
        (&["verify", "-v", "--jobs", "1"], "pass     "),
    ] {
        let desk = Desk::alone();
        let child = started(&desk, args, word);
        let stuck = Stuck::at(&desk, "__keeper");
        let begun = Instant::now();
        let code = signalled(child, Signal::SIGINT);
        assert!(begun.elapsed() < CTRL_C + GRACE, "{args:?}: {:?}", begun.elapsed());
        assert_eq!(code, Some(2), "{args:?}");
        drop(stuck);
        desk.vanishes();
    }
}
