//! Operations that keep to the bound pass; one that is a little too late, one that waited to begin and one that never
//! ends turn it red and are named.

use bulkhead_model::{
    Act, Ending, Service, Verdict,
    history::{Event, EventKind},
};
use proptest::prelude::*;

use super::AnswersWithin;
use crate::{Check, Judgement, book::Book};

/// The bound, in milliseconds.
const BOUND: u64 = 50;

/// Each operation waits to begin and lasts, in nanoseconds.
fn history(times: &[(u64, u64)]) -> Vec<Event> {
    let mut book = Book::of(Service::Rabbitmq, "rabbitmq.tasks");
    for (index, (waits, lasts)) in times.iter().enumerate() {
        let due = book.now;
        book.now += waits;
        let op = book.begin("publisher 1", Act::Hand { element: format!("engine.1.{index}") });
        if let Some(Event { kind: EventKind::Invoked(invoked), .. }) = book.events.last_mut() {
            invoked.due = (*waits > 0).then_some(due);
        }
        book.now = due + waits + lasts;
        book.end(op, [Ending::Ok, Ending::Failed, Ending::Unknown][index % 3], None);
    }
    book.close()
}

fn judged(history: &[Event]) -> Judgement {
    AnswersWithin.judge(history, BOUND)
}

fn times() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0..=25_000_000_u64, 0..=25_000_000_u64), 1..40)
}

proptest! {
    #[test]
    fn what_keeps_to_the_bound_passes(mut times in times(), which: prop::sample::Index) {
        let index = which.index(times.len());
        times[index] = (20_000_000, 30_000_000);
        let Judgement { verdict, evidence, .. } = judged(&history(&times));
        prop_assert_eq!(verdict, Verdict::Pass, "{}", evidence);
        let count = times.len();
        let words = format!("{count} of {count} operations were over within 50ms: the worst was 50 ms, handing over `engine.1.");
        prop_assert!(evidence.starts_with(&words), "{}", evidence);
    }

    #[test]
    fn one_that_is_late_by_a_nanosecond_is_named(mut times in times(), which: prop::sample::Index, waits in 0..=50_000_000_u64) {
        let index = which.index(times.len());
        times[index] = (waits, 50_000_001 - waits);
        let Judgement { verdict, evidence, .. } = judged(&history(&times));
        prop_assert_eq!(verdict, Verdict::Fail, "{}", evidence);
        let count = times.len();
        let words = format!(
            "1 of {count} operations were not over within 50ms, at most 0 may be: the worst was 50 ms, handing over \
             `engine.1.{index}` by publisher 1, engine's rabbitmq.tasks, due at "
        );
        prop_assert!(evidence.starts_with(&words), "{}", evidence);
    }
}

#[test]
fn one_that_never_ends_fails_unless_the_history_was_cut_off_before_its_time() {
    let open = |rest: &[u64]| {
        let mut book = Book::of(Service::Redis, "redis.query-cache");
        book.fault(1, "down redis");
        book.operation("client 1", Act::ReadAll, None);
        for at in rest {
            book.now = at * 1_000_000;
            book.write(EventKind::Healed);
        }
        book
    };
    let Judgement { verdict, evidence, .. } = judged(&open(&[]).close());
    assert_eq!(verdict, Verdict::Fail);
    assert_eq!(
        evidence,
        "1 of 1 operations were not over within 50ms, 1 of them never, at most 0 may be: the worst was never over, reading \
         all by client 1, engine's redis.query-cache, due at 0.001 s, during down redis"
    );
    // Cut off: nobody knows before its time is over.
    assert_eq!(judged(&open(&[51]).events).verdict, Verdict::Pass);
    let Judgement { verdict, evidence, .. } = judged(&open(&[52]).events);
    assert_eq!(verdict, Verdict::Fail);
    assert!(evidence.contains("the worst was not over after 51 ms, reading all"), "{evidence}");
}
