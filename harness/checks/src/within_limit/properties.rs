//! A limiter that counts passes, whatever overlaps and gets lost; one more than the limit and a refusal with room left
//! turn it red and are named.

use bulkhead_model::{Act, Ending, Found, Service, Verdict, history::Event};
use proptest::prelude::*;

use super::WithinLimit;
use crate::{Check, Judgement, book::Book};

/// One that asks: in which window, how long it seems to last around its moment, and whether its answer gets lost.
#[derive(Clone, Copy, Debug)]
struct Asks {
    window: usize,
    before: u64,
    after: u64,
    lost: bool,
    failed: bool,
}

fn asks() -> impl Strategy<Value = Vec<Asks>> {
    let parts = (0_usize..3, 0_u64..40, 0_u64..40, prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    let asks =
        parts.prop_map(|(window, before, after, lost, failed)| Asks { window, before, after, lost, failed });
    prop::collection::vec(asks, 1..60)
}

/// A real limiter's answers, but for what `answer` makes of them.
fn history(asks: &[Asks], limit: u64, answer: impl Fn(usize, bool) -> bool) -> Vec<Event> {
    let (mut counted, mut moments) = ([0; 3], Vec::new());
    for (index, ask) in asks.iter().enumerate() {
        let now = 1000 + index as u64 * 10;
        let admitted = !ask.failed && counted[ask.window] < limit;
        counted[ask.window] += u64::from(admitted);
        let act = Act::Admit { window: format!("engine.{}", ask.window), limit };
        let ended = match (ask.failed, ask.lost) {
            (true, _) => (Ending::Failed, None),
            (false, true) => (Ending::Unknown, None),
            (false, false) => (Ending::Ok, Some(Found::Admitted(answer(index, admitted)))),
        };
        moments.push((now - 1 - ask.before, index, Some(act), ended.clone()));
        moments.push((now + 1 + ask.after, index, None, ended));
    }
    Book::of(Service::Redis, "redis.rate-limit").tell(moments)
}

fn judged(history: &[Event]) -> Judgement {
    WithinLimit.judge(history, 0)
}

proptest! {
    #[test]
    fn a_limiter_that_counts_passes(asks in asks(), limit in 1_u64..6) {
        let Judgement { verdict, evidence, .. } = judged(&history(&asks, limit, |_, admitted| admitted));
        let answered = |window| {
            asks.iter().filter(|ask| ask.window == window && !ask.failed && !ask.lost).count() as u64
        };
        let lost = asks.iter().any(|ask| ask.lost);
        let reached = (0..3).any(|window| answered(window) >= limit);
        if reached {
            prop_assert_eq!(verdict, Verdict::Pass, "{}", evidence);
        } else if !lost {
            prop_assert_eq!(verdict, Verdict::Unknown, "{}", evidence);
            prop_assert!(evidence.contains("nothing was limited"), "{}", evidence);
        } else {
            prop_assert_ne!(verdict, Verdict::Fail, "{}", evidence);
        }
    }

    #[test]
    fn one_over_the_limit_is_named(mut asks in asks(), limit in 1_u64..6) {
        // Enough at the end, apart from all others, to fill the window and ask once more.
        let quiet = Asks { window: 1, before: 0, after: 0, lost: false, failed: false };
        asks.retain(|ask| ask.window != 1);
        asks.extend((0..=limit).map(|_| quiet));
        let last = asks.len() - 1;
        let wrong = |index, admitted| admitted || index == last;
        let Judgement { verdict, evidence, .. } = judged(&history(&asks, limit, wrong));
        prop_assert_eq!(verdict, Verdict::Fail, "{}", evidence);
        let words = format!(
            " windows admitted more than their limit: `engine.1` first, {} of at most {limit}, the first over it client {last} at ",
            limit + 1
        );
        prop_assert!(evidence.starts_with("1 of ") && evidence.contains(&words), "{}", evidence);
    }

    #[test]
    fn a_refusal_with_room_left_is_named(mut asks in asks(), limit in 1_u64..6) {
        let quiet = Asks { window: 1, before: 0, after: 0, lost: false, failed: false };
        asks.retain(|ask| ask.window != 1);
        asks.extend((0..limit).map(|_| quiet));
        let last = asks.len() - 1;
        let Judgement { verdict, evidence, .. } = judged(&history(&asks, limit, |index, admitted| admitted && index != last));
        prop_assert_eq!(verdict, Verdict::Fail, "{}", evidence);
        let words = format!("1 refused with room left, at most 0 may be: in `engine.1` first, client {last} at ");
        prop_assert!(evidence.starts_with(&words), "{}", evidence);
        let words = format!("refused although only {} of {limit} can have been admitted", limit - 1);
        prop_assert!(evidence.ends_with(&words), "{}", evidence);
    }

    #[test]
    fn an_unknown_admission_may_have_filled_the_window_if_it_began_in_time(in_time: bool) {
        let mut book = Book::of(Service::Redis, "redis.rate-limit");
        let act = Act::Admit { window: String::from("engine.1"), limit: 1 };
        if in_time {
            book.operation("client 1", act.clone(), None);
        }
        book.finds("client 2", act.clone(), Found::Admitted(false));
        if !in_time {
            book.operation("client 1", act, Some(Ending::Unknown));
        }
        let Judgement { verdict, evidence, .. } = judged(&book.close());
        prop_assert_eq!(verdict, if in_time { Verdict::Pass } else { Verdict::Fail }, "{}", evidence);
    }
}
