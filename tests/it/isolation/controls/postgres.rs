//! Over-grants on PostgreSQL: what the neighbour's owner grants to the probing role.

use bulkhead_target::{TenantAccess, clients};
use sqlx::AssertSqlSafe;

use super::super::{Control, Grant, Separate, Shared};

/// Lets the probing role into the neighbour's database and schema, and grants this there. `ROLE` and `SCHEMA` stand for
/// the names.
async fn grant(from: &TenantAccess, to: &TenantAccess, grant: &str) {
    let mut owner = clients::postgres::connect(to).await.unwrap();
    let (role, slice) = (&from.connections.postgres.user, &to.tenant.slices.postgres);
    let mut grants = vec![String::from("GRANT USAGE ON SCHEMA SCHEMA TO ROLE")];
    if slice.schema.is_none() {
        grants.push(format!("GRANT CONNECT ON DATABASE \"{}\" TO ROLE", slice.database));
    }
    grants.push(grant.to_owned());
    for grant in grants {
        let schema = format!("SCHEMA \"{}\"", slice.schema_or_public());
        let sql = grant
            .replace("SCHEMA SCHEMA", &schema)
            .replace("SCHEMA.", &format!("\"{}\".", slice.schema_or_public()));
        let sql = sql.replace("ROLE", &format!("\"{role}\""));
        sqlx::query(AssertSqlSafe(sql)).execute(&mut owner).await.unwrap();
    }
}

const fn on_objects(probe: &'static str, grant: &'static str, apply: Grant) -> Control {
    Control { probe, grant, also: &[], sharing: &[Separate, Shared], apply, undo: None }
}

pub(super) const CONTROLS: &[Control] = &[
    on_objects("postgres.select-foreign-rows", "GRANT SELECT ON b's table TO a", |_, from, to| {
        Box::pin(grant(from, to, "GRANT SELECT ON SCHEMA.bulkhead_canary TO ROLE"))
    }),
    on_objects("postgres.insert-foreign-row", "GRANT INSERT ON b's table TO a", |_, from, to| {
        Box::pin(grant(from, to, "GRANT INSERT ON SCHEMA.bulkhead_canary TO ROLE"))
    }),
    on_objects("postgres.delete-foreign-rows", "GRANT DELETE ON b's table TO a", |_, from, to| {
        Box::pin(grant(from, to, "GRANT DELETE ON SCHEMA.bulkhead_doomed TO ROLE"))
    }),
    on_objects(
        "postgres.list-foreign-tables",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA b GRANT TRIGGER ON TABLES TO a",
        |_, from, to| {
            let sql = "ALTER DEFAULT PRIVILEGES IN SCHEMA SCHEMA GRANT TRIGGER ON TABLES TO ROLE";
            Box::pin(grant(from, to, sql))
        },
    ),
];
