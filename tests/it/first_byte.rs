//! Every client speaks TLS from its first byte: a listener writes down what each one sends before anybody answers.
//!
//! The same is done with plaintext URLs, which must be seen as such: a client library whose TLS is not compiled in
//! (lapin accepts `amqps://` and then speaks plaintext without its root-certificate feature) would look like that.

use bulkhead_model::Service;
use bulkhead_target::{Authority, TenantAccess, clients, clients::tls::SSL_REQUEST, services::Access};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::support::{alone, tenant};

/// What a client said first.
#[derive(Debug, PartialEq, Eq)]
enum First {
    ClientHello,
    Plaintext(Vec<u8>),
}

/// A port where the first client is listened to and then hung up on.
async fn listener() -> (u16, JoinHandle<First>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, tokio::spawn(async move { first(listener.accept().await.unwrap().0).await }))
}

async fn first(mut client: TcpStream) -> First {
    let mut bytes = read(&mut client).await;
    if bytes == SSL_REQUEST {
        // PostgreSQL asks for TLS in the clear; the next byte tells whether it meant it.
        client.write_all(b"S").await.unwrap();
        bytes = read(&mut client).await;
    }
    // A handshake record of TLS 1.x whose first message is a ClientHello.
    match bytes.as_slice() {
        [0x16, 0x03, 0x00..=0x04, _, _, 0x01, ..] => First::ClientHello,
        _ => First::Plaintext(bytes),
    }
}

async fn read(client: &mut TcpStream) -> Vec<u8> {
    let mut buffer = [0; 512];
    let length = client.read(&mut buffer).await.unwrap();
    buffer[..length].to_vec()
}

/// Access to a listener, with credentials that must not be seen.
fn access(port: u16, service: Service, tls: bool, folder: &tempfile::TempDir) -> TenantAccess {
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, Authority::new().unwrap().pem()).unwrap();
    let (host, user) = (String::from("127.0.0.1"), String::from("engine"));
    let password = bulkhead_model::Secret::new("never-in-the-clear");
    let access = match service {
        Service::Postgres => Access::Postgres(bulkhead_model::url::PostgresUrl {
            host,
            port,
            user,
            password,
            database: "enginedb".into(),
            parameters: match tls {
                true => vec![
                    ("sslmode".into(), "verify-full".into()),
                    ("sslrootcert".into(), ca.display().to_string()),
                ],
                false => vec![("sslmode".into(), "disable".into())],
            },
        }),
        Service::Redis => {
            Access::Redis(bulkhead_model::url::RedisUrl { host, port, user, password, database: 0, tls })
        }
        Service::Rabbitmq => Access::Rabbitmq(bulkhead_model::url::AmqpUrl {
            host,
            port,
            user,
            password,
            vhost: "/engine".into(),
            tls,
        }),
        Service::S3 => Access::S3(bulkhead_model::url::S3Access {
            endpoint: format!("{}://127.0.0.1:{port}", if tls { "https" } else { "http" }),
            access_key_id: user,
            secret_access_key: password,
            bucket: "tl-engine".into(),
        }),
    };
    alone(&tenant("engine", "first"), access, &ca)
}

/// Connects with the client that everything here uses for this service, and says what it sent first.
async fn sent_first(service: Service, tls: bool) -> First {
    let folder = tempfile::tempdir().unwrap();
    let (port, heard) = listener().await;
    let access = access(port, service, tls, &folder);
    match service {
        Service::Postgres => {
            drop(clients::postgres::connect(&access).await.expect_err("nobody serves there"))
        }
        Service::Redis => {
            drop(clients::redis::connect(&access).await.map(drop).expect_err("nobody serves there"))
        }
        Service::Rabbitmq => {
            drop(clients::rabbitmq::connect(&access).await.expect_err("nobody serves there"))
        }
        Service::S3 => {
            let client = clients::s3::client(&access).unwrap();
            client
                .get_object()
                .bucket("tl-engine")
                .key("k")
                .send()
                .await
                .map(drop)
                .expect_err("nobody serves there");
        }
    }
    heard.await.unwrap()
}

#[tokio::test]
async fn every_client_begins_with_a_client_hello() {
    for service in Service::ALL {
        assert_eq!(sent_first(service, true).await, First::ClientHello, "{service}");
    }
}

/// What is said first by a client that goes its own way to a server, which it is told to reach.
async fn begun<S: Future<Output = ()> + Send + 'static>(
    service: Service,
    client: impl FnOnce(TenantAccess) -> S,
) -> First {
    let folder = tempfile::tempdir().unwrap();
    let (port, heard) = listener().await;
    let client = tokio::spawn(client(access(port, service, true, &folder)));
    let first = heard.await.unwrap();
    // A pool tries again until its deadline: what it said first is looked at before it has given up.
    client.abort();
    first
}

#[tokio::test]
async fn whoever_goes_another_way_to_redis_begins_with_one_too() {
    let subscriber = async |access| {
        drop(clients::redis::subscriber(&access).await.map(drop).expect_err("nobody serves there"))
    };
    assert_eq!(begun(Service::Redis, subscriber).await, First::ClientHello);
    let listener = async |access| {
        drop(clients::redis::listener(&access).await.map(drop).expect_err("nobody serves there"))
    };
    assert_eq!(begun(Service::Redis, listener).await, First::ClientHello);
    let monitor = async |access| {
        drop(clients::redis::monitor(&access).await.map(drop).expect_err("nobody serves there"))
    };
    assert_eq!(begun(Service::Redis, monitor).await, First::ClientHello);
}

#[tokio::test]
async fn pools_greetings_handshakes_and_the_management_api_begin_with_one_too() {
    let pool = async |access| drop(clients::postgres::pool(&access, 2).await);
    assert_eq!(begun(Service::Postgres, pool).await, First::ClientHello);
    for service in Service::ALL {
        let facts = async move |access| {
            drop(clients::tls::facts(&access, service).await.expect_err("nobody serves there"));
        };
        assert_eq!(begun(service, facts).await, First::ClientHello, "{service}");
    }
    let greeting = async |access| {
        drop(clients::rabbitmq::server_facts(&access).await.expect_err("nobody serves there"));
    };
    assert_eq!(begun(Service::Rabbitmq, greeting).await, First::ClientHello);
    let api = async |access: TenantAccess| {
        let url = format!("https://127.0.0.1:{}", access.connections.rabbitmq.port);
        let api = clients::management::Api::new(&access, &url);
        drop(api.ask("GET", "/api/whoami", "").await.expect_err("nobody serves there"));
    };
    assert_eq!(begun(Service::Rabbitmq, api).await, First::ClientHello);
}

#[tokio::test]
async fn a_plaintext_url_is_seen_as_plaintext() {
    for service in Service::ALL {
        let First::Plaintext(bytes) = sent_first(service, false).await else {
            panic!("{service}: the listener takes plaintext for TLS")
        };
        let expected: &[u8] = match service {
            // The protocol's version, 3.x, after the length.
            Service::Postgres => &[0, 3],
            Service::Redis => b"*",
            Service::Rabbitmq => b"AMQP",
            Service::S3 => b"GET ",
        };
        let start = if service == Service::Postgres { &bytes[4..] } else { &bytes[..] };
        assert!(start.starts_with(expected), "{service}: {bytes:?}");
    }
}
