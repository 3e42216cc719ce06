//! What somebody with the tenant's login does to its tables behind a workload's back.

use bulkhead_target::{TenantAccess, clients};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{fails, fails_under};

/// The table of a workload on PostgreSQL, as the workload names it.
fn table(access: &TenantAccess, name: &str) -> String {
    format!("\"{}\".bulkhead_{name}", access.tenant.slices.postgres.schema_or_public())
}

/// Asks until there is a row, and answers what it holds; before the workload began there is not even a table.
async fn row(connection: &mut PgConnection, sql: &str) -> String {
    loop {
        let asked = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_optional(&mut *connection).await;
        match asked {
            Ok(Some(held)) => return held,
            Ok(None) => {}
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => {}
            Err(error) => panic!("`{sql}`: {error}"),
        }
    }
}

/// Executes a statement that changes at least one row.
async fn change(connection: &mut PgConnection, sql: String) {
    let changed = sqlx::query(AssertSqlSafe(sql.clone())).execute(connection).await.unwrap();
    assert!(changed.rows_affected() > 0, "`{sql}` changed nothing");
}

/// Waits until the log holds so many rows, then executes the statement, in which `{table}` is the log's.
async fn after_rows(access: TenantAccess, rows: usize, statement: &str) {
    let mut connection = clients::postgres::connect(&access).await.unwrap();
    let table = table(&access, "metrics");
    row(&mut connection, &format!("SELECT 'enough' FROM {table} HAVING count(*) >= {rows}")).await;
    change(&mut connection, statement.replace("{table}", &table)).await;
}

/// A row that looks like another tenant's.
const STRANGE: &str = "INSERT INTO {table} (element, body) VALUES ('plane.1.1', '')";

#[tokio::test]
async fn a_row_that_nobody_added_is_read() {
    let sabotage = |access| after_rows(access, 1, STRANGE);
    fails("postgres.metrics-log", "nothing-lost", "plane.1.1", sabotage).await;
}

/// One engine, so that whatever is set is seen.
const ONE_ENGINE: &str = "{ postgres.engine-state: { engines: 1, rate: 120/s } }";

#[tokio::test]
async fn a_state_that_nobody_set_is_seen() {
    let sabotage = async |access: TenantAccess| {
        let mut connection = clients::postgres::connect(&access).await.unwrap();
        let table = table(&access, "engines");
        row(&mut connection, &format!("SELECT state FROM {table}")).await;
        change(&mut connection, format!("UPDATE {table} SET state = 'engine.0.0'")).await;
    };
    fails(ONE_ENGINE, "linearizable", "`engine.0.0` (which nobody put there)", sabotage).await;
}

/// Waits until the first client made two transfers and the reader has read, then changes both tables, in which `{accounts}`
/// and `{entries}` are theirs, in one transaction.
///
/// A reading says of a transfer that it is missing if it was acknowledged before the reading began. The first by name was:
/// its client has made another since. And the first reading, which begins with the connecting, is over.
async fn after_transfers(access: TenantAccess, statements: Vec<&str>) {
    let mut connection = clients::postgres::connect(&access).await.unwrap();
    let (accounts, entries) = (table(&access, "accounts"), table(&access, "entries"));
    let enough = format!("SELECT 'enough' FROM {entries} WHERE transfer LIKE '%.1.%' HAVING count(*) >= 2");
    row(&mut connection, &enough).await;
    let read = format!(
        "SELECT state FROM pg_stat_activity WHERE usename = current_user AND state = 'idle' \
         AND query LIKE 'SELECT NULL, account%{accounts}%'"
    );
    row(&mut connection, &read).await;
    // The workload takes its rows in another order, and would be waited for that waits.
    let begin = format!("BEGIN; LOCK TABLE {accounts} IN EXCLUSIVE MODE");
    sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut connection).await.unwrap();
    for statement in statements {
        let sql = statement.replace("{accounts}", &accounts).replace("{entries}", &entries);
        change(&mut connection, sql).await;
    }
    sqlx::raw_sql("COMMIT").execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_deleted_entry_leaves_half_a_transfer() {
    let delete = "DELETE FROM {entries} WHERE transfer = (SELECT min(transfer) FROM {entries})";
    let sabotage = |access| after_transfers(access, vec![delete]);
    fails("postgres.ledger", "conserved-total", "transfers that must be in it are not", sabotage).await;
}

/// Moves what the first transfer moved once more.
const AGAIN: [&str; 2] = [
    "UPDATE {accounts} SET balance = balance - amount FROM {entries} \
     WHERE account = from_account AND transfer = (SELECT min(transfer) FROM {entries})",
    "UPDATE {accounts} SET balance = balance + amount FROM {entries} \
     WHERE account = to_account AND transfer = (SELECT min(transfer) FROM {entries})",
];

#[tokio::test]
async fn a_transfer_that_is_applied_twice_is_seen_in_the_balances() {
    let sabotage = |access| after_transfers(access, AGAIN.to_vec());
    let says = "2 of 5 accounts are not what the entries make of them";
    fails("postgres.ledger", "conserved-total", says, sabotage).await;
}

#[tokio::test]
async fn a_transfer_that_is_booked_twice_is_seen_in_the_entries() {
    let enter = "INSERT INTO {entries} SELECT * FROM {entries} \
                 WHERE transfer = (SELECT min(transfer) FROM {entries})";
    let sabotage = |access| after_transfers(access, vec![AGAIN[0], AGAIN[1], enter]);
    fails("postgres.ledger", "conserved-total", "was entered 2 times", sabotage).await;
}

/// The tenant's commits are acknowledged before they are written, as soon as its clients have come again.
async fn write_later(access: TenantAccess) {
    let mut connection = clients::postgres::connect(&access).await.unwrap();
    // Who makes the table is none of its clients, and has done so when there is a row.
    let table = table(&access, "metrics");
    row(&mut connection, &format!("SELECT 'there' FROM {table} HAVING count(*) >= 1")).await;
    let sql = "ALTER ROLE CURRENT_USER SET synchronous_commit = off; SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE usename = current_user AND pid <> pg_backend_pid()";
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn rows_that_were_to_be_written_later_are_lost_by_a_kill() {
    let (kill, log) = (
        "kill: { service: postgres, at: 2s, for: 100ms }",
        "postgres.metrics-log: { clients: 4, rate: 400/s }",
    );
    fails_under(kill, log, "nothing-lost", "are lost", write_later).await;
}
