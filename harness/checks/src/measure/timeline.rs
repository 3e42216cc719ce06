//! What went wrong stands in the second in which it was due, once, whichever invariant found it.

use std::collections::BTreeMap;

use bulkhead_model::{
    Act, Amount, AuditRecord, Content, Ended, Ending, Entry, Found, Invoked, Service, TenantName, Unit,
    Verdict, answer_to,
    bench::{Second, Wrong, Wrongs},
    history::{Event, EventKind},
    scenario::Expected,
};
use proptest::prelude::*;

use super::{SECOND, measure};
use crate::{generic_tests::any_event, judge_and_name, oracle};

const S: u64 = SECOND;

/// One operation: who does it, when it was due, what it does and finds. Each takes a millisecond.
type Done = (&'static str, u64, Act, Option<Found>);

fn tenant() -> TenantName {
    TenantName::new("engine").unwrap()
}

fn history(done: &[Done], end: u64) -> Vec<Event> {
    let mut events = Vec::new();
    for (op, (client, at, act, found)) in (1..).zip(done.iter().cloned()) {
        let invoked = Invoked {
            op,
            client: client.to_owned(),
            tenant: tenant(),
            service: Service::Redis,
            workload: String::from("redis.told"),
            act,
            due: Some(at),
        };
        events.push(Event { at, kind: EventKind::Invoked(invoked) });
        let ended = Ended { op, outcome: Ending::Ok, found, detail: String::new() };
        events.push(Event { at: at + S / 1_000, kind: EventKind::Ended(ended) });
    }
    events.push(Event { at: end, kind: EventKind::Healed });
    events.push(Event { at: end, kind: EventKind::CaseEnded });
    events.sort_by_key(|event| event.at);
    events
}

/// What went wrong in each second, of all kinds of operations together, and besides.
fn timeline(history: &[Event], warm_up: u64) -> (Vec<Wrongs>, Wrongs) {
    let bound = Amount { unit: Unit::Time, value: 50 };
    let ttl = Expected { name: String::from("within-ttl"), bound: Some(bound) };
    let (_, culprits) = judge_and_name(history, &[oracle(history), vec![ttl]].concat());
    let measured = measure(history, &tenant(), warm_up, &BTreeMap::new(), &culprits);
    let acts = || measured.loads.iter().flat_map(|load| &load.acts);
    for act in acts() {
        assert_eq!(act.wrong, act.seconds.iter().map(|second| second.wrong).sum());
    }
    let many = acts().map(|act| act.seconds.len()).max().unwrap_or_default();
    let of =
        |act: &[Second], second: usize| act.get(second).map_or_else(Wrongs::default, |found| found.wrong);
    let seconds = (0..many).map(|second| acts().map(|act| of(&act.seconds, second)).sum());
    (seconds.collect(), measured.beside)
}

/// The only thing that is wrong is that, in that second.
fn is_only(done: &[Done], wrong: Wrong, second: usize) {
    let (found, beside) = timeline(&history(done, 5 * S), 0);
    let wanted: Vec<_> = (0..found.len())
        .map(|place| {
            let mut wrongs = Wrongs::default();
            if place == second {
                wrongs.count(wrong);
            }
            wrongs
        })
        .collect();
    assert_eq!((found, beside), (wanted, Wrongs::default()), "{wrong:?} of {done:?}");
}

fn is_sound(done: &[Done]) {
    let (found, beside) = timeline(&history(done, 5 * S), 0);
    assert_eq!(
        (found.into_iter().sum::<Wrongs>(), beside),
        (Wrongs::default(), Wrongs::default()),
        "{done:?}"
    );
}

fn hand(at: u64, element: &str) -> Done {
    ("publisher", at, Act::Hand { element: format!("engine.{element}") }, None)
}

fn take(at: u64, element: &str) -> Done {
    ("consumer", at, Act::Take { element: format!("engine.{element}"), again: false }, None)
}

/// Four that are handed over in four seconds and taken at once.
fn queue() -> Vec<Done> {
    (0..4)
        .zip(["1", "2", "3", "4"])
        .flat_map(|(at, name)| [hand(at * S, name), take(at * S + S / 2, name)])
        .collect()
}

#[test]
fn a_queue_that_loses_doubles_mixes_up_or_makes_up_one_says_when() {
    is_sound(&queue());
    let mut lost = queue();
    lost.remove(5);
    is_only(&lost, Wrong::Lost, 2);
    is_only(&[queue(), vec![take(3 * S + S / 4, "2")]].concat(), Wrong::Duplicated, 3);
    let mut late = queue();
    late[3].1 = 2 * S + 3 * S / 4;
    is_only(&late, Wrong::Reordered, 2);
    is_only(&[queue(), vec![take(S + S / 4, "9")]].concat(), Wrong::Foreign, 1);
    // A neighbour's, which was found twice over: it is one operation.
    let theirs = ("consumer", S + S / 4, Act::Take { element: String::from("plane.9"), again: false }, None);
    is_only(&[queue(), vec![theirs]].concat(), Wrong::Foreign, 1);
}

#[test]
fn a_set_that_loses_doubles_or_makes_up_one_says_when() {
    let add = |at: u64, name: &str| ("adder", at * S, Act::Add { element: format!("engine.{name}") }, None);
    let read = |names: &[&str]| {
        let found = names.iter().map(|name| format!("engine.{name}")).collect();
        ("reader", 4 * S, Act::ReadAll, Some(Found::Elements(found)))
    };
    let set = |names: &[&str]| [vec![add(0, "1"), add(1, "2"), add(2, "3")], vec![read(names)]].concat();
    is_sound(&set(&["1", "2", "3"]));
    is_only(&set(&["1", "3"]), Wrong::Lost, 1);
    is_only(&set(&["1", "2", "3", "3"]), Wrong::Duplicated, 2);
    is_only(&set(&["1", "2", "3", "9"]), Wrong::Foreign, 4);
}

#[test]
fn a_channel_that_misses_repeats_or_makes_up_a_message_says_when() {
    let at = |when, act| ("listener", when, act, None);
    let hear = |when, name: &str| at(when, Act::Hear { element: format!("engine.{name}") });
    let send =
        |when, name: &str| ("sender", when, Act::Broadcast { element: format!("engine.{name}") }, None);
    let heard = |more: Vec<Done>| {
        let edges = [at(0, Act::Subscribe { line: 1 }), at(4 * S, Act::Attend { line: 1 })];
        [edges.to_vec(), vec![send(S, "1"), send(2 * S, "2"), hear(S + S / 2, "1")], more].concat()
    };
    let second = || hear(2 * S + S / 2, "2");
    is_sound(&heard(vec![second()]));
    is_only(&heard(vec![]), Wrong::Lost, 2);
    is_only(&heard(vec![second(), hear(3 * S, "1")]), Wrong::Duplicated, 3);
    is_only(&heard(vec![second(), hear(3 * S, "7")]), Wrong::Foreign, 3);
}

#[test]
fn replies_registers_objects_and_books_say_when() {
    let reply = |text: &str| Some(Found::Value(Some(answer_to(text))));
    let call = |at: u64, request: &str, answered: &str| {
        (
            "caller",
            at * S,
            Act::Call { request: format!("engine.{request}") },
            reply(&format!("engine.{answered}")),
        )
    };
    is_sound(&[call(0, "1", "1"), call(1, "2", "2")]);
    is_only(&[call(0, "1", "1"), call(1, "2", "1")], Wrong::Foreign, 1);
    let unasked = |request: &str, who| {
        let reply = answer_to(&format!("engine.{request}"));
        (who, 3 * S, Act::Unasked { reply }, None)
    };
    is_only(&[call(0, "1", "1"), unasked("1", "caller")], Wrong::Duplicated, 3);
    is_only(&[call(0, "1", "1"), unasked("1", "other")], Wrong::Foreign, 3);

    let register = || String::from("engine.r");
    let write = |at: u64, value: &str| {
        ("writer", at * S, Act::Write { register: register(), value: format!("engine.{value}") }, None)
    };
    let read = |at: u64, value: &str| {
        let found = Found::Value(Some(format!("engine.{value}")));
        ("reader", at * S, Act::Read { register: register() }, Some(found))
    };
    is_sound(&[write(0, "a"), write(1, "b"), read(2, "b")]);
    is_only(&[write(0, "a"), write(1, "b"), read(2, "a")], Wrong::Reordered, 2);
    is_only(&[write(0, "a"), write(1, "b"), read(3, "z")], Wrong::Foreign, 3);

    let (object, content) =
        (|| String::from("o"), |digest: &str| Content { bytes: 1, digest: digest.to_owned() });
    let whole = [
        ("client", 0, Act::Upload { object: object(), content: content("aa") }, None),
        ("client", S, Act::Complete { object: object() }, None),
        (
            "client",
            2 * S,
            Act::Fetch { object: object(), range: None, holds: None },
            Some(Found::Content(Some(content("aa")))),
        ),
    ];
    let fetch = |found| {
        let act = Act::Fetch { object: object(), range: None, holds: None };
        [whole.to_vec(), vec![("client", 3 * S, act, Some(Found::Content(found)))]].concat()
    };
    is_sound(&fetch(Some(content("aa"))));
    is_only(&fetch(None), Wrong::Lost, 1);
    is_only(&fetch(Some(content("bb"))), Wrong::Foreign, 3);
}

#[test]
fn what_is_kept_for_a_time_says_when_unless_it_only_lives_on_too_long() {
    let key = || String::from("k");
    let keep = |at: u64, value: &str| {
        let act = Act::Keep { key: key(), value: format!("engine.{value}"), lives: 2_500, evictable: false };
        ("client", at * S, act, None)
    };
    let look = |at: u64, value: Option<&str>| {
        let found = Found::Value(value.map(|value| format!("engine.{value}")));
        ("client", at * S + S / 2, Act::Look { key: key() }, Some(found))
    };
    is_sound(&[keep(0, "a"), look(0, Some("a")), look(3, None)]);
    is_only(&[keep(0, "a"), keep(1, "b"), look(2, None)], Wrong::Lost, 1);
    is_only(&[keep(0, "a"), look(1, Some("z"))], Wrong::Foreign, 1);
    is_only(&[keep(0, "a"), keep(1, "b"), look(2, Some("a"))], Wrong::Reordered, 2);
    is_sound(&[keep(0, "a"), look(3, Some("a"))]);
}

#[test]
fn what_lies_outside_every_slice_is_told_besides() {
    let outside = vec![String::from("stray")];
    let audit = AuditRecord { service: Service::Redis, by: vec![tenant()], names: 3, outside };
    let mut stray = history(&queue(), 5 * S);
    stray.push(Event { at: 6 * S, kind: EventKind::Audit(audit) });
    let (seconds, beside) = timeline(&stray, 0);
    let foreign = Wrongs { foreign: 1, ..Wrongs::default() };
    assert_eq!((seconds.into_iter().sum::<Wrongs>(), beside), (Wrongs::default(), foreign));
}

#[test]
fn books_that_miss_or_double_a_transfer_say_when() {
    let moved = |name: &str| Entry {
        transfer: format!("engine.{name}"),
        from: String::from("a"),
        to: String::from("b"),
        amount: 1,
    };
    let transfer = |at: u64, name: &str| {
        let Entry { transfer, from, to, amount } = moved(name);
        ("client", at * S, Act::Transfer { transfer, from, to, amount }, None)
    };
    let books = |names: &[&str], [a, b]: [i64; 2]| {
        let both = |a: i64, b: i64| BTreeMap::from([(String::from("a"), a), (String::from("b"), b)]);
        let entries = names.iter().map(|name| moved(name)).collect();
        let found = Found::Books { balances: both(a, b), entries };
        [
            vec![transfer(0, "1"), transfer(1, "2"), transfer(2, "3")],
            vec![("reader", 3 * S, Act::ReadBooks { opened: both(10, 10) }, Some(found))],
        ]
        .concat()
    };
    is_sound(&books(&["1", "2", "3"], [7, 13]));
    is_only(&books(&["1", "3"], [8, 12]), Wrong::Lost, 1);
    is_only(&books(&["1", "2", "3", "3"], [6, 14]), Wrong::Duplicated, 2);
    is_only(&books(&["1", "2", "3"], [6, 13]), Wrong::Lost, 3);
    is_only(&books(&["1", "2", "3"], [7, 14]), Wrong::Foreign, 3);
}

#[test]
fn what_was_lost_in_the_warm_up_or_by_a_neighbour_is_counted_besides() {
    let mut lost = queue();
    lost.remove(1);
    let lost_once = Wrongs { lost: 1, ..Wrongs::default() };
    let (seconds, beside) = timeline(&history(&lost, 5 * S), S);
    assert_eq!((seconds.into_iter().sum::<Wrongs>(), beside), (Wrongs::default(), lost_once));
    let mut theirs = history(&lost, 5 * S);
    for event in &mut theirs {
        if let EventKind::Invoked(invoked) = &mut event.kind {
            let plane = invoked.act.clone();
            invoked.tenant = TenantName::new("plane").unwrap();
            invoked.act = match plane {
                Act::Hand { element } => Act::Hand { element: element.replace("engine", "plane") },
                Act::Take { element, again } => {
                    Act::Take { element: element.replace("engine", "plane"), again }
                }
                other => other,
            };
        }
    }
    let (seconds, beside) = timeline(&theirs, 0);
    assert_eq!((seconds.into_iter().sum::<Wrongs>(), beside), (Wrongs::default(), lost_once));
}

proptest! {
    /// Nothing of what was found gets away or counts twice, whatever the history, and where nothing failed there is nothing.
    #[test]
    fn all_that_was_found_is_counted_once(events in prop::collection::vec(any_event(), 0..40), warm_up in 0_u64..3) {
        let mut events = events;
        for event in &mut events {
            event.at %= 5 * S;
            if let EventKind::Invoked(Invoked { due: Some(due), .. }) = &mut event.kind {
                *due %= 5 * S;
            }
        }
        let (reports, culprits) = judge_and_name(&events, &oracle(&events));
        let measured = measure(&events, &tenant(), warm_up, &BTreeMap::new(), &culprits);
        let acts = measured.loads.iter().flat_map(|load| &load.acts);
        let counted = acts.map(|act| act.wrong).sum::<Wrongs>().total() + measured.beside.total();
        prop_assert_eq!(counted, u64::try_from(culprits.len()).unwrap());
        // `within-limit` counts who was let through, and names none.
        let failed = reports.iter().any(|report| {
            report.verdict == Verdict::Fail && report.name != "within-limit"
        });
        prop_assert_eq!(failed, counted > 0, "{:?}", reports);
    }

    /// Of elements that are lost at will, as many stand in each second as were handed over in it and never taken.
    #[test]
    fn each_second_has_its_own(lost in prop::collection::vec(any::<bool>(), 1..60)) {
        let names: Vec<_> = (0..lost.len()).map(|name| name.to_string()).collect();
        let at = |number: usize| u64::try_from(number).unwrap() * (S / 10);
        let handed = names.iter().enumerate().map(|(number, name)| hand(at(number), name));
        let taken = names.iter().enumerate().filter(|(number, _)| !lost[*number]);
        let taken = taken.map(|(number, name)| take(at(number) + S / 50, name));
        let (seconds, beside) = timeline(&history(&handed.chain(taken).collect::<Vec<_>>(), 7 * S), 0);
        let wanted = |second: usize| lost.iter().skip(second * 10).take(10).filter(|lost| **lost).count();
        for (second, wrongs) in seconds.iter().enumerate() {
            prop_assert_eq!(wrongs.total(), wrongs.lost);
            prop_assert_eq!(wrongs.lost, u64::try_from(wanted(second)).unwrap());
        }
        prop_assert_eq!(beside, Wrongs::default());
        prop_assert_eq!(seconds.iter().any(|wrongs| wrongs.lost > 0), lost.contains(&true));
    }
}
