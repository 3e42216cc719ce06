//! Every check judges a hundred thousand operations in one go: one whose time grows with their square would not come back
//! while anybody waits. No time is held against a clock.

use bulkhead_model::{
    Act, Content, Effect, Ended, Ending, Found, Item, ItemRecord, Service, TenantName, Verdict, answer_to,
    history::{Event, EventKind},
};

use crate::{ALL, book::Book, generic_tests::probe};

/// Operations of each history, or what takes their place.
const MANY: usize = 100_000;

fn name(number: usize) -> String {
    format!("engine.1.{number}")
}

/// One after another, each with what it finds.
fn all(book: &mut Book, count: usize, does: impl Fn(usize) -> (Act, Option<Found>)) {
    for number in 0..count {
        let (act, found) = does(number);
        let op = book.begin("client 1", act);
        book.end(op, Ending::Ok, found);
    }
}

/// A fault with as many operations before it, while it is on and after it.
fn under(fault: &str) -> Vec<Event> {
    let mut book = book();
    let adds = |from: usize| move |number| (Act::Add { element: name(from + number) }, None);
    all(&mut book, MANY / 3, adds(0));
    book.fault(1, fault);
    all(&mut book, MANY / 3, adds(MANY));
    book.undo(1, fault);
    all(&mut book, MANY / 3, adds(2 * MANY));
    book.write(EventKind::Healed);
    book.close()
}

fn book() -> Book {
    Book::of(Service::Redis, "redis.sessions")
}

/// Handed over and taken, or heard, or answered.
fn pairs(first: impl Fn(usize) -> (Act, Option<Found>), second: impl Fn(usize) -> Act) -> Vec<Event> {
    let mut book = book();
    for number in 0..MANY / 2 {
        let (act, found) = first(number);
        let op = book.begin("publisher 1", act);
        book.end(op, Ending::Ok, found);
        book.operation("consumer 1", second(number), Some(Ending::Ok));
    }
    book.close()
}

fn taken() -> Vec<Event> {
    pairs(
        |number| (Act::Hand { element: name(number) }, None),
        |number| Act::Take { element: name(number), again: false },
    )
}

fn heard() -> Vec<Event> {
    let mut book = book();
    book.operation("consumer 1", Act::Subscribe { line: 1 }, Some(Ending::Ok));
    let rest = pairs(
        |number| (Act::Broadcast { element: name(number) }, None),
        |number| Act::Hear { element: name(number) },
    );
    let mut events = book.events;
    let shift = |event: Event| Event { at: event.at + 10_000_000, kind: shifted(event.kind) };
    events.extend(rest.into_iter().map(shift));
    let last = events.pop();
    let mut book = Book::of(Service::Redis, "redis.sessions").after(events);
    book.operation("consumer 1", Act::Attend { line: 1 }, Some(Ending::Ok));
    book.events.extend(last);
    book.events
}

/// The numbers of a history that stands behind another's first operation.
fn shifted(kind: EventKind) -> EventKind {
    match kind {
        EventKind::Invoked(mut invoked) => {
            invoked.op += 1;
            EventKind::Invoked(invoked)
        }
        EventKind::Ended(ended) => EventKind::Ended(Ended { op: ended.op + 1, ..ended }),
        other => other,
    }
}

fn objects() -> Vec<Event> {
    let (mut book, content) = (book(), Content { bytes: 3, digest: String::from("abc") });
    for number in 0..MANY / 3 {
        let object = name(number);
        book.operation(
            "client 1",
            Act::Upload { object: object.clone(), content: content.clone() },
            Some(Ending::Ok),
        );
        book.operation("client 1", Act::Complete { object: object.clone() }, Some(Ending::Ok));
        book.finds(
            "client 1",
            Act::Fetch { object, range: None, holds: None },
            Found::Content(Some(content.clone())),
        );
    }
    book.close()
}

fn one_kind(does: impl Fn(usize) -> (Act, Option<Found>)) -> Vec<Event> {
    let mut book = book();
    all(&mut book, MANY, does);
    book.close()
}

fn records(kind: impl Fn(usize) -> EventKind) -> Vec<Event> {
    let mut book = book();
    (0..MANY).for_each(|number| book.write(kind(number)));
    book.close()
}

/// What each check passes.
fn history(check: &str) -> Vec<Event> {
    match check {
        "isolated" => records(|_| EventKind::Probe(probe("engine", "plane"))),
        "checklist-done" => records(|_| {
            EventKind::Item(ItemRecord {
                tenant: TenantName::new("engine").unwrap(),
                item: Item::VhostCreated,
                done: true,
                evidence: String::from("rabbitmq 3.10.8"),
                fix: String::new(),
            })
        }),
        "nothing-foreign" | "nothing-lost" | "in-order" => taken(),
        "nothing-missed" => heard(),
        "replies-match" => pairs(
            |number| {
                (Act::Call { request: name(number) }, Some(Found::Value(Some(answer_to(&name(number))))))
            },
            |number| Act::Answer { request: name(number), again: false },
        ),
        "linearizable" => one_kind(|number| {
            let register = String::from("engine.1");
            match number % 2 {
                0 => (Act::Write { register, value: name(number) }, None),
                _ => (Act::Read { register }, Some(Found::Value(Some(name(number - 1))))),
            }
        }),
        "within-limit" => one_kind(|number| {
            let window = format!("window {}", number / 20);
            (Act::Admit { window, limit: 20 }, Some(Found::Admitted(true)))
        }),
        "within-ttl" => kept(),
        "conserved-total" => books(),
        "byte-exact" => objects(),
        "fails-closed" => refused(),
        "unhindered" => under("flood redis"),
        _ => under("latency redis"),
    }
}

/// Each is found at once, and the first no more when its time is over.
fn kept() -> Vec<Event> {
    let (mut book, key) = (book(), |number: usize| format!("key {}", number / 2));
    all(&mut book, MANY, |number| match number % 2 {
        0 => (Act::Keep { key: key(number), value: name(number), lives: 60_000, evictable: false }, None),
        _ => (Act::Look { key: key(number) }, Some(Found::Value(Some(name(number - 1))))),
    });
    book.now += 100_000_000_000;
    book.finds("client 1", Act::Look { key: key(0) }, Found::Value(None));
    book.close()
}

/// Transfers, all of which are read in the end.
fn books() -> Vec<Event> {
    let mut book = book();
    let account = |name: &str| name.to_owned();
    let transfer = |number| bulkhead_model::Entry {
        transfer: name(number),
        from: account("a"),
        to: account("b"),
        amount: 1,
    };
    for number in 0..MANY {
        let bulkhead_model::Entry { transfer, from, to, amount } = transfer(number);
        book.operation("client 1", Act::Transfer { transfer, from, to, amount }, Some(Ending::Ok));
    }
    let many = i64::try_from(MANY).unwrap();
    let opened = [(account("a"), many), (account("b"), 0)].into();
    let balances = [(account("a"), 0), (account("b"), many)].into();
    let entries = (0..MANY).map(transfer).collect();
    book.finds("reader 1", Act::ReadBooks { opened }, Found::Books { balances, entries });
    book.close()
}

/// What must be refused is, and so is an impostor, each time.
fn refused() -> Vec<Event> {
    let mut book = book();
    book.touch(&vec![Effect::Refused(String::from("expired certificate")); MANY / 2]);
    for number in 0..MANY / 2 {
        let op = book.begin("client 1", Act::Trespass { what: String::from("an expired link") });
        let (outcome, detail, found) = match number {
            0 => (Ending::Failed, "invalid peer certificate: certificate expired", None),
            _ => (
                Ending::Ok,
                "",
                Some(Found::Answer { refused: true, said: String::from("403 AccessDenied") }),
            ),
        };
        book.write(EventKind::Ended(Ended { op, outcome, detail: detail.to_owned(), found }));
    }
    book.close()
}

#[test]
fn a_hundred_thousand_operations_are_judged_in_one_go() {
    for check in ALL {
        let history = history(check.name());
        assert!(history.len() >= MANY, "{}: {} events", check.name(), history.len());
        let judged = check.judge(&history, if check.name() == "available" { 100 } else { 10_000 });
        assert_eq!(judged.verdict, Verdict::Pass, "{}: {}", check.name(), judged.evidence);
    }
}
