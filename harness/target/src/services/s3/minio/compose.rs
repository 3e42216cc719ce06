//! The server in a Compose file: a script that makes the slices in requests which are signed and sealed as a stand-in's are.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bulkhead_model::{
    Enforcement, Service, Tenant,
    url::{S3Access, shell_word},
};

use super::{ROOT, admin, secret};
use crate::{
    Error,
    backends::compose::Part,
    services::{
        Access,
        password::Source,
        s3::{
            policy,
            product::{self, Key},
            signed::{Call, REGION},
        },
    },
};

/// Where it listens inside, is published, and is published through Toxiproxy.
const PORTS: [u16; 3] = [9000, 19000, 29000];

pub(in crate::services::s3) fn composed(tenants: &[Tenant], enforcement: Enforcement) -> Result<Part, Error> {
    let [port, published, proxied] = PORTS;
    let root = Source::Derived.password("s3");
    let buckets: Vec<_> = tenants.iter().map(|tenant| tenant.slices.s3.bucket.clone()).collect();
    let made: BTreeSet<_> = buckets.iter().collect();
    let mut steps: Vec<_> = made.into_iter().map(|bucket| format!("bucket {}", shell_word(bucket))).collect();
    let mut accesses = Vec::new();
    for tenant in tenants {
        let slice = &tenant.slices.s3;
        let name = tenant.name.as_str();
        let key = Key { id: product::name(Source::Derived, name), secret: secret(Source::Derived, name) };
        let document = policy::of(slice, &buckets, enforcement);
        steps.push(step("text", &admin::add_policy(&key.id, &document), &document.to_string()));
        let add = admin::add_user(&key, &root, Source::Derived);
        let add = add.ok_or("its secret could not be sealed");
        let doing = || format!("write the user of tenant `{}`", tenant.name);
        let add = add.map_err(Error::serve(Service::S3, doing()))?;
        steps.push(step("bytes", &add, &STANDARD.encode(&add.body)));
        steps.push(step("text", &admin::attach_policy(&key.id, &key.id), ""));
        let Key { id, secret } = key;
        accesses.push(Access::S3(S3Access {
            endpoint: format!("https://127.0.0.1:{published}"),
            access_key_id: id,
            secret_access_key: secret,
            bucket: slice.bucket.clone(),
        }));
    }
    let slices = steps.iter().map(|step| format!("    {step}\n")).collect::<String>();
    let script = include_str!("compose.sh").replace("@region@", REGION).replace("@slices@\n", &slices);
    let entry = include_str!("compose.yaml").replace("@root@", ROOT).replace("@password@", root.expose());
    Ok(Part { entry, files: vec![("s3.sh", script)], port, published, proxied, accesses })
}

/// A step of the script: the function that makes the request, where to, and what it takes.
fn step(function: &str, call: &Call, body: &str) -> String {
    format!("{function} {} {}", shell_word(&format!("{}?{}", call.path, call.query())), shell_word(body))
}
