//! The same steps on two servers: statuses, bodies, headers and delivered bytes must agree.
//!
//! The genuine server agrees with itself, and one broken answer or byte is found and shrunk: what is compared compares.
//! Ours then agrees with the genuine one, but for what the table of `departures` says.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use serde_json::Value;
use tokio::{sync::watch, time::timeout};

use super::{
    super::tools::skipped,
    departures::{self, REFUSED_UPDATES, Shown, TABLE, WHOLE_RESETS},
    server::{Answer, IGNORED, NOTE, Server, genuine},
    steps::{self, End, Step},
    world::{Events, Seen, World},
};

/// How long nothing must happen in both worlds before what was not delivered counts as not delivered.
const QUIET: Duration = Duration::from_millis(150);

/// How long two worlds may take to come to the same. Only a disagreement reaches it.
const AGREE: Duration = Duration::from_secs(10);

/// Names the sequences again.
const SEED: &str = "BULKHEAD_SEED";

/// Changes what the second world says, to show that it is seen.
type Tamper = fn(&mut Answer);

/// Two worlds that are to agree.
struct Pair {
    worlds: [World; 2],
    changed: Events,
    second: Second,
    /// How often each departure was met.
    met: BTreeMap<&'static str, u32>,
}

/// What the second world is, beside the genuine first one.
#[derive(Clone, Copy)]
enum Second {
    Genuine,
    Tampered(Tamper),
    /// What was delivered in it is told with one bit that is another.
    Corrupted,
    Ours,
}

impl Second {
    async fn start(self, program: &Path) -> Server {
        match self {
            Self::Genuine | Self::Tampered(_) | Self::Corrupted => Server::genuine(program).await,
            Self::Ours => Server::ours(&["--exact"]).await,
        }
    }
}

impl Pair {
    async fn new(program: &Path, second: Second) -> Self {
        let changed: Events = Arc::new(watch::Sender::new(()));
        let servers = [Server::genuine(program).await, second.start(program).await];
        let [one, other] = servers;
        let worlds = [World::new(one, changed.clone()).await, World::new(other, changed.clone()).await];
        Self { worlds, changed, second, met: BTreeMap::new() }
    }

    /// Takes all steps in both worlds, one after another.
    async fn run(&mut self, steps: &[Step]) -> Result<(), String> {
        for world in &mut self.worlds {
            world.clear().await;
        }
        for (number, step) in steps.iter().enumerate() {
            let goes_on = self.step(step).await;
            let at = || format!("step {} ({step:?})", number + 1);
            if !goes_on.map_err(|difference| format!("{}: {difference}", at()))? {
                break;
            }
        }
        Ok(())
    }

    /// False when the worlds have come apart as they may, so that nothing after it can be compared.
    async fn step(&mut self, step: &Step) -> Result<bool, String> {
        let [first, second] = &mut self.worlds;
        let (one, mut other) = tokio::join!(first.take(step), second.take(step));
        if let (Second::Tampered(tamper), Some(answer)) = (self.second, &mut other) {
            tamper(answer);
        }
        // Extra headers are departures of their own.
        if let (Second::Ours, Some(answer)) = (self.second, &mut other) {
            answer.headers.remove(IGNORED);
            answer.headers.remove(NOTE);
        }
        if one != other {
            let apart = format!("\n  {one:?}\n  {other:?}");
            let (Some(theirs), Some(ours), Second::Ours) = (&one, &other, self.second) else {
                return Err(apart);
            };
            self.meet(departures::forgiven(step, theirs, ours).ok_or(apart)?);
        }
        if let (Second::Ours, Some(answer), Step::Call { method, target, .. }) = (self.second, &one, step) {
            match answer.status {
                400 if target.contains("/toxics/") => self.align(target).await?,
                500 if *method == "POST" && target == "/reset" => {
                    self.meet(WHOLE_RESETS);
                    return self.reset_whole().await;
                }
                _ => {}
            }
        }
        let sends = matches!(step, Step::Open { .. } | Step::Send { .. });
        self.settle(sends).await?;
        Ok(true)
    }

    fn meet(&mut self, departure: &'static str) {
        *self.met.entry(departure).or_default() += 1;
    }

    /// After a refused update: gives the genuine server's toxic the attributes that ours kept.
    async fn align(&mut self, toxic: &str) -> Result<(), String> {
        let [theirs, ours] = &mut self.worlds;
        let (before, kept) =
            (theirs.server.ask("GET", toxic, "").await, ours.server.ask("GET", toxic, "").await);
        if before != kept {
            let kept_toxic: Value =
                serde_json::from_str(&kept.body).map_err(|_| format!("{before:?}\n{kept:?}"))?;
            theirs.server.ask("PATCH", toxic, &kept_toxic.to_string()).await;
            let after = theirs.server.ask("GET", toxic, "").await;
            if after != kept {
                return Err(format!("another toxic after a refused update:\n  {after:?}\n  {kept:?}"));
            }
            self.meet(REFUSED_UPDATES);
        }
        Ok(())
    }

    /// After a reset that failed: ours has no toxic left anywhere.
    async fn reset_whole(&mut self) -> Result<bool, String> {
        let all = self.worlds[1].server.ask("GET", "/proxies", "").await.body;
        let proxies: BTreeMap<String, Value> = serde_json::from_str(&all).unwrap();
        let clean = proxies.values().all(|proxy| proxy["toxics"] == serde_json::json!([]));
        if clean { Ok(false) } else { Err(format!("toxics are left after a reset: {all}")) }
    }

    /// Waits until both worlds have come to the same and nothing happens any more. Where something was sent and all of
    /// it has arrived, nothing more can happen.
    async fn settle(&self, sent: bool) -> Result<(), String> {
        let mut events = self.changed.subscribe();
        // A world that is broken on purpose is not worth the wait.
        let agree = if let Second::Corrupted = self.second { 4 * QUIET } else { AGREE };
        let settled = timeout(agree, async {
            loop {
                let [one, other] = self.seen();
                let done = |seen: &Seen| seen.over() || (sent && seen.whole);
                if one == other && one.iter().all(done) {
                    return;
                }
                let calm = timeout(QUIET, events.changed()).await.is_err();
                if calm && one == other {
                    return;
                }
            }
        });
        settled.await.map_err(|_| {
            let [one, other] = self.seen();
            format!("\n  {one:?}\n  {other:?}")
        })
    }

    fn seen(&self) -> [Vec<Seen>; 2] {
        let mut other = self.worlds[1].seen();
        if let Second::Corrupted = self.second {
            other.iter_mut().for_each(Seen::corrupt);
        }
        [self.worlds[0].seen(), other]
    }
}

/// The first sequence that disagrees, as short as it could be made, and where.
type Disagreement = (String, Vec<Step>);

/// Runs the fixed sequences, then generated ones. What disagrees is shrunk and told with its seed.
fn compare(
    (program, second): (&Path, Second),
    fixed: &[Vec<Step>],
    sequences: impl Strategy<Value = Vec<Step>>,
    cases: u32,
) -> Result<BTreeMap<&'static str, u32>, Disagreement> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pair = RefCell::new(runtime.block_on(Pair::new(program, second)));
    for steps in fixed {
        let agreed = runtime.block_on(pair.borrow_mut().run(steps));
        agreed.map_err(|difference| (difference, steps.clone()))?;
    }
    let seed = seed();
    eprintln!("the sequences are those of {SEED}={seed}");
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 300,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes(seed)));
    let result = runner.run(&sequences, |steps| {
        runtime.block_on(pair.borrow_mut().run(&steps)).map_err(TestCaseError::fail)
    });
    result.map_err(|error| match error {
        TestError::Fail(reason, steps) => (reason.to_string(), steps),
        TestError::Abort(reason) => (reason.to_string(), Vec::new()),
    })?;
    Ok(pair.into_inner().met)
}

fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    let given = std::env::var(SEED).ok();
    given.map_or_else(|| RandomState::new().hash_one(SEED), |text| text.parse().expect("a whole number"))
}

fn bytes(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes
}

/// The genuine server's program, or none with a word on how to get it.
pub(super) fn toxiproxy() -> Option<PathBuf> {
    genuine().inspect_err(|reason| skipped(reason)).ok()
}

fn agreed(result: Result<BTreeMap<&'static str, u32>, Disagreement>) -> BTreeMap<&'static str, u32> {
    result.unwrap_or_else(|(difference, steps)| panic!("{difference}\nin {steps:#?}"))
}

#[test]
fn the_genuine_server_agrees_with_itself() {
    let Some(program) = toxiproxy() else { return };
    let two = (program.as_path(), Second::Genuine);
    agreed(compare(two, &steps::fixed(), steps::calls(), 60));
    agreed(compare(two, &[], steps::traffic(), 8));
}

/// The negative control: one status that is another in one of the worlds is found, and nothing else is needed for it.
#[test]
fn one_broken_answer_is_found_and_shrunk() {
    let Some(program) = toxiproxy() else { return };
    let breaks: Tamper = |answer| {
        if answer.status == 201 {
            answer.status = 200;
        }
    };
    let (reason, steps) =
        compare((&program, Second::Tampered(breaks)), &[], steps::calls(), 100).unwrap_err();
    assert!(reason.contains("status: 201") && reason.contains("status: 200"), "{reason}");
    assert_eq!(steps.len(), 1, "{steps:?}");
}

/// The same for traffic: one bit of what was delivered.
#[test]
fn one_broken_bit_is_found() {
    let Some(program) = toxiproxy() else { return };
    let create = r#"{"name":"a","listen":"127.0.0.1:0","upstream":"{origin}"}"#;
    let send = Step::Send { connection: 0, from: End::Client, bytes: 10 };
    let steps = vec![Step::call("POST", "/proxies", create), Step::Open { proxy: "a" }, send];
    let (reason, _) =
        compare((&program, Second::Corrupted), &[steps], steps::traffic(), 0).expect_err("it is found");
    assert!(reason.starts_with("step 3 (send 10 on 0 from Client)"), "{reason}");
}

#[test]
fn ours_answers_as_the_genuine_server() {
    let Some(program) = toxiproxy() else { return };
    let met = agreed(compare((&program, Second::Ours), &steps::fixed(), steps::calls(), 150));
    let expected =
        TABLE.iter().filter(|entry| !matches!(entry.shown, Shown::Told { .. })).map(|entry| entry.name);
    for name in expected {
        assert!(met.contains_key(name), "`{name}` is no departure any more: it was not met");
    }
}

#[test]
fn ours_carries_as_the_genuine_server() {
    let Some(program) = toxiproxy() else { return };
    agreed(compare((&program, Second::Ours), &[], steps::traffic(), 16));
}
