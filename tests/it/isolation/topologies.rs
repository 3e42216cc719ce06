//! Every ordered pair of tenants on whole topologies, through the real engine and the real checks: the documents' own
//! layout, everything shared, and three tenants that share in different ways.

use std::sync::Arc;

use bulkhead_engine::{audit, probes, run::CaseRun};
use bulkhead_model::{
    AuditRecord, Enforcement, Outcome, Scope, Service, TenantName, Topology, Verdict,
    history::EventKind,
    scenario::{Case, Scenario, Subject},
};
use bulkhead_target::clients;
use redis::AsyncCommands;

use crate::{
    scenarios::{all_pass, known, run},
    support,
};

/// Every probe in one case, so that each pair needs its slices once.
const ALL_PROBES: &str = "
title: Nothing gets through
why: A case for each ordered pair of tenants.
tags: [isolation]
probes: [postgres.read]
expect: [isolated, nothing-foreign]
";

/// Two share what the third has for itself.
const MIXED: &str = r#"
[tenants.engine]
postgres = { database = "enginedb" }
redis    = { prefix = "engine:" }
rabbitmq = { vhost = "/engine" }
s3       = { bucket = "tl-engine" }

[tenants.plane]
env      = "PLANE_"
postgres = { database = "neondb", schema = "plane" }
redis    = { prefix = "plane:" }
rabbitmq = { vhost = "wmohtwtk", queues = "plane:" }
s3       = { bucket = "tl-plane", prefix = "plane/" }

[tenants.plane-two]
env      = "PLANE_TWO_"
postgres = { database = "neondb", schema = "plane-two" }
redis    = { prefix = "plane-two:" }
rabbitmq = { vhost = "wmohtwtk", queues = "plane-two:" }
s3       = { bucket = "tl-plane", prefix = "plane-two/" }
"#;

fn all_probes() -> Scenario {
    let scenario =
        known(|known| Scenario::parse("isolation/all", ALL_PROBES, "all.yaml", known)).unwrap().remove(0);
    Scenario { probes: Service::ALL.map(|service| service.to_string()).to_vec(), ..scenario }
}

/// Every pair passes, with a row for each probe.
async fn every_pair_passes(topology: &Topology) -> Vec<CaseRun> {
    let runs = all_pass(topology, &[all_probes()]).await;
    let tenants = topology.tenants.len();
    assert_eq!(runs.len(), tenants * (tenants - 1));
    for run in &runs {
        let rows = bulkhead_checks::isolation_rows(&run.history);
        assert_eq!(rows.len(), probes::all().count(), "{}", run.case.id);
        for row in rows {
            assert!(row.server.contains(|c: char| c.is_ascii_digit()), "a version: {row:?}");
            let leaked = row.outcome == Outcome::Allowed;
            assert!(!leaked || row.policy == Enforcement::Convention || !row.inherent.is_empty(), "{row:?}");
            assert!(!leaked || !row.fix.is_empty() || !row.inherent.is_empty(), "a leak says more: {row:?}");
        }
        assert!(run.logs.is_empty(), "nobody needs a log: {}", run.case.id);
    }
    runs
}

fn audits(run: &CaseRun) -> impl Iterator<Item = &AuditRecord> {
    run.history.iter().filter_map(|event| match &event.kind {
        EventKind::Audit(audit) => Some(audit),
        _ => None,
    })
}

fn enforced(layout: &str) -> Topology {
    let topology = Topology::parse(layout, "layout").unwrap();
    for service in Service::ALL {
        assert_eq!(topology.enforcement(service), Enforcement::Enforced);
    }
    topology
}

#[tokio::test]
async fn the_documents_own() {
    let runs = every_pair_passes(&Topology::builtin()).await;
    for run in runs {
        let audits: Vec<_> = audits(&run).collect();
        assert_eq!(audits.len(), 1, "Redis is kept apart by convention, so what was written is looked at");
        assert!(audits[0].names >= 2 && audits[0].outside.is_empty(), "{audits:?}");
    }
}

#[tokio::test]
async fn everything_shared() {
    every_pair_passes(&enforced(support::ALL_SHARED)).await;
}

#[tokio::test]
async fn three_tenants_mixed() {
    every_pair_passes(&enforced(MIXED)).await;
}

/// A key that lies in nobody's slice is found, and fails the case.
#[tokio::test]
async fn an_audit_finds_what_lies_outside_every_slice() {
    let (session, topology) = (support::session().await, Topology::builtin());
    let slices = session.slices(&topology).await.unwrap();
    let mut connection = clients::redis::connect(&slices[0]).await.unwrap();
    let own = slices[0].tenant.slices.redis.key("inside");
    let scope = own.strip_suffix("engine:inside").unwrap().to_owned();
    let stray = format!("{scope}engin:outside");
    let _: () = connection.mset(&[(&own, "1"), (&stray, "1")]).await.unwrap();
    let audit = audit::look(&session, Service::Redis, &slices, &topology).await.unwrap().unwrap();
    assert_eq!((audit.names, &audit.outside), (2, &vec![stray.clone()]));
    let _: () = connection.del(&stray).await.unwrap();

    // In the neighbour's slice is inside where both worked, and outside where one worked alone.
    let foreign = slices[1].tenant.slices.redis.key("outside");
    let _: () = connection.set(&foreign, "1").await.unwrap();
    let of_both = audit::look(&session, Service::Redis, &slices, &topology).await.unwrap().unwrap();
    assert_eq!((of_both.names, of_both.outside.len(), of_both.by.len()), (2, 0, 2));
    let of_one = audit::look(&session, Service::Redis, &slices[..1], &topology).await.unwrap().unwrap();
    assert_eq!((of_one.names, &of_one.outside), (2, &vec![foreign]));
    assert_eq!(of_one.by, [slices[0].tenant.name.clone()]);

    let scoped = topology.scoped(&Scope::new(scope.trim_end_matches(':')).unwrap());
    let exact = audit::look(&session, Service::Redis, &slices, &scoped).await.unwrap();
    assert_eq!(exact, None, "exact names make no claim");
    session.release(slices).await.unwrap();
}

/// The same in buckets: one key opens all of a shared bucket, so nothing but a look shows who keeps to its prefix.
#[tokio::test]
async fn an_audit_finds_objects_outside_every_prefix() {
    let layout = format!("{}\n[services.s3]\nenforcement = \"convention\"\n", support::ALL_SHARED);
    let (session, topology) = (support::session().await, Topology::parse(&layout, "layout").unwrap());
    let slices = session.slices(&topology).await.unwrap();
    let (client, slice) = (clients::s3::client(&slices[0]).unwrap(), &slices[0].tenant.slices.s3);
    let foreign = slices[1].tenant.slices.s3.key("outside");
    for key in [slice.key("inside"), foreign.clone(), String::from("engine-outside")] {
        client.put_object().bucket(&slice.bucket).key(key).send().await.unwrap();
    }
    let stray = format!("{}/engine-outside", slice.bucket);
    let of_both = audit::look(&session, Service::S3, &slices, &topology).await.unwrap().unwrap();
    assert_eq!((of_both.names, &of_both.outside), (3, &vec![stray.clone()]));
    let of_one = audit::look(&session, Service::S3, &slices[..1], &topology).await.unwrap().unwrap();
    assert_eq!(of_one.outside, [stray, format!("{}/{foreign}", slice.bucket)]);
    session.release(slices).await.unwrap();
}

/// A case that cannot go on is written down with its reason and passes nothing.
#[tokio::test]
async fn a_case_that_breaks_is_unknown_and_says_why() {
    let scenario = Arc::new(all_probes());
    let [from, to] = ["engine", "nobody"].map(|name| TenantName::new(name).unwrap());
    let case = Case {
        id: String::from("isolation/all (engine → nobody)"),
        scenario,
        subject: Subject::Pair { from, to },
    };
    let runs = run(&Topology::builtin(), vec![case]).await;
    let [broken] = runs.as_slice() else { panic!("one case") };
    let reasons: Vec<_> = broken
        .history
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Broken { error } => Some(error),
            _ => None,
        })
        .collect();
    assert!(reasons[0].contains("`nobody`"), "{reasons:?}");
    for report in bulkhead_checks::judge(&broken.history, &broken.case.scenario.expect) {
        assert_eq!(report.verdict, Verdict::Unknown, "{report:?}");
    }
    assert_eq!(broken.logs.len(), 4, "the logs of all servers concerned");
}
