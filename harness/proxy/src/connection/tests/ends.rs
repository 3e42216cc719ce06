//! How connections begin and end: FIN or RST, half or whole, as the peers see it.

use std::io::ErrorKind;

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpSocket, TcpStream},
};

use super::{Bed, ends_with_fin, ends_with_rst, noise, receive, rest, send, soon, spec, toxic};
use crate::{
    connection::dial,
    proxies::{Proxies, Settings},
    seed::Seed,
    spec::{ProxyChange, ProxySpec},
    tape::Effect,
};

#[tokio::test]
async fn the_end_of_one_way_is_passed_on_and_the_other_stays_open() {
    let bed = Bed::new().await;
    let (mut client, mut server) = bed.pair().await;
    send(&mut client, b"last words").await;
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut server).await, (b"last words".to_vec(), None));
    send(&mut server, b"a late answer").await;
    receive(&mut client, b"a late answer").await;
    drop(server);
    ends_with_fin(&mut client).await;

    let (mut client, mut server) = bed.pair().await;
    server.shutdown().await.unwrap();
    ends_with_fin(&mut client).await;
    send(&mut client, b"still here").await;
    drop(client);
    assert_eq!(rest(&mut server).await, (b"still here".to_vec(), None));
}

#[tokio::test]
async fn the_end_of_one_way_closes_the_connection_whole_where_that_is_asked_for() {
    let bed = Bed::with(true, Vec::new()).await;
    let (mut client, mut server) = bed.pair().await;
    client.shutdown().await.unwrap();
    ends_with_fin(&mut server).await;
    ends_with_fin(&mut client).await;
}

#[tokio::test]
async fn a_reset_by_one_peer_reaches_the_other_as_one_after_what_was_sent_before() {
    let bed = Bed::new().await;
    let (client, mut server) = bed.pair().await;
    let mut client = client;
    send(&mut client, b"before").await;
    receive(&mut server, b"before").await;
    client.set_zero_linger().unwrap();
    drop(client);
    ends_with_rst(&mut server).await;

    let (mut client, mut server) = bed.pair().await;
    send(&mut server, b"before").await;
    receive(&mut client, b"before").await;
    server.set_zero_linger().unwrap();
    drop(server);
    ends_with_rst(&mut client).await;
}

#[tokio::test]
async fn reset_peer_resets_both_ends_of_a_connection_that_is_older_than_it() {
    let bed = Bed::new().await;
    let (mut client, mut server) = bed.pair().await;
    send(&mut client, b"old").await;
    receive(&mut server, b"old").await;
    bed.add(toxic("reset_peer", "upstream", &[])).await;
    send(&mut client, b"lost").await;
    ends_with_rst(&mut client).await;
    ends_with_rst(&mut server).await;
    assert!(bed.proxies.tape().after(0).iter().any(|entry| entry.effect == Effect::Reset));
}

#[tokio::test]
async fn reset_peer_resets_both_ends_of_a_connection_that_is_newer_than_it() {
    for stream in ["upstream", "downstream"] {
        let bed = Bed::with(false, vec![toxic("reset_peer", stream, &[])]).await;
        let (mut client, mut server) = bed.pair().await;
        let from = if stream == "upstream" { &mut client } else { &mut server };
        send(from, b"lost").await;
        ends_with_rst(&mut client).await;
        ends_with_rst(&mut server).await;
    }
}

#[tokio::test]
async fn nothing_is_reset_where_the_coin_says_no() {
    let mut spared = toxic("reset_peer", "upstream", &[]);
    spared.toxicity = 0.0;
    let bed = Bed::with(false, vec![spared]).await;
    let (mut client, mut server) = bed.pair().await;
    send(&mut client, b"safe").await;
    receive(&mut server, b"safe").await;
    client.shutdown().await.unwrap();
    ends_with_fin(&mut server).await;
    drop(server);
    ends_with_fin(&mut client).await;
    assert!(bed.proxies.tape().after(0).is_empty());
}

#[tokio::test]
async fn a_toxic_that_closes_is_a_fin_to_both_ends_even_with_bytes_unread() {
    let bed = Bed::with(false, vec![toxic("limit_data", "downstream", &[("bytes", 4)])]).await;
    let (mut client, mut server) = bed.pair().await;
    send(&mut server, b"more than four").await;
    assert_eq!(rest(&mut client).await, (b"more".to_vec(), None));
    ends_with_fin(&mut server).await;
}

#[tokio::test]
async fn disabling_and_deleting_end_connections_by_fin_and_refuse_new_ones() {
    let bed = Bed::with(false, vec![toxic("bandwidth", "both", &[("rate", 0)])]).await;
    let (mut client, mut server) = bed.pair().await;
    // Nothing passes, so that the proxy's sockets hold bytes that were not read.
    send(&mut client, &noise(1, 100_000)).await;
    send(&mut server, &noise(2, 100_000)).await;
    let disabled = ProxyChange { enabled: Some(false), ..ProxyChange::default() };
    soon(bed.proxies.change("p", disabled)).await.unwrap();
    assert!(bed.proxies.connections().is_empty());
    ends_with_fin(&mut client).await;
    ends_with_fin(&mut server).await;
    assert_eq!(TcpStream::connect(bed.listen).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);

    let enabled = ProxyChange { enabled: Some(true), ..ProxyChange::default() };
    soon(bed.proxies.change("p", enabled)).await.unwrap();
    bed.remove("bandwidth").await;
    let (mut client, mut server) = bed.pair().await;
    soon(bed.proxies.delete("p")).await.unwrap();
    ends_with_fin(&mut client).await;
    ends_with_fin(&mut server).await;
    assert_eq!(TcpStream::connect(bed.listen).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

/// What asks for other addresses.
async fn readdress(bed: &Bed, by_list: bool, listen: &str, upstream: &str) {
    if by_list {
        let spec = ProxySpec { listen: listen.into(), ..spec(upstream, Vec::new()) };
        let populated = soon(bed.proxies.populate(vec![spec], false)).await;
        assert!(populated.error.is_none(), "{:?}", populated.error);
    } else {
        let (listen, upstream) = (Some(listen.to_owned()), Some(upstream.to_owned()));
        let change = ProxyChange { listen, upstream, ..ProxyChange::default() };
        soon(bed.proxies.change("p", change)).await.unwrap();
    }
}

/// By a list as by a change.
#[tokio::test]
async fn another_upstream_or_listener_ends_connections_by_fin_and_the_same_one_does_not() {
    for by_list in [true, false] {
        let mut bed = Bed::new().await;
        let (listen, home) = (bed.listen.to_string(), bed.upstream.local_addr().unwrap().to_string());
        let (mut client, mut server) = bed.pair().await;
        readdress(&bed, by_list, &listen, &home).await;
        send(&mut client, b"still open").await;
        receive(&mut server, b"still open").await;

        let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let elsewhere = away.local_addr().unwrap().to_string();
        readdress(&bed, by_list, &listen, &elsewhere).await;
        ends_with_fin(&mut client).await;
        ends_with_fin(&mut server).await;
        bed.upstream = away;
        let (mut client, mut server) = bed.pair().await;

        readdress(&bed, by_list, "127.0.0.1:0", &elsewhere).await;
        ends_with_fin(&mut client).await;
        ends_with_fin(&mut server).await;
        assert_eq!(TcpStream::connect(bed.listen).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        bed.listen = bed.proxies.get("p").unwrap().listen.parse().unwrap();
        bed.pair().await;
    }
}

#[tokio::test]
async fn an_upstream_that_refuses_closes_the_client_at_once() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap().to_string();
    drop(gone);
    let proxies = Proxies::new(Settings { seed: Seed(7), whole_close: false });
    let view = proxies.create(spec(&address, Vec::new())).await.unwrap();
    let mut client = TcpStream::connect(&view.listen).await.unwrap();
    ends_with_fin(&mut client).await;
}

/// A listener whose queue is full, so that dialling it waits.
async fn full() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    loop {
        let brief = std::time::Duration::from_millis(200);
        match tokio::time::timeout(brief, TcpStream::connect(address)).await {
            Ok(stream) => waiting.push(stream.unwrap()),
            Err(_) => return (listener, waiting),
        }
    }
}

#[tokio::test]
async fn an_upstream_that_never_accepts_is_waited_for_a_while_only_and_never_by_a_delete() {
    let (listener, _waiting) = full().await;
    let upstream = listener.local_addr().unwrap().to_string();
    let limit = std::time::Duration::from_millis(20);
    assert_eq!(soon(dial(&upstream, limit)).await.unwrap_err().kind(), ErrorKind::TimedOut);

    let proxies = Proxies::new(Settings { seed: Seed(7), whole_close: false });
    let view = proxies.create(spec(&upstream, Vec::new())).await.unwrap();
    let mut client = TcpStream::connect(&view.listen).await.unwrap();
    while proxies.connections().is_empty() {
        tokio::task::yield_now().await;
    }
    soon(proxies.delete("p")).await.unwrap();
    ends_with_fin(&mut client).await;
}

#[tokio::test]
async fn refuse_resets_the_client_and_dials_nobody() {
    let bed = Bed::with(false, vec![toxic("refuse", "both", &[])]).await;
    let mut client = TcpStream::connect(bed.listen).await.unwrap();
    ends_with_rst(&mut client).await;
    // The next one to be accepted is the first that was dialled.
    bed.remove("refuse").await;
    let (mut client, mut server) = bed.pair().await;
    send(&mut client, b"second").await;
    receive(&mut server, b"second").await;
    let tape = bed.proxies.tape().after(0);
    assert_eq!(tape.iter().map(|entry| entry.connection).collect::<Vec<_>>(), [1]);
}
