//! Probes that say something in a channel of the neighbour's, a row a command: the neighbour listens there.

use bulkhead_model::{Class, Service};
use bulkhead_target::Error;

use super::{
    ground::{Ground, limit},
    words::command,
};
use crate::probes::{About, Attempt, Attempting, Change, Pair, Probe, Side};

pub(super) struct Publishing {
    about: About,
    /// How the owner begins and ends to listen, as [`command`] reads it.
    listen: [&'static [&'static str]; 2],
    /// What the probing tenant says.
    words: &'static [&'static str],
}

pub(super) static PUBLISH: Publishing = Publishing {
    about: About::new(
        Service::Redis,
        "redis.publish-into-foreign-channel",
        Class::Write,
        "Publishes in a channel of the neighbour's, who listens there.",
    )
    .by_name(),
    listen: [&["SUBSCRIBE", "~said"], &["UNSUBSCRIBE", "~said"]],
    words: &["PUBLISH", "~said", "$"],
};
pub(super) static SPUBLISH: Publishing = Publishing {
    about: About::new(
        Service::Redis,
        "redis.publish-into-foreign-shard-channel",
        Class::Write,
        "Publishes in a shard channel of the neighbour's, who listens there.",
    )
    .by_name(),
    listen: [&["SSUBSCRIBE", "~said-in-shard"], &["SUNSUBSCRIBE", "~said-in-shard"]],
    words: &["SPUBLISH", "~said-in-shard", "$"],
};

impl Publishing {
    async fn say(&self, ground: &Ground, pair: &Pair<'_>, side: Side) -> Result<Attempt, Error> {
        let words = |words| command(pair, side, self.about.name, words);
        let failed = || Error::serve(Service::Redis, "listen as the owner of the channel");
        let said = words(self.words);
        let Some(ear) = ground.ear(pair, side).await? else {
            let answer = ground.ask(pair, said).await;
            return Ok(Attempt::Changed(Change { answer, seen: None }));
        };
        let mut ear = ear.lock().await;
        ear.ask(&words(self.listen[0])).await.map_err(failed())?;
        let answer = ground.ask(pair, said).await;
        let heard = ear.heard(&[&pair.token(self.about.name)]).await.map_err(failed());
        ear.ask(&words(self.listen[1])).await.map_err(failed())?;
        let seen = Some(heard.map(|heard| !heard.is_empty()));
        Ok(Attempt::Changed(Change { answer, seen }))
    }
}

impl Probe for Publishing {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move { self.say(pair.redis().await?, pair, side).await })
    }
}
