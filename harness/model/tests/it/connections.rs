//! A tenant's environment: written and read back alike, and every problem of it said at once.

use std::collections::BTreeMap;

use bulkhead_model::{
    Secret, Tenant, Topology,
    url::{AmqpUrl, Connections, PostgresUrl, RedisUrl, S3Access},
};
use proptest::prelude::*;

use crate::{expect, strings::nasty};

fn good(tenant: &Tenant, password: &str) -> Connections {
    let password = || Secret::new(password);
    let tls = ("sslmode".to_owned(), "verify-full".to_owned());
    Connections {
        postgres: PostgresUrl {
            host: "h".into(),
            port: 5432,
            user: "u".into(),
            password: password(),
            database: tenant.slices.postgres.database.clone(),
            parameters: vec![tls],
        },
        redis: RedisUrl {
            host: "h".into(),
            port: 6379,
            user: "default".into(),
            password: password(),
            database: 0,
            tls: true,
        },
        rabbitmq: AmqpUrl {
            host: "h".into(),
            port: 5671,
            user: "u".into(),
            password: password(),
            vhost: tenant.slices.rabbitmq.vhost.clone(),
            tls: true,
        },
        s3: S3Access {
            endpoint: "https://h:9000".into(),
            access_key_id: "id".into(),
            secret_access_key: Secret::new("key"),
            bucket: tenant.slices.s3.bucket.clone(),
        },
    }
}

/// Reads the tenant's good environment after these changes; `None` unsets.
fn read(tenant: &str, changes: &[(&str, Option<&str>)]) -> Result<Connections, bulkhead_model::Problems> {
    let topology = Topology::builtin();
    let tenant = topology.tenant(tenant).unwrap();
    let mut environment: BTreeMap<String, String> = good(tenant, "p").variables(tenant).into_iter().collect();
    for (name, value) in changes {
        match value {
            Some(value) => environment.insert((*name).to_owned(), (*value).to_owned()),
            None => environment.remove(*name),
        };
    }
    Connections::from_lookup(tenant, &topology, &|name| environment.get(name).cloned())
}

#[test]
fn the_variables_are_the_documents_under_the_tenants_prefix() {
    let topology = Topology::builtin();
    let plane = topology.tenant("plane").unwrap();
    let variables = good(plane, "p").variables(plane);
    let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "PLANE_DATABASE_URL",
            "PLANE_REDIS_URL",
            "PLANE_AMQP_URL",
            "PLANE_AWS_S3_ENDPOINT_URL",
            "PLANE_AWS_ACCESS_KEY_ID",
            "PLANE_AWS_SECRET_ACCESS_KEY",
            "PLANE_AWS_S3_BUCKET_NAME",
        ]
    );
    assert_eq!(variables[2].1, "amqps://u:p@h:5671/wmohtwtk");
    let engine = topology.tenant("engine").unwrap();
    let variables = good(engine, "p").variables(engine);
    assert_eq!(
        (variables[0].0.as_str(), variables[2].1.as_str()),
        ("DATABASE_URL", "amqps://u:p@h:5671/%2Fengine")
    );
}

#[test]
fn an_empty_environment_is_seven_problems() {
    let topology = Topology::builtin();
    let plane = topology.tenant("plane").unwrap();
    let problems = Connections::from_lookup(plane, &topology, &|_| None).unwrap_err();
    let names: Vec<String> = Connections::VARIABLES.iter().map(|name| format!("PLANE_{name}")).collect();
    let expected: Vec<(&str, &str)> =
        names.iter().map(|name| (name.as_str(), "is not set\n  hint: it ")).collect();
    expect(&problems, &expected);
}

#[test]
fn every_kind_of_problem_is_said_at_once() {
    let problems = read(
        "engine",
        &[
            ("DATABASE_URL", Some("postgres://u:p@h/neondb?sslmode=prefer")),
            ("REDIS_URL", Some("redis://u:p@h")),
            ("AMQP_URL", Some("amqp://u:p@h/engine")),
            ("AWS_S3_ENDPOINT_URL", Some("http://h")),
            ("AWS_ACCESS_KEY_ID", Some("")),
            ("AWS_SECRET_ACCESS_KEY", None),
            ("AWS_S3_BUCKET_NAME", Some("tl-plane")),
        ],
    );
    expect(
        &problems.unwrap_err(),
        &[
            ("DATABASE_URL", "does not demand TLS: `sslmode=prefer`"),
            (
                "DATABASE_URL",
                "names the database `neondb`, which is `plane`'s; the topology gives `engine` the database `enginedb`",
            ),
            (
                "REDIS_URL",
                "goes without TLS: it begins with `redis://`\n  hint: write rediss://u:***@h:6379/0",
            ),
            (
                "AMQP_URL",
                "goes without TLS: it begins with `amqp://`\n  hint: write amqps://u:***@h:5671/engine",
            ),
            ("AMQP_URL", "means the vhost `engine`, which differs by a slash"),
            ("AWS_S3_ENDPOINT_URL", "goes without TLS"),
            ("AWS_ACCESS_KEY_ID", "is empty"),
            ("AWS_SECRET_ACCESS_KEY", "is not set"),
            ("AWS_S3_BUCKET_NAME", "names the bucket `tl-plane`, which is `plane`'s"),
        ],
    );
}

#[test]
fn a_vhost_off_by_a_slash_is_named_with_the_url_to_write() {
    expect(
        &read("engine", &[("AMQP_URL", Some("amqps://u:p@h/engine"))]).unwrap_err(),
        &[(
            "AMQP_URL",
            "means the vhost `engine`, which differs by a slash from the topology's `/engine` for `engine`\n  \
             hint: write amqps://u:***@h:5671/%2Fengine, or `vhost = \"engine\"` in the topology",
        )],
    );
    expect(
        &read("plane", &[("PLANE_AMQP_URL", Some("amqps://u:p@h/%2Fwmohtwtk"))]).unwrap_err(),
        &[("PLANE_AMQP_URL", "hint: write amqps://u:***@h:5671/wmohtwtk, or `vhost = \"/wmohtwtk\"`")],
    );
    expect(
        &read("engine", &[("AMQP_URL", Some("amqps://u:p@h//engine"))]).unwrap_err(),
        &[("AMQP_URL", "write `/%2Fengine` for the vhost `/engine`")],
    );
    expect(
        &read("engine", &[("AMQP_URL", Some("amqps://u:p@h/"))]).unwrap_err(),
        &[("AMQP_URL", "names the vhost ``; the topology gives `engine` the vhost `/engine`")],
    );
    expect(
        &read("engine", &[("AMQP_URL", Some("amqps://u:p@h/wmohtwtk"))]).unwrap_err(),
        &[("AMQP_URL", "names the vhost `wmohtwtk`, which is `plane`'s")],
    );
}

proptest! {
    #[test]
    fn an_environment_reads_back_as_written(password in nasty(), tenant in prop::sample::select(vec!["engine", "plane"])) {
        let topology = Topology::builtin();
        let tenant = topology.tenant(tenant).unwrap();
        let connections = good(tenant, &password);
        let environment: BTreeMap<String, String> = connections.variables(tenant).into_iter().collect();
        let back = Connections::from_lookup(tenant, &topology, &|name| environment.get(name).cloned());
        prop_assert_eq!(back, Ok(connections));
    }
}
