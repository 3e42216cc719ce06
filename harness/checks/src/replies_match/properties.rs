//! Calls that are answered rightly pass, however they overlap and get lost; a wrong answer, two that are swapped, one that
//! is empty and one that nobody asked for turn them red and are named.

use bulkhead_model::{Act, Ending, Found, Service, Verdict, answer_to, history::Event};
use proptest::prelude::*;

use super::RepliesMatch;
use crate::{Check, Judgement, book::Book};

/// One call: how it comes out and when it begins and is over.
#[derive(Clone, Copy, Debug)]
struct Call {
    outcome: Ending,
    from: u64,
    lasts: u64,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let ending =
        prop::sample::select(vec![Ending::Ok, Ending::Ok, Ending::Ok, Ending::Unknown, Ending::Failed]);
    let call = (ending, 0_u64..50, 1_u64..20);
    prop::collection::vec(call.prop_map(|(outcome, from, lasts)| Call { outcome, from, lasts }), 2..30)
}

fn request(index: usize) -> String {
    format!("engine.1.{index}")
}

/// Every call is answered with what `reply` makes of it.
fn history(calls: &[Call], reply: impl Fn(usize) -> Option<String>) -> Vec<Event> {
    let mut moments = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let found = (call.outcome == Ending::Ok).then(|| Found::Value(reply(index)));
        let came = (call.outcome, found);
        moments.push((call.from, index, Some(Act::Call { request: request(index) }), came.clone()));
        moments.push((call.from + call.lasts, index, None, came));
    }
    Book::of(Service::Rabbitmq, "rabbitmq.calls").tell(moments)
}

fn right(index: usize) -> Option<String> {
    Some(answer_to(&request(index)))
}

fn judged(history: &[Event]) -> Judgement {
    RepliesMatch.judge(history, 0)
}

proptest! {
    #[test]
    fn right_answers_pass(calls in calls()) {
        let answered = calls.iter().filter(|call| call.outcome == Ending::Ok).count();
        let Judgement { verdict, evidence, .. } = judged(&history(&calls, right));
        if answered == 0 {
            prop_assert_eq!((verdict, evidence.as_str()), (Verdict::Unknown, super::NOTHING));
        } else {
            let without = calls.len() - answered;
            let words = format!("{answered} of {answered} replies are the answers to their requests; {without} calls \
                                 got none");
            prop_assert_eq!((verdict, evidence), (Verdict::Pass, words));
        }
    }

    #[test]
    fn a_wrong_or_an_empty_answer_is_named(mut calls in calls(), which: prop::sample::Index, empty: bool) {
        let index = which.index(calls.len());
        calls[index].outcome = Ending::Ok;
        let wrong = (!empty).then(|| String::from("engine.0000000000000000"));
        let reply = |asked| if asked == index { wrong.clone() } else { right(asked) };
        let Judgement { verdict, evidence, .. } = judged(&history(&calls, reply));
        prop_assert_eq!(verdict, Verdict::Fail);
        let named = format!("at most 0 may be: `{}` first, called by client {index} at ", request(index));
        prop_assert!(evidence.starts_with("1 of ") && evidence.contains(&named), "{}", evidence);
        let words = if empty { "got nothing at " } else { "which is the answer to nothing that was asked" };
        prop_assert!(evidence.contains(words), "{}", evidence);
    }

    #[test]
    fn two_answers_that_are_swapped_are_named(mut calls in calls()) {
        (calls[0].outcome, calls[1].outcome) = (Ending::Ok, Ending::Ok);
        let reply = |asked| right(match asked { 0 => 1, 1 => 0, other => other });
        let Judgement { verdict, evidence, .. } = judged(&history(&calls, reply));
        prop_assert_eq!(verdict, Verdict::Fail);
        prop_assert!(evidence.starts_with("2 of "), "{}", evidence);
        let ends = [1, 0].map(|other| format!(", which is the answer to `{}` of client {other}", request(other)));
        prop_assert!(ends.iter().any(|end| evidence.ends_with(end)), "{}", evidence);
    }

    #[test]
    fn a_reply_that_nobody_asked_for_is_named(calls in calls(), known: bool) {
        let mut book = Book::of(Service::Rabbitmq, "rabbitmq.calls");
        book.finds("caller 1", Act::Call { request: request(0) }, Found::Value(right(0)));
        let reply = if known { answer_to(&request(0)) } else { String::from("plane.1") };
        book.operation("caller 2", Act::Unasked { reply: reply.clone() }, Some(Ending::Ok));
        let before = history(&calls, right);
        let mut events = before;
        events.extend(book.close());
        let Judgement { verdict, evidence, .. } = judged(&events);
        prop_assert_eq!(verdict, Verdict::Fail);
        let named = format!("1 replies came to who had not asked, at most 0 may: `{reply}` first, to caller 2 at ");
        prop_assert!(evidence.starts_with(&named), "{}", evidence);
        let end = if known { "which is the answer to `engine.1.0` of " } else { "nothing that was asked" };
        prop_assert!(evidence.contains(end), "{}", evidence);
    }
}

#[test]
fn answers_that_nobody_called_for_say_nothing() {
    let mut book = Book::of(Service::Rabbitmq, "rabbitmq.calls");
    book.operation("caller 1", Act::Call { request: request(0) }, Some(Ending::Unknown));
    let Judgement { verdict, evidence, .. } = judged(&book.close());
    assert_eq!((verdict, evidence.as_str()), (Verdict::Unknown, super::NOTHING));
}

#[test]
fn a_history_of_a_hundred_thousand_calls_is_judged_in_one_go() {
    let mut book = Book::of(Service::Rabbitmq, "rabbitmq.calls");
    for index in 0..100_000 {
        book.finds("caller 1", Act::Call { request: request(index) }, Found::Value(right(index)));
    }
    assert_eq!(judged(&book.close()).verdict, Verdict::Pass);
}
