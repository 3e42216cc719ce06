//! A client's connection and the one key that it works on, so that nothing grows however long a figure takes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bulkhead_target::{TenantAccess, clients};
use redis::{Cmd, aio::MultiplexedConnection};

/// A key with its value, and the connection over which it is read and written.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
}

impl Client {
    /// With a connection of its own. The key is there.
    pub(crate) async fn connect(access: &TenantAccess, number: u64, bytes: usize) -> Result<Self> {
        Self::on(clients::redis::connect(access).await?, access, number, bytes).await
    }

    /// On a connection that others may use at the same time.
    pub(crate) async fn on(
        connection: MultiplexedConnection,
        access: &TenantAccess,
        number: u64,
        bytes: usize,
    ) -> Result<Self> {
        let key = access.tenant.slices.redis.key(&format!("bench:{number}"));
        let mut client = Self { connection, key, value: vec![b'v'; bytes] };
        client.sets(1).await?;
        Ok(client)
    }

    /// Reads the value so many times, one after another.
    pub(crate) async fn gets(&mut self, times: u64) -> Result<Duration> {
        let begun = Instant::now();
        for _ in 0..times {
            let got = Cmd::get(&self.key).query_async::<Vec<u8>>(&mut self.connection).await;
            let got = got.with_context(|| format!("GET `{}`", self.key))?;
            ensure!(got.len() == self.value.len(), "GET `{}`: {} bytes", self.key, got.len());
        }
        Ok(begun.elapsed())
    }

    /// Writes the value so many times, one after another.
    pub(crate) async fn sets(&mut self, times: u64) -> Result<Duration> {
        let set = Cmd::set(&self.key, &self.value);
        let begun = Instant::now();
        for _ in 0..times {
            set.exec_async(&mut self.connection).await.with_context(|| format!("SET `{}`", self.key))?;
        }
        Ok(begun.elapsed())
    }
}
