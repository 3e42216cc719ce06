//! RabbitMQ: one broker, AMQP over TLS only, carved into vhosts or into queue prefixes of a shared vhost.
//!
//! `install` finds the broker and its Erlang, `config` and `definitions` write what it reads, `node` starts and ends
//! its processes, `boot` brings it up (on the code path that `fast` prepares), `call` evaluates expressions on it and `server` carves it into slices, `faults` are what befalls its
//! clients. What a
//! tenant may do, and why the default exchange is closed in a shared vhost, stands in `definitions`.
//!
//! Tenants have no user tags: `management` shows totals of the whole broker and `monitoring` shows every vhost.

use std::time::Instant;

use async_trait::async_trait;
use bulkhead_model::{Enforcement, Service, Tenant};

use super::{Place, Running, StandIn};
use crate::{Error, Missing, TargetSpec, backends::compose::Part};

mod application;
mod boot;
mod bridge;
mod call;
mod compose;
mod config;
mod console;
mod contained;
mod definitions;
mod fast;
mod faults;
mod install;
mod management;
mod names;
mod node;
mod server;

use install::Install;
use server::Server;

/// The stand-in for a managed RabbitMQ.
pub struct Rabbitmq;

/// How the broker is brought up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    /// On a code path prepared for it; where that does not work, plainly, which the server's notes then say.
    Fast,
    /// By RabbitMQ's own script.
    Plain,
}

#[async_trait]
impl StandIn for Rabbitmq {
    fn service(&self) -> Service {
        Service::Rabbitmq
    }

    fn find(&self, spec: &TargetSpec) -> Result<(), Missing> {
        Install::find(spec).map(|_| ())
    }

    fn composed(&self, tenants: &[Tenant], enforcement: Enforcement) -> Result<Part, Error> {
        compose::part(tenants, enforcement)
    }

    async fn start(&self, spec: &TargetSpec, place: &Place) -> Result<Box<dyn Running>, Error> {
        match spec.images.as_ref().and_then(|images| images.of(Service::Rabbitmq)) {
            Some(image) => Ok(Box::new(contained::start(image, place).await?)),
            None => start_as(Boot::Fast, spec, place).await,
        }
    }
}

/// Starts the broker in one certain way. A folder in which a broker ran before is taken up again, messages and all.
///
/// # Errors
/// As [`StandIn::start`].
pub async fn start_as(boot: Boot, spec: &TargetSpec, place: &Place) -> Result<Box<dyn Running>, Error> {
    let install = Install::find(spec).map_err(|missing| Error::Missing(vec![missing]))?;
    let server = match boot {
        Boot::Fast => fast_or_plain(&install, place).await?,
        Boot::Plain => plain(&install, place).await?,
    };
    Ok(Box::new(server))
}

/// The fast way has half of the time to show that it works here, the plain way has the rest.
async fn fast_or_plain(install: &Install, place: &Place) -> Result<Server, Error> {
    let begun = Instant::now();
    let code = place.dir.join("code");
    let fresh = !place.dir.join(node::NAME).exists();
    // The keeper has one thread, which has other servers and its clients to look after. Processes are started on it.
    let (its, path) = (install.clone(), code.clone());
    let prepared = tokio::task::spawn_blocking(move || fast::prepare(&its, &path)).await;
    let why = match prepared.unwrap_or_else(|error| Err(error.to_string())) {
        Err(why) => why,
        Ok(()) => {
            let first = Place { deadline: place.deadline / 2, ..place.clone() };
            match boot::boot(install, &first, |home| fast::launch(install, &code, home)).await {
                Ok(server) => return Ok(Server { startup: begun.elapsed(), ..server }),
                Err(error) => match unfit(&error).filter(|_| fresh) {
                    Some(why) => why,
                    None => return Err(error),
                },
            }
        }
    };
    // Whatever a broken boot began to write is of no use to anybody.
    let data = place.dir.join(node::DATA);
    if fresh && data.exists() {
        std::fs::remove_dir_all(&data).map_err(Error::disk("remove", data))?;
    }
    let rest = Place { deadline: place.deadline.saturating_sub(begun.elapsed()), ..place.clone() };
    let server = plain(install, &rest).await?;
    let note = format!("rabbitmq {} is started the plain way, which takes longer: {why}", server.version);
    Ok(Server { notes: vec![note], startup: begun.elapsed(), ..server })
}

async fn plain(install: &Install, place: &Place) -> Result<Server, Error> {
    boot::boot(install, place, |home| boot::plain(install, home)).await
}

/// Why the broker could not cope with how it was started. A kill from outside and a port that somebody else has would
/// meet a plain start too.
fn unfit(error: &Error) -> Option<String> {
    match error {
        Error::Exited { status, .. } if status.code().is_some() => {
            Some(format!("it ended by itself ({status})"))
        }
        Error::NotReady { last, .. } if !last.contains(boot::TAKEN) => {
            Some(format!("it did not get ready ({last})"))
        }
        _ => None,
    }
}
