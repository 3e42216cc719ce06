//! RabbitMQ: one broker, AMQP over TLS only, carved into vhosts or into queue prefixes of a shared vhost.
//!
//! `install` finds the broker and its Erlang, `config` and `definitions` write what it reads, `node` starts and ends
//! its processes, `boot` brings it up, `call` evaluates expressions on it and `server` carves it into slices. What a
//! tenant may do, and why the default exchange is closed in a shared vhost, stands in `definitions`.
//!
//! Tenants have no user tags: `management` shows totals of the whole broker and `monitoring` shows every vhost.

use async_trait::async_trait;
use bulkhead_model::Service;

use super::{Place, Running, StandIn};
use crate::{Error, Missing, TargetSpec};

mod boot;
mod call;
mod config;
mod definitions;
mod install;
mod node;
mod server;

/// The stand-in for a managed RabbitMQ.
pub struct Rabbitmq;

/// How the broker is brought up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    /// By RabbitMQ's own script.
    Plain,
}

#[async_trait]
impl StandIn for Rabbitmq {
    fn service(&self) -> Service {
        Service::Rabbitmq
    }

    fn find(&self, spec: &TargetSpec) -> Result<(), Missing> {
        install::Install::find(spec).map(|_| ())
    }

    async fn start(&self, spec: &TargetSpec, place: &Place) -> Result<Box<dyn Running>, Error> {
        start_as(Boot::Plain, spec, place).await
    }
}

/// Starts the broker in one certain way.
///
/// # Errors
/// As [`StandIn::start`].
pub async fn start_as(boot: Boot, spec: &TargetSpec, place: &Place) -> Result<Box<dyn Running>, Error> {
    let install = install::Install::find(spec).map_err(|missing| Error::Missing(vec![missing]))?;
    let server = match boot {
        Boot::Plain => boot::boot(&install, place, |home| boot::plain(&install, home)).await?,
    };
    Ok(Box::new(server))
}
