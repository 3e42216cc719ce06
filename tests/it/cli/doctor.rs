//! The doctor on real servers: healthy ones yield nothing, and each thing that is wrong is named with its diagnosis.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use bulkhead_model::{Slices, Topology, url::shell_word};
use bulkhead_target::{Authority, Session, TenantAccess, clients::tls::SSL_REQUEST};
use serde_json::Value;

use super::command::{Desk, Ran};
use crate::support;

mod reads;

/// Slices of this test's own, a desk whose topology is theirs, and their variables.
pub(super) struct Ward {
    pub(super) desk: Desk,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) tenants: Vec<TenantAccess>,
    // Held for the slices, which end with it.
    _session: Session,
}

impl Ward {
    pub(super) async fn new() -> Self {
        let session = support::session().await;
        let tenants = session.slices(&Topology::builtin()).await.unwrap();
        let desk = Desk::new();
        desk.write("bulkhead.toml", &topology(&tenants));
        let variables = tenants.iter().flat_map(|access| bulkhead::variables(access, false)).collect();
        Self { desk, variables, tenants, _session: session }
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_as(&[&["doctor"], args].concat())
    }

    /// Runs any command with the variables.
    pub(super) fn run_as(&self, args: &[&str]) -> Ran {
        let mut command = self.desk.command(args);
        let ran = Ran::from(command.envs(&self.variables).output().unwrap());
        for secret in super::secrets::in_variables(self.variables.iter()) {
            assert!(!ran.all().contains(&secret), "a password was printed:\n{}", ran.all());
        }
        ran
    }

    /// Each finding's service and diagnosis, for the tenant `engine`, and the document.
    fn findings(&self, args: &[&str]) -> (Vec<(String, String)>, Value) {
        let ran = self.run(&[&["--tenant", "engine", "--format", "json"], args].concat());
        let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.all()));
        let text = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
        let found = document["findings"].as_array().unwrap().iter();
        let found = found.map(|one| (text(&one["service"]), text(&one["diagnosis"]["id"]))).collect();
        assert_eq!(ran.code, Some(i32::from(document["healthy"] == Value::Bool(false))), "{}", ran.all());
        (found, document)
    }

    pub(super) fn change(&mut self, name: &str, change: impl FnOnce(&str) -> String) {
        let value = change(&self.variables[name]);
        self.variables.insert(name.to_owned(), value);
    }
}

/// The topology file that gives these tenants the slices that they have.
fn topology(tenants: &[TenantAccess]) -> String {
    let mut file = String::from("[services.redis]\nenforcement = \"convention\"\n");
    for access in tenants {
        let Slices { postgres, redis, rabbitmq, s3 } = &access.tenant.slices;
        let (database, prefix, vhost, bucket) =
            (&postgres.database, &redis.prefix, &rabbitmq.vhost, &s3.bucket);
        write!(
            file,
            "[tenants.{}]\nenv = \"{}\"\npostgres = {{ database = \"{database}\" }}\nredis = {{ prefix = \"{prefix}\" }}\n\
             rabbitmq = {{ vhost = \"{vhost}\" }}\ns3 = {{ bucket = \"{bucket}\" }}\n",
            access.tenant.name, access.tenant.env
        )
        .unwrap();
    }
    file
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(service, id)| ((*service).to_owned(), (*id).to_owned())).collect()
}

/// The URL with another password.
pub(super) fn locked_out(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (login, host) = rest.split_once('@').unwrap();
    format!("{scheme}://{}:an-old-password@{host}", login.split_once(':').unwrap().0)
}

/// The URL with another port on this machine.
pub(super) fn moved(url: &str, port: u16) -> String {
    let (before, after) = url.split_once("127.0.0.1:").unwrap();
    format!("{before}127.0.0.1:{port}{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// Where each service is, in their order.
pub(super) const URLS: [&str; 4] = ["DATABASE_URL", "REDIS_URL", "AMQP_URL", "AWS_S3_ENDPOINT_URL"];

/// A port of this test's own. Each connection is handed to `serve`; those that it gives back are held open.
pub(super) fn port(serve: impl Fn(TcpStream) -> Option<TcpStream> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        let held = Arc::new(Mutex::new(Vec::new()));
        for stream in listener.incoming().flatten() {
            let (serve, held) = (Arc::clone(&serve), Arc::clone(&held));
            std::thread::spawn(move || held.lock().unwrap().extend(serve(stream)));
        }
    });
    port
}

/// A port where every service's protocol is spoken, in plain text alone, and all that was said to it.
pub(super) fn plain() -> (u16, Arc<Mutex<Vec<u8>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&heard);
    let port = port(move |mut stream| {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut bytes) {
            let said = &bytes[..read];
            record.lock().unwrap().extend_from_slice(said);
            let answer: &[u8] = match said {
                _ if said == SSL_REQUEST => b"N",
                [b'P', ..] => b"+PONG\r\n",
                [b'A', ..] => b"\x01\0\0\0\0\0\x01\0\xce",
                [b'H', ..] => b"HTTP/1.1 403 Forbidden\r\n\r\n",
                // A broker says its own protocol's name to whoever speaks another; a ClientHello among them.
                _ => b"AMQP\0\0\x09\x01",
            };
            let _hung_up = stream.write_all(answer);
        }
        None
    });
    (port, heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn healthy_stand_ins_yield_nothing() {
    let ward = Ward::new().await;
    let ran = ward.run(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert!(ran.stdout.ends_with("0 wrong · 0 to beware of · 8 of 8 services healthy\n"), "{}", ran.stdout);
    for seen in ["PostgreSQL 1", "PING answered", "RabbitMQ 3", "the key may list", "TLSv1.3"] {
        assert!(ran.stdout.contains(seen), "{seen} is missing:\n{}", ran.stdout);
    }
    assert_eq!(ward.findings(&[]).0, []);
    // The same from a file, with nothing set.
    let line = |(name, value): (&String, &String)| format!("{name}={}\n", shell_word(value));
    ward.desk.write("all.env", &ward.variables.iter().map(line).collect::<String>());
    let ran = ward.desk.run(&["doctor", "--env-file", "all.env"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert!(ran.stdout.ends_with("8 of 8 services healthy\n"), "{}", ran.stdout);
    let ran = ward.desk.run(&["doctor", "--env-file", "none.env"]);
    assert!(ran.code == Some(3) && ran.stderr.contains("none.env: cannot be read"), "{}", ran.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_named_on_every_service() {
    let mut ward = Ward::new().await;
    for name in ["DATABASE_URL", "REDIS_URL", "AMQP_URL"] {
        ward.change(name, locked_out);
    }
    ward.change("AWS_SECRET_ACCESS_KEY", |_| String::from("an-old-secret-of-some-length"));
    let expected = [
        ("postgres", "neon.password"),
        ("redis", "upstash.password"),
        ("rabbitmq", "cloudamqp.login"),
        ("s3", "b2.secret-wrong"),
    ];
    assert_eq!(ward.findings(&[]).0, pairs(&expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vhost_that_differs_by_a_slash_is_named_with_the_one_that_is_there() {
    let mut ward = Ward::new().await;
    ward.change("AMQP_URL", |url| url.replace("/%2F", "/"));
    let (found, document) = ward.findings(&[]);
    let expected = [("rabbitmq", "cloudamqp.vhost-slash"), ("rabbitmq", "cloudamqp.vhost-missing")];
    assert_eq!(found, pairs(&expected), "{document:#}");
    let what = document["findings"][1]["what"].as_str().unwrap();
    assert!(what.contains("the vhost `/engine") && what.contains("is there and lets this user in"), "{what}");
    assert_eq!(document["looked"][2]["healthy"], Value::Bool(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_neighbours_names_are_refused_and_named() {
    let mut ward = Ward::new().await;
    let plane = |name: &str| ward.variables[&format!("PLANE_{name}")].clone();
    let path = |url: &str| url.split('?').next().unwrap().rsplit_once('/').unwrap().1.to_owned();
    let (database, vhost, bucket) =
        (path(&plane("DATABASE_URL")), path(&plane("AMQP_URL")), plane("AWS_S3_BUCKET_NAME"));
    let renamed = |url: &str, name: &str| {
        let (before, query) =
            url.split_once('?').map_or((url, None), |(before, query)| (before, Some(query)));
        let url = format!("{}/{name}", before.rsplit_once('/').unwrap().0);
        query.map_or(url.clone(), |query| format!("{url}?{query}"))
    };
    ward.change("DATABASE_URL", |url| renamed(url, &database));
    ward.change("AMQP_URL", |url| renamed(url, &vhost));
    ward.change("AWS_S3_BUCKET_NAME", |_| bucket);
    let (found, document) = ward.findings(&[]);
    let expected = [
        // The three that only the topology shows.
        ("postgres", "unknown"),
        ("rabbitmq", "unknown"),
        ("s3", "unknown"),
        ("postgres", "neon.connect-refused"),
        ("rabbitmq", "cloudamqp.vhost-refused"),
        ("s3", "b2.not-entitled"),
    ];
    assert_eq!(found, pairs(&expected), "{document:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_and_a_bucket_that_are_not_there_are_named() {
    let mut ward = Ward::new().await;
    ward.change("DATABASE_URL", |url| {
        url.replacen("/enginedb", "/nothing", 1).replacen("enginedb", "nothing", 1)
    });
    ward.change("AWS_S3_BUCKET_NAME", |_| String::from("no-such-bucket"));
    let (found, document) = ward.findings(&[]);
    let ids: Vec<_> = found.iter().map(|(_, id)| id.as_str()).filter(|id| *id != "unknown").collect();
    // As on B2, a key that is limited to its bucket is told of no other whether it exists.
    assert_eq!(ids, ["neon.database-missing", "b2.not-entitled"], "{document:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_did_not_sign_is_not_trusted() {
    let ward = Ward::new().await;
    ward.desk.write("other.pem", Authority::new().unwrap().pem());
    let (found, document) = ward.findings(&["--ca", "other.pem"]);
    let all = ["postgres", "redis", "rabbitmq", "s3"].map(|service| (service, "any.certificate-untrusted"));
    assert_eq!(found, pairs(&all), "{document:#}");
    let own = ward.variables["SSL_CERT_FILE"].clone();
    assert_eq!(ward.findings(&["--ca", &own]).0, [], "their own authority is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_plain_text_is_named_and_never_told_a_password() {
    let mut ward = Ward::new().await;
    let (port, heard) = plain();
    URLS.iter().for_each(|name| ward.change(name, |url| moved(url, port)));
    let (found, document) = ward.findings(&[]);
    let all = ["postgres", "redis", "rabbitmq", "s3"].map(|service| (service, "any.plain-port"));
    assert_eq!(found, pairs(&all), "{document:#}");

    // Told to do without TLS, it says so and logs in nowhere.
    for (name, tls, plain) in [
        ("DATABASE_URL", "sslmode=verify-full", "sslmode=disable"),
        ("REDIS_URL", "rediss://", "redis://"),
        ("AMQP_URL", "amqps://", "amqp://"),
        ("AWS_S3_ENDPOINT_URL", "https://", "http://"),
    ] {
        ward.change(name, |url| url.replace(tls, plain));
    }
    let (found, document) = ward.findings(&[]);
    let expected = [
        ("postgres", "neon.sslmode"),
        ("redis", "upstash.plain-url"),
        ("rabbitmq", "cloudamqp.plain-url"),
        ("s3", "b2.plain-url"),
    ];
    assert_eq!(found, pairs(&expected), "{document:#}");
    let heard = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
    assert!(heard.contains("PING"), "the port was asked");
    for secret in super::secrets::in_variables(ward.variables.iter()) {
        assert!(!heard.contains(&secret), "a password crossed in the clear");
    }
    assert!(!heard.contains("AUTH") && !heard.contains("PLAIN"), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_and_never_answers_is_named_in_bounded_time() {
    let mut ward = Ward::new().await;
    let port = port(Some);
    URLS.iter().for_each(|name| ward.change(name, |url| moved(url, port)));
    let ran = ward.run(&["--tenant", "engine"]);
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    assert_eq!(ran.stdout.matches("any.silent").count(), 4, "{}", ran.all());
    assert!(ran.stderr.contains("waiting for engine postgres, engine redis"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_missing_is_said_at_once_and_the_rest_is_looked_at() {
    let mut ward = Ward::new().await;
    ward.variables.remove("AMQP_URL");
    ward.variables.remove("AWS_S3_BUCKET_NAME");
    ward.change("REDIS_URL", |_| String::from("nonsense"));
    let (found, document) = ward.findings(&[]);
    assert_eq!(
        found,
        pairs(&[("redis", "unknown"), ("rabbitmq", "unknown"), ("s3", "unknown")]),
        "{document:#}"
    );
    let healthy: Vec<_> =
        document["looked"].as_array().unwrap().iter().map(|one| one["healthy"].clone()).collect();
    assert_eq!(healthy, [true, false, false, false]);
}

#[test]
fn without_a_variable_there_is_nothing_to_look_at() {
    let desk = Desk::new();
    for (args, says) in [
        (&["doctor"][..], "no tenant has a variable set"),
        (&["doctor", "--tenant", "nobody"][..], "no tenant `nobody`\nhint: one of engine, plane"),
        (&["doctor", "--ca", "none.pem"][..], "cannot read `none.pem`"),
    ] {
        let ran = desk.run(args);
        assert_eq!(ran.code, Some(3), "{}", ran.all());
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    let known = desk.run(&["doctor", "--known"]);
    assert_eq!(known.code, Some(0));
    assert!(known.stdout.starts_with("# What `bulkhead doctor` knows"), "{}", known.stdout);
}

#[test]
fn a_judged_history_gets_the_diagnosis_of_what_broke() {
    let desk = Desk::new();
    let error =
        "postgres: could not connect as `u`: Your account or project has exceeded the compute time quota.";
    let line = |event: Value| format!("{event}\n");
    let history = line(
        serde_json::json!({ "at": 0, "event": "case-started", "case": "isolation/postgres/read (engine → plane)" }),
    ) + &line(serde_json::json!({ "at": 1, "event": "broken", "error": error }))
        + &line(serde_json::json!({ "at": 2, "event": "case-ended" }));
    desk.write("case.jsonl", &history);
    let ran = desk.run(&["check", "case.jsonl"]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert!(ran.stdout.contains("known      compute time quota exceeded: "), "{}", ran.stdout);
    let ran = desk.run(&["check", "case.jsonl", "--format", "json"]);
    assert!(ran.stdout.contains("\"id\": \"neon.compute-quota\""), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn something_to_beware_of_is_said_and_leaves_the_service_healthy() {
    let mut ward = Ward::new().await;
    ward.change("DATABASE_URL", |url| format!("{url}&channel_binding=require"));
    // Two authorities, as a machine's roots are many.
    let own = std::fs::read_to_string(&ward.variables["SSL_CERT_FILE"]).unwrap();
    ward.desk.write("both.pem", &format!("{}{own}", Authority::new().unwrap().pem()));
    let (found, document) = ward.findings(&["--ca", "both.pem"]);
    assert_eq!(found, pairs(&[("postgres", "neon.channel-binding")]), "{document:#}");
    let weight = &document["findings"][0]["weight"];
    assert_eq!((&document["healthy"], weight), (&Value::Bool(true), &"beware".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn roots_that_the_environment_names_serve_a_url_that_names_none() {
    let mut ward = Ward::new().await;
    ward.change("DATABASE_URL", |url| format!("{}?sslmode=require", url.split('?').next().unwrap()));
    ward.variables.retain(|name, _| !bulkhead::TRUST.contains(&name.as_str()) || name == "SSL_CERT_FILE");
    assert_eq!(ward.findings(&[]).0, []);
}
