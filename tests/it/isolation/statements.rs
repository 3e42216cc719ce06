//! `pg_stat_statements` itself, which no stand-in loads: what it tells of the neighbour, and when.

use bulkhead_model::{Enforcement, Outcome, Service, Verdict};

use super::{Rig, Separate, controls::postgres::as_superuser, judge_probe};
use crate::tools::skipped;

const PROBE: &str = "postgres.read-statement-texts";

#[tokio::test]
async fn texts_are_hidden_until_all_statistics_are_granted() {
    let mut rig = Rig::new(Service::Postgres, Separate).await;
    let folder = rig.server.place.dir.clone();
    let [from, to] = rig.slices("t", Enforcement::Enforced).await;
    let own = bulkhead_target::clients::postgres::connect(&from).await.unwrap();
    if !has_extension(own).await {
        rig.server.running.stop().await;
        return skipped("the extension `pg_stat_statements` is not installed beside the server");
    }
    let load = "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'";
    as_superuser(folder.clone(), &from, &to, load).await;
    rig.server.running.halt(true).await.unwrap();
    rig.server.running.start_again().await.unwrap();
    as_superuser(folder.clone(), &from, &to, "CREATE EXTENSION pg_stat_statements SCHEMA {a.s}").await;

    let found = async || {
        let records = rig.probe_some(&from, &to, Enforcement::Enforced, &|about| about.name == PROBE).await;
        records.into_iter().next().unwrap()
    };
    let hidden = found().await;
    assert!(hidden.control.held && hidden.outcome == Outcome::Invisible, "{hidden:#?}");
    assert!(hidden.evidence.ends_with(": 0 rows"), "it is there and says nothing: {hidden:#?}");
    as_superuser(folder, &from, &to, "GRANT pg_read_all_stats TO {a}").await;
    let told = found().await;
    assert_eq!((told.outcome, judge_probe(&told)), (Outcome::Allowed, Verdict::Fail), "{told:#?}");
    assert!(told.evidence.contains("bulkhead"), "a statement of the neighbour's: {told:#?}");
    rig.server.running.stop().await;
}

async fn has_extension(mut connection: sqlx::PgConnection) -> bool {
    let sql = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements')";
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
}
