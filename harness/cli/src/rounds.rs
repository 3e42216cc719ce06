//! The rounds of a comparison: A, A again and B, each a process of its own, in an order that the seed decides, on stand-ins
//! that stay up from the first to the last.

use std::{ffi::OsString, path::Path, time::Instant};

use anyhow::{Context, Result, anyhow};
use bulkhead_checks::measure::compare::{BLOCK, FIRST_LOOK, Round, Sample, compare, is_settled, sample};
use bulkhead_engine::seed::Seed;
use bulkhead_model::{
    RunEvent, Verdict,
    bench::{
        BenchReport,
        compare::{Arm, ArmRun, Compared, Figure},
    },
    report::ServerReport,
};
use bulkhead_report::{Terminal, compare::noisiest, text};
use bulkhead_target::{Session, program};

use crate::{closing, exit, interrupt::Interrupt, output::Folder, plan::SEEDS, sides::Side};

/// What is to be played.
pub(crate) struct Rounds<'a> {
    pub(crate) sides: &'a [Side; 2],
    /// Rounds at most.
    pub(crate) most: u32,
    /// The smallest difference that matters, as a share.
    pub(crate) least: f64,
    pub(crate) wanted: &'a [Figure],
    pub(crate) seed: u64,
    pub(crate) folder: &'a Folder,
    pub(crate) terminal: &'a Terminal,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Played {
    /// Rounds that were played to their end.
    pub(crate) rounds: Vec<Round>,
    pub(crate) runs: Vec<ArmRun>,
    pub(crate) figures: Vec<Compared>,
    /// What A and B were measured on.
    pub(crate) servers: [Vec<ServerReport>; 2],
    /// What ended it before its time.
    pub(crate) stopped: Option<(Verdict, String)>,
    /// Why the servers may not all be gone.
    pub(crate) left: Vec<anyhow::Error>,
}

impl Rounds<'_> {
    /// Plays until the noise lets a difference that matters be told apart, or there are enough.
    ///
    /// # Errors
    /// When the servers could not be brought up, or the first run of a side could not start.
    pub(crate) async fn play(&self, mut interrupt: Interrupt) -> Result<Played> {
        let mut played = Played::default();
        let sessions = tokio::select! {
            sessions = self.hold() => sessions?,
            () = interrupt.asked() => {
                played.stop(Verdict::Unknown, "it was interrupted");
                return Ok(played);
            }
        };
        let came = self.rounds(&mut played, &interrupt).await;
        for session in sessions {
            played.left.extend(closing::stand_ins(session.close(), &mut interrupt).await);
        }
        came.map(|()| played)
    }

    /// Keeps the stand-ins of both sides up, so that no run waits for them or is measured while they warm up.
    async fn hold(&self) -> Result<Vec<Session>> {
        let progress = |event| self.terminal.event(&event);
        let mut sessions = Vec::new();
        for (name, side) in ["A", "B"].into_iter().zip(self.sides) {
            let Some(wanted) = &side.wanted else { continue };
            let opened = async {
                let settled = wanted.clone().settle().await?;
                if let Some(told) = settled.told() {
                    self.note(format!("{name} has {told}"));
                }
                Session::open(&settled.spec, &progress).await
            };
            match opened.await {
                Ok(session) => sessions.push(session),
                // Another build may have a keeper that this one cannot talk to; its runs bring their servers up themselves.
                Err(error) if side.foreign => {
                    self.note(format!(
                        "the stand-ins of {name} are started anew for each run: {}",
                        error.chain()
                    ));
                }
                Err(error) => return Err(error).with_context(|| format!("the stand-ins of {name}")),
            }
        }
        Ok(sessions)
    }

    async fn rounds(&self, played: &mut Played, interrupt: &Interrupt) -> Result<()> {
        for round in 1..=self.most {
            let begun = Instant::now();
            if !self.round(round, played, interrupt).await? {
                played.figures = compare(&played.rounds, self.least);
                return Ok(());
            }
            played.figures = compare(&played.rounds, self.least);
            if round == 1 {
                let took = |rounds| {
                    text::duration(u64::try_from((begun.elapsed() * rounds).as_millis()).unwrap_or(u64::MAX))
                };
                self.note(format!("a round takes {}, {} of them {}", took(1), self.most, took(self.most)));
            }
            let played_now = played.rounds.len();
            if played_now >= FIRST_LOOK && played_now.is_multiple_of(BLOCK) {
                if let Some(noisiest) = noisiest(&played.figures) {
                    let least = self.least * 100.0;
                    self.note(format!(
                        "after {round} rounds the noise is {noisiest}; what matters is {least} %"
                    ));
                }
                if is_settled(&played.figures, self.least) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// One round; false where a run of it ends the comparison.
    async fn round(&self, round: u32, played: &mut Played, interrupt: &Interrupt) -> Result<bool> {
        let mut samples = Round::default();
        for (turn, arm) in (1..).zip(self.order(round)) {
            self.note(format!("round {round} of at most {}, run {turn} of 3: {}", self.most, spoken(arm)));
            let folder = self.folder.path.join(format!("round-{round:02}")).join(arm.name());
            let report = match self.run(round, arm, &folder, interrupt).await {
                Ok(Some(report)) => report,
                Ok(None) => {
                    played.stop(Verdict::Unknown, "it was interrupted");
                    return Ok(false);
                }
                Err(error) if played.rounds.is_empty() => return Err(error),
                Err(error) => {
                    played.stop(Verdict::Unknown, format!("{error:#}"));
                    return Ok(false);
                }
            };
            let verdict = report.verdict;
            played.runs.push(ArmRun { round, arm, verdict, folder: folder.display().to_string() });
            if verdict != Verdict::Pass {
                played.stop(verdict, format!("round {round}, {}: {}", spoken(arm), evidence(&report)));
                return Ok(false);
            }
            forget(&report, &folder);
            let measured = sample(&report.cases, self.wanted);
            played.servers[usize::from(arm == Arm::B)].clone_from(&report.servers);
            *of(&mut samples, arm) = measured;
        }
        played.rounds.push(samples);
        Ok(true)
    }

    /// In which order a round plays its arms: of three rounds, B is the first in one, the second in one, the last in one, so
    /// that what grows from run to run is nobody's; which of A and A again is the first is chance's.
    fn order(&self, round: u32) -> [Arm; 3] {
        let seed = Seed::new(self.seed).child("order");
        let width = u32::try_from(BLOCK).unwrap_or(3);
        let (block, within) = ((round - 1) / width, (round - 1) % width);
        let mut places = [0, 1, 2];
        places.sort_by_cached_key(|place| seed.child(&format!("block {block} place {place}")).number());
        let place = places.get(usize::try_from(within).unwrap_or(0)).copied().unwrap_or(0);
        let [first, second] = if seed.child(&format!("round {round}")).number().is_multiple_of(2) {
            [Arm::A, Arm::Again]
        } else {
            [Arm::Again, Arm::A]
        };
        match place {
            0 => [Arm::B, first, second],
            1 => [first, Arm::B, second],
            _ => [first, second, Arm::B],
        }
    }

    /// One run; none where it was interrupted.
    async fn run(
        &self,
        round: u32,
        arm: Arm,
        folder: &Path,
        interrupt: &Interrupt,
    ) -> Result<Option<BenchReport>> {
        let side = &self.sides[usize::from(arm == Arm::B)];
        let seed = Seed::new(self.seed).child(&format!("round {round}")).number() % SEEDS;
        let own = ["--seed", &seed.to_string(), "--format", "json", "--quiet", "--out"].map(OsString::from);
        let mut words = vec![OsString::from("bench")];
        words.extend(side.bench.iter().map(OsString::from).chain(own));
        words.push(folder.into());
        let mut asked = interrupt.clone();
        let program = OsString::from(&side.program);
        let what = || format!("round {round}, {}", spoken(arm));
        let variables = side.variables.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
        let said = program::hear((&program, &words), variables, asked.asked()).await;
        let said = said.with_context(|| format!("{}: cannot run `{}`", what(), side.program.display()))?;
        if interrupt.was_asked() {
            return Ok(None);
        }
        let judged = [exit::PASS, exit::FAIL, exit::UNKNOWN].map(i32::from);
        if !said.status.code().is_some_and(|code| judged.contains(&code)) {
            let why = String::from_utf8_lossy(&said.stderr).trim().to_owned();
            return Err(anyhow!("{why}").context(format!(
                "{}: `bulkhead bench` ended with {}",
                what(),
                said.status
            )));
        }
        let report = serde_json::from_slice(&said.stdout);
        report.map(Some).with_context(|| format!("{}: its document cannot be read", what()))
    }

    fn note(&self, note: String) {
        self.terminal.event(&RunEvent::Note(note));
    }
}

impl Played {
    fn stop(&mut self, verdict: Verdict, why: impl Into<String>) {
        self.stopped = Some((verdict, why.into()));
    }
}

fn of(round: &mut Round, arm: Arm) -> &mut Sample {
    match arm {
        Arm::A => &mut round.a,
        Arm::Again => &mut round.again,
        Arm::B => &mut round.b,
    }
}

const fn spoken(arm: Arm) -> &'static str {
    match arm {
        Arm::A => "A",
        Arm::Again => "A again",
        Arm::B => "B",
    }
}

/// What of a report is not as it should be.
fn evidence(report: &BenchReport) -> String {
    let judged =
        report.cases.iter().flat_map(|case| case.invariants.iter().map(move |judged| (case, judged)));
    let worst = judged.into_iter().find(|(_, judged)| judged.verdict == report.verdict);
    worst.map_or_else(
        || String::from("it did not come to its end"),
        |(case, judged)| format!("{}: {} {}: {}", case.id, judged.verdict, judged.name, judged.evidence),
    )
}

/// Takes the histories of a run away in which nothing is wrong: dozens of runs would fill a disk with them.
fn forget(report: &BenchReport, folder: &Path) {
    for history in report.cases.iter().map(|case| Path::new(&case.history)) {
        if history.starts_with(folder) {
            // One that stays takes room and changes nothing.
            let _ = std::fs::remove_file(history);
        }
    }
}
