//! `postgres.ledger`: accounts between which clients move amounts, each in a transaction of two balances and an entry, and a
//! reader that reads balances and entries in one statement, which is one snapshot.
//!
//! The rows are taken in the accounts' order, so that two transfers never wait for each other, and a transaction whose
//! client is gone ends by itself. One that broke off before its commit was sent has certainly not happened.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bulkhead_model::{
    Act, Entry, Found, Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, TenantAccess, clients as connections};
use futures::future::join_all;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    RATE, Stage, Working, Workload,
    clients::{Client, Doer, Pace, Performed, Trouble, name, pace},
    postgres,
};
use crate::{
    cost::{Cost, Span, prices},
    seed::Seed,
};

/// What each account is opened with.
const OPENING: i64 = 1000;

/// The most that one transfer moves.
const MOST: u64 = 20;

/// How long the reader rests.
const REST: Duration = Duration::from_millis(300);

/// A lock is not waited for longer than a client waits, nor kept for one that is gone. Said in each transaction, since a
/// pooler forgets what was said before.
const BEGIN: &str =
    "BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '2s'";

/// The statements of a transfer, and what they say.
const TRANSFER: u64 = 8 * 1024;

/// A row that is read.
const ROW: u64 = 192;

/// The workload.
pub(super) struct Ledger;

impl Workload for Ledger {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "postgres.ledger",
            about: "Clients move amounts between accounts in transactions; a reader reads all balances and entries at \
                    once, and once more at the end.",
            settings: &[
                Wanted { name: "clients", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("4") },
                Wanted { name: "accounts", kind: Kind::Amount(Unit::Count, 2..=100), usual: Some("5") },
                Wanted { name: "rate", kind: RATE, usual: Some("60/s") },
            ],
        }
    }

    fn service(&self) -> Service {
        Service::Postgres
    }

    fn prepare<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let Tables { accounts, entries } = Tables::of(stage);
            let columns = "account text PRIMARY KEY, balance bigint NOT NULL";
            postgres::create(stage, &accounts, columns).await?;
            // Nothing makes an entry unique: a transfer that was made twice shows.
            let columns = "transfer text NOT NULL, from_account text NOT NULL, to_account text NOT NULL, amount bigint NOT NULL";
            postgres::create(stage, &entries, columns).await?;
            let mut connection = connections::postgres::connect(stage.access).await?;
            for (account, balance) in opened(stage) {
                let sql = format!("INSERT INTO {accounts} (account, balance) VALUES ($1, $2)");
                let made = sqlx::query(AssertSqlSafe(sql)).bind(account).bind(balance);
                let made = made.execute(&mut connection).await;
                made.map_err(Error::serve(Service::Postgres, format!("open accounts in {accounts}")))?;
            }
            Ok(())
        })
    }

    fn preparing(&self, chosen: &Chosen) -> Cost {
        let opening = prices::statement(0).times(chosen.amount("accounts"));
        postgres::creating().times(3).plus(opening)
    }

    fn allowance(&self, chosen: &Chosen, span: Span) -> Cost {
        let (clients, accounts) = (chosen.amount("clients"), chosen.amount("accounts"));
        let transfers = span.acts(chosen, clients);
        let reads = reading(accounts + transfers).times(span.rounds(REST));
        let moves = prices::statement(TRANSFER).times(transfers);
        moves.plus(reads).plus(span.connections(Service::Postgres, clients + 1))
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let moved = &AtomicU64::new(0);
            let clerk = |called: String, does: Does| {
                let who = name(self, stage, called);
                let (seed, tables) = (stage.seed.child(&who.name), Tables::of(stage));
                Client::new(stage, who, Clerk { access: stage.access, tables, seed, moved, does })
            };
            let clients = stage.chosen.amount("clients");
            let each = pace(stage, clients);
            let moving = (1..=clients).map(|number| {
                let accounts = stage.chosen.amount("accounts");
                let mut client =
                    clerk(format!("client {number}"), Does::Moves { number, accounts, count: 0 });
                async move { client.work(each).await }
            });
            let mut reader = clerk(String::from("reader"), Does::Reads(opened(stage)));
            futures::join!(join_all(moving), reader.work(Pace::Rarer(REST)));
            reader.insist().await;
            Ok(())
        })
    }
}

/// The tables' names.
struct Tables {
    accounts: String,
    entries: String,
}

impl Tables {
    fn of(stage: &Stage<'_>) -> Self {
        Self { accounts: postgres::table(stage, "accounts"), entries: postgres::table(stage, "entries") }
    }
}

fn opened(stage: &Stage<'_>) -> BTreeMap<String, i64> {
    (1..=stage.chosen.amount("accounts")).map(|number| (account(number), OPENING)).collect()
}

fn reading(rows: u64) -> Cost {
    prices::statement(rows.saturating_mul(ROW))
}

fn account(number: u64) -> String {
    format!("account {number}")
}

/// One client.
struct Clerk<'a> {
    access: &'a TenantAccess,
    tables: Tables,
    seed: Seed,
    /// How many transfers all of them have begun.
    moved: &'a AtomicU64,
    does: Does,
}

enum Does {
    /// Moves amounts.
    Moves { number: u64, accounts: u64, count: u64 },
    /// Reads the accounts, which were opened with this.
    Reads(BTreeMap<String, i64>),
}

impl Doer for Clerk<'_> {
    type Line = PgConnection;

    async fn connect(&self) -> Result<PgConnection, Error> {
        connections::postgres::connect(self.access).await
    }

    fn next(&mut self) -> Act {
        match &mut self.does {
            Does::Moves { number, accounts, count } => {
                *count += 1;
                self.moved.fetch_add(1, Ordering::Relaxed);
                let drawn = self.seed.child(&count.to_string());
                let from = drawn.child("from").number() % *accounts;
                // Any other.
                let to =
                    (from + 1 + drawn.child("to").number() % accounts.saturating_sub(1).max(1)) % *accounts;
                let amount = drawn.child("amount").number() % MOST + 1;
                Act::Transfer {
                    transfer: format!("{}.{number}.{count}", self.access.tenant.name),
                    from: account(from + 1),
                    to: account(to + 1),
                    amount: i64::try_from(amount).unwrap_or(1),
                }
            }
            Does::Reads(opened) => Act::ReadBooks { opened: opened.clone() },
        }
    }

    fn price(&self, act: &Act) -> Cost {
        match (act, &self.does) {
            (Act::ReadBooks { .. }, Does::Reads(opened)) => {
                let accounts = u64::try_from(opened.len()).unwrap_or(u64::MAX);
                reading(accounts.saturating_add(self.moved.load(Ordering::Relaxed)))
            }
            _ => prices::statement(TRANSFER),
        }
    }

    async fn perform(&mut self, connection: &mut PgConnection, act: &Act) -> Performed {
        match act {
            Act::Transfer { transfer, from, to, amount } => {
                let Tables { accounts, entries } = &self.tables;
                let entry =
                    Entry { transfer: transfer.clone(), from: from.clone(), to: to.clone(), amount: *amount };
                if let Err(error) = prepare(connection, accounts, entries, &entry).await {
                    return Err(undone(connection, &error).await);
                }
                let committed = sqlx::raw_sql("COMMIT").execute(connection).await;
                committed.map(|_| None).map_err(|error| postgres::trouble(&error))
            }
            _ => Ok(Some(self.read(connection).await.map_err(|error| postgres::trouble(&error))?)),
        }
    }
}

/// Everything of a transaction but its commit.
async fn prepare(
    connection: &mut PgConnection,
    accounts: &str,
    entries: &str,
    entry: &Entry,
) -> sqlx::Result<()> {
    let Entry { transfer, from, to, amount } = entry;
    sqlx::raw_sql(BEGIN).execute(&mut *connection).await?;
    let mut changes = [(from, -amount), (to, *amount)];
    changes.sort_unstable();
    for (account, change) in changes {
        let sql = format!("UPDATE {accounts} SET balance = balance + $2 WHERE account = $1");
        let changed = sqlx::query(AssertSqlSafe(sql)).bind(account).bind(change);
        if changed.execute(&mut *connection).await?.rows_affected() != 1 {
            return Err(sqlx::Error::RowNotFound);
        }
    }
    let sql =
        format!("INSERT INTO {entries} (transfer, from_account, to_account, amount) VALUES ($1, $2, $3, $4)");
    let entered = sqlx::query(AssertSqlSafe(sql)).bind(transfer).bind(from).bind(to).bind(amount);
    entered.execute(connection).await.map(drop)
}

/// What is said of a transfer that was not committed. Where a statement was refused, the connection is as good as before once
/// the transaction is rolled back.
async fn undone(connection: &mut PgConnection, error: &sqlx::Error) -> Trouble {
    match postgres::trouble(error) {
        Trouble::Refused(why) if sqlx::raw_sql("ROLLBACK").execute(connection).await.is_ok() => {
            Trouble::Refused(why)
        }
        _ => Trouble::Undone(error.to_string()),
    }
}

impl Clerk<'_> {
    /// Balances and entries in one statement, so that both are of one snapshot.
    async fn read(&self, connection: &mut PgConnection) -> sqlx::Result<Found> {
        let Tables { accounts, entries } = &self.tables;
        let sql = format!(
            "SELECT NULL, account, account, balance FROM {accounts} \
             UNION ALL SELECT transfer, from_account, to_account, amount FROM {entries}"
        );
        let rows: Vec<(Option<String>, String, String, i64)> =
            sqlx::query_as(AssertSqlSafe(sql)).fetch_all(connection).await?;
        let (mut balances, mut entries) = (BTreeMap::new(), Vec::new());
        for (transfer, from, to, amount) in rows {
            match transfer {
                Some(transfer) => entries.push(Entry { transfer, from, to, amount }),
                None => drop(balances.insert(from, amount)),
            }
        }
        Ok(Found::Books { balances, entries })
    }
}
