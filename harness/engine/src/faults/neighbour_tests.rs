//! What is done to a tenant's link reaches no other tenant's unless it is to, though both lead to the same server.

use std::time::Duration;

use bulkhead_model::{
    Amount, Service, Unit,
    history::EventKind,
    scenario::{self, Chosen, Known, Setting, Whose},
};
use bulkhead_target::TenantAccess;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, timeout},
};

use super::{ALL, Fault, Ground};
use crate::{
    inject::inject_all,
    links::Links,
    recorder::{Clock, Recorder},
    scribe::Scribe,
    seed::Seed,
    testing::{Nowhere, tenant},
};

/// A server that says what it is told.
async fn echo() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _gone = copy(&mut read, &mut write).await;
            });
        }
    });
    port
}

async fn dial(access: &TenantAccess) -> TcpStream {
    TcpStream::connect(access.detour(Service::Redis).unwrap().address).await.unwrap()
}

/// Whether what is said comes back, within a time in which it surely would.
async fn answers(stream: &mut TcpStream) -> bool {
    let said = [7; 4096];
    let asked = async {
        let mut heard = [0; 4096];
        stream.write_all(&said).await?;
        stream.read_exact(&mut heard).await.map(|_| heard == said)
    };
    timeout(Duration::from_secs(20), asked).await.is_ok_and(|answered| answered.unwrap_or(false))
}

/// The fault as a file has it that says no more than it must.
fn chosen(fault: &dyn Fault) -> Chosen {
    let text = format!("faults:\n  - {}: {{ service: redis, at: 1s }}\n", fault.shape().name);
    let known = Known { probes: &[], workloads: &[], faults: &[fault.shape()], invariants: &[] };
    scenario::faults(&text, "faults.yaml", &known).unwrap().remove(0)
}

/// Links of both tenants to a server that sends back what it gets.
async fn two_links() -> (Links, Vec<TenantAccess>) {
    let links = Links::new(&Seed::new(1)).unwrap();
    let port = echo().await;
    let mut through = Vec::new();
    for name in ["engine", "plane"] {
        let mut access = tenant(name);
        access.connections.redis.port = port;
        through.push(links.through(&access, &[Service::Redis]).await.unwrap());
    }
    (links, through)
}

#[tokio::test]
async fn a_fault_of_a_tenants_link_leaves_its_neighbours_untouched() {
    let (links, through) = two_links().await;
    let (engine, plane) = (&through[0], &through[1]);
    let on_links = || (1..).zip(ALL.into_iter().filter(|fault| fault.is_on_a_link()));
    assert!(on_links().count() > 15);
    for (number, fault) in on_links() {
        let (name, chosen) = (fault.shape().name, chosen(fault));
        let (mut own, mut kept) = (dial(engine).await, dial(plane).await);
        assert!(answers(&mut own).await && answers(&mut kept).await, "{name}: before it");
        let ground = Ground::new(&links, engine, &Nowhere, None, number);
        fault.begin(&ground, &chosen).await.unwrap();
        // Its own client meets it; what becomes of that is another test's.
        let _ended = timeout(Duration::from_millis(100), answers(&mut own)).await;
        assert!(answers(&mut kept).await, "{name}: on what was open");
        assert!(answers(&mut dial(plane).await).await, "{name}: on what is dialled while it is on");
        fault.undo(&ground, &chosen).await.unwrap();
        assert!(answers(&mut kept).await, "{name}: after it");
    }
    let touched: Vec<_> = links.proxies().tape().after(0).into_iter().map(|entry| entry.proxy).collect();
    assert!(!touched.is_empty() && touched.iter().all(|link| **link == *"engine.redis"), "{touched:?}");
    // The control: done to its own link, it tells.
    let down = &super::down::Down;
    let ground = Ground::new(&links, plane, &Nowhere, None, 99);
    let mut kept = dial(plane).await;
    assert!(answers(&mut kept).await);
    down.begin(&ground, &chosen(down)).await.unwrap();
    assert!(!answers(&mut kept).await, "its own link was cut");
    links.close().await.unwrap();
}

#[tokio::test]
async fn a_fault_is_on_the_links_of_those_whom_it_names() {
    let (links, through) = two_links().await;
    let (engine, plane) = (&through[0], &through[1]);
    let folder = tempfile::tempdir().unwrap();
    for (whose, goes_on) in [("one", [false, true]), ("all", [false, false]), ("neighbour", [true, false])] {
        let text = "faults:\n  - down: { service: redis, at: 0s, for: 20ms }\n";
        let known =
            Known { probes: &[], workloads: &[], faults: &[super::down::Down.shape()], invariants: &[] };
        let mut faults = scenario::faults(text, "faults.yaml", &known).unwrap();
        faults[0].settings.insert(Whose::NAME.into(), Setting::Word(whose));
        let (mut own, mut theirs) = (dial(engine).await, dial(plane).await);
        assert!(answers(&mut own).await && answers(&mut theirs).await, "{whose}: before it");
        let mut recorder = Recorder::begin(folder.path().join(whose), Clock::start());
        let ground = |number| Ground::new(&links, engine, &Nowhere, Some(plane), number);
        let (_never, over) = watch::channel(false);
        inject_all(&faults, Instant::now(), ground, &Scribe::new(&mut recorder), over).await.unwrap();
        assert_eq!([answers(&mut own).await, answers(&mut theirs).await], goes_on, "{whose}");
        assert!(
            answers(&mut dial(engine).await).await && answers(&mut dial(plane).await).await,
            "{whose}: after it"
        );
        let touched = recorder.finish().0.into_iter().find_map(|event| match event.kind {
            EventKind::FaultEnded(fault) => Some((fault.touched, fault.links)),
            _ => None,
        });
        let (all, on) = touched.unwrap();
        let on: Vec<_> = on.iter().map(|link| (link.tenant.as_str(), link.touched)).collect();
        match whose {
            "one" => assert!(all > 0 && on.is_empty(), "{all} {on:?}"),
            "all" => assert!(matches!(on.as_slice(), [("engine", 1..), ("plane", 1..)]), "{on:?}"),
            _ => assert!(matches!(on.as_slice(), [("plane", 1..)]), "{on:?}"),
        }
    }
    links.close().await.unwrap();
}

#[tokio::test]
async fn a_fault_that_cannot_begin_on_one_link_is_on_none() {
    let links = Links::new(&Seed::new(1)).unwrap();
    let mut access = tenant("engine");
    access.connections.redis.port = echo().await;
    let engine = links.through(&access, &[Service::Redis]).await.unwrap();
    let mut down = chosen(&super::down::Down);
    down.settings.insert("at".into(), Setting::Amount(Amount { unit: Unit::Time, value: 0 }));
    down.settings.insert(Whose::NAME.into(), Setting::Word("all"));
    let folder = tempfile::tempdir().unwrap();
    // A neighbour without a link, and none.
    for neighbour in [Some(tenant("plane")), None] {
        let mut recorder = Recorder::begin(folder.path().join("case"), Clock::start());
        let ground = |number| Ground::new(&links, &engine, &Nowhere, neighbour.as_ref(), number);
        let (_never, over) = watch::channel(false);
        let faults = std::slice::from_ref(&down);
        let begun = inject_all(faults, Instant::now(), ground, &Scribe::new(&mut recorder), over).await;
        assert!(begun.is_err());
        assert!(answers(&mut dial(&engine).await).await);
    }
    links.close().await.unwrap();
}
