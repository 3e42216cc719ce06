//! `s3.logs`: logs as many small objects. Clients put one object after another, each under a key of its own, and a reader
//! lists them all, page by page.

use aws_sdk_s3::{Client, primitives::ByteStream};
use bulkhead_model::{
    S3Slice, Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, TenantAccess, clients};

use super::{
    Stage, Working, Workload,
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
            about: "Clients put small objects; a reader lists all of them, and once more at the end.",
            settings: &[
                Wanted { name: "clients", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("4") },
                Wanted { name: "rate", kind: Kind::Amount(Unit::Rate, 1..=600_000), usual: Some("40/s") },
                Wanted { name: "size", kind: Kind::Amount(Unit::Size, 64..=1 << 20), usual: Some("1KiB") },
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
        set::filling(chosen, span, prices::put(chosen.amount("size")), prices::listing)
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let (access, slice) = (stage.access, &stage.access.tenant.slices.s3);
            let size = usize::try_from(stage.chosen.amount("size")).unwrap_or(0);
            set::fill(self, stage, Objects { access, slice, folder: slice.key(FOLDER), size }).await;
            Ok(())
        })
    }
}

/// The objects.
struct Objects<'a> {
    access: &'a TenantAccess,
    slice: &'a S3Slice,
    folder: String,
    size: usize,
}

impl Set for Objects<'_> {
    /// It dials with the first request, and again where the server hung up.
    type Line = Client;

    async fn connect(&self) -> Result<Client, Error> {
        clients::s3::client(self.access)
    }

    async fn add(&self, client: &mut Client, element: &str) -> Result<(), Trouble> {
        let mut body = element.as_bytes().to_vec();
        body.resize(self.size.max(body.len()), b'.');
        let key = format!("{}{element}", self.folder);
        let put = client.put_object().bucket(&self.slice.bucket).key(key).body(ByteStream::from(body));
        put.send().await.map(drop).map_err(|error| trouble(&error))
    }

    fn adding(&self) -> Cost {
        prices::put(u64::try_from(self.size).unwrap_or(u64::MAX))
    }

    fn reading(&self, elements: u64) -> Cost {
        prices::listing(elements)
    }

    async fn read_all(&self, client: &mut Client) -> Result<Vec<String>, Trouble> {
        let list = client.list_objects_v2().bucket(&self.slice.bucket).prefix(&self.folder);
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
