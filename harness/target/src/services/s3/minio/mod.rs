//! A `minio` binary in the embedded server's place: the same slices, on a server that nobody here wrote.
//!
//! Users and policies are made by MinIO's admin API, whose secrets travel sealed ([`seal`]) inside TLS. Its refusals
//! are its own, not B2's.

use std::{
    ffi::OsString,
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use aws_sdk_s3::{Client, error::DisplayErrorContext};
use bulkhead_model::{Service, url::S3Access};
use nix::sys::signal::Signal;

use crate::{
    ChildSpec, Error, Missing, TargetSpec,
    clients::s3::connect,
    instance::{Instance, InstanceSpec},
    ready,
    services::{Place, locate, password, port},
};

mod admin;
mod policy;
mod seal;
mod server;

use admin::Admin;
use server::Server;

/// The program's name.
const NAMES: [&str; 1] = ["minio"];

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
    let program = find(spec).map_err(|missing| Error::Missing(vec![missing]))?;
    let version = version(&program).await?;
    let (certs, data) = (place.dir.join("certs"), place.dir.join("data"));
    for folder in [&certs, &data] {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder).map_err(Error::disk("create", folder))?;
    }
    let identity = place.authority.identity("s3", &certs)?;
    // The two names that it looks for.
    for (from, to) in [(&identity.cert, certs.join("public.crt")), (&identity.key, certs.join("private.key"))]
    {
        std::fs::rename(from, &to).map_err(Error::disk("create", to))?;
    }
    let port = port::pick(Service::S3, place)?;
    let root = S3Access {
        endpoint: format!("https://127.0.0.1:{port}"),
        access_key_id: String::from("bulkhead-root"),
        secret_access_key: password::random(),
        bucket: String::new(),
    };
    let variable = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
    let spec = InstanceSpec::Process(ChildSpec {
        service: Service::S3,
        run: place.run.clone(),
        program,
        args: ["server", "--address", &format!("127.0.0.1:{port}"), "--certs-dir"]
            .map(OsString::from)
            .into_iter()
            .chain([certs.into_os_string(), data.into_os_string()])
            .collect(),
        env: vec![
            variable("MINIO_ROOT_USER", &root.access_key_id),
            variable("MINIO_ROOT_PASSWORD", root.secret_access_key.expose()),
            variable("MINIO_BROWSER", "off"),
            variable("MINIO_UPDATE", "off"),
        ],
        dir: place.dir.clone(),
        log: place.dir.join("minio.log"),
        user: None,
        death_signal: Signal::SIGKILL,
        piped: false,
    });
    let mut instance = spec.start().await?;
    let client = connect(&root, Some(&place.ca))?;
    ready(&mut instance, place.deadline, &client).await?;
    let admin = Admin::new(&root, port, &place.ca)?;
    Ok(Server::new((instance, spec, place.deadline), client, admin, root.endpoint, version, begun.elapsed()))
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
async fn version(program: &std::path::Path) -> Result<String, Error> {
    let asked = tokio::process::Command::new(program).arg("--version").kill_on_drop(true).output();
    let failed = |source| Error::Spawn { service: Service::S3, program: program.to_path_buf(), source };
    let said = asked.await.map_err(failed)?.stdout;
    let said = String::from_utf8_lossy(&said);
    Ok(said.split_whitespace().nth(2).unwrap_or("unknown").to_owned())
}
