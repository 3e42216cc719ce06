//! A proof from the choice to the result: servers up, each sabotage played with every seed and so is the sound system,
//! each history judged as it ends, servers down.

use std::{collections::BTreeMap, ops::Range, time::Instant};

use anyhow::Result;
use bulkhead_engine::{
    faults,
    run::{CaseRun, services},
    sabotage::{Ground, Sabotage},
};
use bulkhead_model::{
    Problems, RunEvent, Topology, Verdict,
    proof::{Failed, Miss, Passed, ProofReport, SabotageReport},
    report::{CaseReport, InvariantReport},
    scenario::{self, Case, Scenario},
};
use bulkhead_report::Terminal;
use bulkhead_target::Target;
use futures::StreamExt;

use crate::{args::Volume, interrupt::Interrupt, output::Folder, real::Opening, scenarios};

/// What a proof needs.
pub(crate) struct Proof<'a> {
    pub(crate) chosen: &'a [&'static Sabotage],
    pub(crate) topology: &'a Topology,
    pub(crate) seeds: Range<u64>,
    pub(crate) jobs: usize,
    pub(crate) opening: &'a Opening,
    pub(crate) volume: Volume,
    pub(crate) folder: &'a Folder,
    pub(crate) terminal: &'a Terminal,
}

/// One scenario with one seed.
#[derive(Clone)]
struct Play {
    /// What goes on meanwhile; nothing on a sound system.
    sabotage: Option<&'static Sabotage>,
    /// Which sabotages it says something of, by their places among the chosen.
    about: Vec<usize>,
    case: Case,
    seed: u64,
}

/// What one came to.
struct Played {
    play: Play,
    run: Option<CaseRun>,
    /// Why the sabotage did not go on as it should, if so.
    broke: Option<String>,
}

impl Proof<'_> {
    /// Runs it. Beside the result is why the servers may not all be gone.
    ///
    /// # Errors
    /// When the servers could not be brought up.
    pub(crate) async fn run(&self, mut interrupt: Interrupt) -> Result<(ProofReport, Option<anyhow::Error>)> {
        let begun = Instant::now();
        let (plays, mut found) = (self.plays()?, self.nothing_yet());
        self.terminal.event(&RunEvent::Planned {
            run: self.folder.run.clone(),
            target: String::from("native"),
            reason: None,
            topology: String::from("built in"),
            seed: self.seeds.start,
            tenants: vec![String::from("engine")],
            cases: plays.len(),
        });
        let progress = |event| self.terminal.event(&event);
        let target = tokio::select! {
            opened = self.opening.open(self.volume, &progress) => opened?,
            () = interrupt.asked() => return Ok((self.report(found, Vec::new(), begun), None)),
        };
        tokio::select! {
            () = self.play_all(&*target, plays, &mut found) => {}
            () = interrupt.asked() => {}
        }
        let servers = target.servers().to_vec();
        let left = self.opening.close(target, &mut interrupt).await;
        Ok((self.report(found, servers, begun), left))
    }

    /// Everything that is to be played. Sabotages that have a scenario in common have the sound system in common, too.
    fn plays(&self) -> Result<Vec<Play>, Problems> {
        let mut plays: Vec<Play> = Vec::new();
        let mut sound: Vec<(&Sabotage, Case, Vec<usize>)> = Vec::new();
        for (place, sabotage) in self.chosen.iter().enumerate() {
            let case = case_of(sabotage, true, self.topology)?;
            let of = |seed| Play { sabotage: Some(sabotage), about: vec![place], case: case.clone(), seed };
            plays.extend(self.seeds.clone().map(of));
            let case = case_of(sabotage, false, self.topology)?;
            match sound.iter_mut().find(|(other, ..)| is_alike(other, sabotage)) {
                Some((.., about)) => about.push(place),
                None => sound.push((sabotage, case, vec![place])),
            }
        }
        for (_, case, about) in sound {
            let of = |seed| Play { sabotage: None, about: about.clone(), case: case.clone(), seed };
            plays.extend(self.seeds.clone().map(of));
        }
        Ok(plays)
    }

    /// Plays each. Those that have a server alone wait for one another and not in others' places; who works on a server
    /// that they disturb comes last, when they are through.
    async fn play_all(&self, target: &dyn Target, plays: Vec<Play>, found: &mut [SabotageReport]) {
        let disturbed = |play: &Play| faults::disturbed(&play.case.scenario.faults);
        let busy: Vec<_> = plays.iter().flat_map(disturbed).collect();
        let (alone, mut beside): (Vec<_>, Vec<_>) =
            plays.into_iter().partition(|play| !disturbed(play).is_empty());
        beside.sort_by_key(|play| {
            services(&play.case.scenario).unwrap_or_default().iter().any(|service| busy.contains(service))
        });
        let mut lanes = BTreeMap::<_, Vec<Play>>::new();
        for play in alone {
            lanes.entry(disturbed(&play)).or_default().push(play);
        }
        let lanes = lanes.into_values().map(|plays| (plays, 1)).chain([(beside, self.jobs)]);
        let lanes = lanes.map(|(plays, places)| {
            futures::stream::iter(plays.into_iter().map(|play| self.play(target, play)))
                .buffer_unordered(places)
        });
        let mut played = futures::stream::select_all(lanes);
        while let Some(played) = played.next().await {
            self.note(played, found);
        }
    }

    async fn play(&self, target: &dyn Target, play: Play) -> Played {
        let name = match (play.sabotage, play.about.first().and_then(|place| self.chosen.get(*place))) {
            (Some(sabotage), _) => format!("{}/sabotaged", sabotage.name),
            (None, of) => format!("{}/sound", of.map_or("", |sabotage| sabotage.name)),
        };
        let out = self.folder.path.join(name).join(format!("seed-{}", play.seed));
        let ground = Ground { target, topology: self.topology, seed: play.seed, out };
        self.terminal.event(&RunEvent::CaseStarted { id: play.id() });
        let (run, broke) = match play.sabotage {
            Some(sabotage) => ground.sabotaged(sabotage, play.case.clone()).await,
            None => (ground.sound(play.case.clone()).await, None),
        };
        Played { play, run, broke: broke.map(|error| error.chain()) }
    }

    /// Judges what was played, for every sabotage that it is about.
    fn note(&self, played: Played, found: &mut [SabotageReport]) {
        let Played { play, run, broke } = played;
        let mut missed = Vec::new();
        for place in &play.about {
            let (Some(sabotage), Some(report)) = (self.chosen.get(*place), found.get_mut(*place)) else {
                continue;
            };
            let judged = judged(sabotage, self.topology, run.as_ref());
            let as_meant = match play.sabotage {
                Some(_) => {
                    judged.verdict == Verdict::Fail
                        && judged.evidence.contains(sabotage.says)
                        && broke.is_none()
                }
                None => judged.verdict == Verdict::Pass,
            };
            match play.sabotage {
                Some(_) => {
                    report.sabotaged.of += 1;
                    report.sabotaged.failed += u64::from(as_meant);
                }
                None => {
                    report.sound.of += 1;
                    report.sound.passed += u64::from(as_meant);
                }
            }
            let said = broke.iter().chain([&judged.evidence]).cloned().collect::<Vec<_>>().join("; ");
            if !as_meant {
                let miss = Miss {
                    seed: play.seed,
                    sabotaged: play.sabotage.is_some(),
                    verdict: judged.verdict,
                    evidence: said,
                    history: run.as_ref().map_or_else(String::new, |run| run.journal.display().to_string()),
                };
                missed.push((*sabotage, miss.clone()));
                report.misses.push(miss);
            }
            self.tell(report);
        }
        self.terminal.event(&RunEvent::CaseEnded(ended(&play, missed, run.as_ref())));
    }

    /// Says what a sabotage came to as soon as that is known.
    fn tell(&self, report: &SabotageReport) {
        let seeds = self.seeds.end - self.seeds.start;
        if report.sabotaged.of == seeds && report.sound.of == seeds {
            let SabotageReport { name, invariant, sabotaged, sound, .. } = report;
            self.terminal.event(&RunEvent::Note(format!(
                "{name}: {invariant} failed in {} of {seeds}, sound it passed in {} of {seeds}",
                sabotaged.failed, sound.passed
            )));
        }
    }

    fn nothing_yet(&self) -> Vec<SabotageReport> {
        let none = |sabotage: &&Sabotage| SabotageReport {
            name: sabotage.name.to_owned(),
            breaks: sabotage.breaks.to_owned(),
            invariant: sabotage.expect.to_owned(),
            sabotaged: Failed::default(),
            sound: Passed::default(),
            verdict: Verdict::Unknown,
            misses: Vec::new(),
        };
        self.chosen.iter().map(none).collect()
    }

    fn report(
        &self,
        mut found: Vec<SabotageReport>,
        servers: Vec<bulkhead_model::report::ServerReport>,
        begun: Instant,
    ) -> ProofReport {
        let seeds = self.seeds.end - self.seeds.start;
        for sabotage in &mut found {
            sabotage.settle(seeds);
            sabotage.misses.sort_by_key(|miss| (miss.seed, miss.sabotaged));
        }
        ProofReport {
            version: 1,
            run: self.folder.run.clone(),
            seeds,
            first_seed: self.seeds.start,
            verdict: Verdict::worst(found.iter().map(|sabotage| sabotage.verdict)),
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            servers,
            sabotages: found,
        }
    }
}

impl Play {
    /// `ack-before-work (engine) sabotaged, seed 7`.
    fn id(&self) -> String {
        let how = if self.sabotage.is_some() { "sabotaged" } else { "sound" };
        format!("{} {how}, seed {}", self.case.id, self.seed)
    }
}

/// Whether a sound system does the same for both.
fn is_alike(one: &Sabotage, other: &Sabotage) -> bool {
    let met = |sabotage: &Sabotage| (sabotage.subject, sabotage.workload, sabotage.run_for, sabotage.fault);
    met(one) == met(other)
}

/// The one case of a sabotage's scenario.
fn case_of(sabotage: &Sabotage, sabotaged: bool, topology: &Topology) -> Result<Case, Problems> {
    let (name, text) = (format!("proof/{}", sabotage.name), sabotage.scenario(sabotaged));
    let scenarios =
        scenarios::with_known(|known| Scenario::parse(&name, &text, &format!("{name}.yaml"), known))?;
    let cases = scenario::expand(&scenarios, topology)?;
    let problem = || bulkhead_model::Problem::new(name.clone(), "the sabotage has no case here");
    Ok(cases.into_iter().next_back().ok_or_else(problem)?)
}

/// What the sabotage's invariant comes to.
fn judged(sabotage: &Sabotage, topology: &Topology, run: Option<&CaseRun>) -> InvariantReport {
    let nothing = || InvariantReport {
        name: sabotage.expect.to_owned(),
        verdict: Verdict::Unknown,
        evidence: String::from("it was not played"),
    };
    let (Some(run), Ok(case)) = (run, case_of(sabotage, false, topology)) else { return nothing() };
    bulkhead_checks::judge(&run.history, &case.scenario.expect).into_iter().next().unwrap_or_else(nothing)
}

/// The run as the terminal counts it: it passes when it came out as it should.
fn ended(play: &Play, missed: Vec<(&Sabotage, Miss)>, run: Option<&CaseRun>) -> CaseReport {
    let scenario = &play.case.scenario;
    let again = missed.first().map(|(sabotage, _)| sabotage.name);
    let invariants = missed.iter().map(|(sabotage, miss)| {
        let wanted = if miss.sabotaged { Verdict::Fail } else { Verdict::Pass };
        InvariantReport {
            name: sabotage.expect.to_owned(),
            verdict: Verdict::Fail,
            evidence: format!("it is `{}` and not `{wanted}`: {}", miss.verdict, miss.evidence),
        }
    });
    CaseReport {
        id: play.id(),
        title: scenario.title.clone(),
        why: scenario.why.clone(),
        verdict: if missed.is_empty() { Verdict::Pass } else { Verdict::Fail },
        skipped: None,
        duration_ms: run.map_or(0, |run| u64::try_from(run.duration.as_millis()).unwrap_or(u64::MAX)),
        faults: scenario.faults.iter().map(faults::words).collect(),
        invariants: invariants.collect(),
        attempts: Vec::new(),
        likely: None,
        diagnoses: Vec::new(),
        repro: again
            .map_or_else(String::new, |name| format!("bulkhead prove {name} --seeds 1 --seed {}", play.seed)),
        logs: Vec::new(),
    }
}
