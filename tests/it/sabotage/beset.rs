//! What a tenant does to its own slice while a fault is on shows in the probes and items that go on under it.

use bulkhead_model::Verdict;
use bulkhead_target::{TenantAccess, clients};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{case, cases, judge, meddled, postgres::row};

/// A link that stutters: everything meets it, and nothing breaks by it.
const SLOW: &str = "latency: { service: postgres, at: 100ms, for: 1500ms, delay: 20ms }";

/// The server is this case's alone, so that what is opened there is open to nobody else; long enough after the first round.
const RESTART: &str = "restart: { service: postgres, at: 1s, for: 200ms }";

/// The scenario of these probes or items under that fault.
fn text(subject: &str, fault: &str, expect: &str) -> String {
    format!(
        "title: A promise is broken\nwhy: The check has to see it.\ntags: [chaos]\n{subject}\nfaults: [{fault}]\n\
         expect: [{expect}]\n"
    )
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

/// Opens its rows to everybody, once it has some.
async fn opens_up(access: TenantAccess) {
    let mut connection = clients::postgres::connect(&access).await.unwrap();
    row(&mut connection, "SELECT relname::text FROM pg_class WHERE relname = 'bulkhead_canary'").await;
    let slice = &access.tenant.slices.postgres;
    let (database, schema) = (&slice.database, slice.schema_or_public());
    execute(
        &mut connection,
        &format!(
            "GRANT CONNECT ON DATABASE \"{database}\" TO PUBLIC; GRANT USAGE ON SCHEMA \"{schema}\" TO PUBLIC; \
             GRANT SELECT ON ALL TABLES IN SCHEMA \"{schema}\" TO PUBLIC"
        ),
    )
    .await;
}

#[tokio::test]
async fn rows_that_are_opened_under_a_fault_are_a_leak() {
    let text = text("probes: [postgres.select-foreign-rows]", RESTART, "isolated");
    let sound = cases(&text).into_iter().find(|case| case.key() == "plane:engine").unwrap();
    let report = judge(&meddled(sound.clone(), async |_| ()).await);
    assert_eq!(report.verdict, Verdict::Pass, "{}", report.evidence);
    assert!(report.evidence.contains("; until all was healed 0 of "), "{}", report.evidence);
    let report = judge(&meddled(sound, opens_up).await);
    assert_eq!(report.verdict, Verdict::Fail, "{}", report.evidence);
    assert!(report.evidence.contains("plane → engine postgres.select-foreign-rows"), "{}", report.evidence);
}

#[tokio::test]
async fn an_item_that_does_not_come_back_is_open() {
    let text = text("tenants: [engine]\nchecklist: all", SLOW, "checklist-done");
    let sound = case(&text);
    let report = judge(&meddled(sound.clone(), async |_| ()).await);
    assert_eq!(report.verdict, Verdict::Pass, "{}", report.evidence);
    assert!(report.evidence.contains("; until all was healed "), "{}", report.evidence);
    let forbids_writing = async |access: TenantAccess| {
        let mut connection = clients::postgres::connect(&access).await.unwrap();
        execute(&mut connection, "ALTER ROLE CURRENT_USER SET default_transaction_read_only = on").await;
    };
    let report = judge(&meddled(sound, forbids_writing).await);
    assert_eq!(report.verdict, Verdict::Fail, "{}", report.evidence);
    assert!(report.evidence.contains("engine database-created"), "{}", report.evidence);
}
