//! The tables, and what one client does with them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bulkhead_target::{TenantAccess, clients};
use sqlx::{Connection as _, PgConnection};

/// Rows that are there to be read.
pub(crate) const ROWS: i64 = 10_000;

/// Rows of one COPY.
pub(crate) const COPIED: u64 = 1_000;

/// What a row holds beside its key.
const NOTE: &str =
    "what an app writes down about something, in as many bytes as make a row of a hundred or so";

const CREATE: &str = "
    CREATE TABLE public.bench_points (id bigint PRIMARY KEY, note text NOT NULL);
    CREATE TABLE public.bench_log (id bigserial PRIMARY KEY, number bigint NOT NULL, note text NOT NULL);
    CREATE TABLE public.bench_accounts (id bigint PRIMARY KEY, balance bigint NOT NULL);
    INSERT INTO public.bench_accounts VALUES (1, 0), (2, 0);
";

pub(crate) const READ: &str = "SELECT note FROM public.bench_points WHERE id = $1";
const INSERT: &str = "INSERT INTO public.bench_log (number, note) VALUES ($1, $2)";
const MOVE: &str = "UPDATE public.bench_accounts SET balance = balance + $2 WHERE id = $1";

/// Makes the tables, with the rows that are read, if they are not there.
pub(crate) async fn create(access: &TenantAccess) -> Result<()> {
    let mut connection = clients::postgres::connect(access).await?;
    let there = sqlx::query_scalar::<_, bool>("SELECT to_regclass('public.bench_points') IS NOT NULL");
    if there.fetch_one(&mut connection).await.context("look for the tables")? {
        return connection.close().await.context("hang up");
    }
    sqlx::raw_sql(CREATE).execute(&mut connection).await.context("make the tables")?;
    let fill = sqlx::query("INSERT INTO public.bench_points SELECT id, $2 FROM generate_series(1, $1) AS id");
    fill.bind(ROWS).bind(NOTE).execute(&mut connection).await.context("fill the table")?;
    // What is read finds its statistics and no vacuum of the server's own choice.
    sqlx::raw_sql("VACUUM ANALYZE public.bench_points").execute(&mut connection).await.context("vacuum")?;
    connection.close().await.context("hang up")
}

/// The keys that are read, each in its turn: neighbours in time are none in the table.
pub(crate) fn key(number: u64) -> i64 {
    i64::try_from(number * 7919 % ROWS.unsigned_abs()).unwrap_or_default() + 1
}

/// A client with a connection of its own.
pub(crate) struct Client {
    connection: PgConnection,
    /// What it writes.
    note: String,
}

impl Client {
    /// On tables that are there.
    pub(crate) async fn connect(access: &TenantAccess) -> Result<Self> {
        create(access).await?;
        Ok(Self { connection: clients::postgres::connect(access).await?, note: NOTE.to_owned() })
    }

    /// The same, which writes so many bytes.
    pub(crate) fn writing(self, bytes: usize) -> Self {
        Self { note: "n".repeat(bytes), ..self }
    }

    pub(crate) async fn reads(&mut self, times: u64) -> Result<Duration> {
        let begun = Instant::now();
        for number in 0..times {
            let read =
                sqlx::query_scalar::<_, String>(READ).bind(key(number)).fetch_one(&mut self.connection).await;
            ensure!(read.context("read a row")? == NOTE, "a row holds something else");
        }
        Ok(begun.elapsed())
    }

    pub(crate) async fn inserts(&mut self, times: u64) -> Result<Duration> {
        let begun = Instant::now();
        for number in 0..times {
            let insert = sqlx::query(INSERT).bind(i64::try_from(number)?).bind(&self.note);
            insert.execute(&mut self.connection).await.context("insert a row")?;
        }
        self.logged(begun.elapsed(), times).await
    }

    /// Begins, takes from one account, gives to the other, writes it down, commits.
    pub(crate) async fn transactions(&mut self, times: u64) -> Result<Duration> {
        let begun = Instant::now();
        for number in 0..times {
            let mut transaction = self.connection.begin().await.context("begin")?;
            for (account, amount) in [(1_i64, -1_i64), (2, 1)] {
                let moved = sqlx::query(MOVE).bind(account).bind(amount).execute(&mut *transaction).await;
                ensure!(moved.context("update a row")?.rows_affected() == 1, "there is no account {account}");
            }
            let note = sqlx::query(INSERT).bind(i64::try_from(number)?).bind(NOTE);
            note.execute(&mut *transaction).await.context("insert a row")?;
            transaction.commit().await.context("commit")?;
        }
        self.logged(begun.elapsed(), times).await
    }

    /// Sends rows as text, [`COPIED`] at a time.
    pub(crate) async fn copies(&mut self, times: u64) -> Result<Duration> {
        let rows: String = (0..COPIED).map(|number| format!("{number}\t{NOTE}\n")).collect();
        let begun = Instant::now();
        for _ in 0..times {
            let copy = self.connection.copy_in_raw("COPY public.bench_log (number, note) FROM STDIN").await;
            let mut copy = copy.context("begin a COPY")?;
            copy.send(rows.as_bytes()).await.context("send rows")?;
            let copied = copy.finish().await.context("end a COPY")?;
            ensure!(copied == COPIED, "{copied} of {COPIED} rows were copied");
        }
        self.logged(begun.elapsed(), times * COPIED).await
    }

    /// Sees that all was written, and removes it.
    async fn logged(&mut self, took: Duration, rows: u64) -> Result<Duration> {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM public.bench_log");
        let count = count.fetch_one(&mut self.connection).await.context("count the rows")?;
        ensure!(u64::try_from(count)? == rows, "{count} of {rows} rows are there");
        let emptied = sqlx::raw_sql("TRUNCATE public.bench_log").execute(&mut self.connection).await;
        emptied.context("empty the table")?;
        Ok(took)
    }
}
