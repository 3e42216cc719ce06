//! Probes that are one request each: rows of the tables in the files beside this one.

use bulkhead_model::{Class, Outcome, Service};

use super::{
    at::{At, Plant},
    ground::{Ground, key, limit, without},
    reply::{Reply, UNSERVED},
    request::Request,
};
use crate::probes::{About, Attempt, Attempting, Change, Pair, Probe, Side, answer::Answer};

/// A probe of one request.
pub(super) struct Call {
    about: About,
    /// What both slices hold beforehand.
    plant: &'static [Plant],
    /// The request of the probing tenant.
    ask: fn(&At<'_>) -> Request,
    leak: Leak,
    /// The right in question, in B2's words, where it is not one on objects.
    right: Option<&'static str>,
    /// Whether a tenant may have to do without it on its own slice, too.
    kept_from_all: bool,
}

/// What shows that it got through.
enum Leak {
    /// A success.
    Success,
    /// Anything but a refusal.
    Told,
    /// Names of the side's in the answer.
    Names(fn(&At<'_>, &Reply) -> Vec<String>),
    /// Another answer to this question of the owner's than before.
    Change(fn(&At<'_>) -> Request),
}

/// A probe that gets through when its request succeeds.
pub(super) const fn call(
    class: Class,
    name: &'static str,
    plant: &'static [Plant],
    ask: fn(&At<'_>) -> Request,
    sentence: &'static str,
) -> Call {
    let about = About::new(Service::S3, name, class, sentence);
    Call { about, plant, ask, leak: Leak::Success, right: None, kept_from_all: false }
}

impl Call {
    /// The neighbour's names are enough.
    pub(super) const fn by_name(self) -> Self {
        Self { about: self.about.by_name(), ..self }
    }

    /// It gets through when names of the neighbour's are in the answer.
    pub(super) const fn names(self, found: fn(&At<'_>, &Reply) -> Vec<String>) -> Self {
        Self { leak: Leak::Names(found), ..self }
    }

    /// It gets through when the owner sees another answer to this than before.
    pub(super) const fn changes(self, look: fn(&At<'_>) -> Request) -> Self {
        Self { leak: Leak::Change(look), ..self }
    }

    /// It gets through when it is not refused.
    pub(super) const fn told(self) -> Self {
        Self { leak: Leak::Told, ..self }
    }

    /// It gets through when it is not refused, and takes a right that a tenant may not have on its own bucket either.
    pub(super) const fn needs(self, right: &'static str) -> Self {
        Self { right: Some(right), kept_from_all: true, ..self }.told()
    }

    /// A tenant may have to do without it on its own slice, too.
    pub(super) const fn kept_from_all(self) -> Self {
        Self { kept_from_all: true, ..self }
    }

    fn judge(&self, at: &At<'_>, reply: &Reply) -> (Outcome, String) {
        let told = || reply.received(&at.pair.canary());
        match (&self.leak, reply.outcome()) {
            (Leak::Told, _) => (reply.outcome_of_anything_told(), told()),
            (Leak::Names(found), Outcome::Allowed) => match found(at, reply).as_slice() {
                [] => (Outcome::Invisible, format!("{}, nothing of its", reply.status)),
                // Others may be in the answer, and are nobody's business here.
                names => (Outcome::Allowed, format!("{} names: {}", names.len(), names.join(", "))),
            },
            (_, outcome) => (outcome, told()),
        }
    }

    /// The answer, and the upload that it began.
    async fn ask(&self, ground: &Ground, at: &At<'_>) -> (Answer, String) {
        let (request, mut begun) = ((self.ask)(at), String::new());
        let judge = |reply: &Reply| {
            begun = reply.begun();
            self.judge(at, reply)
        };
        let answer = ground.ask(at.pair, request, judge).await;
        let refused = answer.outcome == Outcome::Denied;
        let kept_from_all = self.kept_from_all || answer.received.starts_with(UNSERVED);
        if at.side == Side::Foreign || !refused || !kept_from_all {
            return (answer, begun);
        }
        // Nobody may do this, so the control is that the same client is answered otherwise.
        let canary = Request::object("GET", at.slice(), &key(at.slice()));
        let shown =
            ground.ask(at.pair, canary, |reply| (reply.outcome(), reply.received(&at.pair.canary()))).await;
        (Answer { received: format!("{}; {}", shown.received, answer.text()), ..shown }, begun)
    }
}

impl Probe for Call {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        self.right.map_or_else(|| limit(pair), |right| without(pair, right))
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.s3().await?;
            let at = At::plant(ground, pair, side, self.about.name, self.plant).await?;
            let look = match self.leak {
                Leak::Change(look) => Some(look),
                Leak::Success | Leak::Told | Leak::Names(_) => None,
            };
            let before = match look {
                Some(look) => ground.as_owner(side, look(&at)).await,
                None => None,
            };
            let (answer, begun) = self.ask(ground, &at).await;
            let attempt = match look {
                Some(look) => {
                    let after = ground.as_owner(side, look(&at)).await;
                    let seen = before.zip(after).map(|(before, after)| Ok(before? != after?));
                    Attempt::Changed(Change { answer, seen })
                }
                None => Attempt::Seen(answer),
            };
            at.clear(ground, &begun).await;
            Ok(attempt)
        })
    }
}
