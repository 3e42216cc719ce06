//! A tenant that is locked out and refused passes; one that is answered before it is let in again turns it red and is
//! named; where nobody is told why, nobody knows.

use bulkhead_model::{
    Act, Ended, Ending, LockoutRecord, Service, TenantName, Verdict,
    history::{Event, EventKind},
};
use proptest::prelude::*;

use super::FailsClosed;
use crate::{Check, Judgement, book::Book};

const REASONS: [(Service, &str); 6] = [
    (Service::Postgres, "postgres: could not connect: password authentication failed for user \"engine\""),
    (Service::Redis, "redis: could not connect: Password authentication failed - AuthenticationFailed"),
    (Service::Redis, "WRONGPASS: invalid username-password pair or user is disabled."),
    (Service::Rabbitmq, "ACCESS_REFUSED - Login was refused"),
    (Service::S3, "403 InvalidAccessKeyId: The key is not valid"),
    (Service::S3, "403 SignatureDoesNotMatch: no"),
];

/// How an operation of the tenant that begins while it is locked out comes out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Met {
    /// It is told why.
    Told,
    /// It fails for another reason.
    Failed,
    /// It cannot know.
    Unknown,
    /// Nobody says.
    Open,
    /// What it received before is put on record.
    Received,
}

fn met() -> impl Strategy<Value = Vec<Met>> {
    let one = prop::sample::select(vec![Met::Told, Met::Failed, Met::Unknown, Met::Open, Met::Received]);
    prop::collection::vec(one, 0..12)
}

/// A history that is being written, of a tenant at a service that gives this reason.
struct Told {
    book: Book,
    service: Service,
    reason: &'static str,
}

impl Told {
    fn of(which: usize) -> Self {
        let (service, reason) = REASONS[which];
        Self { book: Book::of(service, "a.workload"), service, reason }
    }

    fn lockout(&self) -> LockoutRecord {
        LockoutRecord { fault: 1, service: self.service, tenant: TenantName::new("engine").unwrap() }
    }

    fn end(&mut self, op: u64, outcome: Ending, detail: &str) {
        self.book.write(EventKind::Ended(Ended { op, outcome, detail: detail.to_owned(), found: None }));
    }

    fn meets(&mut self, met: Met) {
        let add = Act::Add { element: "engine.1".into() };
        let (act, outcome, detail) = match met {
            Met::Told => (add, Ending::Failed, self.reason),
            Met::Failed => (add, Ending::Failed, "not sent: there is no connection"),
            Met::Unknown => (add, Ending::Unknown, self.reason),
            Met::Open => {
                self.book.begin("client 1", add);
                return;
            }
            Met::Received => (Act::Hear { element: "engine.1".into() }, Ending::Ok, ""),
        };
        let op = self.book.begin("client 1", act);
        self.end(op, outcome, detail);
    }

    /// An operation of this tenant that is answered.
    fn answered(&mut self, tenant: &'static str, client: &str) {
        self.book.tenant = tenant;
        self.book.operation(client, Act::ReadAll, Some(Ending::Ok));
        self.book.tenant = "engine";
    }

    /// The tenant is locked out, does that, and is let in again. What begins before or is over afterwards is answered, as
    /// is its neighbour.
    fn locked_out(mut self, met: &[Met], meanwhile: impl FnOnce(&mut Self)) -> Vec<Event> {
        self.answered("engine", "client 1");
        let before = self.book.begin("client 2", Act::ReadAll);
        self.book.fault(1, "revoked-password");
        self.answered("engine", "client 1");
        self.book.write(EventKind::LockedOut(self.lockout()));
        self.end(before, Ending::Ok, "");
        self.answered("plane", "client 3");
        met.iter().for_each(|met| self.meets(*met));
        meanwhile(&mut self);
        let after = self.book.begin("client 2", Act::ReadAll);
        self.book.write(EventKind::LetIn(self.lockout()));
        self.end(after, Ending::Ok, "");
        self.book.undo(1, "revoked-password");
        self.answered("engine", "client 1");
        self.book.close()
    }
}

fn judged(history: &[Event]) -> Judgement {
    FailsClosed.judge(history, 0)
}

proptest! {
    #[test]
    fn whoever_is_locked_out_and_told_why_passes(which in 0..REASONS.len(), met in met()) {
        let Judgement { verdict, evidence, .. } = judged(&Told::of(which).locked_out(&met, |_| ()));
        let told = met.iter().filter(|met| **met == Met::Told).count();
        prop_assert_eq!(verdict, if told > 0 { Verdict::Pass } else { Verdict::Unknown }, "{}", evidence);
        let tried = met.len() + 1;
        let words = format!("none of {tried} operations was answered while engine was locked out of ");
        prop_assert!(evidence.starts_with(&words), "{}", evidence);
        prop_assert!(told == 0 || evidence.contains(&format!(", and {told} were told: ")), "{}", evidence);
    }

    #[test]
    fn the_first_that_is_answered_is_named(which in 0..REASONS.len(), before in met(), after in met()) {
        let history = Told::of(which).locked_out(&before, |told| {
            told.answered("engine", "client 7");
            told.answered("engine", "client 8");
            after.iter().for_each(|met| told.meets(*met));
        });
        let Judgement { verdict, evidence, .. } = judged(&history);
        prop_assert_eq!(verdict, Verdict::Fail, "{}", &evidence);
        let tried = before.len() + after.len() + 3;
        prop_assert!(evidence.starts_with(&format!("2 of {tried} operations were answered though ")), "{}", evidence);
        prop_assert!(evidence.contains(": reading all first, by client 7, begun at "), "{}", evidence);
        prop_assert!(evidence.ends_with(", during revoked-password"), "{}", evidence);
    }

    #[test]
    fn another_services_words_are_no_reason(which in 0..REASONS.len(), other in 0..REASONS.len(), met in met()) {
        let told = Told { reason: REASONS[other].1, ..Told::of(which) };
        let same = told.service == REASONS[other].0;
        let verdict = judged(&told.locked_out(&met, |_| ())).verdict;
        let passes = same && met.contains(&Met::Told);
        prop_assert_eq!(verdict, if passes { Verdict::Pass } else { Verdict::Unknown });
    }
}

#[test]
fn one_lockout_of_which_nobody_knows_is_not_made_good_by_another() {
    let mut history = Told::of(0).locked_out(&[Met::Told], |_| ());
    history.pop();
    let second = Told { book: Told::of(0).book.after(history), ..Told::of(0) };
    assert_eq!(judged(&second.locked_out(&[Met::Failed], |_| ())).verdict, Verdict::Unknown);
}

#[test]
fn a_lockout_without_an_end_lasts() {
    let mut told = Told::of(1);
    told.book.write(EventKind::LockedOut(told.lockout()));
    told.meets(Met::Told);
    told.answered("engine", "client 1");
    assert_eq!(judged(&told.book.close()).verdict, Verdict::Fail);
}
