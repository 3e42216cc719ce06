//! Whoever hears all that is sent while it listens passes, whatever is missed while it does not; one message that is
//! missed, one that nobody sent and one that comes twice turn it red and are named.

use bulkhead_model::{Act, Ending, Service, Verdict, history::Event};
use proptest::prelude::*;

use super::NothingMissed;
use crate::{Check, Judgement, book::Book};

/// What happens next: to the one who sends, or to one of two who listen.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A message is sent, and comes out so.
    Send(Ending),
    /// One who does not listen begins to; one who listens asks whether it still does.
    Attend(usize),
    /// One is cut off.
    Cut(usize),
}

/// One who listens: on which connection, and whether that is open.
#[derive(Clone, Copy, Default)]
struct Listener {
    line: u64,
    open: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ending = prop::sample::select(vec![Ending::Ok, Ending::Ok, Ending::Unknown, Ending::Failed]);
    let step = prop_oneof![
        4 => ending.prop_map(Step::Send),
        4 => (0..2_usize).prop_map(Step::Attend),
        1 => (0..2_usize).prop_map(Step::Cut),
    ];
    prop::collection::vec(step, 1..60)
}

fn element(number: usize) -> String {
    format!("engine.1.{number}")
}

fn name(listener: usize) -> String {
    format!("subscriber {listener}")
}

/// The history of these steps, without what `misses` says that a listener misses; and which messages each had to hear.
/// A message that failed was heard by nobody, one of unknown outcome by everybody.
fn told(steps: &[Step], misses: impl Fn(usize, usize) -> bool) -> (Vec<Event>, Vec<(usize, usize)>) {
    let mut book = Book::of(Service::Redis, "redis.pub-sub");
    let (mut listeners, mut sent) = ([Listener::default(); 2], 0);
    let (mut waiting, mut due) = ([Vec::new(), Vec::new()], Vec::new());
    for step in steps {
        match *step {
            Step::Send(ending) => {
                sent += 1;
                book.operation("client 1", Act::Broadcast { element: element(sent) }, Some(ending));
                for (index, _) in listeners.iter().enumerate().filter(|(_, one)| one.open) {
                    if ending != Ending::Failed && !misses(sent, index) {
                        let hear = Act::Hear { element: element(sent) };
                        book.operation(&name(index), hear, Some(Ending::Ok));
                    }
                    if ending == Ending::Ok {
                        waiting[index].push((sent, index));
                    }
                }
            }
            Step::Attend(index) => {
                let Listener { line, open } = &mut listeners[index];
                if *open {
                    book.operation(&name(index), Act::Attend { line: *line }, Some(Ending::Ok));
                    due.append(&mut waiting[index]);
                } else {
                    (*line, *open) = (*line + 1, true);
                    book.operation(&name(index), Act::Subscribe { line: *line }, Some(Ending::Ok));
                }
            }
            Step::Cut(index) => {
                listeners[index].open = false;
                // What was sent since the last answer may have been on its way.
                waiting[index].clear();
            }
        }
    }
    (book.close(), due)
}

fn judged(history: &[Event]) -> Judgement {
    NothingMissed.judge(history, 0)
}

proptest! {
    #[test]
    fn who_hears_all_while_it_listens_passes(steps in steps()) {
        let (history, due) = told(&steps, |_, _| false);
        let Judgement { verdict, evidence, .. } = judged(&history);
        if due.is_empty() {
            prop_assert_eq!((verdict, evidence.as_str()), (Verdict::Unknown, super::NOTHING));
        } else {
            let beginning = format!("0 of {} missed by who listened, in ", due.len());
            prop_assert!(verdict == Verdict::Pass && evidence.starts_with(&beginning), "{}", evidence);
        }
    }

    #[test]
    fn what_is_missed_while_it_certainly_listens_is_named(steps in steps(), which: prop::sample::Index) {
        let (_, due) = told(&steps, |_, _| false);
        prop_assume!(!due.is_empty());
        let (number, listener) = due[which.index(due.len())];
        let (history, _) = told(&steps, |sent, index| (sent, index) == (number, listener));
        let Judgement { verdict, evidence, .. } = judged(&history);
        prop_assert_eq!(verdict, Verdict::Fail);
        let beginning = format!(
            "1 of {} messages were missed by who listened, at most 0 may be: `{}` first, sent by client 1 at ",
            due.len(),
            element(number)
        );
        prop_assert!(evidence.starts_with(&beginning), "{}", evidence);
        let who = format!(", by {}, who listened from ", name(listener));
        prop_assert!(evidence.contains(&who), "{}", evidence);
    }

    #[test]
    fn what_is_missed_while_it_may_not_have_listened_is_no_miss(steps in steps()) {
        let (_, due) = told(&steps, |_, _| false);
        // Everything that was not due is missed, which is all that a history could be reproached with wrongly.
        let (history, _) = told(&steps, |sent, index| !due.contains(&(sent, index)));
        prop_assert_ne!(judged(&history).verdict, Verdict::Fail);
    }

    #[test]
    fn what_nobody_sent_and_what_comes_twice_are_named(steps in steps(), strange: bool) {
        let (history, _) = told(&steps, |_, _| false);
        let mut book = Book::of(Service::Redis, "redis.pub-sub");
        let element = if strange { "plane.1.1" } else { "engine.9.9" };
        if !strange {
            book.operation("client 9", Act::Broadcast { element: element.to_owned() }, Some(Ending::Ok));
            book.operation("subscriber 1", Act::Hear { element: element.to_owned() }, Some(Ending::Ok));
        }
        book.operation("subscriber 1", Act::Hear { element: element.to_owned() }, Some(Ending::Ok));
        let Judgement { verdict, evidence, .. } = judged(&[book.events, history].concat());
        prop_assert_eq!(verdict, Verdict::Fail);
        let words = if strange { "1 messages were heard that nobody sent" } else { "1 messages were heard more than once" };
        let named = format!("`{element}` first, by subscriber 1");
        prop_assert!(evidence.contains(words) && evidence.contains(&named), "{}", evidence);
    }
}
