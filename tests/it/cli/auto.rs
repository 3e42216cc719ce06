//! `--target auto`, which is what a command does that is told no target. The engine is one of the test's own, which says
//! that it is there and nothing else; real ones are in `docker`.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use bulkhead_model::RunReport;

use super::command::{Desk, NO_ENGINE, Ran};
use crate::tools::left_out;

/// Variables that name the places of the servers.
const PLACES: [&str; 3] = ["BULKHEAD_POSTGRES_BIN", "BULKHEAD_REDIS_BIN", "BULKHEAD_RABBITMQ_HOME"];

/// Every command that starts stand-ins of a kind that nobody named.
const COMMANDS: [&[&str]; 7] = [
    &["verify"],
    &["checklist"],
    &["isolation"],
    &["up"],
    &["bench", "redis.sessions"],
    &["bench", "compare", "redis.sessions", "redis.sessions"],
    &["run", "--", "true"],
];

/// A desk on a machine without servers.
fn bare() -> Desk {
    let mut desk = Desk::new();
    PLACES.iter().for_each(|place| desk.set(place, "/nonexistent"));
    desk.set("BULKHEAD_INSTALL", "0");
    let temp = desk.path("tmp");
    std::fs::create_dir(&temp).unwrap();
    desk.set("TMPDIR", temp.to_str().unwrap());
    desk
}

/// An engine at the desk that has no image and gets none; counts how often it was asked for anything.
fn engine(desk: &mut Desk) -> Arc<AtomicUsize> {
    let socket = desk.path("engine.sock");
    desk.set("DOCKER_HOST", &format!("unix://{}", socket.display()));
    engine_at(&socket)
}

fn engine_at(socket: &Path) -> Arc<AtomicUsize> {
    let listener = UnixListener::bind(socket).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut request) {
                count.fetch_add(1, Ordering::Relaxed);
                let ping = request[..length].windows(6).any(|window| window == b"/_ping");
                let (status, body) =
                    if ping { ("200 OK", "OK") } else { ("404 Not Found", r#"{"message":"none here"}"#) };
                let length = body.len();
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
                if stream.write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    asked
}

#[test]
fn with_neither_servers_nor_an_engine_one_error_says_how_to_get_either() {
    let desk = bare();
    for command in COMMANDS {
        let ran = desk.run(command);
        assert_eq!(ran.code, Some(3), "{command:?}: {}", ran.all());
        let engine = format!("docker: no container engine answers at `{NO_ENGINE}` of DOCKER_HOST: ");
        for part in ["error: ", "servers are missing", "\n  postgres: ", "\n  rabbitmq: ", &engine, "hint: "]
        {
            assert_eq!(ran.stderr.matches(part).count(), 1, "{command:?}, {part}: {}", ran.all());
        }
        for part in ["apt-get install", "BULKHEAD_INSTALL=1", "or start Docker or Podman"] {
            assert!(ran.stderr.contains(part), "{command:?}, {part}: {}", ran.all());
        }
        assert!(!desk.path("target").exists(), "{command:?} leaves a folder");
        assert!(desk.left().is_empty(), "{command:?}: {:?}", desk.left());
    }
}

#[test]
fn without_servers_every_command_turns_to_an_engine_that_answers() {
    let mut desk = bare();
    let asked = engine(&mut desk);
    desk.set("BULKHEAD_IMAGE_POSTGRES", "mine/postgres:1");
    for command in COMMANDS {
        let before = asked.load(Ordering::Relaxed);
        let ran = desk.run(command);
        assert_eq!(ran.code, Some(3), "{command:?}: {}", ran.all());
        assert!(asked.load(Ordering::Relaxed) > before, "{command:?}: {}", ran.all());
        for part in ["could not get the image `mine/postgres:1`", "BULKHEAD_IMAGE_POSTGRES"] {
            assert!(ran.stderr.contains(part), "{command:?}, {part}: {}", ran.all());
        }
        assert!(desk.left().is_empty(), "{command:?}: {:?}", desk.left());
    }
    // Who names a target has no other.
    let before = asked.load(Ordering::Relaxed);
    let ran = desk.run(&["verify", "--target", "native"]);
    assert!(ran.code == Some(3) && ran.stderr.contains("servers are missing"), "{}", ran.all());
    assert_eq!(asked.load(Ordering::Relaxed), before, "{}", ran.all());
}

#[test]
fn podman_is_found_where_nobody_names_an_engine() {
    if Path::new("/var/run/docker.sock").exists() {
        left_out("this machine has Docker, which comes first");
        return;
    }
    let mut desk = bare();
    desk.set("BULKHEAD_IMAGE_POSTGRES", "mine/postgres:1");
    let home = desk.path("");
    desk.set("XDG_RUNTIME_DIR", home.to_str().unwrap());
    desk.set("HOME", home.to_str().unwrap());
    std::fs::create_dir(desk.path("podman")).unwrap();
    let asked = engine_at(&desk.path("podman/podman.sock"));
    let ran = desk.run(&["checklist"]);
    assert_eq!(
        (ran.code, asked.load(Ordering::Relaxed)),
        (Some(3), 0),
        "who is named is meant: {}",
        ran.all()
    );
    let ran = Ran::from(desk.command(&["checklist"]).env_remove("DOCKER_HOST").output().unwrap());
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    assert!(asked.load(Ordering::Relaxed) > 0, "{}", ran.all());
    assert!(ran.stderr.contains("could not get the image `mine/postgres:1`"), "{}", ran.all());
}

#[test]
fn servers_of_this_machine_are_taken_and_the_report_says_why() {
    let mut desk = Desk::served();
    let asked = engine(&mut desk);
    let ran = desk.run(&["verify", "scenarios/checklist", "--case", "engine", "--format", "json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let report: RunReport = serde_json::from_str(&ran.stdout).unwrap();
    let reason = "its servers are on this machine";
    assert_eq!((report.target.as_str(), report.target_reason.as_deref()), ("native", Some(reason)));
    let told = format!("\ntarget      native: {reason}\n");
    assert_eq!(ran.stderr.matches(&told).count(), 1, "{}", ran.all());
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nobody needs an engine here");

    let ran = desk.run(&["checklist", "--target", "native", "--format", "json"]);
    let report: RunReport = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((report.target.as_str(), report.target_reason), ("native", None));
    assert!(!ran.stderr.contains("target      "), "{}", ran.all());
}
