//! Probes of what all tenants of a broker draw on: connections, channels, queues and memory. Each takes more than a share
//! in the probing tenant's own slice and gives it back at once; the control is that it may take one.
//!
//! Leaves out the memory alarm itself, which would stop every publisher: that nothing keeps one tenant from raising it is
//! shown by a queue that holds whatever is published.

use std::time::Duration;

use bulkhead_model::{Class, Outcome, Service};
use futures::future::{join_all, try_join_all};
use lapin::{
    BasicProperties, Channel, Connection,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueuePurgeOptions},
    types::FieldTable,
};

use super::{
    acts::{Act, Names},
    ground::{RECOUNT, into_vhost, read_error},
};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side, answer::Answer};

/// The longest that taking may take: two dozen TLS handshakes are a lot for a busy machine.
const TAKING: Duration = Duration::from_secs(60);

pub(super) struct Budget {
    about: About,
    of: Of,
    /// How many are taken: more than a share.
    many: usize,
}

/// What is taken.
#[derive(Clone, Copy)]
enum Of {
    Connections,
    Channels,
    Queues,
    Messages,
}

const fn budget(name: &'static str, of: Of, many: usize, sentence: &'static str) -> Budget {
    Budget { about: About::new(Service::Rabbitmq, name, Class::Exhaust, sentence).alone().taking(), of, many }
}

// The numbers are above what the smallest shared plans allow: 20 connections and 150 queues.
pub(super) static CONNECTIONS: Budget = budget(
    "rabbitmq.take-connections",
    Of::Connections,
    24,
    "Opens 24 connections at once and, where all are let in, as many more one by one: sockets and processes of the \
     broker that all share.",
);
pub(super) static CHANNELS: Budget = budget(
    "rabbitmq.take-channels",
    Of::Channels,
    256,
    "Opens 256 channels, which are processes of the broker that all share.",
);
pub(super) static QUEUES: Budget = budget(
    "rabbitmq.take-queues",
    Of::Queues,
    160,
    "Declares 160 queues of its own, which take memory and disk of the broker that all share.",
);
pub(super) static MESSAGES: Budget = budget(
    "rabbitmq.fill-broker",
    Of::Messages,
    1000,
    "Publishes 1000 messages into a queue from which nobody reads, as a tenant does who fills the memory that all share.",
);

impl Probe for Budget {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        let (user, vhost) = (&pair.from.connections.rabbitmq.user, &pair.from.tenant.slices.rabbitmq.vhost);
        match self.of {
            Of::Connections => format!(r#"rabbitmqctl set_user_limits '{user}' '{{"max-connections": 20}}'"#),
            Of::Channels => format!(r#"rabbitmqctl set_user_limits '{user}' '{{"max-channels": 200}}'"#),
            Of::Queues => format!(
                r#"a vhost for each tenant, and there: rabbitmqctl set_vhost_limits -p '{vhost}' '{{"max-queues": 150}}'"#
            ),
            Of::Messages => String::from("a broker for each tenant"),
        }
    }

    fn inherent(&self, pair: &Pair<'_>, _server: &str) -> Option<String> {
        let shared = pair.from.tenant.slices.rabbitmq.queues.is_some();
        match self.of {
            Of::Queues if shared => Some(String::from(
                "RabbitMQ limits the queues of a vhost, not of a user; a vhost for each tenant closes it",
            )),
            Of::Messages => Some(String::from(
                "RabbitMQ has one memory alarm, which blocks every publisher, and no share of memory for a tenant; a \
                 policy's `max-length` bounds a queue by dropping its oldest messages, and only a broker for each tenant \
                 closes it",
            )),
            Of::Connections | Of::Channels | Of::Queues => None,
        }
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let many = if side == Side::Own { 1 } else { self.many };
            let (user, vhost) =
                (&pair.from.connections.rabbitmq.user, &pair.from.tenant.slices.rabbitmq.vhost);
            let what = match self.of {
                Of::Connections => "connections",
                Of::Channels => "channels",
                Of::Queues => "queues",
                Of::Messages => "messages in a queue",
            };
            let call = format!("take {many} {what} in vhost `{vhost}` as `{user}`");
            let taken = Answer::within(TAKING, call, async {
                let taken = match self.of {
                    Of::Connections => connections(pair, many).await,
                    of => match into_vhost(pair.from, vhost).await {
                        Ok(connection) => {
                            on(&connection, of, pair, many).await.map_err(|error| read_error(&error))
                        }
                        Err(refused) => Err(refused),
                    },
                };
                match taken {
                    Ok(true) => (Outcome::Allowed, format!("all {many}")),
                    Ok(false) => (Outcome::Denied, String::from("some were dropped")),
                    Err((outcome, text)) => refused(outcome, text),
                }
            });
            Ok(Attempt::Seen(taken.await))
        })
    }
}

/// A limit is a refusal: of a queue, a failed precondition.
fn refused(outcome: Outcome, text: String) -> (Outcome, String) {
    if text.starts_with("406 ") && text.contains("limit") { (Outcome::Denied, text) } else { (outcome, text) }
}

/// How many come one by one after as many at once. The broker counts a connection or a channel some time after it let it in,
/// so that those who come at once may all slip past a limit. Whoever comes after them does not, or there is none.
fn stragglers(many: usize) -> usize {
    if many > 1 { many } else { 0 }
}

async fn connections(pair: &Pair<'_>, many: usize) -> Result<bool, (Outcome, String)> {
    let vhost = &pair.from.tenant.slices.rabbitmq.vhost;
    let mut asked = join_all((0..many).map(|_| into_vhost(pair.from, vhost))).await;
    for _ in 0..stragglers(many) {
        if asked.iter().any(Result::is_err) {
            break;
        }
        asked.push(into_vhost(pair.from, vhost).await);
    }
    let (open, refusals): (Vec<_>, Vec<_>) = asked.into_iter().partition(Result::is_ok);
    // One that is gone already is what is wanted.
    let _closed = join_all(open.iter().flatten().map(|open| open.close(200, "enough".into()))).await;
    // Beside a limit's refusal, what else became of those that came at the same time says nothing.
    let refusals = refusals.into_iter().filter_map(Result::err);
    let refused = refusals.max_by_key(|(outcome, _)| *outcome == Outcome::Denied);
    let Some(refused) = refused else { return Ok(true) };
    // The broker counts a connection for a moment after it has closed it; whoever comes next is to find room.
    while refused.0 == Outcome::Denied && into_vhost(pair.from, vhost).await.is_err() {
        tokio::time::sleep(RECOUNT).await;
    }
    Err(refused)
}

/// Takes as many on this connection, which takes them along when it is closed.
async fn on(connection: &Connection, of: Of, pair: &Pair<'_>, many: usize) -> lapin::Result<bool> {
    // Held until the connection is closed: one that is dropped before is closed in the background, and both ends get in each
    // other's way.
    let mut held = Vec::new();
    let taken = match of {
        Of::Connections | Of::Channels => channels(connection, many, &mut held).await.map(|()| true),
        Of::Queues => queues(connection, pair, many).await.map(|()| true),
        Of::Messages => messages(connection, pair, many).await,
    };
    // One that was closed as it was refused cannot be closed again.
    let _closed = connection.close(200, "enough".into()).await;
    taken
}

async fn channels(connection: &Connection, many: usize, held: &mut Vec<Channel>) -> lapin::Result<()> {
    held.extend(try_join_all((0..many).map(|_| connection.create_channel())).await?);
    for _ in 0..stragglers(many) {
        held.push(connection.create_channel().await?);
    }
    Ok(())
}

async fn queues(connection: &Connection, pair: &Pair<'_>, many: usize) -> lapin::Result<()> {
    let channel = connection.create_channel().await?;
    // They go with their connection, which may outlast a client that a fault has cut off.
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let slice = &pair.from.tenant.slices.rabbitmq;
    let declared = (0..many).map(|number| {
        let name = slice.queue(&format!("bulkhead-many-{}-{number}", pair.serial()));
        channel.queue_declare(name.into(), options, FieldTable::default())
    });
    try_join_all(declared).await.map(|_| ())
}

/// Whether all that was published is still there.
async fn messages(connection: &Connection, pair: &Pair<'_>, many: usize) -> lapin::Result<bool> {
    let names = Names { pair, side: Side::Own };
    let (place, find) = (Act::Place("~filled"), Act::Find("~filled"));
    let channel = connection.create_channel().await?;
    names.act(&channel, &place, "").await?;
    let queue = names.of(place.name());
    let (token, exchange) = (pair.token("fill"), queue.as_str());
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let sent = (0..many).map(|_| {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel.basic_publish(exchange.into(), "".into(), options, token.as_bytes(), properties)
    });
    let confirmed = try_join_all(try_join_all(sent).await?).await?;
    let (_, held) = names.act(&channel, &find, "").await?;
    channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default()).await?;
    Ok(confirmed.iter().all(|confirmation| confirmation.is_ack()) && held.starts_with(&format!("{many} ")))
}
