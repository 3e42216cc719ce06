//! `postgres.insert-foreign-row`. Leaves out writes that need no table: temporary tables, large objects, notifications.

use bulkhead_model::{Class, Service};

use super::ground::{Statement, revoke, table};
use crate::probes::{About, Attempt, Attempting, Change, Pair, Probe, Side};

pub(super) struct InsertForeignRow;

impl Probe for InsertForeignRow {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Postgres,
                "postgres.insert-foreign-row",
                Class::Write,
                "Connects to the neighbour's database and inserts a row into a table of the neighbour's.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        revoke(pair, "INSERT")
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let (ground, marker) = (pair.postgres().await?, pair.token("insert"));
            let table = table(&pair.tenant(side).slices.postgres);
            let insert = Statement::Change(format!("INSERT INTO {table} VALUES ($1)"), &marker);
            let answer = ground.state(pair, side, insert).await;
            let seen = ground.count(pair, side, &marker).await.map(|rows| rows.map(|rows| rows > 0));
            Ok(Attempt::Changed(Change { answer, seen }))
        })
    }
}
