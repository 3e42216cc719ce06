//! A Redis without TLS: the stand-in, started alone, which is told to open a plain port besides.

use anyhow::{Context as _, Result};
use bulkhead_engine::{links::Links, seed::Seed};
use bulkhead_model::{Enforcement, Service};
use bulkhead_target::{
    TargetSpec, TenantAccess,
    services::{Access, Running, StandIn as _, redis::Redis},
};

use crate::{alone, measure::Place};

/// The server, which ends when this is dropped, and the links to it.
pub(crate) struct Plain {
    _server: Box<dyn Running>,
    _links: Option<Links>,
    _folder: tempfile::TempDir,
}

/// The same tenant on a server of its own in plaintext, straight or through the fault proxy.
pub(crate) async fn start(place: &Place, proxied: bool) -> Result<(TenantAccess, Plain)> {
    let spec = TargetSpec::from_env(env!("CARGO_BIN_EXE_bulkhead"))?;
    let (folder, alone) = alone::place(&spec, Service::Redis)?;
    let mut server = Redis.start(&spec, &alone).await?;
    let mut access = place.direct.clone();
    let made = server.provision(std::slice::from_ref(&access.tenant), Enforcement::Enforced).await?;
    let Some(Access::Redis(mut url)) = made.into_iter().next() else {
        anyhow::bail!("the server made no slice");
    };
    // Redis takes 0 for no port at all. One that somebody takes first is refused below.
    url.port = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    url.tls = false;
    let opened = server.administer(&format!("CONFIG SET port {}", url.port)).await;
    opened.context("open a plain port, which Redis does from 7.0 on")?;
    access.connections.redis = url;
    let mut links = None;
    if proxied {
        let all = Links::new(&Seed::new(1))?;
        access = all.through(&access, &[Service::Redis]).await?;
        links = Some(all);
    }
    Ok((access, Plain { _server: server, _links: links, _folder: folder }))
}
