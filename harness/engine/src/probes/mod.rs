//! Probes: one tenant's attempts on another's slice. A folder a service, a line a probe in the folder's `ALL`.
//!
//! Every probe first makes the same call on its own slice (the positive control), looks for the neighbour's canary in
//! everything that it receives, and, where it would change something, asks the *neighbour's* client whether anything
//! changed: an error is no proof that nothing happened, nor is OK a proof that something did. What a probe found is
//! judged elsewhere, against what the topology promises.
//!
//! No probe does harm beyond the two slices, whatever the server allows: what would reach further is asked in a form
//! that the server judges and then does not carry out (a transaction that is rolled back, an argument that is not
//! valid, an object that belongs to the pair).

use bulkhead_model::{Class, Service, Tenant};
use bulkhead_target::Error;
use futures::future::BoxFuture;

mod answer;
mod finding;
mod pair;
pub mod postgres;
pub mod rabbitmq;
pub mod redis;
pub mod s3;

pub use finding::{Attempt, Change, Finding};
pub use pair::{Pair, Side};

/// Every probe, by service in [`Service::ALL`]'s order.
pub const ALL: [&[&dyn Probe]; 4] = [postgres::ALL, redis::ALL, rabbitmq::ALL, s3::ALL];

/// An attempt under way. One lifetime for all that it borrows: where `async_trait` names a lifetime for each argument, the
/// compiler remembers nothing of what it proved about sending futures between threads, and a hundred probes cost minutes.
pub type Attempting<'a> = BoxFuture<'a, Result<Attempt, Error>>;

/// One attempt by one tenant on another's slice.
pub trait Probe: Sync {
    /// What it is called and what it tries.
    fn about(&self) -> &About;

    /// How to close the leak between these two, in the service's own language.
    fn fix(&self, pair: &Pair<'_>) -> String;

    /// Why no setting of this server (`postgres 15.18`) closes the leak between these two, with the version that does
    /// where there is one; `None` where [`Probe::fix`] closes it. Such a leak is shown and does not fail.
    fn inherent(&self, _pair: &Pair<'_>, _server: &str) -> Option<String> {
        None
    }

    /// Why there is nothing to try between these two, where their ways of sharing leave nothing: the probe is left out.
    fn not_here(&self, _pair: &Pair<'_>) -> Option<String> {
        None
    }

    /// Names on a broker under which it may leave something in the vhost of `on` that is `by`'s to remove, when it is made
    /// between any two of `all`, for whoever cannot ask which there are.
    fn leaves(&self, _by: &Tenant, _on: &Tenant, _all: &[Tenant]) -> Vec<String> {
        Vec::new()
    }

    /// Makes the call as the probing tenant: on its own slice for the control, on the neighbour's for the attempt.
    ///
    /// # Errors
    /// When there is nothing to attempt: a canary could not be planted.
    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a>;
}

/// What a probe is called, what it tries, and what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// `<service>.<words>`.
    pub name: &'static str,
    /// Where.
    pub service: Service,
    /// What it tries.
    pub class: Class,
    /// What it does, in one sentence.
    pub sentence: &'static str,
    /// Whether it would disturb other probes of the same pair and service, and so runs after them by itself.
    pub alone: bool,
    /// Whether the neighbour's names are enough for it: it may be made where nobody can plant a canary.
    pub by_name: bool,
    /// Whether it goes through the server's management API, and is left out where there is none.
    pub management: bool,
    /// Whether it reaches for a moment beyond the two slices, into what no clearing up would find or all others wait for:
    /// it is left out on services that are real.
    pub beyond: bool,
    /// Whether it takes of what others need, and be it for a moment: it is left out on services that are real.
    pub takes: bool,
}

impl About {
    /// A probe that runs beside others and needs the neighbour's own client.
    pub const fn new(service: Service, name: &'static str, class: Class, sentence: &'static str) -> Self {
        Self {
            name,
            service,
            class,
            sentence,
            alone: false,
            by_name: false,
            management: false,
            beyond: false,
            takes: false,
        }
    }

    /// The same, but it runs by itself.
    #[must_use]
    pub const fn alone(self) -> Self {
        Self { alone: true, ..self }
    }

    /// The same, but the neighbour's names are enough.
    #[must_use]
    pub const fn by_name(self) -> Self {
        Self { by_name: true, ..self }
    }

    /// The same, but it reaches beyond the two slices.
    #[must_use]
    pub const fn beyond_slices(self) -> Self {
        Self { beyond: true, ..self }
    }

    /// The same, but it takes of what others need.
    #[must_use]
    pub const fn taking(self) -> Self {
        Self { takes: true, ..self }
    }

    /// The same, but it goes through the management API.
    #[must_use]
    pub const fn over_management(self) -> Self {
        Self { management: true, ..self }
    }
}

/// Makes a probe: the control, then the attempt. One that needs the neighbour's client, and has none, is left out, and so
/// is one for which these two leave nothing to try.
///
/// # Errors
/// When there was nothing to attempt: a canary could not be planted.
pub async fn make(probe: &dyn Probe, pair: &Pair<'_>) -> Result<Finding, Error> {
    let About { service, by_name, management, .. } = *probe.about();
    if !by_name && !pair.has_neighbour() {
        return Ok(Finding::skipped(pair.without_neighbour(service)));
    }
    if management && pair.management().is_none() {
        return Ok(Finding::skipped(format!("the {service} server has no management API")));
    }
    if let Some(reason) = probe.not_here(pair) {
        return Ok(Finding::skipped(reason));
    }
    // Whoever cannot work at all proves nothing, with whatever probe.
    pair.ready(service).await?;
    let control = probe.attempt(pair, Side::Own).await?;
    let attempt = probe.attempt(pair, Side::Foreign).await?;
    Ok(Finding::of(pair, &control, &attempt))
}

/// Why the answers of this server (`minio 2025`) to a probe tell nothing, whatever it may do: the probe is left out.
pub fn untold(probe: &dyn Probe, server: &str, access: &bulkhead_target::TenantAccess) -> Option<String> {
    match probe.about().service {
        Service::S3 => s3::untold(probe.about().name, server, access.tenant.slices.s3.prefix.is_some()),
        Service::Redis => redis::untold(probe.about().name, access.detour(Service::Redis).is_some()),
        Service::Postgres | Service::Rabbitmq => None,
    }
}

/// Names that are neither a probe's nor `<service>.<class>`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no probe is called `{name}`; there are {}", known.join(", "))]
pub struct UnknownProbe {
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub known: Vec<&'static str>,
}

/// The probes that these names mean, in the order of [`ALL`]: a probe's own name, `<service>.<class>` for all of a
/// class, or the service alone for all of it.
///
/// # Errors
/// The first name that means none.
pub fn select(names: &[String]) -> Result<Vec<&'static dyn Probe>, UnknownProbe> {
    for name in names {
        if !all().any(|probe| means(name, probe.about())) {
            let known = all().map(|probe| probe.about().name).collect();
            return Err(UnknownProbe { name: name.clone(), known });
        }
    }
    Ok(all().filter(|probe| names.iter().any(|name| means(name, probe.about()))).collect())
}

/// Every probe in order.
pub fn all() -> impl Iterator<Item = &'static dyn Probe> {
    ALL.into_iter().flatten().copied()
}

fn means(name: &str, about: &About) -> bool {
    let About { service, class, .. } = about;
    name == about.name
        || name == service.name()
        || name.split_once('.') == Some((service.name(), class.name()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_say_the_service() {
        let names: BTreeSet<_> = all().map(|probe| probe.about().name).collect();
        assert_eq!(names.len(), all().count());
        for about in all().map(Probe::about) {
            assert!(about.name.starts_with(&format!("{}.", about.service)), "{}", about.name);
            assert!(about.sentence.ends_with('.'), "{}", about.name);
            assert!(ALL[about.service as usize].iter().any(|other| other.about() == about));
        }
    }

    #[test]
    fn each_service_has_a_probe_of_each_class_that_verify_runs() {
        for service in Service::ALL {
            for class in [Class::Read, Class::Write, Class::Delete, Class::Enumerate] {
                let chosen = select(&[format!("{service}.{class}")]).unwrap();
                assert!(!chosen.is_empty(), "{service}.{class}");
                assert!(chosen.iter().map(|p| p.about()).all(|a| a.service == service && a.class == class));
            }
            let chosen = select(&[service.to_string()]).unwrap();
            assert_eq!(chosen.len(), ALL[service as usize].len());
        }
    }

    #[test]
    fn a_name_that_means_nothing_is_refused_with_those_that_do() {
        let chosen = select(&[String::from("postgres.read"), String::from("postgres.raed")]);
        let Err(error) = chosen else { panic!("it chose some") };
        assert_eq!(error.name, "postgres.raed");
        assert!(error.to_string().contains("postgres.select-foreign-rows"), "{error}");
    }

    #[tokio::test]
    async fn without_a_management_api_its_probes_are_left_out() {
        let (from, to) = (crate::testing::tenant("engine"), crate::testing::tenant("plane"));
        let pair = Pair::new(&from, &to, &crate::seed::Seed::new(1));
        let over: Vec<_> = all().filter(|probe| probe.about().management).collect();
        assert!(!over.is_empty());
        for probe in over {
            let found = make(probe, &pair).await.unwrap();
            assert_eq!(found.outcome, bulkhead_model::Outcome::Skipped, "{}", probe.about().name);
            assert!(found.evidence.contains("no management API"), "{}", found.evidence);
        }
    }
}
