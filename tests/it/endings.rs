//! How a server ends when nothing goes as planned: its port is taken, its parent is killed.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bulkhead_model::Service;
use bulkhead_target::Error;

use crate::support::{command_lines, direct, ensure_now, place, spec, stand_in};

/// The servers that take a port of the test's choice and are started here alone.
const SERVICES: [Service; 2] = [Service::Postgres, Service::Redis];

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_with_the_log() {
    ensure_now();
    for service in SERVICES {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (_folder, mut place) = place(service, &spec());
        place.port = Some(taken.local_addr().unwrap().port());
        let error = stand_in(service).start(&spec(), &place).await.map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Exited { .. }), "{service}: {error}");
        assert!(error.to_string().contains("already in use"), "{service}: {error}");
        assert_eq!(command_lines(&place), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_named_folder_without_the_server_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec();
    spec.places.postgres_bin = Some(folder.path().into());
    spec.places.redis_bin = Some(folder.path().into());
    for service in SERVICES {
        let missing = stand_in(service).find(&spec).unwrap_err();
        assert_eq!(missing.service, service);
        assert!(missing.looked.contains(&folder.path().display().to_string()), "{missing:?}");
    }
}

#[tokio::test]
async fn a_server_behind_a_closed_folder_is_an_error_with_a_hint() {
    // Closed to others; who is not root runs the server as himself and may pass.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    for program in ["postgres", "initdb"] {
        std::fs::copy("/bin/true", folder.path().join(program)).unwrap();
    }
    let mut spec = spec();
    spec.places.postgres_bin = Some(folder.path().into());
    let (_folder, place) = place(Service::Postgres, &spec);
    let error = stand_in(Service::Postgres).start(&spec, &place).await.map(|_| ()).unwrap_err();
    if nix::unistd::Uid::effective().is_root() {
        let closed = folder.path().display().to_string();
        assert!(matches!(error, Error::Closed { .. }) && error.to_string().contains(&closed), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains(&closed)), "{error}");
    } else {
        assert!(!matches!(error, Error::Closed { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_ended_server_is_noticed() {
    for service in SERVICES {
        let mut server = direct(service).await;
        assert!(server.running.exited().is_none());
        server.running.stop().await;
        assert!(matches!(server.running.exited(), Some(Error::Exited { .. })), "{service}");
    }
}

/// Not a test: the parent that the test below kills. It starts a server, says where, and never ends by itself.
#[tokio::test]
#[ignore = "a helper process of `a_killed_parent_leaves_no_process_and_no_segment`"]
async fn parent() {
    let service: Service = std::env::var("BULKHEAD_IT_SERVICE").unwrap().parse().unwrap();
    let server = direct(service).await;
    std::fs::write(std::env::var_os("BULKHEAD_IT_PLACE").unwrap(), server.place.dir.display().to_string())
        .unwrap();
    eprintln!("serving");
    std::future::pending::<()>().await;
}

#[test]
fn a_killed_parent_leaves_no_process_and_no_segment() {
    ensure_now();
    for service in SERVICES {
        let notes = tempfile::tempdir().unwrap();
        let note = notes.path().join("place");
        let mut parent = Command::new(std::env::current_exe().unwrap())
            .args(["endings::parent", "--exact", "--ignored", "--nocapture"])
            .env("BULKHEAD_IT_SERVICE", service.name())
            .env("BULKHEAD_IT_PLACE", &note)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(parent.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains("serving")), "{service}: the parent ended");
        let dir = PathBuf::from(std::fs::read_to_string(&note).unwrap());
        let (_folder, mut place) = place(service, &spec());
        place.run = dir.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        place.dir.clone_from(&dir);
        assert!(!command_lines(&place).is_empty(), "{service}: no process is marked");
        let segment = segment(&dir);
        assert_eq!(segment.is_some(), service == Service::Postgres);
        if let Some(segment) = &segment {
            assert!(segments().contains(segment), "the running server holds its segment");
        }

        parent.kill().unwrap();
        parent.wait().unwrap();
        let begun = Instant::now();
        loop {
            let left = command_lines(&place);
            if left.is_empty() {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{service}: {left:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(
            segment.is_none_or(|segment| !segments().contains(&segment)),
            "{service}: its segment stayed"
        );
        std::fs::remove_dir_all(dir.parent().unwrap()).unwrap();
    }
}

/// The System V shared-memory segment that a PostgreSQL in this folder holds, by its lock file.
pub(crate) fn segment(dir: &std::path::Path) -> Option<String> {
    let lock = std::fs::read_to_string(dir.join("data/postmaster.pid")).ok()?;
    lock.lines().nth(6)?.split_whitespace().nth(1).map(str::to_owned)
}

/// The ids of all segments on the machine.
pub(crate) fn segments() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned)).collect()
}
