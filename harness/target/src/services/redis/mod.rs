//! Redis, or Valkey where Redis is absent: one server, TLS only, which all tenants share by key prefix.
//!
//! `config` writes its configuration, `acl` says what a tenant may do, `server` carves it into slices, `faults` are
//! what befalls its clients. Passwords
//! reach the server as SHA-256 digests only, so neither its configuration nor its ACL ever holds one.

use std::time::Instant;

use async_trait::async_trait;
use bulkhead_model::{Service, url::RedisUrl};
use nix::sys::signal::Signal;

use super::{Place, Running, StandIn, locate, password, port};
use crate::{ChildSpec, Error, Missing, TargetSpec, clients};

mod acl;
mod config;
mod faults;
mod server;

pub use acl::WITHHELD;

use config::Config;
use server::Origin;

/// The programs, in order of preference.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// Where packages put them, beyond PATH.
const FOLDERS: [&str; 6] = [
    "/usr/bin",
    "/usr/local/bin",
    "/opt/*/bin",
    "/opt/homebrew/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/opt/homebrew/opt/valkey/bin",
];

/// The stand-in for a managed Redis.
pub struct Redis;

#[async_trait]
impl StandIn for Redis {
    fn service(&self) -> Service {
        Service::Redis
    }

    fn find(&self, spec: &TargetSpec) -> Result<(), Missing> {
        program(spec).map(|_| ())
    }

    async fn start(&self, spec: &TargetSpec, place: &Place) -> Result<Box<dyn Running>, Error> {
        let program = program(spec).map_err(|missing| Error::Missing(vec![missing]))?;
        let begun = Instant::now();
        let identity = place.authority.identity("redis", &place.dir)?;
        let port = port::pick(Service::Redis, place)?;
        let admin = RedisUrl {
            host: "127.0.0.1".into(),
            port,
            user: acl::ADMIN.into(),
            password: password::random(),
            database: 0,
            tls: true,
        };
        let config = Config {
            dir: place.dir.clone(),
            port,
            identity: identity.clone(),
            admin: admin.password.clone(),
        };
        let file = config::write(&config, &[acl::nobody()])?;
        let spec = ChildSpec {
            service: Service::Redis,
            run: place.run.clone(),
            program,
            args: vec![file.into()],
            env: Vec::new(),
            dir: place.dir.clone(),
            log: place.dir.join("redis.log"),
            user: None,
            death_signal: Signal::SIGKILL,
            piped: false,
        };
        let mut child = spec.clone().spawn()?;

        // Only our own server has both the certificate and the password, so a stranger on the port is never taken.
        let client = clients::redis::client(&admin, Some(&identity.ca))?;
        let mut connection = server::ready(&mut child, place.deadline, &client).await?;
        let facts = clients::redis::server_facts(&mut connection).await?;
        let origin = Origin { spec, config, deadline: place.deadline };
        Ok(Box::new(server::Server::new(child, origin, client, connection, facts, begun.elapsed())))
    }
}

fn program(spec: &TargetSpec) -> Result<std::path::PathBuf, Missing> {
    let named = spec.places.redis_bin.as_deref();
    locate::program(&PROGRAMS, named, &FOLDERS).ok_or_else(|| Missing {
        service: Service::Redis,
        looked: locate::looked(&PROGRAMS, named, &FOLDERS),
    })
}
