//! What is done to a tenant's link reaches no other tenant's, though both lead to the same server.

use std::time::Duration;

use async_trait::async_trait;
use bulkhead_model::{
    Service, Tenant, Topology,
    report::{LogTail, ServerReport},
    scenario::{self, Chosen, Known},
};
use bulkhead_target::{Disturbance, Error, Lot, ServiceFault, Target, TenantAccess};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{ALL, Fault, Ground};
use crate::{links::Links, seed::Seed, testing::tenant};

/// Servers that no fault of a link asks for anything.
struct Nowhere;

fn nothing<T>() -> Result<T, Error> {
    Err(Error::Reported(String::from("nothing is here")))
}

#[async_trait]
impl Target for Nowhere {
    fn servers(&self) -> &[ServerReport] {
        &[]
    }

    fn is_ours(&self) -> bool {
        true
    }

    async fn lots(&self, _: &Topology, _: &[Service], _: &[Service]) -> Result<Vec<Lot>, Error> {
        nothing()
    }

    async fn disturb(&self, _: Service, _: Disturbance) -> Result<(), Error> {
        nothing()
    }

    async fn inflict(&self, _: Service, _: ServiceFault, _: &Tenant, _: bool) -> Result<u64, Error> {
        nothing()
    }

    async fn release(&self, _: Vec<Lot>) -> Result<(), Error> {
        nothing()
    }

    async fn management(&self, _: Service) -> Result<Option<String>, Error> {
        nothing()
    }

    async fn names(&self, _: Service, _: &Tenant) -> Result<Option<Vec<String>>, Error> {
        nothing()
    }

    async fn logs(&self, _: usize) -> Result<Vec<LogTail>, Error> {
        nothing()
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}

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

#[tokio::test]
async fn a_fault_of_a_tenants_link_leaves_its_neighbours_untouched() {
    let links = Links::new(&Seed::new(1)).unwrap();
    let port = echo().await;
    let mut through = Vec::new();
    for name in ["engine", "plane"] {
        let mut access = tenant(name);
        access.connections.redis.port = port;
        through.push(links.through(&access, &[Service::Redis]).await.unwrap());
    }
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
