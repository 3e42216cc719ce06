//! Redis, or Valkey where Redis is absent: one server, TLS only, which all tenants share by key prefix.
//!
//! `config` writes its configuration, `acl` says what a tenant may do, `server` carves it into slices, `faults` are
//! what befalls its clients. Passwords
//! reach the server as SHA-256 digests only, so neither its configuration nor its ACL ever holds one.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Instant,
};

use async_trait::async_trait;
use bulkhead_model::{Enforcement, Service, Tenant, url::RedisUrl};
use nix::sys::signal::Signal;

use super::{Place, Running, StandIn, locate, password, port};
use crate::{
    ChildSpec, Error, Identity, Missing, TargetSpec,
    backends::{
        compose::Part,
        docker::{ContainerSpec, File, Image},
    },
    clients,
    instance::InstanceSpec,
};

mod acl;
mod compose;
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

/// The file of the server's log.
const LOG: &str = "redis.log";

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

    fn composed(&self, tenants: &[Tenant], enforcement: Enforcement) -> Result<Part, Error> {
        Ok(compose::part(tenants, enforcement))
    }

    async fn start(&self, spec: &TargetSpec, place: &Place) -> Result<Box<dyn Running>, Error> {
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
        let image = spec.images.as_ref().and_then(|images| images.of(Service::Redis));
        let config = Config {
            dir: place.dir.clone(),
            // The image's own folder for it, which belongs to the user that it runs as.
            data: if image.is_some() { "/data".into() } else { place.dir.clone() },
            bind: if image.is_some() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST },
            port,
            identity: identity.clone(),
            durability: config::THROW_AWAY,
        };
        let file = config::write(&config, &[acl::admin(&admin.password), acl::nobody()])?;
        let spec = match image {
            Some(image) => contained(image, place, &file, &identity, port),
            None => process(spec, place, file)?,
        };
        let mut instance = spec.start().await?;

        // Only our own server has both the certificate and the password, so a stranger on the port is never taken.
        let client = clients::redis::client(&admin, Some(&identity.ca))?;
        let mut connection = server::ready(&mut instance, place.deadline, &client).await?;
        let facts = clients::redis::server_facts(&mut connection).await?;
        let origin = Origin { spec, config, admin: admin.password, deadline: place.deadline };
        Ok(Box::new(server::Server::new(instance, origin, client, connection, facts, begun.elapsed())))
    }
}

fn process(spec: &TargetSpec, place: &Place, config: PathBuf) -> Result<InstanceSpec, Error> {
    let program = program(spec).map_err(|missing| Error::Missing(vec![missing]))?;
    Ok(InstanceSpec::Process(ChildSpec {
        service: Service::Redis,
        run: place.run.clone(),
        program,
        args: vec![config.into()],
        env: Vec::new(),
        dir: place.dir.clone(),
        log: place.dir.join(LOG),
        user: None,
        death_signal: Signal::SIGKILL,
        piped: false,
    }))
}

fn contained(image: &Image, place: &Place, config: &Path, identity: &Identity, port: u16) -> InstanceSpec {
    // Its own user reads them there.
    let file = |path: &Path| File { path: path.to_owned(), mode: 0o644 };
    let Identity { ca, cert, key } = identity;
    InstanceSpec::Container(ContainerSpec {
        service: Service::Redis,
        run: place.run.clone(),
        image: image.clone(),
        command: vec![config.display().to_string()],
        env: Vec::new(),
        files: [config, ca, cert, key].into_iter().map(file).collect(),
        ports: vec![port],
        dir: place.dir.clone(),
        log: place.dir.join(LOG),
    })
}

fn program(spec: &TargetSpec) -> Result<PathBuf, Missing> {
    let named = spec.places.redis_bin.as_deref();
    locate::program(&PROGRAMS, named, &FOLDERS).ok_or_else(|| Missing {
        service: Service::Redis,
        looked: locate::looked(&PROGRAMS, named, &FOLDERS),
    })
}
