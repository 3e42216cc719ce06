//! Both tenants' connections to RabbitMQ, and the one way in which the probing tenant asks there.

use std::time::Duration;

use bulkhead_model::{Outcome, Service};
use bulkhead_target::{
    Error, TenantAccess,
    clients::{self, management::Api},
};
use futures::StreamExt;
use lapin::{
    Channel, Connection, ErrorKind,
    options::{BasicConsumeOptions, BasicGetOptions},
    types::FieldTable,
};

use tokio::time::{Instant, sleep};

use super::acts::{Act, Names};
use crate::{
    CALL_DEADLINE,
    probes::{
        Pair, Side,
        answer::{Answer, cause, chain},
    },
};

/// The most messages that an owner looks through for what a probe published.
const LOOK_MAX: usize = 100;

/// How long an owner waits for a message that the broker took and has yet to pass on.
pub(super) const PASSED_ON: Duration = Duration::from_secs(3);

/// Pause between two looks at whether the broker has counted anew.
pub(super) const RECOUNT: Duration = Duration::from_millis(20);

/// How the broker words that a login has as many connections as it may have.
const NO_ROOM: &str = "connection limit";

/// Both tenants are connected; each row plants what it needs.
pub(crate) struct Ground {
    /// The probing tenant in its own vhost.
    own: Connection,
    /// The neighbour in its own vhost.
    neighbour: Option<Connection>,
    /// The probing tenant in the neighbour's vhost, or how it was kept out.
    foreign: Result<Connection, (Outcome, String)>,
    /// The probing tenant at the management API, where there is one.
    api: Option<Api>,
}

impl Ground {
    /// Connects both tenants, and the probing tenant to the neighbour's vhost as well.
    ///
    /// # Errors
    /// When a tenant is not let into its own slice.
    pub(crate) async fn plant(pair: &Pair<'_>) -> Result<Self, Error> {
        let neighbour = async {
            match pair.owner(Side::Foreign) {
                None => Ok(None),
                Some(access) => connected(access).await.map(Some),
            }
        };
        let intruder = within(pair.from, &pair.to.slices.rabbitmq.vhost);
        let (own, neighbour, foreign) = tokio::join!(connected(pair.from), neighbour, connected(&intruder));
        let foreign = foreign.map_err(|error| read_error(&error));
        let api = pair.management().map(|url| Api::new(pair.from, url));
        Ok(Self { own: own?, neighbour: neighbour?, foreign, api })
    }

    /// The owner's own connection to the side's slice.
    pub(super) fn owner(&self, side: Side) -> Option<&Connection> {
        match side {
            Side::Own => Some(&self.own),
            Side::Foreign => self.neighbour.as_ref(),
        }
    }

    /// The probing tenant's connection to the side's vhost, or how it was kept out.
    pub(super) fn entered(&self, side: Side) -> Result<&Connection, &(Outcome, String)> {
        match side {
            Side::Own => Ok(&self.own),
            Side::Foreign => self.foreign.as_ref(),
        }
    }

    /// The probing tenant at the management API.
    pub(super) fn api(&self) -> Option<&Api> {
        self.api.as_ref()
    }

    /// Acts as the probing tenant up to the first refusal, on a channel of its own in the side's vhost. Where it was kept
    /// out of that, this is the answer.
    pub(super) async fn ask(&self, names: Names<'_>, acts: &[Act], payload: &str) -> Answer {
        let said: Vec<_> = acts.iter().map(|act| names.text(act)).collect();
        self.ask_on(names, said.join(", "), async |channel| {
            let mut told = (Outcome::Unknown, String::from("nothing was asked"));
            for act in acts {
                told = names.act(&channel, act, payload).await?;
            }
            Ok(told)
        })
        .await
    }

    /// Makes a call of another kind as the probing tenant.
    pub(super) async fn ask_on(
        &self,
        Names { pair, side }: Names<'_>,
        what: String,
        call: impl AsyncFnOnce(Channel) -> lapin::Result<(Outcome, String)>,
    ) -> Answer {
        let (vhost, user) = (&pair.tenant(side).slices.rabbitmq.vhost, &pair.from.connections.rabbitmq.user);
        Answer::of(format!("{what} in vhost `{vhost}` as `{user}`"), async {
            let connection = match self.entered(side) {
                Ok(connection) => connection,
                Err((outcome, text)) => return (*outcome, format!("not let in: {text}")),
            };
            let made = match connection.create_channel().await {
                Ok(channel) => call(channel).await,
                Err(error) => Err(error),
            };
            made.unwrap_or_else(|error| read_error(&error))
        })
        .await
    }

    /// Acts as the side's owner; nothing when there is none.
    ///
    /// # Errors
    /// When the owner cannot work in its own slice.
    pub(super) async fn as_owner(&self, names: Names<'_>, acts: &[Act], payload: &str) -> Result<(), Error> {
        let (Some(owner), false) = (self.owner(names.side), acts.is_empty()) else { return Ok(()) };
        let channel = owner.create_channel().await.map_err(planting(names, "open a channel"))?;
        for act in acts {
            names.act(&channel, act, payload).await.map_err(planting(names, &names.text(act)))?;
        }
        Ok(())
    }

    /// The same for an act that the broker may refuse to the owner as well.
    ///
    /// # Errors
    /// When it did not answer at all.
    pub(super) async fn as_owner_if_let(
        &self,
        names: Names<'_>,
        act: &Act,
        payload: &str,
    ) -> Result<(), Error> {
        let Some(owner) = self.owner(names.side) else { return Ok(()) };
        // A refusal closes the channel.
        let channel = owner.create_channel().await.map_err(planting(names, "open a channel"))?;
        match names.act(&channel, act, payload).await {
            Err(error) if read_error(&error).0 != Outcome::Denied => {
                Err(planting(names, &names.text(act))(error))
            }
            _ => Ok(()),
        }
    }

    /// Whether the side's owner finds this payload in the queue; `None` when there is no owner to ask. Takes the messages
    /// out as it looks. What is on its `way` it waits for.
    pub(super) async fn held(
        &self,
        names: Names<'_>,
        queue: &str,
        payload: &str,
        way: bool,
    ) -> Option<Result<bool, Error>> {
        let (owner, queue) = (self.owner(names.side)?, names.of(queue));
        let found = look_through(owner, &queue, payload, way).await;
        Some(found.map_err(planting(names, &format!("look through `{queue}`"))))
    }

    /// Whether the side's owner finds what the act finds; `None` when there is no owner to ask.
    pub(super) async fn finds(&self, names: Names<'_>, act: &Act) -> Option<Result<bool, Error>> {
        let owner = self.owner(names.side)?;
        let look = async { names.act(&owner.create_channel().await?, act, "").await };
        Some(match look.await {
            Ok(_) => Ok(true),
            Err(error) if read_error(&error).0 == Outcome::Invisible => Ok(false),
            Err(error) => Err(planting(names, &names.text(act))(error)),
        })
    }
}

/// Connects. The broker counts what an attempt took that a fault has cut off for a moment more; room is waited for.
async fn connected(access: &TenantAccess) -> Result<Connection, Error> {
    let until = Instant::now() + CALL_DEADLINE;
    loop {
        match clients::rabbitmq::connect(access).await {
            Err(error) if Instant::now() < until && error.chain().contains(NO_ROOM) => sleep(RECOUNT).await,
            connected => return connected,
        }
    }
}

/// Connects with a tenant's login to any vhost.
pub(super) async fn into_vhost(access: &TenantAccess, vhost: &str) -> Result<Connection, (Outcome, String)> {
    clients::rabbitmq::connect(&within(access, vhost)).await.map_err(|error| read_error(&error))
}

fn within(access: &TenantAccess, vhost: &str) -> TenantAccess {
    let mut access = access.clone();
    vhost.clone_into(&mut access.connections.rabbitmq.vhost);
    access
}

/// Whether both tenants use one vhost.
pub(super) fn one_vhost(pair: &Pair<'_>) -> bool {
    pair.from.tenant.slices.rabbitmq.vhost == pair.to.slices.rabbitmq.vhost
}

fn planting(Names { pair, side }: Names<'_>, doing: &str) -> impl FnOnce(lapin::Error) -> Error {
    let tenant = pair.tenant(side);
    Error::serve(
        Service::Rabbitmq,
        format!("plant for `{}` in {}: {doing}", tenant.name, tenant.slices.rabbitmq),
    )
}

async fn look_through(owner: &Connection, queue: &str, payload: &str, way: bool) -> lapin::Result<bool> {
    let channel = owner.create_channel().await?;
    for _ in 0..LOOK_MAX {
        match channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await? {
            None => break,
            Some(message) if message.delivery.data == payload.as_bytes() => return Ok(true),
            Some(_) => {}
        }
    }
    if !way {
        return Ok(false);
    }
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
    let arrives = async {
        while let Some(delivery) = consumer.next().await {
            if delivery?.data == payload.as_bytes() {
                return Ok(true);
            }
        }
        Ok(false)
    };
    tokio::time::timeout(PASSED_ON, arrives).await.unwrap_or(Ok(false))
}

/// The command that limits the probing tenant to what it owns.
pub(super) fn limit(pair: &Pair<'_>) -> String {
    let user = &pair.from.connections.rabbitmq.user;
    let (own, other) = (&pair.from.tenant.slices.rabbitmq, &pair.to.slices.rabbitmq);
    if own.vhost != other.vhost {
        return format!("rabbitmqctl clear_permissions -p '{}' '{user}'", other.vhost);
    }
    let pattern = own.pattern();
    format!("rabbitmqctl set_permissions -p '{}' '{user}' '{pattern}' '{pattern}' '{pattern}'", own.vhost)
}

/// What an error says about isolation: refused, not there, or nothing at all.
pub(super) fn read_error(error: &(dyn std::error::Error + 'static)) -> (Outcome, String) {
    let answered = cause::<lapin::Error>(error).and_then(|error| match error.kind() {
        ErrorKind::ProtocolError(refusal) => Some(refusal),
        _ => None,
    });
    match answered {
        None => (Outcome::Unknown, chain(error)),
        Some(refusal) => {
            let outcome = match refusal.get_id() {
                // ACCESS_REFUSED; RESOURCE_LOCKED, of another connection's exclusive queue; NOT_ALLOWED, which is the answer
                // to opening a vhost without a permission there.
                403 | 405 | 530 => Outcome::Denied,
                404 => Outcome::Invisible,
                _ => Outcome::Unknown,
            };
            (outcome, format!("{} {}", refusal.get_id(), refusal.get_message()))
        }
    }
}

#[cfg(test)]
mod tests {
    use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};

    use super::*;
    use crate::{probes::finding::tests::an_error_leaks_what_it_quotes, seed::Seed, testing::tenant};

    #[test]
    fn an_error_that_quotes_the_neighbour_is_a_leak() {
        for kind in [
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED),
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED),
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED),
        ] {
            an_error_leaks_what_it_quotes(Service::Rabbitmq, |text, _| {
                let refusal = ErrorKind::ProtocolError(AMQPError::new(kind.clone(), text.into()));
                read_error(&lapin::Error::from(refusal))
            });
        }
    }

    #[test]
    fn the_fix_is_for_the_way_of_sharing() {
        let (mut from, mut to) = (tenant("engine"), tenant("plane"));
        let separate = limit(&Pair::new(&from, &to, &Seed::new(1)));
        assert_eq!(separate, "rabbitmqctl clear_permissions -p '/plane' 'engine'");
        for access in [&mut from, &mut to] {
            access.tenant.slices.rabbitmq.vhost = String::from("one");
        }
        from.tenant.slices.rabbitmq.queues = Some(String::from("engine:"));
        let shared = limit(&Pair::new(&from, &to, &Seed::new(1)));
        assert!(shared.contains("-p 'one' 'engine' '^engine:'"), "{shared}");
    }

    #[tokio::test]
    async fn a_broker_that_is_not_there_proves_nothing() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        assert!(Ground::plant(&pair).await.is_err());
        let error = clients::rabbitmq::connect(&from).await.unwrap_err();
        assert_eq!(read_error(&error).0, Outcome::Unknown, "{}", error.chain());
    }
}
