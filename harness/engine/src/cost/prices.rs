//! What single things cost at their dearest, and how many of them a case's workloads may do. Bytes are those between the
//! link and the server, TLS included, both ways.

use std::time::Duration;

use bulkhead_model::{
    Service,
    scenario::{Chosen, Scenario},
};

use super::{Cost, Unit};

/// A TLS handshake with a chain of certificates that is long.
const HANDSHAKE: u64 = 12 * 1024;

/// A request to S3 without a body and its answer without one. Each may have to connect: the SDK keeps connections to itself.
const REQUEST: u64 = HANDSHAKE + 4 * 1024;

/// What removing an object takes when the case clears up: its line in a listing, twice, and a request on a connection that
/// is there.
const REMOVAL: u64 = 4 * 1024;

/// Keys that one listing tells unless it is told to tell fewer.
const PAGE: u64 = 1000;

/// How many acts a minute a closed loop may come to: as many as the highest rate.
const CLOSED: u64 = 600_000;

/// How much longer than its `run-for` a case may work before its allowance ends it: an operation that a fault swallowed just
/// before its end is given up after five seconds, and the case goes on until one succeeds.
const SLACK: Duration = Duration::from_secs(8);

/// How often somebody may insist at the end.
const INSISTING: u64 = 8;

/// How often a client may connect while nothing is wrong.
const CONNECTS: u64 = 4;

/// How often it may connect in a second of a fault. Who succeeds in between waits little before the next try.
const CONNECTS_A_SECOND: u64 = 16;

/// A connection from its first byte to its last, with the login.
pub(crate) const fn connection(service: Service) -> Cost {
    match service {
        Service::Postgres => bytes(HANDSHAKE + 4 * 1024),
        Service::Redis => bytes(HANDSHAKE + 2 * 1024).with(Unit::RedisCommands, 6),
        // Declarations and heartbeats are with it.
        Service::Rabbitmq => bytes(HANDSHAKE + 8 * 1024),
        // With each request.
        Service::S3 => Cost::NONE,
    }
}

/// So many bytes.
pub(crate) const fn bytes(amount: u64) -> Cost {
    Cost::NONE.with(Unit::Bytes, amount)
}

/// A statement of PostgreSQL that sends or gives that much.
pub(crate) const fn statement(body: u64) -> Cost {
    bytes(body.saturating_add(2 * 1024))
}

/// So many commands of Redis that send and give that much.
pub(crate) const fn commands(number: u64, body: u64) -> Cost {
    bytes(body.saturating_add(number.saturating_mul(512))).with(Unit::RedisCommands, number)
}

/// Publishing a message of that size, which may come back, and its confirm.
pub(crate) const fn publish(size: u64) -> Cost {
    message(size.saturating_mul(2))
}

/// Being given a message of that size, and acknowledging it.
pub(crate) const fn delivery(size: u64) -> Cost {
    message(size)
}

const fn message(size: u64) -> Cost {
    // Bodies are cut into frames, and these into TLS's records of 16 KiB.
    bytes(size.saturating_add(size / 64).saturating_add(768)).with(Unit::Messages, 1)
}

/// Reading an object of that size.
pub(crate) const fn get(size: u64) -> Cost {
    put_away(size).with(Unit::S3ClassB, 1)
}

/// Writing an object of that size, which is removed when the case clears up.
pub(crate) const fn put(size: u64) -> Cost {
    put_away(size.saturating_add(REMOVAL))
}

/// A request that is free with a body of that size, such as a part or a removal.
pub(crate) const fn put_away(size: u64) -> Cost {
    bytes(size.saturating_add(size / 64).saturating_add(REQUEST))
}

/// Listing so many objects in pages of so many.
pub(crate) fn listing(objects: u64, page: u64) -> Cost {
    let pages = objects / page.clamp(1, PAGE) + 1;
    let lines = objects.saturating_mul(640);
    bytes(pages.saturating_mul(REQUEST).saturating_add(lines)).with(Unit::S3ClassC, pages)
}

/// How many pages the most objects fill that a case may have written which was allowed so much.
pub(super) const fn pages(allowance: &Cost) -> u64 {
    allowance.amount(Unit::Bytes) / (REQUEST + REMOVAL) / PAGE + 1
}

/// How long a case's workloads may work, and how often a client of one may connect.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    time: Duration,
    connects: u64,
}

impl Span {
    /// That of a workload on the service in this scenario.
    pub(super) fn of(scenario: &Scenario, service: Service) -> Self {
        let on = |fault: &&Chosen| fault.service("service") == Some(service);
        let faulty: Duration = scenario.faults.iter().filter(on).map(|fault| fault.time("for")).sum();
        let faulty = u64::try_from(faulty.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
        let connects = CONNECTS.saturating_add(CONNECTS_A_SECOND.saturating_mul(faulty));
        Self { time: scenario.run_for.saturating_add(SLACK), connects }
    }

    /// How many acts clients begin that keep up the `rate` together.
    pub(crate) fn acts(&self, chosen: &Chosen, clients: u64) -> u64 {
        let millis = u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX);
        // A rate is so many a minute; each client begins with one at once.
        chosen.rate().unwrap_or(CLOSED).saturating_mul(millis).div_ceil(60_000).saturating_add(clients)
    }

    /// How often somebody acts who rests so long in between, and insists at the end.
    pub(crate) fn rounds(&self, rest: Duration) -> u64 {
        let rounds = self.time.as_millis() / rest.as_millis().max(1);
        u64::try_from(rounds).unwrap_or(u64::MAX).saturating_add(1 + INSISTING)
    }

    /// How often so many clients connect.
    pub(crate) fn connects(&self, clients: u64) -> u64 {
        self.connects.saturating_mul(clients)
    }

    /// Their connections.
    pub(crate) fn connections(&self, service: Service, clients: u64) -> Cost {
        connection(service).times(self.connects(clients))
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{
        Amount, Unit as Of,
        scenario::{Chosen, Setting},
    };

    use super::*;

    fn chosen(name: &str, settings: &[(&str, Setting)]) -> Chosen {
        let settings = settings.iter().map(|(name, setting)| ((*name).to_owned(), setting.clone())).collect();
        Chosen { name: name.to_owned(), settings }
    }

    #[test]
    fn a_span_grows_with_the_time_the_rate_and_the_faults_on_the_service() {
        let rate = chosen("x", &[("rate", Setting::Amount(Amount { unit: Of::Rate, value: 6000 }))]);
        let fault = |service| {
            let time = Setting::Amount(Amount { unit: Of::Time, value: 1500 });
            chosen("down", &[("service", Setting::Service(service)), ("for", time)])
        };
        let run_for = Duration::from_secs(3);
        let of = |faults| Span::of(&Scenario { run_for, faults, ..Scenario::default() }, Service::Redis);
        let calm = of(vec![fault(Service::S3)]);
        let seconds = 3 + SLACK.as_secs();
        assert_eq!(calm.acts(&rate, 4), 100 * seconds + 4);
        assert_eq!(calm.connects(3), 3 * CONNECTS);
        assert_eq!(calm.rounds(Duration::from_secs(1)), seconds + 1 + INSISTING);
        let faulty = of(vec![fault(Service::Redis), fault(Service::Redis)]);
        assert_eq!(faulty.connects(1), CONNECTS + 3 * CONNECTS_A_SECOND);
        let connections = faulty.connections(Service::Redis, 1);
        assert_eq!(connections.amount(Unit::RedisCommands), 6 * faulty.connects(1));
    }

    #[test]
    fn a_listing_costs_a_call_for_each_page() {
        let calls = [0, 999, 1000, 2500].map(|objects| listing(objects, PAGE).amount(Unit::S3ClassC));
        assert_eq!(calls, [1, 1, 2, 3]);
        assert_eq!(listing(2500, 100).amount(Unit::S3ClassC), 26);
        assert_eq!((get(9).amount(Unit::S3ClassB), put(9).amount(Unit::S3ClassB)), (1, 0));
        assert_eq!([7, 7007].map(|objects| pages(&put(0).times(objects))), [1, 8]);
    }
}
