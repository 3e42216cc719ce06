//! Workloads where tenants share everything: one database, one vhost, one bucket, each with a part of its own. The shipped
//! scenarios play on the documents' layout, where each has its own.

use bulkhead_engine::workload;
use bulkhead_model::{Service, Topology, scenario::Scenario};

use crate::{
    scenarios::{all_pass, known},
    support::ALL_SHARED,
};

/// Settings that keep a workload small, for those that have them.
const SMALL: [(&str, &str); 7] = [
    ("clients", "1"),
    ("publishers", "1"),
    ("consumers", "1"),
    ("callers", "1"),
    ("subscribers", "2"),
    ("parts", "2"),
    ("limit", "5"),
];

/// All workloads of a service, slowly, while its link is cut for a moment; whatever they promise, and nothing foreign.
async fn all_work(service: Service, promises: &str) {
    let mut text = format!(
        "title: Sharing everything\nwhy: A prefix or a schema is enough.\ntags: [chaos]\nrun-for: 2500ms\n\
         faults: [{{ down: {{ service: {service}, at: 300ms, for: 500ms }} }}]\n\
         expect: [nothing-foreign, recovers-within: 8s, {promises}]\nworkload:\n"
    );
    let mut count = 0;
    for workload in workload::ALL.iter().filter(|workload| workload.service() == service) {
        let shape = workload.shape();
        let has = |name: &str| shape.settings.iter().any(|wanted| wanted.name == name);
        let small =
            SMALL.iter().filter(|(name, _)| has(name)).map(|(name, value)| format!("{name}: {value}"));
        let rate = if has("parts") { "2/s" } else { "20/s" };
        let settings: Vec<_> = small.chain([format!("rate: {rate}")]).collect();
        text.push_str(&format!("  - {}: {{ {} }}\n", shape.name, settings.join(", ")));
        count += 1;
    }
    assert!(count >= 3, "{count} workloads on {service}");
    let scenarios = known(|known| Scenario::parse("sharing", &text, "sharing.yaml", known)).unwrap();
    all_pass(&Topology::parse(ALL_SHARED, "layout").unwrap(), &scenarios).await;
}

#[tokio::test]
async fn workloads_on_postgres() {
    all_work(Service::Postgres, "nothing-lost, linearizable, conserved-total").await;
}

#[tokio::test]
async fn workloads_on_redis() {
    all_work(Service::Redis, "nothing-missed, within-ttl: 100ms, within-limit").await;
}

#[tokio::test]
async fn workloads_on_rabbitmq() {
    all_work(Service::Rabbitmq, "nothing-lost, replies-match, in-order").await;
}

#[tokio::test]
async fn workloads_on_s3() {
    all_work(Service::S3, "nothing-lost, linearizable, byte-exact").await;
}

/// Where Redis has a login for each tenant, as here; by convention all have one.
#[tokio::test]
async fn a_neighbours_login_on_redis() {
    let text = "title: Another's login\nwhy: It opens nothing here.\ntags: [security]\nrun-for: 3s\n\
                faults: [{ neighbours-login: { service: redis, at: 300ms, for: 2s } }]\n\
                workload: [{ redis.sessions: { clients: 2, rate: 40/s } }]\n\
                expect: [fails-closed, nothing-foreign, within-ttl: 100ms, recovers-within: 8s]\n";
    let scenarios = known(|known| Scenario::parse("sharing", text, "sharing.yaml", known)).unwrap();
    all_pass(&Topology::parse(ALL_SHARED, "layout").unwrap(), &scenarios).await;
}

/// The same on the documents' layout, where a convention keeps tenants apart, is seen: `prove` has it as `flushed-sessions`.
#[tokio::test]
async fn a_neighbour_may_not_empty_redis() {
    let text = "title: Another empties it\nwhy: It may not.\ntags: [neighbour]\nrun-for: 2s\n\
                faults: [{ flush: { service: redis, at: 600ms, for: 100ms } }]\n\
                workload: [{ redis.sessions: { rate: 100/s, ttl: 600ms } }, { redis.rate-limit: { rate: 60/s, limit: 20 } }]\n\
                expect: [nothing-foreign, within-ttl: 100ms, within-limit]\n";
    let scenarios = known(|known| Scenario::parse("sharing", text, "sharing.yaml", known)).unwrap();
    all_pass(&Topology::parse(ALL_SHARED, "layout").unwrap(), &scenarios).await;
}
