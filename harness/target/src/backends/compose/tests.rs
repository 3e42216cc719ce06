//! The file can be read, has every tenant's slices, and opens nothing beyond this machine.

use bulkhead_model::Topology;
use proptest::prelude::*;
use serde_json::Value;

use super::{AUTHORITY, compose};

fn read(topology: &Topology) -> (String, Value) {
    let made = compose(topology, AUTHORITY.into()).unwrap();
    let document =
        serde_saphyr::from_str(&made.file).unwrap_or_else(|error| panic!("{error}\n{}", made.file));
    (made.file, document)
}

/// What the file called so in the containers holds.
fn content(document: &Value, name: &str) -> String {
    document["configs"][name]["content"].as_str().unwrap_or_default().replace("$$", "$")
}

/// Every tenant's slices are in the files that make them.
fn has_every_slice(topology: &Topology, document: &Value) {
    let compose = compose(topology, AUTHORITY.into()).unwrap();
    assert_eq!(compose.tenants.len(), topology.tenants.len());
    let [sql, acl, definitions, s3] =
        ["tenants.sql", "redis.conf", "definitions.json", "s3.sh"].map(|name| content(document, name));
    for access in &compose.tenants {
        let (slices, ways) = (&access.tenant.slices, &access.connections);
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        assert!(sql.contains(&format!("CREATE ROLE {} ", quoted(&ways.postgres.user))), "{sql}");
        assert!(sql.contains(&format!("CREATE DATABASE {} ", quoted(&slices.postgres.database))), "{sql}");
        if let Some(schema) = &slices.postgres.schema {
            assert!(sql.contains(&format!("CREATE SCHEMA {} ", quoted(schema))), "{sql}");
        }
        assert!(acl.contains(&format!("user \"{}\"", ways.redis.user)), "{acl}");
        let read: Value = serde_json::from_str(&definitions).unwrap();
        let named =
            |list: &str, name: &str| read[list].as_array().unwrap().iter().any(|one| one["name"] == name);
        assert!(named("users", &ways.rabbitmq.user) && named("vhosts", &slices.rabbitmq.vhost), "{read}");
        assert!(s3.contains(&format!("bucket '{}'\n", slices.s3.bucket)), "{s3}");
        assert!(s3.contains(&format!("accessKey={}'", ways.s3.access_key_id)), "{s3}");
    }
}

#[test]
fn the_built_in_layout_has_everything_on_loopback() {
    let topology = Topology::builtin();
    let (file, document) = read(&topology);
    has_every_slice(&topology, &document);
    let services = document["services"].as_object().unwrap();
    assert_eq!(services.len(), 6, "{file}");
    for (name, service) in services {
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name}: {port}");
        }
        assert_eq!(
            service["healthcheck"].is_object(),
            name != "certificates" && name != "toxiproxy",
            "{name}"
        );
        assert!(service["image"].as_str().unwrap().starts_with("${BULKHEAD_IMAGE_"), "{name}");
    }
    for place in ["tenants", "image", "port", "ports", "healthy", "root", "password", "region", "slices"] {
        assert!(!file.contains(&format!("@{place}@")), "{place} was not filled in: {file}");
    }
    assert_eq!(read(&topology).0, file, "the same topology is the same file");
}

#[test]
fn no_tenants_password_is_in_the_file() {
    for text in [Topology::DEFAULT.to_owned(), Topology::DEFAULT.replace("convention", "enforced")] {
        let topology = Topology::parse(&text, "test").unwrap();
        let compose = compose(&topology, AUTHORITY.into()).unwrap();
        for access in &compose.tenants {
            for service in bulkhead_model::Service::ALL {
                let login = access.own_login(service);
                assert!(
                    !compose.file.contains(login.password.expose()),
                    "{service} of {}",
                    access.tenant.name
                );
            }
        }
    }
}

#[test]
fn names_are_taken_as_they_are() {
    let text = r#"
        [tenants.one]
        postgres = { database = "a=b $c", schema = "it's \"x\\" }
        redis = { prefix = "$one{:" }
        rabbitmq = { vhost = "/v ${HOME}: #", queues = "q$1:" }
        s3 = { bucket = "shared", prefix = "one's/$x/" }
        [tenants.two]
        env = "TWO_"
        postgres = { database = "a=b $c", schema = "\u2028\u00a0" }
        redis = { prefix = "two:" }
        rabbitmq = { vhost = "/v ${HOME}: #", queues = "two:" }
        s3 = { bucket = "shared", prefix = "two/" }
        [services.redis]
        enforcement = "enforced"
    "#;
    let topology = Topology::parse(text, "test").unwrap();
    let (_, document) = read(&topology);
    has_every_slice(&topology, &document);
    assert!(content(&document, "tenants.sql").contains(r#"\connect -reuse-previous=on "dbname='a=b $c'""#));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a topology may name, the file can be read and makes it.
    #[test]
    fn every_topology_is_a_file(
        database in "\\PC{1,12}",
        vhost in "\\PC{1,40}",
        prefix in "[a-z$#'\"&!%|{}]{1,20}:",
        bucket in "[a-z0-9]{6,20}",
        enforced in proptest::bool::ANY,
    ) {
        let name = |text: &str| serde_json::to_string(text).unwrap();
        let enforcement = if enforced { "enforced" } else { "convention" };
        let mut text = ["postgres", "redis", "rabbitmq", "s3"]
            .map(|service| format!("[services.{service}]\nenforcement = \"{enforcement}\"\n"))
            .concat();
        for (tenant, env) in [("one", ""), ("two", "TWO_")] {
            text.push_str(&format!(
                "[tenants.{tenant}]\nenv = \"{env}\"\npostgres = {{ database = {} }}\nredis = {{ prefix = {} }}\n\
                 rabbitmq = {{ vhost = {} }}\ns3 = {{ bucket = {} }}\n",
                name(&format!("{tenant}{database}")),
                name(&format!("{tenant}{prefix}")),
                name(&format!("{tenant}{vhost}")),
                name(&format!("{tenant}{bucket}")),
            ));
        }
        // Names that no service takes are refused before there is a file.
        let Ok(topology) = Topology::parse(&text, "test") else { return Ok(()) };
        let (_, document) = read(&topology);
        has_every_slice(&topology, &document);
    }
}
