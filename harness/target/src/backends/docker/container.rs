//! One container: made with its files in it, watched, signalled through the engine, and removed with its volumes.

use std::{
    collections::HashMap,
    fs::OpenOptions,
    io::Write as _,
    os::unix::{fs::OpenOptionsExt as _, process::ExitStatusExt as _},
    path::PathBuf,
    process::ExitStatus,
    time::Duration,
};

use bulkhead_model::Service;
use futures::{StreamExt as _, future::BoxFuture};
use nix::{sys::signal::Signal, unistd::Pid};
use testcontainers::{
    ContainerAsync, ContainerRequest, CopyDataSource, CopyTargetOptions, Image as Module, ImageExt as _,
    bollard::{
        Docker, body_full,
        errors::Error as ApiError,
        models::{ContainerUpdateBody, PortBinding},
        query_parameters::{
            InspectContainerOptions, KillContainerOptionsBuilder, LogsOptionsBuilder, StartContainerOptions,
            UploadToContainerOptionsBuilder, WaitContainerOptions,
        },
    },
    core::IntoContainerPort as _,
    runners::AsyncRunner as _,
};
use testcontainers_modules::{minio::MinIO, postgres::Postgres, rabbitmq::RabbitMq, redis::Redis};
use tokio::sync::{Notify, watch};

use super::{Inside, clear, engine, images::Image};
use crate::{Error, error::Cause, process::tail};

/// Told whenever a container has ended, as SIGCHLD tells of processes.
pub(crate) static ENDED: Notify = Notify::const_new();

/// How long the engine may take for one thing that it is told.
pub(super) const ENGINE: Duration = Duration::from_secs(60);

/// How much of the processors a container gets beside others that want them, until it serves, as the engine counts shares:
/// the broker takes the longest to start, so the others wait for it and nobody waits longer.
const fn at_first(service: Service) -> i64 {
    if matches!(service, Service::Rabbitmq) { SHARES } else { SHARES / 8 }
}

/// What containers have by default.
const SHARES: i64 = 1024;

/// A file that is put into a container under the path that it has here.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// Its mode there; its owner is root.
    pub(crate) mode: u32,
}

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct ContainerSpec {
    pub(crate) service: Service,
    /// The run's id, its label.
    pub(crate) run: String,
    pub(crate) image: Image,
    /// What the image's entry point is given.
    pub(crate) command: Vec<String>,
    /// Its variables, none of which holds a password.
    pub(crate) env: Vec<(String, String)>,
    /// Put into it before each start.
    pub(crate) files: Vec<File>,
    /// Published on loopback under the same numbers.
    pub(crate) ports: Vec<u16>,
    /// The server's folder here.
    pub(crate) dir: PathBuf,
    /// Where its standard output and error go, appended.
    pub(crate) log: PathBuf,
}

/// A container that was started.
pub(crate) struct Container {
    service: Service,
    docker: Docker,
    id: String,
    held: Option<Box<dyn Held>>,
    dir: PathBuf,
    log: PathBuf,
    /// The number of its first process on this system; none where the engine runs them on another.
    pid: Option<Pid>,
    /// How its first process ended, once it has.
    ended: watch::Receiver<Option<ExitStatus>>,
}

/// What testcontainers keeps of a container, whichever module it is of.
trait Held: Send + Sync {
    fn remove(self: Box<Self>) -> BoxFuture<'static, Result<(), Cause>>;
}

impl<I: Module + 'static> Held for ContainerAsync<I> {
    fn remove(self: Box<Self>) -> BoxFuture<'static, Result<(), Cause>> {
        Box::pin(async { (*self).rm().await.map_err(Cause::from) })
    }
}

impl std::fmt::Debug for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Container").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ContainerSpec {
    /// Makes the container and starts it; does not wait until it serves.
    ///
    /// # Errors
    /// When the engine does not.
    pub(crate) async fn start(&self) -> Result<Container, Error> {
        clear::note(&self.dir)?;
        match self.service {
            Service::Postgres => self.start_of(Postgres::default().into()).await,
            Service::Redis => self.start_of(Redis::default().into()).await,
            Service::Rabbitmq => self.start_of(RabbitMq::default().into()).await,
            Service::S3 => self.start_of(MinIO::default().into()).await,
        }
    }

    async fn start_of<I: Module + 'static>(&self, module: ContainerRequest<I>) -> Result<Container, Error> {
        let docker = engine().await?;
        let (ports, shares) = (self.ports.clone(), at_first(self.service));
        let mut wanted = module
            .with_name(&self.image.name)
            .with_tag(&self.image.tag)
            .with_label(clear::LABEL, &self.run)
            .with_cmd(self.command.clone())
            // Whether it serves is asked in the service's own language.
            .with_ready_conditions(Vec::new())
            .with_startup_timeout(ENGINE)
            .with_host_config_modifier(move |config| {
                // As testcontainers leaves it, every port is published on all interfaces.
                config.publish_all_ports = Some(false);
                config.port_bindings = Some(on_loopback(&ports));
                config.cpu_shares = Some(shares);
            });
        for port in &self.ports {
            wanted = wanted.with_mapped_port(*port, port.tcp());
        }
        for (name, value) in &self.env {
            wanted = wanted.with_env_var(name, value);
        }
        for file in &self.files {
            let bytes = std::fs::read(&file.path).map_err(Error::disk("read", &file.path))?;
            let target = CopyTargetOptions::new(file.path.display().to_string()).with_mode(file.mode);
            wanted = wanted.with_copy_to(target, CopyDataSource::Data(bytes));
        }
        let failed = Error::serve(self.service, format!("start a container of `{}`", self.image));
        let held = wanted.start().await.map_err(failed)?;
        let id = held.id().to_owned();
        let ended = watch(self, &docker, &id, 0)?;
        let (dir, log) = (self.dir.clone(), self.log.clone());
        let (pid, held) = (first_process(&docker, &id).await, Some(Box::new(held) as Box<dyn Held>));
        Ok(Container { service: self.service, docker, id, held, dir, log, pid, ended })
    }

    /// Starts a container again that has ended, with its files as they are here now.
    ///
    /// # Errors
    /// When the engine does not.
    pub(crate) async fn start_again(&self, container: &mut Container) -> Result<(), Error> {
        let failed = |cause: Cause| Error::serve(self.service, "start the container again")(cause);
        container.put(&self.files).await.map_err(failed)?;
        let Container { docker, id, .. } = &*container;
        let since = time::OffsetDateTime::now_utc().unix_timestamp();
        docker
            .start_container(id, None::<StartContainerOptions>)
            .await
            .map_err(|error| failed(error.into()))?;
        let pid = first_process(docker, id).await;
        container.ended = watch(self, docker, id, since)?;
        container.pid = pid;
        Ok(())
    }
}

/// The number of a container's first process, where that is a process here: its control group bears the container's name.
async fn first_process(docker: &Docker, id: &str) -> Option<Pid> {
    let found = docker.inspect_container(id, None::<InspectContainerOptions>).await.ok()?;
    let pid = found.state?.pid.filter(|pid| *pid > 0)?;
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    groups.contains(id).then(|| Pid::from_raw(i32::try_from(pid).unwrap_or_default()))
}

fn on_loopback(ports: &[u16]) -> HashMap<String, Option<Vec<PortBinding>>> {
    let binding = |port: &u16| {
        let at = PortBinding { host_ip: Some(String::from("127.0.0.1")), host_port: Some(port.to_string()) };
        (format!("{port}/tcp"), Some(vec![at]))
    };
    ports.iter().map(binding).collect()
}

/// The files as a tar archive, each under its path.
async fn archive(files: &[File]) -> std::io::Result<Vec<u8>> {
    let mut archive = tokio_tar::Builder::new(Vec::new());
    for File { path, mode } in files {
        let bytes = std::fs::read(path)?;
        let mut header = tokio_tar::Header::new_gnu();
        header.set_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        header.set_mode(*mode);
        header.set_cksum();
        let inside = path.strip_prefix("/").unwrap_or(path);
        archive.append_data(&mut header, inside, bytes.as_slice()).await?;
    }
    archive.into_inner().await
}

/// Carries what the container says into its log, and tells when and how it has ended.
fn watch(
    spec: &ContainerSpec,
    docker: &Docker,
    id: &str,
    since: i64,
) -> Result<watch::Receiver<Option<ExitStatus>>, Error> {
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&spec.log);
    let mut log = log.map_err(Error::disk("open", &spec.log))?;
    let (ends, ended) = watch::channel(None);
    let (docker, id) = (docker.clone(), id.to_owned());
    tokio::spawn(async move {
        let since = i32::try_from(since).unwrap_or(i32::MAX);
        let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).since(since).build();
        let mut said = std::pin::pin!(docker.logs(&id, Some(options)));
        while let Some(Ok(part)) = said.next().await {
            // A log that cannot be written is missed where it is asked for.
            let _missed = log.write_all(part.as_ref());
        }
        let status = status(&docker, &id).await;
        // Nobody watches one that was removed on purpose.
        let _unwatched = ends.send(Some(status));
        ENDED.notify_one();
    });
    Ok(ended)
}

/// Waits until the container has ended. One that is not there any more was killed.
async fn status(docker: &Docker, id: &str) -> ExitStatus {
    let mut waits = std::pin::pin!(docker.wait_container(id, None::<WaitContainerOptions>));
    let code = match waits.next().await {
        Some(Ok(ended)) => ended.status_code,
        Some(Err(ApiError::DockerContainerWaitError { code, .. })) => code,
        Some(Err(_)) | None => 128 + 9,
    };
    // As a shell tells it: from 129 on a signal.
    let code = i32::try_from(code).unwrap_or(255);
    ExitStatus::from_raw(if code > 128 { code - 128 } else { code << 8 })
}

impl Container {
    pub(crate) fn pid(&self) -> Option<Pid> {
        self.pid
    }

    pub(crate) fn service(&self) -> Service {
        self.service
    }

    /// How it ended, if it has.
    pub(crate) fn exited(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    /// Waits for its end.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let ended = self.ended.wait_for(Option::is_some).await;
        ended.ok().and_then(|status| *status).unwrap_or_else(|| ExitStatus::from_raw(9))
    }

    pub(crate) fn log_tail(&self, lines: usize) -> Vec<String> {
        tail(&self.log, lines)
    }

    /// From now on it is worth as much as any other.
    pub(crate) async fn serves(&self) {
        let body = ContainerUpdateBody { cpu_shares: Some(SHARES), ..ContainerUpdateBody::default() };
        if at_first(self.service) != SHARES
            && let Err(error) = self.docker.update_container(&self.id, body).await
        {
            // It works all the same, though more slowly where processors are few.
            tracing::warn!("{}: its container keeps few shares of the processors: {error}", self.service);
        }
    }

    /// Freezes every process of it, or lets them go on.
    pub(crate) async fn pause(&self, paused: bool) -> Result<(), Cause> {
        let told = if paused { self.docker.pause_container(&self.id).await } else { self.thaw().await };
        told.map_err(Cause::from)
    }

    /// Lets it go on, paused or not.
    async fn thaw(&self) -> Result<(), ApiError> {
        let found = self.docker.inspect_container(&self.id, None::<InspectContainerOptions>).await?;
        if found.state.and_then(|state| state.paused) == Some(true) {
            self.docker.unpause_container(&self.id).await?;
        }
        Ok(())
    }

    async fn signal(&self, signal: Signal) -> Result<(), ApiError> {
        let options = KillContainerOptionsBuilder::new().signal(signal.as_str()).build();
        match self.docker.kill_container(&self.id, Some(options)).await {
            // It has ended by itself.
            Err(ApiError::DockerResponseServerError { status_code: 409, .. }) => Ok(()),
            told => told,
        }
    }

    /// Kills all of it, and returns when it has ended.
    pub(crate) async fn kill(&mut self) -> Result<(), Cause> {
        self.thaw().await?;
        self.signal(Signal::SIGKILL).await?;
        self.wait().await;
        Ok(())
    }

    /// Asks it to end with `signal`, gives it `grace`, then kills it; returns when it has ended.
    pub(crate) async fn stop(&mut self, signal: Signal, grace: Duration) {
        let asked = async {
            self.thaw().await?;
            self.signal(signal).await
        };
        let asked = asked.await.is_ok();
        if !asked || tokio::time::timeout(grace, self.wait()).await.is_err() {
            // What the engine does not kill now it removes later.
            let _later = self.kill().await;
        }
    }

    /// Removes it with all that it wrote, and returns when it is gone.
    pub(crate) async fn discard(&mut self) {
        let Some(held) = self.held.take() else { return };
        match held.remove().await {
            Ok(()) => clear::forget(&self.dir),
            Err(error) => tracing::warn!("{}: its container stays for the janitor: {error}", self.service),
        }
    }

    /// Puts files into it as they are here now.
    pub(crate) async fn put(&self, files: &[File]) -> Result<(), Cause> {
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        let archive = body_full(archive(files).await?.into());
        Ok(self.docker.upload_to_container(&self.id, Some(options), archive).await?)
    }

    /// Where programs can be run in it.
    pub(crate) fn inside(&self) -> Inside {
        Inside { docker: self.docker.clone(), id: self.id.clone() }
    }
}
