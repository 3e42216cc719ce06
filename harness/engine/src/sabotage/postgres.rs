//! What somebody with the tenant's login does to its tables behind a workload's back.

use std::time::Duration;

use bulkhead_target::{Cause, TenantAccess, clients};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::sleep;

use super::{LOOKS, PLAIN, Sabotage};
use crate::workload::Flaw;

pub(super) static OPENED_ROWS: Sabotage = Sabotage {
    name: "opened-rows",
    breaks: "A tenant opens its rows to everybody while its neighbour tries to get at them.",
    subject: "probes: [postgres.select-foreign-rows]",
    // The server is the case's alone, so that what is opened there is open to nobody else; and it goes on for long enough.
    fault: "restart: { service: postgres, at: 1s, for: 200ms }",
    expect: "isolated",
    says: "plane → engine postgres.select-foreign-rows",
    begin: |access| Ok(Box::pin(open_up(access.clone()))),
    ..PLAIN
};

pub(super) static FORBIDDEN_WRITES: Sabotage = Sabotage {
    name: "forbidden-writes",
    breaks: "A tenant may write nothing any more, as after a failover to a standby.",
    subject: "tenants: [engine]\nchecklist: [database-created]",
    fault: "latency: { service: postgres, at: 100ms, for: 1500ms, delay: 20ms }",
    expect: "checklist-done",
    says: "engine database-created",
    begin: |access| Ok(Box::pin(forbid_writing(access.clone()))),
    ..PLAIN
};

pub(super) static DELETED_ROWS: Sabotage = Sabotage {
    name: "deleted-rows",
    breaks: "Rows that were committed are deleted.",
    workload: "postgres.metrics-log",
    expect: "nothing-lost",
    says: "are lost",
    begin: |access| Ok(Box::pin(after_rows(access.clone(), 20, "DELETE FROM {table}"))),
    ..PLAIN
};

pub(super) static NEIGHBOURS_ROW: Sabotage = Sabotage {
    name: "neighbours-row",
    breaks: "A service puts one tenant's row into another's table.",
    workload: "postgres.metrics-log",
    expect: "nothing-foreign",
    says: "`plane.1.1` first, plane's",
    begin: |access| {
        let strange = "INSERT INTO {table} (element, body) VALUES ('plane.1.1', '')";
        Ok(Box::pin(after_rows(access.clone(), 1, strange)))
    },
    ..PLAIN
};

pub(super) static STATE_COMES_BACK: Sabotage = Sabotage {
    name: "state-comes-back",
    breaks: "A state that was replaced comes back, as from a replica that lagged and was promoted.",
    // One engine, so that whatever is set is seen.
    workload: "{ postgres.engine-state: { engines: 1, rate: 120/s } }",
    expect: "linearizable",
    says: "do not linearise",
    begin: |access| Ok(Box::pin(come_back(access.clone()))),
    ..PLAIN
};

pub(super) static HALF_TRANSFER: Sabotage = Sabotage {
    name: "half-transfer",
    breaks: "An amount is taken from one account and given to none.",
    workload: "postgres.ledger",
    expect: "conserved-total",
    says: "5 less than the 5000",
    begin: |access| Ok(Box::pin(take(access.clone()))),
    ..PLAIN
};

pub(super) static LOCKED_TABLE: Sabotage = Sabotage {
    name: "locked-table",
    breaks: "Somebody locks a table for six seconds.",
    workload: "postgres.metrics-log",
    run_for: "1s",
    expect: "answers-within: 4s",
    says: "were not over within",
    begin: |access| Ok(Box::pin(lock(access.clone(), Duration::from_secs(6)))),
    ..PLAIN
};

pub(super) static LOCKED_IN_A_FLOOD: Sabotage = Sabotage {
    name: "locked-in-a-flood",
    breaks: "While a neighbour works as hard as it can, the tenant is kept from its own table.",
    workload: "{ postgres.metrics-log: { rate: 90/s } }",
    run_for: "3s",
    // On a slow machine the neighbour takes its time to connect, and the tenant's clients to catch up after they have.
    fault: "flood: { service: postgres, at: 1s, for: 1500ms }",
    expect: "unhindered",
    says: "did not succeed",
    begin: |access| Ok(Box::pin(lock(access.clone(), Duration::from_secs(6)))),
    ..PLAIN
};

pub(super) static REVOKED_RIGHT: Sabotage = Sabotage {
    name: "revoked-right",
    breaks: "While the link is slow, the tenant may not add rows to its own table.",
    workload: "{ postgres.metrics-log: { rate: 90/s } }",
    run_for: "2s",
    fault: "latency: { service: postgres, at: 300ms, for: 1s, delay: 30ms }",
    expect: "available: 90%",
    says: "while `latency postgres` was on",
    begin: |access| Ok(Box::pin(revoke(access.clone()))),
    ..PLAIN
};

pub(super) static PASSWORD_COMES_BACK: Sabotage = Sabotage {
    name: "password-comes-back",
    breaks: "A password that was taken back is good again at once, as from a backup of the roles.",
    // Logging in takes its time where many do.
    workload: "{ postgres.metrics-log: { clients: 2, rate: 60/s } }",
    run_for: "2500ms",
    fault: "revoked-password: { service: postgres, at: 300ms, for: 2s }",
    expect: "fails-closed",
    says: "were answered though engine was locked out of postgres",
    undoes: true,
    ..PLAIN
};

pub(super) static PLAIN_FALLBACK: Sabotage = Sabotage {
    name: "plain-fallback",
    breaks: "A client that is told that there is no TLS goes on without, and speaks to an impostor.",
    // Logging in takes its time where many do.
    workload: "{ postgres.metrics-log: { clients: 2, rate: 60/s } }",
    run_for: "2s",
    fault: "plaintext: { service: postgres, at: 300ms, for: 1s }",
    expect: "fails-closed",
    says: "connections went on with an impostor",
    flaw: Some(Flaw::PlainFallback),
    ..PLAIN
};

pub(super) static SLOW_RECOVERY: Sabotage = Sabotage {
    name: "slow-recovery",
    breaks: "After a broken link the table stays locked for some seconds more.",
    workload: "postgres.metrics-log",
    run_for: "1s",
    fault: "down: { service: postgres, at: 500ms, for: 100ms }",
    expect: "recovers-within: 8s",
    says: "it did not recover within",
    begin: |access| Ok(Box::pin(lock(access.clone(), Duration::from_secs(11)))),
    ..PLAIN
};

/// The table of a workload on PostgreSQL, as the workload names it.
fn table(access: &TenantAccess, name: &str) -> String {
    format!("\"{}\".bulkhead_{name}", access.tenant.slices.postgres.schema_or_public())
}

/// Asks until there is a row, and answers what it holds; before the workload began there is not even a table.
async fn row(connection: &mut PgConnection, sql: &str) -> Result<String, Cause> {
    loop {
        let asked = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_optional(&mut *connection).await;
        match asked {
            Ok(Some(held)) => return Ok(held),
            Ok(None) => {}
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => {}
            Err(error) => return Err(format!("`{sql}`: {error}").into()),
        }
        sleep(LOOKS).await;
    }
}

/// Executes a statement that changes at least one row.
async fn change(connection: &mut PgConnection, sql: String) -> Result<(), Cause> {
    let changed = sqlx::query(AssertSqlSafe(sql.clone())).execute(connection).await?;
    if changed.rows_affected() == 0 { Err(format!("`{sql}` changed nothing").into()) } else { Ok(()) }
}

/// Returns when the log holds so many rows, with the connection on which that was seen and the log's table.
async fn rows(access: &TenantAccess, rows: usize) -> Result<(PgConnection, String), Cause> {
    let mut connection = clients::postgres::connect(access).await?;
    let table = table(access, "metrics");
    row(&mut connection, &format!("SELECT 'enough' FROM {table} HAVING count(*) >= {rows}")).await?;
    Ok((connection, table))
}

/// Waits until the log holds so many rows, then executes the statement, in which `{table}` is the log's.
async fn after_rows(access: TenantAccess, count: usize, statement: &str) -> Result<(), Cause> {
    let (mut connection, table) = rows(&access, count).await?;
    change(&mut connection, statement.replace("{table}", &table)).await
}

/// Keeps everybody from the log for so long.
async fn lock(access: TenantAccess, time: Duration) -> Result<(), Cause> {
    let (mut connection, table) = rows(&access, 5).await?;
    let begin = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut connection).await?;
    sleep(time).await;
    sqlx::raw_sql("COMMIT").execute(&mut connection).await?;
    Ok(())
}

/// Opens its rows to everybody, once it has some.
async fn open_up(access: TenantAccess) -> Result<(), Cause> {
    let mut connection = clients::postgres::connect(&access).await?;
    row(&mut connection, "SELECT relname::text FROM pg_class WHERE relname = 'bulkhead_canary'").await?;
    let slice = &access.tenant.slices.postgres;
    let (database, schema) = (&slice.database, slice.schema_or_public());
    let grants = format!(
        "GRANT CONNECT ON DATABASE \"{database}\" TO PUBLIC; GRANT USAGE ON SCHEMA \"{schema}\" TO PUBLIC; \
         GRANT SELECT ON ALL TABLES IN SCHEMA \"{schema}\" TO PUBLIC"
    );
    sqlx::raw_sql(AssertSqlSafe(grants)).execute(&mut connection).await?;
    Ok(())
}

/// Has the tenant's own login write nothing in any session to come.
async fn forbid_writing(access: TenantAccess) -> Result<(), Cause> {
    let mut connection = clients::postgres::connect(&access).await?;
    let forbid = "ALTER ROLE CURRENT_USER SET default_transaction_read_only = on";
    sqlx::raw_sql(forbid).execute(&mut connection).await?;
    Ok(())
}

/// Takes the right to add rows to the log from everybody, its owner too.
async fn revoke(access: TenantAccess) -> Result<(), Cause> {
    let (mut connection, table) = rows(&access, 5).await?;
    let revoke = format!("REVOKE INSERT ON {table} FROM CURRENT_USER");
    sqlx::raw_sql(AssertSqlSafe(revoke)).execute(&mut connection).await?;
    Ok(())
}

/// Sets the state that it saw first once more, after it was replaced.
async fn come_back(access: TenantAccess) -> Result<(), Cause> {
    let mut connection = clients::postgres::connect(&access).await?;
    let table = table(&access, "engines");
    let old = row(&mut connection, &format!("SELECT state FROM {table}")).await?;
    row(&mut connection, &format!("SELECT state FROM {table} WHERE state <> '{old}'")).await?;
    change(&mut connection, format!("UPDATE {table} SET state = '{old}'")).await
}

/// Takes an amount away from an account once some transfers were made.
async fn take(access: TenantAccess) -> Result<(), Cause> {
    let mut connection = clients::postgres::connect(&access).await?;
    let (accounts, entries) = (table(&access, "accounts"), table(&access, "entries"));
    row(&mut connection, &format!("SELECT 'enough' FROM {entries} HAVING count(*) >= 5")).await?;
    let take = format!("UPDATE {accounts} SET balance = balance - 5 WHERE account = 'account 1'");
    change(&mut connection, take).await
}
