//! Probes that compare what is answered about something that is there with what is answered about something that is not,
//! or about a name that is only nearly one's own.

use bulkhead_model::{Class, Outcome, Service};

use super::{
    at::{At, Plant},
    ground::{Ground, limit},
    reply::Reply,
    request::Request,
};
use crate::probes::{About, Attempt, Attempting, Pair, Probe, Side, answer::Answer};

/// `s3.foreign-object-exists`: 404 for a missing object tells what exists where 403 is the answer for one that is there.
pub(super) struct ForeignObjectExists;

/// `s3.share-account`: what is counted by account is common to all that have one.
pub(super) struct ShareAccount;

fn plainly(at: &At<'_>) -> impl Fn(&Reply) -> (Outcome, String) {
    let canary = at.pair.canary();
    move |reply| (reply.outcome(), reply.received(&canary))
}

impl Probe for ForeignObjectExists {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::S3,
                "s3.foreign-object-exists",
                Class::Enumerate,
                "Asks for an object of the neighbour's and for one that is not there, and compares the answers.",
            )
            .by_name()
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.s3().await?;
            let at = At::plant(ground, pair, side, self.about().name, &[Plant::Object]).await?;
            let (there, missing) = (at.key(), format!("{}missing", at.folder()));
            let ask = |key: &str| ground.ask(pair, Request::object("GET", at.slice(), key), plainly(&at));
            let (found, not_found) = (ask(&there).await, ask(&missing).await);
            Ok(Attempt::Seen(found.told_apart_from(&not_found, &[&there, &missing])))
        })
    }
}

impl Probe for ShareAccount {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::S3,
                "s3.share-account",
                Class::Exhaust,
                "Looks whether its slice and the neighbour's are of one account, whose limits one of them can use up.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        format!("give {} an account of its own", pair.from.tenant.name)
    }

    fn inherent(&self, _pair: &Pair<'_>, server: &str) -> Option<String> {
        let reason = if server.starts_with("minio") {
            "MinIO can limit a bucket's size (`mc quota set`), and nobody's requests"
        } else if server.starts_with("seaweedfs") {
            "SeaweedFS can limit a bucket's size and its requests at a time (`s3.bucket.quota`, `s3.circuitBreaker`), and \
             nobody's requests a second"
        } else {
            "B2 counts storage, downloads, calls, calls a second and buckets by account, and has no limit for a key or \
             a bucket; an account for each tenant closes it"
        };
        Some(reason.to_owned())
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.s3().await?;
            let at = At::plant(ground, pair, side, self.about().name, &[Plant::Object]).await?;
            let theirs = account(ground, &at, side).await;
            if side == Side::Own || !theirs.worked() {
                return Ok(Attempt::Seen(theirs));
            }
            let at = At::plant(ground, pair, Side::Own, self.about().name, &[Plant::Object]).await?;
            let own = account(ground, &at, Side::Own).await;
            let outcome = match own.outcome {
                Outcome::Allowed if own.received == theirs.received => Outcome::Allowed,
                Outcome::Allowed => Outcome::Denied,
                _ => Outcome::Unknown,
            };
            let received = format!("{}; its own: {}", theirs.received, own.received);
            Ok(Attempt::Seen(Answer { outcome, received, ..theirs }))
        })
    }
}

/// The account of a slice, as the slice's owner reads it in a listing.
async fn account(ground: &Ground, at: &At<'_>, side: Side) -> Answer {
    let list = Request::bucket("GET", &at.slice().bucket).query("prefix", &at.folder());
    let call = format!("{} as its owner", list.readable());
    Answer::of(call, async {
        let reply = match ground.reply_to_owner(side, list).await {
            Some(Ok(reply)) => reply,
            Some(Err(reason)) => return (Outcome::Unknown, reason),
            None => return (Outcome::Unknown, String::from("nobody to ask")),
        };
        match (reply.outcome(), reply.elements("ID").next()) {
            (Outcome::Allowed, Some(id)) => (Outcome::Allowed, format!("of account `{id}`")),
            (Outcome::Allowed, None) => (Outcome::Unknown, String::from("the listing names no owner")),
            (outcome, _) => (outcome, reply.refusal()),
        }
    })
    .await
}
