//! What the workloads on Redis have in common: values that are kept for a time, and what a client's error says of the
//! outcome of a command.

use bulkhead_model::{Act, Found};
use redis::{Cmd, RedisError, aio::MultiplexedConnection};

use super::clients::{Performed, Trouble};

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
