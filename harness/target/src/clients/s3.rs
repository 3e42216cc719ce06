//! How a tenant reaches S3: the AWS SDK over rustls on ring, trusting the target's authority.

use std::{
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_credential_types::provider::future;
use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Config, ConfigBag, Credentials, IdentityCache, Intercept, ProvideCredentials,
        Region, RuntimeComponents, SharedInterceptor, StalledStreamProtectionConfig,
        interceptors::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut},
        retry::RetryConfig,
        timeout::TimeoutConfig,
    },
    error::BoxError,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns};
use bulkhead_model::{Service, url::S3Access};

use crate::{Detour, Disguise, Error, Login, TenantAccess, error::Cause};

/// The region that requests are signed for, unless the endpoint's host names one.
const REGION: &str = "us-east-1";

/// From dialling to a finished handshake.
const CONNECT: Duration = Duration::from_secs(5);

/// From a request's start to its answer's head.
const READ: Duration = Duration::from_secs(10);

/// One whole operation, its body included.
const OPERATION: Duration = Duration::from_secs(60);

/// A client with the tenant's key.
///
/// It never retries: a probe or a workload must see each answer, and counts a retry itself when it makes one. Every
/// operation ends by itself, after a minute at the latest.
///
/// # Errors
/// When the authority's file cannot be read or is no PEM.
pub fn client(access: &TenantAccess) -> Result<Client, Error> {
    let (detour, own) = (access.detour(Service::S3), access.own_login(Service::S3));
    let key = Key { own, disguise: detour.map(|detour| detour.disguise.clone()).unwrap_or_default() };
    build(&access.connections.s3, key, access.ca.as_deref(), detour)
}

/// The key that a request is signed with, asked for anew for each.
#[derive(Debug)]
struct Key {
    own: Login,
    disguise: Disguise,
}

impl ProvideCredentials for Key {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let Login { user, password } = self.disguise.worn().unwrap_or_else(|| self.own.clone());
        future::ProvideCredentials::ready(Ok(Credentials::new(
            user,
            password.expose(),
            None,
            None,
            "bulkhead",
        )))
    }
}

/// What the server calls itself in its answers, in lower case; most say what is in front of them, or nothing.
///
/// # Errors
/// When there can be no client, as for [`client`].
pub(crate) async fn server_name(access: &TenantAccess) -> Result<Option<String>, Error> {
    let heard = Heard::default();
    let asked = client(access)?.head_bucket().bucket(&access.connections.s3.bucket).customize();
    // Whatever it answers, it says who it is.
    let _answer = asked.interceptor(heard.clone()).send().await;
    let heard = heard.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(heard.map(|name| name.to_lowercase()))
}

/// Hears the header in which a server names itself.
#[derive(Clone, Debug, Default)]
struct Heard(Arc<Mutex<Option<String>>>);

impl Intercept for Heard {
    fn name(&self) -> &'static str {
        "Heard"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let named = context.response().headers().get("server").map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = named;
        Ok(())
    }
}

/// The same for a key that is no tenant's.
pub(crate) fn connect(s3: &S3Access, ca: Option<&Path>) -> Result<Client, Error> {
    let own = Login { user: s3.access_key_id.clone(), password: s3.secret_access_key.clone() };
    build(s3, Key { own, disguise: Disguise::default() }, ca, None)
}

fn build(s3: &S3Access, key: Key, ca: Option<&Path>, detour: Option<&Detour>) -> Result<Client, Error> {
    let trust = match ca {
        Some(path) => {
            let pem = std::fs::read(path).map_err(Error::disk("read", path))?;
            TrustStore::empty().with_pem_certificate(pem)
        }
        None => TrustStore::default(),
    };
    let mut endpoint = s3.endpoint.clone();
    let doing = || format!("set up TLS to `{}`", s3.endpoint);
    let tls =
        TlsContext::builder().with_trust_store(trust).build().map_err(Error::serve(Service::S3, doing()))?;
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls);
    let (http, named) = match detour {
        Some(detour) => {
            let (detoured, host) =
                detoured(&s3.endpoint, detour).map_err(Error::serve(Service::S3, doing()))?;
            endpoint = detoured;
            (http.build_with_resolver(Fixed(detour.address.ip())), Some(SharedInterceptor::new(Named(host))))
        }
        None => (http.build_https(), None),
    };
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(READ)
        .operation_attempt_timeout(OPERATION)
        .operation_timeout(OPERATION)
        .build();
    let mut config = Config::builder();
    config.set_interceptors(named);
    let config = config
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region(&s3.endpoint).to_owned()))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .credentials_provider(key)
        // A key may be another from one request to the next.
        .identity_cache(IdentityCache::no_cache())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(http)
        .build();
    Ok(Client::from_conf(config))
}

/// The endpoint with the detour's port, and what the Host header has to say as if there were none.
///
/// The client has one host and one port for what it dials, signs, asks for by SNI and verifies. So the host stays, a
/// resolver of its own leads to the detour, and the header that the port would show in is set before it is signed.
fn detoured(endpoint: &str, detour: &Detour) -> Result<(String, String), Cause> {
    let mut url = url::Url::parse(endpoint)?;
    let host = url.host_str().ok_or("the endpoint names no host")?;
    // A default port is none to this parser, as it is none in a Host header.
    let named = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    url.set_port(Some(detour.address.port())).map_err(|()| "the endpoint takes no port")?;
    Ok((url.into(), named))
}

/// Resolves every name to one address.
#[derive(Clone, Debug)]
struct Fixed(IpAddr);

impl ResolveDns for Fixed {
    fn resolve_dns<'a>(&'a self, _name: &'a str) -> DnsFuture<'a> {
        DnsFuture::ready(Ok(vec![self.0]))
    }
}

/// Sets the Host header, which is then signed and sent as it is.
#[derive(Debug)]
struct Named(String);

impl Intercept for Named {
    fn name(&self) -> &'static str {
        "Named"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().try_insert("host", self.0.clone())?;
        Ok(())
    }
}

/// The region in a host such as `s3.us-west-004.backblazeb2.com`.
fn region(endpoint: &str) -> &str {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or(host);
    let named = host.strip_prefix("s3.").and_then(|rest| rest.split_once('.'));
    match named {
        Some((region, domain)) if domain.contains('.') => region,
        _ => REGION,
    }
}

#[cfg(test)]
mod tests {
    use super::region;

    #[test]
    fn the_region_is_read_from_hosts_that_name_one() {
        assert_eq!(region("https://s3.us-west-004.backblazeb2.com"), "us-west-004");
        assert_eq!(region("https://s3.eu-central-1.amazonaws.com:443"), "eu-central-1");
        for plain in
            ["https://127.0.0.1:9000", "https://localhost:9000", "https://s3.amazonaws.com", "https://minio"]
        {
            assert_eq!(region(plain), "us-east-1", "{plain}");
        }
    }
}
