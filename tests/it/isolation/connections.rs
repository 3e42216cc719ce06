//! Connections, as the servers count them: the probes of a pair share few, however many run at once, and the limit on them
//! that a probe reads is one that holds.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bulkhead_engine::probes;
use bulkhead_model::{Enforcement, Service};
use bulkhead_target::{Detour, Disguise, TenantAccess, clients};
use futures::{StreamExt, stream};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use super::{BESIDE, Rig, Separate, Shared, controls::postgres::as_superuser, of};

/// What all probes together may ask for: what is planted on, what some open beside it to listen or to
/// log in otherwise, and what those take who take connections.
const CONNECTIONS: usize = 30;

/// Makes all that need not be alone, side by side, and returns how many they are.
async fn make_all(
    rig: &Rig,
    from: &bulkhead_target::TenantAccess,
    to: &bulkhead_target::TenantAccess,
) -> usize {
    let pair = &rig.pair(from, to);
    let beside = of(rig.service).filter(|probe| !probe.about().alone);
    let make = async |probe| probes::make(probe, pair).await.unwrap();
    stream::iter(beside).map(make).buffered(BESIDE).count().await
}

#[tokio::test]
async fn all_probes_of_redis_take_few_connections() {
    let mut rig = Rig::new(Service::Redis, Shared).await;
    let [from, to] = rig.slices("m", Enforcement::Enforced).await;
    let before = received(&mut rig).await;
    let made = make_all(&rig, &from, &to).await;
    let taken = received(&mut rig).await - before;
    assert!(made > 100 && (2..CONNECTIONS).contains(&taken), "{taken} connections for {made} probes");
    rig.server.running.stop().await;
}

#[tokio::test]
async fn all_probes_of_postgres_take_few_connections() {
    take_few(Service::Postgres, 60, 10).await;
}

#[tokio::test]
async fn all_probes_of_rabbitmq_take_few_connections() {
    take_few(Service::Rabbitmq, 30, 8).await;
}

/// Each of the two clients has as many as it has requests under way, and some that it began to make while the answer came
/// that made one free: on a busy machine more.
#[tokio::test]
async fn all_probes_of_s3_take_few_connections() {
    take_few(Service::S3, 40, 3 * BESIDE + 4).await;
}

/// More than so many probes take at most so many connections, which are counted at a door before the server: not every one
/// tells how many it has accepted.
async fn take_few(service: Service, probes: usize, most: usize) {
    let mut rig = Rig::new(service, Separate).await;
    let [mut from, mut to] = rig.slices("m", Enforcement::Enforced).await;
    let (address, accepted) = door(from.address(service).unwrap().1).await;
    for access in [&mut from, &mut to] {
        access.detours.set(service, Detour { address, authority: None, disguise: Disguise::default() });
    }
    let made = make_all(&rig, &from, &to).await;
    let taken = accepted.load(Ordering::Relaxed);
    assert!(made > probes && (2..=most).contains(&taken), "{taken} connections for {made} probes");
    rig.server.running.stop().await;
}

/// An address that leads to this port, and how many have come through it.
async fn door(port: u16) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (address, accepted) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (address, accepted)
}

/// How many connections the server has accepted.
async fn received(rig: &mut Rig) -> usize {
    let info = rig.administer("INFO stats").await;
    let count = info.split("total_connections_received:").nth(1).unwrap_or_else(|| panic!("{info}"));
    let digits: String = count.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{info}"))
}

/// On servers that others use a budget is read and not used up: here it is, both ways.
#[tokio::test]
async fn a_limit_that_is_read_on_postgres_leaves_room_for_the_neighbour() {
    let mut rig = Rig::new(Service::Postgres, Separate).await;
    let [from, to] = rig.slices("l", Enforcement::Enforced).await;
    assert!(!may_take_all(&rig, &from, &to).await);
    let (taken, refused) = take_all(&from).await;
    assert!(refused.contains("too many connections for role"), "after {}: {refused}", taken.len());
    clients::postgres::connect(&to).await.unwrap();
    drop(taken);

    let folder = rig.server.place.dir.clone();
    as_superuser(folder, &from, &to, "ALTER ROLE {a} CONNECTION LIMIT -1").await;
    assert!(may_take_all(&rig, &from, &to).await);
    let (taken, refused) = take_all(&from).await;
    assert!(refused.contains("remaining connection slots are reserved"), "after {}: {refused}", taken.len());
    let neighbour = clients::postgres::connect(&to).await.unwrap_err();
    assert!(neighbour.chain().contains("remaining connection slots are reserved"), "{}", neighbour.chain());
    rig.server.running.stop().await;
}

/// What the probe says.
async fn may_take_all(rig: &Rig, from: &TenantAccess, to: &TenantAccess) -> bool {
    let wanted = |about: &probes::About| about.name == "postgres.take-all-connections";
    let records = rig.probe_some(from, to, Enforcement::Enforced, &wanted).await;
    assert!(records[0].control.held, "{records:#?}");
    records[0].leaked()
}

/// Takes connections until one is refused, and returns them with the refusal.
async fn take_all(from: &TenantAccess) -> (Vec<sqlx::PgConnection>, String) {
    let mut taken = Vec::new();
    loop {
        match clients::postgres::connect(from).await {
            Ok(connection) => taken.push(connection),
            Err(error) => return (taken, error.chain()),
        }
    }
}
