//! SeaweedFS, in the image `chrislusf/seaweedfs` or one that is used in the same way.
//!
//! One process is all of it: master, volumes, filer and the S3 gateway, of which only the last is reached from outside.
//! Its administrator's key is in a file that it reads at its start; the others come and go by its IAM API, at the same port.

use bulkhead_model::{Service, url::S3Access};
use serde_json::json;

use super::{
    product::{Key, Prepared, Product, Site},
    signed::Signer,
};
use crate::{
    Error,
    backends::docker::{ContainerSpec, File},
    instance::InstanceSpec,
    private,
    services::password,
};

mod admin;

use admin::Admin;

pub(super) static PRODUCT: Product = Product {
    name: "seaweedfs",
    title: "SeaweedFS",
    program: "weed",
    below_bucket: true,
    versions: true,
    prepare,
};

/// Its administrator.
const ROOT: &str = "bulkhead-root";

/// The gateway's other port, which would else be the first one's and ten thousand, beyond what there is.
const GRPC: u16 = 18333;

/// What it is told besides of where it listens. Every bucket is written into volumes of its own, of which its image would
/// set aside a gigabyte each; without these it would report to its makers, refuse to make keys, and stop late.
const SETTINGS: [&str; 6] = [
    "-master.telemetry=false",
    "-master.volumePreallocate=false",
    "-master.volumeSizeLimitMB=64",
    "-volume.max=10000",
    "-volume.preStopSeconds=0",
    "-s3.iam.readOnly=false",
];

/// One volume for a bucket is enough; it makes seven. Over HTTP/2 it checks a signature against the address that was dialled,
/// which is a link's, and not against the name that was signed; it speaks no other version then.
const VARIABLES: [(&str, &str); 2] =
    [("WEED_MASTER_VOLUME_GROWTH_COPY_1", "1"), ("GODEBUG", "http2server=0")];

fn prepare(site: &Site<'_>) -> Result<Prepared, Error> {
    let Some(image) = site.image else {
        return Err(Error::serve(Service::S3, "start SeaweedFS")("it is started from images only"));
    };
    let place = site.place;
    let root = site.root(Key { id: String::from(ROOT), secret: password::random() });
    let (config, log) = (place.dir.join("s3.json"), place.dir.join("seaweedfs.log"));
    private::write(&config, &identities(&root).to_string(), 0o600)?;
    let identity = place.authority.identity("s3", &place.dir)?;
    let mut command = vec![
        String::from("server"),
        String::from("-ip=127.0.0.1"),
        String::from("-ip.bind=127.0.0.1"),
        String::from("-s3"),
        String::from("-s3.ip.bind=0.0.0.0"),
        format!("-s3.port={}", site.port),
        format!("-s3.port.grpc={GRPC}"),
        format!("-s3.config={}", config.display()),
        format!("-s3.cert.file={}", identity.cert.display()),
        format!("-s3.key.file={}", identity.key.display()),
    ];
    command.extend(SETTINGS.map(String::from));
    // The image's user reads them there, and nobody else is there.
    let files = [config, identity.cert, identity.key].map(|path| File { path, mode: 0o644 });
    let spec = InstanceSpec::Container(ContainerSpec {
        service: Service::S3,
        run: place.run.clone(),
        image: image.clone(),
        command,
        env: VARIABLES.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        files: files.to_vec(),
        ports: vec![site.port],
        dir: place.dir.clone(),
        log,
    });
    let admin = Box::new(Admin(Signer::new(&root, site.port, &place.ca)?));
    Ok(Prepared { spec, admin, root })
}

/// The file of its own identities.
fn identities(root: &S3Access) -> serde_json::Value {
    json!({
        "identities": [{
            "name": ROOT,
            "credentials": [{
                "accessKey": root.access_key_id,
                "secretKey": root.secret_access_key.expose(),
            }],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }],
    })
}
