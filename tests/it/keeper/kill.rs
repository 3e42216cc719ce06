//! SIGKILL at random moments of start, run and stop: nothing of the run is left.

use std::{collections::BTreeSet, time::Duration};

use nix::sys::signal::Signal;

use super::trace::{self, Harness, Own};

/// Chooses the moments; set it to a printed seed to see a failure again.
const SEED: &str = "BULKHEAD_TEST_SEED";

/// How many rounds.
const ROUNDS: u64 = 50;

/// When a round's kill comes.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// This long after the harness was started.
    Start(Duration),
    /// This long after a server was said to be ready.
    Ready(&'static str, Duration),
    /// This long after it said that everything is up.
    Run(Duration),
    /// This long after its Ctrl-C.
    Stop(Duration),
}

/// A small generator (`SplitMix64`): the same seed gives the same round.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    }

    fn millis(&mut self, below: u64) -> Duration {
        Duration::from_millis(self.roll(below))
    }

    /// Mostly early, since a start that is cut short costs least.
    fn moment(&mut self) -> Moment {
        match self.roll(10) {
            0..=4 => Moment::Start(self.millis(900)),
            5 => Moment::Ready("redis", self.millis(200)),
            6 => Moment::Ready("postgres", self.millis(400)),
            7 => Moment::Run(self.millis(200)),
            _ => Moment::Stop(self.millis(600)),
        }
    }
}

/// Fifty times the harness, which is `bulkhead up`, and a moment later its keeper.
#[tokio::test]
async fn nothing_outlives_a_killed_harness_and_a_killed_keeper() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = std::env::var(SEED).map_or(now.as_secs(), |text| text.parse().unwrap());
    println!("{SEED}={seed}");
    let (mut keepers, mut ports_seen) = (0, 0);
    for round in 0..ROUNDS {
        let mut dice = Dice(seed.wrapping_add(round.wrapping_mul(1_000_003)));
        let (moment, pause) = (dice.moment(), dice.millis(250));
        println!("round {round}: {moment:?}, keeper {pause:?} later");
        let own = Own::new("kill");
        let mut harness = Harness::up(&own);
        wait_for(moment, &mut harness).await;
        let runs = own.folders();
        // Looking for ports takes a while, which would turn early moments into later ones.
        let ports = if matches!(moment, Moment::Start(_)) { BTreeSet::new() } else { own.ports() };
        if matches!(moment, Moment::Run(_)) {
            assert_eq!(runs.len(), 1, "round {round}");
            assert!(ports.len() >= 4, "round {round}: four servers listen, not {ports:?}");
        }
        harness.kill().await;
        tokio::time::sleep(pause).await;
        let keeper = own.processes().into_iter().find(|process| process.contains("__keeper"));
        if let Some(keeper) = keeper {
            trace::signal(keeper.split(' ').next().unwrap().parse().unwrap(), Signal::SIGKILL);
            keepers += 1;
        }
        own.assert_gone().await;
        let left: Vec<_> = ports.intersection(&trace::listening()).cloned().collect();
        assert_eq!(left, [], "round {round}, {runs:?}");
        ports_seen += ports.len();
    }
    println!("{keepers} keepers were killed, {ports_seen} ports were open when a harness was");
    assert!(keepers > 0 && ports_seen > 0, "the rounds met nothing to kill");
}

async fn wait_for(moment: Moment, harness: &mut Harness) {
    let pause = match moment {
        Moment::Start(pause) => pause,
        Moment::Ready(service, pause) => {
            harness.line(&format!("stand-ins   {service} ")).await;
            pause
        }
        Moment::Run(pause) => {
            harness.line("Ctrl-C stops the servers").await;
            pause
        }
        Moment::Stop(pause) => {
            harness.line("Ctrl-C stops the servers").await;
            harness.interrupt();
            pause
        }
    };
    tokio::time::sleep(pause).await;
}

#[tokio::test]
async fn a_killed_keeper_alone_takes_its_servers_along() {
    let own = Own::new("keeper");
    let mut harness = Harness::start(&own);
    let granted = harness.line("granted ").await;
    harness.line("slices ").await;
    let keeper = granted.split(' ').nth(1).unwrap().parse().unwrap();
    trace::signal(keeper, Signal::SIGKILL);
    harness.kill().await;
    own.assert_gone().await;
}

#[tokio::test]
async fn what_a_killed_keeper_and_janitor_leave_is_swept_by_the_next() {
    let own = Own::new("sweep");
    let session = crate::support::open(&own.spec).await;
    let run = own.folders();
    let janitor = own.processes().into_iter().find(|process| process.contains("__janitor")).unwrap();
    // The keeper first is stopped, so that it cannot start another janitor.
    trace::signal(session.keeper(), Signal::SIGSTOP);
    trace::signal(janitor.split(' ').next().unwrap().parse().unwrap(), Signal::SIGKILL);
    trace::signal(session.keeper(), Signal::SIGKILL);
    drop(session);
    let next = crate::support::open(&own.spec).await;
    trace::until("the old run is swept", || async { (!own.folders().contains(&run[0])).then_some(()) }).await;
    next.close().await.unwrap();
    own.assert_gone().await;
}

#[tokio::test]
async fn a_killed_janitor_is_replaced() {
    let own = Own::new("janitor");
    let session = crate::support::open(&own.spec).await;
    let janitor = || own.processes().into_iter().find(|process| process.contains("__janitor"));
    let first = janitor().unwrap();
    trace::signal(first.split(' ').next().unwrap().parse().unwrap(), Signal::SIGKILL);
    trace::until("another janitor", || async { janitor().filter(|other| *other != first) }).await;
    trace::signal(session.keeper(), Signal::SIGKILL);
    drop(session);
    own.assert_gone().await;
}
