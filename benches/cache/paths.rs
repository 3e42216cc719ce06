//! What lies between a client and the server: TLS or none, nothing or the fault proxy.
//!
//! The stand-in has no port without TLS, and gets none for this. What is called plain is a link as to a TLS terminator beside
//! the app: plaintext to a relay in this process, which speaks TLS with the server. The same relay is measured with the
//! client's own TLS passed through it, so that the hop is told apart from what TLS costs.

use std::{net::Ipv4Addr, sync::Arc};

use anyhow::{Context as _, Result};
use bulkhead_model::Service;
use bulkhead_target::{Detour, Disguise, TenantAccess, clients::tls};
use criterion::Throughput;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use crate::{
    measure::{Bench, Place, size},
    values::Client,
};

/// A way to the server.
#[derive(Clone, Copy)]
enum Path {
    /// TLS, with nothing between.
    Direct,
    /// TLS through the fault proxy, with no fault on.
    Proxied,
    /// TLS through the relay.
    Relayed,
    /// Plaintext to the relay, which speaks TLS with the server.
    Plain,
}

/// What each way costs.
pub(crate) fn paths(bench: &mut Bench) {
    let says = "GET by TLS direct, TLS through the fault proxy, TLS through a relay, and in plaintext to that relay, \
                which speaks TLS with the server; one client";
    let mut group = bench.group("cache/paths", says);
    for bytes in [64, 64 * 1024] {
        for (name, path) in [
            ("tls-direct", Path::Direct),
            ("tls-fault-proxy", Path::Proxied),
            ("tls-relay", Path::Relayed),
            ("plain-relay", Path::Plain),
        ] {
            group.figure(
                format!("{name}/{}", size(bytes)),
                Throughput::Bytes(bytes as u64),
                async |place| connect(place, path, bytes).await,
                async |(client, _), times| client.gets(times).await,
            );
        }
    }
    group.finish();
}

async fn connect(place: &Place, path: Path, bytes: usize) -> Result<(Client, Option<Relay>)> {
    let (access, relay) = match path {
        Path::Direct => (place.direct.clone(), None),
        Path::Proxied => (place.proxied.clone(), None),
        Path::Relayed => through(&place.direct, false).await?,
        Path::Plain => through(&place.direct, true).await?,
    };
    Ok((Client::connect(&access, 1, bytes).await?, relay))
}

/// A relay, which ends when this is dropped.
struct Relay(AbortHandle);

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The same tenant through a relay, which speaks TLS with the server if the client is not to.
async fn through(access: &TenantAccess, plain: bool) -> Result<(TenantAccess, Option<Relay>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot open a relay")?;
    let address = listener.local_addr()?;
    let server = Arc::new(access.clone());
    let relay = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            let server = server.clone();
            // What goes wrong on the way, the client is told by its connection's end.
            connections.spawn(async move { relay(client, &server, plain).await.is_ok() });
        }
    });
    let mut through = access.clone();
    through.connections.redis.tls = !plain;
    through.detours.set(Service::Redis, Detour { address, authority: None, disguise: Disguise::default() });
    Ok((through, Some(Relay(relay.abort_handle()))))
}

async fn relay(mut client: TcpStream, server: &TenantAccess, plain: bool) -> Result<()> {
    let (host, port) = server.address(Service::Redis)?;
    let mut tcp = TcpStream::connect((host.as_str(), port)).await?;
    tcp.set_nodelay(true)?;
    client.set_nodelay(true)?;
    if !plain {
        copy_bidirectional(&mut client, &mut tcp).await?;
        return Ok(());
    }
    let config = tls::config(Service::Redis, server.ca.as_deref())?;
    let begun = tls::begin(config, &host, tcp).await;
    let mut server = begun.map_err(|error| anyhow::anyhow!("no TLS with the server: {error}"))?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
