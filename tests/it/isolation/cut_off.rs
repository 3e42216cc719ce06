//! Attempts that are cut off anywhere, as faults cut them off: what they leave keeps no later attempt from being judged.

use std::{
    future::poll_fn,
    pin::pin,
    task::Poll::{Pending, Ready},
};

use bulkhead_engine::{
    probes::{self, Pair, Probe},
    seed::Seed,
};
use bulkhead_model::{Enforcement, Service};
use bulkhead_target::TenantAccess;
use futures::{StreamExt, future::join_all, stream};

use super::{BESIDE, Rig, Separate, Shared, Sharing, of};

/// How often each probe is cut off.
const TIMES: usize = 2;

/// What the attempt comes to unless it is dropped once it was polled so often, and how often it was.
async fn cut_off<T>(after: u64, attempt: impl Future<Output = T>) -> (Option<T>, u64) {
    let (mut attempt, mut polled) = (pin!(attempt), 0);
    poll_fn(|context| {
        polled += 1;
        match attempt.as_mut().poll(context) {
            Ready(made) => Ready((Some(made), polled)),
            // What it asked for is on its way, and nobody waits for the answer.
            Pending if polled >= after => Ready((None, polled)),
            Pending => Pending,
        }
    })
    .await
}

/// Whole attempts on slices where nothing happened before: of each probe how often it was polled.
async fn polls(rig: &Rig, [from, to]: &[TenantAccess; 2]) -> Vec<(&'static dyn Probe, u64)> {
    let pair = &rig.pair(from, to);
    pair.ready(rig.service).await.unwrap();
    let count =
        async |probe: &'static dyn Probe| (probe, cut_off(u64::MAX, probes::make(probe, pair)).await.1);
    let beside = of(rig.service).filter(|probe| !probe.about().alone);
    let mut counted: Vec<_> = stream::iter(beside).map(count).buffered(BESIDE).collect().await;
    for probe in of(rig.service).filter(|probe| probe.about().alone) {
        counted.push(count(probe).await);
    }
    counted
}

/// Begins these on connections of their own and cuts each off at a moment that is drawn.
async fn begin(rig: &Rig, [from, to]: &[TenantAccess; 2], some: &[(&'static dyn Probe, u64)], time: usize) {
    let pair: &Pair<'_> = &rig.pair(from, to);
    pair.ready(rig.service).await.unwrap();
    join_all(some.iter().map(|(probe, polls)| async move {
        let drawn = Seed::new(time as u64).child(probe.about().name).number();
        cut_off(drawn % polls + 1, probes::make(*probe, pair)).await;
    }))
    .await;
}

async fn leave_nothing_in_the_way(service: Service, sharing: Sharing, policy: Enforcement) {
    let mut rig = Rig::new(service, sharing).await;
    let [fresh, slices] = [rig.slices("fresh", policy).await, rig.slices("used", policy).await];
    let [from, to] = &fresh;
    let expected = rig.probe_all(from, to, policy).await;
    let counted = polls(&rig, &fresh).await;
    for time in 0..TIMES {
        let (alone, beside): (Vec<_>, Vec<_>) =
            counted.iter().copied().partition(|(probe, _)| probe.about().alone);
        for some in beside.chunks(BESIDE).chain(alone.chunks(1)) {
            begin(&rig, &slices, some, time).await;
        }
    }
    let [from, to] = &slices;
    let mut wrong = Vec::new();
    for (record, before) in rig.probe_all(from, to, policy).await.iter().zip(&expected) {
        if (record.outcome, record.control.held) != (before.outcome, before.control.held) {
            wrong.push(format!("{:?} became {record:#?}", before.outcome));
        }
    }
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    rig.server.running.stop().await;
}

macro_rules! tests {
    ($($name:ident: $service:ident, $sharing:ident, $policy:ident;)+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            leave_nothing_in_the_way(Service::$service, $sharing, Enforcement::$policy).await;
        })+
    };
}

tests! {
    postgres_with_databases: Postgres, Separate, Enforced;
    postgres_with_schemas: Postgres, Shared, Enforced;
    redis_with_logins: Redis, Shared, Enforced;
    redis_with_one_login: Redis, Shared, Convention;
    rabbitmq_with_vhosts: Rabbitmq, Separate, Enforced;
    rabbitmq_with_one_login: Rabbitmq, Shared, Convention;
    s3_with_buckets: S3, Separate, Enforced;
    s3_with_one_key: S3, Shared, Convention;
}
