//! `auto`: which of the two kinds of stand-ins this machine can have. All four servers are of one kind, and real services
//! are never chosen.

use std::{future::Future, time::Duration};

use tokio::time::timeout;

use super::{docker, native};
use crate::{Error, Missing, TargetSpec};

/// How long a container engine may take to say that it is there.
const ANSWERS: Duration = Duration::from_secs(10);

/// Stand-ins of a kind that is settled.
#[derive(Clone, Debug)]
pub struct Settled {
    /// What is asked for.
    pub spec: TargetSpec,
    /// Why it is of this kind; none where somebody named the kind.
    pub reason: Option<String>,
}

impl Settled {
    /// The kind and the reason, as people are told; none where somebody named the kind.
    pub fn told(&self) -> Option<String> {
        self.reason.as_ref().map(|reason| format!("target {}: {reason}", self.spec.target()))
    }
}

/// Takes processes of this machine where every server is on it or may be installed, else containers where an engine
/// answers. Starts nothing.
///
/// # Errors
/// [`Error::Neither`] where there can be none of both.
pub async fn choose(native: TargetSpec, contained: TargetSpec) -> Result<Settled, Error> {
    let missing = native::missing(&native);
    let installs = native.install && native::can_install(&missing);
    decide((native, contained), missing, installs, answers()).await
}

async fn decide(
    (native, contained): (TargetSpec, TargetSpec),
    missing: Vec<Missing>,
    installs: bool,
    engine: impl Future<Output = Result<(), String>>,
) -> Result<Settled, Error> {
    let settled = |spec, reason| Ok(Settled { spec, reason: Some(reason) });
    if missing.is_empty() {
        return settled(native, String::from("its servers are on this machine"));
    }
    let names = missing.iter().map(|missing| missing.service.name()).collect::<Vec<_>>().join(", ");
    if installs {
        return settled(native, format!("what is not on this machine may be installed: {names}"));
    }
    match engine.await {
        Ok(()) => settled(contained, format!("a container engine answers; not on this machine: {names}")),
        Err(engine) => Err(Error::Neither { missing, engine }),
    }
}

/// Whether an engine answers, else who was asked and why it did not.
async fn answers() -> Result<(), String> {
    let why = match timeout(ANSWERS, docker::engine()).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(Error::NoEngine { why })) => why,
        Ok(Err(error)) => error.chain(),
        Err(_) => format!("no answer after {ANSWERS:?}"),
    };
    let asked = match std::env::var("DOCKER_HOST") {
        Ok(host) => format!("`{host}` of DOCKER_HOST"),
        Err(_) => String::from("the usual sockets of Docker and Podman, for want of DOCKER_HOST"),
    };
    Err(format!("no container engine answers at {asked}: {why}"))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use bulkhead_model::Service;

    use super::*;

    async fn decided(missing: &[Service], installs: bool, engine: bool) -> (Result<Settled, Error>, bool) {
        let native = TargetSpec::from_variables("/bin/bulkhead".into(), |_| None).unwrap();
        let contained = native.clone().in_containers(None, |_| None);
        let missing = missing.iter().map(|service| Missing { service: *service, looked: "nowhere".into() });
        let asked = Cell::new(false);
        let answer = async {
            asked.set(true);
            if engine { Ok(()) } else { Err(String::from("no container engine answers at `x`: y")) }
        };
        let decided = decide((native, contained), missing.collect(), installs, answer).await;
        (decided, asked.get())
    }

    #[tokio::test]
    async fn servers_of_this_machine_come_first_then_an_engine() {
        let some = &[Service::Redis, Service::Rabbitmq][..];
        for (missing, installs, engine, target, reason) in [
            (&[][..], false, true, "native", "its servers are on this machine"),
            (&[], true, false, "native", "its servers are on this machine"),
            (some, true, true, "native", "what is not on this machine may be installed: redis, rabbitmq"),
            (some, true, false, "native", "what is not on this machine may be installed: redis, rabbitmq"),
            (some, false, true, "docker", "a container engine answers; not on this machine: redis, rabbitmq"),
        ] {
            let (chosen, asked) = decided(missing, installs, engine).await;
            let chosen = chosen.unwrap();
            assert_eq!((chosen.spec.target(), chosen.reason.as_deref()), (target, Some(reason)));
            assert_eq!(chosen.told(), Some(format!("target {target}: {reason}")));
            // Who has servers does not wait for an engine.
            assert_eq!(asked, target == "docker");
        }
    }

    #[tokio::test]
    async fn where_there_is_neither_one_error_says_how_to_get_either() {
        let error = decided(&[Service::Redis], false, false).await.0.unwrap_err();
        let said = error.to_string();
        assert_eq!(
            said,
            "servers are missing\n  redis: nowhere\n  docker: no container engine answers at `x`: y"
        );
        let hint = error.hint().unwrap();
        for part in ["apt-get install redis-server", "BULKHEAD_INSTALL=1", "DOCKER_HOST"] {
            assert!(hint.contains(part), "{part}: {hint}");
        }
    }
}
