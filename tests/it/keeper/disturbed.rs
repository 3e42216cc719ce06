//! What is done to whole servers: only by who has them alone, and undone with whoever asked for it.

use std::time::Duration;

use bulkhead_model::{Service, Topology};
use bulkhead_target::{Disturbance, Session, TenantAccess, clients};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use tokio::time::timeout;

use super::trace::Own;
use crate::support::open;

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
        let how = if paused { Disturbance::Pause } else { Disturbance::Resume };
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
