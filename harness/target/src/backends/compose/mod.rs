//! A Compose file whose services have a slice for each tenant from the beginning, for who would rather start servers with
//! Docker Compose than with `bulkhead up`. It is text: nothing is started here.
//!
//! Every service writes its own part (`services/<service>/compose.rs` and `compose.yaml` beside it) with the statements,
//! rules and documents that the stand-ins use. What is here is what the parts share: certificates, images, ports, Toxiproxy.
//! Everything is derived from the topology, passwords too, so that the same topology is the same file.

use std::path::PathBuf;

use bulkhead_model::{Service, Topology};

use super::docker::images;
use crate::{Error, Identity, TenantAccess, services};

mod yaml;

use yaml::block;

/// Where the servers' containers find certificates: the authority's, and a folder for each service.
const CERTIFICATES: &str = "/tls";

/// Where the authority's certificate lies, seen from the file.
pub const AUTHORITY: &str = "tls/ca.pem";

/// Where containers find what Bulkhead has for them.
pub(crate) const FOLDER: &str = "/etc/bulkhead";

/// How the file begins.
const HEAD: &str = include_str!("head.yaml");

/// What makes the certificates.
const CERTIFICATES_SH: &str = include_str!("certificates.sh");

/// Where Toxiproxy's API is published.
const API: u16 = 18474;

/// Toxiproxy's own port for its API.
const API_INSIDE: u16 = 8474;

/// One service's part of the file.
pub struct Part {
    /// Its entry among the services, in which `@image@` and `@port@` stand for what is filled in.
    pub(crate) entry: String,
    /// Files that its container gets, by the names that the entry gives them.
    pub(crate) files: Vec<(&'static str, String)>,
    /// Where it listens inside.
    pub(crate) port: u16,
    /// Where it is published.
    pub(crate) published: u16,
    /// Where Toxiproxy's way to it is published.
    pub(crate) proxied: u16,
    /// What leads to the slice of each tenant.
    pub(crate) accesses: Vec<services::Access>,
}

/// The file, and what leads each tenant to its slices.
pub struct Compose {
    /// `compose.yaml`.
    pub file: String,
    /// Each tenant's way to its slices once the file's services are up.
    pub tenants: Vec<TenantAccess>,
}

/// Writes the file of a topology. Clients are told to read the authority's certificate at `authority`.
///
/// # Errors
/// When a slice cannot be written down.
pub fn compose(topology: &Topology, authority: PathBuf) -> Result<Compose, Error> {
    let mut parts = Vec::new();
    for stand_in in services::ALL {
        let service = stand_in.service();
        parts.push((service, stand_in.composed(&topology.tenants, topology.enforcement(service))?));
    }
    let names = topology.tenants.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>().join(", ");
    let mut file = HEAD.replace("@tenants@", &names);
    let mut files = vec![("certificates.sh", CERTIFICATES_SH.to_owned())];
    file.push_str(&certificates());
    for (service, part) in &mut parts {
        file.push('\n');
        file.push_str(&entry(*service, part));
        files.append(&mut part.files);
    }
    file.push_str(&toxiproxy(&parts));
    files.push(("toxiproxy.json", proxies(&parts)));
    file.push_str("\nvolumes:\n  tls:\n");
    for (service, _) in &parts {
        file.push_str(&format!("  {service}:\n"));
    }
    file.push_str("\n# What the containers find in files. `$$` is Compose's way to write `$`.\nconfigs:\n");
    for (name, text) in files {
        file.push_str(&format!("  {name}:\n    content: {}", block(&text, 6)));
    }
    let accesses = parts.into_iter().map(|(service, part)| (service, part.accesses)).collect();
    let tenants = services::assemble(&topology.tenants, accesses, &authority);
    let tenants = tenants.map_err(|why| Error::Refused { why, hint: None })?;
    Ok(Compose { file, tenants })
}

/// A server's certificate and key, where its container finds them.
pub(crate) fn identity(service: Service) -> Identity {
    let at = |name: &str| format!("{CERTIFICATES}/{name}").into();
    Identity {
        ca: at("ca.pem"),
        cert: at(&format!("{service}/cert.pem")),
        key: at(&format!("{service}/key.pem")),
    }
}

/// What makes the certificates, with the `openssl` of PostgreSQL's image.
fn certificates() -> String {
    include_str!("certificates.yaml").replace("@image@", &image(Service::Postgres))
}

/// A service's entry, whole.
fn entry(service: Service, part: &Part) -> String {
    part.entry
        .replace("@image@", &image(service))
        .replace("@port@", &port(service.name(), part.published, part.port))
}

/// The image of a service, or the one that its variable names.
fn image(service: Service) -> String {
    format!("${{{}:-{}}}", images::variable(service), images::default(service))
}

/// A port's entry: on loopback, wherever the variable of that name says.
fn port(name: &str, published: u16, inside: u16) -> String {
    let name = name.to_uppercase().replace('-', "_");
    format!("\"127.0.0.1:${{BULKHEAD_PORT_{name}:-{published}}}:{inside}\"")
}

fn toxiproxy(parts: &[(Service, Part)]) -> String {
    let mut ports = format!("      - {}\n", port("toxiproxy", API, API_INSIDE));
    for (service, part) in parts {
        let name = format!("toxiproxy_{service}");
        ports.push_str(&format!("      - {}\n", port(&name, part.proxied, part.port)));
    }
    let healthy =
        |(service, _): &(Service, Part)| format!("      {service}: {{ condition: service_healthy }}\n");
    let image = format!("${{{}:-{}}}", images::TOXIPROXY_VARIABLE.name, images::TOXIPROXY);
    include_str!("toxiproxy.yaml")
        .replace("@image@", &image)
        .replace("@ports@\n", &ports)
        .replace("@healthy@\n", &parts.iter().map(healthy).collect::<String>())
}

/// Toxiproxy's file of proxies: each service under its own name and port.
fn proxies(parts: &[(Service, Part)]) -> String {
    let each = parts.iter().map(|(service, part)| {
        serde_json::json!({
            "name": service.name(),
            "listen": format!("0.0.0.0:{}", part.port),
            "upstream": format!("{service}:{}", part.port),
            "enabled": true,
        })
    });
    format!("{:#}\n", serde_json::Value::Array(each.collect()))
}

#[cfg(test)]
mod tests;
