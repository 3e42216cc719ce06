//! Operations that all succeed while it floods pass, and the evidence has the true percentiles; one that does not turns it
//! red and is named; what fails without a flood is not its business; too few prove nothing.

use bulkhead_model::{Act, Ending, Service, Verdict, history::Event};
use proptest::prelude::*;

use super::{FEWEST, Unhindered};
use crate::{Check, Judgement, book::Book};

/// Operations of one client, each of which lasts so many milliseconds and ends so.
fn operations(book: &mut Book, from: usize, all: &[(u64, Ending)]) {
    for (index, (lasts, outcome)) in all.iter().enumerate() {
        let op = book.begin("client 1", Act::Add { element: format!("engine.1.{}", from + index) });
        book.now += lasts * 1_000_000 - 1_000_000;
        book.end(op, *outcome, None);
    }
}

/// Without the flood, with it, and without again.
fn judged(before: &[(u64, Ending)], during: &[(u64, Ending)], after: &[(u64, Ending)]) -> Judgement {
    let mut book = Book::of(Service::Redis, "redis.sessions");
    operations(&mut book, 1, before);
    book.fault(1, "flood redis");
    operations(&mut book, 1001, during);
    book.undo(1, "flood redis");
    operations(&mut book, 2001, after);
    let history: Vec<Event> = book.close();
    Unhindered.judge(&history, 0)
}

fn good(least: usize) -> impl Strategy<Value = Vec<(u64, Ending)>> {
    prop::collection::vec((2_u64..9).prop_map(|lasts| (lasts, Ending::Ok)), least..60)
}

proptest! {
    #[test]
    fn what_succeeds_passes_and_is_told_by_its_percentiles(before in good(FEWEST + 1), during in good(FEWEST), after in good(0)) {
        // One in hundred at most: of fewer than that the slowest is the 99th.
        let slowest = during.iter().map(|(lasts, _)| *lasts).max().unwrap_or_default();
        let Judgement { verdict, evidence, .. } = judged(&before, &during, &after);
        prop_assert_eq!(verdict, Verdict::Pass, "{}", evidence);
        let all = during.len();
        let words = format!("{all} of {all} operations of the flood's time succeeded: p99 ");
        prop_assert!(evidence.contains(&words), "{}", evidence);
        prop_assert!(evidence.contains(&format!(" before it, {slowest}.0 ms with it, ")), "{}", evidence);
    }

    #[test]
    fn the_first_that_does_not_succeed_is_named(
        before in good(0), mut during in good(1), which: prop::sample::Index, unknown in any::<bool>(), after in good(0),
    ) {
        let index = which.index(during.len());
        during[index].1 = if unknown { Ending::Unknown } else { Ending::Failed };
        let Judgement { verdict, evidence, .. } = judged(&before, &during, &after);
        prop_assert_eq!(verdict, Verdict::Fail, "{}", evidence);
        let words = format!(
            "1 of {} operations of the flood's time did not succeed, at most 0 may: adding `engine.1.{}` by client 1",
            during.len(),
            1001 + index
        );
        prop_assert!(evidence.contains(&words), "{}", evidence);
    }

    #[test]
    fn what_fails_without_a_flood_is_not_its_business(mut before in good(FEWEST + 1), during in good(FEWEST)) {
        before.iter_mut().skip(1).for_each(|(_, outcome)| *outcome = Ending::Failed);
        prop_assert_eq!(judged(&before, &during, &before).verdict, Verdict::Pass);
    }
}

#[test]
fn too_few_prove_nothing() {
    let many = vec![(2, Ending::Ok); FEWEST];
    let few = vec![(2, Ending::Ok); FEWEST - 1];
    let enough = vec![(2, Ending::Ok); FEWEST + 1];
    assert_eq!(judged(&enough, &few, &[]).verdict, Verdict::Unknown);
    // The first of the client's is not of the calm, and what comes after the flood neither.
    assert_eq!(judged(&many, &many, &many).verdict, Verdict::Unknown);
    assert_eq!(judged(&enough, &many, &[]).verdict, Verdict::Pass);
    let mut book = Book::of(Service::Redis, "redis.sessions");
    operations(&mut book, 1, &many);
    let Judgement { verdict, evidence, .. } = Unhindered.judge(&book.close(), 0);
    assert_eq!(
        (verdict, evidence.as_str()),
        (Verdict::Unknown, "no neighbour flooded anything or had a broken link of its own")
    );
}

#[test]
fn a_swap_that_found_another_value_was_answered() {
    let mut book = Book::of(Service::Postgres, "postgres.engine-state");
    let swap = || Act::Swap { register: "one".into(), from: Some("a".into()), to: "b".into() };
    (0..=FEWEST).for_each(|_| book.operation("client 1", swap(), Some(Ending::Ok)));
    book.fault(1, "flood postgres");
    (0..FEWEST).for_each(|_| book.operation("client 1", swap(), Some(Ending::Failed)));
    book.undo(1, "flood postgres");
    assert_eq!(Unhindered.judge(&book.close(), 0).verdict, Verdict::Pass);
}

/// Both tenants work before and while a fault is on the links of `on`; what they do then comes out so.
fn beside(on: &[&str], engine: Ending, plane: Ending) -> Judgement {
    let mut book = Book::of(Service::Redis, "redis.sessions");
    let both = |book: &mut Book, from: usize, outcomes: [Ending; 2]| {
        for (tenant, outcome) in ["engine", "plane"].into_iter().zip(outcomes) {
            book.tenant = tenant;
            operations(book, from, &[(2, outcome); FEWEST + 1]);
        }
    };
    both(&mut book, 1, [Ending::Ok; 2]);
    book.fault_on(1, "down redis", on);
    both(&mut book, 1001, [engine, plane]);
    book.undo_on(1, "down redis", &on.iter().map(|tenant| (*tenant, 1)).collect::<Vec<_>>());
    Unhindered.judge(&book.close(), 0)
}

#[test]
fn a_neighbours_broken_link_is_that_neighbours_alone_to_feel() {
    let Judgement { verdict, evidence, .. } = beside(&["plane"], Ending::Ok, Ending::Failed);
    assert_eq!(verdict, Verdict::Pass, "{evidence}");
    let words =
        format!("{0} of {0} operations of the neighbour's trouble's time succeeded: p99 ", FEWEST + 1);
    assert!(evidence.starts_with(&words), "{evidence}");
    let Judgement { verdict, evidence, .. } = beside(&["plane"], Ending::Unknown, Ending::Ok);
    assert_eq!(verdict, Verdict::Fail, "{evidence}");
    let words = "operations of the neighbour's trouble's time did not succeed, at most 0 may: adding `engine.1.1001` by client 1";
    assert!(evidence.contains(words), "{evidence}");
    let Judgement { verdict, evidence, .. } = beside(&["engine", "plane"], Ending::Ok, Ending::Ok);
    assert_eq!(verdict, Verdict::Unknown, "{evidence}");
}
