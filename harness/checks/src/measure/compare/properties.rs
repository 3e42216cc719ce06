//! How often the comparison errs, counted on made-up rounds: the errors are those of its promise, not of one lucky seed.

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng},
};

use super::*;

const LEAST: f64 = 0.05;
const MOST: usize = 18;

/// Rounds that are made up as long as they are wanted.
struct Machine {
    rng: TestRng,
    /// What one run varies by.
    noise: f64,
    /// What the machine drifts by from run to run.
    drift: f64,
    /// One run of so many is hit by something that makes it half as slow again; none of 0.
    hit: u32,
    now: f64,
}

impl Machine {
    fn new(seed: u64, noise: f64) -> Self {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self { rng, noise, drift: 0.0, hit: 0, now: 0.0 }
    }

    /// From 0 to 1, never 0.
    fn part(&mut self) -> f64 {
        (f64::from(self.rng.next_u32()) + 1.0) / 4_294_967_296.0
    }

    /// Box and Muller's.
    fn normal(&mut self) -> f64 {
        let (one, other) = (self.part(), self.part());
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
    }

    /// The figures of one run, as many times slower: what hits one figure hits its neighbours, for a part.
    fn run(&mut self, slower: f64) -> Sample {
        self.now += self.drift * self.normal();
        let (now, common) = (self.now, self.normal());
        let hit = if self.hit > 0 && self.rng.next_u32().is_multiple_of(self.hit) { 1.5 } else { 1.0 };
        let mut sample = Sample::default();
        for workload in ["redis.sessions", "rabbitmq.tasks"] {
            let kind = (TenantName::new("engine").unwrap(), workload.to_owned(), Some(String::from("touch")));
            for (figure, times) in
                [(Figure::Rate, 1.0), (Figure::P50, 1.0), (Figure::P90, 1.3), (Figure::P99, 2.0)]
            {
                let noise = self.noise * times * (0.8 * common + 0.6 * self.normal());
                let time = slower * hit * (noise + now).exp();
                let value = if figure == Figure::Rate { 1_000.0 / time } else { 1e6 * times * time };
                sample.figures.insert((kind.clone(), figure), value);
            }
            sample.tried.insert(kind.clone());
            sample.succeeded.insert(kind);
        }
        sample
    }

    fn round(&mut self, slower: f64) -> Round {
        let mut round = Round::default();
        let place = self.rng.next_u32() % 3;
        let mut of_a = Vec::new();
        for turn in 0..3 {
            if turn == place {
                round.b = self.run(slower);
            } else {
                of_a.push(self.run(1.0));
            }
        }
        round.again = of_a.pop().unwrap();
        round.a = of_a.pop().unwrap();
        round
    }

    /// A whole comparison, ended as the command ends it.
    fn compare(&mut self, slower: f64) -> (Change, Vec<Compared>) {
        let mut rounds = Vec::new();
        loop {
            rounds.push(self.round(slower));
            if rounds.len() < FIRST_LOOK || !rounds.len().is_multiple_of(BLOCK) {
                continue;
            }
            let compared = compare(&rounds, LEAST);
            if rounds.len() == MOST || is_settled(&compared, LEAST) {
                return (Change::of(compared.iter().map(|of| of.change)), compared);
            }
        }
    }
}

/// How many of so many comparisons come to what is asked.
fn times(of: u64, machine: impl Fn(u64) -> Machine, slower: f64, is: impl Fn(Change) -> bool) -> u64 {
    let came = (0..of).map(|seed| machine(seed).compare(slower).0);
    u64::try_from(came.filter(|change| is(*change)).count()).unwrap()
}

const MANY: u64 = 200;

#[test]
fn one_thing_beside_itself_is_told_apart_in_one_of_twenty_at_most() {
    for noise in [0.02, 0.03, 0.1] {
        for (drift, hit) in [(0.0, 0), (noise, 0), (0.0, 20), (noise / 2.0, 10)] {
            let machine = |seed| Machine { drift, hit, ..Machine::new(seed, noise) };
            let wrong = times(MANY, machine, 1.0, |change| matches!(change, Change::Worse | Change::Better));
            assert!(wrong <= MANY / 20, "{wrong} of {MANY} with noise {noise}, drift {drift}, hit {hit}");
        }
    }
}

#[test]
fn means_alone_would_tell_one_thing_from_itself() {
    let beyond = |of: &Compared| of.ratio > 1.0 + LEAST || of.ratio < 1.0 / (1.0 + LEAST);
    let wrong = (0..MANY).filter(|seed| Machine::new(*seed, 0.1).compare(1.0).1.iter().any(beyond)).count();
    assert!(u64::try_from(wrong).unwrap() > MANY / 4, "{wrong} of {MANY}");
}

#[test]
fn a_speed_up_is_not_worse() {
    let came = Machine::new(1, 0.02).compare(1.0 / 1.1);
    assert_eq!(came.0, Change::Better, "{:?}", came.1);
}

#[test]
fn a_slow_down_of_a_tenth_is_found_in_nineteen_of_twenty_at_least() {
    for noise in [0.02, 0.05] {
        for drift in [0.0, noise / 2.0] {
            let machine = |seed| Machine { drift, ..Machine::new(seed, noise) };
            let found = times(MANY, machine, 1.1, |change| change == Change::Worse);
            assert!(found >= MANY * 19 / 20, "{found} of {MANY} with noise {noise}, drift {drift}");
        }
    }
}

#[test]
fn a_machine_that_is_too_noisy_is_said_to_be() {
    let unknown = times(MANY, |seed| Machine::new(seed, 0.3), 1.0, |change| change == Change::Unknown);
    assert!(unknown >= MANY * 19 / 20, "{unknown}");
    let same = times(MANY, |seed| Machine::new(seed, 0.3), 1.0, |change| change == Change::Same);
    assert_eq!(same, 0);
}

#[test]
fn a_difference_that_does_not_matter_is_none_however_surely_it_is_there() {
    let (change, compared) = Machine::new(1, 0.001).compare(1.02);
    assert_eq!(change, Change::Same, "{compared:?}");
    let latency = compared.iter().find(|of| of.figure == Figure::P50).unwrap();
    assert!(latency.between[0] > 1.0 && (latency.ratio - 1.02).abs() < 0.005, "{latency:?}");
}

#[test]
fn what_never_succeeds_on_a_side_is_worse_there_and_what_is_not_tried_there_cannot_be_told() {
    let mut machine = Machine::new(1, 0.003);
    let rounds: Vec<_> = (0..6).map(|_| machine.round(1.0)).collect();
    let is = |workload: &str| workload == "rabbitmq.tasks";
    let without = |tries: bool| {
        let mut rounds = rounds.clone();
        for Round { b, .. } in &mut rounds {
            b.figures.retain(|((_, workload, _), _), _| !is(workload));
            b.succeeded.retain(|(_, workload, _)| !is(workload));
            b.tried.retain(|(_, workload, _)| tries || !is(workload));
        }
        rounds
    };
    let turned = |rounds: Vec<Round>| -> Vec<_> {
        let turn = |Round { a, b, .. }| Round { again: b.clone(), a: b, b: a };
        rounds.into_iter().map(turn).collect()
    };
    for (rounds, change, why) in [
        (without(true), Change::Worse, "it never succeeds with B"),
        (turned(without(true)), Change::Better, "it never succeeds with A"),
        (without(false), Change::Unknown, "A alone tries it"),
        (turned(without(false)), Change::Unknown, "B alone tries it"),
    ] {
        let compared = compare(&rounds, LEAST);
        let (told, not): (Vec<_>, Vec<_>) = compared.iter().partition(|of| of.why.is_empty());
        assert!(told.len() == 4 && told.iter().all(|of| !is(&of.workload)), "{compared:?}");
        assert_eq!(not.iter().map(|of| (of.change, of.why.as_str())).collect::<Vec<_>>(), [(change, why)]);
        assert_eq!(Change::of(compared.iter().map(|of| of.change)), change);
    }
}

#[test]
fn a_figure_that_one_run_has_too_few_operations_for_is_left_out() {
    let mut machine = Machine::new(1, 0.01);
    let mut rounds: Vec<_> = (0..6).map(|_| machine.round(1.0)).collect();
    let few = rounds[2].again.figures.keys().find(|(_, figure)| *figure == Figure::P99).cloned().unwrap();
    rounds[2].again.figures.remove(&few);
    let compared = compare(&rounds, LEAST);
    assert_eq!(compared.len(), 7);
    assert!(compared.iter().all(|of| (&of.workload, of.figure) != (&few.0.1, few.1)), "{compared:?}");
}

proptest! {
    #[test]
    fn the_verdict_keeps_to_its_own_numbers(
        logs in prop::collection::vec(prop::array::uniform3(-0.5..0.5_f64), 0..12),
        latency: bool,
    ) {
        let kind = (TenantName::new("engine").unwrap(), String::from("redis.sessions"), None);
        let figure = if latency { Figure::P50 } else { Figure::Rate };
        let of = |log: f64| Sample {
            figures: BTreeMap::from([((kind.clone(), figure), log.exp())]),
            tried: BTreeSet::from([kind.clone()]),
            succeeded: BTreeSet::from([kind.clone()]),
        };
        let rounds: Vec<_> =
            logs.iter().map(|[a, again, b]| Round { a: of(*a), again: of(*again), b: of(*b) }).collect();
        let compared = compare(&rounds, LEAST);
        prop_assert_eq!(compared.len(), usize::from(!rounds.is_empty()));
        for Compared { ratio, between: [low, high], noise, change, .. } in compared {
            prop_assert!(low <= ratio && ratio <= high && noise >= 0.0);
            let slower = if latency { ratio > 1.0 } else { ratio < 1.0 };
            match change {
                Change::Same => prop_assert!(noise <= LEAST),
                Change::Unknown => prop_assert!(noise > LEAST),
                Change::Worse => prop_assert!(slower && !(low..high).contains(&1.0)),
                Change::Better => prop_assert!(!slower && !(low..high).contains(&1.0)),
            }
        }
    }
}
