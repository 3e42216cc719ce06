//! Tenants that share a vhost, a bucket or a database with their neighbour, as the smallest plans have it.

use bulkhead::model::{Outcome, Service, Verdict};
use sqlx::{AssertSqlSafe, Executor};

use super::{VERIFY, field::Field, report};

/// One vhost and one bucket, of which each tenant has a prefix.
pub(super) const VHOST_AND_BUCKET: &str = r#"
[tenants.engine]
postgres = { database = "enginedb" }
redis    = { prefix = "engine:" }
rabbitmq = { vhost = "wmohtwtk", queues = "engine:" }
s3       = { bucket = "tl-shared", prefix = "engine/" }

[tenants.plane]
env      = "PLANE_"
postgres = { database = "neondb" }
redis    = { prefix = "plane:" }
rabbitmq = { vhost = "wmohtwtk", queues = "plane:" }
s3       = { bucket = "tl-shared", prefix = "plane/" }
"#;

/// By convention, and nobody has a login of its own.
const ONE_LOGIN: &str = "[services.redis]\nenforcement = \"convention\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_in_a_shared_vhost_and_bucket_leaves_everything_as_it_was() {
    let mut field = Field::laid_out(&[ONE_LOGIN, VHOST_AND_BUCKET].concat()).await;
    field.fill().await;
    let before = field.digest().await;
    let ran = field.run(&VERIFY);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let whole = report(&ran.stdout);
    assert_eq!((whole.target.as_str(), whole.verdict, whole.checklist.len()), ("env", Verdict::Pass, 12));
    for service in Service::ALL {
        for from in ["engine", "plane"] {
            let of = |row: &&bulkhead::model::report::IsolationRow| {
                row.service == service && row.from.as_str() == from
            };
            let made = whole.isolation.iter().filter(of).filter(|row| row.outcome != Outcome::Skipped);
            assert!(made.count() >= 10, "{from} tried too little on {service}: {}", ran.all());
        }
    }
    assert_eq!(field.digest().await, before);
    let ran = field.run(&["clean", "--ca", "ca.pem"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "nothing is left of any run\n"), "{}", ran.all());
    assert_eq!(field.digest().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_make_no_schema_is_refused_with_the_grant() {
    let field = Field::laid_out(crate::support::ALL_SHARED).await;
    let mut superuser = field.superuser("shared").await;
    let verify = ["verify", "--target", "env", "--ca", "ca.pem", "scenarios/isolation/postgres/read.yaml"];
    for access in &field.tenants {
        let ran = field.run(&verify);
        assert_eq!(ran.code, Some(3), "{}", ran.all());
        let role = &access.connections.postgres.user;
        let grant = format!("GRANT CREATE ON DATABASE \"shared\" TO \"{role}\"");
        assert!(ran.stderr.contains("the role may not make the run's own schema"), "{}", ran.all());
        assert!(ran.stderr.contains(&grant), "{grant}: {}", ran.all());
        superuser.execute(AssertSqlSafe(grant)).await.unwrap();
    }
    // The grant is all that was missing.
    let ran = field.run(&verify);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
}
