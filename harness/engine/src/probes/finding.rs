//! What a probe found: its control, how the server answered, and whether the neighbour's canary came back.

use bulkhead_model::{Control, Enforcement, Outcome, ProbeRecord};
use bulkhead_target::Error;

use super::{Pair, Probe, answer::Answer};

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

/// What came of a probe's call on one side.
pub enum Attempt {
    /// It wanted to see something.
    Seen(Answer),
    /// It wanted to change something.
    Changed(Change),
}

/// A call that should change something, and whether the slice's owner sees the change.
pub struct Change {
    /// The call's own answer.
    pub(crate) answer: Answer,
    /// What the owner's client sees: whether the slice changed. `None` when there is no owner to ask.
    pub(crate) seen: Option<Result<bool, Error>>,
}

impl Finding {
    /// A probe that was not made, and why.
    pub(crate) fn skipped(reason: String) -> Self {
        let control = Control { held: false, detail: String::from("not made") };
        Self { control, outcome: Outcome::Skipped, canary_seen: false, evidence: reason }
    }

    /// What the control and the attempt come to.
    pub(crate) fn of(pair: &Pair<'_>, control: &Attempt, attempt: &Attempt) -> Self {
        let held = match control {
            Attempt::Seen(answer) => answer.worked(),
            Attempt::Changed(change) => change.answer.worked() && matches!(change.seen, Some(Ok(true))),
        };
        let (answer, outcome) = match attempt {
            Attempt::Seen(answer) => (answer, answer.outcome),
            Attempt::Changed(change) => (&change.answer, change.outcome()),
        };
        let outcome = match outcome {
            // Nobody planted anything, so that nothing was seen says nothing.
            Outcome::Invisible if !pair.has_neighbour() => Outcome::Skipped,
            outcome => outcome,
        };
        let detail = control.text(pair.from.tenant.name.as_str());
        let mut evidence = attempt.text(pair.to.name.as_str());
        if outcome == Outcome::Skipped {
            evidence.push_str("; nothing is known to be there, so this says nothing");
        }
        Self::new(pair, held, detail, answer, outcome, evidence)
    }

    /// The row that says so. Here what every service answers comes by, errors too: a canary in it is a leak, whatever the
    /// outcome. `fixed` is the same pair on the slices that its grants are about, which a leak's fix names.
    pub fn record(
        self,
        probe: &dyn Probe,
        (pair, fixed): (&Pair<'_>, &Pair<'_>),
        policy: Enforcement,
        server: String,
    ) -> ProbeRecord {
        let about = probe.about();
        let mut record = ProbeRecord {
            from: pair.from.tenant.name.clone(),
            to: pair.to.name.clone(),
            service: about.service,
            probe: about.name.to_owned(),
            class: about.class,
            control: self.control,
            outcome: self.outcome,
            canary_seen: self.canary_seen,
            policy,
            evidence: self.evidence,
            fix: String::new(),
            inherent: String::new(),
            server,
        };
        if record.leaked() {
            record.inherent = probe.inherent(fixed, &record.server).unwrap_or_default();
            record.fix = probe.fix(fixed);
        }
        record
    }

    fn new(
        pair: &Pair<'_>,
        held: bool,
        detail: String,
        attempt: &Answer,
        outcome: Outcome,
        evidence: String,
    ) -> Self {
        let canary_seen = [&attempt.received, &detail].into_iter().any(|text| text.contains(&pair.canary()));
        // Without its control an attempt that came to nothing proves nothing.
        let outcome = if held || outcome == Outcome::Allowed { outcome } else { Outcome::Unknown };
        let control = Control { held, detail: pair.scrub(&detail) };
        Self { control, outcome, canary_seen, evidence: pair.scrub(&evidence) }
    }
}

impl Attempt {
    fn text(&self, owner: &str) -> String {
        match self {
            Self::Seen(answer) => answer.text(),
            Self::Changed(change) => change.text(owner),
        }
    }
}

impl Change {
    /// What the owner sees outranks what the call answered.
    fn outcome(&self) -> Outcome {
        match (&self.seen, self.answer.outcome) {
            (Some(Ok(true)), _) => Outcome::Allowed,
            // It said that it worked and the neighbour sees nothing of it: as if nothing were there.
            (Some(Ok(false)), Outcome::Allowed) => Outcome::Invisible,
            (Some(Ok(false)) | None, answered) => answered,
            (Some(Err(_)), _) => Outcome::Unknown,
        }
    }

    fn text(&self, owner: &str) -> String {
        let answer = self.answer.text();
        match &self.seen {
            Some(Ok(true)) => format!("{answer}; {owner} sees the change"),
            Some(Ok(false)) => format!("{answer}; {owner} sees no change"),
            Some(Err(error)) => format!("{answer}; {owner} could not look: {}", error.chain()),
            None => answer,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use bulkhead_model::Service;

    use super::*;
    use crate::{probes, probes::answer::Answer, seed::Seed, testing::tenant};

    /// What a probe of the service comes to whose attempt fails with an error: a leak where the neighbour's canary is in its
    /// text, and none where another word is there. `read` is how the service's probes read an error of this text.
    pub(crate) fn an_error_leaks_what_it_quotes(
        service: Service,
        read: impl Fn(&str, &str) -> (Outcome, String),
    ) {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let probe = probes::ALL[service as usize][0];
        for (word, leaks) in [(pair.canary(), true), (pair.token("another"), false)] {
            let (outcome, received) = read(&format!("no access to `{word}`"), &pair.canary());
            assert_ne!(outcome, Outcome::Allowed, "it is an error: {received}");
            let finding = Finding::of(&pair, &seen(Outcome::Allowed, "own"), &seen(outcome, &received));
            let record = finding.record(probe, (&pair, &pair), Enforcement::Enforced, String::from("x 1"));
            assert_eq!((record.leaked(), record.canary_seen), (leaks, leaks), "{record:?}");
            assert!(!leaks || !record.fix.is_empty(), "{record:?}");
        }
    }

    fn answer(outcome: Outcome, received: &str) -> Answer {
        Answer { call: String::from("call"), outcome, received: received.to_owned() }
    }

    fn seen(outcome: Outcome, received: &str) -> Attempt {
        Attempt::Seen(answer(outcome, received))
    }

    fn change(outcome: Outcome, seen: bool) -> Attempt {
        Attempt::Changed(Change { answer: answer(outcome, "OK"), seen: Some(Ok(seen)) })
    }

    #[test]
    fn a_failed_control_makes_everything_but_a_leak_unknown() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let broken = seen(Outcome::Unknown, "connection refused");
        for outcome in [Outcome::Denied, Outcome::Invisible, Outcome::Unknown] {
            let finding = Finding::of(&pair, &broken, &seen(outcome, ""));
            assert_eq!((finding.outcome, finding.control.held), (Outcome::Unknown, false), "{outcome}");
        }
        let leak = Finding::of(&pair, &broken, &seen(Outcome::Allowed, &pair.canary()));
        assert_eq!((leak.outcome, leak.canary_seen), (Outcome::Allowed, true));
    }

    #[test]
    fn what_the_neighbour_sees_outranks_what_the_call_answered() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let control = change(Outcome::Allowed, true);
        let found = |attempt| Finding::of(&pair, &control, &attempt).outcome;
        assert_eq!(found(change(Outcome::Denied, true)), Outcome::Allowed, "refused, and yet it happened");
        assert_eq!(found(change(Outcome::Allowed, false)), Outcome::Invisible, "OK, and yet it did not");
        assert_eq!(found(change(Outcome::Denied, false)), Outcome::Denied);
        let lost = Error::Reported(String::from("connection reset"));
        let blind = Change { answer: answer(Outcome::Denied, ""), seen: Some(Err(lost)) };
        assert_eq!(found(Attempt::Changed(blind)), Outcome::Unknown);
        let fruitless = change(Outcome::Allowed, false);
        assert!(!Finding::of(&pair, &fruitless, &change(Outcome::Denied, false)).control.held);
    }

    #[test]
    fn the_canary_is_found_in_error_texts_and_passwords_are_masked() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let text =
            format!("42501 row ({}) violates; {}", pair.canary(), to.connections.postgres.password.expose());
        let finding = Finding::of(&pair, &seen(Outcome::Allowed, "own"), &seen(Outcome::Denied, &text));
        assert!(finding.canary_seen);
        assert!(
            !finding.evidence.contains(to.connections.postgres.password.expose()),
            "{}",
            finding.evidence
        );
    }

    #[test]
    fn without_the_neighbour_only_a_refusal_or_a_leak_says_anything() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::by_name(&from, &to.tenant, &Seed::new(1));
        let found = |outcome| Finding::of(&pair, &seen(Outcome::Allowed, "own"), &seen(outcome, "")).outcome;
        assert_eq!(found(Outcome::Denied), Outcome::Denied);
        assert_eq!(found(Outcome::Allowed), Outcome::Allowed);
        assert_eq!(found(Outcome::Invisible), Outcome::Skipped);
        let blind = Attempt::Changed(Change { answer: answer(Outcome::Allowed, "OK"), seen: None });
        assert_eq!(Finding::of(&pair, &change(Outcome::Allowed, true), &blind).outcome, Outcome::Allowed);
    }
}
