//! Probes of notifications: a channel is a name that a whole database shares, and has no owner.
//!
//! Who listens ends its wait with a notification of its own, so that nothing is waited for that may not come.

use bulkhead_model::{Class, Outcome, Service};
use bulkhead_target::{Error, TenantAccess, clients};
use sqlx::{AssertSqlSafe, postgres::PgListener};

use super::{
    ground::{Ask, At, intruder, read_error},
    question::{Fix, Inherent},
    words::fill,
};
use crate::probes::{About, Attempt, Attempting, Change, Pair, Probe, Side, answer::Answer};

pub(super) static LISTEN: Listen = Listen;
pub(super) static NOTIFY: Notify = Notify;

/// Hears what the neighbour says.
pub(super) struct Listen;

/// Says something to the neighbour.
pub(super) struct Notify;

const FIX: Fix = Fix::Say("REVOKE CONNECT ON DATABASE {database} FROM {mine}, PUBLIC");

const SHARED: Inherent = Inherent::Together(
    "a channel is a name that everybody in a database may listen on and notify, in every version; a database for each \
     tenant closes it",
);

impl Probe for Listen {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Postgres,
                "postgres.listen-on-foreign-channel",
                Class::Read,
                "Listens on a channel in the neighbour's database while the neighbour notifies it.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        FIX.text(pair)
    }

    fn inherent(&self, pair: &Pair<'_>, _server: &str) -> Option<String> {
        SHARED.why(pair)
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let (ground, channel) = (pair.postgres().await?, channel(pair, "listen"));
            let access = match side {
                Side::Own => pair.from.clone(),
                Side::Foreign => intruder(pair),
            };
            let user = &access.connections.postgres.user;
            let call = format!(
                "LISTEN {channel} in database `{}` as `{user}`",
                access.connections.postgres.database
            );
            let say = format!("NOTIFY {channel}, '{}'", pair.planted(side));
            let answer = Answer::of(call, async {
                let mut listener = match listen(&access, &channel).await {
                    Ok(listener) => listener,
                    Err(error) => return read_error(&error),
                };
                if let Err(error) = ground.as_owner(side, say).await {
                    return (Outcome::Unknown, error.chain());
                }
                match heard(&mut listener, &channel).await {
                    Err(error) => read_error(&error),
                    Ok(heard) if heard.is_empty() => (Outcome::Invisible, String::from("nothing is heard")),
                    Ok(heard) => (Outcome::Allowed, heard.join(", ")),
                }
            });
            Ok(Attempt::Seen(answer.await))
        })
    }
}

impl Probe for Notify {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Postgres,
                "postgres.notify-foreign-channel",
                Class::Write,
                "Notifies a channel in the neighbour's database on which the neighbour listens.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        FIX.text(pair)
    }

    fn inherent(&self, pair: &Pair<'_>, _server: &str) -> Option<String> {
        SHARED.why(pair)
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let (ground, channel) = (pair.postgres().await?, channel(pair, "notify"));
            let mut listener = match pair.owner(side) {
                Some(owner) => Some(listen(owner, &channel).await?),
                None => None,
            };
            let say = fill(&format!("NOTIFY {channel}, '{{token}}'"), pair, side, "notify");
            let answer = ground.ask(pair, side, At::Theirs, &say, Ask::Done).await;
            let seen = match listener.as_mut() {
                None => None,
                Some(listener) => {
                    let heard = heard(listener, &channel).await;
                    let said = pair.token("notify");
                    let doing = format!("listen on {channel} as the owner of the slice");
                    let heard = heard.map(|heard| heard.contains(&said));
                    Some(heard.map_err(Error::serve(Service::Postgres, doing)))
                }
            };
            Ok(Attempt::Changed(Change { answer, seen }))
        })
    }
}

/// A channel of this pair's and probe's.
fn channel(pair: &Pair<'_>, probe: &str) -> String {
    format!("bulkhead_{}", pair.token(&format!("channel {probe}")))
}

async fn listen(access: &TenantAccess, channel: &str) -> Result<PgListener, Error> {
    let pool = clients::postgres::pool(access, 1).await?;
    let doing = || format!("listen on {channel} in `{}`", access.connections.postgres.database);
    let mut listener =
        PgListener::connect_with(&pool).await.map_err(Error::serve(Service::Postgres, doing()))?;
    listener.listen(channel).await.map_err(Error::serve(Service::Postgres, doing()))?;
    Ok(listener)
}

/// What was said on the channel so far.
async fn heard(listener: &mut PgListener, channel: &str) -> sqlx::Result<Vec<String>> {
    sqlx::raw_sql(AssertSqlSafe(format!("NOTIFY {channel}, '{END}'"))).execute(&mut *listener).await?;
    let mut heard = Vec::new();
    loop {
        let notification = listener.recv().await?;
        if notification.payload() == END {
            return Ok(heard);
        }
        heard.push(notification.payload().to_owned());
    }
}

/// The last that a listener hears, from itself.
const END: &str = "end";
