//! Connections to RabbitMQ: AMQP 0-9-1, over TLS when the URL says `amqps`.

use std::path::Path;

use bulkhead_model::{Service, url::AmqpUrl};
use lapin::{
    Connection, ConnectionProperties,
    tcp::{AsyncTcpStream, OwnedTLSConfig},
    types::{AMQPValue, parsing::parse_field_table},
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::{bounded, read_ca};
use crate::{Detour, Error, Login, TenantAccess, error::Cause};

/// The longest greeting that is read, in bytes. RabbitMQ's has some 500.
const GREETING_LIMIT: u32 = 64 * 1024;

/// Opens a connection as the tenant.
///
/// # Errors
/// [`Error::Serve`] when the address, the certificate, the login or the vhost does not hold, or after
/// [`super::CONNECT_DEADLINE`].
pub async fn connect(access: &TenantAccess) -> Result<Connection, Error> {
    let Login { user, password } = access.login(Service::Rabbitmq);
    let url = AmqpUrl { user, password, ..access.connections.rabbitmq.clone() };
    let doing = || format!("{} for tenant `{}`", connecting(&url), access.tenant.name);
    open(&url, access.ca.as_deref(), access.detour(Service::Rabbitmq), doing).await
}

/// What the server says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// `RabbitMQ`, `LavinMQ`.
    pub product: String,
    /// Its version.
    pub version: String,
}

/// Asks the server what it is. It says so to everybody in its first frame, before any login; the client library keeps
/// that frame to itself, so it is read from a connection of its own.
///
/// # Errors
/// When the server does not answer in AMQP 0-9-1, or after [`super::CONNECT_DEADLINE`].
pub async fn server_facts(access: &TenantAccess) -> Result<ServerFacts, Error> {
    let url = &access.connections.rabbitmq;
    let doing = || format!("read the greeting of {}:{}", url.host, url.port);
    let tls = match url.tls {
        true => Some(super::tls::config(Service::Rabbitmq, access.ca.as_deref())?),
        false => None,
    };
    bounded(Service::Rabbitmq, doing, async {
        let tcp = match access.detour(Service::Rabbitmq) {
            Some(detour) => TcpStream::connect(detour.address).await?,
            None => TcpStream::connect((url.host.as_str(), url.port)).await?,
        };
        match tls {
            Some(config) => greeting(super::tls::begin(config, &url.host, tcp).await?).await,
            None => greeting(tcp).await,
        }
    })
    .await
}

/// Says hello and reads the method `connection.start`.
async fn greeting<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> Result<ServerFacts, Cause> {
    stream.write_all(b"AMQP\0\0\x09\x01").await?;
    stream.flush().await?;
    let mut header = [0; 7];
    stream.read_exact(&mut header).await?;
    let [1, 0, 0, a, b, c, d] = header else { return Err("it does not begin as AMQP 0-9-1 does".into()) };
    let length = u32::from_be_bytes([a, b, c, d]);
    if length > GREETING_LIMIT {
        return Err(format!("its greeting is {length} bytes long").into());
    }
    let mut payload = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut payload).await?;
    // Class, method and protocol version; then what the server says about itself.
    let table = payload.strip_prefix(&[0, 10, 0, 10, 0, 9]).ok_or("its first frame is no greeting")?;
    let table = parse_field_table(table).map_err(|_| "its greeting cannot be read")?.1;
    let text = |key: &str| match table.inner().iter().find(|(name, _)| name.as_str() == key) {
        Some((_, AMQPValue::LongString(text))) => text.to_string(),
        _ => String::new(),
    };
    Ok(ServerFacts { product: text("product"), version: text("version") })
}

/// Opens a connection to this address, trusting this authority.
pub(crate) async fn dial(url: &AmqpUrl, ca: Option<&Path>) -> Result<Connection, Error> {
    open(url, ca, None, || connecting(url)).await
}

async fn open(
    url: &AmqpUrl,
    ca: Option<&Path>,
    detour: Option<&Detour>,
    doing: impl Fn() -> String,
) -> Result<Connection, Error> {
    let cert_chain = match ca {
        Some(ca) => Some(String::from_utf8_lossy(&read_ca(ca)?).into_owned()),
        None => None,
    };
    let tls = OwnedTLSConfig { identity: None, cert_chain };
    let properties = ConnectionProperties::default().with_connection_name("bulkhead".into());
    bounded(Service::Rabbitmq, doing, async {
        let runtime = lapin::runtime::default_runtime()?;
        let Some(address) = detour.map(|detour| detour.address) else {
            return Connection::connect_uri_with_config(uri(url), properties, tls, runtime).await;
        };
        let dial = async move |uri: AMQPUri, runtime| {
            let tcp = AsyncTcpStream::connect(&runtime, address).await?;
            Ok(match uri.scheme {
                AMQPScheme::AMQPS => tcp.into_tls(&uri.authority.host, tls.as_ref()).await?,
                AMQPScheme::AMQP => tcp,
            })
        };
        Connection::connector(uri(url), runtime, dial, properties).await
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
