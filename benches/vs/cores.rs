//! Which cores the servers have, and which ones whoever makes the load, us or a tool.

use std::fmt;

use anyhow::{Context as _, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that this process may use, in two halves; the same twice where there is one.
pub(crate) struct Cores {
    servers: Vec<usize>,
    clients: Vec<usize>,
}

impl Cores {
    pub(crate) fn split() -> Result<Self> {
        let allowed = sched_getaffinity(None).context("cannot ask which cores there are")?;
        let all: Vec<_> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
        let (servers, clients) = all.split_at(all.len() / 2);
        let servers = if servers.is_empty() { clients } else { servers };
        Ok(Self { servers: servers.to_vec(), clients: clients.to_vec() })
    }

    /// Lets this thread, and all that it starts from now on, run where servers do.
    pub(crate) fn be_server(&self) -> Result<()> {
        pin(&self.servers)
    }

    /// The same where the load is made.
    pub(crate) fn be_client(&self) -> Result<()> {
        pin(&self.clients)
    }
}

fn pin(cores: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    sched_setaffinity(None, &set).with_context(|| format!("cannot keep to the cores {cores:?}"))
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "servers on {:?}, load on {:?}", self.servers, self.clients)
    }
}
