//! `postgres.select-foreign-rows`. Leaves out what can be read without the table: statistics, sizes, statement texts.

use async_trait::async_trait;
use bulkhead_model::{Class, Service};
use bulkhead_target::{Error, TenantAccess};

use super::ground::{Ground, Statement, ask, revoke, table};
use crate::probes::{Finding, Pair, Probe};

pub(super) struct SelectForeignRows;

#[async_trait]
impl Probe for SelectForeignRows {
    fn name(&self) -> &'static str {
        "postgres.select-foreign-rows"
    }

    fn service(&self) -> Service {
        Service::Postgres
    }

    fn class(&self) -> Class {
        Class::Read
    }

    fn sentence(&self) -> &'static str {
        "Connects to the neighbour's database and selects a row that the neighbour wrote."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        revoke(pair, "SELECT")
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let _ground = Ground::plant(pair).await?;
        let select = |on: &TenantAccess| {
            format!("SELECT token FROM {} WHERE token <> $1", table(&on.tenant.slices.postgres))
        };
        let control = ask(pair, pair.from, Statement::Rows(select(pair.from), "")).await;
        let attempt = ask(pair, pair.to, Statement::Rows(select(pair.to), "")).await;
        Ok(Finding::of_reading(pair, &control, &attempt))
    }
}
