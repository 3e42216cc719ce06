//! The doctor on real servers: healthy ones yield nothing, and each thing that is wrong is named with its diagnosis.

use std::{collections::BTreeMap, fmt::Write as _};

use bulkhead_model::{Slices, Topology};
use bulkhead_target::{Session, TenantAccess};
use serde_json::Value;

use super::command::{Desk, Ran};
use crate::support;

/// Slices of this test's own, a desk whose topology is theirs, and their variables.
struct Ward {
    desk: Desk,
    variables: BTreeMap<String, String>,
    // Held for the slices, which end with it.
    _session: Session,
}

impl Ward {
    async fn new() -> Self {
        let session = support::session().await;
        let tenants = session.slices(&Topology::builtin()).await.unwrap();
        let desk = Desk::new();
        desk.write("bulkhead.toml", &topology(&tenants));
        let variables = tenants.iter().flat_map(|access| bulkhead::variables(access, false)).collect();
        Self { desk, variables, _session: session }
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.desk.command(&[&["doctor"], args].concat());
        let ran = Ran::from(command.envs(&self.variables).output().unwrap());
        for secret in super::secrets::in_variables(self.variables.iter()) {
            assert!(!ran.all().contains(&secret), "a password was printed:\n{}", ran.all());
        }
        ran
    }

    /// Each finding's service and diagnosis, for the tenant `engine`, and the document.
    fn findings(&self, args: &[&str]) -> (Vec<(String, String)>, Value) {
        let ran = self.run(&[&["--tenant", "engine", "--format", "json"], args].concat());
        let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.all()));
        let text = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
        let found = document["findings"].as_array().unwrap().iter();
        let found = found.map(|one| (text(&one["service"]), text(&one["diagnosis"]["id"]))).collect();
        assert_eq!(ran.code, Some(i32::from(document["healthy"] == Value::Bool(false))), "{}", ran.all());
        (found, document)
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&str) -> String) {
        let value = change(&self.variables[name]);
        self.variables.insert(name.to_owned(), value);
    }
}

/// The topology file that gives these tenants the slices that they have.
fn topology(tenants: &[TenantAccess]) -> String {
    let mut file = String::from("[services.redis]\nenforcement = \"convention\"\n");
    for access in tenants {
        let Slices { postgres, redis, rabbitmq, s3 } = &access.tenant.slices;
        let (database, prefix, vhost, bucket) =
            (&postgres.database, &redis.prefix, &rabbitmq.vhost, &s3.bucket);
        write!(
            file,
            "[tenants.{}]\nenv = \"{}\"\npostgres = {{ database = \"{database}\" }}\nredis = {{ prefix = \"{prefix}\" }}\n\
             rabbitmq = {{ vhost = \"{vhost}\" }}\ns3 = {{ bucket = \"{bucket}\" }}\n",
            access.tenant.name, access.tenant.env
        )
        .unwrap();
    }
    file
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(service, id)| ((*service).to_owned(), (*id).to_owned())).collect()
}

/// The URL with another password.
fn locked_out(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (login, host) = rest.split_once('@').unwrap();
    format!("{scheme}://{}:an-old-password@{host}", login.split_once(':').unwrap().0)
}

#[tokio::test(flavor = "multi_thread")]
async fn healthy_stand_ins_yield_nothing() {
    let ward = Ward::new().await;
    let ran = ward.run(&[]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert!(ran.stdout.ends_with("0 wrong · 0 to beware of · 8 of 8 services healthy\n"), "{}", ran.stdout);
    for seen in ["PostgreSQL 1", "PING answered", "RabbitMQ 3", "the key may list", "TLSv1.3"] {
        assert!(ran.stdout.contains(seen), "{seen} is missing:\n{}", ran.stdout);
    }
    assert_eq!(ward.findings(&[]).0, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_named_on_every_service() {
    let mut ward = Ward::new().await;
    for name in ["DATABASE_URL", "REDIS_URL", "AMQP_URL"] {
        ward.change(name, locked_out);
    }
    ward.change("AWS_SECRET_ACCESS_KEY", |_| String::from("an-old-secret-of-some-length"));
    let expected = [
        ("postgres", "neon.password"),
        ("redis", "upstash.password"),
        ("rabbitmq", "cloudamqp.login"),
        ("s3", "b2.secret-wrong"),
    ];
    assert_eq!(ward.findings(&[]).0, pairs(&expected));
}
