//! What is measured of histories whose times are known.

use std::collections::BTreeMap;

use bulkhead_model::{
    Act, Ended, FaultRecord, Found, Invoked, Service, TenantName,
    bench::When,
    history::{Event, EventKind},
};
use proptest::prelude::*;

use super::*;

const MS: u64 = 1_000_000;

/// One operation: when it was due, how much later it began, how long it took from then, and how it came out.
#[derive(Clone, Copy, Debug)]
struct Made {
    due: Option<u64>,
    began: u64,
    took: u64,
    outcome: Ending,
}

fn engine() -> TenantName {
    TenantName::new("engine").unwrap()
}

fn history(made: &[Made], end: u64) -> Vec<Event> {
    let mut events = Vec::new();
    for (op, Made { due, began, took, outcome }) in (1..).zip(made.iter().copied()) {
        let invoked = Invoked {
            op,
            client: format!("client {op}"),
            tenant: engine(),
            service: Service::Redis,
            workload: String::from("redis.told"),
            act: Act::Look { key: op.to_string() },
            due,
        };
        let found = (outcome == Ending::Ok).then_some(Found::Value(None));
        let ended = Ended { op, outcome, found, detail: String::new() };
        events.push(Event { at: began, kind: EventKind::Invoked(invoked) });
        events.push(Event { at: began + took, kind: EventKind::Ended(ended) });
    }
    events.push(Event { at: end, kind: EventKind::Healed });
    events.sort_by_key(|event| event.at);
    events
}

fn the_one(measured: &Measured) -> (&Load, &Measure) {
    assert_eq!(measured.loads.len(), 1);
    let load = &measured.loads[0];
    assert_eq!(
        (load.workload.as_str(), load.acts.len(), load.acts[0].act.as_str()),
        ("redis.told", 1, "look")
    );
    (load, &load.acts[0])
}

/// Within the three digits that are kept.
fn is_about(found: u64, wanted: u64) -> bool {
    found.abs_diff(wanted) <= wanted / 500
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A server that answers after a fixed time but stands still for a while once: the percentiles are those of the
    /// arithmetic when time counts from when operations were due, and hide the stall when they are not due at all.
    #[test]
    fn a_stall_shows_in_an_open_loop_and_hides_in_a_closed_one(delay in 1_u64..20, stall in 200_u64..900) {
        let (every, at) = (10 * MS, 1_000 * MS);
        let free = |wanted: u64| if (at..at + stall * MS).contains(&wanted) { at + stall * MS } else { wanted };
        let open: Vec<_> = (0..300)
            .map(|number| number * every)
            .map(|due| Made { due: Some(due), began: due, took: free(due) + delay * MS - due, outcome: Ending::Ok })
            .collect();
        let measured = measure(&history(&open, 3_000 * MS), &engine(), 0, &BTreeMap::new(), &[]);
        let latency = the_one(&measured).1.latency;
        prop_assert!(is_about(latency.max, (stall + delay) * MS), "{latency:?}");
        let held = stall.div_ceil(10);
        prop_assert!(is_about(latency.p50, delay * MS), "{latency:?}");
        // Of 300 operations the stall holds up `held`, each 10 ms less than the one before it.
        let slower_than_p90 = 30_u64.saturating_sub(0);
        let p90 = if held > slower_than_p90 { (stall + delay - 10 * slower_than_p90) * MS } else { delay * MS };
        prop_assert!(latency.p90.abs_diff(p90) <= p90 / 500 + 10 * MS, "{latency:?} and {p90}");
        let (mut closed, mut next) = (Vec::new(), 0);
        while next < 3_000 * MS {
            let over = free(next) + delay * MS;
            closed.push(Made { due: None, began: next, took: over - next, outcome: Ending::Ok });
            next = over;
        }
        let measured = measure(&history(&closed, 3_000 * MS), &engine(), 0, &BTreeMap::new(), &[]);
        let latency = the_one(&measured).1.latency;
        prop_assert!(is_about(latency.p90, delay * MS), "one client waits, and nobody else is seen to: {latency:?}");
    }

    /// Whatever came of them, all that were due in the measured time are counted once, in the whole and in its seconds.
    #[test]
    fn every_operation_is_counted_once(
        made in prop::collection::vec((0_u64..5_000, 0_u64..50, 1_u64..400, 0_u8..3), 1..200),
        warm_up in 0_u64..3_000,
    ) {
        let outcomes = [Ending::Ok, Ending::Failed, Ending::Unknown];
        let made: Vec<_> = made
            .into_iter()
            .map(|(due, late, took, how)| {
                let outcome = outcomes[usize::from(how)];
                Made { due: Some(due * MS), began: (due + late) * MS, took: took * MS, outcome }
            })
            .collect();
        let from = made.iter().filter_map(|made| made.due).min().unwrap() + warm_up * MS;
        let due = made.iter().filter(|made| (from..5_000 * MS).contains(&made.due.unwrap()));
        let wanted = |outcome| count(due.clone().filter(|made| made.outcome == outcome));
        let rates = BTreeMap::from([(String::from("redis.told"), 6_000)]);
        let measured = measure(&history(&made, 5_000 * MS), &engine(), warm_up * MS, &rates, &[]);
        if due.clone().count() == 0 {
            prop_assert!(measured.loads.is_empty());
            return Ok(());
        }
        let (load, act) = the_one(&measured);
        prop_assert_eq!([act.ok, act.failed, act.unknown], outcomes.map(wanted));
        prop_assert_eq!(act.seconds.iter().map(|second| second.ok).sum::<u64>(), act.ok);
        prop_assert_eq!(act.seconds.iter().map(|second| second.errors).sum::<u64>(), act.failed + act.unknown);
        prop_assert_eq!(load.late, count(due.clone().filter(|made| made.began - made.due.unwrap() > LATE)));
        // A hundred a second.
        prop_assert_eq!(load.planned, Some(measured.took / (10 * MS)));
        // Each has a client of its own, who may be one off.
        let skipped = load.planned.unwrap().saturating_sub(count(due.clone()));
        prop_assert_eq!(load.skipped, if skipped > count(due.clone()) { skipped } else { 0 });
        let logged: usize = measured.intervals.iter().map(|interval| interval.times.len()).sum();
        prop_assert_eq!(u64::try_from(logged).unwrap(), act.ok);
    }
}

#[test]
fn what_a_neighbour_does_meanwhile_is_not_the_tenants() {
    let made = [Made { due: None, began: 0, took: MS, outcome: Ending::Ok }; 3];
    let mut events = history(&made, 1_000 * MS);
    if let EventKind::Invoked(invoked) = &mut events[1].kind {
        invoked.tenant = TenantName::new("plane").unwrap();
    }
    assert_eq!(the_one(&measure(&events, &engine(), 0, &BTreeMap::new(), &[])).1.ok, 2);
}

/// The same of the 99th operation.
fn other(mut event: Event) -> Event {
    match &mut event.kind {
        EventKind::Invoked(invoked) => (invoked.op, invoked.client) = (99, String::from("client 99")),
        EventKind::Ended(ended) => ended.op = 99,
        _ => {}
    }
    event
}

#[test]
fn stretches_are_told_apart_by_the_faults() {
    let at = |due: u64, took: u64, outcome| Made {
        due: Some(due * MS),
        began: due * MS,
        took: took * MS,
        outcome,
    };
    let made = [
        at(0, 1, Ending::Ok),
        at(500, 2, Ending::Ok),
        at(1_500, 7, Ending::Failed),
        at(2_500, 3, Ending::Ok),
    ];
    let mut events = history(&made, 4_000 * MS);
    let record =
        || FaultRecord { fault: 1, what: String::from("down redis"), touched: 1, links: Default::default() };
    events.push(Event { at: 1_000 * MS, kind: EventKind::FaultBegan(record()) });
    events.push(Event { at: 2_000 * MS, kind: EventKind::FaultEnded(record()) });
    events.sort_by_key(|event| event.at);
    let measured = measure(&events, &engine(), 0, &BTreeMap::new(), &[]);
    let stretches = &the_one(&measured).1.stretches;
    let told: Vec<_> = stretches
        .iter()
        .map(|stretch| (stretch.when, stretch.took_ns / MS, stretch.errors, stretch.per_second))
        .collect();
    assert_eq!(
        told,
        [(When::Before, 1_000, 0, 2.0), (When::During, 1_000, 1, 0.0), (When::After, 2_000, 0, 0.5)]
    );
    // The fault ended at 2 s.
    let recovery = |events: &[Event]| {
        let recovery = the_one(&measure(events, &engine(), 0, &BTreeMap::new(), &[])).0.recovery.unwrap();
        (recovery.first_ns.map(|time| time / MS), recovery.steady_ns.map(|time| time / MS))
    };
    assert_eq!(recovery(&events), (Some(503), Some(503)));
    for (late, wanted) in [(Ending::Failed, (Some(503), Some(1_004))), (Ending::Ok, (Some(503), Some(503)))] {
        let mut events = events.clone();
        events.extend(history(&[at(3_000, 4, late)], 4_000 * MS).into_iter().take(2).map(other));
        events.sort_by_key(|event| event.at);
        assert_eq!(recovery(&events), wanted);
    }
    let unbroken = measure(&history(&made, 4_000 * MS), &engine(), 0, &BTreeMap::new(), &[]);
    assert_eq!(the_one(&unbroken).0.recovery, None);
}
