//! What is done to whole servers: only by who has them alone, and undone with whoever asked for it.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bulkhead_model::{Enforcement, Service, Topology};
use bulkhead_target::{Disturbance, Session, TenantAccess, clients};
use futures::future::join_all;
use lapin::{
    BasicProperties, Channel, Confirmation, ExchangeKind,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use sqlx::AssertSqlSafe;
use tokio::time::timeout;

use super::trace::Own;
use crate::support::{self, open};

/// Long enough for any answer, and short enough to wait for none.
const MOMENT: Duration = Duration::from_millis(500);

/// Slices on one service, alone there if need be.
async fn slices(session: &Session, service: Service, alone: &[Service]) -> Vec<TenantAccess> {
    session.slices_on(&Topology::builtin(), &[service], alone).await.unwrap()
}

async fn ping(access: &TenantAccess) -> MultiplexedConnection {
    let mut connection = clients::redis::connect(access).await.unwrap();
    let _: Option<String> = connection.get(access.tenant.slices.redis.key("x")).await.unwrap();
    connection
}

/// Stores a value on every service.
async fn keep(access: &TenantAccess, value: &str) {
    let slices = &access.tenant.slices;
    let mut postgres = clients::postgres::connect(access).await.unwrap();
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS kept (value text); TRUNCATE kept; INSERT INTO kept VALUES ('{value}')"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut postgres).await.unwrap();
    let mut redis = clients::redis::connect(access).await.unwrap();
    let () = redis.set(slices.redis.key("kept"), value).await.unwrap();
    let (_connection, channel, queue) = queue(access).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    channel
        .exchange_declare(queue.as_str().into(), ExchangeKind::Direct, EXCHANGE, FieldTable::default())
        .await
        .unwrap();
    let name = || queue.as_str().into();
    channel
        .queue_bind(name(), name(), name(), QueueBindOptions::default(), FieldTable::default())
        .await
        .unwrap();
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let sent =
        channel.basic_publish(name(), name(), BasicPublishOptions::default(), value.as_bytes(), persistent);
    assert!(matches!(sent.await.unwrap().await.unwrap(), Confirmation::Ack(_)));
    let s3 = clients::s3::client(access).unwrap();
    let body = ByteStream::from(value.as_bytes().to_vec());
    s3.put_object().bucket(&slices.s3.bucket).key(slices.s3.key("kept")).body(body).send().await.unwrap();
}

/// What every service has of it.
async fn kept(access: &TenantAccess) -> [String; 4] {
    let slices = &access.tenant.slices;
    let mut postgres = clients::postgres::connect(access).await.unwrap();
    let row = sqlx::query_scalar("SELECT value FROM kept").fetch_one(&mut postgres).await.unwrap();
    let key = clients::redis::connect(access).await.unwrap().get(slices.redis.key("kept")).await.unwrap();
    let (_connection, channel, queue) = queue(access).await;
    let message = channel.basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true }).await.unwrap();
    let message =
        String::from_utf8(message.map(|message| message.delivery.data).unwrap_or_default()).unwrap();
    let s3 = clients::s3::client(access).unwrap();
    let object = s3.get_object().bucket(&slices.s3.bucket).key(slices.s3.key("kept")).send().await.unwrap();
    let object = String::from_utf8(object.body.collect().await.unwrap().to_vec()).unwrap();
    [row, key, message, object]
}

const EXCHANGE: ExchangeDeclareOptions = ExchangeDeclareOptions {
    durable: true,
    passive: false,
    auto_delete: false,
    internal: false,
    nowait: false,
};

async fn queue(access: &TenantAccess) -> (lapin::Connection, Channel, String) {
    let connection = clients::rabbitmq::connect(access).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = access.tenant.slices.rabbitmq.queue("kept");
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await.unwrap();
    (connection, channel, queue)
}

#[tokio::test]
async fn a_server_is_disturbed_by_who_has_it_alone_and_by_no_one_else() {
    let own = Own::new("alone");
    let session = open(&own.spec).await;
    let beside = slices(&session, Service::Redis, &[]).await;
    let refused = session.disturb(Service::Redis, Disturbance::Pause).await.unwrap_err();
    assert!(refused.chain().contains("is not this lease's alone"), "{}", refused.chain());
    // Whoever wants it alone waits for the others, and whoever comes then waits behind.
    let mut first = Box::pin(slices(&session, Service::Redis, &[Service::Redis]));
    let mut second = Box::pin(slices(&session, Service::Redis, &[]));
    assert!(timeout(MOMENT, &mut first).await.is_err(), "others are still there");
    assert!(timeout(MOMENT, &mut second).await.is_err(), "it would come before who came first");
    let elsewhere = slices(&session, Service::S3, &[Service::S3]).await;
    session.release(beside).await.unwrap();
    let alone = first.as_mut().await;
    assert!(timeout(MOMENT, &mut second).await.is_err(), "somebody has it alone");
    session.release(alone).await.unwrap();
    let beside = second.as_mut().await;
    ping(&beside[0]).await;
    session.release(elsewhere).await.unwrap();
    drop((first, second));
    session.close().await.unwrap();
    own.assert_gone().await;
}

#[tokio::test]
async fn every_server_stops_answering_and_goes_on() {
    let own = Own::new("pause");
    let session = open(&own.spec).await;
    let alone = session.slices_on(&Topology::builtin(), &Service::ALL, &Service::ALL).await.unwrap();
    let access = &alone[0];
    let mut postgres = clients::postgres::connect(access).await.unwrap();
    let mut redis = ping(access).await;
    let rabbitmq = clients::rabbitmq::connect(access).await.unwrap();
    let (s3, bucket) = (clients::s3::client(access).unwrap(), &access.tenant.slices.s3.bucket);
    for paused in [true, false] {
        let how = if paused { Disturbance::Pause } else { Disturbance::Mend };
        for service in Service::ALL {
            session.disturb(service, how).await.unwrap();
        }
        let asked = (
            timeout(MOMENT, sqlx::query("SELECT 1").execute(&mut postgres)).await.is_err(),
            timeout(MOMENT, redis.get::<_, Option<String>>(access.tenant.slices.redis.key("x")))
                .await
                .is_err(),
            timeout(MOMENT, rabbitmq.create_channel()).await.is_err(),
            timeout(MOMENT, s3.list_objects_v2().bucket(bucket).send()).await.is_err(),
        );
        if paused {
            assert_eq!(asked, (true, true, true, true), "nobody answers");
        }
    }
    // What was asked meanwhile is answered late, so whether they go on is asked anew.
    let mut postgres = clients::postgres::connect(access).await.unwrap();
    sqlx::query("SELECT 1").execute(&mut postgres).await.unwrap();
    ping(access).await;
    clients::rabbitmq::connect(access).await.unwrap().create_channel().await.unwrap();
    s3.list_objects_v2().bucket(bucket).send().await.unwrap();
    session.close().await.unwrap();
    own.assert_gone().await;
}

#[tokio::test]
async fn every_server_is_there_again_with_its_data_and_its_logins_after_a_kill_and_after_a_restart() {
    let own = Own::new("again");
    let session = open(&own.spec).await;
    let shared = Topology::parse(support::ALL_SHARED, "all-shared.toml").unwrap();
    for topology in [Topology::builtin(), shared] {
        let alone = session.slices_on(&topology, &Service::ALL, &Service::ALL).await.unwrap();
        for (round, how) in [Disturbance::Kill, Disturbance::Stop].into_iter().enumerate() {
            let value = format!("kept {round}");
            join_all(alone.iter().map(|access| keep(access, &value))).await;
            for service in Service::ALL {
                session.disturb(service, how).await.unwrap();
                let twice = session.disturb(service, how).await.unwrap_err();
                assert!(twice.chain().contains("it does not run"), "{}", twice.chain());
            }
            let access = &alone[0];
            assert!(clients::postgres::connect(access).await.is_err(), "nobody listens");
            assert!(clients::redis::connect(access).await.is_err(), "nobody listens");
            assert!(clients::rabbitmq::connect(access).await.is_err(), "nobody listens");
            for service in Service::ALL {
                session.disturb(service, Disturbance::Mend).await.unwrap();
            }
            for access in &alone {
                assert_eq!(kept(access).await, [&*value; 4], "{how:?} of {}", access.tenant.name);
            }
        }
        if topology.enforcement(Service::Redis) == Enforcement::Enforced {
            let mut connection = ping(&alone[0]).await;
            let foreign = connection.get::<_, Option<String>>(alone[1].tenant.slices.redis.key("kept")).await;
            assert!(foreign.is_err(), "the neighbour is no nearer than before");
        }
        session.release(alone).await.unwrap();
    }
    session.close().await.unwrap();
    own.assert_gone().await;
}

#[tokio::test]
async fn what_a_session_did_to_a_server_is_undone_when_it_goes() {
    let own = Own::new("undone");
    let (session, other) = (open(&own.spec).await, open(&own.spec).await);
    let alone = slices(&session, Service::Postgres, &[Service::Postgres]).await;
    let mut connection = clients::postgres::connect(&alone[0]).await.unwrap();
    session.disturb(Service::Postgres, Disturbance::Pause).await.unwrap();
    assert!(timeout(MOMENT, sqlx::query("SELECT 1").execute(&mut connection)).await.is_err());
    // As by SIGKILL: nobody says goodbye.
    drop(session);
    let access = slices(&other, Service::Postgres, &[]).await;
    let mut connection = clients::postgres::connect(&access[0]).await.unwrap();
    sqlx::query("SELECT 1").execute(&mut connection).await.unwrap();
    other.close().await.unwrap();
    own.assert_gone().await;
}
