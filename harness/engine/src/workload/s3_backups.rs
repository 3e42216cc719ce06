//! `s3.backups`: large objects that clients send in parts. Between the last part and the completion, and after it, a client
//! looks what there is; some backups are given up. A restorer reads those that are kept again and again, and all of them
//! at the end.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_s3::{
    Client as S3,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bulkhead_model::{
    Act, Found, S3Slice, Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, TenantAccess, clients as connections};
use futures::future::join_all;
use tokio::time::Instant;

use super::{
    Stage, Working, Workload,
    clients::{Client, Doer, Pace, Performed, Trouble, name, pace},
    s3::{bytes, content, fetch, trouble},
};
use crate::{
    cost::{Cost, Span, prices},
    seed::Seed,
};

/// What the keys of the backups begin with, inside the slice.
const FOLDER: &str = "bulkhead/backups/";

/// How many bytes each part has but the last: the fewest that S3 allows.
const PART: usize = 5 * 1024 * 1024;

/// How many the last one has.
const LAST: usize = 64 * 1024;

/// How long the restorer rests.
const REST: Duration = Duration::from_millis(500);

/// Each so many backups one is given up.
const GIVEN_UP: u64 = 3;

/// How many bytes a backup of so many parts has.
fn length(parts: u64) -> u64 {
    let [part, last] = [PART, LAST].map(|size| u64::try_from(size).unwrap_or(u64::MAX));
    part.saturating_mul(parts.saturating_sub(1)).saturating_add(last)
}

/// Beginning a backup and sending its parts.
fn sending(parts: u64) -> Cost {
    prices::put(length(parts)).plus(prices::put_away(0).times(parts))
}

/// The workload.
pub(super) struct Backups;

impl Workload for Backups {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "s3.backups",
            about: "Clients send objects of 5 MiB and more in parts, complete most of them and give the rest up; a \
                    restorer reads those that are kept.",
            settings: &[
                Wanted { name: "clients", kind: Kind::Amount(Unit::Count, 1..=8), usual: Some("1") },
                Wanted { name: "parts", kind: Kind::Amount(Unit::Count, 2..=8), usual: Some("2") },
                Wanted { name: "rate", kind: Kind::Rate(1..=6_000), usual: Some("4/s") },
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
        let (parts, clients) = (chosen.amount("parts"), chosen.amount("clients"));
        let acts = span.acts(chosen, clients).saturating_add(span.rounds(REST));
        // Every second act of a backup reads it, and the restorer each of them at the end.
        sending(parts).times(acts).plus(prices::get(length(parts)).times(acts.saturating_mul(2)))
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let shelf = Shelf::default();
            let clients = stage.chosen.amount("clients");
            let each = pace(stage, clients);
            let sending = (1..=clients).map(|number| {
                let who = name(self, stage, format!("client {number}"));
                let seed = stage.seed.child(&who.name);
                let mut client = Client::new(stage, who, Operator::new(stage, &shelf, number, seed));
                let shelf = &shelf;
                async move {
                    client.work(each).await;
                    // What is under way is brought to its end; where nothing is kept yet, one backup is.
                    let late = Instant::now() + stage.terms.patience;
                    while shelf.wants(number) && Instant::now() < late && !stage.is_spent() {
                        client.insist().await;
                    }
                }
            });
            let who = name(self, stage, "restorer");
            let first = key(stage.access, 1, 1);
            let parts = stage.chosen.amount("parts");
            let restorer = Restorer { access: stage.access, shelf: &shelf, parts, first };
            let mut restorer = Client::new(stage, who, restorer);
            futures::join!(join_all(sending), restorer.work(Pace::Rarer(REST)));
            shelf.take_down();
            let late = Instant::now() + stage.terms.patience;
            while shelf.next().is_some() && Instant::now() < late && !stage.is_spent() {
                restorer.insist().await;
            }
            Ok(())
        })
    }
}

fn key(access: &TenantAccess, client: u64, count: u64) -> String {
    access.tenant.slices.s3.key(&format!("{FOLDER}{}.{client}.{count}", access.tenant.name))
}

/// The backups whose completion was acknowledged.
#[derive(Default)]
struct Shelf(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// In the order in which they are read next.
    keys: VecDeque<String>,
    /// Whether each is read once more and no longer kept.
    last: bool,
    /// The clients whose backups are under way.
    under_way: BTreeSet<u64>,
}

impl Shelf {
    fn kept<T>(&self, with: impl FnOnce(&mut Kept) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, key: &str) {
        self.kept(|kept| kept.keys.push_back(key.to_owned()));
    }

    fn begun(&self, client: u64) {
        self.kept(|kept| kept.under_way.insert(client));
    }

    fn ended(&self, client: u64) {
        self.kept(|kept| kept.under_way.remove(&client));
    }

    /// Whether the client's backup is under way, or nobody's is kept.
    fn wants(&self, client: u64) -> bool {
        self.kept(|kept| kept.under_way.contains(&client) || kept.keys.is_empty())
    }

    fn take_down(&self) {
        self.kept(|kept| kept.last = true);
    }

    fn next(&self) -> Option<String> {
        self.kept(|kept| kept.keys.front().cloned())
    }

    /// The next one was read.
    fn read(&self, key: &str) {
        self.kept(|kept| {
            if kept.keys.front().is_some_and(|next| next == key)
                && let Some(read) = kept.keys.pop_front()
                && !kept.last
            {
                kept.keys.push_back(read);
            }
        });
    }
}

/// What a client does with its backup next.
#[derive(Clone, Copy)]
enum Step {
    Look,
    Complete,
    GiveUp,
}

/// A client that makes backups.
struct Operator<'a> {
    access: &'a TenantAccess,
    slice: &'a S3Slice,
    shelf: &'a Shelf,
    seed: Seed,
    number: u64,
    parts: u64,
    /// Backups so far.
    count: u64,
    /// The bytes of the present one.
    body: Vec<u8>,
    /// What is to be done with it.
    steps: VecDeque<Step>,
    upload: Upload,
}

/// An upload that was begun.
#[derive(Default)]
struct Upload {
    id: Option<String>,
    parts: Vec<CompletedPart>,
}

impl<'a> Operator<'a> {
    fn new(stage: &'a Stage<'_>, shelf: &'a Shelf, number: u64, seed: Seed) -> Self {
        let parts = stage.chosen.amount("parts");
        let (access, slice, upload) = (stage.access, &stage.access.tenant.slices.s3, Upload::default());
        Self {
            access,
            slice,
            shelf,
            seed,
            number,
            parts,
            count: 0,
            body: Vec::new(),
            steps: VecDeque::new(),
            upload,
        }
    }

    fn key(&self) -> String {
        key(self.access, self.number, self.count)
    }

    /// Begins an upload and sends all its parts.
    async fn send(&mut self, client: &S3, key: &str) -> Result<(), Trouble> {
        let begun = client.create_multipart_upload().bucket(&self.slice.bucket).key(key).send().await;
        let begun = begun.map_err(|error| trouble(&error))?;
        let Some(id) = begun.upload_id() else {
            return Err(Trouble::Unsure(String::from("the upload has no id")));
        };
        self.upload.id = Some(id.to_owned());
        for (number, part) in (1..).zip(self.body.chunks(PART)) {
            let send =
                client.upload_part().bucket(&self.slice.bucket).key(key).upload_id(id).part_number(number);
            let sent =
                send.body(ByteStream::from(part.to_vec())).send().await.map_err(|error| trouble(&error))?;
            let part =
                CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag().map(str::to_owned));
            let part = part.set_checksum_crc32(sent.checksum_crc32().map(str::to_owned)).build();
            self.upload.parts.push(part);
        }
        Ok(())
    }

    async fn complete(&mut self, client: &S3, key: &str) -> Result<(), Trouble> {
        let Upload { id, parts } = std::mem::take(&mut self.upload);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = client.complete_multipart_upload().bucket(&self.slice.bucket).key(key);
        let completed = complete.set_upload_id(id).multipart_upload(parts).send().await;
        completed.map(drop).map_err(|error| trouble(&error))
    }

    async fn give_up(&mut self, client: &S3, key: &str) -> Result<(), Trouble> {
        let Upload { id, .. } = std::mem::take(&mut self.upload);
        let abort = client.abort_multipart_upload().bucket(&self.slice.bucket).key(key).set_upload_id(id);
        abort.send().await.map(drop).map_err(|error| trouble(&error))
    }
}

impl Doer for Operator<'_> {
    type Line = S3;

    async fn connect(&self) -> Result<S3, Error> {
        connections::s3::client(self.access)
    }

    fn next(&mut self) -> Act {
        match self.steps.pop_front() {
            Some(Step::Look) => Act::Fetch { object: self.key(), range: None, holds: None },
            Some(Step::Complete) => Act::Complete { object: self.key() },
            Some(Step::GiveUp) => Act::Abort { object: self.key() },
            // Parts of an upload that did not get far are not left lying about.
            None if self.upload.id.is_some() => Act::Abort { object: self.key() },
            None => {
                self.count += 1;
                let length = usize::try_from(length(self.parts)).unwrap_or(LAST);
                self.body = bytes(&self.seed.child(&self.count.to_string()), length);
                Act::Upload { object: self.key(), content: content(&self.body) }
            }
        }
    }

    fn price(&self, act: &Act) -> Cost {
        match act {
            Act::Upload { .. } => sending(self.parts),
            Act::Fetch { .. } => prices::get(length(self.parts)),
            _ => prices::put_away(0),
        }
    }

    async fn perform(&mut self, client: &mut S3, act: &Act) -> Performed {
        match act {
            Act::Upload { object, .. } => {
                self.send(client, object).await?;
                self.shelf.begun(self.number);
                let end = if self.count.is_multiple_of(GIVEN_UP) { Step::GiveUp } else { Step::Complete };
                self.steps = VecDeque::from([Step::Look, end, Step::Look]);
                Ok(None)
            }
            Act::Complete { object } => {
                self.complete(client, object).await?;
                self.shelf.put(object);
                Ok(None)
            }
            Act::Abort { object } => self.give_up(client, object).await.map(|()| None),
            Act::Fetch { object, .. } => {
                let found = fetch(client, self.slice, object, None).await?;
                if self.steps.is_empty() {
                    self.shelf.ended(self.number);
                }
                Ok(Some(Found::Content(found)))
            }
            _ => Ok(None),
        }
    }
}

/// Who reads the backups that are kept, in turn.
struct Restorer<'a> {
    access: &'a TenantAccess,
    shelf: &'a Shelf,
    /// How many parts each has.
    parts: u64,
    /// What is looked for as long as there is none.
    first: String,
}

impl Doer for Restorer<'_> {
    type Line = S3;

    async fn connect(&self) -> Result<S3, Error> {
        connections::s3::client(self.access)
    }

    fn next(&mut self) -> Act {
        let object = self.shelf.next().unwrap_or_else(|| self.first.clone());
        Act::Fetch { object, range: None, holds: None }
    }

    fn price(&self, _: &Act) -> Cost {
        prices::get(length(self.parts))
    }

    async fn perform(&mut self, client: &mut S3, act: &Act) -> Performed {
        let Act::Fetch { object, .. } = act else { return Ok(None) };
        let found = fetch(client, &self.access.tenant.slices.s3, object, None).await?;
        self.shelf.read(object);
        Ok(Some(Found::Content(found)))
    }
}
