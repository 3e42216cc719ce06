//! Runs that were ended in the middle: nothing of theirs stays, and nothing else goes.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    process::{Child, Stdio},
    time::Instant,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{super::command::CAP, ENDINGS, Field};

/// Starts a run and returns it while a case of it is under way.
fn under_way(field: &Field) -> Child {
    let args = ["verify", "scenarios/isolation", "--target", "env", "--ca", "ca.pem", "-v", "--jobs", "1"];
    let mut command = field.desk.command(&args);
    let mut child =
        command.envs(&field.variables).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let seen = lines.by_ref().map(Result::unwrap).any(|line| line.contains("pass     "));
    // What it says from here on must have somewhere to go.
    std::thread::spawn(move || lines.for_each(drop));
    assert!(seen, "no case ever ended: {:?}", child.wait());
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ctrl_c_or_a_kill_leaves_is_gone_after_clean_and_nothing_else_is() {
    let mut field = Field::new().await;
    field.fill().await;
    let before = field.digest().await;
    for signal in ENDINGS {
        let mut run = under_way(&field);
        if signal == Signal::SIGKILL {
            stop_amid_a_case(&field, &run).await;
            let ran = field.run(&["clean", "--ca", "ca.pem"]);
            assert_eq!(ran.code, Some(2), "it still lasts: {}", ran.all());
            assert!(ran.stdout.contains("still lasts and was left alone"), "{}", ran.all());
        }
        tell(&run, signal);
        let ended = run.wait().unwrap();
        if signal == Signal::SIGINT {
            assert_eq!(ended.code(), Some(2), "it removes its own names: {ended:?}");
            assert_eq!(field.digest().await, before);
            continue;
        }
        assert_eq!(ended.signal(), Some(9), "{ended:?}");
        let ran = field.run(&["clean", "--ca", "ca.pem"]);
        assert_eq!(ran.code, Some(0), "{}", ran.all());
        assert!(ran.stdout.starts_with("removed what run "), "{}", ran.all());
        assert_eq!(field.digest().await, before);
    }
}

/// Between two cases there is nothing of the run's: it is stopped where a case has names.
async fn stop_amid_a_case(field: &Field, run: &Child) {
    let begun = Instant::now();
    loop {
        // Asked while it runs: who is stopped before every question never comes to the next case.
        if field.has_names_of_a_run().await {
            tell(run, Signal::SIGSTOP);
            if field.has_names_of_a_run().await {
                return;
            }
            tell(run, Signal::SIGCONT);
        }
        assert!(begun.elapsed() < CAP, "no case left a trace");
    }
}

pub(super) fn tell(run: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(run.id()).unwrap()), signal).unwrap();
}
