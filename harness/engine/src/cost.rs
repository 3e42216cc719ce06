//! What a run spends at most with providers that bill or cap by the call. Bounds, not measurements: each probe, item and
//! case counts for the dearest of its kind, so that a run within its budget stays there whatever the servers answer. A
//! test holds each of them against what was counted before the servers or in them.

use std::{fmt, str::FromStr};

use bulkhead_model::{Item, Service, scenario::Case};

use crate::{probes, run::services};

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
            Self::Bytes => 64 * 1024 * 1024,
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
    Cost([44, 0, 0, 0, 16 * 1024]),
    Cost([0, 12, 0, 0, 64 * 1024]),
    Cost([0, 0, 0, 8, 64 * 1024]),
];

/// A probe with its control: each side is asked, what it may have changed is planted and looked at.
const PROBE: [Cost; 4] = [
    Cost([0, 0, 0, 0, 16 * 1024]),
    Cost([16, 0, 0, 0, 8 * 1024]),
    Cost([0, 12, 0, 0, 16 * 1024]),
    Cost([0, 0, 8, 8, 64 * 1024]),
];

impl Cost {
    /// What the cases cost when `tenants` have access.
    pub fn of<'c>(cases: impl IntoIterator<Item = &'c Case>, tenants: usize) -> Self {
        let tenants = u64::try_from(tenants).unwrap_or(u64::MAX);
        let opening = Self(OPENING.0.map(|amount| amount.saturating_mul(tenants)));
        cases.into_iter().map(of_case).fold(opening, Self::plus)
    }

    /// How much of it is that unit.
    pub fn amount(&self, unit: Unit) -> u64 {
        self.0[unit as usize]
    }

    fn plus(self, other: Self) -> Self {
        let mut sum = self;
        for (amount, more) in sum.0.iter_mut().zip(other.0) {
            *amount = amount.saturating_add(more);
        }
        sum
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = Unit::ALL.map(|unit| format!("{} {}", self.amount(unit), unit.words()));
        f.write_str(&parts.join(", "))
    }
}

/// A case that names what is not there costs nothing: it breaks before it does anything.
fn of_case(case: &Case) -> Cost {
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
        Item::ConnectionsTested => Cost([20, 4, 2, 0, 128 * 1024]),
        _ => match item.service() {
            Some(Service::Redis) => Cost([24, 0, 0, 0, 16 * 1024]),
            Some(Service::Rabbitmq) => Cost([0, 12, 0, 0, 32 * 1024]),
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
    use super::{Budget, Cost, Unit};

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
