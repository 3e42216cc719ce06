//! Connections to PostgreSQL, with the TLS mode that the URL asks for.

use std::path::Path;

use base64::{Engine, prelude::BASE64_STANDARD};
use bulkhead_model::{Secret, Service, url::PostgresUrl};
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

use super::{CONNECT_DEADLINE, bounded};
use crate::{Detour, Error, Login, TenantAccess};

/// Opens a connection as the tenant.
///
/// # Errors
/// [`Error::Serve`] when the address, the certificate or the login does not hold, or after [`CONNECT_DEADLINE`].
pub async fn connect(access: &TenantAccess) -> Result<PgConnection, Error> {
    let options = options(access)?;
    bounded(Service::Postgres, || connecting(access), PgConnection::connect_with(&options)).await
}

/// Opens a pool of at most `connections` as the tenant, with one connection made at once.
///
/// # Errors
/// As [`connect`].
pub async fn pool(access: &TenantAccess, connections: u32) -> Result<PgPool, Error> {
    let options = options(access)?;
    let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(CONNECT_DEADLINE);
    bounded(Service::Postgres, || connecting(access), pool.connect_with(options)).await
}

/// How one connection is encrypted, as the server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// `TLSv1.3`, or empty when the connection is in the clear.
    pub version: String,
    /// The cipher suite's name.
    pub cipher: String,
}

/// Asks the server how this connection is encrypted.
///
/// # Errors
/// When the server does not answer.
pub async fn encryption(connection: &mut PgConnection) -> Result<Encryption, Error> {
    let query =
        "SELECT coalesce(version, ''), coalesce(cipher, '') FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let row = sqlx::query_as::<_, (String, String)>(query).fetch_one(connection).await;
    let (version, cipher) =
        row.map_err(Error::serve(Service::Postgres, "ask how the connection is encrypted"))?;
    Ok(Encryption { version, cipher })
}

/// Asks the server for its version: `15.18`.
///
/// # Errors
/// When the server does not answer.
pub async fn server_version(connection: &mut PgConnection) -> Result<String, Error> {
    let row = sqlx::query_scalar::<_, String>("SHOW server_version").fetch_one(connection).await;
    let text = row.map_err(Error::serve(Service::Postgres, "ask for the server's version"))?;
    // Debian adds its own package version in brackets.
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}

/// Settings for our own superuser over the server's private socket.
///
/// Its statements contain passwords, so neither this side nor the server writes any of them down, refused ones
/// included.
pub(crate) fn admin(sockets: &Path, port: u16, user: &str, database: &str) -> PgConnectOptions {
    quiet(PgConnectOptions::new_without_pgpass().socket(sockets).port(port).username(user).database(database))
}

/// The same where there is no such socket: over TLS with a password.
pub(crate) fn admin_over_tcp(port: u16, user: &str, password: &Secret, ca: &Path) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port).username(user);
    quiet(options.password(password.expose()).ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(ca))
}

fn quiet(options: PgConnectOptions) -> PgConnectOptions {
    options
        .application_name("bulkhead")
        .options([
            ("log_min_error_statement", "panic"),
            ("log_statement", "none"),
            ("track_activities", "off"),
        ])
        .disable_statement_logging()
}

/// Connects under the deadline.
pub(crate) async fn open(options: &PgConnectOptions) -> Result<PgConnection, Error> {
    let connecting = || String::from("connect as administrator");
    bounded(Service::Postgres, connecting, PgConnection::connect_with(options)).await
}

/// Makes a login by this URL verify the server's certificate and name, however little the URL demands: against `ca`,
/// else against what the URL names, else against the system's roots.
pub fn verified(url: &mut PostgresUrl, ca: Option<&Path>) {
    let mut set = |name: &str, value: String| {
        url.parameters.retain(|(known, _)| known != name);
        url.parameters.push((name.to_owned(), value));
    };
    set("sslmode", String::from("verify-full"));
    if let Some(ca) = ca {
        set("sslrootcert", ca.display().to_string());
    }
}

/// The system's roots as PEM: the client library's own are a list of its build's day.
fn system_roots() -> Result<Vec<u8>, Error> {
    let roots = rustls_native_certs::load_native_certs().certs;
    if roots.is_empty() {
        return Err(Error::serve(Service::Postgres, "set up TLS")("there is no authority to trust"));
    }
    let pem = roots.iter().map(|root| {
        let body = BASE64_STANDARD.encode(root);
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    });
    Ok(pem.collect::<String>().into_bytes())
}

fn options(access: &TenantAccess) -> Result<PgConnectOptions, Error> {
    let PostgresUrl { host, port, database, parameters, .. } = &access.connections.postgres;
    let Login { user, password } = access.login(Service::Postgres);
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(host)
        .port(*port)
        .username(&user)
        .password(password.expose())
        .database(database);
    for (name, value) in parameters {
        options = match name.as_str() {
            "sslmode" => {
                let mode = value.parse::<PgSslMode>();
                options.ssl_mode(
                    mode.map_err(Error::serve(Service::Postgres, "understand the URL's `sslmode`"))?,
                )
            }
            "sslrootcert" if value != "system" => options.ssl_root_cert(value),
            "application_name" => options.application_name(value),
            // What only libpq knows, such as `channel_binding`, changes nothing here.
            _ => options,
        };
    }
    if let Some(detour) = access.detour(Service::Postgres) {
        return Ok(detoured(options, detour));
    }
    let url = &access.connections.postgres;
    let verifies = url.parameter("sslmode").is_some_and(|mode| mode.starts_with("verify-"));
    let named = url.parameter("sslrootcert").is_some_and(|root| root != "system");
    match &access.ca {
        _ if named || !verifies => Ok(options),
        Some(ca) => Ok(options.ssl_root_cert(ca)),
        None => Ok(options.ssl_root_cert_from_pem(system_roots()?)),
    }
}

/// The crate verifies the certificate against what it dials, so that the name would be lost: a detour ends TLS, and
/// what it shows is verified in full however little the URL demands of the server.
fn detoured(options: PgConnectOptions, detour: &Detour) -> PgConnectOptions {
    let options = options.host(&detour.address.ip().to_string()).port(detour.address.port());
    match &detour.authority {
        Some(pem) => options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert_from_pem(pem.clone().into_bytes()),
        None => options,
    }
}

fn connecting(access: &TenantAccess) -> String {
    let PostgresUrl { host, port, database, .. } = &access.connections.postgres;
    let user = access.login(Service::Postgres).user;
    format!("connect as `{user}` to `{database}` on {host}:{port} for tenant `{}`", access.tenant.name)
}
