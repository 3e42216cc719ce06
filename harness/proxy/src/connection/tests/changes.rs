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
    named(&bed, &["latency"]).await;
}

/// Waits until these toxics act.
async fn named(bed: &Bed, expected: &[&str]) {
    let named = async {
        while names(bed) != expected {
            tokio::task::yield_now().await;
        }
    };
    soon(named).await;
}

/// Nothing moves and nobody asks for anything: only the connection's own alarm can end it.
#[tokio::test]
async fn a_window_ends_on_an_idle_connection() {
    const WINDOW: Duration = Duration::from_secs(1);
    let bed = Bed::new().await;
    let (mut client, mut server) = bed.pair().await;
    let windowed = |kind, numbers: &[(&str, i64)]| {
        let mut windowed = toxic(kind, "downstream", numbers);
        windowed.trigger.set("for_ms", 1000).unwrap();
        windowed
    };
    let began = Instant::now();
    bed.add(windowed("latency", &[("latency", 3_600_000)])).await;
    named(&bed, &["latency"]).await;
    send(&mut server, b"held").await;
    receive(&mut client, b"held").await;
    assert!(began.elapsed() >= WINDOW);
    named(&bed, &[]).await;
    bed.remove("latency").await;

    // One that ends so ends as by removal, which for this one is the connection's end.
    let began = Instant::now();
    bed.add(windowed("timeout", &[])).await;
    assert_eq!(rest(&mut client).await, (Vec::new(), None));
    assert_eq!(rest(&mut server).await, (Vec::new(), None));
    assert!(began.elapsed() >= WINDOW);
}

/// A client that reads nothing, so that a write to it waits for ever.
async fn unread(bed: &Bed) -> (tokio::net::TcpStream, tokio::net::TcpStream) {
    let (client, server) = bed.pair().await;
    stuff(&server, bed).await;
    (client, server)
}

#[tokio::test]
async fn a_reset_does_not_wait_for_a_peer_that_does_not_read() {
    let bed = Bed::new().await;
    let (client, mut server) = unread(&bed).await;
    bed.add(toxic("reset_peer", "downstream", &[("timeout", 20)])).await;
    // What is sent now is the data that the toxic waits for.
    let _ = server.try_write(b"more");
    let gone = async {
        while !bed.proxies.connections().is_empty() {
            tokio::task::yield_now().await
        }
    };
    soon(gone).await;
    assert_eq!(rest(&mut server).await.1, Some(std::io::ErrorKind::ConnectionReset));
    drop(client);
}

#[tokio::test]
async fn a_close_that_waits_for_a_peer_that_does_not_read_ends_with_its_toxic() {
    for (kind, numbers) in [("timeout", ("timeout", 0)), ("limit_data", ("bytes", 0))] {
        let bed = Bed::new().await;
        let (client, mut server) = unread(&bed).await;
        let taken = down(&bed).received;
        bed.add(toxic(kind, "downstream", &[numbers])).await;
        let met = async {
            while down(&bed).received == taken {
                let _ = server.try_write(b"more");
                tokio::task::yield_now().await;
            }
        };
        soon(met).await;
        // A limit lets what it has passed arrive first, which nobody reads.
        assert_eq!(bed.proxies.connections().len(), 1, "{kind}");
        bed.remove(kind).await;
        let gone = async {
            while !bed.proxies.connections().is_empty() {
                tokio::task::yield_now().await
            }
        };
        soon(gone).await;
        let (_, end) = rest(&mut server).await;
        assert!(matches!(end, None | Some(std::io::ErrorKind::ConnectionReset)), "{kind}: {end:?}");
        drop(client);
    }
}

#[tokio::test]
async fn disabling_does_not_wait_for_a_peer_that_does_not_read() {
    let bed = Bed::new().await;
    let (client, _server) = unread(&bed).await;
    bed.add(toxic("limit_data", "downstream", &[])).await;
    let disabled = crate::spec::ProxyChange { enabled: Some(false), ..Default::default() };
    soon(bed.proxies.change("p", disabled)).await.unwrap();
    assert!(bed.proxies.connections().is_empty());
    drop(client);
}

/// Whoever looks while a proxy is deleted sees its counters or those that outlive it, never neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_never_go_back_while_proxies_come_and_go() {
    let bed = Bed::new().await;
    let upstream = bed.upstream.local_addr().unwrap().to_string();
    let (mut sent, mut seen) = (0, 0);
    for _ in 0..50 {
        let listen = bed.proxies.create(super::spec_named("q", &upstream)).await.unwrap().listen;
        let mut client = tokio::net::TcpStream::connect(listen).await.unwrap();
        let (mut server, _) = soon(bed.upstream.accept()).await.unwrap();
        send(&mut client, b"ten bytes.").await;
        receive(&mut server, b"ten bytes.").await;
        sent += 10;
        let proxies = bed.proxies.clone();
        let deleting = tokio::spawn(async move { proxies.delete("q").await });
        while !deleting.is_finished() {
            let now: u64 = bed.proxies.flows().iter().map(|flow| flow.up.received).sum();
            assert!(now >= seen && now >= sent, "{now} after {seen}");
            seen = now;
        }
        soon(deleting).await.unwrap().unwrap();
    }
    let all: u64 = bed.proxies.flows().iter().map(|flow| flow.up.received).sum();
    assert_eq!(all, sent);
}
