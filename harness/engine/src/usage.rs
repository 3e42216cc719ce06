//! Looks at what a case's processes use while it is played, every so often, and writes it into the history.

use std::time::Duration;

use bulkhead_model::{
    Service,
    bench::{Part, Reading, UsageRecord},
    history::EventKind,
};
use bulkhead_target::{Gauge, Target};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{scribe::Scribe, workload::Phase};

/// From one look to the next. A look takes some milliseconds, of which memory is the most.
const EVERY: Duration = Duration::from_millis(500);

/// How long the keeper may take to say which processes there are; one that takes longer is busy with a server.
const PATIENCE: Duration = Duration::from_millis(250);

/// Looks until the work is over, and once more then; not at all where nobody says how far it is. A look that fails is written
/// down as such and disturbs nobody.
pub(crate) async fn watch(target: &dyn Target, scribe: &Scribe<'_>, phase: Option<watch::Receiver<Phase>>) {
    let Some(mut phase) = phase else { return };
    let (mut gauge, mut servers) = (Gauge::default(), Vec::new());
    loop {
        let over = *phase.borrow_and_update() != Phase::Work;
        match timeout(PATIENCE, target.processes()).await {
            Ok(Ok(found)) => servers = found,
            Ok(Err(error)) => {
                servers.clear();
                let why = error.to_string();
                for service in Service::ALL {
                    let (part, reading) = (service.into(), Reading::NotMeasured(why.clone()));
                    scribe.record(EventKind::Usage(UsageRecord { part, reading }));
                }
            }
            // Those that it said last are still looked at.
            Err(_) => {}
        }
        let mut parts = vec![(Part::Client, std::process::id())];
        parts.extend(servers.iter().copied());
        let looked = tokio::task::spawn_blocking(move || {
            let records = gauge.read(&parts);
            (gauge, records)
        });
        // It ends early only where the whole runtime does.
        let Ok((again, records)) = looked.await else { return };
        gauge = again;
        records.into_iter().for_each(|record| scribe.record(EventKind::Usage(record)));
        if over {
            return;
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            _or_gone = phase.wait_for(|phase| *phase != Phase::Work) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::history::Event;
    use tokio::time::Instant;

    use super::*;
    use crate::{
        recorder::{Clock, Recorder},
        testing::Nowhere,
    };

    #[tokio::test]
    async fn where_the_servers_are_not_ours_the_client_is_measured_and_the_rest_says_why_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::begin(folder.path().join("one.jsonl"), Clock::start());
        // It is over already: one look.
        let (_phase, over) = watch::channel(Phase::Drain(Instant::now()));
        super::watch(&Nowhere, &Scribe::new(&mut recorder), Some(over)).await;
        let told: Vec<_> = recorder
            .history()
            .iter()
            .map(|Event { kind, .. }| match kind {
                EventKind::Usage(UsageRecord { part, reading: Reading::Used { memory, .. } }) => {
                    (*part, *memory > 0, String::new())
                }
                EventKind::Usage(UsageRecord { part, reading: Reading::NotMeasured(why) }) => {
                    (*part, false, why.clone())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let why = "a real service's processes are not there to be looked at";
        let mut wanted: Vec<_> = Service::ALL.map(|service| (service.into(), false, why.to_owned())).to_vec();
        wanted.push((Part::Client, true, String::new()));
        assert_eq!(told, wanted);
    }
}
