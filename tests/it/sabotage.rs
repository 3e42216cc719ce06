//! The invariants of the workloads can fail on real servers: without any fault, somebody with the tenant's own access
//! breaks the promise behind the workload's back, and the check says so.

use std::future::{Future, pending};

use async_trait::async_trait;
use aws_sdk_s3::{Client as S3, primitives::ByteStream};
use bulkhead_engine::run::{CaseRun, Runner};
use bulkhead_model::{
    S3Slice, Service, Topology, Verdict,
    report::{InvariantReport, LogTail, ServerReport},
    scenario::{self, Case, Scenario},
};
use bulkhead_target::{Disturbance, Error, Lot, Session, Target, TenantAccess, clients};
use futures::StreamExt;
use lapin::{
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions},
    types::FieldTable,
};
use redis::AsyncCommands;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::sync::watch;

use crate::{scenarios::known, support};

/// The shared servers, which tell what they gave.
struct Watched {
    session: Session,
    /// The tenant's access, as long as the case has it.
    given: watch::Sender<Option<TenantAccess>>,
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

    async fn lots(
        &self,
        layout: &Topology,
        services: &[Service],
        alone: &[Service],
    ) -> Result<Vec<Lot>, Error> {
        let lots = Target::lots(&self.session, layout, services, alone).await?;
        self.given.send_replace(lots[0].access.clone());
        Ok(lots)
    }

    async fn release(&self, lots: Vec<Lot>) -> Result<(), Error> {
        self.given.send_replace(None);
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
    let report = judged(workload, invariant, sabotage).await;
    assert_eq!(report.verdict, Verdict::Fail, "{workload}: {}", report.evidence);
    assert!(report.evidence.contains(says), "{workload}: `{says}` is not in: {}", report.evidence);
}

/// What the invariant comes to when the workload is played and `sabotage` goes on meanwhile.
async fn judged<S: Future<Output = ()>>(
    workload: &str,
    invariant: &str,
    sabotage: impl FnOnce(TenantAccess) -> S,
) -> InvariantReport {
    let text = format!(
        "title: A promise is broken\nwhy: The check has to see it.\ntags: [chaos]\ntenants: [engine]\n\
         workload: [{workload}]\nrun-for: 3s\nexpect: [{invariant}]\n"
    );
    let parsed = known(|known| Scenario::parse("chaos/sabotage", &text, "sabotage.yaml", known));
    let cases = scenario::expand(&parsed.unwrap(), &Topology::builtin()).unwrap();
    let runs = meddled(cases, sabotage).await;
    assert_eq!(runs.len(), 1, "one tenant, one case");
    let mut reports = bulkhead_checks::judge(&runs[0].history, &runs[0].case.scenario.expect);
    assert_eq!(reports.len(), 1, "one invariant is expected");
    reports.remove(0)
}

/// Runs the cases on the shared servers, with the sabotage beside them from when the tenant has its slices until it
/// gives them back.
async fn meddled<S: Future<Output = ()>>(
    cases: Vec<Case>,
    sabotage: impl FnOnce(TenantAccess) -> S,
) -> Vec<CaseRun> {
    let ((given, mut access), topology) = (watch::channel(None), Topology::builtin());
    let (target, out) = (Watched { session: support::session().await, given }, tempfile::tempdir().unwrap());
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

/// The table of a workload on PostgreSQL, as the workload names it.
fn table(access: &TenantAccess, name: &str) -> String {
    format!("\"{}\".bulkhead_{name}", access.tenant.slices.postgres.schema_or_public())
}

/// Asks until there is a row, and answers what it holds; before the workload began there is not even a table.
async fn row(connection: &mut PgConnection, sql: &str) -> String {
    loop {
        let asked = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_optional(&mut *connection).await;
        match asked {
            Ok(Some(held)) => return held,
            Ok(None) => {}
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => {}
            Err(error) => panic!("`{sql}`: {error}"),
        }
    }
}

/// Executes a statement that changes at least one row.
async fn change(connection: &mut PgConnection, sql: String) {
    let changed = sqlx::query(AssertSqlSafe(sql.clone())).execute(connection).await.unwrap();
    assert!(changed.rows_affected() > 0, "`{sql}` changed nothing");
}

/// Waits until the log holds so many rows, then executes the statement, in which `{table}` is the log's.
async fn after_rows(access: TenantAccess, rows: usize, statement: &str) {
    let mut connection = clients::postgres::connect(&access).await.unwrap();
    let table = table(&access, "metrics");
    row(&mut connection, &format!("SELECT 'enough' FROM {table} HAVING count(*) >= {rows}")).await;
    change(&mut connection, statement.replace("{table}", &table)).await;
}

#[tokio::test]
async fn deleted_rows_are_lost() {
    let sabotage = |access| after_rows(access, 20, "DELETE FROM {table}");
    fails("postgres.metrics-log", "nothing-lost", "are lost", sabotage).await;
}

/// A row that looks like another tenant's.
const STRANGE: &str = "INSERT INTO {table} (element, body) VALUES ('plane.1.1', '')";

#[tokio::test]
async fn another_tenants_row_is_foreign() {
    let sabotage = |access| after_rows(access, 1, STRANGE);
    fails("postgres.metrics-log", "nothing-foreign", "plane.1.1", sabotage).await;
}

#[tokio::test]
async fn a_row_that_nobody_added_is_read() {
    let sabotage = |access| after_rows(access, 1, STRANGE);
    fails("postgres.metrics-log", "nothing-lost", "plane.1.1", sabotage).await;
}

/// One engine, so that whatever is set is seen.
const ONE_ENGINE: &str = "{ postgres.engine-state: { engines: 1, rate: 120/s } }";

#[tokio::test]
async fn a_state_that_nobody_set_is_seen() {
    let sabotage = async |access: TenantAccess| {
        let mut connection = clients::postgres::connect(&access).await.unwrap();
        let table = table(&access, "engines");
        row(&mut connection, &format!("SELECT state FROM {table}")).await;
        change(&mut connection, format!("UPDATE {table} SET state = 'engine.0.0'")).await;
    };
    fails(ONE_ENGINE, "linearizable", "`engine.0.0` (which nobody put there)", sabotage).await;
}

#[tokio::test]
async fn a_state_that_was_left_comes_back() {
    let sabotage = async |access: TenantAccess| {
        let mut connection = clients::postgres::connect(&access).await.unwrap();
        let table = table(&access, "engines");
        let old = row(&mut connection, &format!("SELECT state FROM {table}")).await;
        row(&mut connection, &format!("SELECT state FROM {table} WHERE state <> '{old}'")).await;
        change(&mut connection, format!("UPDATE {table} SET state = '{old}'")).await;
    };
    fails(ONE_ENGINE, "linearizable", "do not linearise", sabotage).await;
}

/// Ten times what the limit lets through.
const LIMITED: &str = "{ redis.rate-limit: { limit: 20, rate: 200/s } }";

/// Takes a window's counter away whenever it is used up, as an eviction would.
async fn evict(access: TenantAccess) {
    let mut connection = clients::redis::connect(&access).await.unwrap();
    loop {
        // Of those seconds that a slow machine may take to begin, and some more.
        for window in 0..30 {
            let key = access.tenant.slices.redis.key(&format!("bulkhead:rate:{window}"));
            let count: Option<u64> = connection.get(&key).await.unwrap();
            if count.is_some_and(|count| count >= 20) {
                let _: () = connection.del(&key).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn an_evicted_counter_admits_too_many() {
    fails(LIMITED, "within-limit", "admitted more than their limit", evict).await;
}

/// Takes tasks and does none of them.
async fn steal(access: TenantAccess) {
    let connection = clients::rabbitmq::connect(&access).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = access.tenant.slices.rabbitmq.queue("tasks");
    // It may come before the workload, which declares it alike.
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await.unwrap();
    channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    let options = BasicConsumeOptions::default();
    let consumer =
        channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default()).await;
    let mut taken = consumer.unwrap().take(10);
    while let Some(delivery) = taken.next().await {
        delivery.unwrap().ack(BasicAckOptions::default()).await.unwrap();
    }
    connection.close(200, "done".into()).await.unwrap();
}

/// It takes the workload's whole patience: only then are the tasks given up.
#[tokio::test]
async fn a_task_that_another_took_is_lost() {
    fails("rabbitmq.tasks", "nothing-lost", "were never taken", steal).await;
}

/// Deletes every log that is there, once there are a few.
async fn shred(access: TenantAccess) {
    let (client, slice) = (clients::s3::client(&access).unwrap(), &access.tenant.slices.s3);
    let keys: Vec<_> = loop {
        let list = client.list_objects_v2().bucket(&slice.bucket).prefix(slice.key("bulkhead/logs/"));
        let listed = list.send().await.unwrap();
        if listed.contents().len() >= 10 {
            break listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect();
        }
    };
    for key in keys {
        client.delete_object().bucket(&slice.bucket).key(key).send().await.unwrap();
    }
}

#[tokio::test]
async fn deleted_objects_are_lost() {
    fails("s3.logs", "nothing-lost", "are lost", shred).await;
}

/// One object, so that whatever is put is got.
const ONE_OBJECT: &str = "{ s3.config: { objects: 1, rate: 60/s } }";

/// Waits until the setting is there and is not `old`.
async fn setting(client: &S3, slice: &S3Slice, old: Option<&str>) -> String {
    loop {
        let got = client.get_object().bucket(&slice.bucket).key(slice.key("bulkhead/config/1")).send().await;
        let body = match got {
            Ok(got) => got.body.collect().await.unwrap().into_bytes(),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => continue,
            Err(error) => panic!("{error:?}"),
        };
        let value = String::from_utf8(body.to_vec()).unwrap();
        if Some(value.as_str()) != old {
            return value;
        }
    }
}

/// Puts the value over the setting's, often enough that a client gets it before another puts the next.
async fn overwrite(client: &S3, slice: &S3Slice, value: &str) {
    for _ in 0..50 {
        let put = client.put_object().bucket(&slice.bucket).key(slice.key("bulkhead/config/1"));
        put.body(ByteStream::from(value.as_bytes().to_vec())).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_setting_that_nobody_put_is_got() {
    let sabotage = async |access: TenantAccess| {
        let (client, slice) = (clients::s3::client(&access).unwrap(), &access.tenant.slices.s3);
        setting(&client, slice, None).await;
        overwrite(&client, slice, "engine.0.0").await;
    };
    fails(ONE_OBJECT, "linearizable", "`engine.0.0` (which nobody put there)", sabotage).await;
}

#[tokio::test]
async fn a_setting_that_was_replaced_comes_back() {
    let sabotage = async |access: TenantAccess| {
        let (client, slice) = (clients::s3::client(&access).unwrap(), &access.tenant.slices.s3);
        let old = setting(&client, slice, None).await;
        setting(&client, slice, Some(&old)).await;
        overwrite(&client, slice, &old).await;
    };
    fails(ONE_OBJECT, "linearizable", "do not linearise", sabotage).await;
}

/// What fails above fails because somebody meddled: left alone, the same workloads pass.
#[tokio::test]
async fn nobody_meddles() {
    let promises = [
        ("postgres.metrics-log", "nothing-lost"),
        ("postgres.metrics-log", "nothing-foreign"),
        (ONE_ENGINE, "linearizable"),
        (LIMITED, "within-limit"),
        ("rabbitmq.tasks", "nothing-lost"),
        ("s3.logs", "nothing-lost"),
        (ONE_OBJECT, "linearizable"),
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
