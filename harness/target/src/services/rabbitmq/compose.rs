//! The broker in a Compose file: its configuration, and the definitions that make the slices at each start.

use std::{net::Ipv4Addr, path::Path};

use bulkhead_model::{Enforcement, Service, Tenant};

use super::{boot::NO_PLUGINS, config::Config, definitions::Definitions, server::accesses};
use crate::{
    Error,
    backends::compose::{FOLDER, Part, identity},
    services::password::Source,
};

/// Where it listens inside, is published, and is published through Toxiproxy.
const PORTS: [u16; 3] = [5671, 15671, 25671];

pub(super) fn part(tenants: &[Tenant], enforcement: Enforcement) -> Result<Part, Error> {
    let [port, published, proxied] = PORTS;
    let (definitions, logins) = Definitions::tenants(tenants, enforcement, Source::Derived);
    let document = serde_json::to_string_pretty(&definitions);
    let document = document.map_err(Error::serve(Service::Rabbitmq, "write its definitions"))?;
    let config = Config {
        listens: Ipv4Addr::UNSPECIFIED,
        port,
        identity: &identity(Service::Rabbitmq),
        definitions: &Path::new(FOLDER).join("definitions.json"),
    };
    Ok(Part {
        entry: include_str!("compose.yaml").to_owned(),
        files: vec![
            ("rabbitmq.config", config.text()),
            ("definitions.json", document + "\n"),
            ("enabled_plugins", NO_PLUGINS.to_owned()),
        ],
        port,
        published,
        proxied,
        accesses: accesses(tenants, logins, published),
    })
}
