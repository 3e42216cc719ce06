//! `up` where a set is up already, or goes while it is held: what it says, and what it must not pretend.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Stdio},
};

use bulkhead::model::Topology;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    command::{Desk, Ran},
    interrupted::{signalled, started},
};

#[test]
fn another_layout_or_s3_than_what_runs_is_refused_by_name() {
    let desk = Desk::alone();
    assert_eq!(desk.run(&["up", "--detach"]).code, Some(0));
    // The built-in layout, written down, is the same layout.
    desk.write("same.toml", Topology::DEFAULT);
    let same = desk.run(&["up", "--detach", "--topology", "same.toml"]);
    assert_eq!(same.code, Some(0), "{}", same.all());
    assert!(same.stdout.starts_with("already up; `bulkhead down` stops them"), "{}", same.stdout);

    let renamed = Topology::DEFAULT.replace("enginedb", "otherdb");
    let fewer = Topology::DEFAULT.replace("plane", "flight");
    let lax = Topology::DEFAULT.replace("\"convention\"", "\"enforced\"");
    for (text, difference) in [
        (&renamed, "tenant `engine` runs with another postgres"),
        (&fewer, "tenant `flight` is not among those that run"),
        (&lax, "redis runs as `"),
    ] {
        assert_ne!(*text, Topology::DEFAULT, "{difference}");
        desk.write("bulkhead.toml", text);
        let refused = desk.run(&["up", "--detach"]);
        assert_eq!(refused.code, Some(3), "{}", refused.all());
        assert!(refused.stderr.contains(difference), "{}", refused.stderr);
        assert!(refused.stderr.contains("hint: stop them with `bulkhead down`"), "{}", refused.stderr);
        assert!(refused.stdout.is_empty(), "{}", refused.stdout);
    }
    std::fs::remove_file(desk.path("bulkhead.toml")).unwrap();
    let minio = desk.run(&["up", "--s3", "minio"]);
    assert_eq!(minio.code, Some(3), "{}", minio.all());
    assert!(minio.stderr.contains("S3 is played by the embedded server, not by MinIO"), "{}", minio.stderr);
    // What was refused changed nothing.
    assert_eq!(desk.run(&["down"]).code, Some(0));
    desk.vanishes();
}

#[test]
fn servers_from_other_folders_than_what_runs_are_refused_by_both_places() {
    let mut desk = Desk::alone();
    let own = desk.path("bin").display().to_string();
    assert_eq!(desk.run(&["up", "--detach"]).code, Some(0));
    let elsewhere = desk.path("other").display().to_string();
    for (asked, shown) in [(elsewhere.as_str(), format!("`{elsewhere}`")), ("", "PATH or the usual".into())] {
        desk.set("BULKHEAD_REDIS_BIN", asked);
        let refused = desk.run(&["up", "--detach"]);
        assert_eq!(refused.code, Some(3), "{}", refused.all());
        for part in
            [&format!("redis runs from `{own}`"), &shown, "(BULKHEAD_REDIS_BIN)", "hint: stop them with"]
        {
            assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
        }
        // Who names no place asks for whatever runs.
        let env = desk.run(&["env", "--tenant", "engine"]);
        assert_eq!(env.code, Some(if asked.is_empty() { 0 } else { 3 }), "{}", env.all());
        assert_eq!(env.stderr.contains(&elsewhere), !asked.is_empty(), "{}", env.stderr);
    }
    desk.set("BULKHEAD_REDIS_BIN", &own);
    let same = desk.run(&["up", "--detach"]);
    assert_eq!(same.code, Some(0), "{}", same.all());
    assert_eq!(desk.run(&["down"]).code, Some(0));
    desk.vanishes();
}

#[test]
fn of_two_that_start_together_with_different_s3_the_loser_is_told_the_difference() {
    let desk = Desk::alone();
    // The servers are starting still: nothing stands under anybody's names yet.
    let first = started(&desk, &["up"], "s3 embedded");
    let second = desk.run(&["up", "--s3", "minio"]);
    assert_eq!(second.code, Some(3), "{}", second.all());
    let difference = "are up in this project: S3 is played by the embedded server, not by MinIO\n";
    assert!(second.stderr.contains(difference), "{}", second.stderr);
    assert!(second.stderr.contains("hint: stop them with `bulkhead down`"), "{}", second.stderr);
    // Interrupted while it starts, or stopped when it stands.
    assert!(matches!(signalled(first, Signal::SIGINT), Some(0 | 2)));
    desk.vanishes();
}

/// A foreground `up`, and where all that it says ends up.
fn up(desk: &Desk) -> (Child, BufReader<ChildStdout>) {
    let mut command = desk.command(&["up"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("Ctrl-C stops") {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it ended: {:?}", child.wait());
    }
    (child, lines)
}

#[test]
fn a_foreground_up_ends_when_its_set_is_taken_down() {
    let desk = Desk::alone();
    let (child, mut lines) = up(&desk);
    assert_eq!(desk.run(&["down"]).code, Some(0));
    let mut said = String::new();
    lines.read_to_string(&mut said).unwrap();
    assert!(said.contains("the servers were stopped by `bulkhead down`"), "{said}");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    desk.vanishes();
}

#[test]
fn a_foreground_up_fails_when_a_server_or_the_keeper_dies() {
    let desk = Desk::alone();
    for (mark, said) in
        [("redis-server", "redis: the server ended by itself"), ("__keeper", "keeper: could not")]
    {
        let (child, _lines) = up(&desk);
        let left = desk.left();
        // The process's own name, not an argument of another one.
        let victim = left.iter().find(|entry| {
            let mut words = entry.split_whitespace().skip(1);
            words.next().is_some_and(|word| word.ends_with(mark)) || words.next() == Some(mark)
        });
        let victim = victim.unwrap_or_else(|| panic!("no {mark} in {left:#?}"));
        let pid = victim.split_whitespace().next().unwrap().parse().unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        let ended = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(3), "{}", ended.all());
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        desk.vanishes();
    }
}

#[test]
fn who_comes_second_is_told_whose_set_it_is() {
    let desk = Desk::alone();
    let first = started(&desk, &["up"], "Ctrl-C stops");
    let second = desk.run(&["up", "--detach"]);
    assert_eq!(second.code, Some(0), "{}", second.all());
    let holder = format!("already up, held by `bulkhead up` in process {}:", first.id());
    assert!(second.stdout.starts_with(&holder), "{}", second.stdout);
    assert_eq!(signalled(first, Signal::SIGINT), Some(0));
    desk.vanishes();
}

#[test]
fn of_many_that_start_together_one_makes_the_set_and_the_others_find_it() {
    let desk = Desk::alone();
    let start = |_| {
        let mut command = desk.command(&["up", "--detach"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..3).map(start).collect();
    let ends: Vec<_> = children.into_iter().map(|c| Ran::from(c.wait_with_output().unwrap())).collect();
    for end in &ends {
        assert_eq!(end.code, Some(0), "{}", end.all());
        assert!(end.stdout.contains("enginedb"), "{}", end.stdout);
    }
    let found = ends.iter().filter(|end| end.stdout.contains("already up; `bulkhead down` stops them"));
    assert_eq!(found.count(), 2, "{ends:#?}");
    assert_eq!(desk.run(&["down"]).code, Some(0));
    desk.vanishes();
}
