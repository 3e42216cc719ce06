//! The checklist: everything holds on the documents' layout and where everything is shared, and each item goes red when
//! its cause is planted.

use std::time::Duration;

use bulkhead_engine::checklist::{Examination, Examined, examine};
use bulkhead_model::{Item, Secret, Service, Topology, report::ServerReport};
use bulkhead_target::{Session, TenantAccess, clients};
use sqlx::AssertSqlSafe;

use crate::support;

/// A layout whose server refuses what is not the tenant's, on Redis too.
const ENFORCED: &str = r#"
[tenants.engine]
postgres = { database = "enginedb" }
redis    = { prefix = "engine:" }
rabbitmq = { vhost = "/engine" }
s3       = { bucket = "tl-engine" }
"#;

struct Bench {
    session: Session,
    topology: Topology,
    slices: Vec<TenantAccess>,
}

impl Bench {
    async fn new(layout: &str) -> Self {
        Self::on(support::session().await, layout).await
    }

    async fn on(session: Session, layout: &str) -> Self {
        let topology = Topology::parse(layout, "layout").unwrap();
        let slices = session.slices(&topology).await.unwrap();
        Self { session, topology, slices }
    }

    fn engine(&self) -> TenantAccess {
        self.slices[0].clone()
    }

    fn servers(&self) -> &[ServerReport] {
        self.session.servers()
    }

    /// Examines an item of this tenant, whose slices are taken for the topology's own.
    async fn examine(&self, item: Item, access: &TenantAccess) -> Examined {
        let mut real = self.topology.clone();
        real.tenants = vec![access.tenant.clone()];
        examine(item, &Examination::new(access, &real, self.servers())).await
    }

    /// Expects the item to hold first, and to be open after the change, with a reason that says this.
    async fn goes_red(&self, item: Item, reason: &str, change: impl FnOnce(&mut TenantAccess)) -> Examined {
        let mut access = self.engine();
        let before = self.examine(item, &access).await;
        assert!(before.done, "{item}: {before:?}");
        change(&mut access);
        let after = self.examine(item, &access).await;
        assert!(!after.done && after.evidence.contains(reason), "{item} for `{reason}`: {after:?}");
        assert!(!after.fix.is_empty(), "{item}: {after:?}");
        after
    }

    async fn close(self) {
        self.session.release(self.slices).await.unwrap();
    }
}

#[tokio::test]
async fn all_six_hold_where_everything_is_shared() {
    let bench = Bench::new(support::ALL_SHARED).await;
    for item in Item::ALL {
        let found = bench.examine(item, &bench.engine()).await;
        assert!(found.done && found.fix.is_empty(), "{item}: {found:?}");
        if item == Item::BucketCreated {
            assert!(found.evidence.contains("object written, read back and listed"), "{found:?}");
        }
        if let Some(service) = item.service() {
            let server = bench.servers().iter().find(|server| server.service == service).unwrap();
            for shown in [server.version.as_str(), "TLSv1.", "127.0.0.1", "round trip", "median of 9"] {
                assert!(found.evidence.contains(shown), "{item} shows `{shown}`: {found:?}");
            }
        }
    }
    bench.close().await;
}

#[tokio::test]
async fn a_missing_database_or_schema_is_named() {
    let bench = Bench::new(ENFORCED).await;
    let missing = |access: &mut TenantAccess| {
        access.tenant.slices.postgres.database = String::from("nowhere");
        access.connections.postgres.database = String::from("nowhere");
    };
    bench.goes_red(Item::DatabaseCreated, "nowhere", missing).await;
    let other = |access: &mut TenantAccess| access.connections.postgres.database = String::from("postgres");
    bench.goes_red(Item::DatabaseCreated, "the URL names database `postgres`", other).await;
    bench.close().await;

    let bench = Bench::new(support::ALL_SHARED).await;
    let access = bench.engine();
    let mut owner = clients::postgres::connect(&access).await.unwrap();
    let schema = access.tenant.slices.postgres.schema.clone().unwrap();
    let drop = AssertSqlSafe(format!("DROP SCHEMA \"{schema}\" CASCADE"));
    sqlx::query(drop).execute(&mut owner).await.unwrap();
    let found = bench.examine(Item::DatabaseCreated, &access).await;
    assert!(!found.done && found.fix.contains("CREATE SCHEMA"), "{found:?}");
    bench.close().await;
}

#[tokio::test]
async fn a_foreign_prefix_is_named_where_the_server_refuses_it() {
    let bench = Bench::new(ENFORCED).await;
    let foreign = |access: &mut TenantAccess| access.tenant.slices.redis.prefix = String::from("other:");
    let found = bench.goes_red(Item::RedisPrefixUsed, "permissions to access", foreign).await;
    assert!(found.fix.contains("ACL SETUSER") && found.fix.contains("~other:*"), "{found:?}");
    bench.close().await;
}

#[tokio::test]
async fn a_vhost_that_differs_by_a_slash_or_is_missing_is_named() {
    let bench = Bench::new(ENFORCED).await;
    let slash = |access: &mut TenantAccess| {
        let vhost = access.connections.rabbitmq.vhost.trim_start_matches('/').to_owned();
        access.connections.rabbitmq.vhost = vhost;
    };
    bench.goes_red(Item::VhostCreated, "the URL means vhost `engine.", slash).await;
    let missing = |access: &mut TenantAccess| {
        access.tenant.slices.rabbitmq.vhost = String::from("nowhere");
        access.connections.rabbitmq.vhost = String::from("nowhere");
    };
    bench.goes_red(Item::VhostCreated, "nowhere", missing).await;
    bench.close().await;
}

#[tokio::test]
async fn a_missing_bucket_is_named() {
    let bench = Bench::new(ENFORCED).await;
    let missing = |access: &mut TenantAccess| {
        access.tenant.slices.s3.bucket = String::from("tl-nowhere");
        access.connections.s3.bucket = String::from("tl-nowhere");
    };
    bench.goes_red(Item::BucketCreated, "tl-nowhere", missing).await;
    let other = |access: &mut TenantAccess| access.connections.s3.bucket = String::from("tl-other");
    bench.goes_red(Item::BucketCreated, "the environment names bucket `tl-other`", other).await;
    bench.close().await;
}

#[tokio::test]
async fn each_missing_variable_is_named() {
    let bench = Bench::new(ENFORCED).await;
    let access = bench.engine();
    let mut real = bench.topology.clone();
    real.tenants = vec![access.tenant.clone()];
    let whole = Examination::new(&access, &real, bench.servers());
    assert!(examine(Item::EnvConfigured, &whole).await.done);
    for (name, _) in &whole.variables {
        let mut partial = Examination::new(&access, &real, bench.servers());
        partial.variables.retain(|(other, _)| other != name);
        let found = examine(Item::EnvConfigured, &partial).await;
        assert!(!found.done && found.evidence.contains(name.as_str()), "{name}: {found:?}");
    }
    bench.close().await;
}

/// On each service in turn: its own item and the connections go red, and the password that was tried is nowhere.
#[tokio::test]
async fn a_wrong_password_is_named_and_not_shown() {
    const WRONG: &str = "canary-of-a-password";
    let bench = Bench::new(ENFORCED).await;
    for (service, item) in Service::ALL.into_iter().zip(Item::ALL) {
        assert_eq!(item.service(), Some(service));
        let mut access = bench.engine();
        let connections = &mut access.connections;
        *match service {
            Service::Postgres => &mut connections.postgres.password,
            Service::Redis => &mut connections.redis.password,
            Service::Rabbitmq => &mut connections.rabbitmq.password,
            Service::S3 => &mut connections.s3.secret_access_key,
        } = Secret::new(WRONG);
        for item in [item, Item::ConnectionsTested] {
            let found = bench.examine(item, &access).await;
            assert!(!found.done && !found.fix.is_empty(), "{service} {item}: {found:?}");
            assert!(found.evidence.contains(service.name()), "{service} {item}: {found:?}");
            assert!(!format!("{found:?}").contains(WRONG), "{service} {item}");
        }
    }
    bench.close().await;
}

/// Others hold all that the role may have, but for what the two need; then all but for what one needs.
#[tokio::test]
async fn the_api_and_the_worker_are_connected_at_the_same_time() {
    // So many connections would leave too few for who else is on the common server.
    let mut spec = support::spec();
    (spec.name, spec.linger) = (Some(format!("checklist {}", std::process::id())), Duration::ZERO);
    let bench = Bench::on(support::open(&spec).await, ENFORCED).await;
    let access = bench.engine();
    let connect = async || clients::postgres::connect(&access).await.unwrap();
    let mut held = vec![connect().await];
    let limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user";
    let limit: i32 = sqlx::query_scalar(limit).fetch_one(&mut held[0]).await.unwrap();
    let limit = usize::try_from(limit).unwrap();
    while held.len() < limit - 2 {
        held.push(connect().await);
    }
    let two = bench.examine(Item::ConnectionsTested, &access).await;
    assert!(two.done && two.evidence.contains("at the same time (8 connections)"), "{two:?}");

    // A connection that was closed counts until the server has noticed.
    let held_alone = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user";
    loop {
        let count: i64 = sqlx::query_scalar(held_alone).fetch_one(&mut held[0]).await.unwrap();
        if usize::try_from(count).unwrap() == held.len() {
            break;
        }
    }
    held.push(connect().await);
    let one = bench.examine(Item::ConnectionsTested, &access).await;
    assert!(!one.done && one.evidence.contains("too many connections for role"), "{one:?}");
    assert!(one.evidence.starts_with("as the ") && one.fix.contains("at the same time"), "{one:?}");
    drop(held);
    bench.session.close().await.unwrap();
}
