//! What names its tenant passes, however it is received; a neighbour's and nobody's turn it red and are named; a probe's
//! verdict counts beside it.

use bulkhead_model::{
    Act, Content, Ended, Ending, Found, Service, Verdict,
    history::{Event, EventKind},
};
use proptest::prelude::*;

use super::NothingForeign;
use crate::{Check, Judgement, book::Book, generic_tests::probe};

/// One thing that is received, in one of the ways in which things are.
fn receive(book: &mut Book, way: usize, name: String) {
    match way % 4 {
        0 => book.operation("client 1", Act::Take { element: name, again: false }, Some(Ending::Ok)),
        // It was received, whatever became of its acknowledgement.
        1 => book.operation("client 1", Act::Take { element: name, again: true }, None),
        2 => book.finds("client 1", Act::ReadAll, Found::Elements(vec![String::from("engine.own"), name])),
        _ => book.finds("client 1", Act::Read { register: String::from("r") }, Found::Value(Some(name))),
    }
}

fn book(ways: &[usize]) -> Book {
    let mut book = Book::of(Service::Redis, "redis.query-cache");
    for (index, way) in ways.iter().enumerate() {
        receive(&mut book, *way, format!("engine.{index}.a"));
    }
    book
}

fn judged(history: &[Event]) -> Judgement {
    NothingForeign.judge(history, 0)
}

proptest! {
    #[test]
    fn what_names_its_tenant_passes_and_what_does_not_is_named(
        ways in prop::collection::vec(0_usize..4, 1..20),
        way in 0_usize..4,
        name in prop::sample::select(vec!["plane.1", "engin.1", "engine", "engine2.1", "", ".engine", "Engine.1", "p.engine.1"]),
        later in prop::collection::vec(0_usize..4, 0..5),
    ) {
        let mut book = book(&ways);
        let total = ways.iter().map(|way| if way % 4 == 2 { 2 } else { 1 }).sum::<usize>();
        let Judgement { verdict, evidence, .. } = judged(&book.clone().close());
        prop_assert_eq!(verdict, Verdict::Pass, "{}", evidence);
        prop_assert_eq!(evidence, format!("0 of {total} elements and values that workloads received were foreign"));
        book.fault(1, "down redis");
        receive(&mut book, way, name.to_owned());
        for way in later {
            receive(&mut book, way, String::from("third.1"));
        }
        let Judgement { verdict, evidence, .. } = judged(&book.close());
        prop_assert_eq!(verdict, Verdict::Fail, "{}", evidence);
        let whose = match name.split_once('.') {
            Some((owner, _)) if !owner.is_empty() => format!("{owner}'s"),
            _ => String::from("nobody's"),
        };
        let words = format!("`{name}` first, {whose}, received by client 1, engine's redis.query-cache, at ");
        prop_assert!(evidence.contains(&words) && evidence.ends_with(", during down redis"), "{}", evidence);
    }
}

#[test]
fn probes_count_beside_what_workloads_receive() {
    let mut good = book(&[0, 2]);
    good.write(EventKind::Probe(probe("engine", "plane")));
    let Judgement { verdict, evidence, .. } = judged(&good.clone().close());
    assert_eq!(verdict, Verdict::Pass);
    assert_eq!(
        evidence,
        "0 canaries in what 1 probes received; 0 of 3 elements and values that workloads received were foreign"
    );
    let mut leaked = probe("engine", "plane");
    leaked.canary_seen = true;
    good.write(EventKind::Probe(leaked));
    assert_eq!(judged(&good.close()).verdict, Verdict::Fail);
}

#[test]
fn where_nothing_was_received_nobody_knows() {
    let mut book = Book::of(Service::S3, "s3.logs");
    book.finds("client 1", Act::ReadAll, Found::Elements(Vec::new()));
    book.finds("client 1", Act::Read { register: String::from("r") }, Found::Value(None));
    assert_eq!(judged(&book.close()).verdict, Verdict::Unknown);
}

/// An operation that fails with these words, or is answered with them.
fn told(book: &mut Book, answered: bool, words: &str) {
    let op = book.begin("client 1", Act::Trespass { what: String::from("an expired link") });
    let (outcome, detail, found) = match answered {
        true => (Ending::Ok, String::new(), Some(Found::Answer { refused: true, said: words.to_owned() })),
        false => (Ending::Failed, words.to_owned(), None),
    };
    book.write(EventKind::Ended(Ended { op, outcome, detail, found }));
}

/// What surrounds a name in a text.
fn around() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "no such key ",
        "`",
        "(",
        "https://127.0.0.1:5432/engine.1.2/",
        "redis-7.0.15: ",
        "lapin 2.5.0, ",
    ])
}

proptest! {
    #[test]
    fn a_neighbours_name_in_a_text_is_named_and_other_words_are_not(
        answered: bool,
        before in around(),
        name in prop::sample::select(vec!["plane.1.17", "third_app.22.1"]),
        after in prop::sample::select(vec!["", ".", "` exists", ") violates a constraint", ", again"]),
        harmless in prop::sample::select(vec![
            "engine.1.17", "v1.2.3", "tokio-1.40.0", "10.0.0.1", "node.1764.12.0", "plane.tld", "plane.1", "a.b.c", "Plane.1.2",
        ]),
    ) {
        let mut clean = book(&[0]);
        told(&mut clean, answered, &format!("{before}{harmless}{after}"));
        let Judgement { verdict, evidence, .. } = judged(&clean.clone().close());
        prop_assert_eq!(verdict, Verdict::Pass, "{}", evidence);
        told(&mut clean, answered, &format!("{before}{name}{after}"));
        let Judgement { verdict, evidence, .. } = judged(&clean.close());
        prop_assert_eq!(verdict, Verdict::Fail, "{}", evidence);
        let owner = name.split('.').next().unwrap();
        let words = format!("1 texts and bodies were foreign, at most 0 may be: `{name}` in a text first, {owner}'s, received by client 1");
        prop_assert!(evidence.contains(&words), "{}", evidence);
    }
}

#[test]
fn a_tenant_with_digits_in_its_name_is_known_by_its_operations() {
    let mut book = book(&[0]);
    told(&mut book, false, "duplicate key `app2.1.1`");
    assert_eq!(judged(&book.clone().close()).verdict, Verdict::Pass);
    book.tenant = "app2";
    book.operation("client 1", Act::ReadAll, Some(Ending::Failed));
    assert_eq!(judged(&book.close()).verdict, Verdict::Fail);
}

#[test]
fn a_body_that_another_tenant_sent_is_foreign() {
    let content = |digest: &str| Content { bytes: 3, digest: digest.to_owned() };
    let fetch = |digest: &str, found: &str| {
        let mut book = book(&[0]);
        book.tenant = "plane";
        let upload = Act::Upload { object: String::from("a"), content: content("abc") };
        book.operation("client 2", upload, Some(Ending::Ok));
        book.tenant = "engine";
        let act = Act::Fetch { object: String::from("b"), range: None, holds: Some(content(digest)) };
        book.finds("client 1", act, Found::Content(Some(content(found))));
        judged(&book.close())
    };
    assert_eq!(fetch("def", "def").verdict, Verdict::Pass);
    assert_eq!(fetch("abc", "abc").verdict, Verdict::Pass, "both have it");
    let Judgement { verdict, evidence, .. } = fetch("def", "abc");
    assert_eq!(verdict, Verdict::Fail);
    assert!(
        evidence.contains("a body with the digest `abc` first, plane's, received by client 1"),
        "{evidence}"
    );
}
