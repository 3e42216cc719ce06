//! What a command that runs cases opens: stand-ins, or the real services that the environment's variables name. Variables
//! are judged whole before anything is contacted, and every service is looked at before anything is made there.

use std::{net::IpAddr, path::PathBuf};

use anyhow::Result;
use bulkhead_engine::{
    audit,
    cost::{self, Admission, Budget, Tenants},
    doctor::Patient,
    faults,
    leavings::LEAVINGS,
};
use bulkhead_model::{
    Problem, Problems, RunEvent, Tenant, TenantName, Topology,
    doctor::{Finding, Given, Weight, look_at_variables},
    scenario::{Case, Subject},
    url::{Connections, S3Access},
};
use bulkhead_target::{
    Detours, Session, Target, TenantAccess,
    backends::{
        auto::Settled,
        env::{Env, Seat},
    },
    clients,
};

use crate::{
    args::{Place, Real, TargetArg, Volume},
    closing,
    commands::doctor,
    env_file,
    interrupt::Interrupt,
    stand_ins::{self, Wanted},
};

/// What the command line asks for.
pub(crate) enum Asked {
    /// Stand-ins.
    StandIns(Box<Wanted>),
    /// Real services.
    Env(Variables),
}

/// What is to be opened.
pub(crate) enum Opening {
    /// Stand-ins, started here.
    StandIns(Box<Settled>),
    /// Real services.
    Env(Variables),
}

/// What the variables of all tenants say; they can be read and nothing in them is wrong.
pub(crate) struct Variables {
    pub(crate) seats: Vec<Seat>,
    patients: Vec<Patient>,
    budget: Budget,
    beware: Vec<String>,
}

impl Asked {
    /// Reads it.
    ///
    /// # Errors
    /// Every variable that is wrong.
    pub(crate) fn of(place: &Place, real: &Real) -> Result<Self, Problems> {
        match place.target {
            TargetArg::Auto | TargetArg::Native | TargetArg::Docker => {
                if let Some(file) = real.env_file.first() {
                    let what = "variables of real services are given, and stand-ins asked for";
                    let hint = "add `--target env`, or leave `--env-file` out";
                    return Err(Problem::new(file.display().to_string(), what).hint(hint).into());
                }
                Ok(Self::StandIns(Box::new(stand_ins::common(place)?)))
            }
            TargetArg::Env => {
                // What is wrong with the topology is said by whoever needs it for more than this.
                let topology = Topology::load(place.topology.as_deref());
                let topology = topology.map_err(|_| Problems::from(Vec::new()))?;
                Ok(Self::Env(Variables::read(&topology, real)?))
            }
        }
    }

    /// Settles what is to be opened.
    ///
    /// # Errors
    /// Why there can be no stand-ins.
    pub(crate) async fn settle(self) -> Result<Opening, bulkhead_target::Error> {
        match self {
            Self::StandIns(wanted) => Ok(Opening::StandIns(Box::new(wanted.settle().await?))),
            Self::Env(variables) => Ok(Opening::Env(variables)),
        }
    }
}

impl Opening {
    /// Where the services are, and why there where the choice was left open.
    pub(crate) fn place(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::StandIns(settled) => (settled.spec.target(), settled.reason.as_deref()),
            Self::Env(_) => (TargetArg::Env.name(), None),
        }
    }

    /// Brings it up, or reaches it.
    ///
    /// # Errors
    /// Why it cannot be worked with; then nothing was made.
    pub(crate) async fn open(
        &self,
        volume: Volume,
        progress: &(dyn Fn(RunEvent) + Send + Sync),
    ) -> Result<Box<dyn Target>> {
        match self {
            Self::StandIns(settled) => Ok(Box::new(Session::open(&settled.spec, progress).await?)),
            Self::Env(variables) => Ok(Box::new(variables.open(volume, progress).await?)),
        }
    }

    /// Which of the cases, each run so many times at most, may be paid; none where nothing is billed.
    ///
    /// # Errors
    /// That those which must be are more than may be spent.
    pub(crate) fn admit(
        &self,
        topology: &Topology,
        (cases, attempts): (&[&Case], usize),
    ) -> Result<Option<Admission>, Problems> {
        let Self::Env(variables) = self else { return Ok(None) };
        let acting = variables.seats.iter().filter(|seat| seat.access.is_some()).count();
        let tenants = Tenants { acting, known: variables.seats.len() };
        let attempts = u64::try_from(attempts).unwrap_or(u64::MAX);
        let due = audit::is_due(topology, cases);
        let looks = if due { audit::places(&variables.seats).len() } else { 0 };
        let exceeded = match cost::admit((cases, attempts), tenants, looks, &variables.budget) {
            Ok(admission) => return Ok(Some(admission)),
            Err(exceeded) => exceeded,
        };
        let problems = exceeded.into_iter().map(|(unit, cost, limit)| {
            let what = format!("the run may take {cost} of `{}`, and its budget is {limit}", unit.name());
            let hint = format!(
                "choose fewer scenarios or cases, or allow it with `--budget {}={cost}`",
                unit.name()
            );
            Problem::new("--budget", what).hint(hint)
        });
        Err(problems.collect::<Vec<_>>().into())
    }

    /// Lets go of what was opened, and says why something of it may be left.
    pub(crate) async fn close(
        &self,
        target: Box<dyn Target>,
        interrupt: &mut Interrupt,
    ) -> Option<anyhow::Error> {
        match self {
            Self::StandIns(_) => closing::stand_ins(target.close(), interrupt).await,
            Self::Env(_) => closing::names(target.close()).await,
        }
    }

    /// Why nobody can act in the case; none when somebody can.
    pub(crate) fn unable(&self, case: &Case) -> Option<String> {
        let (Subject::Tenant(acting) | Subject::Pair { from: acting, .. }) = &case.subject;
        self.absent(acting).or_else(|| self.improper(case))
    }

    /// Why the case is not run, if so: nobody can act in it, it cannot be paid, or its faults cannot be here.
    pub(crate) fn left_out(
        &self,
        case: &Case,
        admission: Option<&Admission>,
        (target, topology): (&dyn Target, &Topology),
    ) -> Option<String> {
        let refused = || admission?.refusal(case).map(str::to_owned);
        let impossible = || faults::impossible(&case.scenario.faults, target.servers(), topology);
        self.unable(case).or_else(refused).or_else(impossible)
    }

    /// Why the case is not run where others use the servers and calls cost: a fault that they would notice, or rounds under
    /// faults, until what these spend is counted.
    fn improper(&self, case: &Case) -> Option<String> {
        let Self::Env(_) = self else { return None };
        if let Some(fault) = faults::beyond_links(&case.scenario.faults) {
            return Some(format!("`{}` is done to more than a link, and others use the server", fault.name));
        }
        if let Some(why) = self.alone(case) {
            return Some(why);
        }
        let rounds = case.scenario.workload.is_empty() && !case.scenario.faults.is_empty();
        let why = "what rounds under faults spend is not counted yet, so they run on stand-ins only";
        rounds.then(|| why.to_owned())
    }

    /// Why no neighbour can work beside the case, for a fault that is on a neighbour's link.
    fn alone(&self, case: &Case) -> Option<String> {
        let (Self::Env(variables), Subject::Tenant(acting)) = (self, &case.subject) else { return None };
        if !faults::are_on_a_neighbours_link(&case.scenario.faults) {
            return None;
        }
        // The one that a run takes: the first other.
        let neighbour = variables.seats.iter().map(|seat| &seat.tenant.name).find(|name| *name != acting)?;
        let why = self.absent(neighbour)?;
        Some(format!("a neighbour is to work on a link of its own, and {why}"))
    }

    fn absent(&self, name: &TenantName) -> Option<String> {
        let Self::Env(variables) = self else { return None };
        let seat = variables.seats.iter().find(|seat| seat.tenant.name == *name)?;
        let env = &seat.tenant.env;
        let which = if env.is_empty() { String::new() } else { format!(" that begin with `{env}`") };
        seat.access.is_none().then(|| format!("the variables{which} of `{name}` are not set"))
    }
}

impl Variables {
    /// Reads the variables of every tenant that has one set.
    ///
    /// # Errors
    /// Everything that is missing, malformed or wrong in any of them, and what leads off this machine unasked.
    pub(crate) fn read(topology: &Topology, real: &Real) -> Result<Self, Problems> {
        let set = env_file::read_all(&real.env_file)?;
        // The environment's own is what the clients' libraries read by themselves.
        let ca = real.ca.clone().or_else(|| env_file::authorities(&set));
        Self::of(topology, &Real { ca, ..real.clone() }, &env_file::lookup(&set))
    }

    fn of(
        topology: &Topology,
        real: &Real,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        if let Some(ca) = &real.ca
            && let Err(error) = std::fs::metadata(ca)
        {
            let hint = "`--ca`, or SSL_CERT_FILE in a file of variables, names a PEM file with the authorities to trust";
            problems
                .push(Problem::new(ca.display().to_string(), format!("cannot be read: {error}")).hint(hint));
        }
        let set = |tenant: &&Tenant| Given::is_any_set(tenant, lookup);
        let given: Vec<_> =
            topology.tenants.iter().filter(set).map(|tenant| (tenant, Given::read(tenant, lookup))).collect();
        if given.is_empty() {
            problems.push(nothing_set(topology));
        }
        let (mut seats, mut beware) = (Vec::new(), Vec::new());
        for tenant in &topology.tenants {
            if !given.iter().any(|(set, _)| set.name == tenant.name) {
                seats.push(Seat { tenant: tenant.clone(), access: None });
                continue;
            }
            let others = given.iter().filter(|(set, _)| set.name != tenant.name).map(|(_, given)| given);
            let findings = look_at_variables(tenant, topology, &others.collect::<Vec<_>>(), lookup);
            let (wrong, hints): (Vec<_>, Vec<_>) =
                findings.into_iter().partition(|finding| finding.weight == Weight::Wrong);
            problems.extend(wrong.iter().map(problem));
            beware.extend(hints.iter().map(|finding| format!("beware of {}", problem(finding))));
            if let Ok(connections) = Connections::from_lookup(tenant, topology, lookup) {
                if !real.allow_remote {
                    problems.extend(elsewhere(tenant, &connections));
                }
                seats.push(Seat {
                    tenant: tenant.clone(),
                    access: Some(access(tenant, connections, real.ca.clone())),
                });
            }
        }
        let roots = lookup("SSL_CERT_FILE").filter(|file| !file.is_empty()).map(PathBuf::from);
        let patients = given.into_iter().map(|(tenant, given)| Patient {
            tenant: tenant.clone(),
            given,
            ca: real.ca.clone(),
            roots: roots.clone(),
        });
        let patients = patients.collect();
        let budget = real.budget.unwrap_or_default();
        Problems::unless(problems, Self { seats, patients, budget, beware })
    }

    /// Looks at every service, and opens them when nothing is wrong with any.
    async fn open(&self, volume: Volume, progress: &(dyn Fn(RunEvent) + Send + Sync)) -> Result<Env> {
        self.beware.iter().for_each(|beware| progress(RunEvent::Note(beware.clone())));
        self.look(volume).await?;
        let env = Env::open(self.seats.clone(), LEAVINGS).await?;
        for server in Target::servers(&env) {
            progress(RunEvent::Note(format!(
                "{} answers: {} {}",
                server.service, server.product, server.version
            )));
        }
        progress(RunEvent::Note(format!(
            "run {} works within names of its own, removes them at its end and touches nothing else; should it be \
             killed, `bulkhead clean`, given the same variables, removes them",
            env.run()
        )));
        Ok(env)
    }

    /// Shakes hands, logs in and reads, at every service.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub(crate) async fn look(&self, volume: Volume) -> Result<(), Problems> {
        let (looked, findings) = doctor::examine(&self.patients, volume).await;
        let wrong = findings.iter().filter(|finding| finding.weight == Weight::Wrong);
        let mut problems: Vec<_> = wrong.map(problem).collect();
        for one in looked.iter().filter(|one| !one.healthy) {
            let known = |f: &&Finding| f.tenant == one.tenant && f.service == one.service;
            if !findings.iter().any(|finding| known(&finding)) {
                problems.push(Problem::new(format!("{} {}", one.tenant, one.service), one.seen.clone()));
            }
        }
        Problems::unless(problems, ())
    }
}

fn nothing_set(topology: &Topology) -> Problem {
    let names = topology.tenants.iter().map(|tenant| format!("{}{}", tenant.env, Connections::VARIABLES[0]));
    let names = names.collect::<Vec<_>>().join(" or ");
    Problem::new("", "no tenant has a variable set").hint(format!("set {names} and the other six"))
}

/// A finding as a problem: where, what, and what to do.
fn problem(finding: &Finding) -> Problem {
    let place = format!("{} {} {}", finding.tenant, finding.service, finding.place);
    let known = finding.diagnosis.as_ref().map(|known| format!("{}: {}", known.cause, known.fix));
    let problem = Problem::new(place, finding.what.clone());
    match known.or_else(|| finding.hint.clone()) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// How the tenant connects: with verified certificates, however little the URL demands.
fn access(tenant: &Tenant, mut connections: Connections, ca: Option<PathBuf>) -> TenantAccess {
    clients::postgres::verified(&mut connections.postgres, ca.as_deref());
    TenantAccess { tenant: tenant.clone(), connections, ca, detours: Detours::default() }
}

/// The variables that lead off this machine.
fn elsewhere(tenant: &Tenant, connections: &Connections) -> Vec<Problem> {
    let Connections { postgres, redis, rabbitmq, s3 } = connections;
    let hosts = [
        ("DATABASE_URL", postgres.host.as_str()),
        ("REDIS_URL", redis.host.as_str()),
        ("AMQP_URL", rabbitmq.host.as_str()),
        ("AWS_S3_ENDPOINT_URL", host(s3)),
    ];
    let away = hosts.into_iter().filter(|(_, host)| !is_here(host));
    let problems = away.map(|(variable, host)| {
        let what = format!("leads to `{host}`, which is not this machine");
        let hint =
            "add `--allow-remote` when the run may work there: within names of its own, which it removes";
        Problem::new(format!("{}{variable}", tenant.env), what).hint(hint)
    });
    problems.collect()
}

fn is_here(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The endpoint's host, brackets included.
fn host(s3: &S3Access) -> &str {
    let address = s3.endpoint.split_once("://").map_or(s3.endpoint.as_str(), |(_, address)| address);
    match address.split_once(']') {
        Some((host, _)) => host,
        None => address.split(':').next().unwrap_or(address),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bulkhead_model::scenario;

    use super::*;
    use crate::{project::Project, scenarios};

    fn variables(host: &str) -> BTreeMap<String, String> {
        let values = [
            format!("postgresql://engine:pw@{host}/enginedb?sslmode=require"),
            format!("rediss://default:pw@{host}:6379"),
            format!("amqps://engine:pw@{host}/%2Fengine"),
            format!("https://{host}:9000"),
            String::from("key"),
            String::from("secret"),
            String::from("tl-engine"),
        ];
        Connections::VARIABLES.iter().map(|name| (*name).to_owned()).zip(values).collect()
    }

    fn read(variables: &BTreeMap<String, String>, allow_remote: bool) -> Result<Variables, Problems> {
        let real = Real { allow_remote, ..Real::default() };
        Variables::of(&Topology::builtin(), &real, &|name| variables.get(name).cloned())
    }

    #[test]
    fn variables_of_real_services_are_not_given_to_stand_ins() {
        let real = Real { env_file: vec!["engine.env".into()], ..Real::default() };
        for target in [TargetArg::Auto, TargetArg::Native, TargetArg::Docker] {
            let place = Place { target, topology: None, s3: None, install: false };
            let Err(refused) = Asked::of(&place, &real) else {
                panic!("{target:?} takes a file of variables")
            };
            assert_eq!(places(&refused), ["engine.env"]);
            assert!(Asked::of(&place, &Real::default()).is_ok());
        }
    }

    fn places(problems: &Problems) -> Vec<String> {
        problems.iter().map(|problem| problem.place.clone()).collect()
    }

    #[test]
    fn one_tenants_variables_are_enough_and_the_other_is_known_by_name() {
        let read = read(&variables("127.0.0.1"), false).unwrap_or_else(|problems| panic!("{problems}"));
        let access: Vec<_> = read.seats.iter().map(|seat| seat.access.is_some()).collect();
        assert_eq!(access, [true, false]);
        let url = &read.seats[0].access.as_ref().unwrap().connections.postgres;
        assert_eq!(url.parameter("sslmode"), Some("verify-full"), "whatever the URL says");
        let opening = Opening::Env(read);
        let topology = Topology::builtin();
        assert_eq!(opening.absent(&topology.tenants[0].name), None);
        assert!(opening.absent(&topology.tenants[1].name).unwrap().contains("`PLANE_`"));
    }

    #[test]
    fn what_is_missing_or_malformed_is_said_at_once() {
        let mut variables = variables("127.0.0.1");
        variables.remove("AMQP_URL");
        variables.insert("REDIS_URL".into(), "nonsense".into());
        variables.insert("PLANE_DATABASE_URL".into(), "postgresql://a:b@localhost/other".into());
        let places = places(&read(&variables, false).err().unwrap());
        for place in
            ["engine redis REDIS_URL", "engine rabbitmq AMQP_URL", "plane s3 PLANE_AWS_S3_BUCKET_NAME"]
        {
            assert!(places.iter().any(|found| found == place), "{place}: {places:?}");
        }
        let nothing = read(&BTreeMap::new(), false).err().unwrap();
        assert!(nothing.to_string().contains("no tenant has a variable set"), "{nothing}");
    }

    #[test]
    fn what_leads_off_this_machine_needs_a_word() {
        for here in ["127.0.0.1", "localhost", "[::1]"] {
            assert!(read(&variables(here), false).is_ok(), "{here}");
        }
        let refused = read(&variables("db.example.com"), false).err().unwrap();
        assert_eq!(places(&refused), ["DATABASE_URL", "REDIS_URL", "AMQP_URL", "AWS_S3_ENDPOINT_URL"]);
        assert!(read(&variables("db.example.com"), true).is_ok());
    }

    #[test]
    fn only_faults_on_links_are_done_to_workloads_where_others_use_the_servers() {
        let read = read(&variables("127.0.0.1"), false).unwrap_or_else(|problems| panic!("{problems}"));
        let (topology, opening) = (Topology::builtin(), Opening::Env(read));
        let folders = ["scenarios/chaos", "scenarios/security", "scenarios/neighbour"].map(PathBuf::from);
        let sources = scenarios::load(&folders, &Project::default()).unwrap();
        let scenarios: Vec<_> = sources.into_iter().map(|source| source.scenario).collect();
        let cases = scenario::expand(&scenarios, &topology).unwrap();
        let why = |id: &str| opening.unable(cases.iter().find(|case| case.id == id).unwrap());
        for (id, part) in [
            ("chaos/redis/sessions-server [faults=kill] (engine)", "`kill` is done to more than a link"),
            ("security/s3-passwords [faults=revoked-password] (engine)", "`revoked-password` is done to"),
            ("chaos/checklist/link [faults=down] (engine)", "rounds under faults"),
            ("chaos/redis/sessions-link [faults=down] (plane)", "`PLANE_` of `plane` are not set"),
            (
                "neighbour/redis-all-links (engine)",
                "a neighbour is to work on a link of its own, and the variables that begin with `PLANE_` of `plane`",
            ),
        ] {
            let why = why(id).unwrap_or_default();
            assert!(why.contains(part), "{id}: {why}");
        }
        for id in [
            "chaos/redis/sessions-link [faults=down] (engine)",
            "security/s3-impostor [faults=plaintext] (engine)",
        ] {
            assert_eq!(why(id), None, "{id}");
        }
        let able: Vec<_> = cases.iter().filter(|case| opening.unable(case).is_none()).collect();
        let admitted = opening.admit(&topology, (&able, 1)).unwrap().unwrap();
        let refused = admitted.refused.len();
        assert!(0 < refused && refused < able.len(), "{refused} of {}", able.len());
    }
}
