//! Connections to RabbitMQ: AMQP 0-9-1, over TLS when the URL says `amqps`.

use std::path::Path;

use bulkhead_model::{Service, url::AmqpUrl};
use lapin::{
    Connection, ConnectionProperties,
    tcp::OwnedTLSConfig,
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
};

use super::{bounded, read_ca};
use crate::{Error, TenantAccess};

/// Opens a connection as the tenant.
///
/// # Errors
/// [`Error::Serve`] when the address, the certificate, the login or the vhost does not hold, or after
/// [`super::CONNECT_DEADLINE`].
pub async fn connect(access: &TenantAccess) -> Result<Connection, Error> {
    let doing =
        || format!("{} for tenant `{}`", connecting(&access.connections.rabbitmq), access.tenant.name);
    open(&access.connections.rabbitmq, access.ca.as_deref(), doing).await
}

/// Opens a connection to this address, trusting this authority.
pub(crate) async fn dial(url: &AmqpUrl, ca: Option<&Path>) -> Result<Connection, Error> {
    open(url, ca, || connecting(url)).await
}

async fn open(url: &AmqpUrl, ca: Option<&Path>, doing: impl Fn() -> String) -> Result<Connection, Error> {
    let cert_chain = match ca {
        Some(ca) => Some(String::from_utf8_lossy(&read_ca(ca)?).into_owned()),
        None => None,
    };
    let tls = OwnedTLSConfig { identity: None, cert_chain };
    let properties = ConnectionProperties::default().with_connection_name("bulkhead".into());
    bounded(Service::Rabbitmq, doing, async {
        let runtime = lapin::runtime::default_runtime()?;
        Connection::connect_uri_with_config(uri(url), properties, tls, runtime).await
    })
    .await
}

/// The address in the client's own terms, so that no name has to survive a round through percent-encoding.
fn uri(url: &AmqpUrl) -> AMQPUri {
    AMQPUri {
        scheme: if url.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: url.user.clone(), password: url.password.expose().to_owned() },
            host: url.host.clone(),
            port: url.port,
        },
        vhost: url.vhost.clone(),
        query: AMQPQueryString::default(),
    }
}

fn connecting(url: &AmqpUrl) -> String {
    let AmqpUrl { host, port, user, vhost, .. } = url;
    format!("connect as `{user}` to vhost `{vhost}` at {host}:{port}")
}
