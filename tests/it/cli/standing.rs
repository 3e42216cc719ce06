//! `up` where a set is up already, or goes while it is held: what it says, and what it must not pretend.

use bulkhead::model::Topology;
use nix::sys::signal::Signal;

use super::{
    command::Desk,
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
