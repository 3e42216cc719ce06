//! A `minio` binary in the embedded server's place: the same slices, on a server that nobody here wrote.
//!
//! Users and policies are made by MinIO's admin API, whose secrets travel sealed ([`seal`]) inside TLS. Its refusals
//! are its own, not B2's.

use std::{
    ffi::OsString,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aws_sdk_s3::{Client, error::DisplayErrorContext};
use bulkhead_model::{Service, url::S3Access};
use nix::sys::signal::Signal;

use crate::{
    ChildSpec, Error, Missing, TargetSpec,
    backends::docker::{ContainerSpec, File, Image},
    clients::s3::connect,
    instance::{Instance, InstanceSpec},
    private, ready,
    services::{Place, locate, password, port},
};

mod admin;
mod compose;
mod policy;
mod seal;
mod server;

pub(super) use compose::composed;

use admin::Admin;
use server::Server;

/// The program's name.
const NAMES: [&str; 1] = ["minio"];

/// What it calls its certificate and the certificate's key.
const PUBLIC: &str = "public.crt";
const PRIVATE: &str = "private.key";

/// Its administrator.
const ROOT: &str = "bulkhead-root";

/// The file of the server's log.
const LOG: &str = "minio.log";

/// Looks for the program.
pub(super) fn find(spec: &TargetSpec) -> Result<PathBuf, Missing> {
    let named = spec.places.minio_bin.as_deref();
    locate::program(&NAMES, named, &["/usr/local/bin"]).ok_or_else(|| Missing {
        service: Service::S3,
        looked: locate::looked(&NAMES, named, &["/usr/local/bin"]),
    })
}

/// Starts it and waits until it serves.
pub(super) async fn start(spec: &TargetSpec, place: &Place) -> Result<Server, Error> {
    let begun = Instant::now();
    let port = port::pick(Service::S3, place)?;
    let root = S3Access {
        endpoint: format!("https://127.0.0.1:{port}"),
        access_key_id: String::from(ROOT),
        secret_access_key: password::random(),
        bucket: String::new(),
    };
    let certs = certificates(place)?;
    let spec = match spec.images.as_ref().and_then(|images| images.of(Service::S3)) {
        Some(image) => contained(image, place, port, &root, &certs)?,
        None => process(spec, place, port, &root, &certs)?,
    };
    let mut instance = spec.start().await?;
    let client = connect(&root, Some(&place.ca))?;
    ready(&mut instance, place.deadline, &client).await?;
    let version = version(&spec, &instance).await?;
    let admin = Admin::new(&root, port, &place.ca)?;
    Ok(Server::new((instance, spec, place.deadline), client, admin, root.endpoint, version, begun.elapsed()))
}

/// A folder with the certificate under the two names that it looks for.
fn certificates(place: &Place) -> Result<PathBuf, Error> {
    let certs = place.dir.join("certs");
    folder(&certs)?;
    let identity = place.authority.identity("s3", &certs)?;
    for (from, to) in [(&identity.cert, certs.join(PUBLIC)), (&identity.key, certs.join(PRIVATE))] {
        std::fs::rename(from, &to).map_err(Error::disk("create", to))?;
    }
    Ok(certs)
}

fn folder(path: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path).map_err(Error::disk("create", path))
}

fn process(
    spec: &TargetSpec,
    place: &Place,
    port: u16,
    root: &S3Access,
    certs: &Path,
) -> Result<InstanceSpec, Error> {
    let program = find(spec).map_err(|missing| Error::Missing(vec![missing]))?;
    let data = place.dir.join("data");
    folder(&data)?;
    let variable = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
    Ok(InstanceSpec::Process(ChildSpec {
        service: Service::S3,
        run: place.run.clone(),
        program,
        args: ["server", "--address", &format!("127.0.0.1:{port}"), "--certs-dir"]
            .map(OsString::from)
            .into_iter()
            .chain([certs.into(), data.into_os_string()])
            .collect(),
        env: vec![
            variable("MINIO_ROOT_USER", &root.access_key_id),
            variable("MINIO_ROOT_PASSWORD", root.secret_access_key.expose()),
            variable("MINIO_BROWSER", "off"),
            variable("MINIO_UPDATE", "off"),
        ],
        dir: place.dir.clone(),
        log: place.dir.join(LOG),
        user: None,
        death_signal: Signal::SIGKILL,
        piped: false,
    }))
}

fn contained(
    image: &Image,
    place: &Place,
    port: u16,
    root: &S3Access,
    certs: &Path,
) -> Result<InstanceSpec, Error> {
    let word = place.dir.join("password");
    private::write(&word, root.secret_access_key.expose(), 0o600)?;
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let file = |path: PathBuf| File { path, mode: 0o600 };
    Ok(InstanceSpec::Container(ContainerSpec {
        service: Service::S3,
        run: place.run.clone(),
        image: image.clone(),
        command: vec![
            "server".into(),
            "--address".into(),
            format!(":{port}"),
            "--certs-dir".into(),
            certs.display().to_string(),
            "/data".into(),
        ],
        env: vec![
            variable("MINIO_ROOT_USER", &root.access_key_id),
            variable("MINIO_ROOT_PASSWORD_FILE", &word.display().to_string()),
            variable("MINIO_BROWSER", "off"),
            variable("MINIO_UPDATE", "off"),
        ],
        files: vec![file(certs.join(PUBLIC)), file(certs.join(PRIVATE)), file(word)],
        ports: vec![port],
        dir: place.dir.clone(),
        log: place.dir.join(LOG),
    }))
}

/// Waits until it answers its administrator.
async fn ready(instance: &mut Instance, deadline: Duration, client: &Client) -> Result<(), Error> {
    let asked = || {
        let list = client.list_buckets().send();
        async move { list.await.map(drop).map_err(|error| DisplayErrorContext(error).to_string()) }
    };
    ready::until(Service::S3, instance, deadline, asked).await
}

/// What it says about itself: `minio version RELEASE.2025-02-28T09-55-16Z (commit-id=…)`.
async fn version(spec: &InstanceSpec, instance: &Instance) -> Result<String, Error> {
    let said = match (spec, instance) {
        (InstanceSpec::Process(ChildSpec { program, .. }), _) => {
            let asked = tokio::process::Command::new(program).arg("--version").kill_on_drop(true).output();
            let failed = |source| Error::Spawn { service: Service::S3, program: program.clone(), source };
            String::from_utf8_lossy(&asked.await.map_err(failed)?.stdout).into_owned()
        }
        (_, Instance::Container(container)) => {
            let asked = container.inside().run("root", &["minio", "--version"], &[]).await;
            asked.map_err(Error::serve(Service::S3, "ask for its version"))?
        }
        _ => String::new(),
    };
    Ok(said.split_whitespace().nth(2).unwrap_or("unknown").to_owned())
}
