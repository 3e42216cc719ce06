//! What harmless reads show on servers of a test's own: each thing is brought about, named, and taken back.

use bulkhead_model::Service;
use bulkhead_target::clients;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::super::env::field::Field;

/// Connections of all databases, as the doctor counts them.
const TAKEN: &str = "SELECT coalesce(sum(numbackends), 0)::bigint FROM pg_stat_database";

/// One fewer than nine tenths of the stand-in's 104: the doctor's own is the last.
const NEARLY_ALL: i64 = 93;

/// Ends the connections that the test took, and waits until each is gone.
const GIVE_BACK: &str = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity \
                         WHERE application_name = 'field' AND pid <> pg_backend_pid()";

/// What the doctor says of the tenant `engine`; nothing of it makes a service unhealthy.
fn known(field: &Field) -> Vec<String> {
    let ran = field.run(&["doctor", "--ca", "ca.pem", "--tenant", "engine", "--format", "json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.all()));
    let findings = document["findings"].as_array().unwrap().iter();
    findings.map(|one| one["diagnosis"]["id"].as_str().unwrap_or("unknown").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_read_shows_is_named() {
    let mut field = Field::new().await;
    let nothing: [&str; 0] = [];
    assert_eq!(known(&field), nothing);

    let mut superuser = field.superuser("postgres").await;
    let role = field.tenants[0].connections.postgres.user.clone();
    for right in ["BYPASSRLS", "SUPERUSER"] {
        alter(&mut superuser, &role, right).await;
        assert_eq!(known(&field), ["neon.above-row-security"], "{right}");
        alter(&mut superuser, &role, &format!("NO{right}")).await;
        assert_eq!(known(&field), nothing, "{right}");
    }

    let mut held = Vec::new();
    while taken(&mut superuser).await < NEARLY_ALL {
        held.push(field.superuser("postgres").await);
    }
    assert_eq!(known(&field), ["neon.slots-low"]);
    superuser.execute(GIVE_BACK).await.unwrap();
    assert_eq!(known(&field), nothing);
    drop(held);

    for (set, back, named) in [
        ("maxmemory-policy allkeys-random", "maxmemory-policy noeviction", "upstash.eviction"),
        ("maxmemory 1", "maxmemory 0", "upstash.nearly-full"),
    ] {
        field.administer(Service::Redis, &format!("CONFIG SET {set}")).await;
        assert_eq!(known(&field), [named], "{set}");
        field.administer(Service::Redis, &format!("CONFIG SET {back}")).await;
        assert_eq!(known(&field), nothing, "{back}");
    }
}

async fn alter(superuser: &mut PgConnection, role: &str, right: &str) {
    superuser.execute(AssertSqlSafe(format!("ALTER ROLE \"{role}\" {right}"))).await.unwrap();
}

async fn taken(superuser: &mut PgConnection) -> i64 {
    superuser.fetch_one(TAKEN).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_stay_hidden_are_named() {
    let field = Field::new().await;
    let client = clients::s3::client(&field.tenants[0]).unwrap();
    let (bucket, key) = (&field.tenants[0].tenant.slices.s3.bucket, "report");
    let nothing: [&str; 0] = [];
    let put = || client.put_object().bucket(bucket).key(key).send();
    let first = put().await.unwrap();
    assert_eq!(known(&field), nothing, "one version is what everybody sees");
    put().await.unwrap();
    assert_eq!(known(&field), ["b2.hidden-versions"], "overwritten");
    let remove = || client.delete_object().bucket(bucket).key(key);
    remove().version_id(first.version_id().unwrap()).send().await.unwrap();
    assert_eq!(known(&field), nothing, "the older is gone");
    let marker = remove().send().await.unwrap();
    assert_eq!(known(&field), ["b2.hidden-versions"], "deleted without its version's id");
    remove().version_id(marker.version_id().unwrap()).send().await.unwrap();
    assert_eq!(known(&field), nothing, "what hid it is gone");
}
