//! The invariants of the workloads can fail on real servers: without any fault, somebody with the tenant's own access
//! breaks the promise behind the workload's back, and the check says so.

use std::future::{Future, pending};

use async_trait::async_trait;
use bulkhead_engine::run::{CaseRun, Runner};
use bulkhead_model::{
    Service, Tenant, Topology, Verdict,
    report::{InvariantReport, LogTail, ServerReport},
    scenario::{self, Case, Scenario},
};
use bulkhead_target::{Disturbance, Error, Lot, ServiceFault, Session, Target, TenantAccess};
use futures::StreamExt;
use tokio::sync::watch;

use self::{postgres::ONE_ENGINE, redis::LIMITED, s3::ONE_OBJECT};
use crate::scenarios::{known, session};

mod postgres;
mod rabbitmq;
mod redis;
mod s3;

/// The shared servers, which tell what they gave.
struct Watched {
    session: Session,
    /// The tenant's access, as long as the case has it.
    given: watch::Sender<Option<TenantAccess>>,
    /// What is said otherwise of it than it is.
    alter: fn(&mut TenantAccess),
}

#[async_trait]
impl Target for Watched {
    fn servers(&self) -> &[ServerReport] {
        self.session.servers()
    }

    fn is_ours(&self) -> bool {
        true
    }

    async fn disturb(&self, service: Service, how: Disturbance) -> Result<(), Error> {
        self.session.disturb(service, how).await
    }

    async fn inflict(
        &self,
        service: Service,
        fault: ServiceFault,
        tenant: &Tenant,
        begins: bool,
    ) -> Result<u64, Error> {
        self.session.inflict(service, fault, tenant, begins).await
    }

    async fn lots(
        &self,
        layout: &Topology,
        services: &[Service],
        alone: &[Service],
    ) -> Result<Vec<Lot>, Error> {
        let mut lots = Target::lots(&self.session, layout, services, alone).await?;
        if let Some(access) = &mut lots[0].access {
            (self.alter)(access);
        }
        self.given.send_replace(lots[0].access.clone());
        Ok(lots)
    }

    async fn release(&self, mut lots: Vec<Lot>) -> Result<(), Error> {
        self.given.send_replace(None);
        for Lot { tenant, access, .. } in &mut lots {
            if let Some(access) = access {
                access.tenant = tenant.clone();
            }
        }
        Target::release(&self.session, lots).await
    }

    async fn management(&self, service: Service) -> Result<Option<String>, Error> {
        self.session.management(service).await
    }

    async fn logs(&self, lines: usize) -> Result<Vec<LogTail>, Error> {
        self.session.logs(lines).await
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        self.session.close().await
    }
}

/// Plays the workload while `sabotage` goes on and expects the invariant to fail, with this in its evidence.
async fn fails<S: Future<Output = ()>>(
    workload: &str,
    invariant: &str,
    says: &str,
    sabotage: impl FnOnce(TenantAccess) -> S,
) {
    fails_under("", workload, invariant, says, sabotage).await;
}

/// The same while this fault is on, or none.
async fn fails_under<S: Future<Output = ()>>(
    fault: &str,
    workload: &str,
    invariant: &str,
    says: &str,
    sabotage: impl FnOnce(TenantAccess) -> S,
) {
    let report = judged_as((workload, fault), invariant, |_| {}, sabotage).await;
    assert_eq!(report.verdict, Verdict::Fail, "{workload}: {}", report.evidence);
    assert!(report.evidence.contains(says), "{workload}: `{says}` is not in: {}", report.evidence);
}

/// What the invariant comes to when the workload is played and `sabotage` goes on meanwhile.
async fn judged<S: Future<Output = ()>>(
    workload: &str,
    invariant: &str,
    sabotage: impl FnOnce(TenantAccess) -> S,
) -> InvariantReport {
    judged_as((workload, ""), invariant, |_| {}, sabotage).await
}

/// The same, under a fault or none, for a tenant whose access is not what it seems.
async fn judged_as<S: Future<Output = ()>>(
    (workload, fault): (&str, &str),
    invariant: &str,
    alter: fn(&mut TenantAccess),
    sabotage: impl FnOnce(TenantAccess) -> S,
) -> InvariantReport {
    let faults = if fault.is_empty() { String::new() } else { format!("faults: [{fault}]\n") };
    let text = format!(
        "title: A promise is broken\nwhy: The check has to see it.\ntags: [chaos]\ntenants: [engine]\n\
         workload: [{workload}]\nrun-for: 3s\n{faults}expect: [{invariant}]\n"
    );
    let parsed = known(|known| Scenario::parse("chaos/sabotage", &text, "sabotage.yaml", known));
    let cases = scenario::expand(&parsed.unwrap(), &Topology::builtin()).unwrap();
    let runs = meddled(cases, alter, sabotage).await;
    assert_eq!(runs.len(), 1, "one tenant, one case");
    let mut reports = bulkhead_checks::judge(&runs[0].history, &runs[0].case.scenario.expect);
    assert_eq!(reports.len(), 1, "one invariant is expected");
    reports.remove(0)
}

/// Runs the cases on the shared servers, with the sabotage beside them from when the tenant has its slices until it
/// gives them back.
async fn meddled<S: Future<Output = ()>>(
    cases: Vec<Case>,
    alter: fn(&mut TenantAccess),
    sabotage: impl FnOnce(TenantAccess) -> S,
) -> Vec<CaseRun> {
    let ((given, mut access), topology) = (watch::channel(None), Topology::builtin());
    let (target, out) =
        (Watched { session: session(&cases).await, given, alter }, tempfile::tempdir().unwrap());
    let runner = Runner { target: &target, topology: &topology, seed: 1, jobs: 1, out: out.path().into() };
    let meddling = async {
        let given = access.wait_for(Option::is_some).await.unwrap().clone().unwrap();
        tokio::select! {
            biased;
            _ = access.wait_for(Option::is_none) => {}
            () = sabotage(given) => {}
        }
        pending().await
    };
    tokio::select! {
        biased;
        runs = runner.run(cases, &|_| {}).collect() => runs,
        never = meddling => never,
    }
}

/// What fails in these files fails because somebody meddled: left alone, the same workloads pass.
#[tokio::test]
async fn nobody_meddles() {
    let promises = [
        ("postgres.metrics-log", "nothing-lost"),
        ("postgres.metrics-log", "nothing-foreign"),
        ("postgres.ledger", "conserved-total"),
        (ONE_ENGINE, "linearizable"),
        (LIMITED, "within-limit"),
        ("redis.pub-sub", "nothing-missed"),
        ("redis.query-cache", "within-ttl: 50ms"),
        ("redis.query-cache", "nothing-foreign"),
        ("redis.sessions", "within-ttl: 50ms"),
        ("redis.sessions", "nothing-foreign"),
        ("rabbitmq.tasks", "nothing-lost"),
        ("rabbitmq.calls", "nothing-foreign"),
        ("rabbitmq.calls", "replies-match"),
        ("rabbitmq.events", "nothing-lost"),
        ("rabbitmq.events", "in-order"),
        ("rabbitmq.pipeline", "nothing-lost"),
        ("s3.logs", "nothing-lost"),
        (ONE_OBJECT, "linearizable"),
        ("s3.backups", "byte-exact"),
        ("s3.assets", "byte-exact"),
        ("s3.assets", "fails-closed"),
    ];
    // Few at a time: whoever is kept waiting for a handshake until the end proves nothing.
    let played = promises.map(|(workload, invariant)| async move {
        (workload, judged(workload, invariant, |_| pending()).await)
    });
    let played: Vec<_> = futures::stream::iter(played).buffer_unordered(2).collect().await;
    for (workload, report) in played {
        assert_eq!(report.verdict, Verdict::Pass, "{workload}: {}", report.evidence);
    }
}
