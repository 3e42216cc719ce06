//! The two sides of a comparison: each is a text with what `bulkhead bench` is told, after the variables that are set for it.
//! Everything that is wrong in either comes out at once, before anything is started.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use bulkhead_model::{
    Problem, Problems, Secret, TenantName, Topology,
    bench::compare,
    scenario::{Case, Subject},
};
use bulkhead_target::{TargetSpec, spec::Variable};
use clap::{Args, Command, FromArgMatches};

use crate::{args::TargetArg, commands::bench::Bench, env_file, project::Project, stand_ins::Wanted};

/// The variable that chooses another build of the command for a side, as it does for the library.
const PROGRAM: &str = "BULKHEAD_BIN";

/// What a side may not be told, and why.
const REFUSED: [(&str, &str); 5] = [
    ("--sweep", "one rate is compared with another, not many with many"),
    ("--gate", "what a side must come to is the other side"),
    ("--seed", "both sides have each round's seed; give it after the sides"),
    ("--format", "each run's document is read here; give it after the sides"),
    ("--out", "each run's folder lies in the comparison's; give it after the sides"),
];

/// What a side looks like.
const LIKE: &str =
    "write each side as one word: 'redis.sessions --set clients=8' or 'BULKHEAD_BIN=./other redis.sessions'";

/// One side.
#[derive(Debug)]
pub(crate) struct Side {
    /// What `bulkhead bench` is told.
    pub(crate) bench: Vec<String>,
    /// The variables that are set for it.
    pub(crate) variables: BTreeMap<String, Secret>,
    /// The program.
    pub(crate) program: PathBuf,
    /// Whether that is not the one that runs.
    pub(crate) foreign: bool,
    /// The stand-ins that it works on, where it works on stand-ins.
    pub(crate) wanted: Option<Wanted>,
    /// Which workloads of which tenants it measures; another build may know others.
    loads: Option<BTreeSet<(TenantName, String)>>,
}

/// Reads both.
///
/// # Errors
/// Everything that is wrong in either, and that they measure nothing in common.
pub(crate) fn read(
    texts: [&str; 2],
    files: [Option<&Path>; 2],
    project: &Project,
) -> Result<[Side; 2], Problems> {
    let [a, b] = [("A", 0), ("B", 1)].map(|(name, side)| {
        let read = Side::read(texts[side], files[side], project);
        read.map_err(|problems| {
            problems.iter().map(|problem| placed(name, problem)).collect::<Vec<_>>().into()
        })
    });
    let (a, b) = Problems::both(a, b)?;
    if let (Some(of_a), Some(of_b)) = (&a.loads, &b.loads)
        && of_a.is_disjoint(of_b)
    {
        let words = |loads: &BTreeSet<(TenantName, String)>| {
            let words = loads.iter().map(|(tenant, workload)| format!("{workload} of {tenant}"));
            words.collect::<Vec<_>>().join(", ")
        };
        let what = format!("measure nothing in common: A has {}; B has {}", words(of_a), words(of_b));
        return Err(Problem::new("A and B", what)
            .hint("name the same workload in both, for the same tenant")
            .into());
    }
    Ok([a, b])
}

/// The problem with the name of its side.
fn placed(name: &str, problem: &Problem) -> Problem {
    let place = if problem.place.is_empty() { name.to_owned() } else { format!("{name}: {}", problem.place) };
    Problem { place, ..problem.clone() }
}

impl Side {
    fn read(text: &str, file: Option<&Path>, project: &Project) -> Result<Self, Problems> {
        let mut variables = file.map_or_else(|| Ok(BTreeMap::new()), env_file::read)?;
        let words =
            shlex::split(text).ok_or_else(|| Problem::new("", "ends inside a quotation").hint(LIKE))?;
        let mut words = words.into_iter().peekable();
        while let Some((name, value)) = words.peek().and_then(|word| env_file::setting(word)) {
            variables.insert(name.to_owned(), Secret::new(value));
            words.next();
        }
        let bench: Vec<_> = words.collect();
        refuse(&bench, &variables)?;
        let (program, foreign) = program(&variables)?;
        let side = Self { bench, variables, program, foreign, wanted: None, loads: None };
        match (side.understood(project), foreign) {
            (Err(_), true) => Ok(side),
            (Err(problems), false) => Err(problems),
            (Ok((bench, cases)), _) => side.on(&bench, &cases),
        }
    }

    /// What is measured, as this build understands it.
    fn understood(&self, project: &Project) -> Result<(Bench, Vec<Case>), Problems> {
        let command = Bench::augment_args(Command::new("bulkhead bench")).no_binary_name(true);
        let bench =
            command.try_get_matches_from(&self.bench).and_then(|found| Bench::from_arg_matches(&found));
        let bench = bench.map_err(|error| {
            let said = error.render().to_string();
            let said = said.split("\n\nUsage").next().unwrap_or_default();
            let said = bulkhead_report::text::one_line(said.strip_prefix("error: ").unwrap_or(said));
            Problem::new("", said).hint(LIKE)
        })?;
        let topology = Topology::load(bench.place.topology.as_deref())?;
        let cases = bench.cases(project, &topology, &[])?;
        Ok((bench, cases))
    }

    fn on(mut self, bench: &Bench, cases: &[Case]) -> Result<Self, Problems> {
        let mut loads = BTreeSet::new();
        for case in cases {
            let (Subject::Tenant(tenant) | Subject::Pair { from: tenant, .. }) = &case.subject;
            for chosen in &case.scenario.workload {
                if !loads.insert((tenant.clone(), chosen.name.clone())) && !self.foreign {
                    let what = format!("measures {} of {tenant} more than once", chosen.name);
                    return Err(Problem::new("", what).hint("compare one case at a time").into());
                }
            }
        }
        if bench.place.target != TargetArg::Env {
            let read = |variable: Variable| {
                let own = self.variables.get(variable.name).map(|value| OsString::from(value.expose()));
                own.or_else(|| env::var_os(variable.name))
            };
            let spec = TargetSpec::from_variables(self.program.clone(), read)?;
            self.wanted = Some(Wanted::of(spec, &bench.place, read));
        }
        self.loads = Some(loads);
        Ok(self)
    }

    /// As the document has it.
    pub(crate) fn report(&self) -> compare::Side {
        compare::Side {
            bench: self.bench.clone(),
            variables: self.variables.keys().cloned().collect(),
            program: self.foreign.then(|| self.program.display().to_string()),
            servers: Vec::new(),
        }
    }
}

/// What a side may not be told.
fn refuse(bench: &[String], variables: &BTreeMap<String, Secret>) -> Result<(), Problems> {
    let is = |word: &String, option: &str| {
        word.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    let told = REFUSED.iter().filter(|(option, _)| bench.iter().any(|word| is(word, option)));
    let mut problems: Vec<_> =
        told.map(|(option, why)| Problem::new("", format!("`{option}` is not for a side: {why}"))).collect();
    if bench.first().is_some_and(|word| word == "compare") {
        problems.push(Problem::new("", "a side is what is compared, not a comparison").hint(LIKE));
    }
    if variables.contains_key("PATH") {
        let what = "the stand-ins are started once for all runs, from this command's PATH";
        problems.push(
            Problem::new("PATH", what).hint("choose a server with `BULKHEAD_REDIS_BIN=…` and its like"),
        );
    }
    Problems::unless(problems, ())
}

/// The command that plays the side, and whether it is another than this.
fn program(variables: &BTreeMap<String, Secret>) -> Result<(PathBuf, bool), Problems> {
    let own = env::current_exe()
        .map_err(|error| Problem::new("", format!("cannot tell where the running executable is: {error}")))?;
    let Some(named) = variables.get(PROGRAM) else { return Ok((own, false)) };
    let named = named.expose();
    let program = std::fs::canonicalize(named)
        .map_err(|error| Problem::new(PROGRAM, format!("`{named}` cannot be run: {error}")))?;
    let foreign = std::fs::canonicalize(&own).ok().as_ref() != Some(&program);
    Ok((program, foreign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(a: &str, b: &str) -> Result<[Side; 2], Problems> {
        read([a, b], [None, None], &Project::default())
    }

    #[test]
    fn a_side_is_variables_and_what_a_bench_is_told() {
        let [a, b] = both(
            "redis.sessions --tenant engine",
            "BULKHEAD_REDIS_BIN=/opt/redis 'X=a b' redis.sessions --set 'rate=20/s' --target native",
        )
        .unwrap();
        assert_eq!((a.variables.len(), a.foreign), (0, false));
        assert_eq!(b.bench, ["redis.sessions", "--set", "rate=20/s", "--target", "native"]);
        assert_eq!(b.report().variables, ["BULKHEAD_REDIS_BIN", "X"]);
        assert_eq!(b.wanted.unwrap().native.places.redis_bin, Some(PathBuf::from("/opt/redis")));
        assert_eq!(a.wanted.unwrap().native.executable, a.program);
        let [_, real] = both("redis.sessions", "redis.sessions --target env").unwrap();
        assert!(real.wanted.is_none());
    }

    #[test]
    fn a_file_of_variables_is_read_as_env_prints_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plan.env");
        std::fs::write(&file, "# the larger plan\nexport REDIS_URL='rediss://default:pw@host:1'\nX=1\n")
            .unwrap();
        let text = "X=2 redis.sessions";
        let [a, _] = read([text, text], [Some(&file), None], &Project::default()).unwrap();
        let set: Vec<_> = a.variables.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(set, [("REDIS_URL", "rediss://default:pw@host:1"), ("X", "2")]);
        std::fs::write(&file, "REDIS_URL hunter2").unwrap();
        let error = read([text, text], [Some(&file), None], &Project::default()).unwrap_err().to_string();
        assert!(error.contains("plan.env:1") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_is_wrong_names_its_side() {
        let fine = "redis.sessions --tenant engine";
        for (a, b, part) in [
            ("redis.sesions", fine, "A: `redis.sesions` is no workload"),
            (fine, "redis.sessions --rounds 3", "B: unexpected argument '--rounds'"),
            (fine, "redis.sessions --sweep=1/s..2/s", "B: `--sweep` is not for a side"),
            ("--gate gate.txt", fine, "A: `--gate` is not for a side"),
            (fine, "redis.sessions --seed 3", "B: `--seed` is not for a side"),
            (fine, "", "B: the following required arguments were not provided"),
            (fine, "'redis.sessions", "ends inside a quotation"),
            (
                fine,
                "BULKHEAD_BIN=/nowhere/bulkhead redis.sessions",
                "B: BULKHEAD_BIN: `/nowhere/bulkhead` cannot be run",
            ),
            (fine, "PATH=/opt redis.sessions", "B: PATH: the stand-ins are started once"),
            (fine, "BULKHEAD_LINGER=soon redis.sessions", "B: BULKHEAD_LINGER: `soon` is not a span"),
            (
                fine,
                "redis.sessions --tenant plane",
                "A and B: measure nothing in common: A has redis.sessions of engine; B has",
            ),
            (fine, "rabbitmq.tasks", "A and B: measure nothing in common"),
            (fine, "redis.sessions redis.sessions", "B: measures redis.sessions of engine more than once"),
            ("compare a b", fine, "A: a side is what is compared"),
        ] {
            let error = both(a, b).unwrap_err().to_string();
            assert!(error.contains(part), "`{part}` is not in {error}");
        }
    }
}
