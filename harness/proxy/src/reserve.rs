//! Descriptors held in reserve, to accept with when there are no others: a connection that waits in the kernel's queue
//! would keep its listener ready for ever.

use std::{
    fs::File,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream};

/// How long accepting rests where not even the reserve can be had.
const REST: Duration = Duration::from_millis(50);

/// So many descriptors, as far as there are any. Clones are the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Reserve {
    size: usize,
    spares: Arc<Mutex<Vec<File>>>,
}

impl Reserve {
    pub(crate) fn new(size: usize) -> Self {
        let reserve = Self { size, spares: Arc::default() };
        reserve.fill();
        reserve
    }

    /// Takes what it lacks, as far as there is any. Whether it is full.
    pub(crate) fn fill(&self) -> bool {
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        let lacks = self.size.saturating_sub(spares.len());
        spares.extend((0..lacks).map_while(|_| File::open("/dev/null").ok()));
        spares.len() == self.size
    }

    /// Accepts what is waiting on a descriptor given up for it, without waiting for more. Where there is neither, rests.
    pub(crate) async fn accept(&self, listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
        let freed = self.spares.lock().unwrap_or_else(PoisonError::into_inner).pop().is_some();
        let accepted = if freed { waiting(listener).await } else { None };
        if accepted.is_none() {
            self.fill();
            tokio::time::sleep(REST).await;
        }
        accepted
    }
}

async fn waiting(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    tokio::select! {
        biased;
        accepted = listener.accept() => accepted.ok(),
        () = std::future::ready(()) => None,
    }
}
