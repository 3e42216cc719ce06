//! `--target docker`: servers in containers, of which nothing is left however it ends.
//!
//! They take a container engine and the images that `BULKHEAD_IMAGE_POSTGRES` and its like name, or the default ones where
//! there is a registry; `compose/images/build` builds some from Debian's packages.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use bulkhead_model::{RunReport, Service};
use futures::TryStreamExt as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use testcontainers::{
    bollard::{
        Docker,
        models::ContainerSummary,
        query_parameters::{ListContainersOptionsBuilder, WaitContainerOptionsBuilder},
    },
    core::client::docker_client_instance,
};

use super::command::{Desk, NO_ENGINE};
use crate::tools::skipped;

#[cfg(feature = "toxiproxy")]
mod toxiproxy;

/// The engine; none, and a word on it, where there is none.
async fn engine() -> Option<Docker> {
    let asked = async {
        let docker = docker_client_instance().await.map_err(|error| error.to_string())?;
        docker.ping().await.map_err(|error| error.to_string())?;
        Ok::<_, String>(docker)
    };
    match asked.await {
        Ok(docker) => Some(docker),
        Err(why) => {
            skipped(&format!("no container engine answers: {why}"));
            None
        }
    }
}

/// A desk whose runs nobody shares. `alone` would look for servers of this machine, which there need not be.
fn desk() -> Desk {
    let mut desk = Desk::new().with_engine();
    let temp = desk.path("tmp");
    std::fs::create_dir(&temp).unwrap();
    desk.set("BULKHEAD_LINGER", "0");
    desk.set("TMPDIR", temp.to_str().unwrap());
    desk
}

/// The runs whose folders lie at the desk.
fn runs(desk: &Desk) -> Vec<String> {
    let entries = std::fs::read_dir(desk.path("tmp")).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    names.filter_map(|name| Some(name.strip_prefix("bulkhead-run-")?.to_owned())).collect()
}

async fn containers(docker: &Docker, run: &str) -> Vec<ContainerSummary> {
    let label = HashMap::from([("label", vec![format!("bulkhead.run={run}")])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&label).build();
    docker.list_containers(Some(options)).await.unwrap()
}

/// The keeper of the desk's run.
fn keeper(desk: &Desk) -> Pid {
    let said = desk.run(&["status"]).stdout;
    let (_, rest) = said.split_once("keeper ").unwrap();
    Pid::from_raw(rest.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_on_loopback_alone_and_outlive_neither_harness_nor_keeper() {
    let Some(docker) = engine().await else { return };
    let desk = desk();
    let mut up = desk.command(&["up", "--target", "docker"]);
    let mut up = up.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let said = BufReader::new(up.stdout.take().unwrap());
    // It says how to use them once they serve.
    let ready = said.lines().map_while(Result::ok).any(|line| line.contains("bulkhead env"));
    assert!(ready, "`up` ended before its servers served");

    let runs = runs(&desk);
    assert_eq!(runs.len(), 1, "{runs:?}");
    let there = containers(&docker, &runs[0]).await;
    assert_eq!(there.len(), 4, "{there:#?}");
    let ports: Vec<_> = there.iter().flat_map(|container| container.ports.iter().flatten()).collect();
    assert!(ports.iter().filter(|port| port.public_port.is_some()).count() >= there.len(), "{ports:?}");
    let published = ports.iter().filter(|port| port.public_port.is_some());
    for port in published {
        assert_eq!(port.ip.as_deref(), Some("127.0.0.1"), "{port:?}");
    }

    // Who names no target means what runs, whatever this machine has.
    let second = desk.run(&["up"]);
    assert_eq!(second.code, Some(0), "{}", second.all());
    assert!(second.stdout.starts_with("already up, held by"), "{}", second.all());
    let embedded = desk.run(&["up", "--s3", "embedded"]);
    assert_eq!(embedded.code, Some(3), "{}", embedded.all());
    assert!(embedded.stderr.contains("the servers run in containers of"), "{}", embedded.all());

    let keeper = keeper(&desk);
    let gone = there.iter().map(|container| {
        let options = WaitContainerOptionsBuilder::new().condition("removed").build();
        let id = container.id.clone().unwrap();
        let docker = docker.clone();
        // The wait itself may find it gone.
        async move { docker.wait_container(&id, Some(options)).try_for_each(|_| async { Ok(()) }).await.ok() }
    });
    let gone = futures::future::join_all(gone);
    for process in [Pid::from_raw(i32::try_from(up.id()).unwrap()), keeper] {
        kill(process, Signal::SIGKILL).unwrap();
    }
    up.wait().unwrap();
    gone.await;
    desk.vanishes();
    assert!(containers(&docker, &runs[0]).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_never_ready_is_told_of_and_removed() {
    let Some(docker) = engine().await else { return };
    let mut desk = desk();
    // A broker, which knows nothing of a configuration of Redis.
    let broker =
        std::env::var("BULKHEAD_IMAGE_RABBITMQ").unwrap_or_else(|_| "rabbitmq:4.2-management".into());
    desk.set("BULKHEAD_IMAGE_REDIS", &broker);
    desk.set("BULKHEAD_START_DEADLINE", "20s");
    let ran = desk.run(&["verify", "scenarios/checklist", "--target", "docker"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    assert!(ran.stderr.contains("error: redis: "), "{}", ran.all());
    desk.vanishes();
    let options = ListContainersOptionsBuilder::new().all(true).build();
    let listed = docker.list_containers(Some(options)).await.unwrap();
    // Other tests have containers of their own meanwhile, but none like this one.
    let such = |container: &&ContainerSummary| {
        let command = container.command.as_deref().unwrap_or_default();
        command.contains("redis.conf") && container.image.as_deref() == Some(broker.as_str())
    };
    let left: Vec<_> = listed.iter().filter(such).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_nobody_has_is_one_error_with_the_variable() {
    let Some(_) = engine().await else { return };
    let mut desk = desk();
    desk.set("BULKHEAD_IMAGE_POSTGRES", "bulkhead.invalid/none:1");
    let ran = desk.run(&["verify", "scenarios/checklist", "--target", "docker"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    for part in ["could not get the image `bulkhead.invalid/none:1`", "BULKHEAD_IMAGE_POSTGRES"] {
        assert_eq!(ran.all().matches(part).count(), 1, "{}", ran.all());
    }
    assert!(!ran.all().contains("--s3 embedded"), "{}", ran.all());
    desk.vanishes();
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_without_its_image_has_another_way_out() {
    let Some(_) = engine().await else { return };
    let mut desk = desk();
    desk.set("BULKHEAD_IMAGE_S3", "bulkhead.invalid/none:1");
    let ran = desk.run(&["verify", "scenarios/checklist", "--target", "docker"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    for part in ["could not get the image `bulkhead.invalid/none:1`", "BULKHEAD_IMAGE_S3", "`--s3 embedded`"]
    {
        assert_eq!(ran.all().matches(part).count(), 1, "{}", ran.all());
    }
    desk.vanishes();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_holds_no_s3_server_is_refused_before_any_starts() {
    let Some(_) = engine().await else { return };
    let mut desk = desk();
    let other = std::env::var("BULKHEAD_IMAGE_REDIS").unwrap_or_else(|_| "redis:8".into());
    desk.set("BULKHEAD_IMAGE_S3", &other);
    let ran = desk.run(&["verify", "scenarios/checklist", "--target", "docker"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    for part in ["says which server it holds", "BULKHEAD_IMAGE_S3", "MinIO", "SeaweedFS", "`--s3 embedded`"] {
        assert_eq!(ran.all().matches(part).count(), 1, "{part}: {}", ran.all());
    }
    assert!(!ran.all().contains("ready"), "{}", ran.all());
    desk.vanishes();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_servers_of_this_machine_containers_are_taken_and_s3_needs_no_image() {
    let Some(_) = engine().await else { return };
    let mut desk = desk();
    for place in ["BULKHEAD_POSTGRES_BIN", "BULKHEAD_REDIS_BIN", "BULKHEAD_RABBITMQ_HOME"] {
        desk.set(place, "/nonexistent");
    }
    desk.set("BULKHEAD_INSTALL", "0");
    desk.set("BULKHEAD_IMAGE_S3", "bulkhead.invalid/none:1");
    let ran = desk.run(&["verify", "scenarios/checklist", "--s3", "embedded", "--format", "json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let report: RunReport = serde_json::from_str(&ran.stdout).unwrap();
    let reason = "a container engine answers; not on this machine: postgres, redis, rabbitmq";
    assert_eq!((report.target.as_str(), report.target_reason.as_deref()), ("docker", Some(reason)));
    assert_eq!(ran.stderr.matches(&format!("\ntarget      docker: {reason}\n")).count(), 1, "{}", ran.all());
    let s3 = report.servers.iter().find(|server| server.service == Service::S3).unwrap();
    assert_eq!(s3.product, "embedded");
    desk.vanishes();
}

#[test]
fn without_an_engine_one_error_says_what_to_do() {
    let mut desk = desk();
    desk.set("DOCKER_HOST", NO_ENGINE);
    let ran = desk.run(&["checklist", "--target", "docker"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    for part in ["no container engine answers", "DOCKER_HOST", "--target native"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.all());
    }
    desk.vanishes();
}
