//! Services that cannot be worked with: the command says what is wrong with all of them, and ends before anything is made.

use std::{
    net::Ipv4Addr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use bulkhead_target::clients;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::doctor::{Ward, locked_out, moved, plain, port};

/// The longest that a run may take to give up on a server that never answers.
const GIVEN_UP: Duration = Duration::from_secs(60);

const VERIFY: [&str; 3] = ["verify", "--target", "env"];

/// Runs it and sees that it did not start, for all of these reasons.
fn refused(ward: &Ward, parts: &[&str]) {
    let ran = ward.run_as(&VERIFY);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    for part in parts.iter().chain(&["nothing was started"]) {
        assert!(ran.stderr.contains(part), "`{part}` is missing:\n{}", ran.all());
    }
    assert!(!ward.desk.path("target").exists(), "nothing was run, so nothing is reported");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords() {
    let mut ward = Ward::new().await;
    for name in ["DATABASE_URL", "PLANE_AMQP_URL"] {
        ward.change(name, locked_out);
    }
    ward.change("AWS_SECRET_ACCESS_KEY", |_| String::from("an-old-secret-of-some-length"));
    refused(
        &ward,
        &[
            "3 problems",
            "engine postgres 127.0.0.1",
            "password authentication failed",
            "plane rabbitmq",
            "engine s3",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vhost_and_a_bucket_that_are_not_there() {
    let mut ward = Ward::new().await;
    let topology = std::fs::read_to_string(ward.desk.path("bulkhead.toml")).unwrap();
    let vhost = ward.tenants[0].tenant.slices.rabbitmq.vhost.clone();
    let bucket = ward.tenants[0].tenant.slices.s3.bucket.clone();
    let topology = topology.replace(&format!("\"{vhost}\""), "\"/nowhere\"");
    ward.desk.write("bulkhead.toml", &topology.replace(&format!("\"{bucket}\""), "\"tl-nowhere\""));
    // Other names than the topology's are seen in the variables.
    refused(
        &ward,
        &["AMQP_URL: ", "the topology gives `engine` the vhost `/nowhere`", "the bucket `tl-nowhere`"],
    );
    ward.change("AMQP_URL", |url| format!("{}/%2Fnowhere", url.rsplit_once('/').unwrap().0));
    ward.change("AWS_S3_BUCKET_NAME", |_| String::from("tl-nowhere"));
    // Those that both agree on are asked for.
    refused(&ward, &["2 problems", "engine rabbitmq 127.0.0.1", "engine s3 127.0.0.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_without_tls_and_a_server_that_never_answers() {
    let mut ward = Ward::new().await;
    let (plain, heard) = plain();
    ward.change("REDIS_URL", |url| moved(url, plain));
    ward.change("PLANE_AMQP_URL", |url| moved(url, plain));
    refused(&ward, &["2 problems", "the server answers in plain text"]);
    let secret = ward.tenants[0].connections.redis.password.expose().as_bytes().to_vec();
    let heard = heard.lock().unwrap().clone();
    assert!(!heard.windows(secret.len()).any(|part| part == secret), "no password crosses in the clear");

    let silent = port(Some);
    for name in ["REDIS_URL", "PLANE_AMQP_URL", "DATABASE_URL", "AWS_S3_ENDPOINT_URL"] {
        ward.change(name, |url| moved(url, silent));
    }
    let begun = Instant::now();
    refused(&ward, &["4 problems", "no answer within"]);
    assert!(begun.elapsed() < GIVEN_UP, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_do_not_hold() {
    let mut ward = Ward::new().await;
    let (expired, authority) = expired().await;
    ward.change("REDIS_URL", |url| moved(url, expired));
    let own = std::fs::read_to_string(&ward.variables["SSL_CERT_FILE"]).unwrap();
    ward.desk.write("both.pem", &format!("{authority}{own}"));
    let ran = ward.run_as(&[&VERIFY[..], &["--ca", "both.pem"]].concat());
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    for part in ["1 problem in", "engine redis 127.0.0.1", "xpired"] {
        assert!(ran.stderr.contains(part), "`{part}` is missing: {}", ran.all());
    }
    // Who says less in the URL is protected all the same: this authority signed none of the certificates.
    ward.desk.write("other.pem", bulkhead_target::Authority::new().unwrap().pem());
    ward.change("DATABASE_URL", |url| format!("{}?sslmode=require", url.split('?').next().unwrap()));
    let ran = ward.run_as(&[&VERIFY[..], &["--ca", "other.pem"]].concat());
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    assert!(ran.stderr.contains("8 problems") && ran.stderr.contains("engine postgres"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_to_postgres_verifies_whatever_the_url_demands() {
    let ward = Ward::new().await;
    let access = |ca: Option<PathBuf>| {
        let mut access = ward.tenants[0].clone();
        access.connections.postgres.parameters.clear();
        clients::postgres::verified(&mut access.connections.postgres, ca.as_deref());
        access.ca = ca;
        access
    };
    let own = PathBuf::from(&ward.variables["SSL_CERT_FILE"]);
    clients::postgres::connect(&access(Some(own.clone()))).await.unwrap();
    // A URL that verifies and names no authority gets the one that the target trusts.
    let mut unnamed = access(Some(own));
    unnamed.connections.postgres.parameters.retain(|(name, _)| name == "sslmode");
    clients::postgres::connect(&unnamed).await.unwrap();
    ward.desk.write("other.pem", bulkhead_target::Authority::new().unwrap().pem());
    for ca in [Some(ward.desk.path("other.pem")), None] {
        let error = clients::postgres::connect(&access(ca)).await.unwrap_err().chain();
        assert!(error.contains("certificate") || error.contains("no authority"), "{error}");
    }
}

/// A port whose certificate was good for one year long ago, and the authority that signed it.
async fn expired() -> (u16, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names.push(SanType::IpAddress(Ipv4Addr::LOCALHOST.into()));
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Nobody gets past a handshake with it.
            let _refused = acceptor.accept(stream).await;
        }
    });
    (port, authority)
}
