//! What a case may spend on servers that others use, too, ends it: here on stand-ins that say that they are such.

use async_trait::async_trait;
use bulkhead_engine::{
    run::{CaseRun, Runner},
    workload::Terms,
};
use bulkhead_model::{
    Service, Tenant, Topology, Verdict,
    history::EventKind,
    report::{LogTail, ServerReport},
    scenario::{self, Scenario},
};
use bulkhead_target::{Disturbance, Error, Lot, ServiceFault, Session, Target};
use futures::StreamExt;

use crate::{scenarios::known, support};

/// One workload that works, and one that never does where nobody answers it.
const TWO: &str = "\
title: Two workloads
why: A case waits for both, and is not to spend without end meanwhile.
tags: [chaos]
tenants: [engine]
workload:
  - redis.rate-limit: { clients: 2, rate: 100/s, limit: 20 }
  - s3.logs: { clients: 1, rate: 10/s }
run-for: 1s
faults: [{ latency: { service: redis, at: 0ms, for: 500ms } }]
expect: [within-limit]
";

/// The most that the limiter may be asked: in the case's time and the few seconds that it may take longer, and for the
/// price of connections that were not needed.
const ASKED: usize = 100 * (1 + 8) + 100;

/// Stand-ins that are not the run's own.
struct Billed {
    session: Session,
    /// Whether nobody answers the tenant on S3.
    unanswered: bool,
}

#[async_trait]
impl Target for Billed {
    fn servers(&self) -> &[ServerReport] {
        self.session.servers()
    }

    fn is_ours(&self) -> bool {
        false
    }

    async fn lots(
        &self,
        layout: &Topology,
        services: &[Service],
        alone: &[Service],
    ) -> Result<Vec<Lot>, Error> {
        let mut lots = Target::lots(&self.session, layout, services, alone).await?;
        for access in lots.iter_mut().filter_map(|lot| lot.access.as_mut()).filter(|_| self.unanswered) {
            access.connections.s3.endpoint = String::from("https://127.0.0.1:1");
        }
        Ok(lots)
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

    async fn release(&self, lots: Vec<Lot>) -> Result<(), Error> {
        Target::release(&self.session, lots).await
    }

    async fn management(&self, service: Service) -> Result<Option<String>, Error> {
        self.session.management(service).await
    }

    async fn names(&self, service: Service, tenant: &Tenant) -> Result<Option<Vec<String>>, Error> {
        self.session.names(service, tenant).await
    }

    async fn logs(&self, lines: usize) -> Result<Vec<LogTail>, Error> {
        self.session.logs(lines).await
    }

    async fn close(self: Box<Self>) -> Result<(), Error> {
        self.session.close().await
    }
}

/// How often the limiter was asked, and what the case came to.
async fn played(unanswered: bool) -> (usize, Verdict, String) {
    let topology = Topology::builtin();
    let parsed = known(|known| Scenario::parse("chaos/two", TWO, "two.yaml", known)).unwrap();
    let cases = scenario::expand(&parsed, &topology).unwrap();
    let target = &Billed { session: support::session().await, unanswered };
    let (out, terms) = (tempfile::tempdir().unwrap(), Terms::default());
    let runner = Runner { target, topology: &topology, seed: 1, jobs: 1, out: out.path().into(), terms };
    let mut runs: Vec<CaseRun> = runner.run(cases, &|_| {}).collect().await;
    let run = runs.remove(0);
    let asked = run.history.iter().filter(|event| match &event.kind {
        EventKind::Invoked(invoked) => invoked.service == Service::Redis,
        _ => false,
    });
    let report = bulkhead_checks::judge(&run.history, &run.case.scenario.expect).remove(0);
    (asked.count(), report.verdict, report.evidence)
}

#[tokio::test]
async fn a_case_that_would_spend_more_than_was_announced_ends_early_and_is_unknown() {
    let (asked, verdict, evidence) = played(true).await;
    assert_eq!(verdict, Verdict::Unknown, "{evidence}");
    assert!(evidence.contains("the case's allowance was spent before its end"), "{evidence}");
    assert!((ASKED / 4..=ASKED).contains(&asked), "{asked}");
}

#[tokio::test]
async fn one_that_does_not_passes() {
    let (asked, verdict, evidence) = played(false).await;
    assert_eq!(verdict, Verdict::Pass, "{evidence}");
    assert!(asked < ASKED / 2, "{asked}");
}
