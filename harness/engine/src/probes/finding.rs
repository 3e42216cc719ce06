//! What a probe found: its control, how the server answered, and whether the neighbour's canary came back.

use bulkhead_model::{Control, Outcome};
use bulkhead_target::Error;

use super::{Pair, answer::Answer};

/// The outcome of one probe, before anyone judges it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The same call by the same client on its own slice.
    pub control: Control,
    /// How the server answered the attempt; `unknown` when the control did not hold and nothing leaked.
    pub outcome: Outcome,
    /// Whether the neighbour's canary was in anything received.
    pub canary_seen: bool,
    /// The call and the answer, secrets left out.
    pub evidence: String,
}

/// A call that should change something, and whether the slice's owner sees the change.
pub(crate) struct Change {
    /// The call's own answer.
    pub answer: Answer,
    /// What the owner's client sees: whether the slice changed.
    pub seen: Result<bool, Error>,
}

impl Finding {
    /// For a probe that wants to see something.
    pub(crate) fn of_reading(pair: &Pair<'_>, control: &Answer, attempt: &Answer) -> Self {
        let held = control.worked();
        Self::new(pair, held, control.text(), attempt, attempt.outcome, attempt.text())
    }

    /// For a probe that wants to change something: what the owners see outranks what the calls answered.
    pub(crate) fn of_change(pair: &Pair<'_>, control: &Change, attempt: &Change) -> Self {
        let held = control.answer.worked() && matches!(control.seen, Ok(true));
        let outcome = match (&attempt.seen, attempt.answer.outcome) {
            (Ok(true), _) => Outcome::Allowed,
            // It said that it worked and the neighbour sees nothing of it: as if nothing were there.
            (Ok(false), Outcome::Allowed) => Outcome::Invisible,
            (Ok(false), answered) => answered,
            (Err(_), _) => Outcome::Unknown,
        };
        let detail = control.text(pair.from.tenant.name.as_str());
        let evidence = attempt.text(pair.to.tenant.name.as_str());
        Self::new(pair, held, detail, &attempt.answer, outcome, evidence)
    }

    fn new(
        pair: &Pair<'_>,
        held: bool,
        detail: String,
        attempt: &Answer,
        outcome: Outcome,
        evidence: String,
    ) -> Self {
        let canary_seen = attempt.received.contains(pair.canary()) || detail.contains(pair.canary());
        // Without its control an attempt that came to nothing proves nothing.
        let outcome = if held || outcome == Outcome::Allowed { outcome } else { Outcome::Unknown };
        let control = Control { held, detail: pair.scrub(&detail) };
        Self { control, outcome, canary_seen, evidence: pair.scrub(&evidence) }
    }
}

impl Change {
    fn text(&self, owner: &str) -> String {
        let answer = self.answer.text();
        match &self.seen {
            Ok(true) => format!("{answer}; {owner} sees the change"),
            Ok(false) => format!("{answer}; {owner} sees no change"),
            Err(error) => format!("{answer}; {owner} could not look: {}", error.chain()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{probes::answer::Answer, seed::Seed, testing::tenant};

    fn answer(outcome: Outcome, received: &str) -> Answer {
        Answer { call: String::from("call"), outcome, received: received.to_owned() }
    }

    fn change(outcome: Outcome, seen: bool) -> Change {
        Change { answer: answer(outcome, "OK"), seen: Ok(seen) }
    }

    #[test]
    fn a_failed_control_makes_everything_but_a_leak_unknown() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let broken = answer(Outcome::Unknown, "connection refused");
        for outcome in [Outcome::Denied, Outcome::Invisible, Outcome::Unknown] {
            let finding = Finding::of_reading(&pair, &broken, &answer(outcome, ""));
            assert_eq!((finding.outcome, finding.control.held), (Outcome::Unknown, false), "{outcome}");
        }
        let leak = Finding::of_reading(&pair, &broken, &answer(Outcome::Allowed, pair.canary()));
        assert_eq!((leak.outcome, leak.canary_seen), (Outcome::Allowed, true));
    }

    #[test]
    fn what_the_neighbour_sees_outranks_what_the_call_answered() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let control = change(Outcome::Allowed, true);
        let found = |attempt| Finding::of_change(&pair, &control, &attempt).outcome;
        assert_eq!(found(change(Outcome::Denied, true)), Outcome::Allowed, "refused, and yet it happened");
        assert_eq!(found(change(Outcome::Allowed, false)), Outcome::Invisible, "OK, and yet it did not");
        assert_eq!(found(change(Outcome::Denied, false)), Outcome::Denied);
        let lost = Error::Reported(String::from("connection reset"));
        let blind = Change { answer: answer(Outcome::Denied, ""), seen: Err(lost) };
        assert_eq!(found(blind), Outcome::Unknown);
        let fruitless = change(Outcome::Allowed, false);
        assert!(!Finding::of_change(&pair, &fruitless, &change(Outcome::Denied, false)).control.held);
    }

    #[test]
    fn the_canary_is_found_in_error_texts_and_passwords_are_masked() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let text =
            format!("42501 row ({}) violates; {}", pair.canary(), to.connections.postgres.password.expose());
        let finding =
            Finding::of_reading(&pair, &answer(Outcome::Allowed, "own"), &answer(Outcome::Denied, &text));
        assert!(finding.canary_seen);
        assert!(
            !finding.evidence.contains(to.connections.postgres.password.expose()),
            "{}",
            finding.evidence
        );
    }
}
