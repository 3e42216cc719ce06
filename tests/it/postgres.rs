//! PostgreSQL as a stand-in: it serves over verified TLS alone, fences tenants in both sharing modes, leaves nothing.
//!
//! Every test runs on the server that `BULKHEAD_POSTGRES_BIN` names, else on the installed one.

use bulkhead_model::{Enforcement, Secret, Service, Tenant};
use bulkhead_target::{Authority, TargetSpec, TenantAccess, clients};
use sqlx::{Connection, Executor, PgConnection, Row, postgres::PgConnectOptions};

use crate::support::{Direct, alone, command_lines, direct_as, spec, tenant};

async fn start(spec: &TargetSpec) -> Direct {
    direct_as(Service::Postgres, spec).await
}

async fn provisioned(server: &mut Direct, tenants: &[Tenant]) -> Vec<TenantAccess> {
    let made = server.running.provision(tenants, Enforcement::Enforced).await.unwrap();
    tenants.iter().zip(made).map(|(tenant, access)| alone(tenant, access, &server.place.ca)).collect()
}

/// Two tenants with a schema each in one database.
fn sharing(mark: &str) -> [Tenant; 2] {
    ["engine", "plane"].map(|name| {
        let mut tenant = tenant(name, mark);
        tenant.slices.postgres.database = format!("shared_{mark}");
        tenant.slices.postgres.schema = Some(name.into());
        tenant
    })
}

async fn refusal(connection: &mut PgConnection, sql: &'static str) -> String {
    match connection.execute(sql).await {
        Ok(_) => panic!("`{sql}` was allowed"),
        Err(sqlx::Error::Database(error)) => error.code().unwrap_or_default().into_owned(),
        Err(other) => panic!("`{sql}`: {other}"),
    }
}

async fn connect_error(access: &TenantAccess) -> String {
    clients::postgres::connect(access).await.map(|_| ()).expect_err("the connection must be refused").chain()
}

/// Ends every connection of the administrator but this one, as an operator of the machine would. Gives how many.
async fn end_the_administrators(server: &Direct, port: u16) -> i64 {
    let options = PgConnectOptions::new_without_pgpass().socket(&server.place.dir).port(port);
    let options = options.username("bulkhead").database("postgres");
    let mut operator = PgConnection::connect_with(&options).await.unwrap();
    let ended = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity \
                 WHERE usename = 'bulkhead' AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let ended = sqlx::query_scalar(ended).fetch_one(&mut operator).await.unwrap();
    operator.close().await.unwrap();
    ended
}

#[tokio::test]
async fn an_administrator_whose_connection_was_ended_comes_again() {
    let mut server = start(&spec()).await;
    let access = provisioned(&mut server, &[tenant("engine", "r")]).await;
    let port = access[0].connections.postgres.port;
    // Spare databases are made over a connection of their own, which ends too.
    for mark in ["r1", "r2"] {
        assert!(end_the_administrators(&server, port).await >= 1);
        let tenants = sharing(mark);
        let made = provisioned(&mut server, &tenants).await;
        clients::postgres::connect(&made[0]).await.unwrap();
        assert!(end_the_administrators(&server, port).await >= 1);
        server.running.remove(&tenants).await.unwrap();
        clients::postgres::connect(&made[0]).await.expect_err("it is gone");
    }
    // Whether the server itself is gone is said, and soon.
    server.running.stop().await;
    let gone = server.running.provision(&sharing("r3"), Enforcement::Enforced).await.unwrap_err().chain();
    assert!(gone.contains("connect as administrator"), "{gone}");
}

#[tokio::test]
async fn serves_over_verified_tls_alone_and_reports_its_version() {
    let spec = spec();
    let mut server = start(&spec).await;
    let report = server.running.report();
    assert_eq!(report.product, "postgres");
    assert!(report.version.starts_with(|c: char| c.is_ascii_digit()), "{report:?}");
    let access = provisioned(&mut server, &[tenant("engine", "t")]).await.remove(0);

    let mut connection = clients::postgres::connect(&access).await.unwrap();
    let encryption = clients::postgres::encryption(&mut connection).await.unwrap();
    assert!(encryption.version.starts_with("TLSv1.") && !encryption.cipher.is_empty(), "{encryption:?}");
    // A handshake of our own sees what the server sees.
    let facts = clients::tls::facts(&access, Service::Postgres).await.unwrap();
    assert_eq!(facts.version, encryption.version);
    assert_eq!(facts.peer_names, ["localhost", "127.0.0.1", "::1"]);
    let mut by_name = access.clone();
    by_name.connections.postgres.host = "localhost".into();
    clients::postgres::connect(&by_name).await.expect("the certificate names localhost");

    let mut stranger = access.clone();
    let other = server.place.ca.with_file_name("other-ca.pem");
    std::fs::write(&other, Authority::new().unwrap().pem()).unwrap();
    stranger.connections.postgres.parameters[1].1 = other.display().to_string();
    assert!(connect_error(&stranger).await.contains("certificate"));

    let mut plain = access.clone();
    plain.connections.postgres.parameters[0].1 = "disable".into();
    assert!(connect_error(&plain).await.contains("no encryption"));

    let mut guess = access.clone();
    guess.connections.postgres.password = Secret::new("guess");
    let error = connect_error(&guess).await;
    assert!(error.contains("password authentication failed") && !error.contains("guess"), "{error}");

    let mut admin = access;
    admin.connections.postgres.user = "bulkhead".into();
    assert!(connect_error(&admin).await.contains("pg_hba.conf rejects"));
    server.running.stop().await;
}

#[tokio::test]
async fn a_tenant_owns_its_database_and_nothing_else() {
    let spec = spec();
    let mut server = start(&spec).await;
    let access = provisioned(&mut server, &[tenant("engine", "s"), tenant("plane", "s")]).await;
    let mut engine = clients::postgres::connect(&access[0]).await.unwrap();
    engine.execute("CREATE TABLE state (n int); INSERT INTO state VALUES (7)").await.unwrap();
    engine.execute("CREATE SCHEMA more; CREATE TEMP TABLE scratch (n int)").await.unwrap();

    let query = "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls AS any, \
                     (SELECT count(*) FROM pg_auth_members m WHERE m.member = r.oid) AS memberships, \
                     (SELECT datcollate FROM pg_database WHERE datname = current_database()) AS collation \
                     FROM pg_roles r WHERE rolname = current_user";
    let row = engine.fetch_one(query).await.unwrap();
    assert!(!row.get::<bool, _>("any") && row.get::<i64, _>("memberships") == 0);
    assert_eq!(row.get::<String, _>("collation"), "C.UTF-8");
    assert_eq!(refusal(&mut engine, "CREATE ROLE other").await, "42501");
    assert_eq!(refusal(&mut engine, "CREATE DATABASE other").await, "42501");

    let elsewhere = [access[1].connections.postgres.database.as_str(), "postgres", "template1", "template0"];
    for database in elsewhere {
        let mut intruder = access[0].clone();
        intruder.connections.postgres.database = database.into();
        let error = connect_error(&intruder).await;
        let refused =
            error.contains("permission denied for database") || error.contains("not currently accepting");
        assert!(refused, "{database}: {error}");
    }
    server.running.stop().await;
}

#[tokio::test]
async fn tenants_of_a_shared_database_own_a_schema_each() {
    let spec = spec();
    let mut server = start(&spec).await;
    let access = provisioned(&mut server, &sharing("h")).await;
    let mut engine = clients::postgres::connect(&access[0]).await.unwrap();
    let mut plane = clients::postgres::connect(&access[1]).await.unwrap();
    plane.execute("CREATE TABLE secrets (n int); INSERT INTO secrets VALUES (42)").await.unwrap();
    engine.execute("CREATE TABLE secrets (n int); INSERT INTO secrets VALUES (1)").await.unwrap();
    // Unqualified names mean the tenant's own schema.
    assert_eq!(plane.fetch_one("SELECT n FROM secrets").await.unwrap().get::<i32, _>(0), 42);
    assert_eq!(engine.fetch_one("SELECT n FROM secrets").await.unwrap().get::<i32, _>(0), 1);
    for sql in [
        "SELECT * FROM plane.secrets",
        "INSERT INTO plane.secrets VALUES (1)",
        "DROP TABLE plane.secrets",
        "CREATE TABLE plane.mine (n int)",
        "CREATE TABLE public.mine (n int)",
        "CREATE SCHEMA mine",
        "CREATE TEMP TABLE mine (n int)",
    ] {
        assert_eq!(refusal(&mut engine, sql).await, "42501", "{sql}");
    }
    server.running.stop().await;
}

#[tokio::test]
async fn removal_leaves_no_database_and_no_role() {
    let spec = spec();
    let mut server = start(&spec).await;
    let staying = provisioned(&mut server, &[tenant("stays", "r")]).await.remove(0);
    let mut witness = clients::postgres::connect(&staying).await.unwrap();
    let count = "SELECT (SELECT count(*) FROM pg_database WHERE datname NOT LIKE 'bulkhead_spare_%') \
                     + (SELECT count(*) FROM pg_roles)";
    let before: i64 = witness.fetch_one(count).await.unwrap().get(0);
    let mut tenants = vec![tenant("engine", "r"), tenant("plane", "r")];
    tenants.extend(sharing("r"));
    for _ in 0..2 {
        let access = provisioned(&mut server, &tenants).await;
        let mut held = Vec::new();
        for access in &access {
            let mut connection = clients::postgres::connect(access).await.unwrap();
            connection.execute("BEGIN; CREATE TABLE t (n int); LOCK t").await.unwrap();
            held.push(connection);
        }
        server.running.remove(&tenants).await.unwrap();
        let after: i64 = witness.fetch_one(count).await.unwrap().get(0);
        assert_eq!(after, before);
        for connection in &mut held {
            connection.ping().await.expect_err("its session was ended");
        }
    }
    server.running.stop().await;
}

#[tokio::test]
async fn tenants_of_a_shared_database_go_one_by_one() {
    let spec = spec();
    let mut server = start(&spec).await;
    let tenants = sharing("g");
    let access = provisioned(&mut server, &tenants).await;
    let mut engine = clients::postgres::connect(&access[0]).await.unwrap();
    let mut plane = clients::postgres::connect(&access[1]).await.unwrap();
    engine.execute("CREATE TABLE t (n int)").await.unwrap();
    plane.execute("CREATE TABLE t (n int)").await.unwrap();
    server.running.remove(&tenants[..1]).await.unwrap();
    engine.ping().await.expect_err("its session was ended");
    assert!(connect_error(&access[0]).await.contains("password authentication failed"));
    plane.execute("INSERT INTO t VALUES (1)").await.expect("the other tenant stays");
    server.running.remove(&tenants[1..]).await.unwrap();
    plane.ping().await.expect_err("its session was ended");
    server.running.stop().await;
}

#[tokio::test]
async fn a_refused_call_leaves_nothing_behind() {
    let spec = spec();
    let mut server = start(&spec).await;
    let (engine, plane) = (tenant("engine", "o"), tenant("plane", "o"));
    let first = provisioned(&mut server, std::slice::from_ref(&plane)).await;
    let error = server.running.provision(&[engine.clone(), plane], Enforcement::Enforced).await.unwrap_err();
    assert!(error.chain().contains("exists already"), "{}", error.chain());
    clients::postgres::connect(&first[0]).await.expect("the first holder keeps its database");

    let mut long = tenant("long", "o");
    long.slices.postgres.database = "x".repeat(64);
    let error = server.running.provision(&[engine.clone(), long], Enforcement::Enforced).await.unwrap_err();
    assert!(error.chain().contains("63 bytes"), "{}", error.chain());

    // The server refuses a schema of that name only after the role and the database exist.
    let mut reserved = sharing("p");
    reserved[1].slices.postgres.schema = Some("pg_mine".into());
    let error = server.running.provision(&reserved, Enforcement::Enforced).await.unwrap_err();
    assert!(error.chain().contains("pg_mine") && error.chain().contains("plane"), "{}", error.chain());
    provisioned(&mut server, &sharing("p")).await;
    provisioned(&mut server, &[engine]).await;
    server.running.stop().await;
}

#[tokio::test]
async fn no_secret_is_visible_and_nothing_outlives_stop() {
    let spec = spec();
    let mut server = start(&spec).await;
    let segments = shared_memory();
    assert!(!segments.is_empty(), "a running server has a segment");
    let access = provisioned(&mut server, &[tenant("engine", "v")]).await.remove(0);
    let held = clients::postgres::connect(&access).await.unwrap();
    let password = access.connections.postgres.password.expose();
    let lines = command_lines(&server.place);
    assert!(lines.len() > 3, "the server and its helpers: {lines:?}");
    assert!(lines.iter().all(|line| !line.contains(password)), "{lines:?}");
    assert!(server.running.log_tail(1000).iter().all(|line| !line.contains(password)));
    let ours = segments_of(&server);
    server.running.stop().await;
    drop(held);
    assert_eq!(command_lines(&server.place), Vec::<String>::new());
    assert!(shared_memory().iter().all(|segment| !ours.contains(segment)), "{ours:?}");
}

/// The ids of all System V shared-memory segments.
fn shared_memory() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned)).collect()
}

/// The ids of this server's segments, which its lock file names.
fn segments_of(server: &Direct) -> Vec<String> {
    let lock = std::fs::read_to_string(server.place.dir.join("data/postmaster.pid")).unwrap();
    let line = lock.lines().nth(6).expect("the seventh line holds key and id");
    vec![line.split_whitespace().nth(1).expect("an id").to_owned()]
}
