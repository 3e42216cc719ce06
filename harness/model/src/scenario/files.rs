//! Finding scenario files: folders are walked, names are taken from the paths, and no file is passed over in silence.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Known, Scenario};
use crate::{Problem, Problems};

/// The folder below which a file's path is its scenario's name.
const ROOT: &str = "scenarios";
const ENDING: &str = "yaml";

/// Reads these files and every `.yaml` file in these folders, sorted by name. Hidden files and folders are left out.
///
/// # Errors
/// All files' problems at once: a path that is not there, a folder without a scenario, two files of one name, and
/// whatever is wrong inside.
pub fn load(paths: &[PathBuf], known: &Known<'_>) -> Result<Vec<Scenario>, Problems> {
    let mut search = Search::default();
    for path in paths {
        search.start(path);
    }
    let Search { files, mut problems, .. } = search;
    let mut scenarios = Vec::new();
    for (name, path) in files {
        let file = path.display().to_string();
        match fs::read_to_string(&path) {
            Ok(text) => match Scenario::parse(&name, &text, &file, known) {
                Ok(found) => scenarios.extend(found),
                Err(found) => problems.extend(found.into_vec()),
            },
            Err(error) => problems.push(unreadable(&path, &error)),
        }
    }
    Problems::unless(problems, scenarios)
}

#[derive(Default)]
struct Search {
    /// By scenario name, which sorts them and shows two files of one name.
    files: BTreeMap<String, PathBuf>,
    problems: Vec<Problem>,
}

impl Search {
    fn start(&mut self, path: &Path) {
        // `.` and links must not change a scenario's name, hence the real path.
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) => return self.problems.push(unreadable(path, &error)),
        };
        let mut found = Vec::new();
        if real.is_dir() {
            self.walk(path, &mut found);
            if found.is_empty() {
                let what = "there is no scenario in this folder";
                self.problems.push(
                    Problem::new(path.display().to_string(), what).hint("scenario files end in `.yaml`"),
                );
            }
        } else if ends_in(path, ENDING) {
            found.push(path.to_owned());
        } else {
            let what = "this is no scenario file";
            self.problems
                .push(Problem::new(path.display().to_string(), what).hint("scenario files end in `.yaml`"));
        }
        let root = root(&real);
        for file in found {
            self.take(file, &root);
        }
    }

    fn walk(&mut self, folder: &Path, found: &mut Vec<PathBuf>) {
        let entries = match fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<fs::DirEntry>>>)
        {
            Ok(entries) => entries,
            Err(error) => return self.problems.push(unreadable(folder, &error)),
        };
        let mut paths: Vec<PathBuf> = entries
            .iter()
            .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
            .map(fs::DirEntry::path)
            .collect();
        paths.sort();
        for path in paths {
            // A link to a folder is not followed: it may lead back here.
            if path.is_dir() && !path.is_symlink() {
                self.walk(&path, found);
            } else if ends_in(&path, ENDING) {
                found.push(path);
            } else if ends_in(&path, "yml") {
                let what = "this file would not be read";
                let hint = "scenario files end in `.yaml`: rename it";
                self.problems.push(Problem::new(path.display().to_string(), what).hint(hint));
            }
        }
    }

    fn take(&mut self, file: PathBuf, root: &Path) {
        let real = match file.canonicalize() {
            Ok(real) => real,
            Err(error) => return self.problems.push(unreadable(&file, &error)),
        };
        let below = real.strip_prefix(root).unwrap_or(&real).with_extension("");
        let parts: Option<Vec<&str>> = below.iter().map(|part| part.to_str()).collect();
        let Some(name) = parts.map(|parts| parts.join("/")) else {
            let what = "the path is not UTF-8, so the scenario would have no name";
            return self.problems.push(Problem::new(file.display().to_string(), what).hint("rename it"));
        };
        match self.files.get(&name) {
            None => {
                self.files.insert(name, file);
            }
            // The same file named twice, once by its folder perhaps, is one scenario.
            Some(earlier) if earlier.canonicalize().is_ok_and(|earlier| earlier == real) => {}
            Some(earlier) => {
                let what = format!("the scenario `{name}` is also in {}", earlier.display());
                self.problems
                    .push(Problem::new(file.display().to_string(), what).hint("rename one of the two"));
            }
        }
    }
}

/// The last folder called `scenarios` on the way to a real path; without one the path itself, or a file's folder.
fn root(real: &Path) -> PathBuf {
    let named = real.ancestors().find(|ancestor| ancestor.file_name().is_some_and(|name| name == ROOT));
    let own = if real.is_dir() { Some(real) } else { real.parent() };
    named.or(own).unwrap_or(real).to_owned()
}

fn ends_in(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension == ending)
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(path.display().to_string(), format!("cannot read this: {error}"))
}
