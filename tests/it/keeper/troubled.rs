//! Service faults on real servers: each does what it says to its tenant, to nobody else where it is the tenant's alone,
//! and is undone, with whoever asked for it too.

use std::time::Duration;

use aws_sdk_s3::{Client as S3, error::ProvideErrorMetadata, primitives::ByteStream};
use bulkhead_model::{Service, Topology};
use bulkhead_target::{ServiceFault, Session, TenantAccess, clients};
use futures::{FutureExt, future::BoxFuture};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ExchangeKind,
    options::{
        BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};
use redis::{AsyncCommands, RedisError};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::timeout;

use super::trace::Own;
use crate::support::{self, open};

/// Long enough for any answer, and short enough to wait for none.
const MOMENT: Duration = Duration::from_millis(500);

/// The servers of which some faults meet everybody.
const ALONE: [Service; 2] = [Service::Redis, Service::Rabbitmq];

/// Begins a fault for a tenant, or undoes it, and gives what it touched.
async fn inflict(
    session: &Session,
    service: Service,
    fault: ServiceFault,
    on: &TenantAccess,
    begins: bool,
) -> u64 {
    session.inflict(service, fault, &on.tenant, begins).await.unwrap()
}

async fn sql(connection: &mut PgConnection, text: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(connection).await.map(drop)
}

async fn postgres(session: &Session, one: &TenantAccess, other: &TenantAccess) {
    let on = async |fault, begins| inflict(session, Service::Postgres, fault, one, begins).await;
    let connect = async || clients::postgres::connect(one).await;
    let (mut its, mut neighbours) =
        (connect().await.unwrap(), clients::postgres::connect(other).await.unwrap());
    assert_eq!(on(ServiceFault::Terminate, true).await, 1);
    let ended = sql(&mut its, "SELECT 1").await.unwrap_err().to_string();
    assert!(ended.contains("terminating connection due to administrator command"), "{ended}");
    sql(&mut connect().await.unwrap(), "SELECT 1").await.unwrap();
    assert_eq!(on(ServiceFault::Terminate, false).await, 0);

    // One that was dropped is a session until the server has noticed.
    let sessions = format!(
        "DO $$ BEGIN WHILE EXISTS (SELECT FROM pg_stat_activity WHERE usename = '{}') LOOP PERFORM \
         pg_stat_clear_snapshot(); END LOOP; END $$",
        one.connections.postgres.user
    );
    sql(&mut neighbours, &sessions).await.unwrap();
    assert_eq!(on(ServiceFault::Exhaust, true).await, 0, "it had none");
    let refused = connect().await.unwrap_err().chain();
    assert!(refused.contains("too many connections for role"), "{refused}");
    on(ServiceFault::Exhaust, false).await;

    let mut its = connect().await.unwrap();
    assert_eq!(on(ServiceFault::ReadOnly, true).await, 1);
    sql(&mut its, "SELECT 1").await.unwrap_err();
    let mut its = connect().await.unwrap();
    let schema = one.tenant.slices.postgres.schema_or_public();
    let write = format!("CREATE TABLE IF NOT EXISTS {schema}.troubled ()");
    let refused = sql(&mut its, &write).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("25006"));
    sql(&mut its, "SELECT 1").await.unwrap();
    assert_eq!(on(ServiceFault::ReadOnly, false).await, 1);
    sql(&mut connect().await.unwrap(), &write).await.unwrap();
    sql(&mut neighbours, "SELECT 1").await.unwrap();
}

async fn redis(session: &Session, one: &TenantAccess) {
    let on = async |fault, begins| inflict(session, Service::Redis, fault, one, begins).await;
    let key = one.tenant.slices.redis.key("troubled");
    let mut its = clients::redis::connect(one).await.unwrap();
    let _: Option<String> = its.get(&key).await.unwrap();
    assert_eq!(on(ServiceFault::Terminate, true).await, 1);
    let ended: Result<Option<String>, RedisError> = its.get(&key).await;
    assert!(ended.unwrap_err().code().is_none(), "it is no answer");
    on(ServiceFault::Terminate, false).await;

    on(ServiceFault::OutOfMemory, true).await;
    let mut its = clients::redis::connect(one).await.unwrap();
    let refused: Result<(), RedisError> = its.set(&key, "value").await;
    assert_eq!(refused.unwrap_err().code(), Some("OOM"));
    assert_eq!(its.get::<_, Option<String>>(&key).await.unwrap(), None);
    assert_eq!(on(ServiceFault::OutOfMemory, false).await, 1);
    let () = its.set(&key, "value").await.unwrap();
}

/// A way to publish to a queue of the tenant's.
struct Publisher {
    connection: Connection,
    channel: Channel,
    queue: String,
}

impl Publisher {
    async fn of(access: &TenantAccess) -> Self {
        let connection = clients::rabbitmq::connect(access).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let queue = access.tenant.slices.rabbitmq.queue("troubled");
        let name = || queue.as_str().into();
        let (durable, table) =
            (QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() }, FieldTable::default);
        channel.queue_declare(name(), durable, table()).await.unwrap();
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(name(), ExchangeKind::Direct, durable, table()).await.unwrap();
        channel.queue_bind(name(), name(), name(), QueueBindOptions::default(), table()).await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Self { connection, channel, queue }
    }

    /// How much is in the queue.
    async fn held(&self) -> u32 {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue =
            self.channel.queue_declare(self.queue.as_str().into(), passive, FieldTable::default()).await;
        queue.unwrap().message_count()
    }

    async fn publish(&self) -> lapin::Result<Confirmation> {
        let name = || self.queue.as_str().into();
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        self.channel.basic_publish(name(), name(), options, b"message", properties).await?.await
    }
}

/// The first message that is not confirmed in a moment.
async fn kept_waiting(
    publisher: &Publisher,
    alarm: ServiceFault,
) -> BoxFuture<'_, lapin::Result<Confirmation>> {
    for _ in 0..1_000 {
        let mut waiting = publisher.publish().boxed();
        match timeout(MOMENT, &mut waiting).await {
            Err(_) => return waiting,
            Ok(confirmed) => {
                assert!(matches!(confirmed, Ok(Confirmation::Ack(_))), "{alarm:?}: {confirmed:?}")
            }
        }
    }
    panic!("{alarm:?}: whatever was published was confirmed");
}

async fn rabbitmq(session: &Session, one: &TenantAccess, other: &TenantAccess) {
    let on = async |fault, begins| inflict(session, Service::Rabbitmq, fault, one, begins).await;
    let (its, neighbours) = (Publisher::of(one).await, Publisher::of(other).await);
    assert_eq!(on(ServiceFault::Terminate, true).await, 1);
    assert!(timeout(MOMENT * 10, its.publish()).await.unwrap().is_err(), "its connection ended");
    assert!(matches!(neighbours.publish().await, Ok(Confirmation::Ack(_))));
    on(ServiceFault::Terminate, false).await;
    drop(its.connection);

    for alarm in [ServiceFault::MemoryAlarm, ServiceFault::DiskAlarm] {
        let its = Publisher::of(one).await;
        on(alarm, true).await;
        // The broker tells its connections one by one, so that what comes before it told this one is confirmed.
        let waiting = kept_waiting(&its, alarm).await;
        assert_eq!(on(alarm, false).await, 1);
        assert!(matches!(timeout(MOMENT * 10, waiting).await.unwrap(), Ok(Confirmation::Ack(_))));
    }

    let its = Publisher::of(one).await;
    assert!(matches!(its.publish().await, Ok(Confirmation::Ack(_))));
    let held = its.held().await;
    assert_eq!(on(ServiceFault::QueueLimit, true).await, 1);
    assert!(matches!(its.publish().await, Ok(Confirmation::Nack(_))));
    assert!(matches!(neighbours.publish().await, Ok(Confirmation::Ack(_))));
    assert_eq!(its.held().await, held, "what a queue held is in it still");
    on(ServiceFault::QueueLimit, false).await;
    assert!(matches!(its.publish().await, Ok(Confirmation::Ack(_))));
}

/// Puts an object and gives the error's code, or nothing.
async fn put(client: &S3, access: &TenantAccess, key: &str) -> Option<String> {
    let (slice, body) = (&access.tenant.slices.s3, ByteStream::from_static(b"an object's body"));
    let put = client.put_object().bucket(&slice.bucket).key(slice.key(key)).body(body).send().await;
    put.err().map(|error| error.code().unwrap_or("none").to_owned())
}

async fn s3(session: &Session, one: &TenantAccess, other: &TenantAccess) {
    let on = async |fault, begins| inflict(session, Service::S3, fault, one, begins).await;
    let (its, neighbours) = (clients::s3::client(one).unwrap(), clients::s3::client(other).unwrap());
    let get = async |key: &str| {
        let slice = &one.tenant.slices.s3;
        let got = its.get_object().bucket(&slice.bucket).key(slice.key(key)).send().await.ok()?;
        Some(got.body.collect().await.map(|body| body.to_vec()))
    };
    on(ServiceFault::SlowDown, true).await;
    assert_eq!(put(&its, one, "throttled").await.as_deref(), Some("SlowDown"));
    assert_eq!(put(&neighbours, other, "free").await, None);
    assert_eq!(on(ServiceFault::SlowDown, false).await, 1);
    assert!(get("throttled").await.is_none(), "it was put all the same");

    on(ServiceFault::InternalError, true).await;
    for key in ["not done", "done"] {
        assert_eq!(put(&its, one, key).await.as_deref(), Some("InternalError"));
    }
    assert_eq!(on(ServiceFault::InternalError, false).await, 2);
    assert!(get("not done").await.is_none());
    assert_eq!(get("done").await.unwrap().unwrap(), b"an object's body");

    on(ServiceFault::Truncated, true).await;
    assert!(get("done").await.unwrap().is_err(), "the whole body came");
    assert_eq!(on(ServiceFault::Truncated, false).await, 1);
    assert_eq!(get("done").await.unwrap().unwrap(), b"an object's body");
}

#[tokio::test]
async fn each_fault_does_what_it_says_to_its_tenant_and_is_undone() {
    let own = Own::new("troubled");
    let session = open(&own.spec).await;
    let shared = Topology::parse(support::ALL_SHARED, "all-shared.toml").unwrap();
    let beside = session.slices_on(&shared, &ALONE, &[]).await.unwrap();
    let refused = async |service, fault| {
        let refused = session.inflict(service, fault, &beside[0].tenant, true).await;
        refused.unwrap_err().chain()
    };
    let why = refused(Service::Redis, ServiceFault::OutOfMemory).await;
    assert!(why.contains("is not this lease's alone"), "{why}");
    let why = refused(Service::Postgres, ServiceFault::Terminate).await;
    assert!(why.contains("this lease has no slice of postgres"), "{why}");
    let why = refused(Service::Redis, ServiceFault::ReadOnly).await;
    assert!(why.contains("there is no ReadOnly of redis"), "{why}");
    session.release(beside).await.unwrap();

    let slices = session.slices_on(&shared, &Service::ALL, &ALONE).await.unwrap();
    let [one, other] = &slices[..] else { panic!("two tenants") };
    postgres(&session, one, other).await;
    redis(&session, one).await;
    rabbitmq(&session, one, other).await;
    s3(&session, one, other).await;
    session.release(slices).await.unwrap();

    // As by a case that failed or panicked: its slices go, and nobody undid anything.
    let left = trouble(&session, &shared).await;
    session.release(left).await.unwrap();
    nothing_is_left(&session, &shared).await;

    // As by SIGKILL: nobody says goodbye, and nothing is left of it for whoever comes next.
    let _left = trouble(&session, &shared).await;
    let next = open(&own.spec).await;
    drop(session);
    nothing_is_left(&next, &shared).await;
    next.close().await.unwrap();
    own.assert_gone().await;
}

/// Begins faults that meet everybody and undoes none.
async fn trouble(session: &Session, layout: &Topology) -> Vec<TenantAccess> {
    let slices = session.slices_on(layout, &ALONE, &ALONE).await.unwrap();
    inflict(session, Service::Redis, ServiceFault::OutOfMemory, &slices[0], true).await;
    inflict(session, Service::Rabbitmq, ServiceFault::MemoryAlarm, &slices[0], true).await;
    slices
}

/// Whoever comes next can write and publish.
async fn nothing_is_left(session: &Session, layout: &Topology) {
    let slices = session.slices_on(layout, &ALONE, &[]).await.unwrap();
    let mut connection = clients::redis::connect(&slices[0]).await.unwrap();
    let () = connection.set(slices[0].tenant.slices.redis.key("troubled"), "value").await.unwrap();
    let publisher = Publisher::of(&slices[0]).await;
    assert!(matches!(timeout(MOMENT * 10, publisher.publish()).await.unwrap(), Ok(Confirmation::Ack(_))));
    session.release(slices).await.unwrap();
}
