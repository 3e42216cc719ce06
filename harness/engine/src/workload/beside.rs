//! What a neighbour does beside a case while a fault is on that neighbour's link, too: on each such service the first of the
//! case's own workloads, mildly, so that what the case's tenant feels is the fault and no load.

use bulkhead_model::{
    Amount, Unit,
    scenario::{Chosen, Scenario, Setting, Whose},
};

use super::{Workload, find};

/// So many a minute at most.
const RATE: u64 = 20 * 60;

/// What those who work are called in settings: there is one of each.
const CREW: [&str; 7] =
    ["clients", "publishers", "consumers", "subscribers", "callers", "answerers", "workers"];

/// The workloads, each as it is done there.
pub(crate) fn beside(scenario: &Scenario) -> Vec<(&'static dyn Workload, Chosen)> {
    let faults = scenario.faults.iter().filter(|fault| Whose::of(fault).takes_a_neighbour());
    let mut services: Vec<_> = faults.filter_map(|fault| fault.service("service")).collect();
    services.sort_unstable();
    services.dedup();
    let known = || scenario.workload.iter().filter_map(|chosen| Some((find(&chosen.name)?, chosen)));
    let first = |service| known().find(|(workload, _)| workload.service() == service);
    services.into_iter().filter_map(first).map(|(workload, chosen)| (workload, mild(chosen))).collect()
}

/// The same by a crew of one at no more than the rate; a closed loop is none here.
fn mild(chosen: &Chosen) -> Chosen {
    let mut mild = chosen.clone();
    let value = chosen.rate().unwrap_or(RATE).min(RATE);
    mild.settings.insert(String::from("rate"), Setting::Amount(Amount { unit: Unit::Rate, value }));
    for name in CREW {
        if let Some(crew) = mild.settings.get_mut(name) {
            *crew = Setting::Amount(Amount { unit: Unit::Count, value: 1 });
        }
    }
    mild
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{Service, scenario::Known};

    use super::*;
    use crate::{faults, workload};

    #[test]
    fn a_neighbour_does_the_first_of_the_cases_workloads_and_no_more_than_mildly() {
        let file = "title: T\nwhy: W\nworkload:\n  - redis.sessions: { rate: 300/s, ttl: 600ms }\n  - redis.pub-sub\n  \
                    - s3.backups\n  - rabbitmq.tasks: { rate: max }\nrun-for: 3s\nfaults:\n  - down: { service: s3, at: 1s, tenants: all }\n  \
                    - 3g: { service: redis, at: 1s, tenants: neighbour }\n  - down: { service: redis, at: 2s, tenants: all }\n  \
                    - down: { service: rabbitmq, at: 1s }\nexpect: [x]\n";
        let (workloads, faults) = (workload::ALL.map(|one| one.shape()), faults::ALL.map(|one| one.shape()));
        let known = Known { probes: &[], workloads: &workloads, faults: &faults, invariants: &[("x", None)] };
        let scenario = Scenario::parse("x", file, "x.yaml", &known).unwrap().remove(0);
        let does = beside(&scenario);
        let told: Vec<_> = does
            .iter()
            .map(|(workload, chosen)| (workload.service(), chosen.name.as_str(), chosen.rate()))
            .collect();
        let (sessions, backups) =
            ((Service::Redis, "redis.sessions", Some(20 * 60)), (Service::S3, "s3.backups", Some(4 * 60)));
        assert_eq!(told, [sessions, backups]);
        assert_eq!((does[0].1.amount("clients"), does[0].1.amount("sessions")), (1, 8));
        assert_eq!(does[0].1.time("ttl").as_millis(), 600, "the rest is as the case has it");
        assert!(!does[0].1.settings.contains_key("workers"));
        let max = Chosen {
            name: String::from("rabbitmq.tasks"),
            settings: [(String::from("rate"), Setting::Word("max"))].into(),
        };
        assert_eq!(mild(&max).rate(), Some(20 * 60));
        assert!(beside(&Scenario { faults: scenario.faults[3..].to_vec(), ..scenario }).is_empty());
    }
}
