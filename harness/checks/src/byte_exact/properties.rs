//! Objects that are kept to the byte pass, whatever becomes of their completion; each way of changing, losing or showing
//! one too early turns the first reading that has it red and is named.

use bulkhead_model::{Act, Content, Ending, Found, Service, Verdict, history::Event};
use proptest::prelude::*;

use super::ByteExact;
use crate::{Check, Judgement, book::Book};

/// What becomes of one object.
#[derive(Clone, Copy, Debug)]
struct Object {
    /// How its completion comes out; nothing where it is given up.
    completed: Option<Ending>,
    /// Whether it is there, where nobody knows.
    there: bool,
    looks_before: bool,
    looks_after: bool,
}

fn objects() -> impl Strategy<Value = Vec<Object>> {
    let ending = prop::sample::select(vec![Ending::Ok, Ending::Ok, Ending::Unknown, Ending::Failed]);
    let parts = (prop::option::weighted(0.8, ending), any::<bool>(), any::<bool>(), any::<bool>());
    let object = parts.prop_map(|(completed, there, looks_before, looks_after)| Object {
        completed,
        there: completed == Some(Ending::Ok) || there && completed == Some(Ending::Unknown),
        looks_before,
        looks_after,
    });
    prop::collection::vec(object, 1..12)
}

/// One that is completed and looked at whenever that can be.
const KEPT: Object =
    Object { completed: Some(Ending::Ok), there: true, looks_before: true, looks_after: true };

fn name(index: usize) -> String {
    format!("engine.1.{index}")
}

fn content(index: usize) -> Content {
    Content { bytes: 100, digest: format!("{index:064}") }
}

/// When an object is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
    AtTheEnd,
}

/// All objects one after another, and all of them once more at the end; readings find what `seen` makes of what is there.
fn history(objects: &[Object], seen: impl Fn(usize, When, Option<Content>) -> Option<Content>) -> Vec<Event> {
    let mut book = Book::of(Service::S3, "s3.backups");
    let fetch = |book: &mut Book, index: usize, when: When, there: bool| {
        let found = seen(index, when, there.then(|| content(index)));
        let act = Act::Fetch { object: name(index), range: None, holds: None };
        book.finds("client 1", act, Found::Content(found));
    };
    for (index, object) in objects.iter().enumerate() {
        let act = Act::Upload { object: name(index), content: content(index) };
        book.operation("client 1", act, Some(Ending::Ok));
        if object.looks_before {
            fetch(&mut book, index, When::Before, false);
        }
        match object.completed {
            Some(ending) => book.operation("client 1", Act::Complete { object: name(index) }, Some(ending)),
            None => book.operation("client 1", Act::Abort { object: name(index) }, Some(Ending::Unknown)),
        }
        if object.looks_after {
            fetch(&mut book, index, When::After, object.there);
        }
    }
    for (index, object) in objects.iter().enumerate() {
        fetch(&mut book, index, When::AtTheEnd, object.there);
    }
    book.close()
}

fn judged(history: &[Event]) -> Judgement {
    ByteExact.judge(history, 0)
}

/// The evidence, which must be red and about this object.
fn red(history: &[Event], index: usize) -> String {
    let Judgement { verdict, evidence, .. } = judged(history);
    assert_eq!(verdict, Verdict::Fail, "{evidence}");
    let named = format!(
        " readings are not what was put there, at most 0 may be: the first, of `{}` by ",
        name(index)
    );
    assert!(evidence.contains(&named), "{evidence}");
    evidence
}

proptest! {
    #[test]
    fn objects_that_are_kept_pass(objects in objects()) {
        let Judgement { verdict, evidence, .. } = judged(&history(&objects, |_, _, there| there));
        let some = objects.iter().any(|object| object.there);
        prop_assert_eq!(verdict, if some { Verdict::Pass } else { Verdict::Unknown }, "{}", evidence);
    }

    #[test]
    fn other_bytes_and_fewer_are_named(mut objects in objects(), bytes in 99_u64..=100) {
        let index = objects.len();
        objects.push(KEPT);
        let other = Content { bytes, digest: String::from("f0f0f0f0f0f0f0f0") };
        let seen = |object, when, there| if object == index && when == When::AtTheEnd { Some(other.clone()) } else { there };
        let evidence = red(&history(&objects, seen), index);
        let words = format!(", found {bytes} bytes (f0f0f0f0f0f0…) instead of 100 bytes (000000000000…)");
        prop_assert!(evidence.starts_with("1 of ") && evidence.ends_with(&words), "{}", evidence);
    }

    #[test]
    fn one_that_shows_before_it_is_completed_is_named(mut objects in objects()) {
        let index = objects.len();
        objects.push(KEPT);
        let seen = |object, when, there| if object == index && when == When::Before { Some(content(index)) } else { there };
        let evidence = red(&history(&objects, seen), index);
        prop_assert!(evidence.contains("found it before client 1 began to complete it at "), "{}", evidence);
    }

    #[test]
    fn one_that_was_given_up_or_could_not_be_completed_stays_hidden(
        mut objects in objects(),
        completed in prop::sample::select(vec![None, Some(Ending::Failed)]),
    ) {
        let index = objects.len();
        objects.push(Object { completed, there: false, ..KEPT });
        let seen = |object, when, there| if object == index && when == When::After { Some(content(index)) } else { there };
        let evidence = red(&history(&objects, seen), index);
        prop_assert!(evidence.contains("found it although it was given up or could not be completed"), "{}", evidence);
    }

    #[test]
    fn one_that_was_there_and_is_gone_is_named(
        mut objects in objects(),
        completed in prop::sample::select(vec![Ending::Ok, Ending::Unknown]),
    ) {
        let index = objects.len();
        objects.push(Object { completed: Some(completed), ..KEPT });
        let seen = |object, when, there| if object == index && when == When::AtTheEnd { None } else { there };
        let evidence = red(&history(&objects, seen), index);
        let how = if completed == Ending::Ok { "which client 1 completed at " } else { "which an earlier reading had" };
        prop_assert!(evidence.contains("found nothing of it, ") && evidence.contains(how), "{}", evidence);
    }

    #[test]
    fn a_reading_that_says_what_it_must_find_is_held_to_that(
        found in prop::option::of(0_usize..3),
        range in prop::option::of(Just([3_u64, 9])),
    ) {
        let mut book = Book::of(Service::S3, "s3.assets");
        let fetch = || Act::Fetch { object: name(1), range, holds: Some(content(1)) };
        book.finds("client 1", fetch(), Found::Content(Some(content(1))));
        book.finds("client 2", fetch(), Found::Content(found.map(content)));
        let events = book.close();
        match found {
            Some(1) => prop_assert_eq!(judged(&events).verdict, Verdict::Pass),
            Some(_) => prop_assert!(red(&events, 1).contains(" instead of 100 bytes")),
            None => prop_assert!(red(&events, 1).contains("found nothing where 100 bytes")),
        }
    }
}

#[test]
fn an_object_that_nobody_uploaded_or_completed_is_named() {
    let mut book = Book::of(Service::S3, "s3.backups");
    let fetch = || Act::Fetch { object: name(0), range: None, holds: None };
    let mut other = book.clone();
    book.finds("client 1", fetch(), Found::Content(Some(content(0))));
    assert!(red(&book.close(), 0).contains("found 100 bytes (000000000000…) that nobody uploaded"));
    other.operation("client 1", Act::Upload { object: name(0), content: content(0) }, Some(Ending::Ok));
    other.finds("client 1", fetch(), Found::Content(Some(content(0))));
    assert!(red(&other.close(), 0).contains("found it although nobody completed it"));
}

#[test]
fn an_acknowledged_object_that_nobody_read_leaves_it_open() {
    let mut book = Book::of(Service::S3, "s3.backups").after(history(&[KEPT], |_, _, there| there));
    book.operation("client 1", Act::Upload { object: name(7), content: content(7) }, Some(Ending::Ok));
    book.operation("client 1", Act::Complete { object: name(7) }, Some(Ending::Ok));
    let Judgement { verdict, evidence, .. } = judged(&book.close());
    assert_eq!(verdict, Verdict::Unknown);
    assert_eq!(evidence, "1 objects that were acknowledged were never read back");
}
