//! What is refused whenever it is answered passes; one that is let through turns it red and is named; where no answer came,
//! nobody knows.

use bulkhead_model::{
    Act, Effect, Ended, Ending, Found, Service, Verdict,
    history::{Event, EventKind},
};
use proptest::prelude::*;

use super::FailsClosed;
use crate::{Check, Judgement, book::Book};

const KINDS: [&str; 3] = ["an expired link", "a changed link", "a neighbour's link"];

/// One attempt: of which kind, and whether an answer comes; where none does, how it ends.
type Attempt = (usize, Option<Ending>);

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let silent = prop::sample::select(vec![Ending::Failed, Ending::Unknown]);
    prop::collection::vec((0_usize..3, prop::option::weighted(0.3, silent)), 1..20)
}

/// The attempts one after another; `refuses` says of each whether the server does.
fn history(attempts: &[Attempt], refuses: impl Fn(usize) -> bool) -> Vec<Event> {
    let mut book = Book::of(Service::S3, "s3.assets");
    for (index, (kind, silent)) in attempts.iter().enumerate() {
        let act = Act::Trespass { what: KINDS[*kind].to_owned() };
        match silent {
            Some(outcome) => book.operation("client 1", act, Some(*outcome)),
            None => {
                let refused = refuses(index);
                let said = String::from(if refused { "403 AccessDenied" } else { "200" });
                book.finds("client 1", act, Found::Answer { refused, said });
            }
        }
    }
    book.close()
}

fn judged(history: &[Event]) -> Judgement {
    FailsClosed.judge(history, 0)
}

proptest! {
    #[test]
    fn what_is_refused_passes_where_each_kind_was_answered(attempts in attempts()) {
        let Judgement { verdict, evidence, .. } = judged(&history(&attempts, |_| true));
        let mute = (0..3).any(|kind| {
            let mut of = attempts.iter().filter(|(tried, _)| *tried == kind).peekable();
            of.peek().is_some() && of.all(|(_, silent)| silent.is_some())
        });
        prop_assert_eq!(verdict, if mute { Verdict::Unknown } else { Verdict::Pass }, "{}", evidence);
        prop_assert_eq!(evidence.ends_with(" was answered, so nobody knows"), mute, "{}", evidence);
    }

    #[test]
    fn the_first_that_is_let_through_is_named(mut attempts in attempts(), kind in 0_usize..3, after in attempts()) {
        let index = attempts.len();
        attempts.push((kind, None));
        attempts.extend(after);
        let Judgement { verdict, evidence, .. } = judged(&history(&attempts, |tried| tried < index));
        prop_assert_eq!(verdict, Verdict::Fail);
        let words = format!(" attempts were let through, at most 0 may be: {} first, by client 1 at ", KINDS[kind]);
        prop_assert!(evidence.contains(&words) && evidence.ends_with(", answered 200"), "{}", evidence);
    }

    #[test]
    fn whoever_turns_away_from_every_impostor_passes_and_the_first_who_does_not_is_named(
        before in 0_usize..9, trusting in prop::bool::ANY, after in 0_usize..9, other in 0_usize..3,
    ) {
        let (met, trusted) = (Effect::Refused("handshake stalled".into()), Effect::Trusted("plaintext".into()));
        let mut effects = vec![Effect::Touched("held".into()); other];
        effects.extend(vec![met.clone(); before]);
        if trusting {
            // A client meets the impostor before it trusts it.
            effects.extend([met.clone(), trusted.clone()]);
            effects.extend([met, trusted].into_iter().cycle().take(after * 2));
        }
        let mut book = Book::of(Service::Redis, "redis.sessions");
        book.touch(&effects);
        let Judgement { verdict, evidence, .. } = judged(&book.close());
        let expected = match (trusting, before) {
            (true, _) => Verdict::Fail,
            (false, 0) => Verdict::Unknown,
            (false, _) => Verdict::Pass,
        };
        prop_assert_eq!(verdict, expected, "{}", &evidence);
        if trusting {
            let first = other + before + 2;
            prop_assert!(evidence.contains(&format!(": connection {first} of engine.redis first, at ")), "{}", evidence);
            prop_assert!(evidence.ends_with(", which met plaintext"), "{}", evidence);
        }
    }
}

/// What the tape calls each impostor, and how a client tells of it.
const IMPOSTORS: [(&str, &str); 4] = [
    ("expired certificate", "invalid peer certificate: certificate expired: verification time 3 (UNIX)"),
    ("certificate of another host", "invalid peer certificate: certificate not valid for name \"127.0.0.1\""),
    ("self-signed certificate", "invalid peer certificate: UnknownIssuer"),
    ("plaintext in place of TLS", "received corrupt message of type InvalidContentType"),
];

proptest! {
    #[test]
    fn whoever_meets_an_impostor_must_be_told_by_its_client(
        met in prop::sample::subsequence(IMPOSTORS.to_vec(), 1..4), which: prop::sample::Index, how in 0_usize..4, silent: bool,
    ) {
        let mut book = Book::of(Service::Redis, "redis.sessions");
        let untold = which.index(met.len());
        for (index, (what, says)) in met.iter().enumerate() {
            book.touch(&[Effect::Refused((*what).to_owned())]);
            let op = book.begin("client 1", Act::Look { key: String::from("a") });
            let detail = format!("not sent: there is no connection: {says}");
            let (outcome, detail) = match (silent && index == untold, how) {
                (false, _) => (Ending::Failed, detail),
                // It succeeded, or says another thing.
                (true, 0) => (Ending::Ok, detail),
                (true, 1) => (Ending::Failed, String::from("connection reset by peer")),
                (true, 2) => (Ending::Failed, String::new()),
                (true, _) => (Ending::Unknown, String::from("no answer within 5s")),
            };
            book.write(EventKind::Ended(Ended { op, outcome, detail, found: None }));
        }
        let Judgement { verdict, evidence, .. } = judged(&book.close());
        prop_assert_eq!(verdict, if silent { Verdict::Unknown } else { Verdict::Pass }, "{}", &evidence);
        if silent {
            let words = format!("no operation on engine.redis that met {} was told so", met[untold].0);
            prop_assert!(evidence.contains(&words), "{}", evidence);
        }
    }
}

#[test]
fn a_neighbours_words_say_nothing_of_ones_own_link() {
    let (what, says) = IMPOSTORS[0];
    let told = |tenant| {
        let mut book = Book::of(Service::Redis, "redis.sessions");
        book.touch(&[Effect::Refused(what.to_owned())]);
        book.tenant = tenant;
        let op = book.begin("client 1", Act::Look { key: String::from("a") });
        book.write(EventKind::Ended(Ended {
            op,
            outcome: Ending::Failed,
            detail: says.to_owned(),
            found: None,
        }));
        judged(&book.close()).verdict
    };
    assert_eq!((told("engine"), told("plane")), (Verdict::Pass, Verdict::Unknown));
}
