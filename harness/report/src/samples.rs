//! Literal reports, good and bad, for the tests of this room.

use bulkhead_model::{
    AuditRecord, Class, Enforcement, Item, Outcome, RunReport, Service, TenantName, Verdict,
    report::{CaseReport, ChecklistRow, InvariantReport, IsolationRow, LogTail, ServerReport},
};

/// What [`bad`] plants wherever free text goes, in the forms in which servers and clients quote secrets.
pub(crate) const CANARY: &str = "c4n4ry-Pa55w0rd";

pub(crate) fn tenant(name: &str) -> TenantName {
    TenantName::new(name).unwrap()
}

pub(crate) fn servers() -> Vec<ServerReport> {
    [
        (Service::Postgres, "postgres", "15.18", 204),
        (Service::Redis, "redis", "7.0.15", 31),
        (Service::Rabbitmq, "rabbitmq", "3.10.8", 1_612),
        (Service::S3, "embedded", "0.1.0", 0),
    ]
    .map(|(service, product, version, startup_ms)| ServerReport {
        service,
        product: product.into(),
        version: version.into(),
        startup_ms,
    })
    .into()
}

pub(crate) fn row(from: &str, to: &str, service: Service, class: Class) -> IsolationRow {
    IsolationRow {
        from: tenant(from),
        to: tenant(to),
        service,
        probe: format!("{service}.{class}-foreign"),
        class,
        outcome: if class == Class::Enumerate { Outcome::Invisible } else { Outcome::Denied },
        policy: Enforcement::Enforced,
        verdict: Verdict::Pass,
        evidence: format!("{class} on {to}: refused"),
        fix: String::new(),
        inherent: String::new(),
        server: format!("{service} 1"),
        audit: None,
    }
}

pub(crate) fn case(id: &str) -> CaseReport {
    CaseReport {
        id: id.into(),
        title: format!("Title of {id}"),
        why: String::from("One app must never see what another keeps."),
        verdict: Verdict::Pass,
        skipped: None,
        duration_ms: 420,
        faults: Vec::new(),
        invariants: vec![InvariantReport {
            name: String::from("isolated"),
            verdict: Verdict::Pass,
            evidence: String::from("1 of 1 probes refused"),
        }],
        attempts: Vec::new(),
        likely: None,
        diagnoses: Vec::new(),
        repro: format!(
            "bulkhead verify scenarios/{}.yaml --seed 7 --case engine",
            id.split(' ').next().unwrap()
        ),
        logs: Vec::new(),
    }
}

/// Everything passed.
pub(crate) fn good() -> RunReport {
    let mut isolation = Vec::new();
    for (from, to) in [("engine", "plane"), ("plane", "engine")] {
        for service in [Service::Postgres, Service::Rabbitmq, Service::S3] {
            for class in [Class::Read, Class::Write, Class::Delete, Class::Enumerate] {
                isolation.push(row(from, to, service, class));
            }
        }
        let mut read = row(from, to, Service::Redis, Class::Read);
        (read.outcome, read.policy) = (Outcome::Allowed, Enforcement::Convention);
        read.audit =
            Some(AuditRecord { service: Service::Redis, by: Vec::new(), names: 12, outside: Vec::new() });
        let mut list = row(from, to, Service::Redis, Class::Enumerate);
        (list.policy, list.audit) = (Enforcement::Convention, read.audit.clone());
        isolation.extend([read, list]);
    }
    let mut checklist = Vec::new();
    for name in ["engine", "plane"] {
        for item in Item::ALL {
            checklist.push(ChecklistRow {
                tenant: tenant(name),
                item,
                service: item.service(),
                done: true,
                evidence: format!("{item} seen"),
                fix: String::new(),
            });
        }
    }
    RunReport {
        version: 1,
        run: String::from("2026-11-24T12-01-07"),
        seed: 7,
        target: String::from("native"),
        target_reason: Some(String::from("its servers are on this machine")),
        links: None,
        verdict: Verdict::Pass,
        duration_ms: 9_300,
        tenants: vec![tenant("engine"), tenant("plane")],
        servers: servers(),
        cases: vec![
            case("checklist/postgres (engine)"),
            case("isolation/postgres/read (engine → plane)"),
            case("isolation/s3/read (plane → engine)"),
        ],
        isolation,
        checklist,
    }
}

/// One case failed, one is unknown, one was skipped, and servers quoted secrets in every free text.
pub(crate) fn bad() -> RunReport {
    bad_quoting(CANARY)
}

/// The same with another secret.
pub(crate) fn bad_quoting(secret: &str) -> RunReport {
    let mut report = good();
    report.verdict = Verdict::Fail;
    let quoted = format!("server said: postgresql://engine:{secret}@127.0.0.1:5432/enginedb refused");
    let mut failed = case("isolation/postgres/write (engine → plane)");
    failed.verdict = Verdict::Fail;
    failed.faults = vec![String::from("kill postgres at 2.0 s for 1.0 s")];
    failed.invariants = vec![
        InvariantReport {
            name: String::from("isolated"),
            verdict: Verdict::Fail,
            evidence: format!("1 > 0 probes allowed; first: CREATE TEMP TABLE worked\n{quoted}"),
        },
        InvariantReport {
            name: String::from("controls-held"),
            verdict: Verdict::Pass,
            evidence: String::from("1 of 1 positive controls held"),
        },
    ];
    failed.likely = Some(format!("PUBLIC has CONNECT; password={secret}"));
    failed.logs = vec![LogTail {
        service: Service::Postgres,
        lines: vec![String::from("LOG:  ready\x1b[2J"), format!("FATAL:  {quoted}")],
    }];
    let mut unknown = case("isolation/redis/read (engine → plane)");
    unknown.verdict = Verdict::Unknown;
    unknown.invariants[0].verdict = Verdict::Unknown;
    unknown.invariants[0].evidence = String::from("0 of 1 probes answered");
    unknown.logs = vec![LogTail { service: Service::Redis, lines: vec![format!("AUTH password={secret}")] }];
    let mut skipped = case("chaos/rabbitmq/partition (engine)");
    (skipped.verdict, skipped.skipped) = (Verdict::Unknown, Some(String::from("docker only")));
    report.cases.splice(1..1, [failed, unknown, skipped]);
    let leak = report.isolation.get_mut(1).unwrap();
    (leak.outcome, leak.verdict) = (Outcome::Allowed, Verdict::Fail);
    (leak.evidence, leak.fix) =
        (quoted.clone(), String::from("REVOKE CONNECT ON DATABASE neondb FROM PUBLIC"));
    let item = report.checklist.get_mut(2).unwrap();
    (item.done, item.evidence) = (false, format!("no vhost `/engine`; {quoted}"));
    item.fix = format!("create it: amqps://engine:{secret}@127.0.0.1/%2Fengine");
    report
}
