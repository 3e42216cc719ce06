//! Databases made ahead of need, so that a slice costs a renaming instead of a copy of a thousand pages.
//!
//! A task of its own keeps a few ready over its own connection. Whoever finds none makes one, so the task may lag or
//! end without anybody having to wait for it; it is started again when it is next missed.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sqlx::{PgConnection, postgres::PgConnectOptions};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{server::run, sql};
use crate::{Error, clients};

/// How many wait ready: the documents' layout takes two for each case.
const READY: usize = 4;

pub(super) struct Spares {
    options: PgConnectOptions,
    version: u32,
    /// Numbers every spare that this server ever has.
    counter: Arc<AtomicU64>,
    ready: mpsc::Receiver<String>,
    maker: JoinHandle<()>,
    /// Taken and not used after all.
    returned: Vec<String>,
}

impl Spares {
    /// Starts to make them.
    pub(super) fn start(options: PgConnectOptions, version: u32) -> Self {
        let counter = Arc::new(AtomicU64::new(0));
        let (ready, maker) = spawn(options.clone(), version, Arc::clone(&counter));
        Self { options, version, counter, ready, maker, returned: Vec::new() }
    }

    /// A database that belongs to us, that PUBLIC has no rights on and that nobody can connect to yet.
    ///
    /// # Errors
    /// When none is ready and the server refuses to make one over `admin`.
    pub(super) async fn take(&mut self, admin: &mut PgConnection) -> Result<String, Error> {
        if let Some(name) = self.returned.pop() {
            return Ok(name);
        }
        match self.ready.try_recv() {
            Ok(name) => return Ok(name),
            Err(mpsc::error::TryRecvError::Empty) => {}
            Err(mpsc::error::TryRecvError::Disconnected) => {
                (self.ready, self.maker) =
                    spawn(self.options.clone(), self.version, Arc::clone(&self.counter));
            }
        }
        make(admin, self.version, &self.counter).await
    }

    /// Takes one back that was not used.
    pub(super) fn give_back(&mut self, name: String) {
        self.returned.push(name);
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        self.maker.abort();
    }
}

fn spawn(
    options: PgConnectOptions,
    version: u32,
    counter: Arc<AtomicU64>,
) -> (mpsc::Receiver<String>, JoinHandle<()>) {
    let (sender, ready) = mpsc::channel(READY);
    let maker = tokio::spawn(async move {
        let making = async {
            let mut connection = clients::postgres::open(&options).await?;
            // A place first, so that no more are made than there is room for.
            while let Ok(place) = sender.reserve().await {
                place.send(make(&mut connection, version, &counter).await?);
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = making.await {
            tracing::debug!("no more spare databases for now: {}", error.chain());
        }
    });
    (ready, maker)
}

async fn make(connection: &mut PgConnection, version: u32, counter: &AtomicU64) -> Result<String, Error> {
    let name = format!("bulkhead_spare_{}", counter.fetch_add(1, Ordering::Relaxed));
    let doing = || String::from("make a spare database");
    run(connection, sql::create_database(&name, version), doing).await?;
    run(connection, sql::close_database(&name), doing).await?;
    Ok(name)
}
