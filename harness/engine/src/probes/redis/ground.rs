//! What both tenants plant on Redis, and the one way in which the probing tenant asks there.

use bulkhead_model::{Outcome, RedisSlice, Service};
use bulkhead_target::{Error, TenantAccess, clients};
use redis::{AsyncCommands, Cmd, Value, aio::MultiplexedConnection};
use tokio::sync::{Mutex, OnceCell};

use super::{
    ear::Ear,
    reading::{UNSERVED, read_error, read_value, readable},
};
use crate::probes::{Attempt, Pair, Side, answer::Answer};

/// Both slices hold [`key`] with a token that only the owner knows.
pub(crate) struct Ground {
    /// The probing tenant's connection.
    own: MultiplexedConnection,
    /// The neighbour's own connection.
    neighbour: Option<MultiplexedConnection>,
    /// How the probing tenant and the neighbour hear what the server tells them; opened when a probe listens.
    ears: [OnceCell<Mutex<Ear>>; 2],
    /// The probing tenant's connection that is barred from everything but listening, or why there is none.
    barred: OnceCell<Result<MultiplexedConnection, String>>,
}

impl Ground {
    /// Plants on both sides, each by its owner.
    ///
    /// # Errors
    /// When a tenant cannot work in its own slice.
    pub(crate) async fn plant(pair: &Pair<'_>) -> Result<Self, Error> {
        let neighbour = async {
            match pair.owner(Side::Foreign) {
                None => Ok(None),
                Some(access) => plant(access, pair.canary()).await.map(Some),
            }
        };
        let (own, neighbour) = tokio::join!(plant(pair.from, pair.planted(Side::Own)), neighbour);
        let (ears, barred) = (Default::default(), OnceCell::new());
        Ok(Self { own: own?, neighbour: neighbour?, ears, barred })
    }

    /// The owner's own connection to the side's slice.
    pub(super) fn owner(&self, side: Side) -> Option<MultiplexedConnection> {
        match side {
            Side::Own => Some(self.own.clone()),
            Side::Foreign => self.neighbour.clone(),
        }
    }

    /// How the side's owner hears what the server tells it; `None` when there is no owner.
    ///
    /// # Errors
    /// When the owner cannot connect.
    pub(super) async fn ear(&self, pair: &Pair<'_>, side: Side) -> Result<Option<&Mutex<Ear>>, Error> {
        let (Some(access), Some(speaker)) = (pair.owner(side), self.owner(side)) else { return Ok(None) };
        let opened = self.ears[side as usize].get_or_try_init(|| async {
            let ear = Ear::open(access, speaker).await?;
            Ok::<_, Error>(Mutex::new(ear))
        });
        opened.await.map(Some)
    }

    /// Sends one command as the probing tenant.
    pub(super) async fn ask(&self, pair: &Pair<'_>, command: Cmd) -> Answer {
        ask_on(self.own.clone(), pair, command).await
    }

    /// Sends one command on a connection that listens in RESP2, which may run nothing else. Whether it might is looked at
    /// first, so that the server says so and does not carry it out.
    pub(super) async fn ask_barred(&self, pair: &Pair<'_>, command: Cmd) -> Answer {
        let barred = self.barred.get_or_init(|| async { bar(pair).await.map_err(|error| error.chain()) });
        match barred.await {
            Ok(connection) => ask_on(connection.clone(), pair, command).await,
            Err(reason) => {
                let received = format!("no connection that could ask without harm: {reason}");
                Answer { call: readable(&command), outcome: Outcome::Unknown, received }
            }
        }
    }

    /// What a call on the own slice comes to where the command is kept from tenants altogether: that the same client is
    /// answered otherwise.
    pub(super) async fn shown_otherwise(&self, pair: &Pair<'_>, refused: &Answer) -> Attempt {
        let ping = self.ask(pair, redis::cmd("PING")).await;
        Attempt::Seen(Answer { received: format!("{}; {}", ping.received, refused.text()), ..ping })
    }

    /// Sends one command that could only be kept from the probing tenant's own keys by not being served at all, in which
    /// case the control is that the same client is answered otherwise.
    pub(super) async fn ask_or_show_client(&self, pair: &Pair<'_>, side: Side, command: Cmd) -> Attempt {
        let answer = self.ask(pair, command).await;
        if side == Side::Own && answer.received.starts_with(UNSERVED) {
            return self.shown_otherwise(pair, &answer).await;
        }
        Attempt::Seen(answer)
    }

    /// Queues one command in a transaction and discards it. Whether it may be run is judged when it is queued.
    pub(super) async fn ask_queued(&self, pair: &Pair<'_>, command: Cmd) -> Answer {
        self.ask_within(pair, command, "DISCARD", 1).await
    }

    /// Sends one command between `MULTI` and `EXEC`.
    pub(super) async fn ask_in_transaction(&self, pair: &Pair<'_>, command: Cmd) -> Answer {
        self.ask_within(pair, command, "EXEC", 2).await
    }

    /// What the server answers to the command, where it refuses that, and otherwise the answer at that place. The three
    /// commands leave together, so that no other probe's gets between them.
    async fn ask_within(&self, pair: &Pair<'_>, command: Cmd, end: &str, place: usize) -> Answer {
        let call = format!("MULTI, {}, {end} as `{}`", readable(&command), pair.from.connections.redis.user);
        let mut connection = self.own.clone();
        let mut pipeline = redis::pipe();
        pipeline.cmd("MULTI").add_command(command).cmd(end).ignore_errors();
        Answer::of(call, async {
            let answers: Result<Vec<redis::RedisResult<Value>>, _> =
                pipeline.query_async(&mut connection).await;
            match answers {
                Err(error) => read_error(&error),
                Ok(answers) => match (answers.get(1), answers.get(place)) {
                    (Some(Err(error)), _) | (_, Some(Err(error))) => read_error(error),
                    (Some(Ok(_)), Some(Ok(value))) => read_value(value),
                    _ => (Outcome::Unknown, String::from("fewer answers than commands")),
                },
            }
        })
        .await
    }

    /// What the side's owner is answered; `None` when there is no owner to ask.
    ///
    /// # Errors
    /// When the owner is refused.
    pub(super) async fn as_owner(&self, side: Side, command: Cmd) -> Result<Option<Value>, Error> {
        let Some(mut owner) = self.owner(side) else { return Ok(None) };
        let answer = command.query_async(&mut owner).await;
        let doing = || format!("run `{}` as the owner of the slice", readable(&command));
        answer.map(Some).map_err(Error::serve(Service::Redis, doing()))
    }

    /// What a key holds, as the side's owner sees it; `None` when there is no owner to ask.
    pub(super) async fn held(&self, side: Side, key: &str) -> Option<Result<Option<String>, Error>> {
        let held = self.owner(side)?.get(key).await;
        Some(held.map_err(Error::serve(Service::Redis, format!("read `{key}` as its owner"))))
    }
}

/// Sends one command on a connection of the probing tenant's.
pub(super) async fn ask_on(mut connection: MultiplexedConnection, pair: &Pair<'_>, command: Cmd) -> Answer {
    let call = format!("{} as `{}`", readable(&command), pair.from.connections.redis.user);
    Answer::of(call, async {
        match command.query_async::<Value>(&mut connection).await {
            Ok(value) => read_value(&value),
            Err(error) => read_error(&error),
        }
    })
    .await
}

/// A connection of the probing tenant's that listens to a channel of its own, after a look at whether that bars it from
/// running commands.
async fn bar(pair: &Pair<'_>) -> Result<MultiplexedConnection, Error> {
    let connection = clients::redis::connect(pair.from).await?;
    let mut subscribe = redis::cmd("SUBSCRIBE");
    subscribe.arg(pair.from.tenant.slices.redis.key("bulkhead:barred"));
    let mut echo = redis::cmd("ECHO");
    echo.arg("heard");
    for (command, begins) in [(subscribe, "[subscribe"), (echo, "permitted: ")] {
        let answer = ask_on(connection.clone(), pair, command).await;
        if !answer.received.starts_with(begins) {
            return Err(Error::Reported(answer.text()));
        }
    }
    Ok(connection)
}

/// The planted key.
pub(super) fn key(slice: &RedisSlice) -> String {
    slice.key("bulkhead:canary")
}

/// The command that limits the probing tenant to its own keys and channels.
pub(super) fn limit(pair: &Pair<'_>) -> String {
    let (user, prefix) = (&pair.from.connections.redis.user, &pair.from.tenant.slices.redis.prefix);
    let (name, other) = (&pair.from.tenant.name, &pair.to.name);
    if user == "default" {
        let give = "give each tenant a user of its own and declare `enforcement = \"enforced\"`";
        return format!(
            "{give}: ACL SETUSER {name} on >… resetkeys ~{prefix}* resetchannels &{prefix}* +@all -@dangerous"
        );
    }
    format!("ACL SETUSER {user} resetkeys ~{prefix}* resetchannels &{prefix}* (nothing of {other}'s)")
}

async fn plant(owner: &TenantAccess, token: String) -> Result<MultiplexedConnection, Error> {
    let slice = &owner.tenant.slices.redis;
    let mut connection = clients::redis::connect(owner).await?;
    let [canary, hash, list, stream] =
        [key(slice), slice.key("bulkhead:hash"), slice.key("bulkhead:list"), slice.key("bulkhead:stream")];
    let mut plants = redis::pipe();
    plants.del(&[&hash, &list, &stream]).set(canary, &token).hset(hash, "field", &token);
    // The list's element names the key that a `SORT` would look up.
    plants.rpush(list, &["canary", &token]).xadd(stream, "*", &[("field", &token)]);
    let planted: Result<redis::Value, _> = plants.query_async(&mut connection).await;
    let doing = format!("plant a canary for `{}` in {slice}", owner.tenant.name);
    planted.map_err(Error::serve(Service::Redis, doing))?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed::Seed, testing::tenant};

    #[test]
    fn the_fix_is_for_the_login_that_there_is() {
        let (mut from, to) = (tenant("engine"), tenant("plane"));
        let limited = limit(&Pair::new(&from, &to, &Seed::new(1)));
        assert!(limited.starts_with("ACL SETUSER engine resetkeys ~engine:*"), "{limited}");
        from.connections.redis.user = String::from("default");
        let shared = limit(&Pair::new(&from, &to, &Seed::new(1)));
        assert!(shared.starts_with("give each tenant a user of its own"), "{shared}");
    }
}
