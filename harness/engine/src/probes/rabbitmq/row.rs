//! One probe as a row of a table: what the slice's owner prepares, what the probing tenant does, and where one looks.

use bulkhead_model::{Class, Outcome, Service, Tenant};
use bulkhead_target::Error;

use super::{
    acts::{Act, Names, names},
    ground::{Ground, limit, one_vhost},
};
use crate::probes::{About, Attempt, Attempting, Change, Pair, Probe, Side, answer::Answer};

/// A probe.
pub(super) struct Row {
    pub(super) about: About,
    /// What the side's owner does first. What it publishes is the canary.
    pub(super) plant: &'static [Act],
    /// What the owner does as well, where it may.
    pub(super) plant_if_let: Option<Act>,
    /// What the probing tenant does, up to the first refusal. What it publishes is a token that only this probe sends.
    pub(super) acts: &'static [Act],
    /// What it does for a control where it is refused the acts in its own slice, too.
    pub(super) instead: &'static [Act],
    /// What the owner does after that.
    pub(super) then: &'static [Act],
    pub(super) look: Look,
    /// Why no setting closes it where both use one vhost; nothing where one does.
    pub(super) inherent: &'static str,
}

/// How one sees what came of it.
pub(super) enum Look {
    /// By the last act's answer.
    Told,
    /// By the last act's answer, unless it is the same for these, where nothing is.
    ToldApart(&'static [Act]),
    /// The probing tenant finds what the owner published in this queue of its own.
    Taken(&'static str),
    /// The owner finds what the probing tenant published in this queue.
    Held(&'static str),
    /// The owner does not find in this queue what it published itself.
    Missed(&'static str),
    /// The owner finds what the act finds.
    There(Act),
    /// The owner does not find what the act finds.
    Gone(Act),
}

/// A row that is only looked at, with nothing planted.
pub(super) const fn row(
    class: Class,
    name: &'static str,
    sentence: &'static str,
    acts: &'static [Act],
) -> Row {
    Row {
        about: About::new(Service::Rabbitmq, name, class, sentence),
        plant: &[],
        plant_if_let: None,
        acts,
        instead: &[],
        then: &[],
        look: Look::Told,
        inherent: "",
    }
}

impl Probe for Row {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    fn leaves(&self, by: &Tenant, on: &Tenant, all: &[Tenant]) -> Vec<String> {
        let Self { plant, plant_if_let, acts, instead, then, .. } = self;
        let made = [*plant, acts, instead, then].into_iter().flatten().chain(plant_if_let);
        made.flat_map(Act::words).flat_map(|word| names(word, by, on, all)).collect()
    }

    fn inherent(&self, pair: &Pair<'_>, _server: &str) -> Option<String> {
        (one_vhost(pair) && !self.inherent.is_empty()).then(|| self.inherent.to_owned())
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let (ground, names) = (pair.rabbitmq().await?, Names { pair, side });
            let (canary, token) = (pair.planted(side), pair.token(self.about.name));
            ground.as_owner(names, self.plant, &canary).await?;
            if let Some(act) = &self.plant_if_let {
                ground.as_owner_if_let(names, act, &canary).await?;
            }
            let mut answer = ground.ask(names, self.acts, &token).await;
            if side == Side::Own && answer.outcome == Outcome::Denied && !self.instead.is_empty() {
                let instead = ground.ask(names, self.instead, &token).await;
                let call = format!("{}, and instead {}", answer.text(), instead.call);
                answer = Answer { call, ..instead };
            }
            ground.as_owner(names, self.then, &canary).await?;
            let seen = match &self.look {
                Look::Told => return Ok(Attempt::Seen(answer)),
                Look::ToldApart(missing) => {
                    return Ok(Attempt::Seen(apart(ground, names, answer, self.acts, missing).await));
                }
                Look::Taken(queue) => return Ok(Attempt::Seen(taken(ground, names, answer, queue).await)),
                Look::Held(queue) => ground.held(names, queue, &token, answer.worked()).await,
                Look::Missed(queue) => not(ground.held(names, queue, &canary, false).await),
                Look::There(act) => ground.finds(names, act).await,
                Look::Gone(act) => not(ground.finds(names, act).await),
            };
            Ok(Attempt::Changed(Change { answer, seen }))
        })
    }
}

fn not(seen: Option<Result<bool, Error>>) -> Option<Result<bool, Error>> {
    seen.map(|seen| seen.map(|seen| !seen))
}

/// The answer beside that for what does not exist.
async fn apart(ground: &Ground, names: Names<'_>, answer: Answer, there: &[Act], missing: &[Act]) -> Answer {
    let other = ground.ask(names, missing, "").await;
    let named: Vec<_> = there.iter().chain(missing).map(|act| names.of(act.name())).collect();
    let named: Vec<_> = named.iter().map(String::as_str).collect();
    answer.told_apart_from(&other, &named)
}

/// What the probing tenant gets out of a queue of its own, once it was let to fill it.
async fn taken(ground: &Ground, names: Names<'_>, answer: Answer, queue: &'static str) -> Answer {
    if !answer.worked() {
        return answer;
    }
    let got = ground.ask(names, &[Act::Get(queue)], "").await;
    Answer { call: format!("{}, then {}", answer.text(), got.call), ..got }
}
