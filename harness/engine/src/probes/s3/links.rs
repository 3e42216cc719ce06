//! Probes by links that carry their signature in themselves: signed for the neighbour's object, signed for another and then
//! changed, or spelled so that a careless server takes one name for another.

use std::time::Duration;

use aws_sdk_s3::{Client, presigning::PresigningConfig};
use bulkhead_model::{Class, Outcome, S3Slice, Service};

use super::{
    at::{At, Plant},
    ground::{Ground, limit},
    request::{Request, send_link},
};
use crate::probes::{
    About, Attempt, Attempting, Change, Pair, Probe, Side,
    answer::{Answer, chain},
};

/// How long a link holds.
const HOLDS: Duration = Duration::from_secs(60);

/// A probe of several links, of which one that works is enough.
pub(super) struct Links {
    about: About,
    method: &'static str,
    links: fn(&At<'_>) -> Vec<Link>,
}

/// A link, and what it is.
struct Link {
    what: &'static str,
    /// The name that it is signed for.
    bucket: String,
    key: String,
    /// How its path is changed after it was signed.
    change: fn(&At<'_>, &str) -> String,
}

pub(super) static READ_BY_LINK: Links = Links {
    about: about(
        Class::Read,
        "s3.read-by-foreign-link",
        "Signs a link to an object of the neighbour's, and puts that object into a link to its own.",
    ),
    method: "GET",
    links: swapped,
};
pub(super) static WRITE_BY_LINK: Links = Links {
    about: about(
        Class::Write,
        "s3.write-by-foreign-link",
        "Signs a link to upload into the neighbour's slice, and puts that name into a link to its own.",
    ),
    method: "PUT",
    links: swapped,
};
pub(super) static READ_BY_SPELLING: Links = Links {
    about: about(
        Class::Read,
        "s3.read-by-other-spelling",
        "Downloads an object of the neighbour's by names with encoded slashes, `..` and `%2e%2e` in them.",
    ),
    method: "GET",
    links: spelled,
};
pub(super) static WRITE_BY_SPELLING: Links = Links {
    about: about(
        Class::Write,
        "s3.write-by-other-spelling",
        "Uploads into the neighbour's slice by names with encoded slashes, `..` and `%2e%2e` in them.",
    ),
    method: "PUT",
    links: spelled,
};

const fn about(class: Class, name: &'static str, sentence: &'static str) -> About {
    About::new(Service::S3, name, class, sentence)
}

fn link(what: &'static str, slice: &S3Slice, key: String, change: fn(&At<'_>, &str) -> String) -> Link {
    Link { what, bucket: slice.bucket.clone(), key, change }
}

/// The path of an object as it is signed.
fn path(slice: &S3Slice, key: &str) -> String {
    Request::object("GET", slice, key).target()
}

/// A link to the side's object, and one to an object of its own in which the side's name takes the place of that.
fn swapped(at: &At<'_>) -> Vec<Link> {
    let mut links = vec![link("signed for it", at.slice(), at.key(), |_, url| url.to_owned())];
    if at.side == Side::Foreign {
        links.push(link("signed for its own", at.my_slice(), at.my_key(), |at, url| {
            let (own, other) = (path(at.my_slice(), &at.my_key()), path(at.slice(), &at.key()));
            url.replacen(&own, &other, 1)
        }));
    }
    links
}

/// The side's object with its slashes encoded, and names in its own slice that climb out of it.
fn spelled(at: &At<'_>) -> Vec<Link> {
    let mut links = vec![link("with encoded slashes", at.slice(), at.key(), |at, url| {
        url.replacen(&at.key(), &at.key().replace('/', "%2F"), 1)
    })];
    if at.side == Side::Foreign {
        let (own, to) = (at.my_slice(), at.slice());
        // A case may work deep within its tenant's slice, and climbs all the way out.
        let up = "../".repeat(own.prefix.as_deref().map_or(0, |prefix| prefix.matches('/').count()));
        let climbing = match own.bucket == to.bucket {
            true => own.key(&format!("{up}{}", at.key())),
            false => own.key(&format!("{up}../{}/{}", to.bucket, at.key())),
        };
        links.push(link("climbing out of its own", own, climbing.clone(), |_, url| url.to_owned()));
        links.push(link("climbing in encoded dots", own, climbing.clone(), |_, url| {
            url.replace("../", "%2e%2e/")
        }));
        links.push(link("climbing in encoded slashes", own, climbing, |_, url| url.replace("../", "..%2F")));
    }
    links
}

impl Links {
    /// Signs one link, changes it and follows it.
    async fn follow(&self, ground: &Ground, at: &At<'_>, link: &Link) -> (Outcome, String) {
        let followed = async {
            let signed = sign(&ground.own, self.method, link).await?;
            let body = if self.method == "PUT" { at.marker() } else { String::new() };
            send_link(&ground.own, self.method, &(link.change)(at, &signed), &body).await
        };
        match followed.await {
            // A link whose signature does not hold is refused; that the client can sign is the control's to show.
            Ok(reply) if at.side == Side::Foreign && reply.is_forged() => {
                (Outcome::Denied, reply.received(&at.pair.canary()))
            }
            Ok(reply) => (reply.outcome(), reply.received(&at.pair.canary())),
            Err(reason) => (Outcome::Unknown, reason),
        }
    }

    /// Follows all links; what got furthest counts.
    async fn ask(&self, ground: &Ground, at: &At<'_>) -> Answer {
        let id = &at.pair.from.connections.s3.access_key_id;
        let call = format!("{} `{}/{}` by link as `{id}`", self.method, at.slice().bucket, at.key());
        Answer::of(call, async {
            let (mut worst, mut told) = (Outcome::Denied, Vec::new());
            for link in (self.links)(at) {
                let (outcome, received) = self.follow(ground, at, &link).await;
                worst = [Outcome::Allowed, Outcome::Unknown, Outcome::Invisible]
                    .into_iter()
                    .find(|one| [outcome, worst].contains(one))
                    .unwrap_or(Outcome::Denied);
                told.push(format!("{}: {received}", link.what));
            }
            (worst, told.join("; "))
        })
        .await
    }
}

/// A link that holds for a minute.
async fn sign(client: &Client, method: &str, link: &Link) -> Result<String, String> {
    let holds = PresigningConfig::expires_in(HOLDS).map_err(|error| chain(&error))?;
    let signed = if method == "PUT" {
        let put = client.put_object().bucket(&link.bucket).key(&link.key);
        put.presigned(holds).await.map_err(|error| chain(&error))
    } else {
        let get = client.get_object().bucket(&link.bucket).key(&link.key);
        get.presigned(holds).await.map_err(|error| chain(&error))
    };
    signed.map(|signed| signed.uri().to_owned())
}

impl Probe for Links {
    fn about(&self) -> &About {
        &self.about
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let ground = pair.s3().await?;
            let at = At::plant(ground, pair, side, self.about.name, &[Plant::Object, Plant::Mine]).await?;
            let held = || Request::object("GET", at.slice(), &at.key());
            if self.method == "GET" {
                return Ok(Attempt::Seen(self.ask(ground, &at).await));
            }
            let before = ground.as_owner(side, held()).await;
            let answer = self.ask(ground, &at).await;
            let after = ground.as_owner(side, held()).await;
            let seen = before.zip(after).map(|(before, after)| Ok(before? != after?));
            Ok(Attempt::Changed(Change { answer, seen }))
        })
    }
}
