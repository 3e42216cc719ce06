//! What a run will do: the topology, the cases, the line that runs each of them again. All problems of all inputs come
//! out at once, before anything is started.

use std::{collections::BTreeSet, hash::BuildHasher, path::PathBuf};

use bulkhead_model::{
    Problem, Problems, Topology,
    scenario::{self, Case},
    url::shell_word,
};

use crate::{
    args::{LinksArg, Place, Real, TargetArg},
    project::Project,
    scenarios::{self, Source},
};

/// Seeds that nobody chose are at most this long, so that people can say them.
pub(crate) const SEEDS: u64 = 10_000_000;

/// A run, planned.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) topology: Topology,
    pub(crate) cases: Vec<Planned>,
    pub(crate) seed: u64,
    /// The line that runs all of it again.
    pub(crate) repro: String,
}

/// A case and how to run it again.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) case: Case,
    pub(crate) repro: String,
}

/// What the command line chooses.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) project: &'a Project,
    pub(crate) place: &'a Place,
    pub(crate) real: &'a Real,
    pub(crate) paths: &'a [PathBuf],
    pub(crate) keys: &'a [String],
    pub(crate) tags: &'a [String],
    pub(crate) seed: Option<u64>,
    pub(crate) links: LinksArg,
}

impl Plan {
    /// Reads topology and scenarios.
    ///
    /// # Errors
    /// Every problem in all of them, or that nothing was chosen.
    pub(crate) fn make(choice: &Choice<'_>) -> Result<Self, Problems> {
        let topology = Topology::load(choice.place.topology.as_deref());
        let (topology, sources) = Problems::both(topology, scenarios::load(choice.paths, choice.project))?;
        let seed = choice.seed.unwrap_or_else(fresh_seed);
        Self::of(topology, sources, choice, seed)
    }

    fn of(
        topology: Topology,
        sources: Vec<Source>,
        choice: &Choice<'_>,
        seed: u64,
    ) -> Result<Self, Problems> {
        let options = choice.options();
        let mut problems = Vec::new();
        let mut cases = Vec::new();
        for Source { scenario, path } in sources {
            match scenario::expand(&[scenario], &topology) {
                Err(found) => problems.extend(found.into_vec()),
                Ok(expanded) => cases.extend(expanded.into_iter().map(|case| {
                    // Of several that a file makes, only the whole id names one.
                    let key = if case.scenario.variant.is_empty() { case.key() } else { quoted(&case.id) };
                    Planned {
                        repro: format!(
                            "bulkhead verify {}{options} --seed {seed} --case {key}",
                            quoted(&path)
                        ),
                        case,
                    }
                })),
            }
        }
        Problems::unless(problems, ())?;
        let tags: BTreeSet<_> = cases.iter().flat_map(|planned| planned.case.scenario.tags.clone()).collect();
        let strange: Vec<_> =
            choice.tags.iter().filter(|tag| !tags.contains(*tag)).map(String::as_str).collect();
        if !strange.is_empty() {
            let known = tags.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let what = format!("no scenario has --tag {}", strange.join(" or --tag "));
            return Err(Problem::new("", what).hint(format!("there are {known}")).into());
        }
        let tagged =
            |planned: &Planned| planned.case.scenario.tags.iter().any(|tag| choice.tags.contains(tag));
        cases.retain(|planned| choice.tags.is_empty() || tagged(planned));
        let all: Vec<_> = cases.iter().map(|planned| planned.case.key()).collect();
        cases.retain(|planned| {
            choice.keys.is_empty() || choice.keys.iter().any(|key| is_chosen(planned, key))
        });
        cases.sort_by(|a, b| a.case.id.cmp(&b.case.id));
        if cases.is_empty() {
            return Err(nothing(choice.keys, all).into());
        }
        let repro = again(choice, seed);
        Ok(Self { topology, cases, seed, repro })
    }
}

impl Choice<'_> {
    /// What of it changes what a case does.
    fn options(&self) -> String {
        let links = match self.links {
            LinksArg::Own => "",
            LinksArg::Toxiproxy => " --links toxiproxy",
        };
        options(self.place, self.real) + links
    }
}

/// The line that runs the same choice again.
fn again(choice: &Choice<'_>, seed: u64) -> String {
    let path = |path: &PathBuf| format!(" {}", quoted(&path.display().to_string()));
    let paths = choice.paths.iter().map(path);
    let tags = choice.tags.iter().map(|tag| format!(" --tag {}", quoted(tag)));
    let keys = choice.keys.iter().map(|key| format!(" --case {}", quoted(key)));
    let options = [choice.options(), format!(" --seed {seed}")];
    let parts = paths.chain(options).chain(tags).chain(keys);
    format!("bulkhead verify{}", parts.collect::<String>())
}

/// A case is chosen by its key (`engine`, `engine:plane`), by the tenant that acts in it, or by its whole id.
fn is_chosen(planned: &Planned, key: &str) -> bool {
    let own = planned.case.key();
    own == key || own.split_once(':').is_some_and(|(from, _)| from == key) || planned.case.id == key
}

fn nothing(keys: &[String], mut all: Vec<String>) -> Problem {
    all.sort();
    all.dedup();
    let hint = match all.as_slice() {
        [] => String::from("probes need two tenants at least; checklist items need one"),
        all => format!("there are {}", all.join(", ")),
    };
    let what = match keys {
        [] => String::from("no case to run"),
        keys => format!("no case matches --case {}", keys.join(" --case ")),
    };
    Problem::new("", what).hint(hint)
}

/// What of the command line changes what a case does.
pub(crate) fn options(place: &Place, real: &Real) -> String {
    let mut options = String::new();
    if place.target != TargetArg::Auto {
        options.push_str(&format!(" --target {}", place.target.name()));
    }
    if let Some(ca) = &real.ca {
        options.push_str(&format!(" --ca {}", quoted(&ca.display().to_string())));
    }
    for file in &real.env_file {
        options.push_str(&format!(" --env-file {}", quoted(&file.display().to_string())));
    }
    if real.allow_remote {
        options.push_str(" --allow-remote");
    }
    if let Some(topology) = &place.topology {
        options.push_str(&format!(" --topology {}", quoted(&topology.display().to_string())));
    }
    if let Some(s3) = place.s3 {
        options.push_str(&format!(" --s3 {}", s3.name()));
    }
    options
}

/// The text as one word of a shell's command line.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    shell_word(text)
}

pub(crate) fn fresh_seed() -> u64 {
    // The only number that nobody chose; everything else in a run derives from it.
    std::hash::RandomState::new().hash_one("seed") % SEEDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::S3Arg;

    fn place() -> Place {
        Place { target: TargetArg::Auto, topology: None, s3: None, install: false }
    }

    fn plan(keys: &[&str]) -> Result<Plan, Problems> {
        tagged(keys, &[])
    }

    fn tagged(keys: &[&str], tags: &[&str]) -> Result<Plan, Problems> {
        chosen(keys, tags, LinksArg::Own)
    }

    fn chosen(keys: &[&str], tags: &[&str], links: LinksArg) -> Result<Plan, Problems> {
        let [keys, tags] =
            [keys, tags].map(|all| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        let project = &Project::default();
        let choice = Choice {
            project,
            place: &place(),
            real: &Real::default(),
            paths: &[],
            keys: &keys,
            tags: &tags,
            seed: Some(7),
            links,
        };
        let sources = scenarios::load(&[], project).unwrap();
        Plan::of(Topology::builtin(), sources, &choice, 7)
    }

    #[test]
    fn a_key_chooses_a_pair_or_all_cases_in_which_a_tenant_acts() {
        let all = plan(&[]).unwrap().cases.len();
        let pair = plan(&["engine:plane"]).unwrap();
        assert!(pair.cases.iter().all(|planned| planned.case.id.ends_with("(engine → plane)")));
        let engine = plan(&["engine"]).unwrap().cases.len();
        assert!(pair.cases.len() < engine && engine < all);
        let both = plan(&["engine", "plane"]).unwrap().cases.len();
        assert_eq!(both, all);
    }

    #[test]
    fn a_key_that_chooses_nothing_is_refused_with_those_that_do() {
        let error = plan(&["engin"]).unwrap_err();
        assert!(error.to_string().contains("--case engin"), "{error}");
    }

    #[test]
    fn a_tag_chooses_the_scenarios_that_have_it() {
        let all = tagged(&[], &[]).unwrap().cases.len();
        let redis = tagged(&[], &["redis"]).unwrap();
        assert!(
            redis.cases.iter().all(|planned| planned.case.scenario.tags.iter().any(|tag| tag == "redis"))
        );
        let two = tagged(&["engine"], &["redis", "s3"]).unwrap().cases.len();
        assert!(!redis.cases.is_empty() && redis.cases.len() < all && 0 < two && two < all);
        let error = tagged(&[], &["redis", "redsi"]).unwrap_err().to_string();
        assert!(
            error.contains("no scenario has --tag redsi") && error.contains("rabbitmq, read, redis"),
            "{error}"
        );
    }

    #[test]
    fn what_runs_a_case_again_names_its_file_seed_and_key() {
        let plan = plan(&["engine"]).unwrap();
        let repro = |beginning: &str| {
            let planned = plan.cases.iter().find(|planned| planned.case.id.starts_with(beginning)).unwrap();
            planned.repro.as_str()
        };
        let file = "bulkhead verify scenarios/checklist/bucket-created.yaml --seed 7 --case engine";
        assert_eq!(repro("checklist/bucket-created "), file);
        let one = "bulkhead verify scenarios/chaos/s3/logs-link.yaml --seed 7 --case \
                   'chaos/s3/logs-link [faults=down] (engine)'";
        assert_eq!(repro("chaos/s3/logs-link [faults=down] "), one);
        let by_toxiproxy = chosen(&["engine"], &["redis"], LinksArg::Toxiproxy).unwrap();
        let lines = by_toxiproxy.cases.iter().map(|planned| &planned.repro).chain([&by_toxiproxy.repro]);
        lines.for_each(|line| assert!(line.contains(" --links toxiproxy --seed 7"), "{line}"));
        let place = Place { topology: Some("my file.toml".into()), s3: Some(S3Arg::Minio), ..place() };
        let odd = options(&place, &Real::default());
        assert_eq!(odd, " --topology 'my file.toml' --s3 minio");
        let named = Place { target: TargetArg::Native, s3: Some(S3Arg::Embedded), ..place };
        assert_eq!(
            options(&named, &Real::default()),
            " --target native --topology 'my file.toml' --s3 embedded"
        );
        let real = Real { env_file: vec!["a.env".into(), "my b.env".into()], ..Real::default() };
        let env = Place { target: TargetArg::Env, topology: None, s3: None, ..named };
        assert_eq!(options(&env, &real), " --target env --env-file a.env --env-file 'my b.env'");
    }
}
