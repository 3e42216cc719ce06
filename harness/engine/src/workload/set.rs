//! A set that grows: clients that add elements to it, one that reads all of it now and then, and a last read once
//! nothing is added any more.

use std::{future::Future, sync::Arc, time::Duration};

use bulkhead_model::{Act, Found};
use bulkhead_target::Error;
use futures::future::join_all;

use super::{
    Stage, Workload,
    clients::{Client, Doer, Pace, Performed, Trouble, name, share},
};

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

    /// All that are kept, each as often as it is.
    fn read_all(&self, line: &mut Self::Line) -> impl Future<Output = Result<Vec<String>, Trouble>> + Send;
}

/// One client of a set.
struct Member<S> {
    set: Arc<S>,
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
                Act::Add { element: format!("{beginning}.{count}") }
            }
            Does::Reads => Act::ReadAll,
        }
    }

    async fn perform(&mut self, line: &mut S::Line, act: &Act) -> Performed {
        match act {
            Act::Add { element } => self.set.add(line, element).await.map(|()| None),
            _ => Ok(Some(Found::Elements(self.set.read_all(line).await?))),
        }
    }
}

/// Adds at the stage's `rate` with as many `clients` as it says, and reads.
pub(super) async fn fill(workload: &dyn Workload, stage: &Stage<'_>, set: impl Set) {
    let set = Arc::new(set);
    let member = |called: String, does: Does| {
        Client::new(stage, name(workload, stage, called), Member { set: Arc::clone(&set), does })
    };
    let clients = stage.chosen.amount("clients");
    let each = Pace::Due(share(stage, clients));
    let adding = (1..=clients).map(|number| {
        let beginning = format!("{}.{number}", stage.access.tenant.name);
        let mut client = member(format!("writer {number}"), Does::Adds(beginning, 0));
        async move { client.work(each).await }
    });
    let mut reader = member(String::from("reader"), Does::Reads);
    futures::join!(join_all(adding), reader.work(Pace::Rarer(REST)));
    reader.insist().await;
}
