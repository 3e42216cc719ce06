//! Links keep the server's name: providers route by it and certificates carry it, while the fault proxy listens on
//! 127.0.0.1.
//!
//! Before each stand-in stands a front that turns away whoever does not say its name; nothing resolves that name, so
//! that only a link, which is told where the front is, can lead there.

use std::net::Ipv4Addr;

use aws_sdk_s3::primitives::ByteStream;
use bulkhead_engine::{links::Links, seed::Seed};
use bulkhead_model::{Service, Topology};
use bulkhead_proxy::spec::ProxyChange;
use bulkhead_target::{Detour, Session, TenantAccess, clients};
use futures::StreamExt as _;
use lapin::{options::QueueDeclareOptions, types::FieldTable};

use self::front::{Front, Seen};
use crate::support;

pub(crate) mod front;

/// What a server is called that no resolver knows: `.test` is reserved by RFC 6761.
fn name(service: Service) -> &'static str {
    match service {
        Service::Postgres => "ep-quiet-sea-123456.eu-central-1.aws.neon.test",
        Service::Redis => "fit-mole-12345.upstash.test",
        Service::Rabbitmq => "stingray.rmq.cloudamqp.test",
        Service::S3 => "s3.us-west-004.backblazeb2.test",
    }
}

/// A tenant whose four servers are behind fronts.
struct Rig {
    _session: Session,
    folder: tempfile::TempDir,
    /// Its URLs lead to the fronts' names.
    tenant: TenantAccess,
    /// The same without a front.
    direct: TenantAccess,
}

impl Rig {
    async fn new() -> Self {
        let session = support::session().await;
        let topology = Topology::parse(support::ALL_SHARED, "layout").unwrap();
        let direct = session.slices(&topology).await.unwrap().remove(0);
        let mut tenant = direct.clone();
        let connections = &mut tenant.connections;
        name(Service::Postgres).clone_into(&mut connections.postgres.host);
        name(Service::Redis).clone_into(&mut connections.redis.host);
        name(Service::Rabbitmq).clone_into(&mut connections.rabbitmq.host);
        // As providers have them: on the scheme's own port, which no Host header names.
        connections.s3.endpoint = format!("https://{}", name(Service::S3));
        connections.postgres.parameters = vec![("sslmode".into(), "require".into())];
        Self { _session: session, folder: tempfile::tempdir().unwrap(), tenant, direct }
    }

    /// A front that has a certificate for this name, and the tenant that trusts its authority.
    async fn front(&self, service: Service, certified: &str) -> (Front, TenantAccess) {
        let behind = (self.direct.address(service).unwrap().1, self.direct.ca.as_deref().unwrap());
        let front = Front::start(service, name(service), certified, behind, self.folder.path()).await;
        let tenant = TenantAccess { ca: Some(front.ca.clone()), ..self.tenant.clone() };
        (front, tenant)
    }
}

/// The tenant with a link to a front.
async fn linked(links: &Links, tenant: &TenantAccess, service: Service, front: &Front) -> TenantAccess {
    let mut linked = tenant.clone();
    linked.detours.set(service, links.open(tenant, service, Some(front.address)).await.unwrap());
    linked
}

/// Writes something in the tenant's own slice and reads it back, by every kind of connection that there is.
async fn works(service: Service, access: &TenantAccess) -> Result<(), String> {
    let said = |error: bulkhead_target::Error| error.chain();
    match service {
        Service::Postgres => {
            let mut connection = clients::postgres::connect(access).await.map_err(said)?;
            let sum = sqlx::query_scalar::<_, i32>("SELECT 40 + 2").fetch_one(&mut connection).await;
            assert_eq!(sum.unwrap(), 42);
            let pool = clients::postgres::pool(access, 1).await.map_err(said)?;
            assert_eq!(sqlx::query_scalar::<_, i32>("SELECT 6 * 7").fetch_one(&pool).await.unwrap(), 42);
            pool.close().await;
        }
        Service::Redis => {
            let key = access.tenant.slices.redis.key("links");
            let mut subscriber = clients::redis::subscriber(access).await.map_err(said)?;
            subscriber.subscribe(&key).await.unwrap();
            let mut connection = clients::redis::connect(access).await.map_err(said)?;
            let () = redis::cmd("SET").arg(&key).arg("kept").query_async(&mut connection).await.unwrap();
            let kept: String = redis::cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
            assert_eq!(kept, "kept");
            let () = redis::cmd("PUBLISH").arg(&key).arg("told").query_async(&mut connection).await.unwrap();
            let told = subscriber.on_message().next().await.unwrap();
            assert_eq!(told.get_payload::<String>().unwrap(), "told");
        }
        Service::Rabbitmq => {
            assert_eq!(clients::rabbitmq::server_facts(access).await.map_err(said)?.product, "RabbitMQ");
            let connection = clients::rabbitmq::connect(access).await.map_err(said)?;
            let channel = connection.create_channel().await.unwrap();
            let queue = access.tenant.slices.rabbitmq.queue("links");
            let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
            channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await.unwrap();
            connection.close(200, "done".into()).await.unwrap();
        }
        Service::S3 => {
            let client = clients::s3::client(access).map_err(said)?;
            let slice = &access.tenant.slices.s3;
            let (bucket, key) = (&slice.bucket, slice.key("links"));
            let body = ByteStream::from_static(b"kept");
            let put = client.put_object().bucket(bucket).key(&key).body(body).send().await;
            put.map_err(|error| aws_sdk_s3::error::DisplayErrorContext(error).to_string())?;
            let got = client.get_object().bucket(bucket).key(&key).send().await.unwrap();
            assert_eq!(&got.body.collect().await.unwrap().into_bytes()[..], b"kept");
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_name_survives_its_link() {
    let rig = Rig::new().await;
    let links = Links::new(&Seed::new(1)).unwrap();
    for service in Service::ALL {
        let (front, tenant) = rig.front(service, name(service)).await;
        let linked = linked(&links, &tenant, service, &front).await;
        works(service, &linked).await.unwrap_or_else(|error| panic!("{service}: {error}"));
        clients::tls::facts(&linked, service).await.unwrap();
        let seen = front.seen();
        assert!(seen.len() > 1 && seen.iter().all(|seen| *seen == Seen::Named), "{service}: {seen:?}");
        // All of it went through the proxy: without it, nothing works.
        let down = ProxyChange { enabled: Some(false), ..ProxyChange::default() };
        links.proxies().change(&Links::name(&tenant, service), down).await.unwrap();
        works(service, &linked).await.unwrap_err();
        assert!(front.seen().is_empty(), "{service}");
    }
    links.close().await.unwrap();
}

/// The naive way: the proxy's address put into the URL.
#[tokio::test]
async fn a_front_turns_away_whoever_lost_the_name() {
    let rig = Rig::new().await;
    for service in Service::ALL {
        // A certificate for the proxy's address, so that nothing but the name is missing.
        let (front, mut tenant) = rig.front(service, "127.0.0.1").await;
        let (host, port) = (Ipv4Addr::LOCALHOST.to_string(), front.address.port());
        let connections = &mut tenant.connections;
        (connections.postgres.host, connections.postgres.port) = (host.clone(), port);
        (connections.redis.host, connections.redis.port) = (host.clone(), port);
        (connections.rabbitmq.host, connections.rabbitmq.port) = (host.clone(), port);
        connections.s3.endpoint = format!("https://{host}:{port}");
        works(service, &tenant).await.unwrap_err();
        let seen = front.seen();
        assert!(!seen.is_empty() && seen.iter().all(|seen| *seen == Seen::Sni(None)), "{service}: {seen:?}");
    }
}

/// Whoever says the name of somebody else, whose certificate it would even take.
#[tokio::test]
async fn a_front_turns_away_another_name() {
    const OTHER: &str = "somebody-else.test";
    let rig = Rig::new().await;
    let links = Links::new(&Seed::new(1)).unwrap();
    for service in Service::ALL {
        let (front, mut tenant) = rig.front(service, OTHER).await;
        let connections = &mut tenant.connections;
        OTHER.clone_into(&mut connections.postgres.host);
        OTHER.clone_into(&mut connections.redis.host);
        OTHER.clone_into(&mut connections.rabbitmq.host);
        connections.s3.endpoint = format!("https://{OTHER}");
        works(service, &linked(&links, &tenant, service, &front).await).await.unwrap_err();
        let (seen, wrong) = (front.seen(), Seen::Sni(Some(OTHER.to_owned())));
        assert!(!seen.is_empty() && seen.iter().all(|seen| *seen == wrong), "{service}: {seen:?}");
    }
    links.close().await.unwrap();
}

#[tokio::test]
async fn a_front_turns_away_a_request_for_another_host() {
    let rig = Rig::new().await;
    let (front, tenant) = rig.front(Service::S3, name(Service::S3)).await;
    // What the client would say by itself: the name with the port that it dials.
    let mut ported = tenant.clone();
    ported.connections.s3.endpoint = format!("https://{}:{}", name(Service::S3), front.address.port());
    ported.detours.set(
        Service::S3,
        Detour { address: front.address, authority: None, disguise: bulkhead_target::Disguise::default() },
    );
    works(Service::S3, &ported).await.unwrap_err();
    let seen = front.seen();
    let host = format!("{}:{}", name(Service::S3), front.address.port());
    assert!(!seen.is_empty() && seen.iter().all(|seen| *seen == Seen::Host(Some(host.clone()))), "{seen:?}");
}

#[tokio::test]
async fn a_link_lets_nobody_answer_in_the_servers_name() {
    let rig = Rig::new().await;
    for service in Service::ALL {
        let links = Links::new(&Seed::new(1)).unwrap();
        // A certificate that the tenant trusts, for another name.
        let (front, tenant) = rig.front(service, "somebody-else.test").await;
        works(service, &linked(&links, &tenant, service, &front).await).await.unwrap_err();
        links.close().await.unwrap();
        // A certificate for the name, of an authority that the tenant does not trust.
        let links = Links::new(&Seed::new(1)).unwrap();
        let (front, tenant) = rig.front(service, name(service)).await;
        let stranger = TenantAccess { ca: rig.direct.ca.clone(), ..tenant };
        works(service, &linked(&links, &stranger, service, &front).await).await.unwrap_err();
        links.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_link_exists_once_and_ends_with_the_others() {
    let rig = Rig::new().await;
    let links = Links::new(&Seed::new(1)).unwrap();
    let through = links.through(&rig.direct, &Service::ALL).await.unwrap();
    for service in Service::ALL {
        works(service, &through).await.unwrap_or_else(|error| panic!("{service}: {error}"));
        let error = links.open(&rig.direct, service, None).await.unwrap_err().chain();
        assert!(error.contains("tenant `engine`") && error.contains("exists"), "{error}");
    }
    links.close().await.unwrap();
    works(Service::Redis, &through).await.unwrap_err();
}
