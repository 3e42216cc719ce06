//! `postgres.delete-foreign-rows`. Leaves out TRUNCATE and DROP, which need other privileges.

use async_trait::async_trait;
use bulkhead_model::{Class, Service};
use bulkhead_target::{Error, TenantAccess};
use sqlx::PgConnection;

use super::ground::{Ground, Statement, ask, count, revoke, table};
use crate::probes::{Finding, Pair, Probe, finding::Change};

pub(super) struct DeleteForeignRows;

#[async_trait]
impl Probe for DeleteForeignRows {
    fn name(&self) -> &'static str {
        "postgres.delete-foreign-rows"
    }

    fn service(&self) -> Service {
        Service::Postgres
    }

    fn class(&self) -> Class {
        Class::Delete
    }

    fn sentence(&self) -> &'static str {
        "Connects to the neighbour's database and deletes every row of a table of the neighbour's."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        revoke(pair, "DELETE")
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let mut ground = Ground::plant(pair).await?;
        let control = delete(pair, pair.from, &mut ground.own, pair.own()).await;
        let attempt = delete(pair, pair.to, &mut ground.victim, pair.canary()).await;
        Ok(Finding::of_change(pair, &control, &attempt))
    }
}

/// Without a condition on a column: that would need the privilege to select as well.
async fn delete(pair: &Pair<'_>, on: &TenantAccess, owner: &mut PgConnection, planted: &str) -> Change {
    let slice = &on.tenant.slices.postgres;
    let sql = format!("DELETE FROM {} WHERE $1 = ''", table(slice));
    let answer = ask(pair, on, Statement::Change(sql, "")).await;
    let seen = count(owner, slice, planted).await.map(|rows| rows == 0);
    Change { answer, seen }
}
