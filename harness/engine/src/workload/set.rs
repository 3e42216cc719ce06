//! A set that grows: clients that add elements to it, one that reads all of it now and then, and a last read once
//! nothing is added any more.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bulkhead_model::{Act, Found, scenario::Chosen};
use bulkhead_target::Error;
use futures::future::join_all;

use super::{
    Stage, Workload,
    clients::{Client, Doer, Pace, Performed, Trouble, name, pace},
};
use crate::cost::{Cost, Span};

/// How long the reader rests.
const REST: Duration = Duration::from_secs(1);

/// Where elements are kept.
pub(super) trait Set: Send + Sync {
    /// The way there.
    type Line: Send;

    /// Makes it.
    fn connect(&self) -> impl Future<Output = Result<Self::Line, Error>> + Send;

    /// Keeps one more.
    fn add(&self, line: &mut Self::Line, element: &str) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// What that costs at most.
    fn adding(&self) -> Cost;

    /// What it costs at most to read so many.
    fn reading(&self, elements: u64) -> Cost;

    /// All that are kept, each as often as it is.
    fn read_all(&self, line: &mut Self::Line) -> impl Future<Output = Result<Vec<String>, Trouble>> + Send;
}

/// One client of a set.
struct Member<S> {
    set: Arc<S>,
    /// How many elements all of them have begun to add.
    added: Arc<AtomicU64>,
    does: Does,
}

enum Does {
    /// Adds what begins like this and was counted so far.
    Adds(String, u64),
    /// Reads all.
    Reads,
}

impl<S: Set> Doer for Member<S> {
    type Line = S::Line;

    fn connect(&self) -> impl Future<Output = Result<S::Line, Error>> + Send {
        self.set.connect()
    }

    fn next(&mut self) -> Act {
        match &mut self.does {
            Does::Adds(beginning, count) => {
                *count += 1;
                self.added.fetch_add(1, Ordering::Relaxed);
                Act::Add { element: format!("{beginning}.{count}") }
            }
            Does::Reads => Act::ReadAll,
        }
    }

    fn price(&self, act: &Act) -> Cost {
        match act {
            Act::Add { .. } => self.set.adding(),
            _ => self.set.reading(self.added.load(Ordering::Relaxed)),
        }
    }

    async fn perform(&mut self, line: &mut S::Line, act: &Act) -> Performed {
        match act {
            Act::Add { element } => self.set.add(line, element).await.map(|()| None),
            _ => Ok(Some(Found::Elements(self.set.read_all(line).await?))),
        }
    }
}

/// What [`fill`] may cost without its connections, when an element's cost is that and so many are read at that.
pub(super) fn filling(chosen: &Chosen, span: Span, adding: Cost, reading: impl Fn(u64) -> Cost) -> Cost {
    let elements = span.acts(chosen, chosen.amount("clients"));
    adding.times(elements).plus(reading(elements).times(span.rounds(REST)))
}

/// Adds at the stage's `rate` with as many `clients` as it says, and reads.
pub(super) async fn fill(workload: &dyn Workload, stage: &Stage<'_>, set: impl Set) {
    let (set, added) = (Arc::new(set), Arc::new(AtomicU64::new(0)));
    let member = |called: String, does: Does| {
        let (set, added) = (Arc::clone(&set), Arc::clone(&added));
        Client::new(stage, name(workload, stage, called), Member { set, added, does })
    };
    let clients = stage.chosen.amount("clients");
    let each = pace(stage, clients);
    let adding = (1..=clients).map(|number| {
        let beginning = format!("{}.{number}", stage.access.tenant.name);
        let mut client = member(format!("writer {number}"), Does::Adds(beginning, 0));
        async move { client.work(each).await }
    });
    let mut reader = member(String::from("reader"), Does::Reads);
    futures::join!(join_all(adding), reader.work(Pace::Rarer(REST)));
    reader.insist().await;
}
