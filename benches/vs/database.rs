//! PostgreSQL: `pgbench` beside our clients, on the tables that it makes. Both prepare each statement once a connection.
//!
//! Where the servers have one core, that core limits both: at 24 000 reads a second and 20 µs of processor time for each the
//! clients' own core is idle half of the time, and a ratio of 1 is all that there can be. What a client costs tells more.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use bulkhead_model::{Act, Found, Service};
use bulkhead_target::{Login, TenantAccess, clients};
use sqlx::PgConnection;

use crate::{
    SECOND,
    compare::{Arena, Client, Measure, Turn},
    draw::Draw,
    pen::Pen,
    tool::{self, Tool},
};

/// Connections, each of a client that does one transaction after another.
const CLIENTS: u32 = 8;

/// Rows for each branch.
const ACCOUNTS: u32 = 100_000;
const TELLERS: u32 = 10;

/// Its two scripts, as its manual has them.
const SELECT: &str = "SELECT abalance FROM pgbench_accounts WHERE aid = $1";
const MOVE: &str = "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2";
const TELL: &str = "UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2";
const BRANCH: &str = "UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2";
const NOTE: &str = "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) \
                    VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)";

/// What a row does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    SelectOnly,
    TpcB,
}

impl Script {
    fn name(self) -> &'static str {
        match self {
            Self::SelectOnly => "select-only",
            Self::TpcB => "tpcb-like",
        }
    }
}

/// Adds the rows.
pub(crate) fn measure(arena: &mut Arena<'_>) -> Result<()> {
    let Some(program) = installed().or_else(|| tool::find("pgbench")) else {
        arena.table.missing("postgres", "no pgbench on PATH (apt-get install postgresql)");
        return Ok(());
    };
    let access = arena.access.clone();
    // A branch for each client, or they would wait for each other's locks and measure those.
    let scale = if arena.plan.quick { 1 } else { CLIENTS };
    let branches = scale.to_string();
    pgbench(&program, &access)?.arguments(["-i", "-q", "-I", "dtGvp", "-s", &branches]).run(|_, _| Ok(()))?;
    for script in [Script::SelectOnly, Script::TpcB] {
        let name = format!("postgres {}, {CLIENTS} connections", script.name());
        let measure = Measure { name, service: Service::Postgres, turn: SECOND, target: 1.0 };
        let theirs = |turn| transactions(&program, &access, script, turn);
        arena.compare(&measure, || connect(access.clone(), script, scale), theirs)?;
    }
    Ok(())
}

/// Debian's own of the newest version: what it has on `PATH` is a script that looks for this, at the cost of a turn's tenth.
fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(Result::ok);
    let programs = versions.map(|version| version.path().join("bin/pgbench"));
    programs.filter(|program| program.is_file()).max()
}

/// One of ours.
struct Teller {
    connection: PgConnection,
    script: Script,
    /// How many branches there are.
    scale: u32,
    draw: Draw,
}

async fn connect(access: TenantAccess, script: Script, scale: u32) -> Result<Vec<Teller>> {
    let mut all = Vec::new();
    for number in 0..CLIENTS {
        let connection = clients::postgres::connect(&access).await?;
        all.push(Teller { connection, script, scale, draw: Draw::new(number) });
    }
    Ok(all)
}

impl Client for Teller {
    async fn step(&mut self, pen: &Pen<'_>) -> Result<u32> {
        let account = self.some(ACCOUNTS * self.scale)?;
        match self.script {
            Script::SelectOnly => {
                let op = pen.begin(|| Act::Read { register: account.to_string() });
                let balance = self.look(account).await?;
                pen.found(op, || Found::Value(Some(balance.to_string())));
            }
            Script::TpcB => {
                let (branch, teller) = (self.some(self.scale)?, self.some(TELLERS * self.scale)?);
                let delta = self.some(10_001)? - 5_001;
                let op = pen.begin(|| Act::Transfer {
                    transfer: branch.to_string(),
                    from: teller.to_string(),
                    to: account.to_string(),
                    amount: delta.into(),
                });
                self.transfer(account, teller, branch, delta).await?;
                pen.end(op);
            }
        }
        Ok(1)
    }
}

impl Teller {
    /// A row of so many.
    fn some(&mut self, rows: u32) -> Result<i32> {
        Ok(i32::try_from(self.draw.below(rows))? + 1)
    }

    async fn look(&mut self, account: i32) -> Result<i32> {
        let look = sqlx::query_scalar::<_, i32>(SELECT).bind(account);
        look.fetch_one(&mut self.connection).await.context("read a balance")
    }

    async fn transfer(&mut self, account: i32, teller: i32, branch: i32, delta: i32) -> Result<()> {
        self.say("BEGIN").await?;
        self.add(MOVE, delta, account).await?;
        let _balance = self.look(account).await?;
        self.add(TELL, delta, teller).await?;
        self.add(BRANCH, delta, branch).await?;
        let note = sqlx::query(NOTE).bind(teller).bind(branch).bind(account).bind(delta);
        note.execute(&mut self.connection).await.context("write the history")?;
        self.say("END").await
    }

    async fn say(&mut self, word: &'static str) -> Result<()> {
        sqlx::query(word).execute(&mut self.connection).await.map(drop).context(word)
    }

    async fn add(&mut self, statement: &'static str, delta: i32, row: i32) -> Result<()> {
        let changed = sqlx::query(statement).bind(delta).bind(row).execute(&mut self.connection).await;
        ensure!(changed.context("change a balance")?.rows_affected() == 1, "there is no row {row}");
        Ok(())
    }
}

/// `pgbench` with its way to the tenant's database.
fn pgbench(program: &Path, access: &TenantAccess) -> Result<Tool> {
    let (host, port) = access.address(Service::Postgres)?;
    let Login { user, password } = access.login(Service::Postgres);
    let authority = access.ca.as_ref().context("the stand-in has an authority")?;
    let tool = Tool::new(program, password.clone())?;
    Ok(tool
        .variable("PGHOST", host)
        .variable("PGPORT", port.to_string())
        .variable("PGDATABASE", &access.connections.postgres.database)
        .variable("PGUSER", user)
        .variable("PGPASSWORD", password.expose())
        .variable("PGSSLMODE", "verify-full")
        .variable("PGSSLROOTCERT", authority))
}

/// One turn of it, which it counts in whole seconds.
fn transactions(program: &Path, access: &TenantAccess, script: Script, turn: Duration) -> Result<Turn> {
    let (clients, seconds) = (CLIENTS.to_string(), turn.as_secs().to_string());
    let words = ["-n", "-M", "prepared", "-c", &clients, "-T", &seconds, "-b", script.name()];
    let (mut operations, mut rate) = (None, None);
    let processor = pgbench(program, access)?.arguments(words).run(|line, _| {
        let number = |after: &str| line.strip_prefix(after)?.split([' ', '/']).next()?.parse::<f64>().ok();
        operations = number("number of transactions actually processed: ").or(operations);
        rate = number("tps = ").or(rate);
        Ok(())
    })?;
    let operations = operations.context("`pgbench` did not say how many transactions it made")?;
    Ok(Turn { rate: rate.context("`pgbench` did not say how fast it was")?, operations, processor })
}
