//! `postgres.select-foreign-rows`. Leaves out what can be read without the table: statistics, sizes, statement texts.

use bulkhead_model::{Class, Service};

use super::ground::{Statement, revoke, table};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side};

pub(super) struct SelectForeignRows;

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

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let table = table(&pair.tenant(side).slices.postgres);
            let select = Statement::Rows(format!("SELECT token FROM {table} WHERE token <> $1"), "");
            Ok(Attempt::Seen(pair.postgres().await?.state(pair, side, select).await))
        })
    }
}
