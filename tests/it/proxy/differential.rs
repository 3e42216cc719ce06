//! The same steps on two servers: statuses, bodies, headers and delivered bytes must agree.
//!
//! The genuine server agrees with itself, and one broken answer or byte is found and shrunk: what is compared compares.

use std::{path::PathBuf, sync::Arc, time::Duration};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use tokio::{sync::watch, time::timeout};

use super::{
    super::clients::skipped,
    server::{Answer, Server, genuine},
    steps::{self, Step},
    world::{Events, Seen, World},
};

/// How long nothing must happen in both worlds before what was not delivered counts as not delivered.
const QUIET: Duration = Duration::from_millis(150);

/// How long two worlds may take to come to the same. Only a disagreement reaches it.
const AGREE: Duration = Duration::from_secs(10);

/// Changes what the second world says, to show that it is seen.
type Tamper = fn(&Step, &mut Option<Answer>);

/// Two worlds that are to agree.
struct Pair {
    worlds: [World; 2],
    changed: Events,
    tamper: Option<Tamper>,
}

impl Pair {
    async fn new(servers: [Server; 2]) -> Self {
        let changed = Arc::new(watch::Sender::new(()));
        let [first, second] = servers;
        let worlds = [World::new(first, changed.clone()).await, World::new(second, changed.clone()).await];
        Self { worlds, changed, tamper: None }
    }

    /// Takes all steps in both worlds, one after another.
    async fn run(&mut self, steps: &[Step]) -> Result<(), String> {
        for world in &mut self.worlds {
            world.clear().await;
        }
        for (number, step) in steps.iter().enumerate() {
            self.step(step)
                .await
                .map_err(|difference| format!("step {} ({step:?}): {difference}", number + 1))?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let [first, second] = &mut self.worlds;
        let (one, mut other) = tokio::join!(first.take(step), second.take(step));
        if let Some(tamper) = self.tamper {
            tamper(step, &mut other);
        }
        if one != other {
            return Err(format!("\n  {one:?}\n  {other:?}"));
        }
        let sends = matches!(step, Step::Open { .. } | Step::Send { .. });
        self.settle(sends).await
    }

    /// Waits until both worlds have come to the same and nothing happens any more. Where something was sent and all of
    /// it has arrived, nothing more can happen.
    async fn settle(&self, sent: bool) -> Result<(), String> {
        let mut events = self.changed.subscribe();
        let settled = timeout(AGREE, async {
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
        [self.worlds[0].seen(), self.worlds[1].seen()]
    }
}

/// Runs generated sequences; the first that disagrees is shrunk and told with its seed.
fn compare(
    servers: impl AsyncFn() -> [Server; 2],
    sequences: impl Strategy<Value = Vec<Step>>,
    cases: u32,
    tamper: Option<Tamper>,
) -> Result<(), (String, Vec<Step>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut pair = runtime.block_on(async { Pair::new(servers().await).await });
    pair.tamper = tamper;
    let seed = seed();
    eprintln!("the sequences are those of {SEED}={}", seed);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 300,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes(seed)));
    let pair = std::cell::RefCell::new(pair);
    let result = runner.run(&sequences, |steps| {
        runtime.block_on(pair.borrow_mut().run(&steps)).map_err(TestCaseError::fail)
    });
    result.map_err(|error| match error {
        TestError::Fail(reason, steps) => (reason.to_string(), steps),
        TestError::Abort(reason) => (reason.to_string(), Vec::new()),
    })
}

/// Names the sequences again.
const SEED: &str = "BULKHEAD_SEED";

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
fn toxiproxy() -> Option<PathBuf> {
    genuine().inspect_err(|reason| skipped(reason)).ok()
}

#[test]
fn the_genuine_server_agrees_with_itself() {
    let Some(program) = toxiproxy() else { return };
    let two = async || [Server::genuine(&program).await, Server::genuine(&program).await];
    assert_eq!(compare(two, steps::calls(), 100, None), Ok(()));
    assert_eq!(compare(two, steps::traffic(), 10, None), Ok(()));
}

/// The negative control: one status that is another in one of the worlds is found, and nothing else is needed for it.
#[test]
fn one_broken_answer_is_found_and_shrunk() {
    let Some(program) = toxiproxy() else { return };
    let two = async || [Server::genuine(&program).await, Server::genuine(&program).await];
    let breaks: Tamper = |_, answer| {
        if let Some(answer) = answer
            && answer.status == 201
        {
            answer.status = 200;
        }
    };
    let (reason, steps) = compare(two, steps::calls(), 100, Some(breaks)).unwrap_err();
    assert!(reason.contains("status: 201") && reason.contains("status: 200"), "{reason}");
    assert_eq!(steps.len(), 1, "{steps:?}");
}
