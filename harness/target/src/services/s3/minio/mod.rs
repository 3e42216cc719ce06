//! MinIO, a `minio` binary or an image.
//!
//! Users and policies are made by MinIO's admin API, whose secrets travel sealed ([`seal`]) inside TLS. Its refusals
//! are its own, not B2's.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use bulkhead_model::{Secret, Service, url::S3Access};
use nix::sys::signal::Signal;

use super::{
    product::{self, Key, Prepared, Product, Site},
    signed::Signer,
};
use crate::{
    ChildSpec, Error, Missing, TargetSpec,
    backends::docker::{ContainerSpec, File, Image},
    instance::{Instance, InstanceSpec},
    private,
    services::{
        Place, locate,
        password::{self, Source},
    },
};

mod admin;
mod compose;
mod seal;

pub(super) use compose::composed;

use admin::Admin;

pub(super) static PRODUCT: Product =
    Product { name: "minio", title: "MinIO", program: "minio", below_bucket: true, versions: true, prepare };

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

/// A user's secret, of which MinIO takes forty characters at most.
fn secret(source: Source, tenant: &str) -> Secret {
    Secret::new(source.password(&format!("s3 {tenant}")).expose().get(..40).unwrap_or_default())
}

fn prepare(site: &Site<'_>) -> Result<Prepared, Error> {
    let Site { spec, image, place, port } = *site;
    let root = site.root(Key { id: String::from(ROOT), secret: password::random() });
    let certs = product::certificates(place, [PUBLIC, PRIVATE])?;
    let spec = match image {
        Some(image) => contained(image, place, port, &root, &certs)?,
        None => process(spec, place, port, &root, &certs)?,
    };
    let admin = Box::new(Admin(Signer::new(&root, port, &place.ca)?));
    Ok(Prepared { spec, admin, root })
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
    private::folder(&data)?;
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
