//! The neighbour's canary is recognised in whatever a real server sends: in replies and their heads, in messages that it
//! pushes, in the text of an error.

use bulkhead_model::{Enforcement, Outcome, ProbeRecord, Service};
use bulkhead_target::{TenantAccess, clients};

use super::{Rig, Separate, Shared, Sharing, controls};

/// What a probe finds from the first tenant on the second.
async fn found(rig: &Rig, [from, to]: &[TenantAccess; 2], probe: &str) -> ProbeRecord {
    let mut records = rig.probe_some(from, to, Enforcement::Enforced, &|about| about.name == probe).await;
    records.pop().unwrap()
}

/// Each of them sees the canary once its own control has planted a leak, and not before.
async fn is_seen_by(service: Service, sharing: Sharing, probes: &[&str]) {
    let mut rig = Rig::new(service, sharing).await;
    for (index, probe) in probes.iter().enumerate() {
        let slices = rig.slices(&format!("c{index}"), Enforcement::Enforced).await;
        let sound = found(&rig, &slices, probe).await;
        assert!(sound.control.held && !sound.canary_seen, "{sound:#?}");
        let mut controls = controls::of(service).iter();
        let control = controls.find(|of| of.probe == *probe && of.sharing.contains(&sharing)).unwrap();
        (control.apply)(&mut rig, &slices[0], &slices[1]).await;
        let leak = found(&rig, &slices, probe).await;
        assert!(leak.canary_seen && leak.outcome == Outcome::Allowed, "after {}: {leak:#?}", control.grant);
        if let Some(undo) = control.undo {
            undo(&mut rig, &slices[0], &slices[1]).await;
        }
    }
    rig.server.running.stop().await;
}

#[tokio::test]
async fn in_replies_and_messages_of_redis() {
    let replies = ["redis.get-foreign-key", "redis.read-by-script", "redis.read-in-transaction"];
    let pushed = ["redis.listen-to-foreign-channel", "redis.listen-by-pattern", "redis.watch-all-commands"];
    is_seen_by(Service::Redis, Shared, &[replies, pushed].concat()).await;
}

#[tokio::test]
async fn in_replies_and_deliveries_of_rabbitmq() {
    let probes = [
        "rabbitmq.get-foreign-message",
        "rabbitmq.consume-foreign-messages",
        "rabbitmq.tap-foreign-exchange",
    ];
    is_seen_by(Service::Rabbitmq, Separate, &probes).await;
}

#[tokio::test]
async fn in_bodies_heads_and_names_of_s3() {
    let probes = ["s3.get-foreign-object", "s3.head-foreign-object", "s3.list-foreign-objects"];
    is_seen_by(Service::S3, Separate, &probes).await;
}

/// A view of the neighbour's that fails over a value puts it into the error.
#[tokio::test]
async fn in_an_error_text_of_postgres() {
    let probe = "postgres.read-foreign-view";
    let mut rig = Rig::new(Service::Postgres, Shared).await;
    let slices = rig.slices("c", Enforcement::Enforced).await;
    assert!(!found(&rig, &slices, probe).await.canary_seen);
    let [from, to] = &slices;
    let (user, slice) = (&from.connections.postgres.user, &to.tenant.slices.postgres);
    let schema = slice.schema_or_public();
    let leak = format!(
        "CREATE OR REPLACE FUNCTION {schema}.bulkhead_count(token text) RETURNS text LANGUAGE sql \
         AS 'SELECT token::int::text'; \
         GRANT USAGE ON SCHEMA {schema} TO \"{user}\"; ALTER TABLE {schema}.bulkhead_canary ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY counted ON {schema}.bulkhead_canary USING ({schema}.bulkhead_count(token) <> ''); \
         GRANT SELECT ON {schema}.bulkhead_canary TO \"{user}\""
    );
    let mut owner = clients::postgres::connect(to).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(leak)).execute(&mut owner).await.unwrap();
    let leak = found(&rig, &slices, "postgres.select-foreign-rows").await;
    assert!(leak.canary_seen && leak.outcome == Outcome::Unknown, "{leak:#?}");
    assert!(leak.evidence.contains("22P02"), "{leak:#?}");
    rig.server.running.stop().await;
}
