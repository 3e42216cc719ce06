//! Books that are kept pass, whatever overlaps, fails and gets lost; each way of losing or inventing an amount, or half a
//! transfer, turns the first reading that shows it red and is named.

use std::collections::BTreeMap;

use bulkhead_model::{Act, Ending, Entry, Found, Service, Verdict, history::Event};
use proptest::prelude::*;

use super::ConservedTotal;
use crate::{Check, Judgement, book::Book};

/// What each account is opened with.
const OPENING: i64 = 100;

/// One transfer, and one reading a little later where there is one; how long each seems to last around its moment.
#[derive(Clone, Copy, Debug)]
struct Step {
    from: usize,
    amount: i64,
    outcome: Ending,
    /// Whether it happened, where nobody knows.
    happened: bool,
    before: u64,
    after: u64,
    read: Option<(u64, u64)>,
}

impl Step {
    /// One apart from all others.
    fn quiet(outcome: Ending, happened: bool, read: bool) -> Self {
        Self { from: 0, amount: 7, outcome, happened, before: 0, after: 0, read: read.then_some((0, 0)) }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome =
        prop::sample::select(vec![Ending::Ok, Ending::Ok, Ending::Ok, Ending::Unknown, Ending::Failed]);
    let read = prop::option::of((0_u64..40, 0_u64..40));
    let parts = (0_usize..3, 1_i64..9, outcome, any::<bool>(), 0_u64..40, 0_u64..40, read);
    let step = parts.prop_map(|(from, amount, outcome, happened, before, after, read)| Step {
        from,
        amount,
        outcome,
        happened: outcome == Ending::Ok || happened && outcome == Ending::Unknown,
        before,
        after,
        read,
    });
    prop::collection::vec(step, 1..30)
}

/// What a reading finds.
#[derive(Clone)]
struct Books {
    balances: BTreeMap<String, i64>,
    entries: Vec<Entry>,
}

impl Books {
    fn add(&mut self, account: &str, amount: i64) {
        *self.balances.get_mut(account).unwrap() += amount;
    }

    fn book(&mut self, entry: Entry) {
        self.add(&entry.from, -entry.amount);
        self.add(&entry.to, entry.amount);
        self.entries.push(entry);
    }
}

fn opened() -> BTreeMap<String, i64> {
    (0..3).map(|number| (format!("account {number}"), OPENING)).collect()
}

fn entry(index: usize, step: &Step) -> Entry {
    Entry {
        transfer: format!("engine.1.{index}"),
        from: format!("account {}", step.from),
        to: format!("account {}", (step.from + 1) % 3),
        amount: step.amount,
    }
}

/// Each step's transfer and reading, and a last reading; readings find what `seen` makes of the books, with the number of
/// the step.
fn history(steps: &[Step], seen: impl Fn(usize, &mut Books)) -> Vec<Event> {
    let (mut books, mut moments) = (Books { balances: opened(), entries: Vec::new() }, Vec::new());
    let read = |index: usize, at: u64, (before, after): (u64, u64), books: &Books| {
        let mut books = books.clone();
        seen(index, &mut books);
        let found = Found::Books { balances: books.balances, entries: books.entries };
        let ended = (Ending::Ok, Some(found));
        let act = Act::ReadBooks { opened: opened() };
        [
            (at - 1 - before, 1000 + index, Some(act), ended.clone()),
            (at + 1 + after, 1000 + index, None, ended),
        ]
    };
    for (index, step) in steps.iter().enumerate() {
        let now = 1000 + index as u64 * 10;
        let entry = entry(index, step);
        let Entry { transfer, from, to, amount } = entry.clone();
        let act = Act::Transfer { transfer, from, to, amount };
        let ended = (step.outcome, None);
        moments.push((now - 1 - step.before, index, Some(act), ended.clone()));
        moments.push((now + 1 + step.after, index, None, ended));
        if step.happened {
            books.book(entry);
        }
        if let Some(span) = step.read {
            moments.extend(read(index, now + 5, span, &books));
        }
    }
    moments.extend(read(steps.len(), 1000 + steps.len() as u64 * 10 + 100, (0, 0), &books));
    Book::of(Service::Postgres, "postgres.ledger").tell(moments)
}

fn judged(history: &[Event]) -> Judgement {
    ConservedTotal.judge(history, 0)
}

/// A way in which the last reading is off.
#[derive(Clone, Copy, Debug)]
enum Off {
    Stolen,
    Half,
    AppliedTwice,
    BookedTwice,
    EntryGone,
    Undone,
    FailedThere,
    Strange,
    Altered,
    AccountGone,
    AccountMore,
}

const EVERY_WAY: [Off; 11] = [
    Off::Stolen,
    Off::Half,
    Off::AppliedTwice,
    Off::BookedTwice,
    Off::EntryGone,
    Off::Undone,
    Off::FailedThere,
    Off::Strange,
    Off::Altered,
    Off::AccountGone,
    Off::AccountMore,
];

impl Off {
    /// Puts the books out, given the last acknowledged transfer and one that failed.
    fn put(self, books: &mut Books, last: &Entry, failed: &Entry) {
        let undo = |books: &mut Books, entry: &Entry| {
            books.add(&entry.from, entry.amount);
            books.add(&entry.to, -entry.amount);
        };
        match self {
            Self::Stolen => books.add("account 2", -5),
            Self::Half => books.add(&last.to, -last.amount),
            Self::AppliedTwice => {
                books.add(&last.from, -last.amount);
                books.add(&last.to, last.amount);
            }
            Self::BookedTwice => books.book(last.clone()),
            Self::EntryGone => books.entries.retain(|entry| entry != last),
            Self::Undone => {
                undo(books, last);
                books.entries.retain(|entry| entry != last);
            }
            Self::FailedThere => books.book(failed.clone()),
            Self::Strange => books.book(Entry { transfer: String::from("engine.9.9"), ..last.clone() }),
            Self::Altered => {
                undo(books, last);
                books.entries.retain(|entry| entry != last);
                books.book(Entry { amount: last.amount + 1, ..last.clone() });
            }
            Self::AccountGone => drop(books.balances.remove("account 1")),
            Self::AccountMore => drop(books.balances.insert(String::from("account x"), 0)),
        }
    }

    /// What the evidence says of it, and whether the total is off as well.
    fn words(self) -> (&'static str, bool) {
        match self {
            Self::Stolen => ("5 less than the 300 that there must be", true),
            Self::Half => ("7 less than the 300 that there must be", true),
            Self::AppliedTwice => {
                ("2 of 3 accounts are not what the entries make of them: `account 0` holds ", false)
            }
            Self::BookedTwice => ("` was entered 2 times", false),
            Self::EntryGone => ("transfers that must be in it are not: `engine.1.", false),
            Self::Undone => ("transfers that must be in it are not: `engine.1.", false),
            Self::FailedThere => ("is in it, which failed for client ", false),
            Self::Strange => {
                ("nobody sent `engine.9.9`, which moved 7 from `account 0` to `account 1`", false)
            }
            Self::Altered => ("moved 8 from `account 0` to `account 1`, and client ", false),
            Self::AccountGone => ("`account 1` is not there", true),
            Self::AccountMore => ("nobody opened `account x`", false),
        }
    }
}

proptest! {
    #[test]
    fn books_that_are_kept_pass(steps in steps()) {
        let Judgement { verdict, evidence, .. } = judged(&history(&steps, |_, _| {}));
        let total = steps.iter().filter(|step| step.outcome == Ending::Ok).count();
        prop_assert_eq!(verdict, if total == 0 { Verdict::Unknown } else { Verdict::Pass }, "{}", evidence);
        if total > 0 {
            let recovered = steps.iter().filter(|step| step.outcome == Ending::Unknown && step.happened).count();
            let words = format!("all of {total} acknowledged transfers that were over; {recovered} were there without");
            prop_assert!(evidence.contains(&words), "{}", evidence);
        }
    }

    #[test]
    fn each_way_to_put_the_books_out_is_named_with_the_first_reading_that_shows_it(
        mut steps in steps(),
        off in prop::sample::select(EVERY_WAY.to_vec()),
    ) {
        // At the end, apart from all others.
        let begin = steps.len();
        steps.extend((0..10).map(|_| Step::quiet(Ending::Failed, false, false)));
        steps.push(Step::quiet(Ending::Ok, true, false));
        let (last, failed) = (entry(begin + 10, &steps[begin + 10]), entry(begin, &steps[begin]));
        let wrong = |index, books: &mut Books| {
            if index == begin + 11 {
                off.put(books, &last, &failed);
            }
        };
        let Judgement { verdict, evidence, .. } = judged(&history(&steps, wrong));
        prop_assert_eq!(verdict, Verdict::Fail, "{}", evidence);
        let readings = 1 + steps.iter().filter(|step| step.read.is_some()).count();
        let begins = format!("1 of {readings} readings are off, at most 0 may be: the first, by client {} at ", 1011 + begin);
        let (words, total) = off.words();
        prop_assert!(evidence.starts_with(&begins) && evidence.contains(words), "{:?}: {}", off, evidence);
        prop_assert_eq!(evidence.contains("the total is"), total, "{}", evidence);
    }

    #[test]
    fn one_that_a_reading_had_is_never_gone_again(mut steps in steps(), outcome in prop::sample::select(vec![Ending::Ok, Ending::Unknown])) {
        steps.extend((0..10).map(|_| Step::quiet(Ending::Ok, true, false)));
        let index = steps.len();
        steps.extend([Step::quiet(outcome, true, true), Step::quiet(Ending::Ok, true, false)]);
        let gone = entry(index, &steps[index]);
        let wrong = |read, books: &mut Books| {
            if read == index + 2 {
                Off::Undone.put(books, &gone, &gone);
            }
        };
        let Judgement { verdict, evidence, .. } = judged(&history(&steps, wrong));
        prop_assert_eq!(verdict, Verdict::Fail, "{}", evidence);
        let named = format!("transfers that must be in it are not: `{}` first", gone.transfer);
        let how = if outcome == Ending::Ok { "acknowledged at " } else { "which an earlier reading had" };
        prop_assert!(evidence.contains(&named) && evidence.contains(how), "{}", evidence);
    }
}

#[test]
fn a_transfer_is_not_read_before_it_begins() {
    let steps = [Step::quiet(Ending::Ok, true, true), Step::quiet(Ending::Ok, true, false)];
    let next = entry(1, &steps[1]);
    let wrong = |index, books: &mut Books| {
        if index == 0 {
            books.book(next.clone());
        }
    };
    let Judgement { verdict, evidence, .. } = judged(&history(&steps, wrong));
    assert_eq!(verdict, Verdict::Fail);
    assert!(evidence.contains("`engine.1.1` is in it, which client 1 began at "), "{evidence}");
}

#[test]
fn without_a_reading_after_the_last_transfer_nobody_knows() {
    let mut events =
        history(&[Step::quiet(Ending::Ok, true, true), Step::quiet(Ending::Ok, true, false)], |_, _| {});
    // The last reading goes.
    events.truncate(events.len() - 3);
    let Judgement { verdict, evidence, .. } = judged(&events);
    assert_eq!(verdict, Verdict::Unknown);
    assert!(evidence.starts_with("no reading began after the last of 2 acknowledgements"), "{evidence}");
}

#[test]
fn a_hundred_thousand_transfers_are_judged_in_one_go() {
    let steps: Vec<_> = (0..100_000).map(|_| Step::quiet(Ending::Ok, true, false)).collect();
    assert_eq!(judged(&history(&steps, |_, _| {})).verdict, Verdict::Pass);
}
