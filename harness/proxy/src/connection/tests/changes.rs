//! Changes of toxics on open connections: in force when the call returns, also while a way is blocked, without loss; and
//! what is counted meanwhile.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Bed, noise, receive, rest, send, soon, toxic};
use crate::{
    live::Traffic,
    spec::ToxicChange,
    toxics::{Attributes, Value},
};

/// Sends until neither the proxy nor any socket takes more.
async fn stuff(stream: &tokio::net::TcpStream, bed: &Bed) {
    let bytes = noise(3, 1 << 20);
    loop {
        let before = down(bed);
        while stream.try_write(&bytes).is_ok() {}
        // Full is full when the proxy, given time, moves nothing and the socket still takes nothing.
        let _ = tokio::time::timeout(Duration::from_millis(50), stream.writable()).await;
        if down(bed) == before && stream.try_write(&bytes[..1]).is_err() {
            return;
        }
    }
}

fn down(bed: &Bed) -> Traffic {
    bed.proxies.connections().pop().unwrap().down
}

fn names(bed: &Bed) -> Vec<String> {
    bed.proxies.connections().pop().unwrap().toxics.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_peer_that_does_not_read_holds_little_memory_and_delays_no_change() {
    let bed = Bed::new().await;
    let (_client, server) = bed.pair().await;
    stuff(&server, &bed).await;
    let held = down(&bed).received - down(&bed).sent;
    assert!(held <= (1 << 20) + (1 << 16), "{held} bytes are held");

    bed.add(toxic("latency", "downstream", &[("latency", 1)])).await;
    assert_eq!(names(&bed), ["latency"]);
    bed.add(toxic("slicer", "downstream", &[("average_size", 10)])).await;
    assert_eq!(names(&bed), ["latency", "slicer"]);
    let mut attributes = Attributes::of(crate::toxics::find("latency").unwrap().fields());
    attributes.set("latency", Value::Integer(2));
    let change = ToxicChange { attributes: Some(attributes), ..ToxicChange::default() };
    let began = Instant::now();
    soon(bed.proxies.change_toxic("p", "latency", change)).await.unwrap();
    bed.remove("latency").await;
    bed.remove("slicer").await;
    assert!(names(&bed).is_empty());
    // Five seconds is when a change gives up waiting for connections to take it on.
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn what_a_removed_toxic_held_leaves_in_order_before_what_comes_after() {
    let bed = Bed::with(false, vec![toxic("latency", "both", &[("latency", 3_600_000)])]).await;
    let (mut client, mut server) = bed.pair().await;
    for bytes in [b"one ", b"two "] {
        send(&mut client, bytes).await;
        send(&mut server, bytes).await;
    }
    while bed.proxies.connections().iter().any(|open| open.up.received + open.down.received < 16) {
        tokio::task::yield_now().await;
    }
    bed.remove("latency").await;
    send(&mut client, b"three").await;
    receive(&mut server, b"one two three").await;
    receive(&mut client, b"one two ").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_in_bulk_arrive_whole_while_toxics_come_and_go_and_are_counted() {
    let bed = Bed::new().await;
    let (client, server) = bed.pair().await;
    let (up, down) = (noise(4, 8 << 20), noise(5, 8 << 20));
    let (mut client_read, mut client_write) = client.into_split();
    let (mut server_read, mut server_write) = server.into_split();
    let (sent_up, sent_down) = (up.clone(), down.clone());
    let writers = [
        tokio::spawn(async move { client_write.write_all(&sent_up).await.map(|()| client_write) }),
        tokio::spawn(async move { server_write.write_all(&sent_down).await.map(|()| server_write) }),
    ];
    let (mut got_up, mut got_down) = (vec![0; up.len()], vec![0; down.len()]);
    let reads = async {
        tokio::try_join!(server_read.read_exact(&mut got_up), client_read.read_exact(&mut got_down)).unwrap();
    };
    let changes = async {
        loop {
            bed.add(toxic("latency", "both", &[("latency", 1)])).await;
            bed.add(toxic("slicer", "upstream", &[("average_size", 4096)])).await;
            bed.remove("latency").await;
            bed.remove("slicer").await;
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    };
    tokio::select! {
        () = soon(reads) => {}
        () = changes => {}
    }
    assert!(got_up == up && got_down == down);
    let open = bed.proxies.connections().pop().unwrap();
    let all = Traffic { received: 8 << 20, sent: 8 << 20 };
    assert_eq!((open.up, open.down), (all, all));
    for writer in writers {
        drop(soon(writer).await.unwrap().unwrap());
    }
    drop((client_read, server_read));
    while !bed.proxies.connections().is_empty() {
        tokio::task::yield_now().await;
    }
    let flow = bed.proxies.flows().pop().unwrap();
    assert_eq!((flow.up, flow.down), (all, all));
}

#[tokio::test]
async fn a_toxic_that_swallowed_bytes_ends_the_connection_when_it_is_removed() {
    let bed = Bed::with(false, vec![toxic("timeout", "upstream", &[])]).await;
    let (mut client, mut server) = bed.pair().await;
    send(&mut client, b"swallowed").await;
    while bed.proxies.tape().after(0).is_empty() && bed.proxies.connections().pop().unwrap().up.received < 9 {
        tokio::task::yield_now().await;
    }
    bed.remove("timeout").await;
    assert_eq!(rest(&mut server).await, (Vec::new(), None));
    assert_eq!(rest(&mut client).await, (Vec::new(), None));
}

#[tokio::test]
async fn a_toxic_that_its_trigger_starts_is_named_from_then_on() {
    let mut late = toxic("latency", "downstream", &[("latency", 1)]);
    late.trigger.after = Some(Duration::from_millis(20));
    let mut never = toxic("slicer", "downstream", &[("average_size", 10)]);
    never.trigger.after = Some(Duration::from_secs(3600));
    let bed = Bed::with(false, vec![late, never]).await;
    let (_client, _server) = bed.pair().await;
    let named = async {
        while names(&bed) != ["latency"] {
            tokio::task::yield_now().await;
        }
    };
    soon(named).await;
}
