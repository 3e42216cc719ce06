//! Stand-ins for development: up, env, a client that uses it, status, down, and nothing left.

use std::collections::BTreeMap;

use sqlx::Connection;

use super::command::Desk;
use crate::rabbitmq::serving::changed_home;

const SEVEN: [&str; 7] = [
    "DATABASE_URL",
    "REDIS_URL",
    "AMQP_URL",
    "AWS_S3_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_S3_BUCKET_NAME",
];

const TRUST: [&str; 5] =
    ["SSL_CERT_FILE", "AWS_CA_BUNDLE", "PGSSLROOTCERT", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"];

fn json(desk: &Desk, args: &[&str]) -> BTreeMap<String, String> {
    let ran = desk.run(&[&["env", "--format", "json"], args].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    serde_json::from_str(&ran.stdout).unwrap()
}

/// The lines that say where a tenant's four servers are, as far as each is known, with passwords masked.
fn places(variables: &BTreeMap<String, String>, prefix: &str) -> [String; 4] {
    let masked = |name: &str| {
        let url = variables[&format!("{prefix}{name}")].split('?').next().unwrap();
        let (login, place) = url.rsplit_once('@').unwrap();
        format!("{}:***@{place}", login.rsplit_once(':').unwrap().0)
    };
    [
        format!("\n  postgres  {}?", masked("DATABASE_URL")),
        format!("\n  redis     {} ", masked("REDIS_URL")),
        format!("\n  rabbitmq  {} ", masked("AMQP_URL")),
        format!("\n  s3        {} ", variables[&format!("{prefix}AWS_S3_ENDPOINT_URL")]),
    ]
}

/// The installation describes one application otherwise than the fast start expects.
#[test]
fn a_plain_start_is_said_once() {
    let mut desk = Desk::alone();
    let home = desk.path("rabbitmq");
    changed_home(&home, &["ra"], |text| text.replace("{modules,", "{not_modules,"));
    desk.set("BULKHEAD_RABBITMQ_HOME", home.to_str().unwrap());
    let up = desk.run(&["up", "--detach"]);
    assert_eq!(up.code, Some(0), "{}", up.all());
    let said = up.all().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(said.matches("is started the plain way, which takes longer: ").count(), 1, "{}", up.all());
    assert_eq!(desk.run(&["down"]).code, Some(0));
    desk.vanishes();
}

/// The broker made the vhost from the definitions file that it read as it started.
#[track_caller]
fn began_with(variables: &BTreeMap<String, String>, vhost: &str) {
    let run = std::path::Path::new(&variables["SSL_CERT_FILE"]).parent().unwrap();
    let log = std::fs::read_to_string(run.join("rabbitmq/rabbitmq.log")).unwrap();
    let line = |what: &str| log.lines().position(|line| line.contains(what));
    let (made, served) = (line(&format!("Adding vhost '{vhost}'")), line("Server startup complete"));
    assert!(made.is_some() && made < served, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn up_env_status_down() {
    let mut desk = Desk::alone();
    // Whatever a client library logs, no password may be in it.
    desk.set("RUST_LOG", "trace");
    let up = desk.run(&["up", "--detach"]);
    assert_eq!(up.code, Some(0), "{}", up.all());
    assert!(up.stdout.contains("eval \"$(bulkhead env --tenant engine)\""), "{}", up.stdout);

    let engine = json(&desk, &["--tenant", "engine"]);
    let plane = json(&desk, &["--tenant", "plane"]);
    for place in places(&engine, "").into_iter().chain(places(&plane, "PLANE_")) {
        assert!(up.stdout.contains(&place), "{place} is missing in:\n{}", up.stdout);
    }
    for name in SEVEN {
        assert!(engine.contains_key(name), "{name}");
        assert!(plane.contains_key(&format!("PLANE_{name}")), "{name}");
    }
    for name in TRUST {
        assert!(std::path::Path::new(&engine[name]).is_file(), "{name}");
    }
    assert!(engine.contains_key("AWS_REGION") && engine.contains_key("AWS_DEFAULT_REGION"));
    let bare = json(&desk, &["--tenant", "plane", "--bare"]);
    assert_eq!(bare["DATABASE_URL"], plane["PLANE_DATABASE_URL"]);
    assert!(engine["DATABASE_URL"].contains("/enginedb?sslmode=verify-full"), "the topology's own names");
    assert!(engine["AMQP_URL"].ends_with("/%2Fengine"));

    began_with(&engine, "/engine");
    let eval = desk.shell("eval \"$(bulkhead env --tenant engine)\"; printf %s \"$DATABASE_URL\"");
    assert_eq!(eval.stdout, engine["DATABASE_URL"]);
    let dotenv = desk.run(&["env", "--tenant", "engine", "--format", "dotenv"]);
    assert!(dotenv.stdout.contains(&format!("AWS_ACCESS_KEY_ID={}\n", engine["AWS_ACCESS_KEY_ID"])));

    let mut client = sqlx::PgConnection::connect(&engine["DATABASE_URL"]).await.unwrap();
    let who: (String,) =
        sqlx::query_as("select current_database()::text").fetch_one(&mut client).await.unwrap();
    assert_eq!(who.0, "enginedb");
    client.close().await.unwrap();

    let status = desk.run(&["status"]);
    assert_eq!(status.code, Some(0), "{}", status.all());
    for word in ["postgres", "rabbitmq", "\nengine\n", "\nplane\n", "enginedb"] {
        assert!(status.stdout.contains(word), "{word} is missing in:\n{}", status.stdout);
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let unread = desk.command(&["status"]).stdout(writer).output().unwrap();
    assert!(unread.status.success() && unread.stderr.is_empty(), "a closed pipe is no failure: {unread:?}");
    let again = desk.run(&["up", "--detach"]);
    assert_eq!(again.code, Some(0), "{}", again.all());
    assert!(again.stdout.contains("already up"), "{}", again.stdout);
    let stranger = desk.run(&["env", "--tenant", "nobody"]);
    assert_eq!(stranger.code, Some(3), "{}", stranger.all());
    assert!(stranger.stderr.contains("hint: one of engine, plane"), "{}", stranger.stderr);

    let down = desk.run(&["down"]);
    assert_eq!(down.code, Some(0), "{}", down.all());
    // The keeper answers just before it ends itself.
    desk.vanishes();
    assert_eq!(desk.run(&["status"]).code, Some(3));

    let printed = [&up, &status, &again, &stranger, &down].map(|ran| ran.all()).concat();
    for secret in super::secrets::in_variables(engine.iter().chain(&plane)) {
        assert!(!printed.contains(&secret), "a password was printed:\n{printed}");
    }
}
