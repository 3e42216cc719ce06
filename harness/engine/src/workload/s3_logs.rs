//! `s3.logs`: logs as many small objects. Clients put one object after another, each under a key of its own, and a reader
//! lists them all, page by page.

use aws_sdk_s3::{Client, primitives::ByteStream};
use bulkhead_model::{
    S3Slice, Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, clients};

use super::{
    RATE, Stage, Working, Workload,
    clients::Trouble,
    s3::trouble,
    set::{self, Set},
};
use crate::cost::{Cost, Span, prices};

/// What the keys of the logs begin with, inside the slice.
const FOLDER: &str = "bulkhead/logs/";

/// The workload.
pub(super) struct Logs;

impl Workload for Logs {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "s3.logs",
            about: "Clients put small objects; a reader lists all of them page by page, and once more at the end.",
            settings: &[
                Wanted { name: "clients", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("4") },
                Wanted { name: "rate", kind: RATE, usual: Some("40/s") },
                Wanted { name: "size", kind: Kind::Amount(Unit::Size, 64..=1 << 20), usual: Some("1KiB") },
                Wanted { name: "page", kind: Kind::Amount(Unit::Count, 1..=1000), usual: Some("50") },
            ],
        }
    }

    fn service(&self) -> Service {
        Service::S3
    }

    /// Nothing: a bucket needs no folders, and the tenant's exists.
    fn prepare<'a>(&'a self, _: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async { Ok(()) })
    }

    fn allowance(&self, chosen: &Chosen, span: Span) -> Cost {
        let listing = |objects| prices::listing(objects, chosen.amount("page"));
        set::filling(chosen, span, prices::put(chosen.amount("size")), listing)
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let slice = &stage.access.tenant.slices.s3;
            set::fill(self, stage, Objects { stage, slice, folder: slice.key(FOLDER) }).await;
            Ok(())
        })
    }
}

/// The objects.
struct Objects<'a, 's> {
    stage: &'a Stage<'s>,
    slice: &'a S3Slice,
    folder: String,
}

impl Set for Objects<'_, '_> {
    /// It dials with the first request, and again where the server hung up.
    type Line = Client;

    async fn connect(&self) -> Result<Client, Error> {
        clients::s3::client(self.stage.access)
    }

    async fn add(&self, client: &mut Client, element: &str) -> Result<(), Trouble> {
        let body = self.stage.message(element).into_bytes();
        let key = format!("{}{element}", self.folder);
        let put = client.put_object().bucket(&self.slice.bucket).key(key).body(ByteStream::from(body));
        put.send().await.map(drop).map_err(|error| trouble(&error))
    }

    fn adding(&self) -> Cost {
        prices::put(self.stage.chosen.amount("size"))
    }

    fn reading(&self, elements: u64) -> Cost {
        prices::listing(elements, self.stage.chosen.amount("page"))
    }

    async fn read_all(&self, client: &mut Client) -> Result<Vec<String>, Trouble> {
        let page = i32::try_from(self.stage.chosen.amount("page")).unwrap_or(i32::MAX);
        let list = client.list_objects_v2().bucket(&self.slice.bucket).prefix(&self.folder).max_keys(page);
        let mut pages = list.into_paginator().send();
        let mut elements = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| trouble(&error))?;
            let keys = page.contents().iter().filter_map(|object| object.key());
            elements.extend(keys.map(|key| key.strip_prefix(&self.folder).unwrap_or(key).to_owned()));
        }
        Ok(elements)
    }
}
