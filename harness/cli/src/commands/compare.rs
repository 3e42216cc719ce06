//! `bulkhead bench compare`: two sides in turns, and whether they differ by more than one of them differs from itself.

use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bulkhead_model::{
    RunEvent, Verdict,
    bench::compare::{Change, Comparison, Figure},
};
use bulkhead_report::compare;
use clap::Args;

use crate::{
    args::{Format, Volume},
    exit, failure,
    interrupt::Interrupt,
    look,
    output::Folder,
    plan::fresh_seed,
    project::Project,
    rounds::{Played, Rounds},
    sides::{self, Side},
};

const EXAMPLES: &str = "\
Examples:
  bulkhead bench compare 'redis.sessions --set rate=max' 'BULKHEAD_REDIS_BIN=/opt/valkey/bin redis.sessions --set rate=max'
                                                      another server
  bulkhead bench compare 'redis.sessions' 'BULKHEAD_BIN=./before/bulkhead redis.sessions'
                                                      another build of Bulkhead
  bulkhead bench compare 'redis.sessions --target env --allow-remote' 'redis.sessions --target env --allow-remote' \\
      --env-a small.env --env-b large.env             another plan: each file sets the variables of one
  bulkhead bench compare 'postgres.ledger' 'postgres.ledger --topology shared.toml' --least 10% --figure p50,p90
                                                      another layout; what matters is a tenth in these two figures
  bulkhead bench compare 'redis.sessions' 'redis.sessions' --rounds 6
                                                      one thing beside itself: what this machine can tell apart

Each side is one word: NAME=VALUE for the variables that are set for it, then what `bulkhead bench` takes. Passwords belong in
the files of `--env-a` and `--env-b`: what is on a command line everybody on the machine can read. A round plays A, A
again and B. What A differs from itself sets each figure's threshold. B is `worse` or `better` where it differs by more than
that and by `--least` or more, `same` where it does not and a difference of `--least` would have been seen, else `unknown`. One
thing beside itself is told apart in 1 of 20 comparisons at most, whatever the number of figures; a difference of twice
`--least` is found in nearly all that are not `unknown`. An invariant that fails on either side ends the comparison. Keep the
machine idle meanwhile. On real services each run stays within its own `--budget`, and there are three in each round.

Exit codes: 0 B is better or the same, 1 worse or an invariant failed, 2 unknown, 3 could not start, 64 usage";

/// `bulkhead bench compare`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Compare {
    /// What is compared with: variables and what `bulkhead bench` takes, in one word
    #[arg(value_name = "A", allow_hyphen_values = true)]
    a: String,
    /// What is judged, likewise
    #[arg(value_name = "B", allow_hyphen_values = true)]
    b: String,
    /// A file of variables that are set for A, such as `bulkhead env` prints
    #[arg(long, value_name = "FILE")]
    env_a: Option<PathBuf>,
    /// A file of variables that are set for B
    #[arg(long, value_name = "FILE")]
    env_b: Option<PathBuf>,
    /// The smallest difference that matters
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = share)]
    least: f64,
    /// How many rounds there are at most; from the sixth on it ends as soon as the noise is below `--least`
    #[arg(long, value_name = "N", default_value_t = 18, value_parser = clap::value_parser!(u32).range(2..=200))]
    rounds: u32,
    /// Which figures are compared, of each kind of operation: `ok/s` (of closed loops), `ok` (the share that succeeds), `p50`,
    /// `p90`, `p99`, `p99.9`; one that some run has too few operations for is left out
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = figure, default_value = "ok/s,ok,p50,p90,p99")]
    figure: Vec<Figure>,
    /// The number that every made-up value and the order derive from [default: a fresh one, which the report names]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// What to print on stdout
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Folder for results; each comparison makes one inside it
    /// [default: target/bulkhead beside bulkhead.toml, or here where there is none]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    share
        .filter(|share| (0.1..=900.0).contains(share))
        .map(|share| share / 100.0)
        .ok_or_else(|| String::from("a share from 0.1% to 900%, such as 5%"))
}

fn figure(text: &str) -> Result<Figure, String> {
    let found = Figure::ALL.into_iter().find(|figure| figure.name() == text);
    found.ok_or_else(|| format!("there are {}", Figure::ALL.map(Figure::name).join(", ")))
}

impl Compare {
    /// Plays the rounds, prints the table.
    pub(crate) async fn run(self, volume: Volume) -> Result<u8> {
        let project = Project::here()?;
        let files = [self.env_a.as_deref(), self.env_b.as_deref()];
        let sides = sides::read([&self.a, &self.b], files, &project)?;
        let seed = self.seed.unwrap_or_else(fresh_seed);
        let folder = match &self.out {
            Some(out) => Folder::make(out)?,
            None => Folder::make(&project.results())?,
        };
        // Stdout is for the table alone.
        let terminal = &look::on(io::stderr(), volume);
        if sides.iter().any(|side| side.wanted.is_none()) {
            let note =
                format!("up to {} runs, each of which may spend the budget that it has", 3 * self.rounds);
            terminal.event(&RunEvent::Note(note));
        }
        let interrupt = Interrupt::listen().context("cannot listen for Ctrl-C")?;
        let begun = Instant::now();
        let rounds = Rounds {
            sides: &sides,
            most: self.rounds,
            least: self.least,
            wanted: &self.figure,
            seed,
            folder: &folder,
            terminal,
        };
        let played = rounds.play(interrupt).await;
        terminal.settle();
        match played {
            Ok(played) => self.conclude(played, &sides, seed, begun.elapsed(), &folder),
            Err(error) => {
                folder.remove_if_empty();
                Err(error)
            }
        }
    }

    /// Writes and shows what it came to, and gives the exit code.
    fn conclude(
        &self,
        played: Played,
        sides: &[Side; 2],
        seed: u64,
        took: Duration,
        folder: &Folder,
    ) -> Result<u8> {
        let Played { rounds, runs, figures, servers, stopped, left } = played;
        let change = Change::of(figures.iter().map(|figure| figure.change));
        let (verdict, stopped) = stopped.unwrap_or((change.verdict(), String::new()));
        let mut told = sides.each_ref().map(Side::report);
        for (side, servers) in told.iter_mut().zip(servers) {
            side.servers = servers;
        }
        let comparison = Comparison {
            version: 1,
            run: folder.run.clone(),
            seed,
            least: self.least,
            verdict,
            change,
            stopped,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            sides: told.into(),
            rounds: u32::try_from(rounds.len()).unwrap_or(u32::MAX),
            most: self.rounds,
            figures,
            runs,
        };
        let saved = folder.write_comparison(&comparison);
        let mut out = Vec::new();
        match self.format {
            Format::Human => {
                let path = folder.comparison().display().to_string();
                compare::write(&comparison, Some(&path), look::page_width(), &mut out)?;
            }
            Format::Json => compare::json(&comparison, &mut out)?,
        }
        let shown = look::say(&out).context("could not show the result");
        let doubtful = saved.is_err() || !left.is_empty();
        for error in saved.err().iter().chain(&shown.err()).chain(&left) {
            failure::report(error, &mut io::stderr());
        }
        Ok(exit::settle(if doubtful { verdict.max(Verdict::Unknown) } else { verdict }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_and_a_figure_are_read() {
        assert_eq!(["5%", "2.5%", "900%"].map(share), [Ok(0.05), Ok(0.025), Ok(9.0)]);
        for wrong in ["5", "0%", "-5%", "901%", "NaN%", "five%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
        assert_eq!(figure("p99"), Ok(Figure::P99));
        assert!(figure("p98").unwrap_err().contains("ok/s, ok, p50"));
    }
}
