//! Which stand-ins a command means: the common set, or the one that `up` keeps for this project.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use bulkhead_model::Topology;
use bulkhead_target::TargetSpec;

use crate::{args::Place, failure::Hinted};

/// What `verify` and `checklist` ask for.
pub(crate) fn common(place: &Place) -> Result<TargetSpec> {
    let mut spec = TargetSpec::from_env(executable()?)?;
    spec.s3 = place.s3.into();
    spec.install |= place.install;
    Ok(spec)
}

/// What `up`, `down`, `status` and `env` mean: the set of the project that the current folder is in.
pub(crate) fn of_this_project() -> Result<TargetSpec> {
    let mut spec = TargetSpec::from_env(executable()?)?;
    let here = env::current_dir().context("cannot tell which folder this is")?;
    spec.name = Some(set_name(&project(&here)));
    Ok(spec)
}

/// The error of a command that needs stand-ins where there are none.
pub(crate) fn not_up() -> anyhow::Error {
    Hinted::error("no stand-ins are up in this project", "start them with `bulkhead up --detach`")
}

fn executable() -> Result<PathBuf> {
    env::current_exe().context("cannot tell where the running executable is")
}

/// The nearest folder upwards that holds a topology or a repository; without one, the folder itself.
fn project(here: &Path) -> PathBuf {
    let marks = [Topology::FILE, ".git"];
    let found = here.ancestors().find(|folder| marks.iter().any(|mark| folder.join(mark).exists()));
    found.unwrap_or(here).to_owned()
}

/// The folder itself, so that two projects never share a set and every shell in one finds it.
fn set_name(project: &Path) -> String {
    format!("up {}", project.display())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_project_is_one_set_from_every_folder_in_it_and_no_other_project_shares_it() {
        let top = tempfile::tempdir().unwrap();
        let (one, two) = (top.path().join("one"), top.path().join("two"));
        for folder in [one.join("deep/er"), two.clone()] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(one.join(Topology::FILE), "").unwrap();
        assert_eq!(project(&one.join("deep/er")), one);
        assert_eq!(project(&two), two);
        assert_ne!(set_name(&one), set_name(&two));
    }
}
