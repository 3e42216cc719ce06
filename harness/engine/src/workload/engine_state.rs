//! `postgres.engine-state`: one row an engine, which holds its state. Clients read it and set it where it still holds what
//! they last saw, each in one statement.

use std::collections::HashMap;

use bulkhead_model::{
    Act, Found, Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, TenantAccess, clients as connections};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    RATE, Stage, WORD, Working, Workload,
    clients::{Doer, Performed, Trouble, work_together},
    postgres,
};
use crate::{
    cost::{Cost, Span, prices},
    seed::Seed,
};

/// The workload.
pub(super) struct EngineState;

impl Workload for EngineState {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "postgres.engine-state",
            about: "Clients read one row an engine and change it only where it still holds what they saw.",
            settings: &[
                Wanted { name: "clients", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("3") },
                Wanted { name: "engines", kind: Kind::Amount(Unit::Count, 1..=100), usual: Some("3") },
                Wanted { name: "rate", kind: RATE, usual: Some("60/s") },
            ],
        }
    }

    fn service(&self) -> Service {
        Service::Postgres
    }

    fn prepare<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let columns = "engine text PRIMARY KEY, state text NOT NULL";
            postgres::create(stage, &postgres::table(stage, "engines"), columns).await
        })
    }

    fn preparing(&self, _: &Chosen) -> Cost {
        postgres::creating()
    }

    fn allowance(&self, chosen: &Chosen, span: Span) -> Cost {
        let clients = chosen.amount("clients");
        let acts = prices::statement(0).times(span.acts(chosen, clients));
        acts.plus(span.connections(Service::Postgres, clients))
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let keeper = |number, name: &str| Keeper {
                access: stage.access,
                table: postgres::table(stage, "engines"),
                engines: stage.chosen.amount("engines"),
                number,
                count: 0,
                seed: stage.seed.child(name),
                seen: HashMap::new(),
            };
            work_together(self, stage, keeper).await;
            Ok(())
        })
    }
}

/// One client.
struct Keeper<'a> {
    access: &'a TenantAccess,
    table: String,
    engines: u64,
    number: u64,
    /// Operations so far.
    count: u64,
    seed: Seed,
    /// What it last saw of each engine; nothing where the engine was not there.
    seen: HashMap<String, Option<String>>,
}

impl Doer for Keeper<'_> {
    type Line = PgConnection;

    async fn connect(&self) -> Result<PgConnection, Error> {
        connections::postgres::connect(self.access).await
    }

    fn next(&mut self) -> Act {
        self.count += 1;
        let drawn = self.seed.child(&self.count.to_string());
        let register = format!("engine {}", drawn.child("register").number() % self.engines.max(1) + 1);
        match self.seen.get(&register) {
            Some(from) if drawn.child("act").number().is_multiple_of(2) => {
                let (tenant, word) = (&self.access.tenant.name, drawn.letters(WORD));
                let to = format!("{tenant}.{}.{}.{word}", self.number, self.count);
                Act::Swap { register, from: from.clone(), to }
            }
            _ => Act::Read { register },
        }
    }

    fn price(&self, _: &Act) -> Cost {
        prices::statement(0)
    }

    async fn perform(&mut self, connection: &mut PgConnection, act: &Act) -> Performed {
        match act {
            Act::Read { register } => {
                let state = self.read(connection, register).await?;
                self.seen.insert(register.clone(), state.clone());
                Ok(Some(Found::Value(state)))
            }
            Act::Swap { register, from, to } => {
                // Whatever comes of it, what was seen is over.
                self.seen.remove(register);
                if self.swap(connection, register, from.as_deref(), to).await? == 0 {
                    return Err(Trouble::Refused(String::from("it held something else")));
                }
                self.seen.insert(register.clone(), Some(to.clone()));
                Ok(None)
            }
            _ => Ok(None),
        }
    }
}

impl Keeper<'_> {
    async fn read(&self, connection: &mut PgConnection, engine: &str) -> Result<Option<String>, Trouble> {
        let sql = format!("SELECT state FROM {} WHERE engine = $1", self.table);
        let read = sqlx::query_scalar(AssertSqlSafe(sql)).bind(engine).fetch_optional(connection).await;
        read.map_err(|error| postgres::trouble(&error))
    }

    /// How many rows held what was expected: one or none.
    async fn swap(
        &self,
        connection: &mut PgConnection,
        engine: &str,
        from: Option<&str>,
        to: &str,
    ) -> Result<u64, Trouble> {
        let table = &self.table;
        let sql = match from {
            Some(_) => format!("UPDATE {table} SET state = $2 WHERE engine = $1 AND state = $3"),
            None => {
                format!("INSERT INTO {table} (engine, state) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            }
        };
        let statement = sqlx::query(AssertSqlSafe(sql)).bind(engine).bind(to);
        let statement = match from {
            Some(from) => statement.bind(from),
            None => statement,
        };
        let swapped = statement.execute(connection).await;
        swapped.map(|done| done.rows_affected()).map_err(|error| postgres::trouble(&error))
    }
}
