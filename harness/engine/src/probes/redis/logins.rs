//! Probes of the login itself, each on connections of its own: what one that logs out may do, whether the neighbour's
//! takes any password, and whether the neighbour's connection can be ended.

use bulkhead_model::{Class, Outcome, Service};
use bulkhead_target::{Error, TenantAccess, clients};
use redis::{Value, aio::MultiplexedConnection, cmd};

use super::{
    ground::{ask_on, key},
    reading::{read_error, read_value},
    server_wide,
};
use crate::probes::{About, Attempt, Attempting, Change, Pair, Probe, Side, answer::Answer};

/// `redis.read-without-login`: `RESET` makes a connection the default user's again.
pub(super) struct LoggedOut;

impl Probe for LoggedOut {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Redis,
                "redis.read-without-login",
                Class::Read,
                "Logs out by `RESET` and reads a key of the neighbour's as the default user.",
            )
            .by_name()
        }
    }

    fn fix(&self, _pair: &Pair<'_>) -> String {
        String::from("ACL SETUSER default off resetpass")
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let apart = clients::redis::connect(pair.from).await?;
            let mut get = cmd("GET");
            get.arg(key(&pair.tenant(side).slices.redis));
            if side == Side::Foreign {
                let reset = ask_on(apart.clone(), pair, cmd("RESET")).await;
                if !reset.worked() {
                    return Ok(Attempt::Seen(reset));
                }
            }
            let mut read = ask_on(apart, pair, get).await;
            if side == Side::Foreign {
                read.call = format!("RESET, {}", read.call);
            }
            Ok(Attempt::Seen(read))
        })
    }
}

/// `redis.log-in-as-neighbour`.
pub(super) struct AnyPassword;

impl Probe for AnyPassword {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Redis,
                "redis.log-in-as-neighbour",
                Class::Administer,
                "Logs in as the neighbour with a password of its own making, and compares the answer with that for a \
                 login that is not there.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        let user = pair.owner(Side::Foreign).map_or("…", |access| access.connections.redis.user.as_str());
        format!("ACL SETUSER {user} resetpass >…")
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let guess = pair.token(self.about().name);
            let (user, password) = match (side, pair.owner(side)) {
                (Side::Own, _) => {
                    let url = &pair.from.connections.redis;
                    (url.user.as_str(), url.password.expose())
                }
                (Side::Foreign, Some(access)) => (access.connections.redis.user.as_str(), guess.as_str()),
                (Side::Foreign, None) => return Err(Error::Reported(pair.without_neighbour(Service::Redis))),
            };
            let apart = clients::redis::connect(pair.from).await?;
            let there = log_in(apart.clone(), user, password).await;
            if there.worked() {
                return Ok(Attempt::Seen(there));
            }
            let nobody = pair.token("nobody");
            let missing = log_in(apart, &nobody, &guess).await;
            Ok(Attempt::Seen(there.told_apart_from(&missing, &[user, &nobody])))
        })
    }
}

/// The call is told without the password.
async fn log_in(mut connection: MultiplexedConnection, user: &str, password: &str) -> Answer {
    Answer::of(format!("AUTH {user} …"), async {
        let mut auth = cmd("AUTH");
        auth.arg(user).arg(password);
        match auth.query_async::<Value>(&mut connection).await {
            Ok(value) => read_value(&value),
            Err(error) => read_error(&error),
        }
    })
    .await
}

/// `redis.end-connections`: the one that it ends was opened for that.
pub(super) struct Kill;

impl Probe for Kill {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Redis,
                "redis.end-connections",
                Class::Administer,
                "Ends a connection of the neighbour's by its number.",
            )
            .by_name()
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        server_wide::withhold(pair, "client|kill")
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.redis().await?;
            let mut kill = cmd("CLIENT");
            kill.arg("KILL").arg("ID");
            let Some(owner) = pair.owner(side) else {
                // Nobody's connection has that number.
                kill.arg("0");
                let answer = ground.ask_queued(pair, kill).await;
                return Ok(Attempt::Changed(Change { answer, seen: None }));
            };
            let (mut doomed, number) = doomed(owner).await?;
            kill.arg(number);
            let answer = ground.ask(pair, kill).await;
            if side == Side::Own && answer.outcome == Outcome::Denied {
                return Ok(ground.shown_otherwise(pair, &answer).await);
            }
            let seen = match cmd("PING").exec_async(&mut doomed).await {
                Ok(()) => Ok(false),
                Err(error) if error.code().is_none() => Ok(true),
                Err(error) => Err(Error::serve(Service::Redis, "ask whether the connection is there")(error)),
            };
            Ok(Attempt::Changed(Change { answer, seen: Some(seen) }))
        })
    }
}

/// A connection of the owner's, with the number by which the server knows it.
async fn doomed(owner: &TenantAccess) -> Result<(MultiplexedConnection, u64), Error> {
    let mut connection = clients::redis::connect(owner).await?;
    let number = cmd("CLIENT").arg("ID").query_async(&mut connection).await;
    let number =
        number.map_err(Error::serve(Service::Redis, "ask for a connection's number as its owner"))?;
    Ok((connection, number))
}
