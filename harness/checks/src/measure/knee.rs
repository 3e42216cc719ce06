//! Up to which of several rates a service keeps up: the knee of the curve of latency over load.
//!
//! A rate is kept up when of what was due hardly anything failed, was begun late or was never begun: from there on the time
//! that operations wait for one another is what is measured, and grows for as long as the load lasts.

use std::collections::BTreeMap;

use bulkhead_model::{
    Amount, TenantName, Unit,
    bench::{BenchCase, Knee, Load},
};

/// Of a hundred that were due, so many may be begun late: timers and a busy machine make some late by themselves.
const LATE: u64 = 5;

/// Of a hundred that were due, so many may fail.
const FAILED: u64 = 1;

/// The knee of each workload of each tenant that several rates were tried with, by tenant and workload.
pub fn knees(cases: &[BenchCase]) -> Vec<Knee> {
    let mut tried = BTreeMap::<(&TenantName, &str), BTreeMap<u64, &Load>>::new();
    for case in cases {
        for load in &case.loads {
            if let Some(rate) = load.rate {
                tried.entry((&case.tenant, &load.workload)).or_default().insert(rate, load);
            }
        }
    }
    let several = tried.into_iter().filter(|(_, rates)| rates.len() > 1);
    several.map(|((tenant, workload), rates)| knee(tenant, workload, &rates)).collect()
}

fn knee(tenant: &TenantName, workload: &str, rates: &BTreeMap<u64, &Load>) -> Knee {
    let mut knee = Knee {
        tenant: tenant.clone(),
        workload: workload.to_owned(),
        holds: None,
        breaks: None,
        why: String::new(),
    };
    for (rate, load) in rates {
        if let Some(why) = fell_behind(load) {
            (knee.breaks, knee.why) = (Some(*rate), why);
            break;
        }
        knee.holds = Some(*rate);
    }
    knee
}

/// Why the rate was not kept up, if so.
fn fell_behind(load: &Load) -> Option<String> {
    let due = load.planned.unwrap_or_default();
    let beyond = |number: u64, percent: u64| number.saturating_mul(100) > due.saturating_mul(percent);
    let failed: u64 = load.acts.iter().map(|act| act.failed + act.unknown).sum();
    let of = |number: u64, what: &str| {
        let rate = load.rate.map(|rate| Amount { unit: Unit::Rate, value: rate });
        format!("of {due} due at {} {number} {what}", rate.map_or_else(String::new, |rate| rate.to_string()))
    };
    match load {
        Load { skipped: skipped @ 1.., .. } => Some(of(*skipped, "were never begun")),
        _ if beyond(failed, FAILED) => Some(of(failed, "did not succeed")),
        Load { late, .. } if beyond(*late, LATE) => Some(of(*late, "were begun late")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{
        Verdict,
        bench::{Latency, Measure, Wrongs},
    };
    use proptest::prelude::*;

    use super::*;

    fn case(rate: u64, late: u64, failed: u64, skipped: u64) -> BenchCase {
        let act = Measure {
            act: String::from("touch"),
            ok: 1_000 - failed,
            failed,
            unknown: 0,
            wrong: Wrongs::default(),
            per_second: 100.0,
            latency: Latency::default(),
            stretches: Vec::new(),
            seconds: Vec::new(),
        };
        let workload = String::from("redis.sessions");
        let load = Load {
            workload,
            rate: Some(rate),
            planned: Some(1_000),
            skipped,
            late,
            recovery: None,
            acts: vec![act],
        };
        BenchCase {
            id: rate.to_string(),
            tenant: TenantName::new("engine").unwrap(),
            verdict: Verdict::Pass,
            invariants: Vec::new(),
            measured_ns: 1,
            loads: vec![load],
            beside: Wrongs::default(),
            usage: Vec::new(),
            history: String::new(),
        }
    }

    #[test]
    fn each_way_of_falling_behind_is_told() {
        for (behind, why) in [
            (case(1_200, 51, 0, 0), "of 1000 due at 20/s 51 were begun late"),
            (case(1_200, 0, 11, 0), "of 1000 due at 20/s 11 did not succeed"),
            (case(1_200, 999, 0, 7), "of 1000 due at 20/s 7 were never begun"),
        ] {
            let knees = knees(&[behind, case(600, 50, 10, 0)]);
            assert_eq!(
                (knees[0].holds, knees[0].breaks, knees[0].why.as_str()),
                (Some(600), Some(1_200), why)
            );
        }
        assert_eq!(knees(&[case(600, 0, 0, 0)]), [], "of one rate nothing can be told");
        let all = knees(&[case(600, 0, 0, 0), case(1_200, 0, 0, 0)]);
        assert_eq!((all[0].holds, all[0].breaks), (Some(1_200), None));
    }

    proptest! {
        /// In whatever order the rates were tried, the knee is below the lowest that was not kept up.
        #[test]
        fn the_order_of_the_rates_does_not_matter(
            rates in prop::collection::btree_map(1_u64..10_000, any::<bool>(), 2..12).prop_flat_map(|rates| {
                Just(rates.into_iter().collect::<Vec<_>>()).prop_shuffle()
            }),
        ) {
            let cases: Vec<_> =
                rates.iter().map(|(rate, holds)| case(*rate, if *holds { 0 } else { 500 }, 0, 0)).collect();
            let found = knees(&cases);
            let breaks = rates.iter().filter(|(_, holds)| !holds).map(|(rate, _)| *rate).min();
            let below = |rate: u64| breaks.is_none_or(|breaks| rate < breaks);
            let holds = rates.iter().map(|(rate, _)| *rate).filter(|rate| below(*rate)).max();
            prop_assert_eq!((found[0].holds, found[0].breaks), (holds, breaks));
        }
    }
}
