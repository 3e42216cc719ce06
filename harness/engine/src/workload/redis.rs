//! What the workloads on Redis have in common: values that are kept for a time, and what a client's error says of the
//! outcome of a command.

use std::time::Duration;

use bulkhead_model::{Act, Found, Service, scenario::Chosen};
use bulkhead_target::{Error, clients};
use redis::{Cmd, RedisError, aio::MultiplexedConnection};

use super::{
    Stage,
    clients::{Performed, Trouble},
};
use crate::{
    cost::{Cost, Span, Unit, prices},
    leavings::MORE,
};

/// How long what a case leaves is told: longer than any of it lives.
const TOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// What a command on one such value costs with its key, which is listed and removed when the case clears up.
pub(super) const ACT: Cost = prices::commands(1, 512);

/// What a workload costs at most whose every act by its clients costs that.
pub(super) fn allowance(act: Cost, chosen: &Chosen, span: Span) -> Cost {
    let clients = chosen.amount("clients");
    act.times(span.acts(chosen, clients)).plus(span.connections(Service::Redis, clients))
}

/// Says that the case makes keys that nobody can name beforehand, where somebody has to clear them up.
pub(super) async fn tell(stage: &Stage<'_>) -> Result<(), Error> {
    if stage.meter.is_none() {
        return Ok(());
    }
    let mut connection = clients::redis::connect(stage.access).await?;
    let key = stage.access.tenant.slices.redis.key(MORE);
    let mut set = redis::cmd("SET");
    set.arg(&key).arg("1").arg("EX").arg(TOLD.as_secs());
    set.exec_async(&mut connection).await.map_err(Error::serve(Service::Redis, format!("set `{key}`")))
}

/// What [`tell`] costs.
pub(super) const fn telling() -> Cost {
    prices::connection(Service::Redis).with(Unit::RedisCommands, 1).with(Unit::Bytes, 512)
}

/// What the error says of the command: only the server's own word is a refusal.
pub(super) fn trouble(error: RedisError) -> Trouble {
    match error.code() {
        Some(_) => Trouble::Refused(error.to_string()),
        None => Trouble::Unsure(error.to_string()),
    }
}

/// Does what is done with a value that is kept for a time, each in one command.
pub(super) async fn keep_for_a_time(connection: &mut MultiplexedConnection, act: &Act) -> Performed {
    let command = match act {
        Act::Keep { key, value, lives, .. } => {
            redis::cmd("SET").arg(key).arg(value).arg("PX").arg(*lives).take()
        }
        Act::Look { key } => Cmd::get(key),
        // It looks and extends at once, so that what it finds it has extended.
        Act::Touch { key, lives } => redis::cmd("GETEX").arg(key).arg("PX").arg(*lives).take(),
        Act::Forget { key } => Cmd::del(key),
        _ => return Ok(None),
    };
    if matches!(act, Act::Look { .. } | Act::Touch { .. }) {
        let value = command.query_async(connection).await.map_err(trouble)?;
        return Ok(Some(Found::Value(value)));
    }
    command.query_async::<()>(connection).await.map_err(trouble)?;
    Ok(None)
}
