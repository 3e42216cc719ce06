//! Which stand-ins a command means: the common set, or the one that `up` keeps for this project; as processes or in
//! containers.

use std::{
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use bulkhead_model::{Problem, Problems, Topology};
use bulkhead_target::{
    Error, FirstSlices, TargetSpec,
    backends::auto::{self, Settled},
    keeper::Kind,
    spec::Variable,
};

use crate::{
    args::{Place, TargetArg},
    failure::Hinted,
};

/// Stand-ins as they are asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    target: TargetArg,
    /// As processes of this machine.
    pub(crate) native: TargetSpec,
    /// In containers.
    contained: TargetSpec,
}

impl Wanted {
    /// What a command line asks for, where the variables are as `read` has them.
    pub(crate) fn of(spec: TargetSpec, place: &Place, read: impl Fn(Variable) -> Option<OsString>) -> Self {
        let (s3, install) = (place.s3.map(Into::into), spec.install || place.install);
        let native = TargetSpec { s3: s3.unwrap_or_default(), install, ..spec };
        let contained = native.clone().in_containers(s3, read);
        Self { target: place.target, native, contained }
    }

    /// Of the same kind as those that run, where nobody names one.
    pub(crate) fn like(mut self, running: &Kind) -> Self {
        if self.target == TargetArg::Auto {
            self.target = if running.images.is_some() { TargetArg::Docker } else { TargetArg::Native };
        }
        self
    }

    /// Settles of which kind they are.
    ///
    /// # Errors
    /// Why there can be none of either.
    pub(crate) async fn settle(self) -> Result<Settled, Error> {
        match self.target {
            TargetArg::Auto => auto::choose(self.native, self.contained).await,
            TargetArg::Docker => Ok(Settled { spec: self.contained, reason: None }),
            TargetArg::Native | TargetArg::Env => Ok(Settled { spec: self.native, reason: None }),
        }
    }
}

/// A variable of this process.
pub(crate) fn variable(variable: Variable) -> Option<OsString> {
    env::var_os(variable.name)
}

/// What commands ask for that share servers.
///
/// # Errors
/// Every environment variable that is wrong.
pub(crate) fn common(place: &Place) -> Result<Wanted, Problems> {
    let mut spec = TargetSpec::from_env(executable()?)?;
    // What is wrong with the topology is said by whoever works with it.
    let topology = Topology::load(place.topology.as_deref()).ok();
    spec.later = topology.as_ref().map(FirstSlices::of);
    Ok(Wanted::of(spec, place, variable))
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

/// The running executable.
///
/// # Errors
/// Where nobody can tell which it is.
pub(crate) fn executable() -> Result<PathBuf, Problems> {
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
    use bulkhead_model::Service;
    use bulkhead_target::S3Kind;

    use super::*;
    use crate::args::S3Arg;

    fn wanted(target: TargetArg, s3: Option<S3Arg>) -> Wanted {
        let spec = TargetSpec::from_variables("/bin/bulkhead".into(), |_| None).unwrap();
        Wanted::of(spec, &Place { target, topology: None, s3, install: false }, |_| None)
    }

    #[test]
    fn s3_is_an_image_in_containers_unless_the_embedded_server_is_asked_for() {
        for (asked, native, image) in [
            (None, S3Kind::Embedded, true),
            (Some(S3Arg::Embedded), S3Kind::Embedded, false),
            (Some(S3Arg::Minio), S3Kind::Minio, true),
        ] {
            let wanted = wanted(TargetArg::Auto, asked);
            assert_eq!((wanted.native.s3, wanted.native.images), (native, None));
            let images = wanted.contained.images.unwrap();
            assert_eq!(images.of(Service::S3).is_some(), image, "{asked:?}");
            assert_eq!(wanted.contained.s3 == S3Kind::Minio, image, "{asked:?}");
        }
    }

    #[tokio::test]
    async fn what_runs_decides_where_nobody_does() {
        let [contained, native] = [TargetArg::Docker, TargetArg::Native].map(|kind| wanted(kind, None));
        let running = [Kind::of(&contained.contained), Kind::of(&native.native)];
        for (target, expected) in [
            (TargetArg::Auto, ["docker", "native"]),
            (TargetArg::Native, ["native", "native"]),
            (TargetArg::Docker, ["docker", "docker"]),
        ] {
            for (kind, expected) in running.iter().zip(expected) {
                let settled = wanted(target, None).like(kind).settle().await.unwrap();
                assert_eq!((settled.spec.target(), settled.reason), (expected, None));
            }
        }
    }

    #[test]
    fn no_two_projects_share_a_set() {
        assert_ne!(set_name(Path::new("/one")), set_name(Path::new("/two")));
    }
}
