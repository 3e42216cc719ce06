//! Which proxy breaks a run's links: the harness's own, or Toxiproxy in a container beside the run, whatever the target is.

use anyhow::Result;
use bulkhead_engine::{
    faults,
    links::{Breaker, CAN_DRIVE_TOXIPROXY},
};
use bulkhead_model::{Problem, Problems, RunEvent, scenario::Case};
use bulkhead_target::{
    Error,
    backends::docker::{Toxiproxy, ToxiproxySpec},
};

use crate::{args::LinksArg, stand_ins};

/// What is to break links.
#[derive(Debug)]
pub(crate) enum Breaking {
    /// The proxy that they lead through anyhow.
    Own,
    /// A Toxiproxy, started so for the run.
    Toxiproxy(ToxiproxySpec),
}

/// What breaks them, from now on.
pub(crate) struct Broken {
    pub(crate) breaker: Breaker,
    /// Which proxy that is, where it is not the own one.
    pub(crate) name: Option<String>,
    container: Option<Toxiproxy>,
}

impl Breaking {
    /// Reads what the command line asks for.
    ///
    /// # Errors
    /// That this build cannot do it.
    pub(crate) fn of(links: LinksArg) -> Result<Self, Problems> {
        Self::able(links, CAN_DRIVE_TOXIPROXY)
    }

    fn able(links: LinksArg, drives: bool) -> Result<Self, Problems> {
        match links {
            LinksArg::Own => Ok(Self::Own),
            LinksArg::Toxiproxy if drives => {
                Ok(Self::Toxiproxy(ToxiproxySpec::of(stand_ins::executable()?, stand_ins::variable)))
            }
            LinksArg::Toxiproxy => {
                let what = "this build of Bulkhead cannot drive a Toxiproxy";
                let hint = "build it with `--features toxiproxy`, which takes OpenSSL's headers and pkg-config \
                            (`apt-get install libssl-dev pkg-config`), or leave the option out: the own proxy breaks links then";
                Err(Problem::new("--links toxiproxy", what).hint(hint).into())
            }
        }
    }

    /// Why the case is not run, if so.
    pub(crate) fn unable(&self, case: &Case) -> Option<String> {
        let Self::Toxiproxy(_) = self else { return None };
        let fault = faults::beyond_toxiproxy(&case.scenario.faults)?;
        Some(format!(
            "`{}` is done by Bulkhead's own proxy alone, and Toxiproxy is to break links",
            fault.name
        ))
    }

    /// Starts it, where anything is to be started.
    ///
    /// # Errors
    /// Why it does not run; then nothing is left of it.
    pub(crate) async fn begin(&self, progress: &(dyn Fn(RunEvent) + Send + Sync)) -> Result<Broken, Error> {
        let Self::Toxiproxy(spec) = self else {
            return Ok(Broken { breaker: Breaker::Own, name: None, container: None });
        };
        let container = Toxiproxy::start(spec.clone(), |note| progress(RunEvent::Note(note))).await?;
        let breaker = Breaker::Toxiproxy(container.api());
        let version = match breaker.version().await {
            Ok(version) => version.unwrap_or_default(),
            Err(error) => {
                // The first error is the one to tell; what is left its janitor clears away.
                let _the_first_error_is_told = container.stop().await;
                return Err(error);
            }
        };
        let name = format!("Toxiproxy {version} in a container of `{}`", container.image());
        progress(RunEvent::Note(format!("links are broken by {name}, at {}", container.api())));
        Ok(Broken { breaker, name: Some(name), container: Some(container) })
    }
}

impl Broken {
    /// Ends what was started.
    ///
    /// # Errors
    /// What may be left.
    pub(crate) async fn end(self) -> Result<(), Error> {
        match self.container {
            Some(container) => container.stop().await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{Topology, scenario};

    use super::*;
    use crate::{project::Project, scenarios};

    #[test]
    fn a_build_that_cannot_drive_toxiproxy_says_what_to_build() {
        let problems = Breaking::able(LinksArg::Toxiproxy, false).unwrap_err();
        let said = problems.to_string();
        assert!(said.contains("--links toxiproxy: this build of Bulkhead cannot drive"), "{said}");
        assert!(said.contains("`--features toxiproxy`"), "{said}");
        assert!(matches!(Breaking::able(LinksArg::Own, false), Ok(Breaking::Own)));
        assert!(matches!(Breaking::able(LinksArg::Toxiproxy, true), Ok(Breaking::Toxiproxy(_))));
    }

    #[test]
    fn faults_that_only_the_own_proxy_does_are_left_out() {
        let read = scenarios::load(&[], &Project::default()).unwrap();
        let read: Vec<_> = read.into_iter().map(|source| source.scenario).collect();
        let cases = scenario::expand(&read, &Topology::builtin()).unwrap();
        let toxiproxy = Breaking::able(LinksArg::Toxiproxy, true).unwrap();
        let case = |id: &str| cases.iter().find(|case| case.id == id).unwrap();
        let impostor = case("security/s3-impostor [faults=plaintext] (engine)");
        let why = toxiproxy.unable(impostor).unwrap();
        assert_eq!(why, "`plaintext` is done by Bulkhead's own proxy alone, and Toxiproxy is to break links");
        assert_eq!(Breaking::Own.unable(impostor), None);
        for id in [
            "chaos/redis/sessions-link [faults=down] (engine)",
            "chaos/redis/sessions-server [faults=kill] (engine)",
        ] {
            assert_eq!(toxiproxy.unable(case(id)), None, "{id}");
        }
    }
}
