//! `bulkhead run`: any program on a tenant's stand-ins, while faults are done to its links and servers.

use std::{
    ffi::OsString,
    fmt::Write as _,
    io::{self, Write as _},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::ExitStatus,
    time::Duration,
};

use anyhow::{Context, Result};
use bulkhead_engine::{
    accompany::accompany,
    audit, faults,
    recorder::{Clock, Recorder},
    seed::Seed,
};
use bulkhead_model::{
    AuditRecord, Enforcement, Problem, Problems, RunEvent, Service, Tenant, Topology,
    history::{Event, EventKind},
    scenario::{self, Chosen, Kind},
};
use bulkhead_report::{redact, text::count};
use bulkhead_target::{Session, TenantAccess, backends::auto::Settled, program};
use clap::Args;

use crate::{
    args::{Place, TargetArg, Volume},
    closing, exit, failure,
    failure::Hinted,
    interrupt::Interrupt,
    look,
    output::Folder,
    project::Project,
    scenarios, stand_ins,
};

const EXAMPLES: &str = "\
Examples:
  bulkhead run -- ./engine                            an app on stand-ins of its own
  bulkhead run --tenant plane -- pytest tests         an app's own tests, as the tenant `plane`
  bulkhead run --target docker -- ./engine            the same on servers in containers
  bulkhead run --faults 3g -- pytest tests            the same over a phone's link to each service
  bulkhead run --faults faults.yaml -- ./engine       with faults of your own choice and time, such as
                                                      faults: [{ kill: { service: redis, at: 5s, for: 2s } }]

The command finds the tenant's variables (DATABASE_URL, REDIS_URL, …) in its environment, as `bulkhead env` prints them, and
has the servers to itself. A fault's time counts from its start. `bulkhead scenario reference` lists all faults.

Exit codes: the command's own, 128 and the signal's number where a signal ended it; 2 its end, or that of a fault, could not
be seen to, 3 could not start, 64 usage";

/// What the shell adds to a signal's number.
const BY_SIGNAL: i32 = 128;

/// `bulkhead run`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Run {
    /// As whom [default: the topology's first tenant]
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// A file with `faults:` as a scenario has them, or the name of one fault that is done to each service all the time, ten
    /// minutes at most
    #[arg(long, value_name = "FILE|NAME")]
    faults: Option<String>,
    #[command(flatten)]
    place: Place,
    /// The number that every choice of a fault derives from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Folder for the history; each run makes one inside it
    /// [default: target/bulkhead beside bulkhead.toml, or here where there is none]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What came of it.
struct Came {
    status: io::Result<ExitStatus>,
    history: Vec<Event>,
    audits: Vec<(Service, Option<AuditRecord>)>,
    /// Why the servers may not all be gone.
    left: Option<anyhow::Error>,
}

impl Run {
    /// Starts the servers and the command, and says what was done to it.
    pub(crate) async fn run(self, volume: Volume) -> Result<u8> {
        if self.place.target == TargetArg::Env {
            let hint = "set the variables for the program yourself; `bulkhead doctor` looks at the services that they name";
            return Err(Hinted::error("`run` starts stand-ins only", hint));
        }
        let topology = Topology::load(self.place.topology.as_deref());
        let chosen = self.faults.as_deref().map_or_else(|| Ok(Vec::new()), faults_of);
        let (topology, chosen) = Problems::both(topology, chosen)?;
        let tenant = self.tenant(&topology)?;
        let mut set = stand_ins::common(&self.place)?.settle().await?;
        // A set of its own, so that the tenant's names are the topology's and all that is there is the command's doing.
        set.spec.name = Some(format!("run {}", std::process::id()));
        set.spec.linger = Duration::ZERO;
        let folder = match &self.out {
            Some(out) => Folder::make(out)?,
            None => Folder::make(&Project::here()?.results())?,
        };
        let came = match self.work(&set, &topology, tenant, &chosen, &folder, volume).await {
            Ok(Some(came)) => came,
            Ok(None) => return Ok(exit::UNKNOWN),
            Err(error) => {
                folder.remove_if_empty();
                return Err(error);
            }
        };
        let told = told(&came, &chosen, &topology, &folder);
        // Stdout is the command's.
        let _unheard = io::stderr().lock().write_all(redact::text(&told).as_bytes());
        if let Some(left) = &came.left {
            failure::report(left, &mut io::stderr());
        }
        match came.status {
            Ok(_) if came.left.is_some() => Ok(exit::UNKNOWN),
            Ok(status) => Ok(code(status)),
            Err(error) => {
                let program = self.command.first().cloned().unwrap_or_default();
                let program = program.display().to_string();
                let hint = "write the program and its arguments after `--`";
                failure::report(
                    &Hinted::error(format!("cannot run `{program}`: {error}"), hint),
                    &mut io::stderr(),
                );
                Ok(exit::NOT_STARTED)
            }
        }
    }

    fn tenant<'t>(&self, topology: &'t Topology) -> Result<&'t Tenant> {
        let found = match &self.tenant {
            Some(name) => topology.tenant(name),
            None => topology.tenants.first(),
        };
        found.ok_or_else(|| {
            let known: Vec<_> = topology.tenants.iter().map(|tenant| tenant.name.as_str()).collect();
            let what = format!("the topology has no tenant `{}`", self.tenant.as_deref().unwrap_or_default());
            Hinted::error(what, format!("one of {}", known.join(", ")))
        })
    }

    /// Nothing where it was interrupted before the command began.
    async fn work(
        &self,
        set: &Settled,
        topology: &Topology,
        tenant: &Tenant,
        chosen: &[Chosen],
        folder: &Folder,
        volume: Volume,
    ) -> Result<Option<Came>> {
        let mut interrupt = Interrupt::listen().context("cannot listen for Ctrl-C")?;
        let terminal = look::on(io::stderr(), volume);
        let progress = |event| terminal.event(&event);
        if let Some(told) = set.told() {
            progress(RunEvent::Note(told));
        }
        let session = tokio::select! {
            opened = Session::open(&set.spec, &progress) => opened?,
            () = interrupt.asked() => return Ok(None),
        };
        terminal.settle();
        let came = self.accompanied(&session, topology, tenant, chosen, folder, interrupt.clone()).await;
        let left = closing::stand_ins(session.close(), &mut interrupt).await;
        Ok(Some(Came { left, ..came? }))
    }

    async fn accompanied(
        &self,
        session: &Session,
        topology: &Topology,
        tenant: &Tenant,
        chosen: &[Chosen],
        folder: &Folder,
        mut interrupt: Interrupt,
    ) -> Result<Came> {
        if let Some(why) = faults::impossible(chosen, session.servers(), topology) {
            return Err(Hinted::error(
                why,
                "name another fault; a topology with another tenant, or another program with --s3, may have it",
            ));
        }
        let slices = session.exact_slices_alone(topology, &faults::disturbed(chosen)).await?;
        let own = slices.iter().find(|access| access.tenant.name == tenant.name);
        let access = own.with_context(|| format!("the stand-ins have no tenant `{}`", tenant.name))?;
        let mut recorder = Recorder::begin(folder.history(), Clock::start());
        let command: Vec<_> = self.command.iter().map(|word| word.to_string_lossy()).collect();
        recorder.record(EventKind::CaseStarted { case: redact::text(&command.join(" ")) });
        let seed = Seed::new(self.seed).child("run");
        let work = async |access: TenantAccess| {
            program::run(&self.command, bulkhead::variables(&access, true), interrupt.asked()).await
        };
        let neighbour = slices.iter().find(|access| access.tenant.name != tenant.name);
        let status = accompany((access, neighbour), session, chosen, &seed, &mut recorder, work).await?;
        let mut audits = Vec::new();
        for service in Service::ALL {
            audits.push((service, audit::look_everywhere(service, access, topology).await?));
        }
        let (history, _) = recorder.finish();
        Ok(Came { status, history, audits, left: None })
    }
}

/// The faults of a file, or one by its name on every service that can have it.
fn faults_of(given: &str) -> Result<Vec<Chosen>, Problems> {
    let (text, file) = match faults::find(given) {
        Some(fault) => {
            let on = fault.shape().settings.iter().find_map(|wanted| match wanted.kind {
                Kind::Service(services) => Some(services),
                _ => None,
            });
            let mut text = String::from("faults:\n");
            for service in on.unwrap_or_default() {
                // Writing into a text cannot fail.
                let _ = writeln!(text, "  - {given}: {{ service: {service}, at: 0s, for: 600s }}");
            }
            (text, "--faults")
        }
        None => (scenarios::faults_file(given)?, given),
    };
    let chosen = scenarios::with_known(|known| scenario::faults(&text, file, known))?;
    match faults::done_to_clients(&chosen) {
        None => Ok(chosen),
        Some(fault) => {
            let what =
                format!("`{}` is done to the clients of workloads, and a program brings its own", fault.name);
            Err(Problem::new("--faults", what)
                .hint("take `revoked-password`, which is done to the server")
                .into())
        }
    }
}

/// What was done and what touched anything, and whether all that was written lies where it should.
fn told(came: &Came, chosen: &[Chosen], topology: &Topology, folder: &Folder) -> String {
    let mut text = String::new();
    for (number, fault) in (1..).zip(chosen) {
        let ended = came.history.iter().find_map(|event| match &event.kind {
            EventKind::FaultEnded(record) if record.fault == number => Some(record.touched),
            _ => None,
        });
        let what = faults::words(fault);
        let came = match ended {
            Some(0) => String::from("touched nothing"),
            Some(touched) => {
                format!("touched {}", count(usize::try_from(touched).unwrap_or(usize::MAX), "time"))
            }
            None => String::from("not begun: the command had ended"),
        };
        let _ = writeln!(text, "fault       {what}: {came}");
    }
    for (service, audit) in &came.audits {
        let found = match audit {
            Some(AuditRecord { names, outside, .. }) if outside.is_empty() => {
                format!("{}, all inside the slice", count(*names, "name"))
            }
            Some(AuditRecord { names, outside, .. }) => {
                format!("of {} these lie outside the slice: {}", count(*names, "name"), outside.join(", "))
            }
            None if topology.enforcement(*service) == Enforcement::Enforced => {
                String::from("the server refuses everything outside the slice")
            }
            None => String::from("nothing is claimed: names are not listed"),
        };
        let _ = writeln!(text, "slice       {service}: {found}");
    }
    let _ = writeln!(text, "history     {}", folder.history().display());
    text
}

/// The command's code, as a shell gives it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_by_its_name_is_on_every_service_that_can_have_it() {
        let everywhere = faults_of("3g").unwrap();
        assert_eq!(
            everywhere.iter().filter_map(|fault| fault.service("service")).collect::<Vec<_>>(),
            Service::ALL
        );
        let some = faults_of("read-only").unwrap();
        assert_eq!(
            some.iter().filter_map(|fault| fault.service("service")).collect::<Vec<_>>(),
            [Service::Postgres]
        );
        let error = faults_of("wrong-password").unwrap_err().to_string();
        assert!(error.contains("a program brings its own"), "{error}");
        let error = faults_of("4g").unwrap_err().to_string();
        assert!(error.contains("`4g` is no fault, and no file that can be read"), "{error}");
    }

    #[test]
    fn a_file_of_faults_is_refused_with_its_places() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("faults.yaml");
        std::fs::write(&file, "faults:\n  - down: { service: redis, at: 1s }\nfault: []\n").unwrap();
        let error = faults_of(file.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("faults.yaml:3:1: "), "{error}");
    }

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(code(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(code(ExitStatus::from_raw(9)), 137);
    }
}
