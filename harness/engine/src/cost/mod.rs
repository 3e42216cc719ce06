//! What a run spends at most with providers that bill or cap by the call. Bounds, not measurements: each probe, item and
//! case counts for the dearest of its kind, so that a run within its budget stays there whatever the servers answer. A
//! test holds each of them against what was counted before the servers or in them.
//!
//! What a workload does under faults nobody can tell beforehand: it gets an allowance, which is announced, and a meter
//! ends it when that is spent.

use std::{fmt, str::FromStr};

use bulkhead_model::{
    Item, Service,
    scenario::{Case, Scenario},
};
use bulkhead_target::backends::env::SCANS;

use crate::{audit, probes, run::services, workload};

mod admission;
mod meter;
pub(crate) mod prices;

pub use admission::{Admission, admit};
pub use meter::Meter;
pub use prices::Span;

/// What is billed, in the order of [`Unit::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Commands, which Upstash bills one by one, those of a transaction too.
    RedisCommands,
    /// Messages published and delivered, of which CloudAMQP gives so many a month.
    Messages,
    /// B2's class B: reading objects and their heads.
    S3ClassB,
    /// B2's class C: listing, copying, reading a bucket's settings.
    S3ClassC,
    /// Bytes sent and received, all services together.
    Bytes,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 5] =
        [Self::RedisCommands, Self::Messages, Self::S3ClassB, Self::S3ClassC, Self::Bytes];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RedisCommands => "redis",
            Self::Messages => "messages",
            Self::S3ClassB => "s3-b",
            Self::S3ClassC => "s3-c",
            Self::Bytes => "bytes",
        }
    }

    /// The words in a sentence.
    const fn words(self) -> &'static str {
        match self {
            Self::RedisCommands => "Redis commands",
            Self::Messages => "messages",
            Self::S3ClassB => "S3 calls of class B",
            Self::S3ClassC => "of class C",
            Self::Bytes => "bytes",
        }
    }

    /// What a run may spend unless it is told: well below a day's or a month's free allowance.
    const fn usual(self) -> u64 {
        match self {
            Self::RedisCommands | Self::Messages => 50_000,
            Self::S3ClassB | Self::S3ClassC => 2_000,
            Self::Bytes => 256 * 1024 * 1024,
        }
    }
}

/// An amount of each unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost([u64; 5]);

/// One look and login at the start, for each tenant: two connections, what they ask; two listings and a setting.
const OPENING: Cost = Cost([16, 0, 0, 3, 64 * 1024]);

/// Planting, for a pair on each service of a case, and clearing up after both.
const PAIR: [Cost; 4] = [
    Cost([0, 0, 0, 0, 64 * 1024]),
    Cost([48, 0, 0, 0, 16 * 1024]),
    Cost([0, 12, 0, 0, 96 * 1024]),
    Cost([0, 0, 0, 8, 64 * 1024]),
];

/// A probe with its control: each side is asked, what it may have changed is planted and looked at.
const PROBE: [Cost; 4] = [
    Cost([0, 0, 0, 0, 16 * 1024]),
    Cost([16, 0, 0, 0, 8 * 1024]),
    Cost([0, 12, 0, 0, 16 * 1024]),
    Cost([0, 0, 8, 8, 64 * 1024]),
];

/// Looking at all keys of one Redis before a run's cases and after them: two logins, two counts and two walks, and into what
/// appeared meanwhile with three commands a key.
const LOOK: Cost = Cost([
    2 * 6 + 2 + 2 * audit::STEPS + 3 * audit::LOOKED,
    0,
    0,
    0,
    2 * (2 * audit::NAMES as u64 + 64 * 1024) + audit::LOOKED * (audit::READ as u64 + 2 * 1024),
]);

/// A case's place with one tenant, made and cleared up, on PostgreSQL in any case and on each service that it works on.
const PLACE: [Cost; 4] = [
    Cost([0, 0, 0, 0, 64 * 1024]),
    // Commands: the login, whether there is more, the steps of a scan with a removal each, and what is known by name.
    Cost([6 + 2 + 2 * SCANS as u64, 0, 0, 0, 64 * 1024]),
    Cost([0, 0, 0, 0, 128 * 1024]),
    // The last listing of what is there and one of uploads, each on a connection of its own.
    Cost([0, 0, 0, 2, 64 * 1024]),
];

/// So many places are in what a pair and an item cost: those of two tenants who clear up for each other.
const PLACES: u64 = 4;

/// Who is there: how many tenants have access, and how many there are at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenants {
    /// Those whose variables are set.
    pub acting: usize,
    /// All of the topology.
    pub known: usize,
}

impl Cost {
    /// Nothing.
    pub const NONE: Self = Self([0; 5]);

    /// What a run costs before its first case.
    pub(crate) fn opening(tenants: Tenants) -> Self {
        Self(OPENING.0).times(number(tenants.acting))
    }

    /// What the case costs at most.
    pub(crate) fn of(case: &Case, tenants: Tenants) -> Self {
        let services = services(&case.scenario).unwrap_or_default();
        let elsewhere = services.iter().filter(|service| **service != Service::Postgres);
        let place = elsewhere.map(|service| PLACE[*service as usize]);
        let place = place.fold(PLACE[Service::Postgres as usize], Self::plus);
        // Everybody with access clears up in everybody's slices.
        let places = number(tenants.acting).saturating_mul(number(tenants.known));
        if case.scenario.workload.is_empty() {
            return of_probes_and_items(case).plus(place.times(places.saturating_sub(PLACES)));
        }
        let allowance = allowance(&case.scenario);
        let pages = if services.contains(&Service::S3) { prices::pages(&allowance) } else { 0 };
        allowance.plus(place.times(places)).plus(prices::listing(0, 1).times(pages))
    }

    /// How much of it is that unit.
    pub const fn amount(&self, unit: Unit) -> u64 {
        self.0[unit as usize]
    }

    /// The same and so much more of the unit.
    #[must_use]
    pub const fn with(mut self, unit: Unit, amount: u64) -> Self {
        self.0[unit as usize] = self.0[unit as usize].saturating_add(amount);
        self
    }

    /// Both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let mut sum = self;
        for (amount, more) in sum.0.iter_mut().zip(other.0) {
            *amount = amount.saturating_add(more);
        }
        sum
    }

    /// Of each unit what is more.
    #[must_use]
    pub(crate) fn dearer(self, other: Self) -> Self {
        let mut dearer = self;
        for (amount, other) in dearer.0.iter_mut().zip(other.0) {
            *amount = other.max(*amount);
        }
        dearer
    }

    /// So many times as much.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self(self.0.map(|amount| amount.saturating_mul(times)))
    }

    /// What is left of it after the other, or the first unit of which the other is more.
    fn less(self, other: Self) -> Result<Self, Unit> {
        let mut rest = self;
        for ((unit, amount), less) in Unit::ALL.into_iter().zip(&mut rest.0).zip(other.0) {
            *amount = amount.checked_sub(less).ok_or(unit)?;
        }
        Ok(rest)
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// What the scenario's workloads, and a neighbour's beside them, may spend until a meter ends them.
pub(crate) fn allowance(scenario: &Scenario) -> Cost {
    let known = scenario.workload.iter().filter_map(|chosen| Some((workload::find(&chosen.name)?, chosen)));
    let beside = workload::beside(scenario);
    let known = known.chain(beside.iter().map(|(workload, chosen)| (*workload, chosen)));
    let each = known.map(|(workload, chosen)| {
        let span = Span::of(scenario, workload.service());
        workload.preparing(chosen).plus(workload.allowance(chosen, span))
    });
    each.fold(Cost::NONE, Cost::plus)
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = Unit::ALL.map(|unit| format!("{} {}", self.amount(unit), unit.words()));
        f.write_str(&parts.join(", "))
    }
}

/// A case that names what is not there costs nothing: it breaks before it does anything.
fn of_probes_and_items(case: &Case) -> Cost {
    let Ok(probes) = probes::select(&case.scenario.probes) else { return Cost::default() };
    let planting =
        services(&case.scenario).unwrap_or_default().into_iter().map(|service| PAIR[service as usize]);
    let probes = probes.iter().map(|probe| PROBE[probe.about().service as usize]);
    let items = case.scenario.checklist.iter().map(|item| of_item(*item));
    planting.chain(probes).chain(items).fold(Cost::default(), Cost::plus)
}

fn of_item(item: Item) -> Cost {
    match item {
        Item::EnvConfigured => Cost::default(),
        Item::ConnectionsTested => Cost([24, 4, 2, 0, 160 * 1024]),
        _ => match item.service() {
            Some(Service::Redis) => Cost([28, 0, 0, 0, 16 * 1024]),
            Some(Service::Rabbitmq) => Cost([0, 12, 0, 0, 64 * 1024]),
            Some(Service::S3) => Cost([0, 0, 10, 2, 64 * 1024]),
            Some(Service::Postgres) | None => Cost([0, 0, 0, 0, 32 * 1024]),
        },
    }
}

/// The most that a run may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget(Cost);

impl Default for Budget {
    fn default() -> Self {
        Self(Cost(Unit::ALL.map(Unit::usual)))
    }
}

impl Budget {
    /// How much of the unit may be spent.
    pub const fn limit(&self, unit: Unit) -> u64 {
        self.0.amount(unit)
    }

    /// Every unit of which the cost is more than there is: the unit, the cost, the limit.
    pub fn exceeded(&self, cost: &Cost) -> Vec<(Unit, u64, u64)> {
        let all = Unit::ALL.map(|unit| (unit, cost.amount(unit), self.0.amount(unit)));
        all.into_iter().filter(|(_, cost, limit)| cost > limit).collect()
    }
}

impl FromStr for Budget {
    type Err = String;

    /// `redis=5000,s3-c=100`: what is not named keeps its usual limit.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut budget = Self::default();
        for part in text.split(',') {
            let named = part.split_once('=').and_then(|(name, amount)| {
                let unit = Unit::ALL.into_iter().find(|unit| unit.name() == name.trim())?;
                Some((unit, amount.trim().parse().ok()?))
            });
            let Some((unit, amount)) = named else {
                let names = Unit::ALL.map(Unit::name).join(", ");
                return Err(format!("`{part}` is not NAME=NUMBER with a name of {names}"));
            };
            budget.0.0[unit as usize] = amount;
        }
        Ok(budget)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bulkhead_model::scenario::{Known, Setting, Subject, Whose};

    use super::*;
    use crate::faults;

    /// A scenario with the workload as usual, for so long, under a fault for so long.
    fn scenario(workload: &dyn workload::Workload, run_for: u64, faulty: u64) -> Scenario {
        let (name, service) = (workload.shape().name, workload.service());
        let text = format!(
            "title: T\nwhy: W\ntags: [chaos]\nworkload: [{name}]\nrun-for: {run_for}s\nfaults: [{{ down: {{ service: \
             {service}, at: 0ms, for: {faulty}s }} }}]\nexpect: [x]\n"
        );
        let (workloads, faults) = (workload::ALL.map(|one| one.shape()), faults::ALL.map(|one| one.shape()));
        let known = Known { probes: &[], workloads: &workloads, faults: &faults, invariants: &[("x", None)] };
        Scenario::parse("x", &text, "x.yaml", &known).unwrap().remove(0)
    }

    #[test]
    fn every_workload_has_an_allowance_that_grows_with_its_time_and_its_faults() {
        for workload in workload::ALL {
            let (name, unit) = match workload.service() {
                Service::Postgres | Service::S3 => (workload.shape().name, Unit::Bytes),
                Service::Redis => (workload.shape().name, Unit::RedisCommands),
                Service::Rabbitmq => (workload.shape().name, Unit::Messages),
            };
            let of = |run_for, faulty| allowance(&scenario(workload, run_for, faulty)).amount(unit);
            let rate = scenario(workload, 9, 1).workload[0].amount("rate") / 60;
            let (short, long) = (of(3, 1), of(60, 1));
            assert!(short > 8 * rate, "{name}: {short} of `{}`", unit.name());
            assert!(long >= short + 57 * rate, "{name}: {short}, and {long} in a longer time");
            // Each of its requests may connect anew in any case.
            let connects = workload.service() != Service::S3;
            assert_eq!(of(9, 8) > of(9, 1), connects, "{name}");
        }
    }

    #[test]
    fn a_neighbours_work_beside_the_case_is_announced() {
        let alone = scenario(workload::ALL[3], 3, 1);
        let mut beside = alone.clone();
        beside.faults[0].settings.insert(Whose::NAME.into(), Setting::Word("neighbour"));
        let [alone, beside] =
            [alone, beside].map(|scenario| allowance(&scenario).amount(Unit::RedisCommands));
        // It is mild: a client, and 20 operations in a second, where the case has 200.
        assert!(alone + 3 * 20 < beside && beside < alone + alone / 2, "{alone} {beside}");
    }

    #[test]
    fn clearing_up_is_paid_for_each_tenant() {
        let scenario = Arc::new(scenario(workload::ALL[3], 3, 1));
        let subject = Subject::Tenant(bulkhead_model::TenantName::new("engine").unwrap());
        let case = Case { id: String::from("x"), scenario: Arc::clone(&scenario), subject };
        let commands = |acting| {
            let cost = Cost::of(&case, Tenants { acting, known: 2 });
            cost.amount(Unit::RedisCommands) - allowance(&scenario).amount(Unit::RedisCommands)
        };
        assert_eq!(commands(2), 2 * commands(1));
        assert!(commands(1) >= 2 * (6 + 2 * SCANS as u64));
    }

    #[test]
    fn a_budget_is_read_and_held_against_a_cost() {
        let budget: Budget = "redis=10, s3-c=0".parse().unwrap();
        let cost = Cost([11, 5, 1, 1, 1]);
        assert_eq!(budget.exceeded(&cost), [(Unit::RedisCommands, 11, 10), (Unit::S3ClassC, 1, 0)]);
        assert_eq!(Budget::default().exceeded(&cost), []);
        for bad in ["", "redis", "redis=", "redis=-1", "postgres=1", "redis=1,,", "redis=1;s3-c=2"] {
            assert!(bad.parse::<Budget>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cost_is_said_in_words() {
        let text = Cost([11, 5, 2, 1, 99]).to_string();
        assert_eq!(text, "11 Redis commands, 5 messages, 2 S3 calls of class B, 1 of class C, 99 bytes");
    }
}
