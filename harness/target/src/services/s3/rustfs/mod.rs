//! RustFS: users and policies as MinIO has them, under an admin API of its own whose bodies are plain JSON inside TLS.

use std::path::{Path, PathBuf};

use bulkhead_model::{Service, url::S3Access};

use super::{
    product::{self, Key, Prepared, Product, Site},
    signed::Signer,
};
use crate::{
    Error,
    backends::docker::{ContainerSpec, File, Image},
    error::Cause,
    instance::InstanceSpec,
    private,
    services::{Place, password},
};

mod admin;

use admin::Admin;

pub(super) static PRODUCT: Product = Product {
    name: "rustfs",
    title: "RustFS",
    program: "rustfs",
    below_bucket: true,
    versions: true,
    prepare,
};

/// What it calls its certificate and the certificate's key.
const CERT: &str = "rustfs_cert.pem";
const KEY: &str = "rustfs_key.pem";

/// Its administrator.
const ROOT: &str = "bulkhead-root";

fn prepare(site: &Site<'_>) -> Result<Prepared, Error> {
    let Site { image, place, port, .. } = *site;
    let image = image.ok_or_else(|| failed("start it")(Cause::from("it is started from an image only")))?;
    let root = site.root(Key { id: String::from(ROOT), secret: password::random() });
    let spec = contained(image, place, port, &root)?;
    let admin = Box::new(Admin(Signer::new(&root, port, &place.ca)?));
    Ok(Prepared { spec, admin, root })
}

fn contained(image: &Image, place: &Place, port: u16, root: &S3Access) -> Result<InstanceSpec, Error> {
    let certs = product::certificates(place, [CERT, KEY])?;
    let word = place.dir.join("password");
    private::write(&word, root.secret_access_key.expose(), 0o600)?;
    let at = |path: &Path| path.display().to_string();
    let env = [
        ("RUSTFS_ACCESS_KEY", root.access_key_id.clone()),
        ("RUSTFS_SECRET_KEY_FILE", at(&word)),
        ("RUSTFS_ADDRESS", format!("0.0.0.0:{port}")),
        ("RUSTFS_VOLUMES", String::from("/data")),
        ("RUSTFS_TLS_PATH", at(&certs)),
        ("RUSTFS_CONSOLE_ENABLE", String::from("false")),
        ("RUSTFS_CHECK_UPDATE", String::from("false")),
        // Its log is what it prints then.
        ("RUSTFS_OBS_LOG_DIRECTORY", String::new()),
    ];
    // The image's own user reads them, whom nobody here knows; inside there is nobody else.
    let file = |path: PathBuf| File { path, mode: 0o644 };
    Ok(InstanceSpec::Container(ContainerSpec {
        service: Service::S3,
        run: place.run.clone(),
        image: image.clone(),
        command: vec![String::from("rustfs")],
        env: env.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        files: vec![file(certs.join(CERT)), file(certs.join(KEY)), file(word)],
        ports: vec![port],
        dir: place.dir.clone(),
        log: place.dir.join("rustfs.log"),
    }))
}

fn failed(doing: &str) -> impl FnOnce(Cause) -> Error {
    Error::serve(Service::S3, format!("{doing}, RustFS"))
}
