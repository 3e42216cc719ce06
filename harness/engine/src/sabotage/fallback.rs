//! A client of PostgreSQL that prefers TLS and goes on without it where the server has none, which is libpq's default
//! (`sslmode=prefer`). It comes to the tenant's link beside its workload, and nothing else of the project can do so.

use bulkhead_model::Service;
use bulkhead_target::{Cause, TenantAccess, clients::tls::SSL_REQUEST};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::sleep,
};

use super::LOOKS;
use crate::workload::Phase;

/// A start of protocol 3.0 with no user's name but the tenant's: a length, the version, `user` and its end. No password
/// follows, whoever asks for one.
fn startup(user: &str) -> Vec<u8> {
    let said = format!("user\0{user}\0\0");
    let length = u32::try_from(said.len() + 8).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &196_608_u32.to_be_bytes(), said.as_bytes()].concat()
}

/// Comes again and again until no new work is begun.
pub(crate) async fn come(access: &TenantAccess, phase: &watch::Receiver<Phase>) {
    while *phase.borrow() == Phase::Work {
        // Whom the link turns away comes again.
        let _turned_away = come_once(access).await;
        sleep(LOOKS * 10).await;
    }
}

async fn come_once(access: &TenantAccess) -> Result<(), Cause> {
    let link = access.detour(Service::Postgres).ok_or("there is no link to PostgreSQL")?;
    let mut stream = TcpStream::connect(link.address).await?;
    stream.write_all(&SSL_REQUEST).await?;
    // A server with TLS is another client's to speak to.
    if stream.read_u8().await? == b'N' {
        stream.write_all(&startup(access.tenant.name.as_str())).await?;
        let _answer = stream.read_u8().await?;
    }
    Ok(())
}
