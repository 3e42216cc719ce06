//! `s3.assets`: objects that clients read whole and in ranges, by their key and by links that carry a signature in
//! themselves, as a browser would. Among them are links that must be refused: an expired one, one to an object outside the
//! tenant's slice, and one that was changed after it was signed.
//!
//! A server that looks for a neighbour's object and does not find it has let the request through: only a refusal is one.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use aws_sdk_s3::{
    Client as S3, error::ProvideErrorMetadata, presigning::PresigningConfig, primitives::ByteStream,
};
use bulkhead_model::{
    Act, Found, S3Slice, Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, TenantAccess, clients as connections};
use futures::future::join_all;

use super::{
    RATE, Stage, Working, Workload,
    clients::{Client, Doer, Performed, Trouble, name, pace},
    s3::{bytes, content, fetch, received, trouble},
};
use crate::{
    cost::{Cost, Span, prices},
    probes::s3::request::follow,
    seed::Seed,
};

/// What the keys of the assets begin with, inside the slice.
const FOLDER: &str = "bulkhead/assets/";

/// How long a link holds.
const HOLDS: Duration = Duration::from_secs(60);

/// How often links are tried at the end which must be refused.
const INSISTED: u64 = 16;

/// When an expired link was signed, since 1970: in 2020.
const LONG_AGO: Duration = Duration::from_secs(1_600_000_000);

/// The workload.
pub(super) struct Assets;

impl Workload for Assets {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "s3.assets",
            about: "Clients read objects whole and in ranges, by key and by signed link, and try links that must be \
                    refused.",
            settings: &[
                Wanted { name: "clients", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("3") },
                Wanted { name: "objects", kind: Kind::Amount(Unit::Count, 1..=100), usual: Some("3") },
                Wanted { name: "rate", kind: RATE, usual: Some("30/s") },
                Wanted { name: "size", kind: Kind::Amount(Unit::Size, 64..=8 << 20), usual: Some("64KiB") },
            ],
        }
    }

    fn service(&self) -> Service {
        Service::S3
    }

    fn prepare<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let (client, slice) = (connections::s3::client(stage.access)?, &stage.access.tenant.slices.s3);
            for Asset { key, body } in assets(stage) {
                let put = client.put_object().bucket(&slice.bucket).key(&key).body(ByteStream::from(body));
                put.send().await.map_err(Error::serve(Service::S3, format!("put `{key}` in {slice}")))?;
            }
            Ok(())
        })
    }

    fn preparing(&self, chosen: &Chosen) -> Cost {
        prices::put(chosen.amount("size")).times(chosen.amount("objects"))
    }

    fn allowance(&self, chosen: &Chosen, span: Span) -> Cost {
        let acts = span.acts(chosen, chosen.amount("clients")).saturating_add(INSISTED);
        prices::get(chosen.amount("size")).times(acts)
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let assets = assets(stage);
            let (clients, ending) = (stage.chosen.amount("clients"), AtomicBool::new(false));
            let visiting = (1..=clients).map(|number| {
                let who = name(self, stage, format!("client {number}"));
                let visitor = Visitor {
                    access: stage.access,
                    slice: &stage.access.tenant.slices.s3,
                    granted: &stage.granted.s3,
                    size: stage.chosen.amount("size"),
                    assets: &assets,
                    seed: stage.seed.child(&who.name),
                    count: 0,
                    by_link: false,
                    ending: &ending,
                    left: FORBIDDEN.to_vec(),
                };
                let mut client = Client::new(stage, who, visitor);
                async move {
                    client.work(pace(stage, clients)).await;
                    client
                }
            });
            let mut visited = join_all(visiting).await;
            // Whatever met no answer meanwhile, each link that must be refused meets one at the end.
            ending.store(true, Ordering::Relaxed);
            if let Some(client) = visited.first_mut() {
                for _ in FORBIDDEN {
                    client.insist().await;
                }
            }
            Ok(())
        })
    }
}

/// One object.
struct Asset {
    key: String,
    body: Vec<u8>,
}

fn assets(stage: &Stage<'_>) -> Vec<Asset> {
    let size = usize::try_from(stage.chosen.amount("size")).unwrap_or(0);
    let tenant = &stage.access.tenant;
    let asset = |number: u64| Asset {
        key: tenant.slices.s3.key(&format!("{FOLDER}{}.{number}", tenant.name)),
        body: bytes(&stage.seed.child(&format!("asset {number}")), size),
    };
    (1..=stage.chosen.amount("objects")).map(asset).collect()
}

/// One client.
struct Visitor<'a> {
    access: &'a TenantAccess,
    slice: &'a S3Slice,
    /// The slice that its key is for.
    granted: &'a S3Slice,
    /// How large an asset is.
    size: u64,
    assets: &'a [Asset],
    seed: Seed,
    /// Operations so far.
    count: u64,
    /// Whether the present one is by a link.
    by_link: bool,
    /// Whether only what is left is to be done.
    ending: &'a AtomicBool,
    /// The links that are to be tried at the end.
    left: Vec<&'static str>,
}

const EXPIRED: &str = "an expired link";
const FOREIGN: &str = "a link to an object outside its slice";
const CHANGED: &str = "a link to one object, changed to another";

/// What must be refused.
const FORBIDDEN: [&str; 3] = [EXPIRED, FOREIGN, CHANGED];

impl Doer for Visitor<'_> {
    type Line = S3;

    async fn connect(&self) -> Result<S3, Error> {
        connections::s3::client(self.access)
    }

    fn next(&mut self) -> Act {
        self.count += 1;
        let drawn = self.seed.child(&self.count.to_string());
        let draw = |name: &str, among: usize| {
            let number = drawn.child(name).number() % u64::try_from(among.max(1)).unwrap_or(1);
            usize::try_from(number).unwrap_or(0)
        };
        let trespass = |what: &str| Act::Trespass { what: what.to_owned() };
        if let Some(what) = self.left.last().filter(|_| self.ending.load(Ordering::Relaxed)) {
            return trespass(what);
        }
        match (draw("act", 8), self.assets.get(draw("object", self.assets.len()))) {
            (0, _) => trespass(EXPIRED),
            (1, _) => trespass(FOREIGN),
            (2, _) => trespass(CHANGED),
            (_, None) => trespass(EXPIRED),
            (way, Some(Asset { key, body })) => {
                self.by_link = way < 6;
                let first = draw("first", body.len());
                let last = first + draw("last", body.len() - first);
                let whole = way == 5 || body.is_empty();
                let part = if whole { Some(&body[..]) } else { body.get(first..=last) };
                let range = [first, last].map(|place| u64::try_from(place).unwrap_or(0));
                Act::Fetch { object: key.clone(), range: (!whole).then_some(range), holds: part.map(content) }
            }
        }
    }

    fn price(&self, _: &Act) -> Cost {
        prices::get(self.size)
    }

    async fn perform(&mut self, client: &mut S3, act: &Act) -> Performed {
        match act {
            Act::Fetch { object, range, .. } if self.by_link => {
                let link = self.sign(client, &self.slice.bucket, object, holding()).await?;
                Ok(Some(Found::Content(received(follow(client, &link, *range).await).await?)))
            }
            Act::Fetch { object, range, .. } => {
                Ok(Some(Found::Content(fetch(client, self.slice, object, *range).await?)))
            }
            Act::Trespass { what } => {
                let link = self.forbidden(client, what).await?;
                let answer = try_it(client, &link).await?;
                self.left.retain(|left| left != what || !self.ending.load(Ordering::Relaxed));
                Ok(Some(answer))
            }
            _ => Ok(None),
        }
    }
}

/// When a link is signed, where it is not now.
type Signed = Option<SystemTime>;

fn holding() -> Signed {
    None
}

impl Visitor<'_> {
    async fn sign(&self, client: &S3, bucket: &str, key: &str, signed: Signed) -> Result<String, Trouble> {
        let unsent = |why: String| Trouble::Unsent(format!(": no link could be signed: {why}"));
        let holds = PresigningConfig::builder().expires_in(HOLDS);
        let holds = match signed {
            Some(moment) => holds.start_time(moment),
            None => holds,
        };
        let holds = holds.build().map_err(|error| unsent(error.to_string()))?;
        let link = client.get_object().bucket(bucket).key(key).presigned(holds).await;
        link.map(|link| link.uri().to_owned()).map_err(|error| unsent(error.to_string()))
    }

    /// A link that must be refused.
    async fn forbidden(&self, client: &S3, what: &str) -> Result<String, Trouble> {
        let (bucket, own) = (&self.slice.bucket, self.assets.first().map_or("", |asset| asset.key.as_str()));
        match what {
            EXPIRED => self.sign(client, bucket, own, SystemTime::UNIX_EPOCH.checked_add(LONG_AGO)).await,
            FOREIGN => {
                let (bucket, key) = beside(self.granted);
                self.sign(client, &bucket, &key, holding()).await
            }
            _ => {
                // What was signed is not there, so that only what it was changed to could be shown.
                let other = self.slice.key(&format!("{FOLDER}other"));
                let link = self.sign(client, bucket, &other, holding()).await?;
                Ok(link.replacen(&other, own, 1))
            }
        }
    }
}

/// Where a neighbour's object would be: beside the tenant's prefix, or in a bucket beside its own.
fn beside(slice: &S3Slice) -> (String, String) {
    match &slice.prefix {
        Some(prefix) => (slice.bucket.clone(), format!("neighbour-of-{prefix}{FOLDER}1")),
        None => (format!("{}-neighbour", slice.bucket), format!("{FOLDER}1")),
    }
}

/// Follows the link; what is no refusal of it let it through, though it may have found nothing.
async fn try_it(client: &S3, link: &str) -> Result<Found, Trouble> {
    let error = match follow(client, link, None).await {
        Ok(_) => return Ok(Found::Answer { refused: false, said: String::from("200") }),
        Err(error) => error,
    };
    let Some(status @ 400..=498) = error.raw_response().map(|answer| answer.status().as_u16()) else {
        return Err(trouble(&error));
    };
    let said = format!("{status} {}", error.code().unwrap_or("no code"));
    Ok(Found::Answer { refused: matches!(status, 400 | 401 | 403), said })
}
