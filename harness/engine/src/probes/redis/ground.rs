//! What both tenants plant on Redis, and the one way in which the probing tenant asks there.

use bulkhead_model::{Outcome, RedisSlice, Service};
use bulkhead_target::{Error, TenantAccess, clients};
use redis::{AsyncCommands, Cmd, Value, aio::MultiplexedConnection};

use crate::probes::{
    Pair, Side,
    answer::{Answer, chain},
};

/// Both slices hold [`key`] with a token that only the owner knows.
pub(crate) struct Ground {
    /// The probing tenant's connection.
    own: MultiplexedConnection,
    /// The neighbour's own connection.
    neighbour: Option<MultiplexedConnection>,
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
        Ok(Self { own: own?, neighbour: neighbour? })
    }

    /// The owner's own connection to the side's slice.
    pub(super) fn owner(&self, side: Side) -> Option<MultiplexedConnection> {
        match side {
            Side::Own => Some(self.own.clone()),
            Side::Foreign => self.neighbour.clone(),
        }
    }

    /// Sends one command as the probing tenant.
    pub(super) async fn ask(&self, pair: &Pair<'_>, command: Cmd) -> Answer {
        let call = format!("{} as `{}`", readable(&command), pair.from.connections.redis.user);
        let mut connection = self.own.clone();
        Answer::of(call, async {
            match command.query_async::<Value>(&mut connection).await {
                Ok(value) => read_value(&value),
                Err(error) => read_error(&error),
            }
        })
        .await
    }

    /// Sends one command that could only be kept from the probing tenant's own keys by not being served at all, in which
    /// case the control is that the same client is answered otherwise.
    pub(super) async fn ask_or_show_client(&self, pair: &Pair<'_>, side: Side, command: Cmd) -> Answer {
        let answer = self.ask(pair, command).await;
        if side == Side::Own && answer.received.starts_with(UNSERVED) {
            let ping = self.ask(pair, redis::cmd("PING")).await;
            return Answer { received: format!("{}; {}", ping.received, answer.text()), ..ping };
        }
        answer
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

/// The command as one would type it.
pub(super) fn readable(command: &Cmd) -> String {
    let words = command.args_iter().map(|argument| match argument {
        redis::Arg::Simple(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::from("0"),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Nil and 0 mean that nothing is there, as do `TTL`'s -2, `TYPE`'s `none`, and a list of nothing else.
fn read_value(value: &Value) -> (Outcome, String) {
    match value {
        Value::Nil => (Outcome::Invisible, String::from("nil")),
        Value::Int(number @ (0 | -2)) => (Outcome::Invisible, number.to_string()),
        Value::SimpleString(text) if text == "none" => (Outcome::Invisible, text.clone()),
        Value::Array(values) => {
            let (outcomes, texts): (Vec<_>, Vec<_>) = values.iter().map(read_value).unzip();
            let nothing = outcomes.iter().all(|outcome| *outcome == Outcome::Invisible);
            let outcome = if nothing { Outcome::Invisible } else { Outcome::Allowed };
            (outcome, format!("[{}]", texts.join(", ")))
        }
        Value::SimpleString(text) => (Outcome::Allowed, text.clone()),
        Value::Int(number) => (Outcome::Allowed, number.to_string()),
        Value::BulkString(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            (Outcome::Allowed, text.replace(|c: char| c.is_control() && !c.is_whitespace(), "·"))
        }
        Value::Okay => (Outcome::Allowed, String::from("OK")),
        other => (Outcome::Allowed, format!("{other:?}")),
    }
}

/// How the answer begins where the server has no such command.
const UNSERVED: &str = "not served: ";

/// How a refusal without `NOPERM` is worded: of a pattern by `SORT`, of a call inside a script by Redis 7.0 and by
/// later ones.
const REFUSED: [&str; 3] =
    ["insufficient ACL permissions", "The user executing the script can't", "ACL failure in script"];

/// What an error says about isolation: `NOPERM` is a refusal, and so is that there is no such command; anything else says
/// nothing.
fn read_error(error: &redis::RedisError) -> (Outcome, String) {
    let unserved = |detail: &&str| {
        let begins =
            ["unknown command", "unknown subcommand", "Unknown subcommand", "Command is not available"];
        begins.iter().any(|begin| detail.starts_with(begin))
    };
    match (error.code(), error.detail()) {
        (Some("NOPERM"), detail) => (Outcome::Denied, format!("NOPERM {}", detail.unwrap_or_default())),
        (Some("ERR"), Some(detail)) if REFUSED.iter().any(|words| detail.contains(words)) => {
            (Outcome::Denied, format!("ERR {detail}"))
        }
        (Some("ERR"), Some(detail)) if unserved(&detail) => (Outcome::Denied, format!("{UNSERVED}{detail}")),
        _ => (Outcome::Unknown, chain(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed::Seed, testing::tenant};

    #[test]
    fn an_answer_of_nothing_is_not_an_answer_of_something() {
        assert_eq!(read_value(&Value::Nil).0, Outcome::Invisible);
        assert_eq!(read_value(&Value::Int(0)).0, Outcome::Invisible);
        assert_eq!(read_value(&Value::Int(1)).0, Outcome::Allowed);
        assert_eq!(read_value(&Value::Okay).0, Outcome::Allowed);
        assert_eq!(read_value(&Value::Array(vec![Value::Nil, Value::Int(0)])).0, Outcome::Invisible);
        assert_eq!(read_value(&Value::Array(vec![Value::Nil, Value::Int(1)])).0, Outcome::Allowed);
        let of_type = |name: &str| read_value(&Value::SimpleString(name.to_owned())).0;
        assert_eq!((of_type("none"), of_type("hash")), (Outcome::Invisible, Outcome::Allowed));
    }

    #[test]
    fn a_broken_connection_is_not_a_refusal() {
        let broken = redis::RedisError::from(std::io::Error::other("reset"));
        assert_eq!(read_error(&broken).0, Outcome::Unknown);
    }

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
