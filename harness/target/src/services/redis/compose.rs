//! The server in a Compose file: its configuration, with every tenant's user in it.

use std::net::Ipv4Addr;

use bulkhead_model::{Enforcement, Service, Tenant};

use super::{
    acl,
    config::{Config, text},
    server::{Login, access, users_of},
};
use crate::{
    backends::compose::{FOLDER, Part, identity},
    services::password::Source,
};

/// Where it listens inside, is published, and is published through Toxiproxy.
const PORTS: [u16; 3] = [6379, 16379, 26379];

/// Where the image has its data, which are meant to stay.
const DATA: &str = "/data";
const DURABILITY: &str = "appendonly yes\n";

pub(super) fn part(tenants: &[Tenant], enforcement: Enforcement) -> Part {
    let [port, published, proxied] = PORTS;
    let config = Config {
        dir: FOLDER.into(),
        data: DATA.into(),
        bind: Ipv4Addr::UNSPECIFIED,
        port,
        identity: identity(Service::Redis),
        durability: DURABILITY,
    };
    let shared = match enforcement {
        Enforcement::Convention => Some(Source::Derived.password("redis")),
        Enforcement::Enforced => None,
    };
    let (mut logins, mut accesses) = (Vec::new(), Vec::new());
    for tenant in tenants {
        let (login, user, password) = Login::of(tenant, shared.as_ref(), Source::Derived);
        logins.push(login);
        accesses.push(access(published, user, password));
    }
    let mut users = vec![acl::health()];
    users.extend(users_of(logins.iter()));
    let entry = include_str!("compose.yaml").to_owned();
    Part { entry, files: vec![("redis.conf", text(&config, &users))], port, published, proxied, accesses }
}
