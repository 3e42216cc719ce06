//! Servers of tests in containers: with `BULKHEAD_TEST_TARGET=docker` the tests that open servers themselves, and run no
//! command, have them there, of the images that `--target docker` takes; with `docker-brief` those of isolation try after
//! each right too many only what it opens. No test needs it, and `.ci/run` sees so that other versions answer as they should.

use std::{
    collections::HashMap,
    env,
    sync::atomic::{AtomicU32, Ordering},
};

use bulkhead_model::Service;
use bulkhead_target::{S3Kind, TargetSpec, spec::Variable};
use testcontainers::{
    bollard::{
        Docker,
        errors::Error,
        models::{ContainerConfig, ContainerCreateBody},
        query_parameters::{
            CommitContainerOptionsBuilder, CreateContainerOptions, ListContainersOptionsBuilder,
            RemoveContainerOptionsBuilder, RemoveImageOptions,
        },
    },
    core::client::docker_client_instance,
};

/// The variable.
const TARGET: &str = "BULKHEAD_TEST_TARGET";

/// What plays S3, of which no test is about a version: one container less.
const S3: Option<S3Kind> = Some(S3Kind::Embedded);

/// In containers, and not all that was tried elsewhere.
const BRIEF: &str = "docker-brief";

/// The same in containers, where the environment says so.
pub(super) fn placed(spec: TargetSpec) -> TargetSpec {
    match env::var(TARGET).as_deref() {
        Err(_) | Ok("native") => spec,
        Ok("docker" | BRIEF) => spec.in_containers(S3, |variable| env::var_os(variable.name)),
        Ok(other) => panic!("{TARGET} is `{other}`, which is none of `native`, `docker` and `{BRIEF}`"),
    }
}

/// Whether what was tried on other servers is not tried again in full.
pub(crate) fn brief() -> bool {
    env::var(TARGET).is_ok_and(|target| target == BRIEF)
}

/// What a server of a test leaves in the engine if the test fails. It is cleared away when this is dropped.
pub(super) struct Leavings {
    run: String,
    image: Option<String>,
}

impl Leavings {
    /// Those of a run; none where there are no containers.
    pub(super) fn of(spec: &TargetSpec, run: &str) -> Option<Self> {
        spec.images.as_ref().map(|_| Self { run: run.to_owned(), image: None })
    }

    /// With an image of the test's own.
    pub(super) fn and_image(mut self, image: String) -> Self {
        self.image = Some(image);
        self
    }
}

impl Drop for Leavings {
    fn drop(&mut self) {
        let (run, image) = (self.run.clone(), self.image.clone());
        let cleared = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_or(Ok(()), |runtime| runtime.block_on(clear(&run, image.as_deref())))
        });
        if let Ok(Err(error)) = cleared.join() {
            super::say(&format!("containers of the run `{}` are left: {error}", self.run));
        }
    }
}

async fn clear(run: &str, image: Option<&str>) -> Result<(), Error> {
    let Ok(docker) = docker_client_instance().await else { return Ok(()) };
    let label = HashMap::from([("label", vec![format!("bulkhead.run={run}")])]);
    let left = ListContainersOptionsBuilder::new().all(true).filters(&label).build();
    for id in docker.list_containers(Some(left)).await?.into_iter().filter_map(|container| container.id) {
        remove(&docker, &id).await?;
    }
    if let Some(image) = image {
        docker.remove_image(image, None::<RemoveImageOptions>, None).await?;
    }
    Ok(())
}

async fn remove(docker: &Docker, id: &str) -> Result<(), Error> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match docker.remove_container(id, Some(options)).await {
        // Gone, or about to be.
        Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
        done => done,
    }
}

/// The same with a server of that service that is given these arguments after the stand-in's: an image of its own, which
/// goes with what is left.
pub(super) async fn with_arguments(
    spec: TargetSpec,
    service: Service,
    arguments: &[&str],
) -> (TargetSpec, String) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let image = spec.images.as_ref().and_then(|images| images.of(service)).unwrap().to_string();
    let docker = docker_client_instance().await.unwrap();
    let found = docker.inspect_image(&image).await.unwrap_or_else(|error| panic!("`{image}`: {error}"));
    let entry = found.config.and_then(|config| config.entrypoint).unwrap_or_default().join(" ");
    // Made to be committed and never started.
    let body = ContainerCreateBody { image: Some(image), ..ContainerCreateBody::default() };
    let made = docker.create_container(None::<CreateContainerOptions>, body).await.unwrap().id;
    let tag = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let options =
        CommitContainerOptionsBuilder::new().container(&made).repo("bulkhead/test").tag(&tag).build();
    let script = format!("exec {entry} \"$@\" {}", arguments.join(" "));
    let entrypoint = ["sh", "-c", &script, "sh"].map(String::from).to_vec();
    let config = ContainerConfig { entrypoint: Some(entrypoint), ..ContainerConfig::default() };
    docker.commit_container(options, config).await.unwrap();
    remove(&docker, &made).await.unwrap();
    let name = format!("bulkhead/test:{tag}");
    let own = format!("BULKHEAD_IMAGE_{}", service.name().to_uppercase());
    let named = |variable: Variable| match variable.name == own {
        true => Some(name.clone().into()),
        false => env::var_os(variable.name),
    };
    (spec.in_containers(S3, named), name)
}
