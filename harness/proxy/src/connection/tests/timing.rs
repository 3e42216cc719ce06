//! How long toxics take on sockets: no byte and no end comes before its time, in the order in which they were sent, and a
//! change lets go at once of what was held. To the millisecond they are measured in virtual time, beside each toxic.

use std::time::{Duration, Instant};

use tokio::{io::AsyncReadExt as _, net::TcpStream};

use super::{Bed, ends_with_fin, noise, receive, rest, send, soon, toxic};
use crate::{
    spec::{ToxicChange, ToxicSpec},
    tape::Effect,
    toxics::Value,
};

const HOUR: i64 = 3_600_000;

/// As long as a change may take at the most.
const AT_ONCE: Duration = Duration::from_millis(5);

/// Changes that are timed: the machine, which others use too, need not be quiet for more than one of them.
const TRIES: usize = 100;

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// A kind with its numbers.
type Given<'a> = (&'a str, &'a [(&'a str, i64)]);

/// A connection through these toxics, down from the server; the first is called `0`.
async fn down(toxics: &[Given<'_>]) -> (Bed, TcpStream, TcpStream) {
    let named = toxics.iter().enumerate().map(|(number, (kind, numbers))| {
        let spec = toxic(kind, "downstream", numbers);
        ToxicSpec { name: number.to_string(), ..spec }
    });
    let bed = Bed::with(false, named.collect()).await;
    let (client, server) = bed.pair().await;
    (bed, client, server)
}

/// When the first so many bytes were there, for each of these counts, from now on.
async fn arrivals(stream: &mut TcpStream, bytes: &[u8], counts: &[usize]) -> Vec<Duration> {
    let (began, mut got) = (Instant::now(), vec![0; bytes.len()]);
    let (mut from, mut times) = (0, Vec::new());
    for count in counts {
        soon(stream.read_exact(&mut got[from..*count])).await.unwrap();
        times.push(began.elapsed());
        from = *count;
    }
    assert!(got == bytes, "in order and whole");
    times
}

#[tokio::test]
async fn latencies_hold_chunks_for_their_sum() {
    for (toxics, least) in [
        (&[("latency", &[("latency", 300)][..])][..], 300),
        (&[("latency", &[("latency", 200)][..]), ("latency", &[("latency", 200)][..])][..], 400),
    ] {
        let (_bed, mut client, mut server) = down(toxics).await;
        let began = Instant::now();
        send(&mut server, b"late").await;
        receive(&mut client, b"late").await;
        assert!(began.elapsed() >= millis(least), "{:?} of {least}", began.elapsed());
    }
}

#[tokio::test]
async fn bandwidth_lets_no_byte_out_before_its_turn() {
    let (_bed, mut client, mut server) = down(&[("bandwidth", &[("rate", 100)])]).await;
    let bytes = noise(9, 100_000);
    let sent = bytes.clone();
    let began = Instant::now();
    let sending = tokio::spawn(async move {
        send(&mut server, &sent).await;
        server
    });
    let times = arrivals(&mut client, &bytes, &[1, 50_000, 100_000]).await;
    // The first byte of a piece comes with the piece, which is what 100 ms hold.
    for (time, least) in times.iter().zip([95, 450, 950]) {
        assert!(*time >= millis(least), "{times:?}");
    }
    assert!(began.elapsed() >= *times.last().unwrap());
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn a_slicer_waits_after_each_piece() {
    let numbers = [("average_size", 10), ("size_variation", 0), ("delay", 20_000)];
    let (bed, mut client, mut server) = down(&[("slicer", &numbers)]).await;
    let bytes = noise(8, 40);
    let began = Instant::now();
    send(&mut server, &bytes).await;
    arrivals(&mut client, &bytes[..10], &[10]).await;
    for piece in 1..4 {
        receive(&mut client, &bytes[piece * 10..(piece + 1) * 10]).await;
        assert!(began.elapsed() >= millis(20) * u32::try_from(piece).unwrap(), "piece {piece}");
    }
    let tape = bed.proxies.tape().after(0);
    assert!(tape.iter().any(|entry| entry.effect == Effect::Sliced(4)), "{tape:?}");
}

#[tokio::test]
async fn limits_and_closes_end_connections_when_they_should() {
    let (_bed, mut client, mut server) = down(&[("limit_data", &[("bytes", 5)])]).await;
    send(&mut server, b"0123456789").await;
    assert_eq!(rest(&mut client).await, (b"01234".to_vec(), None));

    let (_bed, mut client, server) = down(&[("slow_close", &[("delay", 500)])]).await;
    let began = Instant::now();
    drop(server);
    ends_with_fin(&mut client).await;
    assert!(began.elapsed() >= millis(500));

    let began = Instant::now();
    let (_bed, mut client, _server) = down(&[("timeout", &[("timeout", 500)])]).await;
    ends_with_fin(&mut client).await;
    assert!(began.elapsed() >= millis(500));
}

/// Something that is held for an hour, at the client that waits for it.
async fn held(kind: &str, number: &str, bytes: &[u8]) -> (Bed, TcpStream, TcpStream) {
    let (bed, client, mut server) = down(&[(kind, &[(number, HOUR)])]).await;
    if bytes.is_empty() {
        tokio::io::AsyncWriteExt::shutdown(&mut server).await.unwrap();
    } else {
        send(&mut server, bytes).await;
    }
    // On the tape is what has come to the toxic.
    while bed.proxies.tape().after(0).is_empty() {
        tokio::task::yield_now().await;
    }
    let nothing = client.try_read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock, "{kind} holds it");
    (bed, client, server)
}

/// The least that it takes from asking for a change until what was held is there.
async fn least(kind: &str, number: &str, bytes: &[u8], by_update: bool) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..TRIES {
        let (bed, mut client, _server) = held(kind, number, bytes).await;
        let mut attributes = toxic(kind, "downstream", &[]).attributes;
        attributes.set(number, Value::Integer(0));
        let began = Instant::now();
        if by_update {
            let change = ToxicChange { attributes: Some(attributes), ..ToxicChange::default() };
            soon(bed.proxies.change_toxic("p", "0", change)).await.unwrap();
        } else {
            bed.remove("0").await;
        }
        if bytes.is_empty() {
            ends_with_fin(&mut client).await
        } else {
            receive(&mut client, bytes).await
        }
        least = least.min(began.elapsed());
        if least < AT_ONCE {
            break;
        }
    }
    least
}

#[tokio::test]
async fn what_a_toxic_holds_leaves_at_once_when_it_is_removed_or_lets_go() {
    for by_update in [false, true] {
        for (kind, number, bytes) in [("latency", "latency", &b"held"[..]), ("slow_close", "delay", b"")] {
            let least = least(kind, number, bytes, by_update).await;
            assert!(least < AT_ONCE, "{kind}, by an update: {by_update}: {least:?}");
        }
    }
}
