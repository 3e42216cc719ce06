//! `--target env`, on servers that a test starts by hand and the command knows from variables alone.

use bulkhead::model::{Outcome, RunReport, Service, Verdict, report::CaseReport};
use bulkhead_engine::probes::About;
use bulkhead_target::clients;
use nix::sys::signal::Signal;
use sqlx::Executor;

use super::command::Desk;

mod broken;
pub(super) mod field;
mod killed;
mod meter;
mod shared;
mod workload;

use field::Field;
use meter::Meter;

/// Every probe and item on the field's servers.
const VERIFY: [&str; 9] = [
    "verify",
    "scenarios/isolation",
    "scenarios/checklist",
    "--target",
    "env",
    "--ca",
    "ca.pem",
    "--format",
    "json",
];

fn report(text: &str) -> RunReport {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_run_passes_and_leaves_everything_as_it_was() {
    let mut field = Field::new().await;
    field.fill().await;
    let before = field.digest().await;
    let (asked, carried) = (field.redis_commands().await, field.messages().await);
    let meter = Meter::before(&mut field).await;
    let ran = field.run(&VERIFY);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let (asked, carried) = (field.redis_commands().await - asked, field.messages().await - carried);
    // A bound that is far off would forbid runs that fit into a budget.
    meter.holds(announced(&ran.stderr), 25, (asked, carried));
    let whole = report(&ran.stdout);
    assert_eq!((whole.target.as_str(), whole.verdict), ("env", Verdict::Pass));
    for case in &whole.cases {
        // All that there is to exhaust in a broker takes of it.
        let too_much = case.id.contains("/rabbitmq/exhaust ");
        assert_eq!(case.skipped.is_some(), too_much, "{}: {}", case.id, ran.all());
    }
    assert_eq!((whole.servers.len(), whole.checklist.len()), (4, 12));
    let audit = audited(&whole);
    assert!(audit.invariants[0].evidence.starts_with("0 of "), "{audit:?}");
    assert!(whole.cases[0].repro.contains(" --target env --ca ca.pem "), "{}", whole.cases[0].repro);
    assert_eq!(field.digest().await, before);

    let known = field.variables.clone();
    field.variables.retain(|name, _| !name.starts_with("PLANE_"));
    let ran = field.run(&VERIFY);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    of_one_tenant(&report(&ran.stdout));
    assert_eq!(field.digest().await, before);
    field.variables = known;

    let ran = field.run(&["verify", "--target", "env", "--ca", "ca.pem", "--budget", "redis=9,s3-c=0"]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    assert!(
        ran.stderr.contains("of `redis`, and its budget is 9") && ran.stderr.contains("`s3-c`"),
        "{}",
        ran.all()
    );

    let ran = field.run(&["checklist", "--target", "env", "--ca", "ca.pem"]);
    assert_eq!((ran.code, ran.stdout.matches("\n- [x] ").count()), (Some(0), 12), "{}", ran.all());
    let ran = field.run(&["clean", "--ca", "ca.pem"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "nothing is left of any run\n"), "{}", ran.all());
    assert_eq!(field.digest().await, before);
}

/// What the look at all of Redis before the cases and after them came to.
fn audited(report: &RunReport) -> &CaseReport {
    report.cases.iter().find(|case| case.id == "audit/redis").unwrap_or_else(|| panic!("{report:?}"))
}

/// What the command says that it will spend at most, in the order of `Unit::ALL`.
fn announced(stderr: &str) -> [u64; 5] {
    let said = stderr.split("at most ").nth(1).unwrap_or_else(|| panic!("{stderr}"));
    let amounts = said.split(',').take(5).map(|part| part.split_whitespace().next().unwrap());
    let amounts: Vec<u64> =
        amounts.map(|text| text.parse().unwrap_or_else(|_| panic!("`{text}`: {stderr}"))).collect();
    amounts.try_into().unwrap_or_else(|amounts| panic!("{amounts:?}: {stderr}"))
}

/// The tenant's own checklist, and every probe that needs no more of its neighbour than its names.
fn of_one_tenant(report: &RunReport) {
    assert_eq!(report.checklist.len(), 6);
    assert!(report.checklist.iter().all(|row| row.tenant.as_str() == "engine" && row.done));
    assert!(report.isolation.iter().all(|row| row.from.as_str() == "engine"));
    let mut wrong = Vec::new();
    for probe in bulkhead_engine::probes::all().map(|probe| probe.about()) {
        let row = report.isolation.iter().find(|row| row.probe == probe.name);
        let row = row.unwrap_or_else(|| panic!("{} has no row", probe.name));
        let made = row.outcome != Outcome::Skipped;
        let left_out = match probe {
            About { takes: true, .. } => Some("takes of what others need"),
            About { beyond: true, .. } => Some("reaches beyond the run's own names"),
            About { by_name: false, .. } => Some("the variables that begin with `PLANE_` are not set"),
            // The field's server is no MinIO.
            About { name: "s3.read-bucket-policy" | "s3.change-bucket-policy", .. } => {
                Some("no S3 call for a bucket's policy")
            }
            // No variable says where it is.
            About { management: true, .. } => Some("the rabbitmq server has no management API"),
            _ => None,
        };
        let as_it_should = match left_out {
            Some(reason) => !made && row.evidence.contains(reason),
            // It was made, its names being all that it needs; with nobody to plant anything, not seeing it proves nothing.
            None => made || row.evidence.contains("nothing is known to be there, so this says nothing"),
        };
        if !as_it_should {
            wrong.push(format!("{left_out:?}: {row:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    for service in Service::ALL {
        let rows = report.isolation.iter().filter(|row| row.service == service);
        let answered = rows.filter(|row| row.outcome != Outcome::Skipped).count();
        assert!(answered > 0, "{service}: every row was left out or says nothing");
    }
    let skipped = |part: &str| {
        let reasons = report.cases.iter().filter_map(|case| case.skipped.as_ref());
        reasons.filter(|reason| reason.contains(part)).count()
    };
    assert!(skipped("the variables that begin with `PLANE_` of `plane` are not set") > 6);
    assert!(skipped("needs plane's own credentials") > 0, "cases none of whose probes could be made");
    assert_eq!(report.verdict, Verdict::Pass);
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_leaks_are_red_and_the_fix_names_what_is_really_there() {
    let mut field = Field::new().await;
    field.fill().await;
    let [engine, plane] = [field.tenants[0].clone(), field.tenants[1].clone()];
    let mut owner = clients::postgres::connect(&plane).await.unwrap();
    for sql in [
        "GRANT CONNECT ON DATABASE neondb TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    ] {
        owner.execute(sql).await.unwrap();
    }
    let [user, vhost] = [&engine.connections.rabbitmq.user, &plane.connections.rabbitmq.vhost]
        .map(|text| format!("<<\"{text}\">>"));
    let any = "<<\".*\">>";
    let statement = format!(
        "rabbit_auth_backend_internal:set_permissions({user},{vhost},{any},{any},{any},<<\"test\">>)"
    );
    assert_eq!(field.administer(Service::Rabbitmq, &statement).await, "ok");
    let (key, bucket) = (&engine.connections.s3.access_key_id, &plane.tenant.slices.s3.bucket);
    let grant = serde_json::json!({ "buckets": [bucket], "prefix": "", "capabilities": ["readFiles"] });
    let grant = serde_json::json!({ "key": key, "grant": grant }).to_string();
    field.administer(Service::S3, &grant).await;
    let before = field.digest().await;

    let mut args = vec!["verify", "scenarios/isolation"];
    args.extend(&VERIFY[3..]);
    let stray = tokio::spawn(field::stray(engine.clone()));
    let ran = field.run(&args);
    let stray = stray.await.unwrap();
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    let report = report(&ran.stdout);
    let fix = |probe: &str| {
        let mut rows = report.isolation.iter().filter(|row| row.probe == probe);
        let row = rows.find(|row| row.outcome == Outcome::Allowed).unwrap_or_else(|| panic!("{}", ran.all()));
        assert_eq!((row.from.as_str(), row.verdict), ("engine", Verdict::Fail), "{row:?}");
        row.fix.clone()
    };
    let postgres = fix("postgres.select-foreign-rows");
    assert!(postgres.contains("REVOKE CONNECT ON DATABASE \"neondb\""), "{postgres}");
    assert!(fix("rabbitmq.get-foreign-message").contains("clear_permissions -p 'wmohtwtk'"));
    let s3 = fix("s3.get-foreign-object");
    assert!(s3.contains("`tl-engine`") && !s3.contains("namePrefix"), "{s3}");
    let audit = audited(&report);
    assert_eq!((audit.verdict, audit.skipped.as_ref()), (Verdict::Fail, None), "{audit:?}");
    let evidence = &audit.invariants[0].evidence;
    assert!(evidence.starts_with("1 of ") && evidence.contains(&format!("`{stray}` first")), "{evidence}");
    assert!(audit.repro.starts_with("bulkhead verify scenarios/isolation --target env"), "{audit:?}");
    // It is left to whoever put it there.
    let removed = field.administer(Service::Redis, &format!("DEL {stray}")).await;
    assert!(removed.contains('1'), "{removed}");
    assert_eq!(field.digest().await, before);
}

#[test]
fn stand_ins_are_not_started_for_real_services() {
    let desk = Desk::new();
    for (args, says) in [
        (&["verify", "--target", "env"][..], "no tenant has a variable set"),
        (&["checklist", "--target", "env", "--ca", "none.pem"][..], "none.pem: cannot be read"),
        (&["up", "--target", "env"][..], "`up` starts stand-ins only"),
        (&["run", "--target", "env", "--", "true"][..], "`run` starts stand-ins only"),
        (&["clean"][..], "no tenant has a variable set"),
    ] {
        let ran = desk.run(args);
        assert_eq!(ran.code, Some(3), "{}", ran.all());
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
    let ran = desk.run(&["clean", "--run", "bulkhead"]);
    assert_eq!(ran.code, Some(64), "{}", ran.all());
}

#[test]
fn urls_are_judged_before_anything_starts_and_all_at_once() {
    // Whoever contacts this has it in its queue.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let desk = Desk::new();
    let mut command = desk.command(&["verify", "--target", "env"]);
    for (env, user, database, vhost, bucket) in [
        ("", "engine", "enginedb", "engine", "tl-engine"),
        ("PLANE_", "plane", "neondb", "%2Fwmohtwtk", "tl-plane"),
    ] {
        let at = format!("not-a-secret@127.0.0.1:{port}");
        command.envs([
            (format!("{env}DATABASE_URL"), format!("postgresql://{user}:{at}/{database}")),
            (format!("{env}REDIS_URL"), format!("redis://default:{at}")),
            (format!("{env}AMQP_URL"), format!("amqps://{user}:{at}/{vhost}")),
            (format!("{env}AWS_S3_ENDPOINT_URL"), format!("http://127.0.0.1:{port}")),
            (format!("{env}AWS_ACCESS_KEY_ID"), format!("key-{user}")),
            (format!("{env}AWS_SECRET_ACCESS_KEY"), String::from("not-a-secret")),
            (format!("{env}AWS_S3_BUCKET_NAME"), bucket.to_owned()),
        ]);
    }
    let ran = super::command::Ran::from(command.output().unwrap());
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    for part in ["DATABASE_URL", "REDIS_URL", "AMQP_URL", "AWS_S3_ENDPOINT_URL"] {
        for env in ["engine", "plane"] {
            let said = ran.stderr.lines().filter(|line| line.contains(env) && line.contains(part)).count();
            assert_eq!(said, 1, "{part} of {env}: {}", ran.stderr);
        }
    }
    assert!(ran.stderr.contains("8 problems"), "{}", ran.stderr);
    for vhost in ["slash from the topology's `/engine`", "slash from the topology's `wmohtwtk`"] {
        assert!(ran.stderr.contains(vhost), "{vhost}: {}", ran.stderr);
    }
    assert!(!ran.all().contains("not-a-secret"), "{}", ran.all());
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "something was contacted");
    assert!(!desk.path("target").exists());
}

#[test]
fn a_service_elsewhere_is_not_contacted_unasked() {
    let desk = Desk::new();
    let mut command = desk.command(&["verify", "--target", "env"]);
    command.envs([
        ("DATABASE_URL", "postgresql://engine:not-a-secret@db.invalid/enginedb?sslmode=require"),
        ("REDIS_URL", "rediss://default:not-a-secret@redis.invalid"),
        ("AMQP_URL", "amqps://engine:not-a-secret@mq.invalid/%2Fengine"),
        ("AWS_S3_ENDPOINT_URL", "https://s3.invalid"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "not-a-secret"),
        ("AWS_S3_BUCKET_NAME", "tl-engine"),
    ]);
    let ran = super::command::Ran::from(command.output().unwrap());
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    for part in ["4 problems", "AMQP_URL: leads to `mq.invalid`, which is not this machine", "--allow-remote"]
    {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert!(!ran.all().contains("not-a-secret"), "{}", ran.all());
}

/// Every signal that ends a command.
const ENDINGS: [Signal; 2] = [Signal::SIGINT, Signal::SIGKILL];
