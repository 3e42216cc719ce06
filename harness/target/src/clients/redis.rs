//! Connections to Redis, over TLS when the URL says `rediss`.

use std::path::Path;

use bulkhead_model::{Service, url::RedisUrl};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, PushInfo,
    RedisConnectionInfo, RedisError, TlsCertificates,
    aio::{Monitor, MultiplexedConnection, PubSub},
};
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

use super::{COMMAND_DEADLINE, CONNECT_DEADLINE, bounded, read_ca};
use crate::{Error, Login, TenantAccess, error::Cause};

/// Opens a connection that many tasks may share, as the tenant.
///
/// # Errors
/// [`Error::Serve`] when the address, the certificate or the login does not hold, or after [`CONNECT_DEADLINE`].
pub async fn connect(access: &TenantAccess) -> Result<MultiplexedConnection, Error> {
    shared(access, ProtocolVersion::RESP2, config()).await
}

/// Opens a connection that subscribes, as the tenant.
///
/// # Errors
/// As [`connect`].
pub async fn subscriber(access: &TenantAccess) -> Result<PubSub, Error> {
    let tls = tls(access)?;
    bounded(Service::Redis, || connecting(access), async {
        let stream = dial(access, tls).await?;
        PubSub::new(&settings(&access.login(Service::Redis), access.connections.redis.database), stream)
            .await
            .map_err(Cause::from)
    })
    .await
}

/// Opens a connection that takes commands and is told things besides, as the tenant: messages of channels, names of keys
/// that change. It speaks RESP3, in which a subscription bars no command.
///
/// # Errors
/// As [`connect`].
pub async fn listener(
    access: &TenantAccess,
) -> Result<(MultiplexedConnection, UnboundedReceiver<PushInfo>), Error> {
    let (sender, pushes) = unbounded_channel();
    let connection = shared(access, ProtocolVersion::RESP3, config().set_push_sender(sender)).await?;
    Ok((connection, pushes))
}

async fn shared(
    access: &TenantAccess,
    protocol: ProtocolVersion,
    config: AsyncConnectionConfig,
) -> Result<MultiplexedConnection, Error> {
    let settings =
        settings(&access.login(Service::Redis), access.connections.redis.database).set_protocol(protocol);
    let tls = tls(access)?;
    bounded(Service::Redis, || connecting(access), async {
        let stream = dial(access, tls).await?;
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&settings, stream, config).await.map_err(Cause::from)?;
        // It ends with the last copy of the connection.
        tokio::spawn(driver);
        Ok::<_, Cause>(connection)
    })
    .await
}

/// What a connection runs on.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

fn tls(access: &TenantAccess) -> Result<Option<ClientConfig>, Error> {
    let wanted = access.connections.redis.tls;
    wanted.then(|| super::tls::config(Service::Redis, access.ca.as_deref())).transpose()
}

/// Connects by the tenant's way. The crate would do so too, but reads all of the machine's authorities anew for every
/// connection, whichever it is to trust, and resolves names for subscribers by itself.
async fn dial(access: &TenantAccess, tls: Option<ClientConfig>) -> Result<Box<dyn Stream>, Cause> {
    let RedisUrl { host, port, .. } = &access.connections.redis;
    let tcp = match access.detour(Service::Redis) {
        Some(detour) => TcpStream::connect(detour.address).await?,
        None => TcpStream::connect((host.trim_matches(['[', ']']), *port)).await?,
    };
    tcp.set_nodelay(true)?;
    Ok(match tls {
        Some(config) => Box::new(super::tls::begin(config, host, tcp).await?),
        None => Box::new(tcp),
    })
}

/// Opens a connection that is shown every command that the server runs, as the tenant. A refusal to show them does not
/// appear: whoever calls this knows that there is none.
///
/// # Errors
/// As [`connect`]; and where a detour leads to the server, which the crate knows no way to take for this.
pub async fn monitor(access: &TenantAccess) -> Result<Monitor, Error> {
    if access.detour(Service::Redis).is_some() {
        return Err(Error::serve(Service::Redis, connecting(access))(
            "commands are not shown through a link",
        ));
    }
    let client = client(&access.connections.redis, access.ca.as_deref())?;
    bounded(Service::Redis, || connecting(access), client.get_async_monitor()).await
}

/// What the server says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// `redis` or `valkey`.
    pub product: &'static str,
    /// Its version.
    pub version: String,
}

/// Asks the server what it is. `HELLO` answers every user, `INFO` only the privileged.
///
/// # Errors
/// When the server does not answer.
pub async fn server_facts(connection: &mut MultiplexedConnection) -> Result<ServerFacts, Error> {
    let asked =
        redis::cmd("HELLO").query_async::<std::collections::HashMap<String, redis::Value>>(connection).await;
    let answer = asked.map_err(Error::serve(Service::Redis, "ask for the server's version"))?;
    let text = |key: &str| match answer.get(key) {
        Some(redis::Value::BulkString(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(redis::Value::SimpleString(text)) => text.clone(),
        _ => String::new(),
    };
    let product = if text("server") == "valkey" { "valkey" } else { "redis" };
    Ok(ServerFacts { product, version: text("version") })
}

/// A client for these parts; it does not connect yet.
pub(crate) fn client(url: &RedisUrl, ca: Option<&Path>) -> Result<Client, Error> {
    let failed = |source: RedisError| Error::serve(Service::Redis, "set up the client")(source);
    let login = Login { user: url.user.clone(), password: url.password.clone() };
    let settings = settings(&login, url.database);
    let (host, port) = (url.host.clone(), url.port);
    let addr = if url.tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    let info = addr.into_connection_info().map_err(failed)?.set_redis_settings(settings);
    match ca {
        Some(ca) if url.tls => {
            let certificates = TlsCertificates { client_tls: None, root_cert: Some(read_ca(ca)?) };
            Client::build_with_tls(info, certificates).map_err(failed)
        }
        _ => Client::open(info).map_err(failed),
    }
}

/// Connects with deadlines of ours: the crate's own half second per answer is too short for a busy machine.
pub(crate) async fn multiplexed(client: &Client) -> Result<MultiplexedConnection, RedisError> {
    client.get_multiplexed_async_connection_with_config(&config()).await
}

fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_DEADLINE))
        .set_response_timeout(Some(COMMAND_DEADLINE))
}

fn settings(login: &Login, database: u32) -> RedisConnectionInfo {
    let Login { user, password } = login;
    RedisConnectionInfo::default()
        .set_username(user)
        .set_password(password.expose())
        .set_db(i64::from(database))
}

fn connecting(access: &TenantAccess) -> String {
    let RedisUrl { host, port, .. } = &access.connections.redis;
    let user = access.login(Service::Redis).user;
    format!("connect as `{user}` to {host}:{port} for tenant `{}`", access.tenant.name)
}
