//! Histories of a set that loses nothing pass, however often it is read meanwhile; each way of losing, inventing or
//! doubling turns them red and is named; one that comes back late is timed.

use bulkhead_model::{Act, Ending, Found, Service, Verdict, history::Event};
use proptest::prelude::*;

use super::NothingLost;
use crate::{Check, Judgement, book::Book};

/// What becomes of one row: how adding it comes out, and whether it is kept where nobody knows.
#[derive(Clone, Copy, Debug)]
struct Row {
    added: Ending,
    kept: bool,
    read_after: bool,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let ending = prop::sample::select(vec![Ending::Ok, Ending::Ok, Ending::Ok, Ending::Unknown]);
    let row = (ending, any::<bool>(), any::<bool>()).prop_map(|(added, kept, read_after)| Row {
        added,
        kept: kept || added == Ending::Ok,
        read_after,
    });
    prop::collection::vec(row, 1..30)
}

fn element(index: usize) -> String {
    format!("engine.1.{index}")
}

fn book() -> Book {
    Book::of(Service::Postgres, "postgres.metrics-log")
}

fn elements(all: &[String]) -> Found {
    Found::Elements(all.to_vec())
}

/// The rows are added one after another and read in between; the readers see what `seen` makes of what is there.
fn history(rows: &[Row], seen: impl Fn(usize, Vec<String>) -> Vec<String>) -> Vec<Event> {
    let (mut book, mut there, mut reads) = (book(), Vec::new(), 0);
    for (index, row) in rows.iter().enumerate() {
        let op = book.begin("writer 1", Act::Add { element: element(index) });
        if row.kept {
            there.push(element(index));
        }
        book.end(op, row.added, None);
        if row.read_after {
            book.finds("reader 1", Act::ReadAll, Found::Elements(seen(reads, there.clone())));
            reads += 1;
        }
    }
    book.finds("reader 1", Act::ReadAll, Found::Elements(seen(usize::MAX, there)));
    book.close()
}

fn judged(history: &[Event]) -> Judgement {
    NothingLost.judge(history, 0)
}

proptest! {
    #[test]
    fn what_was_added_and_read_passes(rows in rows()) {
        let total = rows.iter().filter(|row| row.added == Ending::Ok).count();
        let Judgement { verdict, evidence, .. } = judged(&history(&rows, |_, there| there));
        prop_assert_eq!(verdict, if total == 0 { Verdict::Unknown } else { Verdict::Pass }, "{}", evidence);
        if total > 0 {
            let recovered = rows.iter().filter(|row| row.added != Ending::Ok && row.kept).count();
            let words = format!("0 of {total} acknowledged elements lost in ");
            prop_assert!(evidence.starts_with(&words), "{}", evidence);
            let never = rows.iter().filter(|row| row.added != Ending::Ok && !row.kept).count();
            let words = format!("; {recovered} read without their acknowledgement, {never} never read; each stable at once");
            prop_assert!(evidence.ends_with(&words), "{}", evidence);
        }
    }

    #[test]
    fn one_that_is_not_in_the_last_read_is_named(mut rows in rows(), which: prop::sample::Index) {
        let index = which.index(rows.len());
        rows[index] = Row { added: Ending::Ok, kept: true, read_after: true };
        let gone = element(index);
        let without = |read, there: Vec<String>| match read {
            usize::MAX => there.into_iter().filter(|element| *element != gone).collect(),
            _ => there,
        };
        let Judgement { verdict, evidence, .. } = judged(&history(&rows, without));
        prop_assert_eq!(verdict, Verdict::Fail);
        let named = format!("acknowledged elements are lost, at most 0 may be: `{gone}` first, added by writer 1 at ");
        prop_assert!(evidence.starts_with("1 of ") && evidence.contains(&named), "{}", evidence);
        prop_assert!(evidence.contains("last seen by reader 1 at ") && evidence.contains(" to lost"), "{}", evidence);
    }

    #[test]
    fn one_that_comes_late_is_stale_and_not_lost(mut rows in rows(), late in 1_usize..5) {
        rows.fill(Row { added: Ending::Ok, kept: true, read_after: true });
        let hidden = |read: usize, there: Vec<String>| {
            if read < late { there.into_iter().filter(|known| *known != element(0)).collect() } else { there }
        };
        let Judgement { verdict, evidence, .. } = judged(&history(&rows, hidden));
        prop_assert_eq!(verdict, Verdict::Pass, "{}", evidence);
        // Adding and reading take two milliseconds each, the first acknowledgement comes at the first.
        let reads = late.min(rows.len());
        let time = (reads - 1) * 4 + 1;
        let words = format!(
            "1 were missing from a read at first, `engine.1.0` the longest: {} to stable",
            crate::words::span(time as u64 * 1_000_000),
        );
        prop_assert!(evidence.ends_with(&words), "{} for {}", evidence, words);
    }

    #[test]
    fn one_that_nobody_added_and_one_that_is_there_twice_are_named(mut rows in rows(), doubled: bool, last: bool) {
        rows[0] = Row { added: Ending::Ok, kept: true, read_after: true };
        let extra = if doubled { element(0) } else { String::from("plane.1.7") };
        let more = |read, mut there: Vec<String>| {
            if (read == usize::MAX) == last {
                there.push(extra.clone());
            }
            there
        };
        let Judgement { verdict, evidence, .. } = judged(&history(&rows, more));
        prop_assert_eq!(verdict, Verdict::Fail);
        let words = if doubled {
            "1 elements were there more than once in one read, at most 0 may be: `engine.1.0` first, 2 times by reader 1"
        } else {
            "1 elements were read that nobody added, at most 0 may be: `plane.1.7` first, by reader 1"
        };
        prop_assert!(evidence.contains(words), "{}", evidence);
    }
}

#[test]
fn without_a_read_after_the_last_acknowledgement_nobody_knows() {
    let mut book = book();
    book.operation("writer 1", Act::Add { element: element(0) }, Some(Ending::Ok));
    let read = book.begin("reader 1", Act::ReadAll);
    book.operation("writer 1", Act::Add { element: element(1) }, Some(Ending::Ok));
    book.end(read, Ending::Ok, Some(elements(&[])));
    // One that fails says nothing.
    book.operation("reader 1", Act::ReadAll, Some(Ending::Failed));
    let Judgement { verdict, evidence, .. } = judged(&book.close());
    assert_eq!(verdict, Verdict::Unknown, "{evidence}");
    assert!(evidence.starts_with("no read of all began after the last of 2 acknowledgements"), "{evidence}");
}

#[test]
fn a_read_that_began_before_the_acknowledgement_may_lack_it() {
    let mut book = book();
    let add = book.begin("writer 1", Act::Add { element: element(0) });
    let early = book.begin("reader 1", Act::ReadAll);
    book.end(add, Ending::Ok, None);
    book.finds("reader 2", Act::ReadAll, elements(&[element(0)]));
    book.end(early, Ending::Ok, Some(elements(&[])));
    let Judgement { verdict, evidence, .. } = judged(&book.close());
    assert_eq!(verdict, Verdict::Pass, "{evidence}");
    assert!(evidence.ends_with("each stable at once"), "{evidence}");
}

#[test]
fn one_that_was_read_without_its_acknowledgement_may_not_go_again() {
    let mut book = book();
    book.operation("writer 1", Act::Add { element: element(0) }, Some(Ending::Ok));
    book.fault(1, "down postgres");
    book.operation("writer 1", Act::Add { element: element(1) }, None);
    book.undo(1, "down postgres");
    book.finds("reader 1", Act::ReadAll, elements(&[element(0), element(1)]));
    book.finds("reader 1", Act::ReadAll, elements(&[element(0)]));
    let Judgement { verdict, evidence, .. } = judged(&book.close());
    assert_eq!(verdict, Verdict::Fail, "{evidence}");
    assert_eq!(
        evidence,
        "1 elements are lost, 1 of them read before and never acknowledged, at most 0 may be: `engine.1.1` first, \
         added by writer 1 at 0.003 s, during down postgres, last seen by reader 1 at 0.005 s, 0.0 ms to lost"
    );
}

#[test]
fn the_time_to_lost_counts_from_when_it_was_known_to_the_last_read_that_has_it() {
    let mut book = book();
    book.operation("writer 1", Act::Add { element: element(0) }, Some(Ending::Ok));
    book.operation("writer 1", Act::Add { element: element(1) }, Some(Ending::Ok));
    book.now = 350_000_000;
    let mut never = book.clone();
    book.finds("reader 1", Act::ReadAll, elements(&[element(0), element(1)]));
    for book in [&mut book, &mut never] {
        book.finds("reader 1", Act::ReadAll, elements(&[element(1)]));
    }
    let Judgement { evidence, .. } = judged(&book.close());
    assert!(evidence.ends_with(", last seen by reader 1 at 0.350 s, 349 ms to lost"), "{evidence}");
    let Judgement { evidence, .. } = judged(&never.close());
    assert!(evidence.ends_with(", never seen, lost at once"), "{evidence}");
}

#[test]
fn each_workload_is_judged_apart_and_the_worst_wins() {
    let mut book = book();
    book.operation("writer 1", Act::Add { element: element(0) }, Some(Ending::Ok));
    book.finds("reader 1", Act::ReadAll, elements(&[element(0)]));
    book.tenant = "plane";
    // Engine's element is none of plane's.
    book.operation("writer 1", Act::Add { element: String::from("plane.1.0") }, Some(Ending::Ok));
    let mut bad = book.clone();
    book.finds("reader 1", Act::ReadAll, elements(&[String::from("plane.1.0")]));
    bad.finds("reader 1", Act::ReadAll, elements(&[element(0)]));
    assert_eq!(judged(&book.close()).verdict, Verdict::Pass);
    let Judgement { verdict, evidence, .. } = judged(&bad.close());
    assert_eq!(verdict, Verdict::Fail);
    assert!(
        evidence.starts_with("plane's postgres.metrics-log: 1 of 1 acknowledged elements are lost"),
        "{evidence}"
    );
}

#[test]
fn a_history_of_a_hundred_thousand_elements_is_judged_in_one_go() {
    let mut book = book();
    let all: Vec<_> = (0..100_000).map(element).collect();
    for element in &all {
        book.operation("writer 1", Act::Add { element: element.clone() }, Some(Ending::Ok));
    }
    book.finds("reader 1", Act::ReadAll, elements(&all));
    assert_eq!(judged(&book.close()).verdict, Verdict::Pass);
}
