//! The probes themselves: a sound server keeps each out, a server that was over-granted on purpose turns exactly that
//! probe red, and a broken client proves nothing.
//!
//! Each service is started directly here, because over-granting takes an administrator; the scenario files run the same
//! probes on the shared servers. The over-grants are in `controls/`, a file a service, a line a probe.

use std::collections::BTreeSet;

use bulkhead_checks::judge_probe;
use bulkhead_engine::{
    probes::{self, About, Finding, Pair, Probe},
    seed::Seed,
};
use bulkhead_model::{Enforcement, Outcome, ProbeRecord, Secret, Service, Tenant, Verdict};
use bulkhead_target::TenantAccess;
use futures::{StreamExt, future::BoxFuture, stream};

use crate::support::{Direct, alone, brief, direct, direct_with, tenant};

mod audits;
mod canary;
mod connections;
mod controls;
mod cut_off;
mod meanwhile;
mod minio;
mod names;
mod page;
mod shut;
mod statements;
mod table;
mod topologies;

/// How many probes run side by side, as in a case.
const BESIDE: usize = 8;

/// How the two tenants of a test share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sharing {
    Separate,
    Shared,
}

use Sharing::{Separate, Shared};

/// Changes what the first tenant may do on the second's slice.
type Grant = for<'a> fn(&'a mut Rig, &'a TenantAccess, &'a TenantAccess) -> BoxFuture<'a, ()>;

/// The negative control of a probe: a right too many, which turns it red and leaves all others as they were.
#[derive(Clone, Copy)]
struct Control {
    /// The probe that must see it.
    probe: &'static str,
    /// What is granted, in the service's own words.
    grant: &'static str,
    /// Other probes that the same right opens by its nature, where they are not open anyway.
    also: &'static [&'static str],
    /// The ways of sharing in which it is granted.
    sharing: &'static [Sharing],
    /// Grants it to the first tenant on the second's slice.
    apply: Grant,
    /// Takes back what does not go with the slices.
    undo: Option<Grant>,
}

/// Two tenants on a server of their own.
struct Rig {
    server: Direct,
    service: Service,
    sharing: Sharing,
    /// What the server is, as reports say it: `postgres 15.18`.
    version: String,
    /// The address of its management API, for a server that has one.
    management: Option<String>,
}

impl Rig {
    async fn new(service: Service, sharing: Sharing) -> Self {
        Self::of(direct(service).await, service, sharing).await
    }

    /// One whose server is started with settings too many.
    async fn opened(service: Service, sharing: Sharing, settings: &[&str]) -> Self {
        Self::of(direct_with(service, settings).await, service, sharing).await
    }

    async fn of(mut server: Direct, service: Service, sharing: Sharing) -> Self {
        let management = server.running.management().await.unwrap();
        let report = server.running.report();
        let version = format!("{} {}", report.product, report.version);
        Self { server, service, sharing, version, management }
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
        if self.sharing == Shared {
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

    async fn administer(&mut self, statement: &str) -> String {
        self.server.running.administer(statement).await.unwrap()
    }

    fn pair<'a>(&self, from: &'a TenantAccess, to: &'a TenantAccess) -> Pair<'a> {
        Pair::new(from, to, &Seed::new(1)).with_management(self.management.clone())
    }

    /// Makes every probe of the service from the one tenant on the other, by themselves and in their order.
    async fn probe_all(
        &self,
        from: &TenantAccess,
        to: &TenantAccess,
        policy: Enforcement,
    ) -> Vec<ProbeRecord> {
        self.probe_some(from, to, policy, &|_| true).await
    }

    /// Makes those of them that are chosen.
    async fn probe_some(
        &self,
        from: &TenantAccess,
        to: &TenantAccess,
        policy: Enforcement,
        wanted: &(dyn Fn(&About) -> bool + Sync),
    ) -> Vec<ProbeRecord> {
        let pair = &self.pair(from, to);
        // Those of S3 are many requests each, and each has a folder of its own.
        let beside = if self.service == Service::S3 { BESIDE } else { 1 };
        let wanted = of(self.service).filter(|probe| wanted(probe.about()));
        let made = stream::iter(wanted).map(async |probe: &'static dyn Probe| {
            let finding = match probes::untold(probe, &self.version, from) {
                Some(evidence) => untried(evidence),
                None => probes::make(probe, pair)
                    .await
                    .unwrap_or_else(|error| panic!("{}: {}", probe.about().name, error.chain())),
            };
            finding.record(probe, (pair, pair), policy, self.version.clone())
        });
        made.buffered(beside).collect().await
    }
}

/// Of a probe to which this server's answers would tell nothing.
fn untried(evidence: String) -> Finding {
    let control = bulkhead_model::Control { held: false, detail: String::from("not made") };
    Finding { control, outcome: Outcome::Skipped, canary_seen: false, evidence }
}

/// The probes of a service.
fn of(service: Service) -> impl Iterator<Item = &'static dyn Probe> {
    probes::all().filter(move |probe| probe.about().service == service)
}

/// Those that the way of sharing left something to try.
fn tried(records: &[ProbeRecord]) -> impl Iterator<Item = &ProbeRecord> {
    records.iter().filter(|record| record.outcome != Outcome::Skipped)
}

/// Both ways round: nothing gets through that a setting could keep out, and every control holds.
async fn keeps_out(rig: &Rig, [one, other]: &[TenantAccess; 2]) -> Vec<ProbeRecord> {
    let mut records = Vec::new();
    for (from, to) in [(one, other), (other, one)] {
        records = rig.probe_all(from, to, Enforcement::Enforced).await;
        for record in tried(&records) {
            assert!(record.control.held, "{record:#?}");
            assert_eq!(judge_probe(record), Verdict::Pass, "{record:#?}");
        }
    }
    records
}

/// Each over-grant turns its own probe red, with those that the same right opens, and leaves the others as they were.
async fn each_control_turns_its_probe_red(service: Service, sharing: Sharing) {
    let mut rig = Rig::new(service, sharing).await;
    let sound = rig.slices("sound", Enforcement::Enforced).await;
    let sound = keeps_out(&rig, &sound).await;
    let (mut seen, mut granted, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (index, control) in controls::of(service).iter().filter(|c| c.sharing.contains(&sharing)).enumerate()
    {
        seen.insert(control.probe.to_owned());
        // What opens several was granted once already, and each of them watched.
        if !granted.insert(control.grant) && control.also.contains(&control.probe) {
            continue;
        }
        let mark = format!("n{index}");
        let (red, amiss) = match controls::settings(control.probe) {
            [] => turns_red(&mut rig, control, &mark, &sound).await,
            settings => {
                let mut opened = Rig::opened(service, sharing, settings).await;
                let found = turns_red(&mut opened, control, &mark, &sound).await;
                opened.server.running.stop().await;
                found
            }
        };
        seen.extend(red);
        wrong.extend(amiss);
    }
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    for record in tried(&sound) {
        let by_nature = record.leaked();
        assert!(
            by_nature || seen.contains(&record.probe),
            "{} has no control in `{sharing:?}` mode and is not red by itself",
            record.probe
        );
    }
    shut::is_seen_both_ways(&mut rig, &sound).await;
    table::compare(service, sharing, &rig.version, &sound);
    rig.server.running.stop().await;
}

/// One of them, on slices of its own: which turned red by it, and all that is not as it has to be, since one run of all
/// takes its time.
async fn turns_red(
    rig: &mut Rig,
    control: &Control,
    mark: &str,
    sound: &[ProbeRecord],
) -> (Vec<String>, Vec<String>) {
    let slices = rig.slices(mark, Enforcement::Enforced).await;
    let [from, to] = &slices;
    if rig.service == Service::Postgres {
        // What is granted may be on what the probes plant, any of which plants what all need. The others grant names,
        // whatever bears them.
        let plants = |about: &About| about.name == control.probe;
        rig.probe_some(from, to, Enforcement::Enforced, &plants).await;
    }
    (control.apply)(rig, from, to).await;
    let opened = |name: &str| control.probe == name || control.also.contains(&name);
    // Taking more than a share takes its time, and what others may reach changes nothing about it.
    let wanted = |about: &About| opened(about.name) || !(brief() || about.alone && about.takes);
    let records = rig.probe_some(from, to, Enforcement::Enforced, &wanted).await;
    if let Some(undo) = control.undo {
        undo(rig, from, to).await;
    }
    let (mut red, mut wrong) = (Vec::new(), Vec::new());
    for record in tried(&records) {
        let before = sound.iter().find(|before| before.probe == record.probe).unwrap();
        // What leaks by its nature cannot be opened further.
        let as_it_should = if record.probe == control.probe || !before.leaked() && opened(&record.probe) {
            red.push(record.probe.clone());
            judge_probe(record) == Verdict::Fail && !record.fix.is_empty()
        } else {
            judge_probe(record) == Verdict::Pass && record.leaked() == before.leaked()
        };
        if !as_it_should || !record.control.held {
            wrong.push(format!("{} after {}: {record:#?}", record.probe, control.grant));
        }
    }
    (red, wrong)
}

#[tokio::test]
async fn postgres_with_databases_of_their_own() {
    each_control_turns_its_probe_red(Service::Postgres, Separate).await;
}

#[tokio::test]
async fn postgres_with_schemas_in_one_database() {
    each_control_turns_its_probe_red(Service::Postgres, Shared).await;
}

#[tokio::test]
async fn redis_with_a_login_for_each() {
    each_control_turns_its_probe_red(Service::Redis, Shared).await;
}

#[tokio::test]
async fn rabbitmq_with_vhosts_of_their_own() {
    each_control_turns_its_probe_red(Service::Rabbitmq, Separate).await;
}

#[tokio::test]
async fn rabbitmq_with_queue_prefixes_in_one_vhost() {
    each_control_turns_its_probe_red(Service::Rabbitmq, Shared).await;
}

#[tokio::test]
async fn s3_with_buckets_of_their_own() {
    each_control_turns_its_probe_red(Service::S3, Separate).await;
}

#[tokio::test]
async fn s3_with_prefixes_in_one_bucket() {
    each_control_turns_its_probe_red(Service::S3, Shared).await;
}

#[tokio::test]
async fn s3_widens_no_key_that_is_not_there() {
    let mut rig = Rig::new(Service::S3, Separate).await;
    let grant = r#"{"buckets": null, "prefix": "", "capabilities": ["readFiles"]}"#;
    let nobody = format!(r#"{{"key": "nobody", "grant": {grant}}}"#);
    let error = rig.server.running.administer(&nobody).await.unwrap_err();
    assert!(error.chain().contains("there is no key `nobody`"), "{}", error.chain());
    assert!(rig.server.running.administer("GRANT ALL").await.is_err());
    rig.server.running.stop().await;
}

/// One login for all: what reads, writes, deletes and lists is allowed, which passes as a convention and would fail as a
/// promise.
async fn one_login_for_all_passes_as_a_convention_only(service: Service, sharing: Sharing) {
    let mut rig = Rig::new(service, sharing).await;
    let [from, to] = rig.slices("n", Enforcement::Convention).await;
    let records = rig.probe_all(&from, &to, Enforcement::Convention).await;
    for mut record in tried(&records).cloned() {
        assert!(record.control.held, "{record:#?}");
        assert_eq!(judge_probe(&record), Verdict::Pass, "{record:#?}");
        record.policy = Enforcement::Enforced;
        let expected =
            if record.leaked() && record.inherent.is_empty() { Verdict::Fail } else { Verdict::Pass };
        assert_eq!(judge_probe(&record), expected, "{record:#?}");
        let words = ["get-foreign", "set-foreign", "put-foreign", "delete-foreign"];
        if words.iter().any(|word| record.probe.contains(word)) {
            assert_eq!(record.outcome, Outcome::Allowed, "{record:#?}");
        }
    }
    rig.server.running.stop().await;
}

#[tokio::test]
async fn redis_with_one_login_for_all() {
    one_login_for_all_passes_as_a_convention_only(Service::Redis, Shared).await;
}

#[tokio::test]
async fn rabbitmq_with_one_login_for_all_vhosts() {
    one_login_for_all_passes_as_a_convention_only(Service::Rabbitmq, Separate).await;
}

#[tokio::test]
async fn rabbitmq_with_one_login_for_all_prefixes() {
    one_login_for_all_passes_as_a_convention_only(Service::Rabbitmq, Shared).await;
}

#[tokio::test]
async fn s3_with_one_key_for_all_buckets() {
    one_login_for_all_passes_as_a_convention_only(Service::S3, Separate).await;
}

#[tokio::test]
async fn s3_with_one_key_for_all_prefixes() {
    one_login_for_all_passes_as_a_convention_only(Service::S3, Shared).await;
}

/// A tenant whose own client does not work never reads as isolated.
#[tokio::test]
async fn a_broken_client_proves_nothing() {
    for service in Service::ALL {
        let mut rig = Rig::new(service, Separate).await;
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
        for (from, to) in [(&broken, &to), (&to, &broken)] {
            let pair = rig.pair(from, to);
            for probe in of(service) {
                if probe.not_here(&pair).is_some() {
                    continue;
                }
                let error = probes::make(probe, &pair).await.expect_err(probe.about().name);
                assert!(error.chain().contains("plant") || error.chain().contains("connect"), "{error:?}");
            }
        }
        rig.server.running.stop().await;
    }
}
