//! `postgres.list-foreign-tables`. Asks `information_schema`, which shows what the role has a privilege on; that
//! `pg_catalog` shows every table of a database to whoever may connect to it is a leak by design, left to the catalogue.

use bulkhead_model::{Class, Service};

use super::{
    delete_foreign_rows::DOOMED,
    ground::{Statement, TABLE, revoke},
};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side};

pub(super) struct ListForeignTables;

impl Probe for ListForeignTables {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Postgres,
                "postgres.list-foreign-tables",
                Class::Enumerate,
                "Connects to the neighbour's database and lists the neighbour's tables through `information_schema`.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        revoke(pair, "ALL")
    }

    /// The planted tables that both tenants know by name are left out: seeing them is no news, and says only that they
    /// may be used.
    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let sql = format!(
                "SELECT table_name::text FROM information_schema.tables \
             WHERE table_schema = $1 AND table_name NOT IN ('{TABLE}', '{DOOMED}')"
            );
            let list = Statement::Rows(sql, pair.tenant(side).slices.postgres.schema_or_public());
            Ok(Attempt::Seen(pair.postgres().await?.state(pair, side, list).await))
        })
    }
}
