//! The keeper as its harnesses see it: sharing, lingering, leaving, and that nothing stays behind.
//!
//! Every test has a set of servers of its own and a folder of its own for them, so that whatever is left is known.
//! `kill` ends harnesses and keepers by SIGKILL, `broken` lets servers fail, `disturbed` stops them for a while, `troubled` puts
//! them into trouble, `revoked` has them refuse a password that was good.

mod broken;
mod disturbed;
mod kill;
mod revoked;
mod trace;
mod troubled;

use std::time::Duration;

use bulkhead_model::{Service, Topology, url::Connections};
use bulkhead_target::{Session, keeper};

use nix::sys::signal::Signal;

use crate::support::{LOOPBACK, open, session};
use trace::{Harness, Own};

#[tokio::test]
async fn without_a_linger_everything_is_gone_when_close_returns() {
    let own = Own::new("close");
    let session = open(&own.spec).await;
    let access = session.slices(&Topology::builtin()).await.unwrap();
    assert_eq!(access.len(), 2);
    // The negative control: while it runs, the search finds all four servers.
    let found = own.processes();
    assert!(found.len() >= 6, "keeper, janitor and four servers, not {found:#?}");
    assert_eq!(own.folders().len(), 1);
    listens_on_loopback_alone(&own, &access[0].connections);
    session.close().await.unwrap();
    assert_eq!(own.folders(), [] as [String; 0]);
    let servers: Vec<_> = own.processes().into_iter().filter(|p| !p.contains("__keeper")).collect();
    assert_eq!(servers, [] as [String; 0]);
    own.assert_gone().await;
}

/// Every server listens where its tenants are told, and no process of the run anywhere that another machine reaches.
fn listens_on_loopback_alone(own: &Own, connections: &Connections) {
    let ports = own.ports();
    let places: Vec<_> = ports.iter().map(|(place, _)| place.split_once(':').unwrap()).collect();
    let Connections { postgres, redis, rabbitmq, s3 } = connections;
    let s3 = s3.endpoint.rsplit_once(':').unwrap().1.parse().unwrap();
    for port in [postgres.port, redis.port, rabbitmq.port, s3] {
        let port = format!("{port:04X}");
        assert!(places.iter().any(|(_, at)| *at == port), "{port} is not in {places:?}");
    }
    assert!(places.iter().all(|(address, _)| LOOPBACK.contains(address)), "{places:?}");
}

#[tokio::test]
async fn a_second_session_joins_within_the_linger() {
    let mut own = Own::new("linger");
    own.spec.linger = Duration::from_secs(600);
    let first = open(&own.spec).await;
    let run = first.run().to_owned();
    first.close().await.unwrap();
    let second = open(&own.spec).await;
    assert_eq!(second.run(), run);
    second.close().await.unwrap();
    assert!(Session::stop_set(&own.spec).await.unwrap());
    own.assert_gone().await;
    assert!(!Session::stop_set(&own.spec).await.unwrap());
}

#[tokio::test]
async fn tests_share_the_common_set() {
    let (first, second) = (session().await, session().await);
    assert_eq!(first.run(), second.run());
    let (one, other) = (first.slices(&Topology::builtin()).await, second.slices(&Topology::builtin()).await);
    assert_ne!(one.unwrap()[0].tenant.slices, other.unwrap()[0].tenant.slices);
}

#[tokio::test]
async fn a_dropped_session_is_a_lease_given_back() {
    let own = Own::new("drop");
    drop(open(&own.spec).await);
    own.assert_gone().await;
}

#[tokio::test]
async fn eight_harnesses_started_at_once_share_one_set() {
    let own = Own::new("eight");
    let mut harnesses: Vec<_> = (0..8).map(|_| Harness::start(&own)).collect();
    let mut runs = Vec::new();
    for harness in &mut harnesses {
        runs.push(harness.line("granted ").await);
    }
    runs.dedup();
    assert_eq!(runs.len(), 1, "{runs:?}");
    let mut databases = Vec::new();
    for harness in &mut harnesses {
        databases.push(harness.line("slices ").await);
    }
    databases.sort();
    databases.dedup();
    assert_eq!(databases.len(), 8, "every harness has slices of its own: {databases:?}");
    assert_eq!(own.folders().len(), 1);
    for harness in harnesses {
        harness.finish().await;
    }
    own.assert_gone().await;
}

#[tokio::test]
async fn many_tasks_use_one_session_at_once() {
    let own = Own::new("tasks");
    let session = open(&own.spec).await;
    let topology = Topology::builtin();
    let all = futures::future::join_all((0..6).map(|_| session.slices(&topology))).await;
    let mut databases: Vec<_> = all
        .iter()
        .flat_map(|made| made.as_ref().unwrap())
        .map(|a| &a.tenant.slices.postgres.database)
        .collect();
    databases.sort();
    databases.dedup();
    assert_eq!(databases.len(), 12);
    for made in all {
        session.release(made.unwrap()).await.unwrap();
    }
    let logs = session.logs(5).await.unwrap();
    assert_eq!(logs.iter().map(|tail| tail.service).collect::<Vec<_>>(), Service::ALL);
    session.close().await.unwrap();
    own.assert_gone().await;
}

#[tokio::test]
async fn exact_names_have_one_holder() {
    let own = Own::new("exact");
    let topology = Topology::builtin();
    let (first, second) = (open(&own.spec).await, open(&own.spec).await);
    let made = first.exact_slices(&topology).await.unwrap();
    assert_eq!(made[0].tenant.slices.postgres.database, "enginedb");
    let refused = second.exact_slices(&topology).await.unwrap_err().chain();
    assert!(refused.contains("is held already, by lease 1"), "{refused}");
    let found = keeper::status(&own.spec).await.unwrap().unwrap();
    assert_eq!((found.exact.len(), found.leases), (2, 2));
    assert_eq!(found.port(Service::Redis), Some(made[0].connections.redis.port));
    first.release(made).await.unwrap();
    second.exact_slices(&topology).await.unwrap();
    // The end of a lease frees its names as well; removing the slices takes a moment.
    drop(second);
    trace::until("the names are free", || async { first.exact_slices(&topology).await.ok() }).await;
    first.close().await.unwrap();
    own.assert_gone().await;
}

#[tokio::test]
async fn nobody_waits_for_ever_for_a_process_that_was_stopped() {
    let own = Own::new("stopped");
    let mut holder = Harness::start_lasting(&own);
    assert_eq!(holder.line("slices ").await, "enginedb");
    trace::signal(holder.pid(), Signal::SIGSTOP);
    let second = open(&own.spec).await;
    let topology = Topology::builtin();
    for _ in 0..2 {
        let refused = second.exact_slices(&topology).await.unwrap_err().chain();
        for part in [format!("process {} ", holder.pid()), format!("`kill -CONT {}`", holder.pid())] {
            assert!(refused.contains(&part) && refused.contains("`bulkhead down`"), "{refused}");
        }
    }
    // What the message says helps: the process goes on, ends, and the names are free.
    trace::signal(holder.pid(), Signal::SIGCONT);
    holder.finish().await;
    second.exact_slices(&topology).await.unwrap();
    second.close().await.unwrap();
    own.assert_gone().await;
}

#[tokio::test]
async fn detached_servers_stay_until_they_are_stopped() {
    let own = Own::new("detach");
    let session = open(&own.spec).await;
    let made = session.exact_slices(&Topology::builtin()).await.unwrap();
    session.detach().await.unwrap();
    let found = keeper::status(&own.spec).await.unwrap().unwrap();
    assert_eq!(found.leases, 1);
    assert_eq!(found.servers.len(), 4);
    assert_eq!(found.exact[0].connections, made[0].connections, "passwords and all, for `bulkhead env`");
    // Somebody else coming and going changes nothing.
    open(&own.spec).await.close().await.unwrap();
    assert!(keeper::status(&own.spec).await.unwrap().is_some());
    assert!(Session::stop_set(&own.spec).await.unwrap());
    assert!(keeper::status(&own.spec).await.unwrap().is_none());
    own.assert_gone().await;
}

#[tokio::test]
async fn who_holds_a_set_that_is_stopped_is_told_so() {
    let own = Own::new("told");
    let session = open(&own.spec).await;
    Session::stop_set(&own.spec).await.unwrap();
    let error = session.slices(&Topology::builtin()).await.unwrap_err().chain();
    assert!(error.contains("the servers were stopped by `bulkhead down`"), "{error}");
    session.close().await.unwrap();
    own.assert_gone().await;
}

#[tokio::test]
async fn a_signal_to_the_keeper_stops_everything_in_order() {
    let own = Own::new("signal");
    let session = open(&own.spec).await;
    trace::signal(session.keeper(), Signal::SIGTERM);
    own.assert_gone().await;
    drop(session);
}

#[tokio::test]
async fn two_kinds_of_servers_do_not_share_a_named_set() {
    let own = Own::new("kinds");
    let session = open(&own.spec).await;
    let mut other = own.spec.clone();
    other.places.redis_bin = Some("/usr/bin".into());
    let refused = Session::open(&other, &|_| ()).await.unwrap_err().chain();
    assert!(refused.contains("`/usr/bin` (BULKHEAD_REDIS_BIN)"), "{refused}");
    session.close().await.unwrap();
    own.assert_gone().await;
}
