//! How workloads do what they do: at which pace while the service stalls, in which order, and in how many pieces.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use bulkhead_engine::{
    run::{CaseRun, Runner},
    workload::Terms,
};
use bulkhead_model::{
    Act, Ended, Ending, Found, Invoked, Topology,
    history::{Event, EventKind},
    scenario::{self, Scenario},
};
use futures::StreamExt;

use crate::{
    scenarios::{all_pass, known},
    support,
};

fn parse(text: &str) -> Vec<Scenario> {
    known(|known| Scenario::parse("workloads", text, "workloads.yaml", known)).unwrap()
}

fn begun(history: &[Event]) -> impl Iterator<Item = (u64, &Invoked)> {
    history.iter().filter_map(|event| match &event.kind {
        EventKind::Invoked(invoked) => Some((event.at, invoked)),
        _ => None,
    })
}

fn ended(history: &[Event]) -> impl Iterator<Item = &Ended> {
    history.iter().filter_map(|event| match &event.kind {
        EventKind::Ended(ended) => Some(ended),
        _ => None,
    })
}

/// For a second each answer takes almost as long.
const STALLED: &str = "\
title: A stall
why: What is due does not wait for the service.
tags: [chaos]
tenants: [engine]
run-for: 2s
faults:
  - latency: { service: postgres, at: 500ms, for: 1s, delay: 800ms }
  - latency: { service: redis, at: 500ms, for: 1s, delay: 800ms }
  - latency: { service: rabbitmq, at: 500ms, for: 1s, delay: 800ms }
  - latency: { service: s3, at: 500ms, for: 1s, delay: 800ms }
expect: [nothing-foreign]
";

/// When the stall lasted, on the run's clock: from the last fault's beginning to the first one's end.
fn stall(run: &CaseRun) -> std::ops::Range<u64> {
    let at = |wanted: fn(&EventKind) -> bool| {
        let mut when: Vec<_> =
            run.history.iter().filter(|event| wanted(&event.kind)).map(|event| event.at).collect();
        when.sort_unstable();
        when
    };
    let began = at(|kind| matches!(kind, EventKind::FaultBegan(_)));
    let ended = at(|kind| matches!(kind, EventKind::FaultEnded(_)));
    *began.last().unwrap()..*ended.first().unwrap()
}

async fn stalled(workload: &str) -> CaseRun {
    let text = format!("{STALLED}workload:\n{workload}");
    all_pass(&Topology::builtin(), &parse(&text)).await.remove(0)
}

#[tokio::test]
async fn an_open_loop_does_not_slow_down_when_the_service_does() {
    let run = stalled(
        "  - postgres.metrics-log: { clients: 4, rate: 80/s }\n\
         \x20 - redis.query-cache: { clients: 4, rate: 80/s }\n\
         \x20 - rabbitmq.calls: { callers: 4, rate: 80/s }\n\
         \x20 - rabbitmq.tasks: { publishers: 4, rate: 80/s }\n\
         \x20 - s3.config: { clients: 4, rate: 80/s }\n",
    )
    .await;
    let stall = stall(&run);
    let seconds = Duration::from_nanos(stall.end - stall.start).as_secs_f64();
    let (mut due, mut at_once) = (BTreeMap::<_, u32>::new(), BTreeMap::<_, u32>::new());
    for (at, invoked) in begun(&run.history) {
        let Some(moment) = invoked.due else { continue };
        *due.entry(invoked.workload.as_str()).or_default() += u32::from(stall.contains(&moment));
        *at_once.entry(invoked.workload.as_str()).or_default() += u32::from(stall.contains(&at));
    }
    assert_eq!(due.len(), 5, "{due:?}");
    for (workload, count) in &due {
        // One more or less of each of the four clients.
        let (least, most) = (80.0 * seconds - 4.0, 80.0 * seconds + 4.0);
        assert!((least..=most).contains(&f64::from(*count)), "{workload}: {count} in {seconds} s");
        let begun = at_once[workload];
        match *workload {
            // They are not kept from publishing by what is not confirmed yet.
            "rabbitmq.tasks" => assert!(begun + 10 > *count, "{begun} of {count}"),
            _ => assert!(begun < count / 2, "{workload}: the service did not stall: {begun} of {count}"),
        }
    }
}

#[tokio::test]
async fn a_closed_loop_goes_on_when_it_was_answered() {
    let run = stalled(
        "  - postgres.metrics-log: { clients: 2, rate: max }\n\
         \x20 - redis.query-cache: { clients: 2, rate: max }\n\
         \x20 - rabbitmq.tasks: { publishers: 2, rate: max }\n\
         \x20 - s3.config: { clients: 2, rate: max }\n",
    )
    .await;
    let stall = stall(&run);
    let mut begun_by = BTreeMap::<_, (u32, u32)>::new();
    for (at, invoked) in
        begun(&run.history).filter(|(_, invoked)| !matches!(invoked.act, Act::Take { .. } | Act::ReadAll))
    {
        assert_eq!(invoked.due, None, "nothing is due: {invoked:?}");
        let (all, meanwhile) = begun_by.entry(invoked.workload.as_str()).or_default();
        *all += 1;
        *meanwhile += u32::from(stall.contains(&at));
    }
    assert_eq!(begun_by.len(), 4, "{begun_by:?}");
    for (workload, (all, meanwhile)) in begun_by {
        assert!(all > 20, "{workload}: {all}");
        // Each of the two clients has one under way and perhaps another after it.
        assert!(meanwhile < 10, "{workload}: {meanwhile} of {all} were begun without an answer");
    }
}

/// One client each, so that what one does is in order, and nothing that time decides.
const DRAWN: &str = "\
title: What the seed decides
why: A case that failed is to be run again as it was.
tags: [chaos]
tenants: [engine]
workload:
  - postgres.engine-state: { clients: 1, rate: 40/s }
  - postgres.ledger: { clients: 1, rate: 40/s }
  - redis.query-cache: { clients: 1, rate: 40/s, ttl: 1min }
  - redis.sessions: { clients: 1, rate: 40/s, ttl: 1min }
  - s3.config: { clients: 1, rate: 40/s }
run-for: 1s
expect: [nothing-foreign]
";

/// What each client did with that seed, in its words and without the case's own names, and how that came out.
async fn acts(seed: u64) -> BTreeMap<String, Vec<(String, Option<Ending>)>> {
    let (topology, session, out) =
        (Topology::builtin(), support::session().await, tempfile::tempdir().unwrap());
    let cases = scenario::expand(&parse(DRAWN), &topology).unwrap();
    let (target, terms) = (&session, Terms::default());
    let runner = Runner { target, topology: &topology, seed, jobs: 1, out: out.path().into(), terms };
    let runs: Vec<_> = runner.run(cases, &|_| {}).collect().await;
    let history = &runs[0].history;
    let ended: HashMap<_, _> = ended(history).map(|ended| (ended.op, ended.outcome)).collect();
    let mut acts = BTreeMap::<_, Vec<_>>::new();
    for (_, invoked) in begun(history).filter(|(_, invoked)| invoked.client == "client 1") {
        let act = format!("{:?}", invoked.act);
        // A key of Redis begins with a scope of the case's own.
        let own = act.split('"').map(|part| part.split_once(":engine:").map_or(part, |(_, own)| own));
        let act = own.collect::<Vec<_>>().join("\"");
        acts.entry(invoked.workload.clone()).or_default().push((act, ended.get(&invoked.op).copied()));
    }
    acts
}

#[tokio::test]
async fn the_seed_decides_what_is_done_in_which_order_and_with_which_values() {
    let (one, same, other) = (acts(1).await, acts(1).await, acts(2).await);
    assert_eq!(one.len(), 5, "{:?}", one.keys());
    for (workload, acts) in &one {
        // What comes next depends on what came of the last one, and how far each came is the machine's.
        let answered = acts.iter().zip(&same[workload]).take_while(|(one, same)| one.1 == same.1).count();
        assert!(answered >= 10, "{workload}: {answered}");
        assert_eq!(acts[..answered], same[workload][..answered], "{workload}");
        let common = answered.min(other[workload].len());
        assert_ne!(acts[..common], other[workload][..common], "{workload}");
    }
}

#[tokio::test]
async fn logs_are_listed_in_several_pages() {
    let text = "title: Pages\nwhy: A listing ends with its last page.\ntags: [chaos]\ntenants: [engine]\n\
                workload: [{ s3.logs: { clients: 4, rate: 60/s, page: 7 } }]\nrun-for: 1s\n\
                expect: [nothing-lost, nothing-foreign]\n";
    let runs = all_pass(&Topology::builtin(), &parse(text)).await;
    let listed = ended(&runs[0].history).filter_map(|ended| match &ended.found {
        Some(Found::Elements(elements)) => Some(elements.len()),
        _ => None,
    });
    // The check found all that were put, and no page holds more than seven.
    let most = listed.max().unwrap();
    assert!(most > 3 * 7, "{most}");
}
