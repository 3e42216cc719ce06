//! The documents' checklist: six items, each examined on a tenant's real connections, each with its evidence or with its
//! reason and what to do. A file an item, a line in [`ALL`].
//!
//! An item that cannot be examined does not hold: the reason says why. Nothing is retried.

use std::time::Duration;

use bulkhead_model::{Item, Secret, Service, Topology, report::ServerReport, url::Connections};
use bulkhead_target::{Error, TenantAccess, clients};
use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::CALL_DEADLINE;

mod bucket_created;
mod connections_tested;
mod database_created;
mod env_configured;
mod redis_prefix_used;
mod vhost_created;

/// The six, in the documents' order.
pub const ALL: [&dyn ChecklistItem; 6] = [
    &database_created::DatabaseCreated,
    &redis_prefix_used::RedisPrefixUsed,
    &vhost_created::VhostCreated,
    &bucket_created::BucketCreated,
    &env_configured::EnvConfigured,
    &connections_tested::ConnectionsTested,
];

/// How many round trips a median is taken of. Odd, so that it is one of them.
const ROUND_TRIPS: usize = 9;

/// An examination under way: what shows that the item holds, or why it does not.
pub type Examining<'a> = BoxFuture<'a, Result<String, NotDone>>;

/// One item of the checklist.
pub trait ChecklistItem: Sync {
    /// Which.
    fn item(&self) -> Item;

    /// Looks whether it holds: what shows it, or why not and what to do.
    fn examine<'a>(&'a self, examination: &'a Examination<'a>) -> Examining<'a>;
}

/// A tenant under examination.
pub struct Examination<'a> {
    /// How to reach it.
    pub access: &'a TenantAccess,
    /// The layout as it is on the servers.
    pub topology: &'a Topology,
    /// What answers there.
    pub servers: &'a [ServerReport],
    /// The tenant's environment variables.
    pub variables: Vec<(String, Secret)>,
    /// Which of several rounds it is of; 0 where there is one. Clearing up knows the names that the first makes.
    pub round: usize,
}

/// What came of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Whether it holds.
    pub done: bool,
    /// What shows it, or why it does not hold.
    pub evidence: String,
    /// What to do; empty when it holds.
    pub fix: String,
}

/// Why an item does not hold, and what to do.
#[derive(Debug)]
pub struct NotDone {
    reason: String,
    fix: String,
}

/// Examines one item of one tenant.
pub async fn examine(item: Item, examination: &Examination<'_>) -> Examined {
    let Some(examiner) = ALL.into_iter().find(|examiner| examiner.item() == item) else {
        let evidence = format!("nothing here examines `{item}`");
        return Examined { done: false, evidence, fix: String::from("add it to the checklist's slice") };
    };
    match tokio::time::timeout(CALL_DEADLINE, examiner.examine(examination)).await {
        Ok(Ok(evidence)) => {
            Examined { done: true, evidence: examination.scrub(&evidence), fix: String::new() }
        }
        Ok(Err(NotDone { reason, fix })) => {
            Examined { done: false, evidence: examination.scrub(&reason), fix: examination.scrub(&fix) }
        }
        Err(_) => Examined {
            done: false,
            evidence: format!("no answer within {CALL_DEADLINE:?}"),
            fix: String::from("look whether the server is up, reachable from here and not overloaded"),
        },
    }
}

impl<'a> Examination<'a> {
    /// A tenant with the variables that its connections give.
    pub fn new(access: &'a TenantAccess, topology: &'a Topology, servers: &'a [ServerReport]) -> Self {
        let variables = access.connections.variables(&access.tenant);
        let variables = variables.into_iter().map(|(name, value)| (name, Secret::new(value))).collect();
        Self { access, topology, servers, variables, round: 0 }
    }

    /// The server, its version, the TLS version and the name in its certificate: what every item about a service says.
    async fn server(&self, service: Service) -> Result<String, NotDone> {
        let report = self.servers.iter().find(|report| report.service == service);
        let server = report.map_or_else(|| service.to_string(), |r| format!("{} {}", r.product, r.version));
        let tls = clients::tls::facts(self.access, service).await.map_err(|error| {
            let fix = "look at the certificate, the host name in the URL and the authority that is trusted";
            NotDone::new(error.chain(), fix)
        })?;
        Ok(format!("{server}, {} with a certificate for {}", tls.version, tls.peer_names.join(", ")))
    }

    /// The text with the tenant's passwords and keys masked.
    fn scrub(&self, text: &str) -> String {
        let Connections { postgres, redis, rabbitmq, s3 } = &self.access.connections;
        let secrets = [&postgres.password, &redis.password, &rabbitmq.password, &s3.secret_access_key];
        let shown = secrets.into_iter().filter(|secret| !secret.is_empty());
        shown.fold(text.to_owned(), |text, secret| text.replace(secret.expose(), Secret::MASK))
    }
}

impl NotDone {
    /// A reason, and what to do about it.
    pub(crate) fn new(reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { reason: reason.into(), fix: fix.into() }
    }

    /// An error that came up, and what to do about it.
    fn of(error: &Error, fix: impl Into<String>) -> Self {
        Self::new(error.chain(), fix)
    }
}

/// Stops a clock at each of several round trips; the median says what one costs.
struct RoundTrips(Vec<Duration>);

impl RoundTrips {
    fn new() -> Self {
        Self(Vec::with_capacity(ROUND_TRIPS))
    }

    fn wanted(&self) -> bool {
        self.0.len() < ROUND_TRIPS
    }

    fn took(&mut self, begun: Instant) {
        self.0.push(begun.elapsed());
    }

    fn text(mut self) -> String {
        self.0.sort();
        let median = self.0.get(self.0.len() / 2).copied().unwrap_or_default();
        format!("round trip {:.2} ms (median of {})", median.as_secs_f64() * 1000.0, self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tenant;

    #[test]
    fn every_item_has_its_examiner_in_the_documents_order() {
        assert_eq!(ALL.map(|examiner| examiner.item()), Item::ALL);
    }

    #[test]
    fn a_median_is_of_the_middle() {
        let mut trips = RoundTrips::new();
        trips.0.extend([9, 1, 2].map(Duration::from_millis));
        assert_eq!(trips.text(), "round trip 2.00 ms (median of 3)");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_leaves_the_item_open_with_its_reason() {
        let access = tenant("engine");
        let topology = Topology::builtin();
        let examination = Examination::new(&access, &topology, &[]);
        for item in Item::ALL.into_iter().filter(|item| *item != Item::EnvConfigured) {
            let found = examine(item, &examination).await;
            assert!(!found.done && !found.evidence.is_empty() && !found.fix.is_empty(), "{item}: {found:?}");
            assert!(!format!("{found:?}").contains("password-of"), "{item}: {found:?}");
        }
    }
}
