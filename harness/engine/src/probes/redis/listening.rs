//! Probes that want to be told what the neighbour does, a row a way of asking: its messages, the names of its keys, its
//! commands. The neighbour does something while the probing tenant listens; what comes too late to be heard never came.

use bulkhead_model::{Class, Outcome, Service};
use bulkhead_target::{Error, clients};
use futures::StreamExt as _;

use super::{
    ground::{Ground, limit},
    reading::{read_error, readable},
    server_wide,
    words::{command, rule},
};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side, answer::Answer};

pub(super) struct Listening {
    about: About,
    /// What the probing tenant wants to be told, as [`command`] reads it.
    begin: &'static [&'static str],
    /// How it wants that no more.
    end: &'static [&'static str],
    /// What the side's owner then does, the key or channel being its second word.
    act: &'static [&'static str],
}

const fn about(class: Class, name: &'static str, sentence: &'static str) -> About {
    About::new(Service::Redis, name, class, sentence).by_name()
}

pub(super) static SUBSCRIBE: Listening = Listening {
    about: about(
        Class::Read,
        "redis.listen-to-foreign-channel",
        "Listens to a channel of the neighbour's while the neighbour says something there.",
    ),
    begin: &["SUBSCRIBE", "~heard"],
    end: &["UNSUBSCRIBE", "~heard"],
    act: &["PUBLISH", "~heard", "#"],
};
pub(super) static PSUBSCRIBE: Listening = Listening {
    about: about(
        Class::Read,
        "redis.listen-by-pattern",
        "Listens to every channel that begins with the neighbour's prefix.",
    ),
    begin: &["PSUBSCRIBE", "^"],
    end: &["PUNSUBSCRIBE", "^"],
    act: &["PUBLISH", "~heard-by-pattern", "#"],
};
pub(super) static SSUBSCRIBE: Listening = Listening {
    about: about(
        Class::Read,
        "redis.listen-to-foreign-shard-channel",
        "Listens to a shard channel of the neighbour's, which a command of its own serves.",
    ),
    begin: &["SSUBSCRIBE", "~heard-in-shard"],
    end: &["SUNSUBSCRIBE", "~heard-in-shard"],
    act: &["SPUBLISH", "~heard-in-shard", "#"],
};
pub(super) static TRACKING: Listening = Listening {
    about: about(
        Class::Enumerate,
        "redis.track-foreign-keys",
        "Has the server push the name of every key that the neighbour writes, by `CLIENT TRACKING` of its prefix.",
    ),
    begin: &["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "~"],
    end: &["CLIENT", "TRACKING", "OFF"],
    act: &["SET", "~tracked", "written"],
};
pub(super) static KEYSPACE: Listening = Listening {
    about: about(
        Class::Enumerate,
        "redis.watch-foreign-keyspace",
        "Listens to the notifications about the neighbour's keys, in the channels that are named after them.",
    ),
    begin: &["PSUBSCRIBE", "__keyspace@0__:^"],
    end: &["PUNSUBSCRIBE", "__keyspace@0__:^"],
    act: &["SET", "~notified", "written"],
};
pub(super) static KEYEVENT: Listening = Listening {
    about: about(
        Class::Enumerate,
        "redis.watch-write-events",
        "Listens to the notifications about every write on the server, which name the keys.",
    ),
    begin: &["SUBSCRIBE", "__keyevent@0__:set"],
    end: &["UNSUBSCRIBE", "__keyevent@0__:set"],
    act: &["SET", "~notified-too", "written"],
};

impl Listening {
    async fn listen(&self, ground: &Ground, pair: &Pair<'_>, side: Side) -> Result<Answer, Error> {
        let words = |words| command(pair, side, self.about.name, words);
        let (begin, act) = (words(self.begin), words(self.act));
        let user = &pair.from.connections.redis.user;
        let call = format!("{} as `{user}` during the owner's {}", readable(&begin), self.act[0]);
        let subject = readable(&words(&self.act[1..2]));
        let Some(ear) = ground.ear(pair, Side::Own).await? else {
            let received = String::from("nobody could listen");
            return Ok(Answer { call, outcome: Outcome::Unknown, received });
        };
        let answer = Answer::of(call, async {
            let mut ear = ear.lock().await;
            if let Err(error) = ear.ask(&begin).await {
                return read_error(&error);
            }
            if let Err(error) = ground.as_owner(side, act).await {
                return (Outcome::Unknown, error.chain());
            }
            let heard = ear.heard(&[&subject]).await;
            let ended = ear.ask(&words(self.end)).await;
            match (heard, ended) {
                (Err(error), _) | (_, Err(error)) => (Outcome::Unknown, read_error(&error).1),
                (Ok(heard), _) if heard.is_empty() => (Outcome::Invisible, String::from("told nothing")),
                (Ok(heard), _) => (Outcome::Allowed, heard.join(", ")),
            }
        });
        Ok(answer.await)
    }
}

impl Probe for Listening {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        match self.begin {
            ["CLIENT", ..] => server_wide::withhold(pair, &rule(self.begin)),
            [_, channel] if channel.starts_with("__key") => {
                format!("CONFIG SET notify-keyspace-events \"\", or {}", limit(pair))
            }
            _ => limit(pair),
        }
    }

    /// Where a tenant is not told of its own keys either, the control is that the same connection hears a message.
    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.redis().await?;
            let answer = self.listen(ground, pair, side).await?;
            let of_keys = self.about.class == Class::Enumerate;
            if side == Side::Own && of_keys && matches!(answer.outcome, Outcome::Denied | Outcome::Invisible)
            {
                let message = SUBSCRIBE.listen(ground, pair, side).await?;
                let received = format!("{}; {}", message.received, answer.text());
                return Ok(Attempt::Seen(Answer { received, ..message }));
            }
            Ok(Attempt::Seen(answer))
        })
    }
}

/// `redis.watch-all-commands`: whether it may is asked first, in a transaction that is discarded, because the library does
/// not say that it may not.
pub(super) struct Monitor;

impl Probe for Monitor {
    fn about(&self) -> &About {
        const {
            &about(
                Class::Read,
                "redis.watch-all-commands",
                "Watches every command of every tenant, the neighbour's next with its value.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        server_wide::withhold(pair, "monitor")
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.redis().await?;
            let permission = ground.ask_queued(pair, redis::cmd("MONITOR")).await;
            if !permission.worked() {
                return Ok(match side {
                    Side::Own => ground.shown_otherwise(pair, &permission).await,
                    Side::Foreign => Attempt::Seen(permission),
                });
            }
            let call = format!("MONITOR as `{}` during the owner's SET", pair.from.connections.redis.user);
            let act = command(pair, side, self.about().name, &["SET", "~monitored", "#"]);
            let mark = pair.token(&format!("monitor {side:?}"));
            let answer = Answer::of(call, async {
                let shown = async {
                    let mut monitor = clients::redis::monitor(pair.from).await?;
                    ground.as_owner(side, act).await?;
                    // What is shown after this one happened after the owner's.
                    ground.ask(pair, redis::cmd("ECHO").arg(&mark).to_owned()).await;
                    let mut lines = monitor.on_message::<String>();
                    let mut shown = Vec::new();
                    while let Some(line) = lines.next().await {
                        if line.contains(&mark) {
                            break;
                        }
                        shown.extend(line.contains(&pair.planted(side)).then_some(line));
                    }
                    Ok::<_, Error>(shown)
                };
                match shown.await {
                    Err(error) => (Outcome::Unknown, error.chain()),
                    Ok(shown) if shown.is_empty() => {
                        (Outcome::Allowed, String::from("what every tenant runs, but nothing of the owner's"))
                    }
                    Ok(shown) => (Outcome::Allowed, shown.join(", ")),
                }
            });
            Ok(Attempt::Seen(answer.await))
        })
    }
}
