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
    let planted: Result<(), _> = connection.set(key(slice), token).await;
    let doing = format!("plant a canary for `{}` in {slice}", owner.tenant.name);
    planted.map_err(Error::serve(Service::Redis, doing))?;
    Ok(connection)
}

/// The command as one would type it.
fn readable(command: &Cmd) -> String {
    let words = command.args_iter().map(|argument| match argument {
        redis::Arg::Simple(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::from("0"),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Nil and 0 mean that nothing is there.
fn read_value(value: &Value) -> (Outcome, String) {
    match value {
        Value::Nil => (Outcome::Invisible, String::from("nil")),
        Value::Int(0) => (Outcome::Invisible, String::from("0")),
        Value::BulkString(bytes) => (Outcome::Allowed, String::from_utf8_lossy(bytes).into_owned()),
        Value::Okay => (Outcome::Allowed, String::from("OK")),
        other => (Outcome::Allowed, format!("{other:?}")),
    }
}

/// What an error says about isolation: `NOPERM` is a refusal, anything else says nothing.
fn read_error(error: &redis::RedisError) -> (Outcome, String) {
    match (error.code(), error.detail()) {
        (Some("NOPERM"), detail) => (Outcome::Denied, format!("NOPERM {}", detail.unwrap_or_default())),
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
