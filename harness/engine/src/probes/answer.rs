//! One call and what came back, in words that hold for every service.

use std::{future::Future, time::Duration};

use bulkhead_model::Outcome;

use crate::CALL_DEADLINE;

/// The longest text of a call and its answer, in characters: a row of a report, not a dump.
const TEXT_MAX: usize = 400;

/// What came back from one call.
///
/// `Allowed` means that it worked, on whichever slice it was made: on the caller's own that is the control's success.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was done, as a person would write it.
    pub(crate) call: String,
    /// How the server answered.
    pub(crate) outcome: Outcome,
    /// Everything that was received: content, names, error texts.
    pub(crate) received: String,
}

impl Answer {
    /// Makes the call and waits for its answer, at most [`CALL_DEADLINE`].
    pub(crate) async fn of(call: String, answer: impl Future<Output = (Outcome, String)>) -> Self {
        Self::within(CALL_DEADLINE, call, answer).await
    }

    /// The same with another bound.
    pub(crate) async fn within(
        bound: Duration,
        call: String,
        answer: impl Future<Output = (Outcome, String)>,
    ) -> Self {
        let late = || (Outcome::Unknown, format!("no answer within {bound:?}"));
        let (outcome, received) = tokio::time::timeout(bound, answer).await.unwrap_or_else(|_| late());
        Self { call, outcome, received }
    }

    /// Whether it worked.
    pub(crate) fn worked(&self) -> bool {
        self.outcome == Outcome::Allowed
    }

    /// This answer, about something that exists, beside that about something that does not: when both were refused and
    /// the refusals differ in more than the `names` asked for, they tell what exists, which is a leak.
    pub(crate) fn told_apart_from(self, missing: &Self, names: &[&str]) -> Self {
        let plain = |text: &str| names.iter().fold(text.to_owned(), |text, name| text.replace(name, "…"));
        let differ = self.outcome != missing.outcome || plain(&self.received) != plain(&missing.received);
        let silent = self.outcome == Outcome::Denied || self.outcome == Outcome::Invisible;
        if !silent || !differ {
            return self;
        }
        let outcome = if missing.outcome == Outcome::Unknown { Outcome::Unknown } else { Outcome::Allowed };
        let received = format!("{}, but for a missing one: {}", self.received, missing.received);
        Self { outcome, received, ..self }
    }

    /// The call and what came back, on one line.
    pub(crate) fn text(&self) -> String {
        let words: Vec<_> = self.received.split_whitespace().collect();
        let mut text = format!("{}: {}", self.call, words.join(" "));
        if let Some((cut, _)) = text.char_indices().nth(TEXT_MAX) {
            text.truncate(cut);
            text.push('…');
        }
        text
    }
}

/// An error and all its causes on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error).map(ToString::to_string) {
        // Some libraries repeat the cause in their own text.
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// The first cause of this type, the error itself included.
pub(crate) fn cause<'e, E: std::error::Error + 'static>(
    error: &'e (dyn std::error::Error + 'static),
) -> Option<&'e E> {
    causes(error).find_map(|error| error.downcast_ref::<E>())
}

fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_differ_tell_what_exists() {
        let answer =
            |outcome, text: &str| Answer { call: String::from("get"), outcome, received: text.to_owned() };
        let told = |there: Answer, missing: Answer| there.told_apart_from(&missing, &["qa", "qb"]).outcome;
        use Outcome::{Allowed, Denied, Invisible, Unknown};
        assert_eq!(told(answer(Denied, "no access to qa"), answer(Denied, "no access to qb")), Denied);
        assert_eq!(told(answer(Denied, "no access to qa"), answer(Denied, "no such qb")), Allowed);
        assert_eq!(told(answer(Denied, "no access to qa"), answer(Invisible, "404 qb")), Allowed);
        assert_eq!(told(answer(Invisible, "0"), answer(Invisible, "0")), Invisible);
        assert_eq!(told(answer(Denied, "no"), answer(Unknown, "reset")), Unknown);
        assert_eq!(told(answer(Allowed, "1"), answer(Invisible, "0")), Allowed);
    }

    #[tokio::test]
    async fn a_call_without_an_answer_is_unknown() {
        let never = std::future::pending::<(Outcome, String)>();
        let answer = Answer::within(Duration::from_millis(1), String::from("GET `k`"), never).await;
        assert_eq!(answer.outcome, Outcome::Unknown);
        assert!(answer.text().starts_with("GET `k`: no answer within"), "{}", answer.text());
    }
}
