//! What takes a real MinIO to see: bucket policies, for which only MinIO has calls, two accounts, one on each server, and
//! MinIO's column of the page on S3.

use bulkhead_model::{Enforcement, Outcome, Service, Verdict};
use serde_json::json;

use super::{
    Rig, Separate, Shared, judge_probe,
    page::{self, Server},
};
use crate::{
    s3::minio::{asked, minio},
    support,
};

/// Neither reads nor changes the neighbour's, each until its own right is in the policy of the probing tenant's user, which
/// leaves the other as it was.
#[tokio::test]
async fn each_right_on_a_policy_turns_its_probe_red() {
    for sharing in [Separate, Shared] {
        let Some(server) = minio().await else { return };
        let mut rig = Rig::of(server, Service::S3, sharing).await;
        assert!(rig.version.starts_with("minio "), "{}", rig.version);
        let [from, to] = rig.slices("p", Enforcement::Enforced).await;
        let rights = [
            ("s3.read-bucket-policy", "s3:GetBucketPolicy"),
            ("s3.change-bucket-policy", "s3:PutBucketPolicy"),
        ];
        let wanted =
            |about: &bulkhead_engine::probes::About| rights.iter().any(|(probe, _)| about.name == *probe);
        let sound = rig.probe_some(&from, &to, Enforcement::Enforced, &wanted).await;
        for record in &sound {
            assert!(record.control.held && record.outcome == Outcome::Denied, "{record:#?}");
        }
        for (probe, right) in rights {
            let on =
                |slice: &bulkhead_model::S3Slice, rest: &str| format!("arn:aws:s3:::{}{rest}", slice.bucket);
            let (own, other) = (&from.tenant.slices.s3, &to.tenant.slices.s3);
            let objects = on(own, &format!("/{}*", own.prefix.as_deref().unwrap_or_default()));
            let document = json!({ "Version": "2012-10-17", "Statement": [
                { "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": [objects] },
                { "Effect": "Allow", "Action": [right], "Resource": [on(other, "")] },
            ] });
            let key = &from.connections.s3.access_key_id;
            rig.administer(&json!({ "key": key, "document": document }).to_string()).await;
            for record in rig.probe_some(&from, &to, Enforcement::Enforced, &wanted).await {
                let expected = if record.probe == probe { Verdict::Fail } else { Verdict::Pass };
                assert!(record.control.held, "{record:#?}");
                assert_eq!(judge_probe(&record), expected, "after {right}: {record:#?}");
            }
        }
        rig.server.running.stop().await;
    }
}

#[tokio::test]
async fn s3_md_tells_how_minio_answers_probes() {
    let Some(server) = minio().await else { return };
    page::of_probes(Rig::of(server, Service::S3, Separate).await, Server::Minio).await;
}

#[tokio::test]
async fn s3_md_tells_how_minio_answers_workloads() {
    let Some(mut spec) = asked() else { return };
    spec.name = Some(String::from("bulkhead-it-minio"));
    page::of_workloads(&support::open(&spec).await, Server::Minio).await;
}

/// Nothing on one server closes it: with an account for each, it is closed.
#[tokio::test]
async fn an_account_for_each_is_told_from_a_common_one() {
    let Some(server) = minio().await else { return };
    let mut rigs = [Rig::of(server, Service::S3, Separate).await, Rig::new(Service::S3, Separate).await];
    let [from, _] = rigs[0].slices("a", Enforcement::Enforced).await;
    let [_, to] = rigs[1].slices("a", Enforcement::Enforced).await;
    let shared = |about: &bulkhead_engine::probes::About| about.name == "s3.share-account";
    let records = rigs[0].probe_some(&from, &to, Enforcement::Enforced, &shared).await;
    assert!(records[0].control.held && records[0].outcome == Outcome::Denied, "{records:#?}");
    for rig in &mut rigs {
        rig.server.running.stop().await;
    }
}
