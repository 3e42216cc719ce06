//! Uses that recover in time pass; one whose first success or whose last failure comes a nanosecond too late turns it red
//! and is named; what cannot tell is unknown.

use bulkhead_model::{
    Act, Ending, Service, Verdict,
    history::{Event, EventKind},
};
use proptest::prelude::*;

use super::RecoversWithin;
use crate::{Check, Judgement, book::Book};

/// The bound, in milliseconds, and in nanoseconds.
const BOUND: u64 = 50;
const LIMIT: u64 = BOUND * 1_000_000;

fn hand(index: usize) -> Act {
    Act::Hand { element: format!("engine.1.{index}") }
}

fn book() -> Book {
    let mut book = Book::of(Service::Rabbitmq, "rabbitmq.tasks");
    book.operation("publisher 1", hand(0), Some(Ending::Ok));
    book.fault(1, "down rabbitmq");
    book.operation("publisher 1", hand(1), Some(Ending::Unknown));
    book
}

/// An operation from one time after `from` to another.
fn operation(book: &mut Book, from: u64, (began, ended): (u64, u64), outcome: Ending) {
    book.now = from + began;
    let op = book.begin("publisher 1", hand(2));
    book.now = from + ended;
    book.end(op, outcome, None);
}

/// After each fault: failures until `failing`, then a success that is over at `works`.
fn history(faults: &[(u64, u64)]) -> Vec<Event> {
    let mut book = book();
    for (index, (failing, works)) in faults.iter().enumerate() {
        if index > 0 {
            book.fault(1, "down rabbitmq");
        }
        let healed = book.now;
        book.undo(1, "down rabbitmq");
        operation(&mut book, healed, (1, *failing), Ending::Failed);
        operation(&mut book, healed, (*failing, *works), Ending::Ok);
    }
    book.write(EventKind::Healed);
    // What the end of the work refuses is no failure to recover.
    operation(&mut book, 10 * LIMIT, (0, 10 * LIMIT), Ending::Failed);
    book.close()
}

fn judged(history: &[Event]) -> Judgement {
    RecoversWithin.judge(history, BOUND)
}

fn faults() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let times = (1..LIMIT / 2).prop_flat_map(|failing| (Just(failing), failing..LIMIT));
    prop::collection::vec(times, 1..6)
}

proptest! {
    #[test]
    fn what_recovers_in_time_passes(mut faults in faults(), which: prop::sample::Index) {
        let index = which.index(faults.len());
        faults[index].1 = LIMIT;
        let Judgement { verdict, evidence, .. } = judged(&history(&faults));
        prop_assert_eq!(verdict, Verdict::Pass, "{}", evidence);
        let count = faults.len();
        let words = format!("{count} of {count} times it recovered within 50ms: the worst after `down rabbitmq` ended at ");
        prop_assert!(evidence.starts_with(&words), "{}", evidence);
        prop_assert!(evidence.contains(": first success after 50 ms, steady after 50 ms, the last not to succeed handing"));
    }

    #[test]
    fn a_first_success_that_is_late_is_named(mut faults in faults(), which: prop::sample::Index) {
        let index = which.index(faults.len());
        faults[index].1 = LIMIT + 1;
        let Judgement { verdict, evidence, .. } = judged(&history(&faults));
        prop_assert_eq!(verdict, Verdict::Fail, "{}", evidence);
        let count = faults.len();
        let words = format!("1 of {count} times it did not recover within 50ms, at most 0 may be: the worst after");
        prop_assert!(evidence.starts_with(&words), "{}", evidence);
        prop_assert!(evidence.contains("first success after 50 ms, steady after 50 ms"), "{}", evidence);
    }

    #[test]
    fn a_failure_that_ends_late_is_named(first in 1..LIMIT, unknown: bool, late: bool) {
        let mut book = book();
        let healed = book.now;
        book.undo(1, "down rabbitmq");
        operation(&mut book, healed, (0, first), Ending::Ok);
        let outcome = if unknown { Ending::Unknown } else { Ending::Failed };
        operation(&mut book, healed, (first, LIMIT + u64::from(late)), outcome);
        book.write(EventKind::Healed);
        let Judgement { verdict, evidence, .. } = judged(&book.close());
        prop_assert_eq!(verdict, if late { Verdict::Fail } else { Verdict::Pass }, "{}", evidence);
        let words = "steady after 50 ms, the last not to succeed handing over `engine.1.2` by publisher 1";
        prop_assert!(evidence.contains(words), "{}", evidence);
    }
}

/// A history that goes on after the fault as `rest` writes it, where the fault ended at the given moment.
fn after(rest: impl FnOnce(&mut Book, u64)) -> Judgement {
    let mut book = book();
    let healed = book.now;
    book.undo(1, "down rabbitmq");
    rest(&mut book, healed);
    judged(&book.close())
}

#[test]
fn what_never_works_again_fails() {
    let judged = after(|book, healed| operation(book, healed, (1, 2), Ending::Failed));
    assert_eq!(judged.verdict, Verdict::Fail);
    assert!(judged.evidence.contains(": none of 1 operations that began in "), "{}", judged.evidence);
    let judged = after(|book, healed| {
        operation(book, healed, (1, 2), Ending::Ok);
        book.operation("publisher 1", hand(3), None);
    });
    assert_eq!(judged.verdict, Verdict::Fail);
    assert!(
        judged.evidence.contains("never steady, the last not to succeed handing over `engine.1.3`"),
        "{judged:?}"
    );
}

#[test]
fn what_cannot_tell_is_unknown() {
    let nothing = after(|_, _| {});
    assert_eq!(nothing.verdict, Verdict::Unknown);
    assert!(
        nothing.evidence.starts_with("no operation that tells began after `down rabbitmq` ended at "),
        "{nothing:?}"
    );
    let too_soon = after(|book, healed| {
        operation(book, healed, (1, 2), Ending::Failed);
        book.fault(2, "down rabbitmq again");
    });
    assert_eq!(too_soon.verdict, Verdict::Unknown);
    assert!(too_soon.evidence.starts_with("nothing succeeded in only "), "{too_soon:?}");
    let still_open = judged(&book().close());
    assert_eq!(still_open.verdict, Verdict::Unknown);
    assert!(still_open.evidence.starts_with("no fault came to its end"), "{still_open:?}");
}

#[test]
fn where_the_next_fault_comes_too_soon_the_heal_after_it_tells() {
    let recovery = |outcome| {
        after(|book, healed| {
            operation(book, healed, (1, 2), Ending::Failed);
            book.fault(2, "slow rabbitmq");
            let healed = book.now;
            book.undo(2, "slow rabbitmq");
            operation(book, healed, (1, 2), outcome);
        })
    };
    let judged = recovery(Ending::Ok);
    assert_eq!(judged.verdict, Verdict::Pass, "{judged:?}");
    assert!(judged.evidence.starts_with("1 of 1 times it recovered"), "{judged:?}");
    assert_eq!(recovery(Ending::Failed).verdict, Verdict::Fail);
}

#[test]
fn it_counts_from_when_the_last_of_several_faults_ends() {
    let mut book = book();
    book.fault(2, "slow rabbitmq");
    book.undo(1, "down rabbitmq");
    let between = book.now;
    operation(&mut book, between, (0, 2 * LIMIT), Ending::Failed);
    let healed = book.now;
    book.undo(2, "slow rabbitmq");
    operation(&mut book, healed, (1, LIMIT), Ending::Ok);
    let Judgement { verdict, evidence, .. } = judged(&book.close());
    assert_eq!(verdict, Verdict::Pass);
    assert!(evidence.contains("after `down rabbitmq` and `slow rabbitmq` ended at "), "{evidence}");
    assert!(evidence.ends_with("first success after 50 ms, steady after 50 ms, none failed"), "{evidence}");
}

#[test]
fn a_swap_that_found_another_value_is_no_failure_and_the_drain_is_timed() {
    let judged = after(|book, healed| {
        operation(book, healed, (1, 2), Ending::Ok);
        let act = Act::Swap { register: String::from("engine.1"), from: None, to: String::from("engine.a") };
        let op = book.begin("engine 1", act);
        book.now = healed + 2 * LIMIT;
        book.end(op, Ending::Failed, None);
        book.write(EventKind::Healed);
        book.operation(
            "consumer 1",
            Act::Take { element: String::from("engine.1.0"), again: false },
            Some(Ending::Ok),
        );
    });
    assert_eq!(judged.verdict, Verdict::Pass, "{}", judged.evidence);
    let words = "none failed; its backlog was taken ";
    assert!(judged.evidence.contains(words), "{}", judged.evidence);
    assert!(judged.evidence.ends_with("; drained after 2.0 ms"), "{}", judged.evidence);
}

proptest! {
    #[test]
    fn the_backlog_of_each_heal_is_timed(times in prop::collection::vec((0_u64..40, 0_u64..40), 1..4)) {
        let mut book = book();
        let mut words = Vec::new();
        for (index, (first, second)) in times.iter().enumerate() {
            let element = |number: usize| format!("engine.{}.{number}", index + 5);
            let hand = |number| Act::Hand { element: element(number) };
            let take = |number| Act::Take { element: element(number), again: false };
            if index > 0 {
                book.fault(1, "down rabbitmq");
            }
            (0..2).for_each(|number| book.operation("publisher 1", hand(number), Some(Ending::Ok)));
            let healed = book.now;
            book.undo(1, "down rabbitmq");
            // What is handed over afterwards is no backlog, however late it is taken.
            book.operation("publisher 1", hand(2), Some(Ending::Ok));
            book.now = healed + 10_000_000;
            for (number, wait) in [first, second].into_iter().enumerate() {
                let op = book.begin("consumer 1", take(number));
                book.now += wait * 1_000_000;
                book.end(op, Ending::Ok, None);
            }
            words.push(format!("{} after `down rabbitmq` ended at ", crate::words::span(book.now - 1_000_000 - healed)));
            book.operation("consumer 1", take(2), Some(Ending::Ok));
        }
        let Judgement { evidence, .. } = judged(&book.close());
        prop_assert!(evidence.contains("; its backlog was taken "), "{}", evidence);
        for words in words {
            prop_assert!(evidence.contains(&words), "{} in {}", words, evidence);
        }
    }
}
