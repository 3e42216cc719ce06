//! A use of which enough succeeds while each fault is on passes; one success fewer turns it red and names the fault, its
//! share and the longest stretch without a success; what fails without a fault is not its business; too few prove nothing.

use bulkhead_model::{
    Act, Ending, Service, Verdict,
    history::{Event, EventKind},
};
use proptest::prelude::*;

use super::{Available, FEWEST};
use crate::{Check, Judgement, book::Book};

const MANY: usize = 40;

fn book() -> Book {
    Book::of(Service::Redis, "redis.sessions")
}

fn add(index: usize) -> Act {
    Act::Add { element: format!("engine.1.{index}") }
}

/// One operation after another, each over in a millisecond.
fn operations(book: &mut Book, all: &[Ending]) {
    for (index, outcome) in all.iter().enumerate() {
        book.operation("client 1", add(index), Some(*outcome));
    }
}

/// Each list of outcomes under a fault of its own, and nothing but failures between them.
fn history(faults: &[Vec<Ending>]) -> Vec<Event> {
    let mut book = book();
    for (index, outcomes) in faults.iter().enumerate() {
        let name = format!("fault {}", index + 1);
        operations(&mut book, &[Ending::Failed; 3]);
        book.fault(index + 1, &name);
        operations(&mut book, outcomes);
        book.undo(index + 1, &name);
    }
    operations(&mut book, &[Ending::Failed; 3]);
    book.close()
}

/// So many of `MANY` do not succeed, in any order.
fn outcomes(bad: usize) -> impl Strategy<Value = Vec<Ending>> {
    prop::collection::vec(prop::sample::select(vec![Ending::Failed, Ending::Unknown]), bad).prop_flat_map(
        move |bad| {
            let good = vec![Ending::Ok; MANY - bad.len()];
            Just(bad.into_iter().chain(good).collect::<Vec<_>>()).prop_shuffle()
        },
    )
}

fn judged(history: &[Event], least: u64) -> Judgement {
    Available.judge(history, least)
}

proptest! {
    #[test]
    fn enough_under_each_fault_passes_and_one_fewer_is_named(
        faults in prop::collection::vec(outcomes(4), 1..5),
        which: prop::sample::Index,
        success: prop::sample::Index,
        unknown: bool,
    ) {
        let Judgement { verdict, evidence, .. } = judged(&history(&faults), 90);
        prop_assert_eq!(verdict, Verdict::Pass, "{}", evidence);
        let words = "at least 90% must: 36 of 40 operations succeeded, 90.0%, while `fault 1` was on from ";
        prop_assert!(evidence.starts_with(words), "{}", evidence);

        let (mut faults, count) = (faults.clone(), faults.len());
        let index = which.index(count);
        let good: Vec<_> = (0..MANY).filter(|place| faults[index][*place] == Ending::Ok).collect();
        faults[index][good[success.index(good.len())]] = if unknown { Ending::Unknown } else { Ending::Failed };
        let Judgement { verdict, evidence, .. } = judged(&history(&faults), 90);
        prop_assert_eq!(verdict, Verdict::Fail, "{}", evidence);
        let words = format!(
            "under 1 of {count} faults fewer than 90% succeeded, at most 0 may be: 35 of 40 operations succeeded, 87.5%, \
             while `fault {}` was on from ",
            index + 1
        );
        prop_assert!(evidence.starts_with(&words), "{}", evidence);
    }

    #[test]
    fn the_longest_stretch_without_a_success_is_told(from in 0..MANY, lasts in 1..MANY) {
        let to = (from + lasts).min(MANY);
        let mut outcomes = vec![Ending::Ok; MANY];
        outcomes[from..to].fill(Ending::Failed);
        let Judgement { evidence, .. } = judged(&history(&[outcomes]), 1);
        // An event a millisecond: six before the fault, its beginning, then a beginning and an end for each. The end of
        // the fault is one more.
        let since = if from == 0 { 6 } else { 6 + 2 * from };
        let until = if to == MANY { 7 + 2 * MANY } else { 8 + 2 * to };
        let words = format!("; the longest without a success was {} from {}",
            crate::words::span((until - since) as u64 * 1_000_000), crate::words::moment(since as u64 * 1_000_000));
        prop_assert!(evidence.ends_with(&words), "{} in {}", words, evidence);
    }

    #[test]
    fn what_is_due_while_the_fault_is_on_counts_whenever_it_begins(late in any::<bool>()) {
        let mut book = book();
        book.fault(1, "down redis");
        let due = book.now;
        operations(&mut book, &[Ending::Ok; MANY]);
        book.undo(1, "down redis");
        let op = book.begin("client 2", add(MANY));
        for event in book.events.iter_mut().rev().take(1) {
            if let EventKind::Invoked(invoked) = &mut event.kind {
                invoked.due = Some(if late { due } else { event.at });
            }
        }
        book.end(op, Ending::Failed, None);
        let Judgement { verdict, evidence, .. } = judged(&book.close(), 100);
        prop_assert_eq!(verdict, if late { Verdict::Fail } else { Verdict::Pass }, "{}", evidence);
    }
}

#[test]
fn too_few_prove_nothing() {
    let fewest = usize::try_from(FEWEST).unwrap();
    assert_eq!(judged(&history(&[vec![Ending::Ok; fewest]]), 100).verdict, Verdict::Pass);
    let few = judged(&history(&[vec![Ending::Ok; fewest], vec![Ending::Ok; fewest - 1]]), 100);
    assert_eq!(few.verdict, Verdict::Unknown);
    assert_eq!(few.evidence, "9 operations of the 10 that it takes began while `fault 2` was on");
    // Nor do few failures, but many do whatever else there is too little of.
    assert_eq!(judged(&history(&[vec![Ending::Failed; fewest - 1]]), 100).verdict, Verdict::Unknown);
    let both = [vec![Ending::Failed; fewest - 1], vec![Ending::Failed; fewest]];
    assert_eq!(judged(&history(&both), 100).verdict, Verdict::Fail);
    let mut book = book();
    operations(&mut book, &[Ending::Ok; MANY]);
    let Judgement { verdict, evidence, .. } = judged(&book.close(), 1);
    assert_eq!((verdict, evidence.as_str()), (Verdict::Unknown, "no fault began"));
}

#[test]
fn a_swap_that_found_another_value_was_answered() {
    let mut book = Book::of(Service::Postgres, "postgres.engine-state");
    let swap = || Act::Swap { register: "one".into(), from: Some("a".into()), to: "b".into() };
    book.fault(1, "latency postgres");
    (0..MANY).for_each(|_| book.operation("client 1", swap(), Some(Ending::Failed)));
    book.undo(1, "latency postgres");
    assert_eq!(judged(&book.close(), 100).verdict, Verdict::Pass);
}

#[test]
fn what_a_cut_history_leaves_open_may_have_succeeded() {
    let mut book = book();
    book.fault(1, "latency redis");
    operations(&mut book, &[Ending::Ok; MANY]);
    book.operation("client 1", add(MANY), None);
    let (cut, whole) = (book.events.clone(), book.close());
    assert_eq!(judged(&cut, 100).verdict, Verdict::Pass);
    assert_eq!(judged(&whole, 100).verdict, Verdict::Fail);
}

#[test]
fn a_fault_on_a_neighbours_link_alone_is_not_held_against_it() {
    let judged = |on: &[&str], engine: Ending| {
        let mut book = Book::of(Service::Redis, "redis.sessions");
        book.fault_on(1, "down redis", on);
        for (tenant, outcome) in [("engine", engine), ("plane", Ending::Failed)] {
            book.tenant = tenant;
            (0..MANY).for_each(|_| book.operation("client 1", Act::ReadAll, Some(outcome)));
        }
        book.undo_on(1, "down redis", &on.iter().map(|tenant| (*tenant, 1)).collect::<Vec<_>>());
        Available.judge(&book.close(), 90)
    };
    assert_eq!(judged(&["plane"], Ending::Ok).verdict, Verdict::Pass);
    assert_eq!(judged(&["plane"], Ending::Failed).verdict, Verdict::Fail);
    let Judgement { verdict, evidence, .. } = judged(&["engine", "plane"], Ending::Ok);
    assert_eq!(verdict, Verdict::Fail, "{evidence}");
    assert!(evidence.starts_with("plane's redis.sessions: "), "{evidence}");
}
