//! Seeds over sockets: the built command meets the same traffic again, in the same process and in another, and makes the
//! same choices on connections that run in parallel.

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{
    echo::Echo,
    server::{CAP, Server},
};

/// Connections that run at the same time.
const CONNECTIONS: usize = 24;

/// Bytes that each of them sends, in pieces of any size.
const BYTES: usize = 20_000;

/// What is seen from outside: what came back on each connection.
type Seen = Vec<Vec<u8>>;

/// What is seen of one run: bytes as they came back, and what the tape says of who was cut, by connection.
type Run = (Seen, Vec<Value>);

/// A proxy whose toxics choose: whether a connection is cut, and which bits of it are flipped either way.
async fn proxy(server: &mut Server, upstream: &str) -> String {
    let toxics = json!([
        {"type": "limit_data", "name": "cut", "toxicity": 0.5, "attributes": {"bytes": 7000}},
        {"type": "corrupt", "name": "up", "stream": "upstream", "toxicity": 0.7, "attributes": {"rate": 0.0005}},
        {"type": "corrupt", "name": "down", "attributes": {"rate": 0.0005}},
    ]);
    let body = json!({"name": "p", "listen": "127.0.0.1:0", "upstream": upstream, "toxics": toxics});
    let made = server.ask("POST", "/proxies", &body.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let made: Value = serde_json::from_str(&made.body).unwrap();
    made["listen"].as_str().unwrap().to_owned()
}

/// The same bytes on every connection, all at once. `pieces` is how many bytes are written at a time.
async fn traffic(server: &mut Server, pieces: usize) -> Run {
    let echo = Echo::new().await;
    let before = server.ask("GET", "/x/tape", "").await.body;
    let before: Value = serde_json::from_str(&before).unwrap();
    let listen = proxy(server, &echo.address).await;
    let mut streams = Vec::new();
    for number in 0..CONNECTIONS {
        // One after the other, so that they are numbered in this order.
        streams.push(TcpStream::connect(&listen).await.unwrap());
        let begun = std::time::Instant::now();
        while server.ask("GET", "/x/connections", "").await.body.matches("\"connection\":").count() <= number
        {
            assert!(begun.elapsed() < CAP, "connection {number} is not accepted");
        }
    }
    let carried = streams.into_iter().map(async |stream| {
        let (mut read, mut write) = stream.into_split();
        let bytes: Vec<u8> = (0..BYTES).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect();
        let sending = async {
            for piece in bytes.chunks(pieces) {
                // One that is cut takes no more.
                if write.write_all(piece).await.is_err() {
                    break;
                }
            }
            let _ = write.shutdown().await;
        };
        let mut back = Vec::new();
        let receiving = async { read.read_to_end(&mut back).await.map(|_| ()) };
        let (_, _) = tokio::join!(sending, receiving);
        back
    });
    let seen = timeout(CAP, join_all(carried)).await.expect("every connection ends");
    assert_eq!(server.ask("DELETE", "/proxies/p", "").await.status, 204);
    let tape = server.ask("GET", &format!("/x/tape?after={}", before["last"]), "").await.body;
    let tape: Value = serde_json::from_str(&tape).unwrap();
    (seen, choices(&tape))
}

/// Who was cut by which toxic, and where. How other faults are gathered into lines depends on when bytes came; what they
/// did is compared where it arrives.
fn choices(tape: &Value) -> Vec<Value> {
    let cuts = tape["entries"].as_array().unwrap().iter().filter(|entry| entry["effect"] == "closed");
    let mut cuts: Vec<Value> = cuts
        .map(|entry| json!([entry["connection"], entry["direction"], entry["toxic"], entry["offset"]]))
        .collect();
    cuts.sort_by_key(|cut| cut[0].as_u64());
    cuts
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_makes_the_same_choices_again_and_after_a_restart_and_another_does_not() {
    let mut server = Server::ours(&["-seed", "11"]).await;
    let first = traffic(&mut server, 1000).await;
    // Both faces of the coin and many flips, else nothing is shown.
    let (seen, cuts) = &first;
    assert!(cuts.len() > CONNECTIONS / 8 && cuts.len() < CONNECTIONS - CONNECTIONS / 8, "{cuts:?}");
    assert!(seen.iter().all(|back| back.len() == 7000 || back.len() == BYTES), "bytes are missing");
    assert_eq!(seen.iter().filter(|back| back.len() == 7000).count(), cuts.len());

    // In other pieces: the choices are the bytes', not the moment's.
    assert_eq!(traffic(&mut server, 333).await, first, "in the same process");
    let mut other = Server::ours(&["-seed", "12"]).await;
    let others = traffic(&mut other, 1000).await;
    assert!(others.0 != first.0 && others.1 != first.1, "another seed makes the same choices");

    assert_eq!(other.ask("PUT", "/x/seed", r#"{"seed":11}"#).await.status, 200);
    assert_eq!(traffic(&mut other, 1000).await, first, "where the seed was set");
    drop((server, other));
    let mut restarted = Server::ours(&["-seed", "11"]).await;
    assert_eq!(traffic(&mut restarted, 5000).await, first, "after a restart");
}
