//! First deliveries in the publishers' order pass, whatever is redelivered, unknown or interleaved; two that change places
//! at one consumer turn them red and are named.

use bulkhead_model::{Act, Ending, Service, Verdict, history::Event};
use proptest::prelude::*;

use super::{InOrder, NOTHING};
use crate::{Check, Judgement, book::Book};

/// One element: whose, how handing it over comes out, and when it comes where nothing says when it must.
#[derive(Clone, Copy, Debug)]
struct Element {
    publisher: usize,
    handed: Ending,
    /// When one comes that nobody acknowledged, and when one comes again.
    stray: usize,
    again: bool,
}

/// How far what is handed over later comes later.
const STEP: usize = 1000;

fn elements() -> impl Strategy<Value = Vec<Element>> {
    let ending =
        prop::sample::select(vec![Ending::Ok, Ending::Ok, Ending::Ok, Ending::Unknown, Ending::Failed]);
    let element = (0_usize..2, ending, 0..30 * STEP, any::<bool>());
    let element =
        element.prop_map(|(publisher, handed, stray, again)| Element { publisher, handed, stray, again });
    prop::collection::vec(element, 4..30)
}

fn name(element: &Element, index: usize) -> String {
    format!("engine.{}.{index}", element.publisher)
}

/// When each element comes first; what the second publisher sends is slower by so much.
fn places(elements: &[Element], lag: usize) -> Vec<usize> {
    let place = |(index, element): (usize, &Element)| match element.handed {
        Ending::Ok => index * STEP + element.publisher * lag,
        _ => element.stray,
    };
    elements.iter().enumerate().map(place).collect()
}

/// All are announced; then two consumers take them, the second as `second` says.
fn history(elements: &[Element], first: &[usize], second: &[usize]) -> Vec<Event> {
    let mut book = Book::of(Service::Rabbitmq, "rabbitmq.events");
    let to = vec![String::from("consumer 1"), String::from("consumer 2")];
    for (index, element) in elements.iter().enumerate() {
        let (client, act) = (
            format!("publisher {}", element.publisher),
            Act::Announce { element: name(element, index), to: to.clone() },
        );
        book.operation(&client, act, Some(element.handed));
    }
    for (client, places) in to.iter().zip([first, second]) {
        let known = elements.iter().enumerate().filter(|(_, element)| element.handed != Ending::Failed);
        let mut takes: Vec<_> =
            known.clone().map(|(index, element)| (places[index], name(element, index), false)).collect();
        let again = known.filter(|(_, element)| element.again);
        takes.extend(again.map(|(index, element)| (element.stray, name(element, index), true)));
        takes.sort();
        for (_, element, again) in takes {
            book.operation(client, Act::Take { element, again }, Some(Ending::Ok));
        }
    }
    book.close()
}

fn judged(history: &[Event]) -> Judgement {
    InOrder.judge(history, 0)
}

proptest! {
    #[test]
    fn what_comes_in_order_passes(mut elements in elements(), lag in 0_usize..5 * STEP) {
        for element in &mut elements[..2] {
            (element.publisher, element.handed) = (0, Ending::Ok);
        }
        let places = places(&elements, lag);
        let Judgement { verdict, evidence, .. } = judged(&history(&elements, &places, &places));
        let taken = 2 * elements.iter().filter(|element| element.handed == Ending::Ok).count();
        let words = format!("0 of {taken} first deliveries out of order, at 2 consumers");
        prop_assert_eq!((verdict, evidence), (Verdict::Pass, words));
    }

    #[test]
    fn two_that_change_places_at_one_consumer_are_named(
        mut elements in elements(),
        one: prop::sample::Index,
        other: prop::sample::Index,
        lag in 0_usize..5 * STEP,
    ) {
        let (one, other) = (one.index(elements.len()), other.index(elements.len()));
        let (before, after) = (one.min(other), one.max(other));
        prop_assume!(before < after);
        for index in [before, after] {
            (elements[index].publisher, elements[index].handed) = (1, Ending::Ok);
        }
        let places = places(&elements, lag);
        let mut swapped = places.clone();
        swapped.swap(before, after);
        let Judgement { verdict, evidence, .. } = judged(&history(&elements, &places, &swapped));
        prop_assert_eq!(verdict, Verdict::Fail);
        let behind = format!("after `engine.1.{after}`, although publisher 1 handed it over before");
        prop_assert!(evidence.contains(&behind) && evidence.contains(" first, to consumer 2 at "), "{}", evidence);
        // The same is no disorder where nobody acknowledged what comes late.
        elements[before..after].iter_mut().for_each(|element| element.handed = Ending::Unknown);
        let Judgement { verdict, evidence, .. } = judged(&history(&elements, &places, &swapped));
        prop_assert_ne!(verdict, Verdict::Fail, "{}", evidence);
    }
}

#[test]
fn one_of_each_publisher_has_no_order() {
    let element = |publisher| Element { publisher, handed: Ending::Ok, stray: 0, again: true };
    let Judgement { verdict, evidence, .. } = judged(&history(&[element(0), element(1)], &[1, 0], &[0, 1]));
    assert_eq!((verdict, evidence.as_str()), (Verdict::Unknown, NOTHING));
}

#[test]
fn a_history_of_a_hundred_thousand_elements_is_judged_in_one_go() {
    let element = Element { publisher: 0, handed: Ending::Ok, stray: 0, again: false };
    let (elements, places) = (vec![element; 100_000], (0..100_000).collect::<Vec<_>>());
    assert_eq!(judged(&history(&elements, &places, &places)).verdict, Verdict::Pass);
}
