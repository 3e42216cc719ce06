//! What workloads leave where a convention alone keeps tenants apart: it is looked at when they are over, and whoever wrote
//! outside every slice fails the case, whatever that expects.

use bulkhead_engine::{
    audit,
    run::{CaseRun, Runner},
    sabotage::{Meddling, Watched},
    workload::Terms,
};
use bulkhead_model::{
    AuditRecord, Class, Service, Topology, Verdict,
    history::EventKind,
    report::InvariantReport,
    scenario::{self, Scenario},
};
use bulkhead_target::{Cause, TenantAccess, clients};
use futures::StreamExt;
use lapin::{
    ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::FieldTable,
};
use redis::AsyncCommands;

use crate::{
    scenarios::{all_pass, known, session},
    support,
};

/// What the meddler does beside the workload.
type Meddle = fn(TenantAccess) -> Meddling;

/// Nothing.
const NOBODY: Meddle = |_| Box::pin(async { Ok(()) });

/// A vhost that tenants share under one login, as on a plan that gives no more.
fn one_login() -> Topology {
    let layout = format!("{}\n[services.rabbitmq]\nenforcement = \"convention\"\n", support::ALL_SHARED);
    Topology::parse(&layout, "layout").unwrap()
}

/// A workload of `engine`'s with somebody beside it who has its access, and what that came to.
async fn worked(
    topology: &Topology,
    (workload, expect): (&str, &str),
    meddle: Meddle,
) -> (CaseRun, Vec<InvariantReport>) {
    let text = format!(
        "title: It keeps to its slice\nwhy: The convention has to hold.\ntags: [chaos]\ntenants: [engine]\n\
         workload: [{workload}]\nrun-for: 1500ms\nexpect: [{expect}]\n"
    );
    let parsed = known(|known| Scenario::parse("chaos/audited", &text, "audited.yaml", known)).unwrap();
    let cases = scenario::expand(&parsed, topology).unwrap();
    let (session, out) = (session(&cases).await, tempfile::tempdir().unwrap());
    let begin = move |access: &mut TenantAccess| Ok::<Meddling, Cause>(meddle(access.clone()));
    let target = Watched::new(&session, &begin);
    let (seed, jobs, terms) = (1, 1, Terms::default());
    let runner = Runner { target: &target, topology, seed, jobs, out: out.path().into(), terms };
    let mut runs: Vec<_> = runner.run(cases, &|_| {}).collect().await;
    let broke = target.broke().map(|error| error.chain());
    assert!(broke.is_none(), "{broke:?}");
    let run = runs.remove(0);
    let reports = bulkhead_checks::judge(&run.history, &run.case.scenario.expect);
    (run, reports)
}

fn audits(run: &CaseRun) -> Vec<&AuditRecord> {
    let audits = run.history.iter().filter_map(|event| match &event.kind {
        EventKind::Audit(audit) => Some(audit),
        _ => None,
    });
    audits.collect()
}

/// One who keeps to the slice passes, and one who does not fails though nothing was asked about it.
async fn is_audited(
    topology: &Topology,
    service: Service,
    workload: (&str, &str),
    meddle: Meddle,
    stray: &str,
) {
    let (run, reports) = worked(topology, workload, NOBODY).await;
    let found = audits(&run);
    assert_eq!(found.len(), 1, "{:#?}", run.history);
    let (about, by) = (found[0].service, found[0].by[0].as_str());
    assert_eq!((about, by, found[0].outside.as_slice()), (service, "engine", &[][..]));
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].verdict, Verdict::Pass, "{reports:#?}");

    let (run, reports) = worked(topology, workload, meddle).await;
    assert_eq!(audits(&run)[0].outside.len(), 1, "{:#?}", audits(&run));
    let [asked, besides] = reports.as_slice() else { panic!("{reports:#?}") };
    assert_eq!((asked.verdict, besides.verdict), (Verdict::Pass, Verdict::Fail), "{reports:#?}");
    let evidence = &besides.evidence;
    assert!(evidence.contains(stray) && evidence.contains("after the work of engine"), "{evidence}");
}

#[tokio::test]
async fn a_key_that_a_workload_leaves_outside_its_prefix_fails_its_case() {
    let meddle: Meddle = |access| {
        Box::pin(async move {
            let own = access.tenant.slices.redis.key("x");
            let stray = own.replace("engine:x", "engin:outside");
            Ok(clients::redis::connect(&access).await?.set::<_, _, ()>(&stray, "1").await?)
        })
    };
    let workload = ("redis.rate-limit", "within-limit");
    is_audited(&Topology::builtin(), Service::Redis, workload, meddle, "engin:outside").await;
}

#[tokio::test]
async fn a_queue_that_a_workload_leaves_outside_its_prefix_fails_its_case() {
    let meddle: Meddle = |access| {
        Box::pin(async move {
            let connection = clients::rabbitmq::connect(&access).await?;
            let channel = connection.create_channel().await?;
            let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel.queue_declare("plane:outside".into(), durable, FieldTable::default()).await?;
            Ok(())
        })
    };
    let workload = ("rabbitmq.tasks", "nothing-lost");
    is_audited(&one_login(), Service::Rabbitmq, workload, meddle, "/plane:outside").await;
}

/// The administrator sees queues and exchanges, whoever made them, and whose prefix they bear.
#[tokio::test]
async fn an_audit_finds_queues_and_exchanges_outside_every_prefix() {
    let (session, topology) = (support::session().await, one_login());
    let slices = session.slices(&topology).await.unwrap();
    let connection = clients::rabbitmq::connect(&slices[0]).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for queue in ["engine:inside", "plane:outside"] {
        let (options, table) = (QueueDeclareOptions::default(), FieldTable::default());
        channel.queue_declare(queue.into(), options, table).await.unwrap();
    }
    let (options, table) = (ExchangeDeclareOptions::default(), FieldTable::default());
    channel.exchange_declare("events".into(), ExchangeKind::Topic, options, table).await.unwrap();
    let vhost = &slices[0].tenant.slices.rabbitmq.vhost;
    let [foreign, stray] = ["plane:outside", "events"].map(|name| format!("{vhost}/{name}"));
    let of_both = audit::look(&session, Service::Rabbitmq, &slices, &topology).await.unwrap().unwrap();
    assert_eq!((of_both.names, &of_both.outside), (3, &vec![stray.clone()]));
    let of_one = audit::look(&session, Service::Rabbitmq, &slices[..1], &topology).await.unwrap().unwrap();
    assert_eq!((of_one.names, &of_one.outside), (3, &vec![foreign, stray]));
    // Nobody is told what lies in a vhost that it has no slice of.
    let mut elsewhere = slices[0].tenant.clone();
    elsewhere.slices.rabbitmq.vhost = String::from("another");
    let error = session.names(Service::Rabbitmq, &elsewhere).await.unwrap_err().chain();
    assert!(error.contains("has no slice of rabbitmq"), "{error}");
    session.release(slices).await.unwrap();
}

/// What probes leave in a vhost whose tenants share a login lies in one of their slices.
#[tokio::test]
async fn probes_of_a_broker_under_one_login_leave_nothing_outside() {
    let classes = Class::ALL.map(|class| format!("rabbitmq.{}", class.name())).join(", ");
    let text = format!("title: T\nwhy: W\ntags: [isolation]\nprobes: [{classes}]\nexpect: [isolated]\n");
    let parsed = known(|known| Scenario::parse("isolation/broker", &text, "broker.yaml", known)).unwrap();
    for run in all_pass(&one_login(), &parsed).await {
        let found = audits(&run);
        assert_eq!(found.len(), 1, "{}", run.case.id);
        assert!(found[0].outside.is_empty() && found[0].by.len() == 2, "{found:?}");
    }
}
