//! Servers, tenants and clients for the S3 tests.

use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
};
use bulkhead_model::{Enforcement, S3Slice, Service, Tenant, url::S3Access};
use bulkhead_target::{
    TenantAccess, clients,
    services::{
        Access, Running,
        s3::{Embedded, Options},
    },
};

use tokio::net::TcpSocket;

use crate::support::{Direct, alone, direct, tenant};

/// Two tenants with buckets of their own.
pub(crate) fn separate() -> [Tenant; 2] {
    [tenant("engine", "k7"), tenant("plane", "k7")]
}

/// Two tenants that share a bucket.
pub(crate) fn shared() -> [Tenant; 2] {
    separate().map(|mut tenant| {
        let prefix = Some(format!("{}/", tenant.name));
        tenant.slices.s3 = S3Slice { bucket: String::from("tl-shared-k7"), prefix };
        tenant
    })
}

/// A server with these tenants on it, and a client for each.
pub(crate) async fn serving(tenants: &[Tenant]) -> (Direct, Vec<TenantAccess>, Vec<Client>) {
    let mut server = direct(Service::S3).await;
    let accesses = provision(&mut server, tenants, Enforcement::Enforced).await;
    let clients = accesses.iter().map(|access| clients::s3::client(access).unwrap()).collect();
    (server, accesses, clients)
}

/// Makes the tenants' slices.
pub(crate) async fn provision(
    server: &mut Direct,
    tenants: &[Tenant],
    enforcement: Enforcement,
) -> Vec<TenantAccess> {
    let made = server.running.provision(tenants, enforcement).await.unwrap();
    tenants.iter().zip(made).map(|(tenant, access)| alone(tenant, access, &server.place.ca)).collect()
}

/// A server of one's own with options of one's own, in a place that [`direct`] made and gave up.
pub(crate) struct Own {
    pub(crate) running: Embedded,
    pub(crate) direct: Direct,
    _port: TcpSocket,
}

/// Starts one, on a port that stays its own.
///
/// A killed server's port is free at once where its connections were reset, and any socket of another test may have it
/// before the next server does. A socket that is bound and never listens keeps it from those that ask for any port,
/// while the server, which asks for this one, may share it.
pub(crate) async fn own(options: Options) -> Own {
    let mut direct = direct(Service::S3).await;
    direct.running.stop().await;
    let port = TcpSocket::new_v4().unwrap();
    port.set_reuseaddr(true).unwrap();
    port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    direct.place.port = Some(port.local_addr().unwrap().port());
    let running = Embedded::start(&crate::support::spec(), &direct.place, options).await.unwrap();
    Own { running, direct, _port: port }
}

impl Own {
    /// A client for a key.
    pub(crate) fn client(&self, access: S3Access) -> Client {
        clients::s3::client(&self.access(access)).unwrap()
    }

    /// A key as a tenant's access.
    pub(crate) fn access(&self, access: S3Access) -> TenantAccess {
        alone(&tenant("engine", "own"), Access::S3(access), &self.direct.place.ca)
    }

    /// A client for a tenant of its own.
    pub(crate) async fn tenant(&mut self) -> (Client, String) {
        let access = self.tenant_access().await;
        (clients::s3::client(&access).unwrap(), access.connections.s3.bucket)
    }

    /// The access of a tenant of its own.
    pub(crate) async fn tenant_access(&mut self) -> TenantAccess {
        let tenant = tenant("engine", "own");
        let made =
            self.running.provision(std::slice::from_ref(&tenant), Enforcement::Enforced).await.unwrap();
        let [Access::S3(access)] = &made[..] else { panic!("{made:?}") };
        self.access(access.clone())
    }
}

/// Puts an object.
pub(crate) async fn put(client: &Client, bucket: &str, key: &str, body: &[u8]) -> Result<String, String> {
    let body = ByteStream::from(body.to_vec());
    let put = client.put_object().bucket(bucket).key(key).body(body).send().await.map_err(code)?;
    Ok(put.version_id().unwrap().to_owned())
}

/// Gets an object.
pub(crate) async fn get(client: &Client, bucket: &str, key: &str) -> Result<Vec<u8>, String> {
    let got = client.get_object().bucket(bucket).key(key).send().await.map_err(code)?;
    Ok(got.body.collect().await.unwrap().to_vec())
}

/// The keys below a prefix.
pub(crate) async fn list(client: &Client, bucket: &str, prefix: &str) -> Result<Vec<String>, String> {
    let listed = client.list_objects_v2().bucket(bucket).prefix(prefix).send().await.map_err(code)?;
    Ok(listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect())
}

/// A refusal as `status code: message`, or `status` alone where there is no body.
pub(crate) fn code<E: ProvideErrorMetadata + std::fmt::Debug>(error: SdkError<E>) -> String {
    let SdkError::ServiceError(refused) = &error else { panic!("no answer: {error:?}") };
    let status = refused.raw().status().as_u16();
    match (refused.err().code(), refused.err().message()) {
        (Some(code), Some(message)) => format!("{status} {code}: {message}"),
        (Some(code), None) => format!("{status} {code}"),
        (None, _) => status.to_string(),
    }
}

fn refused(outcome: Result<impl std::fmt::Debug, String>) -> bool {
    outcome.is_err_and(|reason| reason.starts_with("403 AccessDenied"))
}

/// Makes tenants on a server that nobody here wrote, and has each keep to its slice.
pub(crate) async fn fences(server: &mut Direct, layouts: &[[Tenant; 2]], versions: bool) {
    for tenants in layouts {
        let accesses = provision(server, tenants, Enforcement::Enforced).await;
        let clients: Vec<_> = accesses.iter().map(|access| clients::s3::client(access).unwrap()).collect();
        let slices = [0, 1].map(|side| accesses[side].tenant.slices.s3.clone());
        for (client, slice) in clients.iter().zip(&slices) {
            let first = put(client, &slice.bucket, &slice.key("a"), b"one").await.unwrap();
            put(client, &slice.bucket, &slice.key("a"), b"two").await.unwrap();
            if versions {
                let old = client.get_object().bucket(&slice.bucket).key(slice.key("a")).version_id(first);
                let old = old.send().await.unwrap().body.collect().await.unwrap().to_vec();
                assert_eq!(old, b"one", "versions are on");
            }
            assert_eq!(list(client, &slice.bucket, &slice.key("")).await.unwrap(), [slice.key("a")]);
        }
        let (bucket, key) = (&slices[1].bucket, slices[1].key("a"));
        assert!(refused(get(&clients[0], bucket, &key).await));
        assert!(refused(put(&clients[0], bucket, &key, b"x").await));
        assert!(refused(list(&clients[0], bucket, &slices[1].key("")).await));
        assert!(refused(list(&clients[0], bucket, "").await));
        assert_eq!(get(&clients[1], bucket, &key).await.unwrap(), b"two");

        let mine: [Tenant; 1] = [tenants[0].clone()];
        server.running.remove(&mine).await.unwrap();
        assert!(get(&clients[0], &slices[0].bucket, &slices[0].key("a")).await.is_err());
        assert_eq!(get(&clients[1], bucket, &key).await.unwrap(), b"two");
        server.running.remove(&tenants[1..]).await.unwrap();
    }
}

/// The negative control: the fence is the policies' doing.
pub(crate) async fn refuses_nothing(server: &mut Direct) {
    let accesses = provision(server, &separate(), Enforcement::Convention).await;
    let clients: Vec<_> = accesses.iter().map(|access| clients::s3::client(access).unwrap()).collect();
    let bucket = &accesses[1].tenant.slices.s3.bucket;
    put(&clients[1], bucket, "a", b"canary").await.unwrap();
    assert_eq!(get(&clients[0], bucket, "a").await.unwrap(), b"canary");
}
