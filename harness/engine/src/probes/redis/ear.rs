//! What the server tells a tenant unasked: messages of channels, names of keys that change.

use bulkhead_target::{Error, TenantAccess, clients};
use redis::{Cmd, PushInfo, RedisError, RedisResult, Value, aio::MultiplexedConnection};
use tokio::sync::mpsc::UnboundedReceiver;

use super::reading::read_value;

/// A connection that is told things.
pub(super) struct Ear {
    connection: MultiplexedConnection,
    pushes: UnboundedReceiver<PushInfo>,
    /// The same tenant's other connection, which says the marks.
    speaker: MultiplexedConnection,
    /// A channel of the tenant's own, on which nothing is said but marks.
    mark: String,
    marks: u64,
}

impl Ear {
    /// Opens one, which listens to its own marks.
    ///
    /// # Errors
    /// When the tenant cannot connect or may not listen to a channel of its own.
    pub(super) async fn open(access: &TenantAccess, speaker: MultiplexedConnection) -> Result<Self, Error> {
        let (connection, pushes) = clients::redis::listener(access).await?;
        let mark = access.tenant.slices.redis.key("bulkhead:mark");
        let mut ear = Self { connection, pushes, speaker, mark, marks: 0 };
        let subscribed = ear.ask(redis::cmd("SUBSCRIBE").arg(ear.mark.clone())).await;
        let doing = format!("listen to `{}` as its owner", ear.mark);
        subscribed.map_err(Error::serve(bulkhead_model::Service::Redis, doing))?;
        Ok(ear)
    }

    /// Sends one command on this connection, such as what it wants to be told.
    pub(super) async fn ask(&mut self, command: &Cmd) -> RedisResult<Value> {
        command.query_async(&mut self.connection).await
    }

    /// Everything with one of these `words` in it that the server has told so far. A mark of its own is said now, and the
    /// server tells everybody in the order in which things happened, so that what is not heard before it never comes.
    pub(super) async fn heard(&mut self, words: &[&str]) -> RedisResult<Vec<String>> {
        self.marks += 1;
        let mark = format!("mark {}", self.marks);
        redis::cmd("PUBLISH").arg(&self.mark).arg(&mark).exec_async(&mut self.speaker).await?;
        let mut heard = Vec::new();
        while let Some(push) = self.pushes.recv().await {
            if push.kind == redis::PushKind::Disconnection {
                break;
            }
            let (_, text) = read_value(&Value::Array(push.data));
            if text.contains(&mark) && text.contains(&self.mark) {
                return Ok(heard);
            }
            // The answer to a subscription is told as well and is nobody's message.
            if !has_reply(&push.kind) && words.iter().any(|word| text.contains(word)) {
                heard.push(text);
            }
        }
        Err(RedisError::from(std::io::Error::other("the connection that listens has ended")))
    }
}

fn has_reply(kind: &redis::PushKind) -> bool {
    use redis::PushKind::{PSubscribe, PUnsubscribe, SSubscribe, SUnsubscribe, Subscribe, Unsubscribe};
    matches!(kind, Subscribe | PSubscribe | SSubscribe | Unsubscribe | PUnsubscribe | SUnsubscribe)
}
