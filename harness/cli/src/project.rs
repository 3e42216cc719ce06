//! The project that a command works in: which topology applies, and from which folder scenarios and results are looked
//! for when the command line names none. What it does name stays relative to the current folder.

use std::{
    env,
    path::{Path, PathBuf},
};

use bulkhead_model::{Problem, Problems, Topology};

/// The folder of the scenarios of a project, below its own.
pub(crate) const SCENARIOS: &str = "scenarios";

/// The folder of the results of a project, below its own.
const RESULTS: &str = "target/bulkhead";

/// A project as it is seen from the current folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Project {
    /// Its folder as it is typed from here: nothing, or as many `..` as it takes.
    base: PathBuf,
    /// Whether it has a topology of its own.
    declared: bool,
}

impl Project {
    /// The project that the current folder is in: that of the nearest topology upwards, else the folder itself.
    ///
    /// # Errors
    /// When the current folder cannot be told.
    pub(crate) fn here() -> Result<Self, Problems> {
        let here = env::current_dir()
            .map_err(|error| Problem::new("", format!("cannot tell which folder this is: {error}")))?;
        Ok(Self::of(&here))
    }

    fn of(here: &Path) -> Self {
        let file = Topology::file_near(here);
        let above = file.as_deref().and_then(Path::parent).and_then(|folder| here.strip_prefix(folder).ok());
        let steps = above.map_or(0, |between| between.components().count());
        Self { base: std::iter::repeat_n("..", steps).collect(), declared: above.is_some() }
    }

    /// Where its scenarios are.
    pub(crate) fn scenarios(&self) -> PathBuf {
        self.base.join(SCENARIOS)
    }

    /// Where results go when nothing else is said.
    pub(crate) fn results(&self) -> PathBuf {
        self.base.join(RESULTS)
    }

    /// The topology in use, in words: the file that was named, the project's own, or the built-in one.
    pub(crate) fn topology(&self, named: Option<&Path>) -> String {
        match named {
            Some(file) => file.display().to_string(),
            None if self.declared => self.base.join(Topology::FILE).display().to_string(),
            None => format!("built in, for want of a {} here or above", Topology::FILE),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_topology_makes_the_folder_that_everything_else_is_looked_for_in() {
        let top = tempfile::tempdir().unwrap();
        let deep = top.path().join("src/deep");
        fs::create_dir_all(deep.join(".git")).unwrap();
        let none = Project::of(&deep);
        assert_eq!(none.scenarios(), Path::new("scenarios"));
        assert!(none.topology(None).starts_with("built in"), "{}", none.topology(None));
        fs::write(top.path().join(Topology::FILE), "").unwrap();
        let below = Project::of(&deep);
        assert_eq!(below.scenarios(), Path::new("../../scenarios"));
        assert_eq!(below.results(), Path::new("../../target/bulkhead"));
        assert_eq!(below.topology(None), "../../bulkhead.toml");
        assert_eq!(below.topology(Some(Path::new("other.toml"))), "other.toml");
        let own = Project::of(top.path());
        assert_eq!(own.results(), Path::new("target/bulkhead"));
        assert_eq!(own.topology(None), "bulkhead.toml");
    }
}
