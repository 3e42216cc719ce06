//! What a server keeps and lets go in time passes, whatever overlaps, gets lost or comes later; a value that lives on, goes
//! too early, comes back or was never put there turns the reading red, and what could explain it does not.

use std::collections::HashMap;

use bulkhead_model::{Act, Ending, Found, Service, Verdict, history::Event};
use proptest::prelude::*;

use super::WithinTtl;
use crate::{Check, Judgement, book::Book};

/// The time to live and the tolerance of these histories, in milliseconds.
const LIVES: u64 = 300;
const TOLERANCE: u64 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Keep,
    Look,
    Touch,
    Forget,
}

/// One operation: how long after the one before it takes effect, how long it seems to last around that, and what becomes
/// of its answer.
#[derive(Clone, Copy, Debug)]
struct Does {
    kind: Kind,
    key: usize,
    rest: u64,
    before: u64,
    after: u64,
    /// Whether it happens, where nobody knows; and whether its client gives it up before it does.
    lost: Option<(bool, bool)>,
    failed: bool,
    /// By how much the server's clock is wrong about what it gives.
    skew: u64,
}

fn does() -> impl Strategy<Value = Vec<Does>> {
    use Kind::{Forget, Keep, Look, Touch};
    let kind = prop::sample::select(vec![Keep, Keep, Look, Look, Look, Touch, Touch, Forget]);
    let lost = prop::option::weighted(0.08, any::<(bool, bool)>());
    let parts = (kind, 0_usize..3, 1_u64..150, 1_u64..80, 1_u64..80, lost, prop::bool::weighted(0.08));
    let does =
        (parts, 0..=2 * TOLERANCE).prop_map(|((kind, key, rest, before, after, lost, failed), skew)| Does {
            kind,
            key,
            rest,
            before,
            after,
            lost,
            failed,
            skew,
        });
    prop::collection::vec(does, 1..80)
}

fn keep(key: usize, value: usize) -> Act {
    Act::Keep { key: format!("k{key}"), value: format!("engine.{value}"), lives: LIVES, evictable: key == 0 }
}

fn look(key: usize) -> Act {
    Act::Look { key: format!("k{key}") }
}

fn touch(key: usize) -> Act {
    Act::Touch { key: format!("k{key}"), lives: LIVES }
}

fn forget(key: usize) -> Act {
    Act::Forget { key: format!("k{key}") }
}

fn value(value: usize) -> Found {
    Found::Value(Some(format!("engine.{value}")))
}

const NOTHING: Found = Found::Value(None);

/// When an operation begins or is over, in milliseconds, and which.
enum Told {
    Begins(Act),
    Ends(Ending, Option<Found>),
}

/// Operations as they stand in a history, each with its moments.
#[derive(Default)]
struct Story {
    told: Vec<(u64, usize, Told)>,
    operations: usize,
    /// When the last was over.
    now: u64,
}

impl Story {
    fn op(&mut self, from: u64, to: u64, act: Act, outcome: Ending, found: Option<Found>) {
        self.told.push((from, self.operations, Told::Begins(act)));
        self.told.push((to, self.operations, Told::Ends(outcome, found)));
        self.operations += 1;
        self.now = self.now.max(to);
    }

    /// The next, which is over after this and for which nobody else is waited.
    fn next(&mut self, rest: u64, act: Act, outcome: Ending, found: Option<Found>) {
        let from = self.now + rest;
        self.op(from, from + 1, act, outcome, found);
    }

    fn finds(&mut self, rest: u64, act: Act, found: Found) {
        self.next(rest, act, Ending::Ok, Some(found));
    }

    fn done(&mut self, rest: u64, act: Act) {
        self.next(rest, act, Ending::Ok, None);
    }

    fn lost(&mut self, rest: u64, act: Act) {
        self.next(rest, act, Ending::Unknown, None);
    }

    fn history(mut self) -> Vec<Event> {
        self.told.sort_by_key(|(at, ..)| *at);
        let (mut book, mut numbers) = (Book::of(Service::Redis, "redis.sessions"), HashMap::new());
        for (at, index, told) in self.told {
            book.now = at * 1_000_000;
            match told {
                Told::Begins(act) => {
                    numbers.insert(index, book.begin(&format!("client {index}"), act));
                }
                Told::Ends(outcome, found) => book.end(numbers[&index], outcome, found),
            }
        }
        book.close()
    }

    fn judged(self) -> Judgement {
        WithinTtl.judge(&self.history(), TOLERANCE)
    }

    /// The evidence, which must be red for this one reading.
    fn red(self, words: &str) {
        let Judgement { verdict, evidence, .. } = self.judged();
        assert_eq!(verdict, Verdict::Fail, "{evidence}");
        assert!(evidence.starts_with("1 of ") && evidence.contains(words), "`{words}` is not in: {evidence}");
    }

    fn not_red(self) {
        let Judgement { verdict, evidence, .. } = self.judged();
        assert_ne!(verdict, Verdict::Fail, "{evidence}");
    }
}

/// A server's answers. The first key is one of a cache, which lets go of it now and then.
fn story(does: &[Does]) -> Story {
    let (mut story, mut now, mut kept) = (Story::default(), 1000, HashMap::<usize, (usize, u64)>::new());
    for (index, op) in does.iter().enumerate() {
        now += op.rest;
        let alive = kept.get(&op.key).filter(|(_, until)| *until > now).copied();
        let happens = !op.failed && op.lost.is_none_or(|(happens, _)| happens);
        let until = now + LIVES - TOLERANCE + op.skew;
        let act = match op.kind {
            Kind::Keep => keep(op.key, index),
            Kind::Look => look(op.key),
            Kind::Touch => touch(op.key),
            Kind::Forget => forget(op.key),
        };
        match (op.kind, alive) {
            _ if !happens => {}
            (Kind::Keep, _) => drop(kept.insert(op.key, (index, until))),
            (Kind::Touch, Some((value, _))) => drop(kept.insert(op.key, (value, until))),
            (Kind::Forget, _) => drop(kept.remove(&op.key)),
            (Kind::Look, _) if op.key == 0 && op.skew == 0 => drop(kept.remove(&0)),
            _ => {}
        }
        let reads = matches!(op.kind, Kind::Look | Kind::Touch);
        let found = reads.then(|| alive.map_or(NOTHING, |(kept, _)| value(kept)));
        let (from, to) = (now - op.before, now + op.after);
        match (op.failed, op.lost) {
            (true, _) => story.op(from, to, act, Ending::Failed, None),
            (false, Some((_, given_up))) => {
                story.op(from, if given_up { from } else { to }, act, Ending::Unknown, None);
            }
            (false, None) => story.op(from, to, act, Ending::Ok, found),
        }
    }
    story
}

/// The key and the value that nothing else has.
const KEY: usize = 7;
const VALUE: usize = 1000;

proptest! {
    #[test]
    fn what_is_kept_in_time_passes(does in does()) {
        let mut told = story(&does);
        told.done(1, keep(KEY, VALUE));
        told.finds(LIVES - TOLERANCE - 5, touch(KEY), value(VALUE));
        told.finds(LIVES - TOLERANCE - 5, look(KEY), value(VALUE));
        told.finds(TOLERANCE, look(KEY), NOTHING);
        let Judgement { verdict, evidence, .. } = told.judged();
        prop_assert_eq!(verdict, Verdict::Pass, "{}", evidence);
    }

    #[test]
    fn without_a_reading_that_says_something_nobody_knows(does in does()) {
        let mut quiet = does.clone();
        quiet.retain(|op| matches!(op.kind, Kind::Keep | Kind::Forget) || op.failed || op.lost.is_some());
        let Judgement { verdict, evidence, .. } = story(&quiet).judged();
        prop_assert_eq!(verdict, Verdict::Unknown, "{}", evidence);
        let mut young = Story::default();
        young.done(1, keep(KEY, VALUE));
        young.finds(1, look(KEY), value(VALUE));
        let Judgement { verdict, evidence, .. } = young.judged();
        prop_assert_eq!(verdict, Verdict::Unknown);
        prop_assert!(evidence.contains("nothing had to go"), "{}", evidence);
    }

    #[test]
    fn one_that_lives_on_is_named(does in does(), late in 1_u64..500, touched in any::<bool>(), touches in any::<bool>()) {
        let mut told = story(&does);
        told.done(1, keep(KEY, VALUE));
        if touched {
            told.finds(200, touch(KEY), value(VALUE));
        }
        let reads = if touches { touch(KEY) } else { look(KEY) };
        told.finds(LIVES + TOLERANCE + late, reads, value(VALUE));
        let words = format!(": it lives on too long, {} ms of at most 20 ms", TOLERANCE + late);
        told.red(&words);
    }

    #[test]
    fn one_that_is_gone_too_early_is_named(does in does(), early in 1_u64..250, touched in any::<bool>(), touches in any::<bool>()) {
        let mut told = story(&does);
        told.done(1, keep(KEY, VALUE));
        if touched {
            told.finds(200, touch(KEY), value(VALUE));
        }
        let reads = if touches { touch(KEY) } else { look(KEY) };
        // Begin to end of the last and of this take a millisecond each.
        told.finds(LIVES - TOLERANCE - 2 - early, reads, NOTHING);
        let how = if touched { "touched" } else { "put there" };
        told.red(&format!(" {how} at "));
        let mut cached = story(&[]);
        cached.done(1, keep(0, VALUE));
        cached.finds(1, look(0), NOTHING);
        cached.not_red();
    }

    #[test]
    fn one_that_was_taken_away_or_replaced_is_named(does in does(), replaced in any::<bool>(), unknown in any::<bool>()) {
        let mut told = story(&does);
        if unknown {
            told.lost(1, keep(KEY, VALUE));
            told.finds(1, look(KEY), value(VALUE));
        } else {
            told.done(1, keep(KEY, VALUE));
        }
        told.done(1, if replaced { keep(KEY, VALUE + 1) } else { forget(KEY) });
        told.finds(1, look(KEY), value(VALUE));
        told.red(if replaced { " replaced by " } else { " took away by " });
    }

    #[test]
    fn what_was_never_put_there_is_named(does in does(), which in 0_usize..4) {
        let mut told = story(&does);
        let words = match which {
            0 => "which nobody put anywhere",
            1 => {
                told.done(1, keep(KEY + 1, VALUE));
                "put under `k8`"
            }
            2 => {
                told.next(1, keep(KEY, VALUE), Ending::Failed, None);
                "tried in vain to put there"
            }
            _ => " began to put it there at ",
        };
        told.finds(1, look(KEY), value(VALUE));
        if which == 3 {
            told.done(1, keep(KEY, VALUE));
        }
        told.red(words);
    }

    #[test]
    fn what_nobody_knows_the_fate_of_explains_both(does in does(), late in 1_u64..500, which in 0_usize..5) {
        let mut told = story(&does);
        let long = LIVES + TOLERANCE + late;
        match which {
            // It may have been put, or touched, at any time since.
            0 => {
                told.lost(1, keep(KEY, VALUE));
                told.finds(long, look(KEY), value(VALUE));
            }
            1 => {
                told.lost(1, touch(KEY));
                told.done(1, keep(KEY, VALUE));
                told.finds(long, look(KEY), value(VALUE));
            }
            2 => {
                told.done(1, keep(KEY, VALUE));
                told.lost(200, touch(KEY));
                told.finds(long, look(KEY), value(VALUE));
            }
            // It may have been taken away, or never put there.
            3 => {
                told.lost(1, forget(KEY));
                told.done(1, keep(KEY, VALUE));
                told.finds(1, look(KEY), NOTHING);
            }
            _ => {
                told.lost(1, keep(KEY, VALUE));
                told.finds(1, look(KEY), NOTHING);
            }
        }
        told.not_red();
    }

    #[test]
    fn what_cannot_have_prolonged_it_explains_nothing(does in does(), which in 0_usize..4) {
        let mut told = story(&does);
        told.done(1, keep(KEY, VALUE));
        let long = LIVES + TOLERANCE + 1;
        match which {
            0 => told.lost(long, touch(KEY)),
            1 => told.finds(long, touch(KEY), NOTHING),
            2 => told.next(200, touch(KEY), Ending::Failed, None),
            _ => told.done(200, keep(KEY + 1, VALUE + 1)),
        }
        told.finds(if which < 2 { 1 } else { long }, look(KEY), value(VALUE));
        told.red("it lives on too long");
    }
}

#[test]
fn a_seen_value_of_unknown_putting_lives_from_then_at_the_latest() {
    let mut told = Story::default();
    told.lost(1, keep(KEY, VALUE));
    told.finds(200, look(KEY), value(VALUE));
    told.finds(LIVES + TOLERANCE + 1, look(KEY), value(VALUE));
    told.red(": it lives on too long, 21 ms of at most 20 ms");
}

#[test]
fn two_touches_that_came_too_late_do_not_explain_each_other() {
    let mut told = Story::default();
    told.done(1, keep(KEY, VALUE));
    let from = told.now + LIVES + TOLERANCE + 1;
    told.op(from, from + 50, touch(KEY), Ending::Ok, Some(value(VALUE)));
    told.op(from + 1, from + 40, touch(KEY), Ending::Ok, Some(value(VALUE)));
    told.red("client 1 at ");
}

#[test]
fn a_session_that_goes_before_its_time_says_by_how_much() {
    let mut told = Story::default();
    told.done(1, keep(KEY, VALUE));
    told.finds(97, look(KEY), NOTHING);
    told.red(", found nothing of what client 0 put there at 0.001 s and nobody took away: it is gone too early, by 201 ms");
}

#[test]
fn a_history_of_a_hundred_thousand_readings_is_judged_in_one_go() {
    let mut told = Story::default();
    for index in 0..25_000 {
        told.done(1, keep(KEY, index));
        told.finds(1, touch(KEY), value(index));
        told.finds(1, look(KEY), value(index));
        told.finds(LIVES + TOLERANCE, look(KEY), NOTHING);
    }
    let Judgement { verdict, evidence, .. } = told.judged();
    assert_eq!(verdict, Verdict::Pass, "{evidence}");
    assert!(
        evidence.starts_with("50000 readings found what was kept in its time, 25000 found it gone"),
        "{evidence}"
    );
}

#[test]
fn a_reading_that_overlaps_the_end_may_find_either() {
    for found in [value(VALUE), NOTHING] {
        let mut told = Story::default();
        told.done(1, keep(KEY, VALUE));
        told.op(told.now + 1, told.now + 2 * LIVES, look(KEY), Ending::Ok, Some(found));
        told.not_red();
    }
}
