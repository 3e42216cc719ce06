//! The broker in a container of the official image, or of one that is used in the same way.

use std::{collections::BTreeMap, net::Ipv4Addr, path::PathBuf, time::Instant};

use bulkhead_model::{Service, url::AmqpUrl};

use super::{
    boot,
    call::Caller,
    node::{LOG, Node},
    server::{Origin, Server},
};
use crate::{
    Error, Identity,
    backends::docker::{ContainerSpec, File, Image},
    instance::{Instance, InstanceSpec},
    ready,
    services::{Place, port},
};

/// The node's name: each container has a network of its own.
const NODE: &str = "bulkhead@localhost";

/// A broker in a container.
#[derive(Clone, Debug)]
pub(super) struct Contained {
    spec: InstanceSpec,
    place: Place,
    admin: AmqpUrl,
    identity: Identity,
    /// The port of the management API, published from the beginning.
    pub(super) management: u16,
}

/// Starts it and waits until it serves.
pub(super) async fn start(image: &Image, place: &Place) -> Result<Server, Error> {
    let begun = Instant::now();
    let (port, management) = (port::pick(Service::Rabbitmq, place)?, super::node::free_port()?);
    let admin = boot::admin(port);
    let (definitions, first) = boot::definitions(place, &admin);
    let identity = place.authority.identity("rabbitmq", &place.dir)?;
    boot::configure(place, &definitions, Ipv4Addr::UNSPECIFIED, port, &identity)?;
    let spec = InstanceSpec::Container(spec(image, place, &identity, [port, management]));
    let contained = Contained { spec, place: place.clone(), admin, identity: identity.clone(), management };
    let instance = contained.spec.start().await?;
    let Instance::Container(container) = &instance else {
        return Err(Error::serve(Service::Rabbitmq, "start a container")("it is none"));
    };
    let caller = Caller::inside(container.inside());
    let mut node = Node::contained(instance, place.dir.clone(), caller);
    let version = match contained.serving(&mut node).await {
        Ok(version) => version,
        Err(error) => {
            node.stop().await;
            return Err(error);
        }
    };
    Ok(Server {
        node,
        origin: Origin::Container(Box::new(contained)),
        version,
        port,
        dir: place.dir.clone(),
        identity,
        management: None,
        startup: begun.elapsed(),
        notes: Vec::new(),
        vhosts: BTreeMap::new(),
        common: BTreeMap::new(),
        first,
        revoked: BTreeMap::new(),
    })
}

fn spec(image: &Image, place: &Place, identity: &Identity, ports: [u16; 2]) -> ContainerSpec {
    let at = |name: &str| place.dir.join(name).display().to_string();
    let read = boot::READ.map(|name| place.dir.join(name));
    let Identity { ca, cert, key } = identity;
    ContainerSpec {
        service: Service::Rabbitmq,
        run: place.run.clone(),
        image: image.clone(),
        command: vec!["rabbitmq-server".into()],
        env: vec![
            ("RABBITMQ_NODENAME".into(), NODE.into()),
            ("RABBITMQ_CONFIG_FILE".into(), at("rabbitmq.config")),
            ("RABBITMQ_CONFIG_FILES".into(), at("none")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE".into(), at("enabled_plugins")),
        ],
        files: read.iter().chain([ca, cert, key]).map(file).collect(),
        ports: ports.to_vec(),
        dir: place.dir.clone(),
        log: place.dir.join(LOG),
    }
}

/// The broker's user reads it there, and nobody else is there.
#[expect(clippy::ptr_arg, reason = "mapped over paths as they are kept")]
fn file(path: &PathBuf) -> File {
    File { path: path.clone(), mode: 0o644 }
}

impl Contained {
    /// Starts it again after it has ended.
    pub(super) async fn start_again(&self, node: &mut Node) -> Result<(), Error> {
        // Its data have the first slices, or no longer.
        let place = Place { first: None, ..self.place.clone() };
        let (definitions, _) = boot::definitions(&place, &self.admin);
        boot::configure(&place, &definitions, Ipv4Addr::UNSPECIFIED, self.admin.port, &self.identity)?;
        self.spec.start_again(&mut node.beam).await?;
        self.serving(node).await.map(drop)
    }

    /// Waits until it serves, and opens its console; its version.
    async fn serving(&self, node: &mut Node) -> Result<String, Error> {
        let reach = || boot::reach(&self.admin, &self.identity.ca);
        ready::until(Service::Rabbitmq, &mut node.beam, self.place.deadline, reach).await?;
        let failed = || Error::serve(Service::Rabbitmq, "open the node's console");
        node.caller.open().await.map_err(failed())?;
        let version = node.caller.eval("rabbit_misc:version()").await.map_err(failed())?;
        Ok(version.trim_matches('"').to_owned())
    }
}
