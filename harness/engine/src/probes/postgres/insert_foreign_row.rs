//! `postgres.insert-foreign-row`. Leaves out writes that need no table: temporary tables, large objects, notifications.

use async_trait::async_trait;
use bulkhead_model::{Class, Service};
use bulkhead_target::{Error, TenantAccess};
use sqlx::PgConnection;

use super::ground::{Ground, Statement, ask, count, revoke, table};
use crate::probes::{Finding, Pair, Probe, finding::Change};

pub(super) struct InsertForeignRow;

#[async_trait]
impl Probe for InsertForeignRow {
    fn name(&self) -> &'static str {
        "postgres.insert-foreign-row"
    }

    fn service(&self) -> Service {
        Service::Postgres
    }

    fn class(&self) -> Class {
        Class::Write
    }

    fn sentence(&self) -> &'static str {
        "Connects to the neighbour's database and inserts a row into a table of the neighbour's."
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        revoke(pair, "INSERT")
    }

    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, Error> {
        let mut ground = Ground::plant(pair).await?;
        let control = insert(pair, pair.from, &mut ground.own).await;
        let attempt = insert(pair, pair.to, &mut ground.victim).await;
        Ok(Finding::of_change(pair, &control, &attempt))
    }
}

async fn insert(pair: &Pair<'_>, on: &TenantAccess, owner: &mut PgConnection) -> Change {
    let slice = &on.tenant.slices.postgres;
    let sql = format!("INSERT INTO {} VALUES ($1)", table(slice));
    let answer = ask(pair, on, Statement::Change(sql, pair.marker())).await;
    let seen = count(owner, slice, pair.marker()).await.map(|rows| rows > 0);
    Change { answer, seen }
}
