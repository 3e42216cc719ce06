//! Probes of the door: into which vhosts a login leads, what its refusals tell, and who one says one is.

use bulkhead_model::{Class, Outcome, Secret, Service};
use lapin::{BasicProperties, ErrorKind};

use super::{
    acts::{Act, Names, publish},
    ground::{Ground, into_vhost, limit, one_vhost},
};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side, answer::Answer};

/// Why nobody is kept out of a vhost here.
const ONE_VHOST: &str = "both tenants use one vhost";

pub(super) struct EnterVhost;

impl Probe for EnterVhost {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Rabbitmq,
                "rabbitmq.enter-foreign-vhost",
                Class::Read,
                "Opens a connection into the neighbour's vhost.",
            )
            .by_name()
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    fn not_here(&self, pair: &Pair<'_>) -> Option<String> {
        one_vhost(pair).then(|| String::from(ONE_VHOST))
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move { Ok(Attempt::Seen(enter(pair.rabbitmq().await?, pair, side))) })
    }
}

pub(super) struct TellVhosts;

impl Probe for TellVhosts {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Rabbitmq,
                "rabbitmq.tell-vhosts-apart",
                Class::Enumerate,
                "Asks to be let into the neighbour's vhost and into one that does not exist, and compares the refusals.",
            )
            .by_name()
        }
    }

    fn fix(&self, _pair: &Pair<'_>) -> String {
        String::from("give vhosts names that nobody can guess")
    }

    fn inherent(&self, _pair: &Pair<'_>, _server: &str) -> Option<String> {
        Some(String::from(
            "RabbitMQ refuses a missing vhost in other words than one that is closed to the login; names that nobody can \
             guess leave nothing to find",
        ))
    }

    fn not_here(&self, pair: &Pair<'_>) -> Option<String> {
        one_vhost(pair).then(|| String::from(ONE_VHOST))
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let answer = enter(pair.rabbitmq().await?, pair, side);
            if side == Side::Own {
                return Ok(Attempt::Seen(answer));
            }
            let there = &pair.to.slices.rabbitmq.vhost;
            let missing = format!("{there}-{}", pair.token("no such vhost"));
            let call = format!("open vhost `{missing}`");
            let other =
                Answer::of(call, async { entered(into_vhost(pair.from, &missing).await.map(|_| ())) });
            Ok(Attempt::Seen(answer.told_apart_from(&other.await, &[&missing, there])))
        })
    }
}

pub(super) struct Guest;

impl Probe for Guest {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Rabbitmq,
                "rabbitmq.log-in-as-guest",
                Class::Administer,
                "Logs in as `guest`, the administrator that every new broker has, with the password that everybody knows.",
            )
            .by_name()
        }
    }

    fn fix(&self, _pair: &Pair<'_>) -> String {
        String::from("rabbitmqctl delete_user guest")
    }

    /// The control is that the same client is let in by its own login.
    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.rabbitmq().await?;
            if side == Side::Own {
                return Ok(Attempt::Seen(enter(ground, pair, side)));
            }
            let (mut guest, vhost) = (pair.from.clone(), &pair.to.slices.rabbitmq.vhost);
            guest.connections.rabbitmq.user = String::from("guest");
            guest.connections.rabbitmq.password = Secret::new("guest");
            let answer = Answer::of(format!("open vhost `{vhost}` as `guest`"), async {
                match entered(into_vhost(&guest, vhost).await.map(|_| ())) {
                    // The vhost is judged once the login is accepted.
                    (Outcome::Denied, text) if text.starts_with("530 ") => {
                        (Outcome::Allowed, format!("the login holds, but {text}"))
                    }
                    other => other,
                }
            });
            Ok(Attempt::Seen(answer.await))
        })
    }
}

pub(super) struct ForgeSender;

impl Probe for ForgeSender {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Rabbitmq,
                "rabbitmq.forge-sender",
                Class::Write,
                "Publishes a message whose `user-id` says that the neighbour sent it.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        let user = &pair.from.connections.rabbitmq.user;
        format!(
            "give each tenant a user of its own without the tag `impersonator`: rabbitmqctl set_user_tags '{user}'"
        )
    }

    /// To an exchange of one's own: what is forged is the name.
    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let (ground, names) = (pair.rabbitmq().await?, Names { pair, side: Side::Own });
            let exchange = Act::Exchange("~signed");
            ground.as_owner(names, &[exchange], "").await?;
            let user = pair.owner(side).unwrap_or(pair.from).connections.rabbitmq.user.clone();
            let to = names.of(exchange.name());
            let what = format!("basic.publish to `{to}` with user-id `{user}`");
            let properties = BasicProperties::default().with_user_id(user.as_str().into());
            let answer = ground.ask_on(names, what, async |channel| {
                match publish(&channel, &to, "", &pair.token("forged"), properties).await {
                    Err(error) => refused_name(error),
                    published => published,
                }
            });
            Ok(Attempt::Seen(answer.await))
        })
    }
}

/// That the name is not one's own is a failed precondition.
fn refused_name(error: lapin::Error) -> lapin::Result<(Outcome, String)> {
    match error.kind() {
        ErrorKind::ProtocolError(refusal) if refusal.get_id() == 406 => {
            Ok((Outcome::Denied, format!("406 {}", refusal.get_message())))
        }
        _ => Err(error),
    }
}

/// How the connection into the side's vhost went.
fn enter(ground: &Ground, pair: &Pair<'_>, side: Side) -> Answer {
    let (vhost, user) = (&pair.tenant(side).slices.rabbitmq.vhost, &pair.from.connections.rabbitmq.user);
    let (outcome, received) = entered(ground.entered(side).map(|_| ()).map_err(Clone::clone));
    Answer { call: format!("open vhost `{vhost}` as `{user}`"), outcome, received }
}

fn entered(connected: Result<(), (Outcome, String)>) -> (Outcome, String) {
    connected.map_or_else(|refusal| refusal, |()| (Outcome::Allowed, String::from("opened")))
}
