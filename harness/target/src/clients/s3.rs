//! How a tenant reaches S3: the AWS SDK over rustls on ring, trusting the target's authority.

use std::{path::Path, time::Duration};

use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Config, Credentials, Region, StalledStreamProtectionConfig, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use bulkhead_model::{Service, url::S3Access};

use crate::{Error, TenantAccess};

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
    connect(&access.connections.s3, access.ca.as_deref())
}

/// The same for a key that is no tenant's.
pub(crate) fn connect(s3: &S3Access, ca: Option<&Path>) -> Result<Client, Error> {
    let trust = match ca {
        Some(path) => {
            let pem = std::fs::read(path).map_err(Error::disk("read", path))?;
            TrustStore::empty().with_pem_certificate(pem)
        }
        None => TrustStore::default(),
    };
    let doing = || format!("set up TLS to `{}`", s3.endpoint);
    let tls =
        TlsContext::builder().with_trust_store(trust).build().map_err(Error::serve(Service::S3, doing()))?;
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(READ)
        .operation_attempt_timeout(OPERATION)
        .operation_timeout(OPERATION)
        .build();
    let key = Credentials::new(&s3.access_key_id, s3.secret_access_key.expose(), None, None, "bulkhead");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region(&s3.endpoint).to_owned()))
        .endpoint_url(&s3.endpoint)
        .force_path_style(true)
        .credentials_provider(key)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(http)
        .build();
    Ok(Client::from_conf(config))
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
