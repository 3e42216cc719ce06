//! Passwords that are taken back on real servers: connections end, whoever logs in is refused and told why, nobody else is, a
//! restart changes nothing, and in the end the old password is good again.

use std::time::Duration;

use aws_sdk_s3::{Client as S3, error::DisplayErrorContext};
use bulkhead_model::{Service, Topology};
use bulkhead_target::{Disturbance, ServiceFault, Session, TenantAccess, clients};
use lapin::Connection;
use redis::{AsyncCommands, aio::MultiplexedConnection};
use sqlx::PgConnection;
use tokio::time::timeout;

use super::trace::Own;
use crate::support::{self, open};

/// How each refuses a login.
const REFUSALS: [(Service, &str); 4] = [
    (Service::Postgres, "password authentication failed for user"),
    (Service::Redis, "Password authentication failed"),
    (Service::Rabbitmq, "ACCESS_REFUSED"),
    (Service::S3, "InvalidAccessKeyId"),
];

/// A tenant's way to a service.
enum Line {
    Postgres(PgConnection),
    Redis(MultiplexedConnection, String),
    Rabbitmq(Connection),
    S3(S3, String, String),
}

impl Line {
    /// Logs in.
    async fn open(service: Service, access: &TenantAccess) -> Result<Self, String> {
        let slices = &access.tenant.slices;
        let opened = match service {
            Service::Postgres => clients::postgres::connect(access).await.map(Self::Postgres),
            Service::Redis => {
                let connected = clients::redis::connect(access).await;
                connected.map(|connection| Self::Redis(connection, slices.redis.key("revoked")))
            }
            Service::Rabbitmq => clients::rabbitmq::connect(access).await.map(Self::Rabbitmq),
            Service::S3 => clients::s3::client(access)
                .map(|client| Self::S3(client, slices.s3.bucket.clone(), slices.s3.key("revoked"))),
        };
        let mut line = opened.map_err(|error| error.chain())?;
        line.works().await.map(|()| line)
    }

    /// Has the service answer.
    async fn works(&mut self) -> Result<(), String> {
        let answered = async {
            match self {
                Self::Postgres(connection) => {
                    sqlx::raw_sql("SELECT 1").execute(connection).await.map(drop).map_err(|e| e.to_string())
                }
                Self::Redis(connection, key) => {
                    connection.get::<_, Option<String>>(&*key).await.map(drop).map_err(|e| e.to_string())
                }
                Self::Rabbitmq(connection) => {
                    connection.create_channel().await.map(drop).map_err(|e| e.to_string())
                }
                Self::S3(client, bucket, key) => {
                    let put = client.put_object().bucket(&*bucket).key(&*key).send().await;
                    put.map(drop).map_err(|error| DisplayErrorContext(error).to_string())
                }
            }
        };
        timeout(Duration::from_secs(10), answered).await.unwrap_or_else(|_| Err(String::from("no answer")))
    }
}

async fn inflict(session: &Session, service: Service, on: &TenantAccess, begins: bool) -> u64 {
    session.inflict(service, ServiceFault::RevokedPassword, &on.tenant, begins).await.unwrap()
}

/// Takes one tenant's password back, also over the server's death, and gives it back.
async fn revoke(
    session: &Session,
    (service, says): (Service, &str),
    one: &TenantAccess,
    other: &TenantAccess,
) {
    let (mut its, mut neighbours) =
        (Line::open(service, one).await.unwrap(), Line::open(service, other).await.unwrap());
    let refused = async || match Line::open(service, one).await {
        Ok(_) => panic!("{service} let it in"),
        Err(why) => why,
    };
    let ended = inflict(session, service, one, true).await;
    assert_eq!(ended, u64::from(service != Service::S3), "{service} has connections, except S3");
    its.works().await.unwrap_err();
    let why = refused().await;
    assert!(why.contains(says), "{service}: {why}");
    neighbours.works().await.unwrap();

    // Whoever takes it back once more takes nothing back.
    inflict(session, service, one, true).await;
    session.disturb(service, Disturbance::Kill).await.unwrap();
    session.disturb(service, Disturbance::Mend).await.unwrap();
    let why = refused().await;
    assert!(why.contains(says), "{service}, started again: {why}");
    Line::open(service, other).await.unwrap();

    inflict(session, service, one, false).await;
    Line::open(service, one).await.unwrap();
    assert_eq!(inflict(session, service, one, false).await, 0, "{service}: there is nothing left to undo");
    Line::open(service, one).await.unwrap();
    Line::open(service, other).await.unwrap();
}

#[tokio::test]
async fn a_password_that_was_taken_back_is_worth_nothing_until_it_is_given_back() {
    let own = Own::new("revoked");
    let session = open(&own.spec).await;
    let shared = Topology::parse(support::ALL_SHARED, "all-shared.toml").unwrap();
    let slices = session.slices_on(&shared, &Service::ALL, &Service::ALL).await.unwrap();
    let [one, other] = &slices[..] else { panic!("two tenants") };
    for refusal in REFUSALS {
        revoke(&session, refusal, one, other).await;
    }
    session.release(slices).await.unwrap();

    // By convention one password is everybody's.
    let slices = session.slices_on(&Topology::builtin(), &Service::ALL, &[Service::Redis]).await.unwrap();
    inflict(&session, Service::Redis, &slices[0], true).await;
    for access in &slices {
        let why = Line::open(Service::Redis, access).await.err().unwrap();
        assert!(why.contains("Password authentication failed"), "{why}");
    }
    let refused = inflict(&session, Service::Redis, &slices[0], false).await;
    assert_eq!(refused, 2, "each was refused once");
    for access in &slices {
        Line::open(Service::Redis, access).await.unwrap();
    }

    // As by SIGKILL: nobody says goodbye, and nothing is left of it for whoever comes next.
    for (service, _) in REFUSALS {
        inflict(&session, service, &slices[0], true).await;
    }
    let next = open(&own.spec).await;
    drop(session);
    let slices = next.slices_on(&Topology::builtin(), &Service::ALL, &[Service::Redis]).await.unwrap();
    for (service, _) in REFUSALS {
        Line::open(service, &slices[0]).await.unwrap();
    }
    next.close().await.unwrap();
    own.assert_gone().await;
}
