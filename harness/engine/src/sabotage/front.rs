//! A proxy in front of S3 that acknowledges a write now and then and forwards nothing of it. It speaks as much HTTP/1.1 as
//! tells where a request ends: the clients that come to it send one after another, each with its length.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering},
};

use bulkhead_model::Service;
use bulkhead_target::{Cause, TenantAccess, clients::tls};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    sync::Mutex,
};

use super::Meddling;

/// Of so many writes one is dropped.
const DROPS: usize = 5;

/// The longest request that is read.
const LONGEST: usize = 1 << 20;

/// What it says of a write that it drops.
const DONE: &[u8] = b"HTTP/1.1 200 OK\r\netag: \"dropped\"\r\ncontent-length: 0\r\n\r\n";

/// Puts it between the tenant and its server. To the tenant it speaks plainly, to the server over TLS.
pub(super) fn stand_in_front(access: &mut TenantAccess) -> Result<Meddling, Cause> {
    let behind = access.clone();
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    access.connections.s3.endpoint = format!("http://{}", listener.local_addr()?);
    let listener = TcpListener::from_std(listener)?;
    Ok(Box::pin(serve(listener, behind)))
}

async fn serve(listener: TcpListener, behind: TenantAccess) -> Result<(), Cause> {
    let (writes, mut open) = (AtomicUsize::new(0), FuturesUnordered::new());
    loop {
        tokio::select! {
            accepted = listener.accept() => open.push(carry(accepted?.0, &behind, &writes)),
            // One that broke is the client's to notice.
            Some(_over) = open.next(), if !open.is_empty() => {}
        }
    }
}

/// One connection.
async fn carry(client: TcpStream, behind: &TenantAccess, writes: &AtomicUsize) -> Result<(), Cause> {
    let (host, port) = behind.address(Service::S3)?;
    let config = tls::config(Service::S3, behind.ca.as_deref())?;
    let server = tls::begin(config, &host, TcpStream::connect((host.as_str(), port)).await?).await?;
    let (mut answers, mut requests) = tokio::io::split(server);
    let (read, write) = client.into_split();
    let write = Mutex::new(write);
    let back = async {
        let mut piece = [0; 8192];
        loop {
            let length = answers.read(&mut piece).await?;
            let Some(piece) = piece.get(..length).filter(|piece| !piece.is_empty()) else { break Ok(()) };
            write.lock().await.write_all(piece).await?;
        }
    };
    let forth = async {
        let mut read = BufReader::new(read);
        while let Some(request) = request(&mut read).await? {
            let is_write = request.starts_with(b"PUT ");
            if is_write && writes.fetch_add(1, Ordering::Relaxed) % DROPS == DROPS - 1 {
                write.lock().await.write_all(DONE).await?;
            } else {
                requests.write_all(&request).await?;
                requests.flush().await?;
            }
        }
        Ok(())
    };
    tokio::select! {
        over = back => over,
        over = forth => over,
    }
}

/// The next request, head and body; nothing when no more comes.
async fn request(read: &mut BufReader<OwnedReadHalf>) -> Result<Option<Vec<u8>>, Cause> {
    let (mut request, mut length) = (Vec::new(), 0);
    loop {
        let begun = request.len();
        if read.read_until(b'\n', &mut request).await? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(request.get(begun..).unwrap_or_default()).to_ascii_lowercase();
        if let Some(said) = line.strip_prefix("content-length:") {
            length = said.trim().parse()?;
        }
        if request.len() + length > LONGEST {
            return Err("a request is longer than any that is expected".into());
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let begun = request.len();
    request.resize(begun + length, 0);
    read.read_exact(request.get_mut(begun..).unwrap_or_default()).await?;
    Ok(Some(request))
}
