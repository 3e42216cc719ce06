//! `postgres.delete-foreign-rows`. Leaves out TRUNCATE and DROP, which need other privileges.

use bulkhead_model::{Class, Service};
use bulkhead_target::Error;
use sqlx::AssertSqlSafe;

use super::ground::{Statement, quoted, revoke};
use crate::probes::{About, Attempt, Attempting, Change, Pair, Probe, Side};

/// The table whose rows are to go; no other probe looks at it.
pub(super) const DOOMED: &str = "bulkhead_doomed";

pub(super) struct DeleteForeignRows;

impl Probe for DeleteForeignRows {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Postgres,
                "postgres.delete-foreign-rows",
                Class::Delete,
                "Connects to the neighbour's database and deletes every row of a table of the neighbour's.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        revoke(pair, "DELETE")
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.postgres().await?;
            let slice = &pair.tenant(side).slices.postgres;
            let table = format!("{}.{DOOMED}", quoted(slice.schema_or_public()));
            // Without a condition on a column: that would need the privilege to select as well.
            let delete = Statement::Change(format!("DELETE FROM {table} WHERE $1 = ''"), "");
            let answer = ground.state(pair, side, delete).await;
            let seen = match ground.owner(side).await {
                None => None,
                Some(mut owner) => {
                    let left = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
                    let left: Result<i64, _> = sqlx::query_scalar(left).fetch_one(&mut *owner).await;
                    let doing = format!("count rows in {slice}");
                    Some(left.map(|rows| rows == 0).map_err(Error::serve(Service::Postgres, doing)))
                }
            };
            Ok(Attempt::Changed(Change { answer, seen }))
        })
    }
}
