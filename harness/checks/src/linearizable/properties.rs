//! A register that is one passes, whatever overlaps; a value that it never held or no longer does turns it red; and on
//! small histories the search agrees with trying every order.

use std::collections::BTreeSet;

use bulkhead_model::{
    Act, Ending, Found, Service, Verdict,
    history::{Event, EventKind},
};
use proptest::prelude::*;

use super::{
    Linearizable, brute,
    explain::explain,
    search::{Allowance, Call, Finding, Step, search},
};
use crate::{Check, Judgement, book::Book};

const ENOUGH: Allowance = Allowance(1 << 20);

/// An operation on a real register: what it does when its moment comes, and how long before and after that it seems to
/// last.
#[derive(Clone, Debug)]
struct Real {
    act: u8,
    value: u8,
    before: u64,
    after: u64,
    /// Whether its outcome gets lost, and whether it happens then.
    lost: bool,
    happens: bool,
}

fn real(lossy: bool) -> impl Strategy<Value = Real> {
    let lost = if lossy { prop::bool::weighted(0.2).boxed() } else { Just(false).boxed() };
    let parts = (0_u8..4, 0_u8..4, 0_u64..60, 0_u64..60, lost, any::<bool>());
    parts.prop_map(|(act, value, before, after, lost, happens)| Real {
        act,
        value,
        before,
        after,
        lost,
        happens,
    })
}

/// What the register's users saw, in the order in which it happened: each operation at its moment, a beginning before
/// and an end after it.
fn history(reals: &[Real], found: impl Fn(usize, Option<String>) -> Option<String>) -> Vec<Event> {
    let (mut held, mut moments) = (None, Vec::new());
    for (index, real) in reals.iter().enumerate() {
        let register = String::from("engine.r");
        let value = format!("engine.{}", real.value);
        let now = 1000 + index as u64 * 10;
        let (act, outcome, saw, left) = match real.act {
            0 | 1 => (
                Act::Read { register },
                Ending::Ok,
                Some(Found::Value(found(index, held.clone()))),
                held.clone(),
            ),
            2 => (Act::Write { register, value: value.clone() }, Ending::Ok, None, Some(value)),
            _ => {
                let from = held.clone().filter(|_| real.before % 3 > 0);
                let outcome = if from == held { Ending::Ok } else { Ending::Failed };
                let left = if from == held { Some(value.clone()) } else { held.clone() };
                (Act::Swap { register, from, to: value }, outcome, None, left)
            }
        };
        if !real.lost || real.happens {
            held = left;
        }
        let ended = if real.lost { (Ending::Unknown, None) } else { (outcome, saw) };
        moments.push((now - 1 - real.before, index, Some(act), ended.clone()));
        moments.push((now + 1 + real.after, index, None, ended));
    }
    Book::of(Service::Postgres, "postgres.engine-state").tell(moments)
}

fn judged(history: &[Event]) -> Judgement {
    Linearizable.judge(history, 0)
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let step = prop_oneof![
        2 => (0_u32..4).prop_map(Step::Read),
        2 => (0_u32..4).prop_map(Step::Write),
        2 => (0_u32..4, 0_u32..4).prop_map(|(from, to)| Step::Swap(from, to)),
    ];
    let call = (step, prop::bool::weighted(0.25));
    prop::collection::vec(call, 1..7).prop_flat_map(|calls| {
        let places = Just((0..2 * calls.len()).collect::<Vec<_>>()).prop_shuffle();
        (Just(calls), places).prop_map(|(calls, places)| {
            let mut calls: Vec<_> = calls
                .into_iter()
                .zip(places.chunks(2))
                .map(|((step, unknown), places)| Call {
                    step,
                    place: places[0].min(places[1]),
                    over: (!unknown).then_some(places[0].max(places[1])),
                })
                .filter(|call| call.over.is_some() || !matches!(call.step, Step::Read(_)))
                .collect();
            calls.sort_by_key(|call| call.place);
            calls
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_search_agrees_with_trying_every_order(calls in calls()) {
        let found = search(&calls, None, &mut { ENOUGH }).0;
        match brute::stuck(&calls) {
            None => {
                prop_assert!(brute::linearises(&calls));
                prop_assert_eq!(found, Finding::Linearises);
            }
            Some((index, instead)) => {
                prop_assert!(!brute::linearises(&calls));
                prop_assert_eq!(found, Finding::Stuck(index));
                let explanation = explain(&calls, index, &mut { ENOUGH });
                prop_assert_eq!(explanation.instead.into_iter().collect::<BTreeSet<_>>(), instead);
            }
        }
    }
}

proptest! {
    #[test]
    fn a_register_passes_whatever_overlaps(reals in prop::collection::vec(real(true), 1..80)) {
        let history = history(&reals, |_, held| held);
        let Judgement { verdict, evidence, .. } = judged(&history);
        let looks = |event: &Event| match &event.kind {
            EventKind::Ended(ended) => ended.outcome == Ending::Ok && ended.found.is_some(),
            _ => false,
        };
        if history.iter().any(looks) {
            prop_assert_eq!(verdict, Verdict::Pass, "{}", evidence);
        } else {
            prop_assert_ne!(verdict, Verdict::Fail, "{}", evidence);
        }
    }

    #[test]
    fn a_value_that_nobody_wrote_is_named(
        mut reals in prop::collection::vec(real(true), 1..40),
        which: prop::sample::Index,
    ) {
        let index = which.index(reals.len());
        (reals[index].act, reals[index].lost) = (0, false);
        let wrong = |read, held| if read == index { Some(String::from("plane.9")) } else { held };
        let Judgement { verdict, evidence, .. } = judged(&history(&reals, wrong));
        prop_assert_eq!(verdict, Verdict::Fail, "{}", evidence);
        let words = "1 of 1 registers do not linearise, at most 0 may: `engine.r` first: ";
        prop_assert!(evidence.starts_with(words), "{}", evidence);
        let named = format!("operations linearise, then client {index} reads `plane.9` (which nobody put there) between ");
        prop_assert!(evidence.contains(&named) && evidence.contains("it could have held "), "{}", evidence);
    }

    #[test]
    fn a_value_that_was_overwritten_is_named(
        mut reals in prop::collection::vec(real(false), 0..30),
        gap in 0_usize..12,
    ) {
        let write = |value| Real { act: 2, value, before: 0, after: 0, lost: false, happens: true };
        // Long enough for all that came before to be over.
        let quiet = std::iter::repeat_n(Real { act: 0, ..write(0) }, 13);
        reals.extend(quiet.clone().chain([write(8), write(9)]).chain(quiet.take(gap)));
        let last = reals.len();
        reals.push(Real { act: 0, ..write(0) });
        let stale = |read, held| if read == last { Some(String::from("engine.8")) } else { held };
        let Judgement { verdict, evidence, .. } = judged(&history(&reals, stale));
        prop_assert_eq!(verdict, Verdict::Fail, "{}", evidence);
        let named = format!("then client {last} reads `engine.8` (put there by client {} at ", last - gap - 2);
        prop_assert!(evidence.contains(&named), "{}", evidence);
        let instead = format!("; it could have held `engine.9` (put there by client {} at ", last - gap - 1);
        prop_assert!(evidence.contains(&instead), "{}", evidence);
    }
}

#[test]
fn a_register_of_a_hundred_thousand_operations_and_a_thousand_unknown_ones_is_searched_in_one_go() {
    let reals = (0..100_000_u64).map(|index| Real {
        act: [0, 1, 2, 3][(index % 4) as usize],
        value: (index / 4 % 100) as u8,
        before: index * 7 % 50,
        after: index * 11 % 50,
        lost: index % 100 == 2,
        happens: index % 200 == 2,
    });
    let Judgement { verdict, evidence, .. } = judged(&history(&reals.collect::<Vec<_>>(), |_, held| held));
    assert_eq!(verdict, Verdict::Pass, "{evidence}");
}

#[test]
fn which_of_two_unknown_calls_took_effect_can_matter_later() {
    // Either brings 3 at first; only one of them can bring it back from 2.
    let steps = [
        (Step::Write(1), Some(1)),
        (Step::Write(3), None),
        (Step::Swap(1, 3), None),
        (Step::Read(3), Some(5)),
        (Step::Write(2), Some(7)),
        (Step::Read(3), Some(9)),
    ];
    let calls = steps.map(|(step, over)| Call { step, place: over.map_or(1, |over| over - 1), over });
    for order in [[0, 1, 2, 3, 4, 5], [0, 2, 1, 3, 4, 5]] {
        let calls = order.map(|index| calls[index]);
        assert!(brute::linearises(&calls));
        assert_eq!(search(&calls, None, &mut { ENOUGH }).0, Finding::Linearises);
    }
}

#[test]
fn more_orders_than_there_is_room_for_are_unknown() {
    // All overlap, and no order does: what was found nobody wrote.
    let write = |value: u32| {
        let place = value as usize;
        Call { step: Step::Write(value), place, over: Some(100 + place) }
    };
    let mut calls: Vec<_> = (0..24).map(write).collect();
    calls.push(Call { step: Step::Read(99), place: 24, over: Some(99) });
    assert_eq!(search(&calls, None, &mut Allowance(50_000)).0, Finding::TooMany);
}
