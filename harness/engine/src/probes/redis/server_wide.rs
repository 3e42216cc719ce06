//! Probes of what a server has only one of: its names, its settings, its scripts, its memory. A row a command: `tells` has
//! those that only look, `does` those that change something.

use bulkhead_model::{Class, Outcome, Service};
use redis::cmd;

use super::words::{command, rule};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side, answer::Answer};

pub(super) struct ServerWide {
    about: About,
    /// The command, as [`command`] reads it.
    words: &'static [&'static str],
    ask: Ask,
}

/// How it is asked.
#[derive(Clone, Copy)]
pub(super) enum Ask {
    /// As it is: it changes nothing.
    Asked,
    /// Queued in a transaction and discarded, which shows whether the server would carry it out.
    Queued,
    /// On a connection that may do nothing but listen, which shows that too, where no transaction may hold it.
    Barred,
}

pub(super) const fn whole(
    class: Class,
    name: &'static str,
    words: &'static [&'static str],
    ask: Ask,
    sentence: &'static str,
) -> ServerWide {
    ServerWide { about: About::new(Service::Redis, name, class, sentence).by_name(), words, ask }
}

impl ServerWide {
    /// The same, but all others wait while it is answered.
    pub(super) const fn beyond_slices(self) -> Self {
        Self { about: self.about.beyond_slices(), ..self }
    }
}

impl Probe for ServerWide {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        withhold(pair, &rule(self.words))
    }

    /// There is no slice of one's own, so the control is a call that every login may make, in the same form.
    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.redis().await?;
            let command = match side {
                Side::Own => cmd("PING"),
                Side::Foreign => command(pair, side, self.about.name, self.words),
            };
            let answer = match self.ask {
                Ask::Asked => ground.ask(pair, command).await,
                Ask::Queued => ground.ask_queued(pair, command).await,
                Ask::Barred => ground.ask_barred(pair, command).await,
            };
            Ok(Attempt::Seen(match side {
                Side::Own => answer,
                Side::Foreign => only_ours(pair, answer),
            }))
        })
    }
}

/// The rule that takes a command from the probing tenant's user.
pub(super) fn withhold(pair: &Pair<'_>, rule: &str) -> String {
    let user = &pair.from.connections.redis.user;
    if user == "default" {
        let name = &pair.from.tenant.name;
        return format!("give each tenant a user of its own without it: ACL SETUSER {name} … -{rule}");
    }
    format!("ACL SETUSER {user} -{rule}")
}

/// The answer with what it says about the neighbour, and without what it says about anybody else on the server.
fn only_ours(pair: &Pair<'_>, answer: Answer) -> Answer {
    if matches!(answer.outcome, Outcome::Denied | Outcome::Unknown) {
        return answer;
    }
    // Whatever it says, and be it that there is nothing, is about all tenants.
    let mut received = String::from("an answer that is not about its own slice only");
    for told in [pair.to.slices.redis.prefix.clone(), pair.canary()] {
        if answer.received.contains(&told) {
            received.push_str(&format!(", with `{told}` in it"));
        }
    }
    Answer { outcome: Outcome::Allowed, received, ..answer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed::Seed, testing::tenant};

    #[test]
    fn an_answer_is_a_leak_and_shows_nothing_of_third_parties() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let answer = |outcome, received: &str| Answer {
            call: String::from("KEYS"),
            outcome,
            received: received.to_owned(),
        };
        let leak = only_ours(&pair, answer(Outcome::Invisible, "[plane:x, third:y]"));
        assert_eq!(leak.outcome, Outcome::Allowed);
        assert!(leak.received.contains("plane:") && !leak.received.contains("third"), "{}", leak.received);
        let refused = only_ours(&pair, answer(Outcome::Denied, "NOPERM"));
        assert_eq!((refused.outcome, refused.received.as_str()), (Outcome::Denied, "NOPERM"));
    }
}
