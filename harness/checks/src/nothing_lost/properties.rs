//! Histories of a queue that loses nothing pass, however they go; each way of losing or inventing turns them red and is
//! named.

use bulkhead_model::{
    Act, Ending, Service, Verdict,
    history::{Event, EventKind},
};
use proptest::prelude::*;

use super::NothingLost;
use crate::{Check, Judgement, book::Book};

/// What becomes of one task.
#[derive(Clone, Copy, Debug)]
struct Task {
    handed: Ending,
    /// How often it is taken; a task that was acknowledged at least once.
    taken: usize,
    /// Whether the last acknowledgement of the taker got lost.
    unsure: bool,
}

fn task() -> impl Strategy<Value = Task> {
    let ending =
        prop::sample::select(vec![Ending::Ok, Ending::Ok, Ending::Ok, Ending::Unknown, Ending::Failed]);
    (ending, 0_usize..3, any::<bool>()).prop_map(|(handed, taken, unsure)| Task {
        handed,
        taken: match handed {
            Ending::Ok => taken.max(1),
            Ending::Unknown => taken,
            Ending::Failed => 0,
        },
        unsure,
    })
}

fn book() -> Book {
    Book::of(Service::Rabbitmq, "rabbitmq.tasks")
}

fn element(index: usize) -> String {
    format!("engine.1.{index}")
}

/// All are handed over; then they are taken in the order that `order` makes.
fn history(tasks: &[Task], order: &[usize]) -> Vec<Event> {
    let mut book = book();
    for (index, task) in tasks.iter().enumerate() {
        // What was never over is as unknown as what is said to be.
        let outcome = (task.handed != Ending::Unknown || task.unsure).then_some(task.handed);
        book.operation("publisher 1", Act::Hand { element: element(index) }, outcome);
    }
    for index in order {
        for time in 0..tasks[*index].taken {
            let outcome = if tasks[*index].unsure { Ending::Unknown } else { Ending::Ok };
            let act = Act::Take { element: element(*index), again: time > 0 };
            book.operation("consumer 1", act, Some(outcome));
        }
    }
    book.write(EventKind::CaseEnded);
    book.events
}

fn queue() -> impl Strategy<Value = (Vec<Task>, Vec<usize>)> {
    prop::collection::vec(task(), 1..40).prop_flat_map(|tasks| {
        let order = Just((0..tasks.len()).collect::<Vec<_>>()).prop_shuffle();
        (Just(tasks), order)
    })
}

fn judged(history: &[Event]) -> Judgement {
    NothingLost.judge(history, 0)
}

proptest! {
    #[test]
    fn what_was_acknowledged_and_taken_passes((tasks, order) in queue()) {
        let acknowledged = tasks.iter().filter(|task| task.handed == Ending::Ok).count();
        let Judgement { verdict, evidence, .. } = judged(&history(&tasks, &order));
        let expected = if acknowledged == 0 { Verdict::Unknown } else { Verdict::Pass };
        prop_assert_eq!(verdict, expected, "{}", evidence);
        if acknowledged > 0 {
            let recovered = tasks.iter().filter(|t| t.handed == Ending::Unknown && t.taken > 0).count();
            let duplicated = tasks.iter().filter(|t| t.taken > 1).count();
            let words = format!("0 of {acknowledged} acknowledged elements lost; {recovered} taken without their \
                                 acknowledgement, {duplicated} more than once");
            prop_assert_eq!(evidence, words);
        }
    }

    #[test]
    fn one_that_is_acknowledged_and_never_taken_is_named(
        (mut tasks, order) in queue(),
        which: prop::sample::Index,
        half in any::<bool>(),
    ) {
        let index = which.index(tasks.len());
        tasks[index] = Task { handed: Ending::Ok, taken: 0, unsure: false };
        let mut events = history(&tasks, &order);
        if half {
            // It was received by a consumer that never finished: its work was not done.
            let mut book = book().after(events);
            book.operation("consumer 2", Act::Take { element: element(index), again: false }, None);
            events = book.events;
        }
        let Judgement { verdict, evidence, .. } = judged(&events);
        prop_assert_eq!(verdict, Verdict::Fail);
        prop_assert!(evidence.starts_with("1 of "), "{}", evidence);
        let named = format!("`{}` first", element(index));
        prop_assert!(evidence.contains(&named), "{}", evidence);
    }

    #[test]
    fn one_that_nobody_handed_over_is_named((mut tasks, order) in queue(), again: bool) {
        tasks[0].handed = Ending::Ok;
        tasks[0].taken = 1;
        let mut book = book().after(history(&tasks, &order));
        let act = Act::Take { element: String::from("plane.1.7"), again };
        book.operation("consumer 1", act, Some(Ending::Ok));
        let Judgement { verdict, evidence, .. } = judged(&book.events);
        prop_assert_eq!(verdict, Verdict::Fail);
        prop_assert!(evidence.contains("1 elements were taken that nobody handed over, at most 0 may be: `plane.1.7`"), "{}", evidence);
    }
}

/// Who is to take what is announced.
const BOTH: [&str; 2] = ["subscriber 1", "subscriber 2"];

/// All are announced to both, and each subscriber takes what is acknowledged, but for one.
fn announced(tasks: &[Task], order: &[usize], but: Option<(usize, &str)>) -> Vec<Event> {
    let mut book = book();
    for (index, task) in tasks.iter().enumerate() {
        let act = Act::Announce { element: element(index), to: BOTH.map(str::to_owned).to_vec() };
        book.operation("publisher 1", act, Some(task.handed));
    }
    for subscriber in BOTH {
        for index in order.iter().filter(|index| but != Some((**index, subscriber))) {
            for time in 0..tasks[*index].taken {
                let act = Act::Take { element: element(*index), again: time > 0 };
                book.operation(subscriber, act, Some(Ending::Ok));
            }
        }
    }
    book.close()
}

proptest! {
    #[test]
    fn what_is_announced_must_be_taken_by_each((mut tasks, order) in queue(), which: prop::sample::Index, who in 0_usize..2) {
        let index = which.index(tasks.len());
        tasks[index] = Task { handed: Ending::Ok, taken: 1, unsure: false };
        let total = 2 * tasks.iter().filter(|task| task.handed == Ending::Ok).count();
        let Judgement { verdict, evidence, .. } = judged(&announced(&tasks, &order, None));
        prop_assert_eq!(verdict, Verdict::Pass, "{}", evidence);
        let words = format!("0 of {total} acknowledged elements lost");
        prop_assert!(evidence.starts_with(&words), "{}", evidence);

        let Judgement { verdict, evidence, .. } = judged(&announced(&tasks, &order, Some((index, BOTH[who]))));
        prop_assert_eq!(verdict, Verdict::Fail);
        let words = format!("1 of {total} acknowledged elements were never taken, at most 0 may be: `{}` first by {}, \
                             handed over by publisher 1 at ", element(index), BOTH[who]);
        prop_assert!(evidence.starts_with(&words), "{}", evidence);
    }

    #[test]
    fn what_somebody_takes_to_whom_it_was_not_announced_is_named((mut tasks, order) in queue()) {
        tasks[0] = Task { handed: Ending::Ok, taken: 1, unsure: false };
        let mut book = book().after(announced(&tasks, &order, None));
        book.operation("subscriber 3", Act::Take { element: element(0), again: false }, Some(Ending::Ok));
        let Judgement { verdict, evidence, .. } = judged(&book.events);
        prop_assert_eq!(verdict, Verdict::Fail);
        let words = format!("1 elements were taken that nobody handed over, at most 0 may be: `{}` first, by subscriber 3 at ", element(0));
        prop_assert!(evidence.starts_with(&words), "{}", evidence);
    }

    #[test]
    fn what_is_passed_on_is_taken_at_the_end_or_lost((mut tasks, order) in queue(), which: prop::sample::Index) {
        let index = which.index(tasks.len());
        tasks[index] = Task { handed: Ending::Ok, taken: 0, unsure: false };
        let mut book = book().after(history(&tasks, &order));
        let pass = |again| Act::Pass { element: element(index), again };
        book.operation("worker 1 of stage 1", pass(false), Some(Ending::Unknown));
        book.operation("worker 2 of stage 1", pass(true), Some(Ending::Ok));
        let Judgement { verdict, evidence, .. } = judged(&book.events);
        prop_assert_eq!(verdict, Verdict::Fail);
        let named = format!("`{}` first, handed over by publisher 1 at ", element(index));
        prop_assert!(evidence.contains(&named), "{}", evidence);
        prop_assert!(evidence.contains(", last passed on by worker 2 of stage 1 at "), "{}", evidence);

        let act = Act::Take { element: element(index), again: false };
        book.operation("worker 1 of stage 2", act, Some(Ending::Ok));
        let Judgement { verdict, evidence, .. } = judged(&book.events);
        prop_assert_eq!(verdict, Verdict::Pass, "{}", evidence);
    }
}

/// Deliveries of one confirmed task, each as new or again, with a restart of the broker between two where the list says so.
fn delivered(steps: &[Option<bool>], before: &str) -> Judgement {
    let mut book = book();
    book.operation("publisher 1", Act::Hand { element: element(0) }, Some(Ending::Ok));
    for (index, step) in steps.iter().enumerate() {
        match step {
            Some(again) => {
                // What was given out is, whatever becomes of its work.
                let outcome = (index > 0).then_some(Ending::Ok);
                book.operation("consumer 1", Act::Take { element: element(0), again: *again }, outcome);
            }
            None => {
                book.fault(index + 1, before);
                book.undo(index + 1, before);
            }
        }
    }
    book.operation("consumer 1", Act::Take { element: element(0), again: true }, Some(Ending::Ok));
    judged(&book.close())
}

proptest! {
    #[test]
    fn what_is_given_out_as_new_twice_is_named_unless_the_broker_forgot(
        steps in prop::collection::vec(prop_oneof![Just(None), any::<bool>().prop_map(Some)], 1..9),
        fault in prop::sample::select(vec!["kill rabbitmq", "restart rabbitmq", "kill redis", "down rabbitmq"]),
    ) {
        let forgets = ["kill rabbitmq", "restart rabbitmq"].contains(&fault);
        let last = steps.iter().rposition(|step| *step == Some(false)).unwrap_or(0);
        let new = steps.iter().filter(|step| **step == Some(false)).count();
        let restarts = steps[..last].iter().filter(|step| forgets && step.is_none()).count();
        let Judgement { verdict, evidence, .. } = delivered(&steps, fault);
        let expected = if new > 1 + restarts { Verdict::Fail } else { Verdict::Pass };
        prop_assert_eq!(verdict, expected, "{}", evidence);
        if expected == Verdict::Fail {
            let words = format!("1 elements were given out as new more than once, at most 0 may be: `engine.1.0` first, {new} times");
            prop_assert!(evidence.contains(&words), "{}", evidence);
        }
    }
}

#[test]
fn what_was_handed_over_or_passed_on_twice_may_come_as_new_twice() {
    let take = || Act::Take { element: element(0), again: false };
    let judge = |before: &[Act]| {
        let mut book = book();
        before.iter().for_each(|act| book.operation("client 1", act.clone(), Some(Ending::Ok)));
        book.operation("consumer 1", take(), Some(Ending::Ok));
        book.operation("consumer 2", take(), Some(Ending::Ok));
        judged(&book.close()).verdict
    };
    let (hand, pass) = (Act::Hand { element: element(0) }, Act::Pass { element: element(0), again: false });
    assert_eq!(judge(std::slice::from_ref(&hand)), Verdict::Fail);
    assert_eq!(judge(&[hand.clone(), hand.clone()]), Verdict::Pass);
    assert_eq!(judge(&[hand.clone(), pass.clone()]), Verdict::Pass);
    // What became of the passing does not matter.
    let mut book = book();
    book.operation("publisher 1", hand, Some(Ending::Ok));
    book.operation("worker 1", pass, Some(Ending::Failed));
    (0..2).for_each(|_| book.operation("consumer 1", take(), Some(Ending::Ok)));
    assert_eq!(judged(&book.close()).verdict, Verdict::Pass);
    // Each of several takes its own copy.
    let to = ["consumer 1", "consumer 2"].map(str::to_owned).to_vec();
    assert_eq!(judge(&[Act::Announce { element: element(0), to }]), Verdict::Pass);
}
