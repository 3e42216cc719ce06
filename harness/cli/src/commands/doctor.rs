//! `bulkhead doctor`: what is wrong with the services that the environment variables name, why, and how to mend it.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use anyhow::Result;
use bulkhead_engine::doctor::Patient;
use bulkhead_model::{
    Service, Tenant, Topology,
    doctor::{DoctorReport, Finding, Given, Looked, Weight, look_at_variables, providers},
    url::Connections,
};
use bulkhead_report::doctor;
use clap::Args;
use futures::{StreamExt, stream::FuturesUnordered};

use crate::{
    args::{Format, Volume},
    env_file, exit,
    failure::Hinted,
    look,
};

const EXAMPLES: &str = "\
Examples:
  bulkhead doctor                                every tenant that has a variable set here
  bulkhead doctor --tenant engine                that one
  (eval \"$(bulkhead env --tenant engine)\" && bulkhead doctor)
                                                 on stand-ins that `bulkhead up` started
  bulkhead doctor --env-file compose/engine.env  on the services that a file's variables name
  bulkhead doctor --format json | jq '.findings[].diagnosis.id'
                                                 for a program
  bulkhead doctor --known                        everything that it can tell, as Markdown

It reads the variables, shakes hands, logs in and makes one harmless read for each service. It writes nothing, and it
sends no password where the variables do not demand TLS.

Exit codes: 0 nothing is wrong, 1 something is, 3 nothing could be looked at";

/// After which time it is said who has not answered, and again.
const PATIENCE: Duration = Duration::from_secs(2);

/// `bulkhead doctor`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// Only this tenant; may be repeated [default: all that have a variable set]
    #[arg(long, value_name = "NAME")]
    tenant: Vec<String>,
    /// Who shares what [default: bulkhead.toml here or in a folder above, or the built-in layout]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
    /// Trust these authorities (PEM) and no others [default: the system's, or SSL_CERT_FILE]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Read the variables of this file as if they were set, before those that are; may be repeated, the later file first. Its
    /// SSL_CERT_FILE is as `--ca`; a relative path there is looked for from the file's folder upwards
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// What to print on stdout
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Print everything that it can tell, as Markdown, and look at nothing
    #[arg(long, exclusive = true)]
    known: bool,
}

impl Doctor {
    /// Looks and prints.
    pub(crate) async fn run(self, volume: Volume) -> Result<u8> {
        if self.known {
            look::say(doctor::page(providers()).as_bytes())?;
            return Ok(exit::PASS);
        }
        let topology = Topology::load(self.topology.as_deref())?;
        let set = env_file::read_all(&self.env_file)?;
        let ca = self.ca.clone().or_else(|| env_file::authorities(&set));
        if let Some(ca) = &ca {
            std::fs::metadata(ca).map_err(|error| {
                let what = format!("cannot read `{}`: {error}", ca.display());
                Hinted::error(what, "`--ca`, or SSL_CERT_FILE in a file of variables, names a PEM file with the authorities to trust")
            })?;
        }
        let lookup = env_file::lookup(&set);
        let tenants = self.tenants(&topology, &lookup)?;
        let given: Vec<_> = tenants.iter().map(|tenant| Given::read(tenant, &lookup)).collect();
        let mut findings = Vec::new();
        for (index, tenant) in tenants.iter().enumerate() {
            let others = given.iter().enumerate().filter(|(other, _)| *other != index);
            let others: Vec<_> = others.map(|(_, given)| given).collect();
            findings.extend(look_at_variables(tenant, &topology, &others, &lookup));
        }
        let patients = tenants.into_iter().zip(given);
        let roots = std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()).map(PathBuf::from);
        let patients = patients.map(|(tenant, given)| Patient {
            tenant: tenant.clone(),
            given,
            ca: ca.clone(),
            roots: roots.clone(),
        });
        let (looked, live) = examine(&patients.collect::<Vec<_>>(), volume).await;
        findings.extend(live);
        let report = DoctorReport::new(mark(looked, &findings), findings);
        let mut out = Vec::new();
        match self.format {
            Format::Human => doctor::write(&report, look::page_width(), &mut out)?,
            Format::Json => doctor::json(&report, &mut out)?,
        }
        look::say(&out)?;
        Ok(if report.healthy { exit::PASS } else { exit::FAIL })
    }

    /// The tenants that were asked for, else those that have a variable set.
    fn tenants<'t>(
        &self,
        topology: &'t Topology,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<&'t Tenant>> {
        let known =
            || topology.tenants.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>().join(", ");
        if let Some(stranger) = self.tenant.iter().find(|name| topology.tenant(name).is_none()) {
            return Err(Hinted::error(format!("no tenant `{stranger}`"), format!("one of {}", known())));
        }
        let asked = |tenant: &&Tenant| {
            self.tenant.is_empty() || self.tenant.iter().any(|name| *name == *tenant.name.as_str())
        };
        let asked: Vec<_> = topology.tenants.iter().filter(asked).collect();
        let set: Vec<_> = asked.iter().copied().filter(|tenant| Given::is_any_set(tenant, lookup)).collect();
        if set.is_empty() {
            let names = asked.iter().map(|tenant| format!("{}{}", tenant.env, Connections::VARIABLES[0]));
            let hint = format!(
                "set {} and the other six, or on stand-ins: eval \"$(bulkhead env --tenant NAME)\"",
                names.collect::<Vec<_>>().join(" or ")
            );
            return Err(Hinted::error("nothing to look at: no tenant has a variable set", hint));
        }
        // Who is asked for by name is looked at, set or not.
        Ok(if self.tenant.is_empty() { set } else { asked })
    }
}

/// Looks at every service of every patient at the same time. Who keeps it waiting is said on stderr.
pub(crate) async fn examine(patients: &[Patient], volume: Volume) -> (Vec<Looked>, Vec<Finding>) {
    let pairs = patients.iter().flat_map(|patient| Service::ALL.map(|service| (patient, service)));
    let mut open: BTreeMap<usize, String> = BTreeMap::new();
    let mut looking = FuturesUnordered::new();
    for (index, (patient, service)) in pairs.enumerate() {
        open.insert(index, format!("{} {service}", patient.tenant.name));
        looking.push(async move { (index, patient.look(service).await) });
    }
    let mut done = BTreeMap::new();
    let mut clock = tokio::time::interval_at(tokio::time::Instant::now() + PATIENCE, PATIENCE);
    loop {
        tokio::select! {
            next = looking.next() => {
                let Some((index, found)) = next else { break };
                open.remove(&index);
                done.insert(index, found);
            }
            _ = clock.tick() => {
                if !volume.quiet {
                    let names: Vec<_> = open.values().map(String::as_str).collect();
                    // Progress that nobody can read is no failure.
                    let _unread = writeln!(io::stderr(), "waiting for {}", names.join(", "));
                }
            }
        }
    }
    let (looked, findings): (Vec<_>, Vec<_>) = done.into_values().unzip();
    (looked, findings.into_iter().flatten().collect())
}

/// A service whose variables are wrong is not healthy, however well it answers.
fn mark(mut looked: Vec<Looked>, findings: &[Finding]) -> Vec<Looked> {
    for one in &mut looked {
        one.healthy &= !findings.iter().any(|finding| {
            finding.weight == Weight::Wrong && finding.tenant == one.tenant && finding.service == one.service
        });
    }
    looked
}
