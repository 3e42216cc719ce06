//! `postgres.select-foreign-rows`. Leaves out what can be read without the table: statistics, sizes, statement texts.

use async_trait::async_trait;
use bulkhead_model::{Class, Service};
use bulkhead_target::Error;

use super::ground::{Statement, revoke, table};
use crate::probes::{About, Attempt, Pair, Probe, Side};

pub(super) struct SelectForeignRows;

#[async_trait]
impl Probe for SelectForeignRows {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Postgres,
                "postgres.select-foreign-rows",
                Class::Read,
                "Connects to the neighbour's database and selects a row that the neighbour wrote.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        revoke(pair, "SELECT")
    }

    async fn attempt(&self, pair: &Pair<'_>, side: Side) -> Result<Attempt, Error> {
        let table = table(&pair.tenant(side).slices.postgres);
        let select = Statement::Rows(format!("SELECT token FROM {table} WHERE token <> $1"), "");
        Ok(Attempt::Seen(pair.postgres().await?.state(pair, side, select).await))
    }
}
