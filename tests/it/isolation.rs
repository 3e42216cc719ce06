//! The probes themselves: a sound server keeps each out, a server that was over-granted on purpose turns exactly that
//! probe red, and a broken client proves nothing.
//!
//! Each service is started directly here, because over-granting takes an administrator; the scenario files run the same
//! probes on the shared servers.

use bulkhead_checks::judge_probe;
use bulkhead_engine::{
    probes::{self, Finding, Pair, Probe},
    seed::Seed,
};
use bulkhead_model::{Class, Enforcement, Outcome, ProbeRecord, Secret, Service, Tenant, Verdict};
use bulkhead_target::{TenantAccess, clients};
use sqlx::AssertSqlSafe;

use crate::support::{Direct, alone, direct, tenant};

mod topologies;

/// How the two tenants of a test share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    Separate,
    Shared,
}

/// Two tenants on a server of their own.
struct Rig {
    server: Direct,
    service: Service,
    sharing: Sharing,
}

impl Rig {
    async fn new(service: Service, sharing: Sharing) -> Self {
        Self { server: direct(service).await, service, sharing }
    }

    /// Fresh slices of two tenants, `engine` and `plane`.
    async fn slices(&mut self, mark: &str, enforcement: Enforcement) -> [TenantAccess; 2] {
        let tenants = ["engine", "plane"].map(|name| self.tenant(name, mark));
        let made = self.server.running.provision(&tenants, enforcement).await.unwrap();
        let ca = &self.server.place.ca;
        let mut access = tenants.iter().zip(made).map(|(tenant, made)| alone(tenant, made, ca));
        [access.next().unwrap(), access.next().unwrap()]
    }

    fn tenant(&self, name: &str, mark: &str) -> Tenant {
        let mut tenant = tenant(name, mark);
        if self.sharing == Sharing::Shared {
            let slices = &mut tenant.slices;
            slices.postgres.database = format!("common_{mark}");
            slices.postgres.schema = Some(name.to_owned());
            slices.rabbitmq.vhost = format!("common.{mark}");
            slices.rabbitmq.queues = Some(format!("{name}:"));
            slices.s3.bucket = format!("common-{mark}");
            slices.s3.prefix = Some(format!("{name}/"));
        }
        tenant
    }

    /// Lets `from` do to `to` what the class says, and no more.
    async fn overgrant(&mut self, class: Class, from: &TenantAccess, to: &TenantAccess) {
        match self.service {
            Service::Postgres => overgrant_postgres(class, from, to).await,
            Service::Redis => {
                let command = match class {
                    Class::Read => "+get",
                    Class::Write => "+set",
                    Class::Delete => "+del",
                    _ => "+exists",
                };
                let (user, prefix) = (&from.connections.redis.user, &to.tenant.slices.redis.prefix);
                self.administer(&format!("ACL SETUSER {user} ({command} ~{prefix}*)")).await;
            }
            Service::Rabbitmq => {
                let [own, victim] = [from, to].map(|access| &access.tenant.slices.rabbitmq);
                let none = String::from("^$");
                let also = |name: &str| match self.sharing {
                    Sharing::Separate => format!("^{name}$"),
                    Sharing::Shared => format!("^{}|^{}$", own.queue(""), victim.queue(name)),
                };
                let kept = match self.sharing {
                    Sharing::Separate => none,
                    Sharing::Shared => format!("^{}", own.queue("")),
                };
                let mut rights = [kept.clone(), kept.clone(), kept];
                match class {
                    Class::Delete => rights[0] = also("bulkhead-canary"),
                    Class::Write => rights[1] = also("bulkhead-exchange"),
                    Class::Read => rights[2] = also("bulkhead-canary"),
                    _ => rights[2] = also("bulkhead-empty"),
                }
                let [user, vhost] = [&from.connections.rabbitmq.user, &victim.vhost].map(|text| binary(text));
                let rights = rights.map(|regex| binary(&regex)).join(",");
                let statement = format!(
                    "rabbit_auth_backend_internal:set_permissions({user},{vhost},{rights},<<\"test\">>)"
                );
                assert_eq!(self.administer(&statement).await, "ok");
            }
            Service::S3 => panic!("an S3 right is not one class's, see its own tests"),
        }
    }

    async fn administer(&mut self, statement: &str) -> String {
        self.server.running.administer(statement).await.unwrap()
    }
}

fn binary(text: &str) -> String {
    format!("<<\"{text}\">>")
}

/// The owner grants what it should not. The canary table exists by now: an earlier probe planted it.
async fn overgrant_postgres(class: Class, from: &TenantAccess, to: &TenantAccess) {
    let mut owner = clients::postgres::connect(to).await.unwrap();
    let (role, slice) = (&from.connections.postgres.user, &to.tenant.slices.postgres);
    let schema = slice.schema_or_public();
    let mut grants = vec![format!("GRANT USAGE ON SCHEMA \"{schema}\" TO \"{role}\"")];
    if slice.schema.is_none() {
        grants.push(format!("GRANT CONNECT ON DATABASE \"{}\" TO \"{role}\"", slice.database));
    }
    let on_canary =
        |privilege: &str| format!("GRANT {privilege} ON \"{schema}\".bulkhead_canary TO \"{role}\"");
    grants.push(match class {
        Class::Read => on_canary("SELECT"),
        Class::Write => on_canary("INSERT"),
        Class::Delete => on_canary("DELETE"),
        _ => format!("ALTER DEFAULT PRIVILEGES IN SCHEMA \"{schema}\" GRANT TRIGGER ON TABLES TO \"{role}\""),
    });
    for grant in grants {
        sqlx::query(AssertSqlSafe(grant)).execute(&mut owner).await.unwrap();
    }
}

/// The four of a service that `verify` runs.
fn four(service: Service) -> Vec<&'static dyn Probe> {
    let classes = [Class::Read, Class::Write, Class::Delete, Class::Enumerate];
    probes::all().filter(|probe| probe.service() == service && classes.contains(&probe.class())).collect()
}

async fn run(probe: &dyn Probe, from: &TenantAccess, to: &TenantAccess) -> Finding {
    probe.run(&Pair::new(from, to, &Seed::new(1).child(probe.name()))).await.unwrap()
}

/// What the checks make of it.
fn verdict(probe: &dyn Probe, finding: &Finding, policy: Enforcement) -> Verdict {
    let tenant = |name| bulkhead_model::TenantName::new(name).unwrap();
    judge_probe(&ProbeRecord {
        from: tenant("engine"),
        to: tenant("plane"),
        service: probe.service(),
        probe: probe.name().to_owned(),
        class: probe.class(),
        control: finding.control.clone(),
        outcome: finding.outcome,
        canary_seen: finding.canary_seen,
        policy,
        evidence: finding.evidence.clone(),
        fix: String::new(),
        server: String::new(),
    })
}

/// Both ways round: nothing gets through, and every control holds.
async fn keeps_out(service: Service, [one, other]: &[TenantAccess; 2]) {
    for (from, to) in [(one, other), (other, one)] {
        for probe in four(service) {
            let found = run(probe, from, to).await;
            assert!(found.control.held, "{}: {found:#?}", probe.name());
            assert!(
                matches!(found.outcome, Outcome::Denied | Outcome::Invisible),
                "{}: {found:#?}",
                probe.name()
            );
            assert_eq!(verdict(probe, &found, Enforcement::Enforced), Verdict::Pass, "{}", probe.name());
        }
    }
}

/// Each over-grant turns its own probe red and leaves the other three as they were.
async fn each_overgrant_turns_exactly_its_probe_red(service: Service, sharing: Sharing) {
    let mut rig = Rig::new(service, sharing).await;
    for (index, granted) in four(service).into_iter().enumerate() {
        let slices = rig.slices(&format!("n{index}"), Enforcement::Enforced).await;
        let [from, to] = &slices;
        if index == 0 {
            keeps_out(service, &slices).await;
        }
        // Once before the grant, which is on what this plants.
        let before = run(granted, from, to).await;
        assert_eq!(verdict(granted, &before, Enforcement::Enforced), Verdict::Pass, "{before:#?}");
        rig.overgrant(granted.class(), from, to).await;
        for probe in four(service) {
            let found = run(probe, from, to).await;
            let expected = if probe.name() == granted.name() { Verdict::Fail } else { Verdict::Pass };
            let case = format!("{} after over-granting {}: {found:#?}", probe.name(), granted.name());
            assert_eq!(verdict(probe, &found, Enforcement::Enforced), expected, "{case}");
            assert_eq!(found.outcome == Outcome::Allowed, expected == Verdict::Fail, "{case}");
            assert!(found.control.held, "{case}");
            if expected == Verdict::Fail && probe.class() == Class::Read {
                assert!(found.canary_seen, "{case}");
            }
            let fix = probe.fix(&Pair::new(from, to, &Seed::new(1)));
            assert!(!fix.is_empty(), "{}", probe.name());
        }
    }
    rig.server.running.stop().await;
}

#[tokio::test]
async fn postgres_with_databases_of_their_own() {
    each_overgrant_turns_exactly_its_probe_red(Service::Postgres, Sharing::Separate).await;
}

#[tokio::test]
async fn postgres_with_schemas_in_one_database() {
    each_overgrant_turns_exactly_its_probe_red(Service::Postgres, Sharing::Shared).await;
}

#[tokio::test]
async fn redis_with_a_login_for_each() {
    each_overgrant_turns_exactly_its_probe_red(Service::Redis, Sharing::Shared).await;
}

#[tokio::test]
async fn rabbitmq_with_vhosts_of_their_own() {
    each_overgrant_turns_exactly_its_probe_red(Service::Rabbitmq, Sharing::Separate).await;
}

#[tokio::test]
async fn rabbitmq_with_queue_prefixes_in_one_vhost() {
    each_overgrant_turns_exactly_its_probe_red(Service::Rabbitmq, Sharing::Shared).await;
}

/// What a neighbour's key may do on top, under B2's names, and the probes that see it: a delete without a version is a
/// write there.
const S3_RIGHTS: [(&str, &[Class]); 3] = [
    ("readFiles", &[Class::Read]),
    ("writeFiles", &[Class::Write, Class::Delete]),
    ("listFiles", &[Class::Enumerate]),
];

/// Each right of a key in the neighbour's slice turns its probes red, and leaves the others and the way back as they
/// were.
async fn each_right_of_a_key_turns_its_probes_red(sharing: Sharing) {
    let mut rig = Rig::new(Service::S3, sharing).await;
    let probes = four(Service::S3);
    let seen = S3_RIGHTS.iter().flat_map(|(_, red)| *red);
    assert!(probes.iter().all(|probe| seen.clone().any(|class| *class == probe.class())));
    for (right, red) in S3_RIGHTS {
        let slices = rig.slices(&right.to_lowercase(), Enforcement::Enforced).await;
        let [from, to] = &slices;
        keeps_out(Service::S3, &slices).await;
        let (key, slice) = (&from.connections.s3.access_key_id, &to.tenant.slices.s3);
        let grant = serde_json::json!({
            "buckets": [slice.bucket], "prefix": slice.key(""), "capabilities": [right],
        });
        rig.administer(&serde_json::json!({ "key": key, "grant": grant }).to_string()).await;
        for probe in &probes {
            let found = run(*probe, from, to).await;
            let leaks = red.contains(&probe.class());
            let case = format!("{} with {right} on top: {found:#?}", probe.name());
            assert_eq!(found.outcome == Outcome::Allowed, leaks, "{case}");
            let expected = if leaks { Verdict::Fail } else { Verdict::Pass };
            assert_eq!(verdict(*probe, &found, Enforcement::Enforced), expected, "{case}");
            assert!(found.control.held, "{case}");
            let back = run(*probe, to, from).await;
            assert_eq!(verdict(*probe, &back, Enforcement::Enforced), Verdict::Pass, "back: {back:#?}");
        }
    }
    rig.server.running.stop().await;
}

#[tokio::test]
async fn s3_with_buckets_of_their_own() {
    each_right_of_a_key_turns_its_probes_red(Sharing::Separate).await;
}

#[tokio::test]
async fn s3_with_prefixes_in_one_bucket() {
    each_right_of_a_key_turns_its_probes_red(Sharing::Shared).await;
}

#[tokio::test]
async fn s3_widens_no_key_that_is_not_there() {
    let mut rig = Rig::new(Service::S3, Sharing::Separate).await;
    let grant = r#"{"buckets": null, "prefix": "", "capabilities": ["readFiles"]}"#;
    let nobody = format!(r#"{{"key": "nobody", "grant": {grant}}}"#);
    let error = rig.server.running.administer(&nobody).await.unwrap_err();
    assert!(error.chain().contains("there is no key `nobody`"), "{}", error.chain());
    assert!(rig.server.running.administer("GRANT ALL").await.is_err());
    rig.server.running.stop().await;
}

/// One login for all: everything is allowed, which passes as a convention and would fail as a promise.
async fn one_login_for_all_passes_as_a_convention_only(service: Service, sharing: Sharing) {
    let mut rig = Rig::new(service, sharing).await;
    let [from, to] = rig.slices("n", Enforcement::Convention).await;
    for probe in four(service) {
        let found = run(probe, &from, &to).await;
        assert_eq!(
            (found.outcome, found.control.held),
            (Outcome::Allowed, true),
            "{}: {found:#?}",
            probe.name()
        );
        assert_eq!(verdict(probe, &found, Enforcement::Convention), Verdict::Pass, "{}", probe.name());
        assert_eq!(verdict(probe, &found, Enforcement::Enforced), Verdict::Fail, "{}", probe.name());
    }
    rig.server.running.stop().await;
}

#[tokio::test]
async fn redis_with_one_login_for_all() {
    one_login_for_all_passes_as_a_convention_only(Service::Redis, Sharing::Shared).await;
}

#[tokio::test]
async fn s3_with_one_key_for_all_buckets() {
    one_login_for_all_passes_as_a_convention_only(Service::S3, Sharing::Separate).await;
}

#[tokio::test]
async fn s3_with_one_key_for_all_prefixes() {
    one_login_for_all_passes_as_a_convention_only(Service::S3, Sharing::Shared).await;
}

/// A tenant whose own client does not work never reads as isolated.
#[tokio::test]
async fn a_broken_client_proves_nothing() {
    for service in Service::ALL {
        let mut rig = Rig::new(service, Sharing::Separate).await;
        let [from, to] = rig.slices("n", Enforcement::Enforced).await;
        let mut broken = from.clone();
        for secret in [
            &mut broken.connections.postgres.password,
            &mut broken.connections.redis.password,
            &mut broken.connections.rabbitmq.password,
            &mut broken.connections.s3.secret_access_key,
        ] {
            *secret = Secret::new("wrong");
        }
        for probe in four(service) {
            for (from, to) in [(&broken, &to), (&to, &broken)] {
                let pair = Pair::new(from, to, &Seed::new(1));
                let error = probe.run(&pair).await.expect_err(probe.name());
                assert!(
                    error.chain().contains("plant a canary") || error.chain().contains("connect"),
                    "{error:?}"
                );
            }
        }
        rig.server.running.stop().await;
    }
}
