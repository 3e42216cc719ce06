//! Probes of the logical databases beside the one in which all slices lie. A login's key patterns hold in each of them, so
//! no neighbour's key is reached there; but nobody's slice lies there, nobody looks there, and no access rule fences it.

use bulkhead_model::{Class, Service};
use bulkhead_target::clients;
use redis::cmd;

use super::{ground::ask_on, server_wide, words::command};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side};

/// How a server has no other logical database.
const ONE: &str = "`databases 1` in the server's configuration";

/// Which one: the slices' own for the control.
fn number(side: Side) -> &'static str {
    match side {
        Side::Own => "0",
        Side::Foreign => "1",
    }
}

/// `redis.write-in-another-database`, on a connection of its own, since it leaves where it was.
pub(super) struct Select;

impl Probe for Select {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Redis,
                "redis.write-in-another-database",
                Class::Write,
                "Selects another logical database and writes there, outside of every slice.",
            )
            .by_name()
            .beyond_slices()
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        format!("{ONE}, or {}", server_wide::withhold(pair, "select"))
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let apart = clients::redis::connect(pair.from).await?;
            let mut select = cmd("SELECT");
            select.arg(number(side));
            let selected = ask_on(apart.clone(), pair, select).await;
            if !selected.worked() {
                return Ok(Attempt::Seen(selected));
            }
            let name = self.about().name;
            let write = command(pair, Side::Own, name, &["SET", "=elsewhere", "$", "EX", "60"]);
            let mut written = ask_on(apart.clone(), pair, write).await;
            written.call = format!("{}, {}", selected.call, written.call);
            ask_on(apart, pair, command(pair, Side::Own, name, &["DEL", "=elsewhere"])).await;
            Ok(Attempt::Seen(written))
        })
    }
}

/// `redis.copy-into-another-database`, which needs no `SELECT`.
pub(super) struct Copy;

impl Probe for Copy {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Redis,
                "redis.copy-into-another-database",
                Class::Write,
                "Copies a key of its own into another logical database, outside of every slice.",
            )
            .by_name()
            .beyond_slices()
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        format!("{ONE}, or {}", server_wide::withhold(pair, "copy"))
    }

    /// The copy ends by itself, as what is copied does.
    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let (ground, name) = (pair.redis().await?, self.about().name);
            let source = command(pair, side, name, &["SET", "=copying", "$", "EX", "60"]);
            ground.as_owner(Side::Own, source).await?;
            let words = ["COPY", "=copying", "=copied-elsewhere", "DB", number(side), "REPLACE"];
            Ok(ground.ask_or_show_client(pair, side, command(pair, side, name, &words)).await)
        })
    }
}
