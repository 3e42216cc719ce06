//! `postgres.metrics-log`: a log of measurements. Clients append rows, each in a transaction of its own, and a reader
//! reads the whole log. Nothing makes a row unique: one that was written twice shows.

use bulkhead_model::{
    Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, clients};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    RATE, Stage, Working, Workload,
    clients::Trouble,
    postgres,
    set::{self, Set},
};
use crate::cost::{Cost, Span, prices};

/// A row that is read.
const ROW: u64 = 96;

fn reading(elements: u64) -> Cost {
    prices::statement(elements.saturating_mul(ROW))
}

/// The workload.
pub(super) struct MetricsLog;

impl Workload for MetricsLog {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "postgres.metrics-log",
            about: "Clients append rows; a reader reads all of them, and once more at the end.",
            settings: &[
                Wanted { name: "clients", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("4") },
                Wanted { name: "rate", kind: RATE, usual: Some("100/s") },
                Wanted { name: "size", kind: Kind::Amount(Unit::Size, 64..=1 << 20), usual: Some("128B") },
            ],
        }
    }

    fn service(&self) -> Service {
        Service::Postgres
    }

    fn prepare<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            postgres::create(
                stage,
                &postgres::table(stage, "metrics"),
                "element text NOT NULL, body text NOT NULL",
            )
            .await
        })
    }

    fn preparing(&self, _: &Chosen) -> Cost {
        postgres::creating()
    }

    fn allowance(&self, chosen: &Chosen, span: Span) -> Cost {
        let filling = set::filling(chosen, span, prices::statement(chosen.amount("size")), reading);
        filling.plus(span.connections(Service::Postgres, chosen.amount("clients") + 1))
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            set::fill(self, stage, Log { stage, table: postgres::table(stage, "metrics") }).await;
            Ok(())
        })
    }
}

/// The table.
struct Log<'a, 's> {
    stage: &'a Stage<'s>,
    table: String,
}

impl Set for Log<'_, '_> {
    type Line = PgConnection;

    async fn connect(&self) -> Result<PgConnection, Error> {
        clients::postgres::connect(self.stage.access).await
    }

    async fn add(&self, connection: &mut PgConnection, element: &str) -> Result<(), Trouble> {
        let sql = format!("INSERT INTO {} (element, body) VALUES ($1, $2)", self.table);
        let body = self.stage.message(element);
        let added = sqlx::query(AssertSqlSafe(sql)).bind(element).bind(body).execute(connection).await;
        added.map(drop).map_err(|error| postgres::trouble(&error))
    }

    fn adding(&self) -> Cost {
        prices::statement(self.stage.chosen.amount("size"))
    }

    fn reading(&self, elements: u64) -> Cost {
        reading(elements)
    }

    async fn read_all(&self, connection: &mut PgConnection) -> Result<Vec<String>, Trouble> {
        let sql = format!("SELECT element FROM {}", self.table);
        let read = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(connection).await;
        read.map_err(|error| postgres::trouble(&error))
    }
}
