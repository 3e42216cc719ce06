//! What lies between the client and the server: TLS or none, nothing or the fault proxy.

use anyhow::Result;
use criterion::Throughput;

use crate::{
    measure::{Bench, Place, size},
    plain::{self, Plain},
    values::Client,
};

/// What each way costs.
pub(crate) fn paths(bench: &mut Bench) {
    let says =
        "GET over TLS and in plaintext, each straight to the server and through the fault proxy; one client";
    let mut group = bench.group("cache/paths", says);
    for bytes in [64, 64 * 1024] {
        for (name, tls, proxied) in [
            ("tls-direct", true, false),
            ("tls-fault-proxy", true, true),
            ("plain-direct", false, false),
            ("plain-fault-proxy", false, true),
        ] {
            group.figure(
                format!("{name}/{}", size(bytes)),
                Throughput::Bytes(bytes as u64),
                async |place| connect(place, tls, proxied, bytes).await,
                async |(client, _), times| client.gets(times).await,
            );
        }
    }
    group.finish();
}

async fn connect(place: &Place, tls: bool, proxied: bool, bytes: usize) -> Result<(Client, Option<Plain>)> {
    let (access, plain) = match (tls, proxied) {
        (true, false) => (place.direct.clone(), None),
        (true, true) => (place.proxied.clone(), None),
        (false, _) => {
            let (access, plain) = plain::start(place, proxied).await?;
            (access, Some(plain))
        }
    };
    Ok((Client::connect(&access, 1, bytes).await?, plain))
}
