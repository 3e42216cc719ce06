//! Random bytes through random chains that change all the time: what arrives is what was sent, in order; all of it where
//! no toxic may cut, a prefix of it where one may; and nothing stalls when the toxics ask for milliseconds.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
};

use super::{Bed, noise, soon, toxic};
use crate::{
    Error,
    seed::{Randomness, Seed},
    spec::{Direction, ToxicChange, ToxicSpec},
};

/// Most bytes of a way.
const MOST: i64 = 400_000;

/// A toxic that keeps every byte, with random numbers that ask for a few milliseconds at most.
fn kind(of: &mut Randomness, cutting: bool) -> ToxicSpec {
    let stream = ["upstream", "downstream", "both"][pick(of, 3)];
    let mut spec = match of.between(0, if cutting { 8 } else { 6 }) {
        0 => toxic("latency", stream, &[("latency", of.between(-1, 6)), ("jitter", of.between(0, 6))]),
        1 => toxic("bandwidth", stream, &[("rate", of.between(20_000, 1_000_000))]),
        2 => {
            let numbers = [
                ("average_size", of.between(0, 9_000)),
                ("size_variation", of.between(0, 9_000)),
                ("delay", of.between(0, 60)),
            ];
            toxic("slicer", stream, &numbers)
        }
        3 => toxic("slow_close", stream, &[("delay", of.between(0, 6))]),
        4 => toxic("noop", stream, &[]),
        // Far more than flows.
        5 => toxic("limit_data", stream, &[("bytes", 1 << 40)]),
        6 => toxic("limit_data", stream, &[("bytes", of.between(0, MOST))]),
        _ => toxic("reset_peer", stream, &[("timeout", of.between(0, 6))]),
    };
    spec.toxicity = [1.0, 1.0, 0.5, 0.0][pick(of, 4)];
    spec
}

fn pick(of: &mut Randomness, among: i64) -> usize {
    usize::try_from(of.between(0, among)).unwrap()
}

/// Adds, changes and removes toxics without end.
async fn change(bed: &Bed, mut names: Vec<String>, of: &mut Randomness, cutting: bool) {
    loop {
        let spec = kind(of, cutting);
        match of.between(0, 3) {
            0 if names.len() < 4 => {
                let name = spec.name.clone();
                match bed.proxies.add_toxic("p", spec).await {
                    Ok(_) => names.push(name),
                    Err(error) => assert_eq!(error, Error::ToxicExists),
                }
            }
            1 if !names.is_empty() => {
                let name = names.swap_remove(pick(of, i64::try_from(names.len()).unwrap()));
                bed.proxies.remove_toxic("p", &name).await.unwrap();
            }
            _ => {
                if names.contains(&spec.name) {
                    let change = ToxicChange {
                        attributes: Some(spec.attributes),
                        toxicity: Some(spec.toxicity),
                        trigger: None,
                    };
                    bed.proxies.change_toxic("p", &spec.name, change).await.unwrap();
                }
            }
        }
        tokio::time::sleep(std::time::Duration::from_micros(of.bits() % 3_000)).await;
    }
}

/// Sends all, in pieces of random sizes, then the end.
async fn write(mut to: OwnedWriteHalf, bytes: Vec<u8>, mut of: Randomness) -> OwnedWriteHalf {
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let most = [1, 100, 5_000, 200_000][pick(&mut of, 4)];
        let (piece, after) = rest.split_at(pick(&mut of, most).max(1).min(rest.len()));
        rest = after;
        // A toxic may have cut the connection.
        if to.write_all(piece).await.is_err() {
            return to;
        }
    }
    let _ = to.shutdown().await;
    to
}

/// What arrives, until the end or a reset.
async fn read(mut from: OwnedReadHalf) -> Vec<u8> {
    let mut got = Vec::new();
    let _ = from.read_to_end(&mut got).await;
    got
}

async fn round(seed: u64) {
    let stream = |what| Seed(seed).stream("chaos", seed, Direction::Upstream, what);
    let mut of = stream("changes");
    let cutting = seed.is_multiple_of(3);
    // Half of the rounds begin with a toxic that the connection meets when it is made.
    let first = (of.unit() < 0.5).then(|| kind(&mut of, cutting));
    let names = first.iter().map(|toxic| toxic.name.clone()).collect();
    let bed = Bed::with(false, first.into_iter().collect()).await;
    let (client, server) = bed.pair().await;
    let up = noise(seed, pick(&mut of, MOST));
    let down = noise(seed + 1_000, pick(&mut of, MOST));
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let flow = async {
        tokio::join!(
            write(client_write, up.clone(), stream("up")),
            write(server_write, down.clone(), stream("down")),
            read(server_read),
            read(client_read),
        )
    };
    let (_, _, got_up, got_down) = tokio::select! {
        flown = soon(flow) => flown,
        () = change(&bed, names, &mut of, cutting) => panic!("changes have no end"),
    };
    for (sent, got) in [(&up, &got_up), (&down, &got_down)] {
        assert!(sent.starts_with(got), "seed {seed}: other bytes than were sent");
        assert!(cutting || got.len() == sent.len(), "seed {seed}: {} of {}", got.len(), sent.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_through_random_chains_under_random_changes_arrive_in_order() {
    for seed in 0..24 {
        round(seed).await;
    }
}

/// The most that is on the tape of one chunk, by a slicer that cuts what is larger.
async fn cut_above(bytes: i64) -> bool {
    let bed = Bed::with(false, vec![toxic("slicer", "upstream", &[("average_size", bytes)])]).await;
    let (mut client, mut server) = bed.pair().await;
    let sent = noise(6, 8 << 20);
    let sending = async {
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
    };
    let mut got = Vec::new();
    let (_, read) = soon(async { tokio::join!(sending, server.read_to_end(&mut got)) }).await;
    read.unwrap();
    assert!(got == sent);
    !bed.proxies.tape().after(0).is_empty()
}

/// Toxiproxy's number: what acts on whole chunks, as `packet_loss` does, acts on as many bytes.
#[tokio::test]
async fn a_chunk_has_32_kib_at_most_and_in_bulk_as_many() {
    assert!(!cut_above(32 * 1024).await);
    assert!(cut_above(32 * 1024 - 1).await);
}
