//! Garage: keys that may read or write whole buckets, and nothing below a bucket. It has no TLS of its own and no versions.

use bulkhead_model::{Secret, Service};

use super::{
    front::Front,
    product::{self, Key, Prepared, Product, Site},
};
use crate::{
    Error,
    backends::docker::{ContainerSpec, File},
    error::Cause,
    instance::InstanceSpec,
    private,
    services::{
        password::{self, Source},
        port,
    },
};

mod admin;

use admin::{Admin, id, secret};

pub(super) static PRODUCT: Product = Product {
    name: "garage",
    title: "Garage",
    program: "garage",
    below_bucket: false,
    versions: false,
    prepare,
};

/// The region that its clients are told, and that of every client here.
const REGION: &str = "us-east-1";

/// The variable that names its configuration file.
const CONFIG: &str = "GARAGE_CONFIG_FILE";

fn prepare(site: &Site<'_>) -> Result<Prepared, Error> {
    let place = site.place;
    let image =
        site.image.ok_or_else(|| failed("start it")(Cause::from("it is started from an image only")))?;
    let reserved = || port::reserve().map_err(|error| failed("reserve a loopback port")(error.into()));
    let (inner, admin) = (reserved()?, reserved()?);
    let token = password::random();
    let file = place.dir.join("garage.toml");
    private::write(&file, &config(inner, admin, &token), 0o600)?;
    let identity = place.authority.identity("s3", &place.dir)?;
    let root = Key { id: id(&product::name(Source::Random, "")), secret: secret() };
    let access = site.root(root.clone());
    let front = Front::start(&identity, site.port, inner)?;
    let spec = InstanceSpec::Container(ContainerSpec {
        service: Service::S3,
        run: place.run.clone(),
        image: image.clone(),
        // An image of it has no entry point.
        command: vec![String::from("/garage"), String::from("server")],
        env: vec![
            (CONFIG.to_owned(), file.display().to_string()),
            (String::from("NO_COLOR"), String::from("1")),
        ],
        files: vec![File { path: file, mode: 0o600 }],
        ports: vec![inner, admin],
        dir: place.dir.clone(),
        log: place.dir.join("garage.log"),
    });
    Ok(Prepared { spec, admin: Box::new(Admin { port: admin, token, root, _front: front }), root: access })
}

/// One node that is a whole cluster. Everything in it is plain text or hexadecimal: no value needs escaping.
fn config(port: u16, admin: u16, token: &Secret) -> String {
    let secret = hex::encode(rand::random::<[u8; 32]>());
    format!(
        "metadata_dir = \"/var/lib/garage/meta\"\n\
         data_dir = \"/var/lib/garage/data\"\n\
         replication_factor = 1\n\
         rpc_bind_addr = \"127.0.0.1:3901\"\n\
         rpc_public_addr = \"127.0.0.1:3901\"\n\
         rpc_secret = \"{secret}\"\n\
         [s3_api]\n\
         api_bind_addr = \"0.0.0.0:{port}\"\n\
         s3_region = \"{REGION}\"\n\
         [admin]\n\
         api_bind_addr = \"0.0.0.0:{admin}\"\n\
         admin_token = \"{}\"\n",
        token.expose()
    )
}

fn failed(doing: &str) -> impl FnOnce(Cause) -> Error {
    Error::serve(Service::S3, format!("{doing}, Garage"))
}
