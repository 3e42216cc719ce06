//! Which stand-ins a command means: the common set, or the one that `up` keeps for this project.

use std::{
    env, io,
    path::{Path, PathBuf},
};

use bulkhead_model::{Problem, Problems, Topology};
use bulkhead_target::TargetSpec;

use crate::{
    args::{Place, TargetArg},
    failure::Hinted,
};

/// What `verify` and `checklist` ask for.
///
/// # Errors
/// Every environment variable that is wrong.
pub(crate) fn common(place: &Place) -> Result<TargetSpec, Problems> {
    let mut spec = TargetSpec::from_env(executable()?)?;
    spec.s3 = place.s3.into();
    spec.install |= place.install;
    if place.target == TargetArg::Docker {
        spec = spec.in_containers(|variable| env::var_os(variable.name));
    }
    Ok(spec)
}

/// What `up`, `down`, `status` and `env` mean: the set of the project that the current folder is in.
///
/// # Errors
/// Every environment variable that is wrong.
pub(crate) fn of_this_project() -> Result<TargetSpec, Problems> {
    let mut spec = TargetSpec::from_env(executable()?)?;
    let here = env::current_dir().map_err(|error| unknown("which folder this is", &error))?;
    spec.name = Some(set_name(&Topology::project(&here)));
    Ok(spec)
}

/// The error of a command that needs stand-ins where there are none.
pub(crate) fn not_up() -> anyhow::Error {
    Hinted::error("no stand-ins are up in this project", "start them with `bulkhead up --detach`")
}

fn executable() -> Result<PathBuf, Problems> {
    env::current_exe().map_err(|error| unknown("where the running executable is", &error))
}

fn unknown(what: &str, error: &io::Error) -> Problems {
    Problem::new("", format!("cannot tell {what}: {error}")).into()
}

/// The folder itself, so that two projects never share a set and every shell in one finds it.
fn set_name(project: &Path) -> String {
    format!("up {}", project.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_projects_share_a_set() {
        assert_ne!(set_name(Path::new("/one")), set_name(Path::new("/two")));
    }
}
