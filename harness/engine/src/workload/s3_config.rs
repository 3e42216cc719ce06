//! `s3.config`: settings as small objects, each of which clients put and get as a whole.

use aws_sdk_s3::{Client as S3, operation::get_object::GetObjectError, primitives::ByteStream};
use bulkhead_model::{
    Act, Found, Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, TenantAccess, clients as connections};

use super::{
    Stage, Working, Workload,
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
            about: "Clients write and read whole small objects.",
            settings: &[
                Wanted { name: "clients", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("3") },
                Wanted { name: "objects", kind: Kind::Amount(Unit::Count, 1..=100), usual: Some("3") },
                Wanted { name: "rate", kind: Kind::Amount(Unit::Rate, 1..=600_000), usual: Some("40/s") },
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
}

impl Doer for Editor<'_> {
    type Line = S3;

    async fn connect(&self) -> Result<S3, Error> {
        connections::s3::client(self.access)
    }

    fn next(&mut self) -> Act {
        self.count += 1;
        let drawn = self.seed.child(&self.count.to_string());
        let object = drawn.child("register").number() % self.objects.max(1) + 1;
        let register = self.access.tenant.slices.s3.key(&format!("{FOLDER}{object}"));
        match drawn.child("act").number() % 2 {
            0 => Act::Write {
                register,
                value: format!("{}.{}.{}", self.access.tenant.name, self.number, self.count),
            },
            _ => Act::Read { register },
        }
    }

    fn price(&self, act: &Act) -> Cost {
        match act {
            Act::Write { .. } => prices::put(VALUE),
            _ => prices::get(VALUE),
        }
    }

    async fn perform(&mut self, client: &mut S3, act: &Act) -> Performed {
        let bucket = &self.access.tenant.slices.s3.bucket;
        match act {
            Act::Write { register, value } => {
                let body = ByteStream::from(value.clone().into_bytes());
                let put = client.put_object().bucket(bucket).key(register).body(body).send().await;
                put.map(|_| None).map_err(|error| trouble(&error))
            }
            Act::Read { register } => Ok(Some(Found::Value(read(client, bucket, register).await?))),
            _ => Ok(None),
        }
    }
}

/// The whole object; nothing where there is none.
async fn read(client: &S3, bucket: &str, key: &str) -> Result<Option<String>, Trouble> {
    let got = match client.get_object().bucket(bucket).key(key).send().await {
        Ok(got) => got,
        Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
            return Ok(None);
        }
        Err(error) => return Err(trouble(&error)),
    };
    let body = got.body.collect().await.map_err(|error| Trouble::Unsure(error.to_string()))?;
    Ok(Some(String::from_utf8_lossy(&body.into_bytes()).into_owned()))
}
