//! Probes: one tenant's attempts on another's slice. A folder a service, a file a probe, a line in the folder's `ALL`.
//!
//! Every probe first makes the same call on its own slice (the positive control), looks for the neighbour's canary in
//! everything that it receives, and, where it would change something, asks the *neighbour's* client whether anything
//! changed: an error is no proof that nothing happened, nor is OK a proof that something did. What a probe found is
//! judged elsewhere, against what the topology promises.
//!
//! Here are those that a soundly configured server refuses. What stock servers leak by design is for the catalogue;
//! each probe's own page says what it leaves out.

use async_trait::async_trait;
use bulkhead_model::{Class, Service};

mod answer;
mod finding;
mod pair;
pub mod postgres;
pub mod rabbitmq;
pub mod redis;
pub mod s3;

pub use finding::Finding;
pub use pair::Pair;

/// Every probe, by service in [`Service::ALL`]'s order.
pub const ALL: [&[&dyn Probe]; 4] = [postgres::ALL, redis::ALL, rabbitmq::ALL, s3::ALL];

/// One attempt by one tenant on another's slice.
#[async_trait]
pub trait Probe: Sync {
    /// `<service>.<words>`.
    fn name(&self) -> &'static str;

    /// Where.
    fn service(&self) -> Service;

    /// What it tries.
    fn class(&self) -> Class;

    /// What it does, in one sentence.
    fn sentence(&self) -> &'static str;

    /// How to close the leak between these two, in the service's own language.
    fn fix(&self, pair: &Pair<'_>) -> String;

    /// Plants, makes the control and then the attempt.
    ///
    /// # Errors
    /// When there is nothing to attempt: a canary could not be planted.
    async fn run(&self, pair: &Pair<'_>) -> Result<Finding, bulkhead_target::Error>;
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

/// The probes that these names mean, in the order of [`ALL`]: a probe's own name, or `<service>.<class>` for all of a
/// class.
///
/// # Errors
/// The first name that means none.
pub fn select(names: &[String]) -> Result<Vec<&'static dyn Probe>, UnknownProbe> {
    for name in names {
        if !all().any(|probe| means(name, probe)) {
            return Err(UnknownProbe { name: name.clone(), known: all().map(Probe::name).collect() });
        }
    }
    Ok(all().filter(|probe| names.iter().any(|name| means(name, *probe))).collect())
}

/// Every probe in order.
pub fn all() -> impl Iterator<Item = &'static dyn Probe> {
    ALL.into_iter().flatten().copied()
}

fn means(name: &str, probe: &dyn Probe) -> bool {
    name == probe.name() || name.split_once('.') == Some((probe.service().name(), probe.class().name()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_say_the_service() {
        let names: BTreeSet<_> = all().map(Probe::name).collect();
        assert_eq!(names.len(), all().count());
        for probe in all() {
            assert!(probe.name().starts_with(&format!("{}.", probe.service())), "{}", probe.name());
            assert!(probe.sentence().ends_with('.'), "{}", probe.name());
            assert!(ALL[probe.service() as usize].iter().any(|other| other.name() == probe.name()));
        }
    }

    #[test]
    fn each_service_has_a_probe_of_each_class_that_verify_runs() {
        for service in Service::ALL {
            for class in [Class::Read, Class::Write, Class::Delete, Class::Enumerate] {
                let chosen = select(&[format!("{service}.{class}")]).unwrap();
                assert!(!chosen.is_empty(), "{service}.{class}");
                assert!(chosen.iter().all(|probe| probe.service() == service && probe.class() == class));
            }
        }
    }

    #[test]
    fn a_name_that_means_nothing_is_refused_with_those_that_do() {
        let chosen = select(&[String::from("postgres.read"), String::from("postgres.raed")]);
        let Err(error) = chosen else { panic!("it chose some") };
        assert_eq!(error.name, "postgres.raed");
        assert!(error.to_string().contains("postgres.select-foreign-rows"), "{error}");
    }
}
