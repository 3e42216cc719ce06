//! Random bytes in random chunks through random chains of toxics with random live changes, in virtual time.
//!
//! Each property is a function of a plan. It must hold for every plan, and fail for some plan with a toxic that breaks a
//! promise: `sabotage` has one for each.

use std::time::Duration;

use bytes::Bytes;
use proptest::{
    prelude::*,
    test_runner::{Config, TestError, TestRunner},
};

use self::{
    plans::{ALL, CHOOSING, GENTLE, HARMFUL, Plan, Step, Toxin, WHOLE, one, plan, timed},
    run::{Run, stream},
};
use super::{line::Line, sabotage::Sabotage};
use crate::{
    spec::Direction,
    tape::Effect,
    toxics::{self, Attributes, Chunk, Item, Value, latency},
    trigger::Trigger,
};

mod plans;
mod run;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// What is delivered is a prefix of what was sent, followed by at most one end or cut and nothing more.
fn delivers_a_prefix(plan: &Plan) -> Result<Run, String> {
    let mut run = Run::new(plan);
    for step in &plan.steps {
        run.take(step)?;
    }
    run.finish()?;
    let delivered = run.line.bytes();
    ensure(stream(0, run.sent).starts_with(&delivered), || "not a prefix of what was sent".to_owned())?;
    let ends = run.line.out.iter().filter(|(_, item)| !matches!(item, Item::Data(_))).count();
    let last = run.line.out.last().is_none_or(|(_, item)| !matches!(item, Item::Data(_)));
    ensure(ends <= 1 && last, || format!("{ends} ends, one last: {last}"))?;
    if ends == 0 || run.line.out.last().is_some_and(|(_, item)| *item == Item::End) {
        let all = delivered.len() == run.sent;
        ensure(all && ends == 1, || {
            format!("an end {ends} after {} of {} bytes", delivered.len(), run.sent)
        })?;
    }
    Ok(run)
}

/// Where no toxic may cut or drop, all arrives, and then the end.
fn delivers_all(plan: &Plan) -> Result<(), String> {
    let run = delivers_a_prefix(plan)?;
    ensure(run.line.bytes().len() == run.sent, || "bytes are missing".to_owned())?;
    ensure(run.line.out.last().is_some_and(|(_, item)| *item == Item::End), || {
        "the end is missing".to_owned()
    })
}

/// Without changes everything arrives by itself: not before each toxic allows it, and not after all of them together
/// ask for.
/// When the last toxic is removed everything has left, and no time has passed: the bound of the contract is 5 ms.
fn flushes_at_once(plan: &Plan) -> Result<(), String> {
    let mut run = Run::new(plan);
    for step in &plan.steps {
        run.take(step)?;
    }
    let removed = run.line.now;
    while !run.line.toxics.is_empty() {
        run.line.remove(0);
    }
    run.pass(Duration::ZERO)?;
    let (left, sent) = (run.line.bytes().len(), run.sent);
    ensure(left == sent, || format!("{left} of {sent} bytes have left when the last toxic was removed"))?;
    ensure(run.line.now == removed, || "time has passed".to_owned())
}

fn delivers_in_time(plan: &Plan) -> Result<(), String> {
    let mut run = Run::new(plan);
    let mut chunks = 0;
    for step in &plan.steps {
        if matches!(step, Step::Send(_) | Step::Pass(_)) {
            chunks += u128::from(matches!(step, Step::Send(_)));
            run.take(step)?;
        }
    }
    run.waiting.push_back(Item::End);
    let ended = run.line.now - run.line.start;
    let most = plan.toxins.iter().map(|toxin| most(toxin, run.sent, chunks)).sum::<Duration>();
    run.pass(most)?;
    let arrived = run.line.out.last().is_some_and(|(_, item)| *item == Item::End);
    ensure(arrived, || format!("not whole after {most:?}: {:?} of {}", run.line.sizes(), run.sent))?;
    ensure(run.line.bytes() == stream(0, run.sent), || "not what was sent".to_owned())?;
    let mut delivered = 0;
    for (at, item) in &run.line.out {
        delivered += item.bytes();
        for toxin in &plan.toxins {
            let least = least(toxin, delivered, item, ended);
            ensure(*at >= least, || {
                format!("{delivered} bytes at {at:?}, {:?} allows {least:?}", toxin.kind)
            })?;
        }
    }
    Ok(())
}

fn micros(number: i64) -> Duration {
    Duration::from_micros(u64::try_from(number).unwrap_or(0))
}

/// The longest that a toxic may hold a stream up.
fn most(toxin: &Toxin, bytes: usize, chunks: u128) -> Duration {
    let get = |name| toxin.attributes.integer(name);
    let pieces = u32::try_from(toxics::count(bytes) as u128 + chunks).unwrap();
    match toxin.kind.name() {
        "latency" => micros((get("latency") + get("jitter").max(0)) * 1000),
        "bandwidth" if get("rate") > 0 => {
            Duration::from_nanos(toxics::count(bytes) * 1_000_000 / get("rate").unsigned_abs())
                + Duration::from_millis(1)
        }
        "slow_close" => micros(get("delay") * 1000),
        "slicer" if get("average_size") > 0 => micros(get("delay")) * pieces,
        _ => Duration::ZERO,
    }
}

/// The earliest, since the start, at which the toxic lets an item go with which so many bytes are delivered.
fn least(toxin: &Toxin, delivered: usize, item: &Item, ended: Duration) -> Duration {
    let get = |name| toxin.attributes.integer(name);
    match toxin.kind.name() {
        "latency" if *item != Item::End => micros((get("latency") - get("jitter").max(0)) * 1000),
        // The time of each piece, of which every one has a byte, is whole nanoseconds.
        "bandwidth" if get("rate") > 0 => Duration::from_nanos(
            (toxics::count(delivered) * 1_000_000 / get("rate").unsigned_abs())
                .saturating_sub(toxics::count(delivered).max(1000)),
        ),
        "slow_close" if *item == Item::End => ended + micros(get("delay") * 1000),
        _ => Duration::ZERO,
    }
}

/// No toxic takes more than it may hold.
fn holds_no_more_than_it_may(toxin: &Toxin) -> Result<(), String> {
    const CHUNK: usize = 1 << 20;
    let steps = Vec::new();
    let mut run = Run::new(&Plan { seed: 1, toxins: vec![toxin.clone()], steps, late: 0 });
    let bytes = Bytes::from(vec![0; CHUNK]);
    let mut given = 0;
    for _ in 0..2 * latency::BYTES / CHUNK {
        if run.line.wants_input() && run.is_open() {
            run.line
                .chain
                .give(Item::Data(Chunk { bytes: bytes.clone(), arrived: run.line.now }), run.line.now);
            run.line.tick(run.line.now, Duration::ZERO)?;
            given += CHUNK;
        }
    }
    let dropped: usize =
        run.line.marks().iter().filter(|mark| mark.effect == Effect::Dropped).map(|mark| mark.bytes).sum();
    let left: usize = run.line.out.iter().map(|(_, item)| item.bytes()).sum();
    let held = given.saturating_sub(left + dropped);
    ensure(held <= latency::BYTES, || format!("{:?} holds {held} bytes", toxin.kind))
}

fn config() -> Config {
    Config { cases: 256, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_delivered_is_a_prefix_of_what_was_sent(plan in plan(WHOLE, true)) {
        delivers_a_prefix(&plan).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn where_nothing_may_cut_or_drop_everything_arrives(plan in plan(GENTLE, true)) {
        delivers_all(&plan).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn without_changes_everything_arrives_in_time_and_not_before(plan in timed()) {
        delivers_in_time(&plan).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn what_is_held_leaves_at_the_very_time_of_its_removal(plan in plan(GENTLE, true)) {
        flushes_at_once(&plan).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn no_attribute_makes_a_chain_panic_or_lie_about_its_times(plan in plan(ALL, true)) {
        let mut run = Run::new(&plan);
        for step in &plan.steps {
            run.take(step).map_err(TestCaseError::fail)?;
        }
        run.finish().map_err(TestCaseError::fail)?;
        prop_assert!(run.line.bytes().len() <= run.sent);
    }

    #[test]
    fn the_tape_tells_what_happened(plan in one(HARMFUL, true)) {
        tells_what_happened(&plan).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn nothing_about_a_toxic_changes_its_choices(plan in one(CHOOSING, false)) {
        chooses_alone(&plan).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn the_same_seed_and_traffic_make_the_same_choices(plan in plan(ALL, true)) {
        let choices = || {
            let mut run = Run::new(&plan);
            for step in &plan.steps {
                run.take(step).map_err(TestCaseError::fail)?;
            }
            Ok::<_, TestCaseError>((run.line.left(), run.line.marks()))
        };
        prop_assert_eq!(choices()?, choices()?);
    }
}

#[test]
fn every_kind_holds_no_more_than_it_may() {
    for kind in toxics::ALL.iter().copied() {
        for number in [0, 1, 10, i64::MAX] {
            let mut attributes = Attributes::of(kind.fields());
            for field in kind.fields() {
                attributes.set(field.name, Value::Integer(number));
            }
            let trigger = Trigger::default();
            holds_no_more_than_it_may(&Toxin { kind, attributes, toxicity: 1.0, trigger }).unwrap();
        }
    }
}

/// What the tape says of the one toxic that there is explains every byte that is missing or other than it was sent.
fn tells_what_happened(plan: &Plan) -> Result<(), String> {
    let mut run = Run::new(plan);
    for step in &plan.steps {
        if !matches!(step, Step::Add(_) | Step::Remove(_)) {
            run.take(step)?;
        }
    }
    run.waiting.push_back(Item::End);
    run.pass(Duration::from_secs(1))?;
    let mut kept: Vec<Option<u8>> = stream(0, run.sent).into_iter().map(Some).collect();
    let (mut flips, mut may_flip) = (0, vec![false; run.sent]);
    for mark in run.line.marks() {
        let from = usize::try_from(mark.offset).unwrap();
        match mark.effect {
            Effect::Dropped => kept[from..from + mark.bytes].fill(None),
            Effect::Corrupted(bits) => {
                flips += bits;
                may_flip[from..from + mark.bytes].fill(true);
            }
            _ => {}
        }
    }
    let kept: Vec<(u8, bool)> = kept
        .into_iter()
        .zip(may_flip)
        .filter_map(|(byte, may_flip)| byte.map(|byte| (byte, may_flip)))
        .collect();
    let delivered = run.line.bytes();
    let whole = run.line.out.last().is_some_and(|(_, item)| *item == Item::End);
    ensure(!whole || delivered.len() == kept.len(), || "bytes are missing".to_owned())?;
    let mut flipped = 0;
    for (place, (is, (was, may_flip))) in delivered.iter().zip(kept).enumerate() {
        ensure(*is == was || may_flip, || format!("byte {place} is {is} and was {was}"))?;
        flipped += u64::from((is ^ was).count_ones());
    }
    ensure(flipped == flips || !whole && flipped < flips, || {
        format!("{flipped} bits of {flips} were flipped")
    })
}

/// Nothing about a toxic changes its choices.
fn chooses_alone(plan: &Plan) -> Result<(), String> {
    let (alone, about) = (choices(plan, false)?, choices(plan, true)?);
    ensure(alone == about, || format!("{alone:?} alone, {about:?} with others"))
}

fn bytes_of(item: Item) -> Option<Bytes> {
    if let Item::Data(chunk) = item { Some(chunk.bytes) } else { None }
}

/// What that toxic alone says that it did, with other connections, ways and toxics about it or not.
fn choices(plan: &Plan, about: bool) -> Result<(Vec<super::Mark>, Vec<Bytes>), String> {
    let passes = |name: &str, run: &mut Run| {
        // It tosses for each chunk, and each passes.
        let kind = toxics::find("packet_loss").unwrap();
        let mut attributes = Attributes::of(kind.fields());
        attributes.set("loss_rate", Value::Number(0.0));
        run.line.place(name, kind, attributes, 1.0, Trigger::default());
    };
    let empty = Plan { toxins: Vec::new(), ..plan.clone() };
    let mut others = [(1, Direction::Downstream), (2, Direction::Upstream)].map(|(connection, direction)| {
        let line = Line::of(plan.seed, "proxy", connection, direction);
        Run { line, ..Run::new(&empty) }
    });
    let mut run = Run::new(&empty);
    if about {
        passes("before", &mut run);
        others.iter_mut().for_each(|other| other.add(&plan.toxins[0]));
    }
    let Toxin { kind, attributes, toxicity, .. } = plan.toxins[0].clone();
    run.line.place("x", kind, attributes, toxicity, Trigger::default());
    if about {
        passes("after", &mut run);
    }
    for step in plan.steps.iter().filter(|step| matches!(step, Step::Send(_) | Step::Pass(_))) {
        run.take(step)?;
        if about {
            others.iter_mut().try_for_each(|other| other.take(step))?;
        }
    }
    run.pass(Duration::from_secs(60))?;
    // A slicer slows its source down, so what it says when is another with one more toxic that holds a chunk.
    let says = kind.name() != "slicer";
    let marks = run.line.marks().into_iter().filter(|mark| says && mark.toxic.as_ref() == "x").collect();
    Ok((marks, run.line.out.into_iter().map(|(_, item)| item).filter_map(bytes_of).collect()))
}

/// Each promise, of random plans with that toxic among the others.
type Promise = fn(&Toxin) -> Result<(), String>;

const PROMISES: [Promise; 5] = [
    |toxin| run(plan(GENTLE, true), |plan| delivers_all(&with(plan, toxin))),
    |toxin| run(timed(), |plan| delivers_in_time(&with(plan, toxin))),
    holds_no_more_than_it_may,
    |toxin| {
        run(one(HARMFUL, true), |plan| tells_what_happened(&Plan { toxins: vec![toxin.clone()], ..plan }))
    },
    |toxin| run(one(CHOOSING, false), |plan| chooses_alone(&Plan { toxins: vec![toxin.clone()], ..plan })),
];

fn with(mut plan: Plan, toxin: &Toxin) -> Plan {
    plan.toxins.insert(plan.toxins.len() / 2, toxin.clone());
    plan
}

#[test]
fn a_toxic_that_breaks_a_promise_is_noticed_and_one_that_breaks_none_is_not() {
    let saboteur = |sabotage: Sabotage| {
        let (kind, trigger) = (sabotage.kind(), Trigger::default());
        Toxin { kind, attributes: Attributes::of(kind.fields()), toxicity: 1.0, trigger }
    };
    for promise in PROMISES {
        promise(&saboteur(Sabotage::Nothing)).unwrap();
    }
    let flushed = |toxin: &Toxin| run(plan(GENTLE, true), |plan| flushes_at_once(&with(plan, toxin)));
    flushed(&saboteur(Sabotage::Nothing)).unwrap();
    for sabotage in [Sabotage::Forgets, Sabotage::Loses] {
        assert!(flushed(&saboteur(sabotage)).is_err(), "{sabotage:?} is not missed at the removal");
    }
    let [all, time, bound, tape, alone] = PROMISES;
    for sabotage in Sabotage::ALL {
        let noticed = match sabotage {
            // They let go when they are removed, which makes good for everything but the time.
            Sabotage::Stalls | Sabotage::Early | Sabotage::Surprises => time,
            Sabotage::Hoards => bound,
            Sabotage::Gossips => alone,
            _ => all,
        };
        assert!(noticed(&saboteur(sabotage)).is_err(), "{sabotage:?} is not noticed");
        if matches!(sabotage, Sabotage::Loses | Sabotage::Flips) {
            assert!(tape(&saboteur(sabotage)).is_err(), "{sabotage:?} is not missed on the tape");
        }
    }
}

fn run(
    plans: impl Strategy<Value = Plan>,
    property: impl Fn(Plan) -> Result<(), String>,
) -> Result<(), String> {
    let mut runner = TestRunner::new(Config { max_shrink_iters: 0, ..config() });
    match runner.run(&plans, |plan| property(plan).map_err(TestCaseError::fail)) {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, _)) => Err(reason.message().to_owned()),
        Err(aborted) => panic!("{aborted}"),
    }
}
