//! Which scenarios a command means: files that exist, or those built into the binary, so that `bulkhead verify` works
//! outside its repository too.

use std::{
    env,
    path::{Path, PathBuf},
};

use bulkhead_model::{
    Class, Problem, Problems, Service,
    scenario::{self, Known, Scenario},
};

use crate::project::{Project, SCENARIOS};

/// `(path below scenarios/, text)` of every file there when this was built.
mod built_in {
    include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));
}

/// A scenario and the path that names it on a command line.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) scenario: Scenario,
    pub(crate) path: String,
}

/// The scenarios in these files and folders; without any, those in the project's `scenarios`, or else the built-in ones.
///
/// A path that is not on disk may name built-in ones: what a report prints to run a case again works anywhere.
pub(crate) fn load(paths: &[PathBuf], project: &Project) -> Result<Vec<Source>, Problems> {
    let named = match paths {
        [] if project.scenarios().is_dir() => vec![project.scenarios()],
        [] => return built_in(Path::new("")),
        some => some.to_vec(),
    };
    let mut sources: Vec<Source> = Vec::new();
    let mut problems = Vec::new();
    for path in &named {
        let below = path.strip_prefix(SCENARIOS).unwrap_or(path);
        let found = if path.exists() || !has_built_in(below) { from_disk(path) } else { built_in(below) };
        match found {
            Ok(found) => sources.extend(found),
            Err(found) => problems.extend(found.iter().cloned()),
        }
    }
    sources.sort_by_cached_key(|source| (source.scenario.name.clone(), source.scenario.variant.clone()));
    for pair in sources.windows(2) {
        if let [a, b] = pair
            && a.scenario.name == b.scenario.name
            && a.path != b.path
        {
            let what = format!("the scenario `{}` is also in {}", a.scenario.name, a.path);
            problems.push(Problem::new(&*b.path, what).hint("rename one of the two"));
        }
    }
    sources.dedup_by(|a, b| a.path == b.path && a.scenario.variant == b.scenario.variant);
    Problems::unless(problems, sources)
}

/// Where the scenarios of [`load`] come from, for people.
pub(crate) fn place(paths: &[PathBuf], project: &Project) -> &'static str {
    if paths.is_empty() && !project.scenarios().is_dir() { "built in" } else { "on disk" }
}

fn from_disk(path: &Path) -> Result<Vec<Source>, Problems> {
    let scenarios = with_known(|known| scenario::load(&[path.to_owned()], known))?;
    let sources =
        scenarios.into_iter().map(|scenario| Source { path: file_of(path, &scenario.name), scenario });
    Ok(sources.collect())
}

fn has_built_in(below: &Path) -> bool {
    built_in::FILES.iter().any(|(file, _)| Path::new(file).starts_with(below))
}

fn built_in(below: &Path) -> Result<Vec<Source>, Problems> {
    let mut problems = Vec::new();
    let mut sources = Vec::new();
    for (file, text) in built_in::FILES.iter().filter(|(file, _)| Path::new(file).starts_with(below)) {
        let path = format!("{SCENARIOS}/{file}");
        let name = file.strip_suffix(".yaml").unwrap_or(file);
        match with_known(|known| Scenario::parse(name, text, &path, known)) {
            Ok(found) => {
                sources.extend(found.into_iter().map(|scenario| Source { scenario, path: path.clone() }))
            }
            Err(found) => problems.extend(found.iter().cloned()),
        }
    }
    Problems::unless(problems, sources)
}

/// The file below `given` that holds the scenario of that name, as it would be typed from here.
fn file_of(given: &Path, name: &str) -> String {
    if given.is_file() {
        return given.display().to_string();
    }
    let file = format!("{name}.yaml");
    // A project's scenarios seen from a folder below it.
    let typed = given.join(&file);
    if given.starts_with("..") && typed.is_file() {
        return typed.display().to_string();
    }
    let real = given.canonicalize().unwrap_or_else(|_| given.to_owned());
    // A name is a path below the folder called `scenarios`, or below the given one: some ancestor holds the file.
    let found = real.ancestors().map(|folder| folder.join(&file)).find(|path| path.is_file());
    let found = found.unwrap_or_else(|| given.join(&file));
    let here = env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    found.strip_prefix(&here).unwrap_or(&found).display().to_string()
}

/// The page about what scenario files may say.
pub(crate) fn reference() -> String {
    let invariants = bulkhead_checks::ALL.map(|check| (check.name(), check.bound(), check.sentence()));
    with_known(|known| bulkhead_report::reference::page(known.workloads, known.faults, &invariants))
}

/// Calls with the names that live in other rooms.
pub(crate) fn with_known<T>(call: impl FnOnce(&Known<'_>) -> T) -> T {
    let probes: Vec<(&str, Service, Class)> = bulkhead_engine::probes::all()
        .map(|probe| {
            let about = probe.about();
            (about.name, about.service, about.class)
        })
        .collect();
    let invariants = bulkhead_checks::ALL.map(|check| (check.name(), check.bound()));
    let workloads = bulkhead_engine::workload::ALL.map(|workload| workload.shape());
    let faults = bulkhead_engine::faults::ALL.map(|fault| fault.shape());
    call(&Known { probes: &probes, workloads: &workloads, faults: &faults, invariants: &invariants })
}

/// What the file given with `--faults` says, where that is no fault's name.
pub(crate) fn faults_file(given: &str) -> Result<String, Problems> {
    std::fs::read_to_string(given).map_err(|error| {
        let what = format!("`{given}` is no fault, and no file that can be read: {error}");
        Problem::new("--faults", what).hint("`bulkhead scenario reference` lists the faults").into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_scenarios_are_whole() {
        let sources = built_in(Path::new("")).unwrap();
        assert!(sources.iter().any(|source| source.scenario.name.starts_with("isolation/")));
        assert!(sources.iter().any(|source| source.scenario.name.starts_with("checklist/")));
    }

    #[test]
    fn a_path_that_is_not_on_disk_may_name_built_in_ones() {
        let folder = load(&[PathBuf::from("scenarios/checklist")], &Project::default()).unwrap();
        assert!(folder.iter().all(|source| source.path.starts_with("scenarios/checklist/")));
        let one = PathBuf::from(&folder[0].path);
        assert_eq!(load(&[one], &Project::default()).unwrap().len(), 1);
        assert!(load(&[PathBuf::from("scenarios/no-such")], &Project::default()).is_err());
    }
}
