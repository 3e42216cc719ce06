//! `s3.config`: settings as small objects, each of which clients put and get as a whole, and put on the condition that it is
//! still what they saw.
//!
//! Amazon S3 and MinIO look at such a condition, `If-Match` with the object's tag or `If-None-Match: *`. B2 does not: it
//! answers a put with either header 501 `NotImplemented`, as the embedded stand-in does. Each client asks once, with its first
//! operation, which stays in the history, and goes on without conditions where it was told so.
//!
//! Where conditions hold, an object is always put with one or never. MinIO keeps a bucket's versions in the order in which
//! their puts began, so that a plain put that waits while a conditional one succeeds is answered as stored and is never
//! read: in a bucket with versions the two do not go together there (RELEASE.2026-02, one drive, seen with boto3 too).

use std::collections::HashMap;

use aws_sdk_s3::{Client as S3, operation::get_object::GetObjectError, primitives::ByteStream};
use bulkhead_model::{
    Act, Found, Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, TenantAccess, clients as connections};

use super::{
    RATE, Stage, WORD, Working, Workload,
    clients::{Doer, Performed, Trouble, work_together},
    s3::trouble,
};
use crate::{
    cost::{Cost, Span, prices},
    seed::Seed,
};

/// What the keys of the settings begin with, inside the slice.
const FOLDER: &str = "bulkhead/config/";

/// What an object holds at most.
const VALUE: u64 = 256;

/// The workload.
pub(super) struct Config;

impl Workload for Config {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "s3.config",
            about: "Clients write and read whole small objects; where the server looks at conditions (B2 does not), they also \
                    write one only if it is still what they saw.",
            settings: &[
                Wanted { name: "clients", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("3") },
                Wanted { name: "objects", kind: Kind::Amount(Unit::Count, 1..=100), usual: Some("3") },
                Wanted { name: "rate", kind: RATE, usual: Some("40/s") },
            ],
        }
    }

    fn service(&self) -> Service {
        Service::S3
    }

    /// Takes away what an earlier case left: a register begins empty.
    fn prepare<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let (client, slice) = (connections::s3::client(stage.access)?, &stage.access.tenant.slices.s3);
            for number in 1..=stage.chosen.amount("objects") {
                let key = slice.key(&format!("{FOLDER}{number}"));
                let deleted = client.delete_object().bucket(&slice.bucket).key(&key).send().await;
                deleted.map_err(Error::serve(Service::S3, format!("delete `{key}` in {slice}")))?;
            }
            Ok(())
        })
    }

    fn preparing(&self, chosen: &Chosen) -> Cost {
        prices::put(0).times(chosen.amount("objects"))
    }

    fn allowance(&self, chosen: &Chosen, span: Span) -> Cost {
        let dearest = prices::put(VALUE).dearer(prices::get(VALUE));
        dearest.times(span.acts(chosen, chosen.amount("clients")))
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let editor = |number, name: &str| Editor {
                access: stage.access,
                objects: stage.chosen.amount("objects"),
                number,
                count: 0,
                seed: stage.seed.child(name),
                looks: None,
                seen: HashMap::new(),
            };
            work_together(self, stage, editor).await;
            Ok(())
        })
    }
}

/// One client.
struct Editor<'a> {
    access: &'a TenantAccess,
    objects: u64,
    number: u64,
    /// Operations so far.
    count: u64,
    seed: Seed,
    /// Whether the server looks at conditions; none before it was asked.
    looks: Option<bool>,
    /// What it last saw of each object: what it held with its tag; nothing where the object was not there.
    seen: HashMap<String, Option<Tagged>>,
}

/// What an object held.
#[derive(Clone)]
struct Tagged {
    value: String,
    tag: String,
}

impl Editor<'_> {
    /// Puts the object if it is what was seen, or if nobody asks that.
    async fn put(&mut self, client: &S3, key: &str, value: &str, seen: Option<Option<Tagged>>) -> Performed {
        let put = client.put_object().bucket(&self.access.tenant.slices.s3.bucket).key(key);
        let put = match seen {
            None => put,
            Some(None) => put.if_none_match("*"),
            Some(Some(Tagged { tag, .. })) => put.if_match(tag),
        };
        let put = put.body(ByteStream::from(value.as_bytes().to_vec())).send().await;
        let put = put.map_err(|error| trouble(&error))?;
        if let Some(tag) = put.e_tag() {
            self.seen.insert(key.to_owned(), Some(Tagged { value: value.to_owned(), tag: tag.to_owned() }));
        }
        Ok(None)
    }
}

/// Whether the object is put on conditions only, where the server looks at them: every other one, from the first.
fn with_conditions(object: u64) -> bool {
    object % 2 == 1
}

/// Whether the server said that it does not know what was asked for.
fn is_unknown_there(performed: &Performed) -> bool {
    matches!(performed, Err(Trouble::Refused(why)) if why.starts_with("501 "))
}

impl Doer for Editor<'_> {
    type Line = S3;

    async fn connect(&self) -> Result<S3, Error> {
        connections::s3::client(self.access)
    }

    fn next(&mut self) -> Act {
        self.count += 1;
        let drawn = self.seed.child(&self.count.to_string());
        let object = match self.looks {
            // What is asked first is asked of an object that is put on conditions.
            None => 1,
            Some(_) => drawn.child("register").number() % self.objects.max(1) + 1,
        };
        let register = self.access.tenant.slices.s3.key(&format!("{FOLDER}{object}"));
        let (tenant, word) = (&self.access.tenant.name, drawn.letters(WORD));
        let value = format!("{tenant}.{}.{}.{word}", self.number, self.count);
        let puts = drawn.child("act").number() % 4 < 2;
        match (self.looks, self.seen.get(&register)) {
            (None, _) => Act::Swap { register, from: None, to: value },
            (Some(true), Some(seen)) if puts && with_conditions(object) => {
                Act::Swap { register, from: seen.as_ref().map(|seen| seen.value.clone()), to: value }
            }
            (Some(true), None) if with_conditions(object) => Act::Read { register },
            _ if puts => Act::Write { register, value },
            _ => Act::Read { register },
        }
    }

    fn price(&self, act: &Act) -> Cost {
        match act {
            Act::Read { .. } => prices::get(VALUE),
            _ => prices::put(VALUE),
        }
    }

    async fn perform(&mut self, client: &mut S3, act: &Act) -> Performed {
        match act {
            Act::Write { register, value } => self.put(client, register, value, None).await,
            Act::Swap { register, from, to } => {
                // Whatever comes of it, what was seen is over.
                let seen =
                    self.seen.remove(register).flatten().filter(|seen| Some(&seen.value) == from.as_ref());
                let put = self.put(client, register, to, Some(seen)).await;
                if put.is_ok() || matches!(put, Err(Trouble::Refused(_))) {
                    self.looks = Some(!is_unknown_there(&put));
                }
                put
            }
            Act::Read { register } => {
                let read = read(client, &self.access.tenant.slices.s3.bucket, register).await?;
                self.seen.insert(register.clone(), read.clone());
                Ok(Some(Found::Value(read.map(|read| read.value))))
            }
            _ => Ok(None),
        }
    }
}

/// The whole object; nothing where there is none.
async fn read(client: &S3, bucket: &str, key: &str) -> Result<Option<Tagged>, Trouble> {
    let got = match client.get_object().bucket(bucket).key(key).send().await {
        Ok(got) => got,
        Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
            return Ok(None);
        }
        Err(error) => return Err(trouble(&error)),
    };
    let tag = got.e_tag().unwrap_or_default().to_owned();
    let body = got.body.collect().await.map_err(|error| Trouble::Unsure(error.to_string()))?;
    let value = String::from_utf8_lossy(&body.into_bytes()).into_owned();
    Ok(Some(Tagged { value, tag }))
}
