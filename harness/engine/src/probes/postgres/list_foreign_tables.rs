//! `postgres.list-foreign-tables`. Asks `information_schema`, which shows what the role has a privilege on; that
//! `pg_catalog` shows every table of a database to whoever may connect to it is a leak by design, left to the catalogue.

use async_trait::async_trait;
use bulkhead_model::{Class, Service};
use bulkhead_target::{Error, TenantAccess};

use super::ground::{Ground, Statement, TABLE, ask, revoke};
use crate::probes::{Finding, Pair, Probe, answer::Answer};

pub(super) struct ListForeignTables;

#[async_trait]
impl Probe for ListForeignTables {
    fn name(&self) -> &'static str {
        "postgres.list-foreign-tables"
    }

    fn service(&self) -> Service {
        Service::Postgres
    }

    fn class(&self) -> Class {
        Class::Enumerate
    }

    fn sentence(&self) -> &'static str {
        "Connects to the neighbour's database and lists the neighbour's tables through `information_schema`."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        revoke(pair, "ALL")
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let _ground = Ground::plant(pair).await?;
        let control = list(pair, pair.from).await;
        let attempt = list(pair, pair.to).await;
        Ok(Finding::of_reading(pair, &control, &attempt))
    }
}

/// The planted table that both tenants know by name is left out: seeing it is no news, and says only that it may be read.
async fn list(pair: &Pair<'_>, on: &TenantAccess) -> Answer {
    let sql = format!(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1 AND table_name <> '{TABLE}'"
    );
    ask(pair, on, Statement::Rows(sql, on.tenant.slices.postgres.schema_or_public())).await
}
