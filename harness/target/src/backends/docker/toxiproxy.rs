//! Toxiproxy's own image beside a run, for whoever has it break links: one container, held by the process that asked.
//!
//! It is on this machine's network, since what it dials is, and listens on loopback alone. A janitor of its own, as every
//! keeper has one, clears the container away when the process dies; the target may be any, with a keeper or without.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use testcontainers::{
    ContainerAsync, GenericImage, ImageExt as _,
    bollard::{
        Docker,
        query_parameters::{InspectContainerOptions, LogsOptionsBuilder},
    },
    runners::AsyncRunner as _,
};
use tokio::net::TcpStream;

use super::{
    clear,
    container::ENGINE,
    engine,
    engine::{elsewhere, have},
    images::{self, Image},
};
use crate::{
    Error,
    error::Cause,
    keeper::{Janitor, RunFolder, prepare},
    services::port,
    spec::Variable,
};

/// How long it may take to listen. It does nothing before.
const LISTENS: Duration = Duration::from_secs(30);

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// How much of its log goes with an error.
const LOG_LINES: usize = 20;

/// A container of Toxiproxy that listens.
pub struct Toxiproxy {
    held: ContainerAsync<GenericImage>,
    folder: RunFolder,
    janitor: Janitor,
    image: Image,
    api: SocketAddr,
}

/// What it is started with.
#[derive(Clone, Debug)]
pub struct ToxiproxySpec {
    /// The `bulkhead` executable, which is also the janitor.
    pub executable: PathBuf,
    /// Where the run's folder is made.
    pub temp: PathBuf,
    image: Image,
}

impl ToxiproxySpec {
    /// In this machine's folder for temporary files, of the image that the variable names or the default one.
    pub fn of(executable: PathBuf, read: impl Fn(Variable) -> Option<OsString>) -> Self {
        Self { executable, temp: std::env::temp_dir(), image: images::toxiproxy(read) }
    }
}

impl std::fmt::Debug for Toxiproxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Toxiproxy").field("api", &self.api).finish_non_exhaustive()
    }
}

impl Toxiproxy {
    /// Starts one, pulling the image where it is not there, which `tell` says before, and returns when it listens.
    ///
    /// # Errors
    /// [`Error::Toxiproxy`]; then nothing of it is left.
    pub async fn start(spec: ToxiproxySpec, tell: impl Fn(String)) -> Result<Self, Error> {
        let docker =
            engine().await.map_err(|error| failed("reach a container engine")(Cause::from(error)))?;
        if let Some(host) = elsewhere().await {
            let why = format!("only servers are started at Podman's own socket; set DOCKER_HOST={host}");
            return Err(failed("start a container beside the run")(why));
        }
        let image = spec.image;
        let had = have(&docker, &image, tell).await;
        had.map_err(failed(format!("get the image `{image}`")))?;
        let (run, folder, janitor) = prepare(&spec.executable, &spec.temp).await?;
        let started = Self::listening(&docker, &image, &run, &folder).await;
        match started {
            Ok((held, api)) => Ok(Self { held, folder, janitor, image, api }),
            Err(error) => {
                // The first error is the one to tell; what is left the next sweep finds.
                let _the_first_error_is_told = janitor.finish().await;
                Err(error)
            }
        }
    }

    async fn listening(
        docker: &Docker,
        image: &Image,
        run: &str,
        folder: &RunFolder,
    ) -> Result<(ContainerAsync<GenericImage>, SocketAddr), Error> {
        let port = port::reserve().map_err(failed("reserve a loopback port"))?;
        let api = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        clear::note(&folder.path)?;
        let wanted = GenericImage::new(&image.name, &image.tag)
            .with_label(clear::LABEL, run)
            .with_cmd(["-host".to_owned(), api.ip().to_string(), "-port".to_owned(), port.to_string()])
            .with_startup_timeout(ENGINE)
            .with_host_config_modifier(|config| {
                config.publish_all_ports = Some(false);
                config.network_mode = Some(String::from("host"));
            });
        let held = wanted.start().await.map_err(failed(format!("start a container of `{image}`")))?;
        match serves(docker, held.id(), api).await {
            Ok(()) => Ok((held, api)),
            Err(error) => {
                // What the engine does not remove now the janitor does.
                let _later = held.rm().await;
                Err(error)
            }
        }
    }

    /// Where its API listens.
    pub fn api(&self) -> SocketAddr {
        self.api
    }

    /// Which image it is of.
    pub fn image(&self) -> String {
        self.image.to_string()
    }

    /// Removes it, and returns when nothing of it is left.
    ///
    /// # Errors
    /// What may be left.
    pub async fn stop(self) -> Result<(), Error> {
        match self.held.rm().await {
            Ok(()) => clear::forget(&self.folder.path),
            Err(error) => tracing::warn!("toxiproxy: its container stays for the janitor: {error}"),
        }
        self.janitor.finish().await
    }
}

/// Returns when it takes connections.
async fn serves(docker: &Docker, id: &str, api: SocketAddr) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        let Err(refused) = TcpStream::connect(api).await else { return Ok(()) };
        let found = docker.inspect_container(id, None::<InspectContainerOptions>).await;
        let state = found.map_err(failed("look at its container"))?.state;
        let runs = state.and_then(|state| state.running) == Some(true);
        if !runs || begun.elapsed() > LISTENS {
            let why = if runs { refused.to_string() } else { String::from("it ended by itself") };
            let said = log(docker, id).await.join("\n  ");
            return Err(failed(format!("reach it at {api}"))(format!("{why}; its log ends:\n  {said}")));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn log(docker: &Docker, id: &str) -> Vec<String> {
    let lines = LOG_LINES.to_string();
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&lines).build();
    let said = docker.logs(id, Some(options));
    said.filter_map(async |part| Some(part.ok()?.to_string().trim_end().to_owned())).collect().await
}

fn failed<E: Into<Cause>>(doing: impl Into<String>) -> impl FnOnce(E) -> Error {
    let doing = doing.into();
    move |source| Error::Toxiproxy { doing, source: source.into() }
}
