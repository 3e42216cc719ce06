//! What `up` meets when a set is up already: the one that was asked for, or another one, which it must not pass off as it.

use std::io::Write;

use anyhow::Result;
use bulkhead_model::{Service, Topology};
use bulkhead_target::{
    TargetSpec,
    keeper::{self, Kind, Status},
};

use crate::{exit, failure::Hinted, look, places};

/// Says that the set is up, who holds it and where it is.
///
/// # Errors
/// When it is not what is asked for: the difference.
pub(crate) fn report(status: &Status, spec: &TargetSpec, topology: &Topology) -> Result<u8> {
    if let Some(difference) = difference(status, spec, topology) {
        return Err(other(&difference));
    }
    let mut out = Vec::new();
    match status.holder {
        Some(pid) => writeln!(
            out,
            "already up, held by `bulkhead up` in process {pid}: the servers stop when it ends, or with `bulkhead down`"
        )?,
        None => writeln!(out, "already up; `bulkhead down` stops them")?,
    }
    places::print(&status.exact, &mut out)?;
    places::usage(&status.exact, &mut out)?;
    look::say(&out)?;
    Ok(exit::PASS)
}

/// The error of a command that asks for something else than what runs.
pub(crate) fn other(difference: &str) -> anyhow::Error {
    Hinted::error(keeper::other(difference), keeper::OTHER_HINT)
}

/// The first thing in which the set that runs is not what is asked for.
fn difference(status: &Status, spec: &TargetSpec, topology: &Topology) -> Option<String> {
    if let Some(other) = status.kind.as_ref().and_then(|kind| kind.difference(&Kind::of(spec))) {
        return Some(other);
    }
    let running: Vec<_> = status.exact.iter().map(|access| &access.tenant).collect();
    for tenant in &topology.tenants {
        match running.iter().find(|other| other.name == tenant.name) {
            None => return Some(format!("tenant `{}` is not among those that run", tenant.name)),
            Some(other) if *other != tenant => {
                let (is, asked) = (&other.slices, &tenant.slices);
                let parts = [
                    ("postgres", is.postgres != asked.postgres),
                    ("redis", is.redis != asked.redis),
                    ("rabbitmq", is.rabbitmq != asked.rabbitmq),
                    ("s3", is.s3 != asked.s3),
                    ("variables", other.env != tenant.env),
                ];
                let names: Vec<_> =
                    parts.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
                return Some(format!("tenant `{}` runs with another {}", tenant.name, names.join(" and ")));
            }
            Some(_) => {}
        }
    }
    if let Some(extra) = running.iter().find(|is| !topology.tenants.iter().any(|t| t.name == is.name)) {
        return Some(format!("tenant `{}` runs and is not asked for", extra.name));
    }
    let enforced = status.enforcement?;
    let mut promises = Service::ALL.into_iter().zip(enforced);
    promises.find_map(|(service, is)| {
        let asked = topology.enforcement(service);
        (is != asked).then(|| format!("{service} runs as `{is}`, not as `{asked}`"))
    })
}
