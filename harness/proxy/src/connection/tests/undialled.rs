//! `half_open` and `blackhole` as both peers see them: who is dialled, who is closed and who is let go.

use std::{io::ErrorKind, time::Duration};

use rustix::net::sockopt::socket_keepalive;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

use super::{Bed, ends_with_fin, noise, receive, rest, send, soon, spec, toxic};
use crate::{
    connection::wire,
    proxies::{Proxies, Settings},
    seed::Seed,
    spec::ProxyChange,
    tape::Effect,
};

/// Waits until it is so.
async fn until(so: impl Fn() -> bool) {
    let waiting = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    soon(waiting).await;
}

fn effects(bed: &Bed) -> Vec<Effect> {
    bed.proxies.tape().after(0).into_iter().map(|entry| entry.effect).collect()
}

/// How many bytes the tape says were dropped.
fn dropped(proxies: &Proxies) -> usize {
    let entries = proxies.tape().after(0);
    entries.iter().filter(|entry| entry.effect == Effect::Dropped).map(|entry| entry.bytes).sum()
}

fn open(bed: &Bed) -> usize {
    bed.proxies.connections().len()
}

fn is_quiet(stream: &TcpStream) -> bool {
    stream.try_read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[tokio::test]
async fn half_open_keeps_the_client_undialled_until_it_is_removed() {
    let bed = Bed::with(false, vec![toxic("half_open", "both", &[])]).await;
    let mut client = TcpStream::connect(bed.listen).await.unwrap();
    send(&mut client, b"anybody there").await;
    while bed.proxies.tape().after(0).is_empty() {
        tokio::task::yield_now().await;
    }
    let toxics = bed.proxies.connections().pop().unwrap().toxics;
    assert!(toxics.iter().any(|name| name.as_ref() == "half_open"));
    bed.remove("half_open").await;
    let (mut server, _) = soon(bed.upstream.accept()).await.unwrap();
    receive(&mut server, b"anybody there").await;
}

#[tokio::test]
async fn half_open_lets_go_of_a_client_that_resets_and_never_dials_for_it() {
    let bed = Bed::with(false, vec![toxic("half_open", "both", &[])]).await;
    let client = TcpStream::connect(bed.listen).await.unwrap();
    let mut staying = TcpStream::connect(bed.listen).await.unwrap();
    while bed.proxies.connections().len() < 2 {
        tokio::task::yield_now().await;
    }
    client.set_zero_linger().unwrap();
    drop(client);
    while bed.proxies.connections().len() > 1 {
        tokio::task::yield_now().await;
    }
    bed.remove("half_open").await;
    // The first that the upstream meets is the one that stayed.
    send(&mut staying, b"still here").await;
    let (mut server, _) = soon(bed.upstream.accept()).await.unwrap();
    receive(&mut server, b"still here").await;
}

#[tokio::test]
async fn half_open_keeps_a_client_that_ended_its_half_since_it_may_await_an_answer() {
    let bed = Bed::with(false, vec![toxic("half_open", "both", &[])]).await;
    let mut client = TcpStream::connect(bed.listen).await.unwrap();
    send(&mut client, b"all I have to say").await;
    client.shutdown().await.unwrap();
    until(|| !bed.proxies.tape().after(0).is_empty()).await;
    bed.remove("half_open").await;
    let (mut server, _) = soon(bed.upstream.accept()).await.unwrap();
    assert_eq!(rest(&mut server).await, (b"all I have to say".to_vec(), None));
    send(&mut server, b"the answer").await;
    receive(&mut client, b"the answer").await;
}

#[tokio::test]
async fn a_disabled_half_open_ends_its_clients_by_fin() {
    let bed = Bed::with(false, vec![toxic("half_open", "both", &[])]).await;
    let mut client = TcpStream::connect(bed.listen).await.unwrap();
    send(&mut client, b"never read").await;
    until(|| open(&bed) == 1).await;
    let disabled = ProxyChange { enabled: Some(false), ..ProxyChange::default() };
    soon(bed.proxies.change("p", disabled)).await.unwrap();
    ends_with_fin(&mut client).await;
}

/// Three streams, since what a black hole does to who connects is not a matter of a way.
#[tokio::test]
async fn a_blackhole_needs_no_upstream_swallows_megabytes_and_never_closes() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = gone.local_addr().unwrap().to_string();
    drop(gone);
    for stream in ["downstream", "upstream", "both"] {
        let proxies = Proxies::new(Settings { seed: Seed(7), whole_close: false });
        let view = proxies.create(spec(&upstream, vec![toxic("blackhole", stream, &[])])).await.unwrap();
        let mut client = TcpStream::connect(&view.listen).await.unwrap();
        // More than any socket buffers.
        let bytes = noise(6, 16 << 20);
        send(&mut client, &bytes).await;
        client.shutdown().await.unwrap();
        until(|| dropped(&proxies) == bytes.len()).await;
        assert!(is_quiet(&client), "{stream}");
        let open = proxies.connections();
        assert_eq!((open.len(), open[0].up.received), (1, 16 << 20), "{stream}");
        assert_eq!(open[0].toxics[0].as_ref(), "blackhole");
    }
}

#[tokio::test]
async fn a_blackhole_dials_nobody_until_it_is_removed() {
    let bed = Bed::with(false, vec![toxic("blackhole", "downstream", &[])]).await;
    let mut talker = TcpStream::connect(bed.listen).await.unwrap();
    send(&mut talker, b"lost").await;
    let mut silent = TcpStream::connect(bed.listen).await.unwrap();
    until(|| dropped(&bed.proxies) == 4 && open(&bed) == 2).await;
    bed.remove("blackhole").await;
    // Whose bytes were swallowed is closed; who has said nothing is the first that the upstream meets.
    ends_with_fin(&mut talker).await;
    assert!(effects(&bed).contains(&Effect::Closed));
    let (mut server, _) = soon(bed.upstream.accept()).await.unwrap();
    send(&mut silent, b"heard").await;
    receive(&mut server, b"heard").await;
}

#[tokio::test]
async fn a_blackhole_lets_go_of_a_client_that_resets_also_after_it_has_ended_its_half() {
    let bed = Bed::with(false, vec![toxic("blackhole", "both", &[])]).await;
    for half in [false, true] {
        let mut client = TcpStream::connect(bed.listen).await.unwrap();
        send(&mut client, b"lost").await;
        until(|| open(&bed) == 1).await;
        if half {
            client.shutdown().await.unwrap();
        }
        client.set_zero_linger().unwrap();
        drop(client);
        until(|| open(&bed) == 0).await;
    }
}

#[tokio::test]
async fn a_blackhole_on_an_open_connection_lets_go_once_both_peers_have_ended_and_not_before() {
    for resets in [false, true] {
        let bed = Bed::new().await;
        let (mut client, mut server) = bed.pair().await;
        send(&mut client, b"before").await;
        receive(&mut server, b"before").await;
        bed.add(toxic("blackhole", "both", &[])).await;
        send(&mut client, b"lost").await;
        send(&mut server, b"lost").await;
        until(|| dropped(&bed.proxies) == 8).await;
        if resets {
            client.set_zero_linger().unwrap();
            server.set_zero_linger().unwrap();
        }
        drop(client);
        until(|| effects(&bed).contains(&Effect::Held)).await;
        // The server is not told, nor is anything closed.
        assert!(is_quiet(&server));
        assert_eq!(open(&bed), 1);
        drop(server);
        until(|| open(&bed) == 0).await;
    }
}

#[tokio::test]
async fn a_blackhole_on_one_way_of_an_open_connection_leaves_the_other_as_it_is() {
    let bed = Bed::new().await;
    let (mut client, mut server) = bed.pair().await;
    send(&mut client, b"before").await;
    receive(&mut server, b"before").await;
    bed.add(toxic("blackhole", "downstream", &[])).await;
    send(&mut client, b"asked").await;
    receive(&mut server, b"asked").await;
    send(&mut server, b"the lost answer").await;
    drop(server);
    until(|| effects(&bed).contains(&Effect::Held)).await;
    assert!(is_quiet(&client));
    drop(client);
    until(|| open(&bed) == 0).await;
}

#[tokio::test]
async fn a_blackhole_opens_after_so_many_bytes_of_a_connection_that_was_dialled() {
    let mut late = toxic("blackhole", "upstream", &[]);
    late.trigger.after_bytes = Some(4);
    late.trigger.check(late.kind).unwrap();
    let bed = Bed::with(false, vec![late]).await;
    let (mut client, mut server) = bed.pair().await;
    send(&mut client, b"passlost").await;
    receive(&mut server, b"pass").await;
    until(|| dropped(&bed.proxies) == 4).await;
    assert!(is_quiet(&server));
}

#[tokio::test]
async fn the_kernel_asks_a_silent_peer_whether_it_is_still_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    assert!(!socket_keepalive(&client).unwrap());
    wire::ask_now_and_then(&client);
    assert!(socket_keepalive(&client).unwrap());
    let idle = rustix::net::sockopt::tcp_keepidle(&client).unwrap();
    assert!(idle <= Duration::from_secs(10));
}
