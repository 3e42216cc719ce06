//! Signatures: each recorded text gives its own diagnosis and no other's, every collected mistake is told or listed, and
//! text that nobody recorded gives none. And what variables alone show.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_model::{
    Secret, Service, Topology,
    doctor::{
        Finding, Given, Provider, Seen, Signature, Weight, diagnose, diagnose_facts, diagnose_text,
        look_at_variables, providers,
    },
};
use proptest::prelude::*;

fn in_facts(signature: &Signature) -> bool {
    matches!(signature.diagnosis.seen, Seen::Url | Seen::Read)
}

fn rows() -> impl Iterator<Item = (&'static Provider, &'static Signature)> {
    providers().iter().flat_map(|provider| provider.signatures.iter().map(move |row| (provider, row)))
}

/// Every row of the provider's file that the text matches, whatever comes first.
fn matching<'p>(provider: &'p Provider, row: &Signature, text: &str) -> Vec<&'p str> {
    let alike = |other: &&Signature| match in_facts(row) {
        true => other.diagnosis.seen == row.diagnosis.seen,
        false => !in_facts(other),
    };
    let matching = provider.signatures.iter().filter(alike).filter(|other| other.matches(text, None));
    matching.map(|other| other.diagnosis.id.as_str()).collect()
}

#[test]
fn each_recorded_text_gives_its_own_diagnosis_and_no_other() {
    let mut examples = 0;
    for (provider, row) in rows() {
        let id = row.diagnosis.id.as_str();
        for example in &row.examples {
            examples += 1;
            // A URL may show several things at once; an answer means one.
            match row.diagnosis.seen {
                Seen::Url => assert!(matching(provider, row, example).contains(&id), "{id}: {example}"),
                _ => assert_eq!(matching(provider, row, example), [id], "{example}"),
            }
            let Some(service) = provider.service else { continue };
            match in_facts(row) {
                true => {
                    let found = diagnose_facts(service, row.diagnosis.seen, example);
                    assert!(found.iter().any(|found| found.id == id), "{id}: {example}: {found:?}");
                }
                false => {
                    for text in [example.clone(), format!("connect: {example}: because")] {
                        let found = diagnose(Some(service), &text, None).map(|found| found.id.as_str());
                        assert_eq!(found, Some(id), "{text}");
                    }
                }
            }
        }
    }
    assert!(examples > 100, "{examples} examples");
}

#[test]
fn what_no_provider_owns_is_told_for_every_service_or_better() {
    for (provider, row) in rows().filter(|(provider, row)| provider.service.is_none() && !in_facts(row)) {
        for example in &row.examples {
            let found = diagnose(None, example, None).map(|found| found.id.as_str());
            assert_eq!(found, Some(row.diagnosis.id.as_str()), "{}: {example}", provider.name);
            for service in Service::ALL {
                assert!(diagnose(Some(service), example, None).is_some(), "{service}: {example}");
            }
        }
    }
}

#[test]
fn every_collected_mistake_is_told_or_says_why_not() {
    for provider in providers() {
        let told = provider.signatures.iter().flat_map(|row| row.mistakes.iter().copied());
        let listed = provider.untold.iter().map(|untold| untold.mistake);
        let covered: BTreeSet<u32> = told.chain(listed).collect();
        assert_eq!(covered, (1..=provider.mistakes).collect(), "{}", provider.name);
        assert!(provider.untold.iter().all(|untold| !untold.why.is_empty() && !untold.symptom.is_empty()));
    }
    let counts: Vec<_> = providers().iter().map(|provider| provider.mistakes).collect();
    assert_eq!(counts, [10, 8, 8, 9, 0], "as many as were collected");
}

#[test]
fn every_row_has_its_own_name_and_names_its_source() {
    let mut ids = BTreeSet::new();
    for (_, row) in rows() {
        let found = &row.diagnosis;
        assert!(ids.insert(&found.id), "{} is there twice", found.id);
        let source = &found.source;
        let known = ["https://", "github.com/", "neondatabase/", "PostgreSQL src/", "Redis src/", "rustls "];
        for one in source.split("; ") {
            assert!(known.iter().any(|start| one.starts_with(start)), "{}: {one}", found.id);
        }
        for text in [&found.symptom, &found.cause, &found.fix] {
            assert!(!text.ends_with('.') && text.len() < 300, "{}: {text}", found.id);
        }
    }
}

#[test]
fn a_code_rules_out_what_it_does_not_belong_to() {
    let text = "database \"foo\" does not exist";
    let of = |code| diagnose(Some(Service::Postgres), text, code).map(|found| found.id.as_str());
    assert_eq!(of(Some("3D000")), Some("neon.database-missing"));
    assert_eq!(of(Some("XX000")), Some("neon.database-missing"), "as Neon's proxy delivers it");
    assert_eq!(of(None), Some("neon.database-missing"));
    assert_eq!(of(Some("22000")), None);
    assert_eq!(diagnose(Some(Service::Redis), text, None), None, "another service's text");
}

#[test]
fn a_text_that_names_its_service_is_told_by_that_services_provider() {
    let text = "as the API: rabbitmq: could not connect as `u`: IO error: Connection reset by peer";
    assert_eq!(diagnose_text(text).unwrap().id, "cloudamqp.closed");
    let text = "redis: could not connect: Connection reset by peer, then postgres: could not connect";
    assert_eq!(diagnose_text(text).unwrap().id, "upstash.closed");
    assert_eq!(diagnose_text("deadline has elapsed").unwrap().id, "any.silent");
    assert_eq!(diagnose_text("one row where none was expected"), None);
}

fn variables(changes: &[(&str, Option<&str>)]) -> BTreeMap<String, String> {
    let good = [
        ("DATABASE_URL", "postgresql://app:canary-pw@db.example.com/enginedb?sslmode=verify-full"),
        ("REDIS_URL", "rediss://default:canary-pw@kv.example.com:6379"),
        ("AMQP_URL", "amqps://app:canary-pw@mq.example.com/%2Fengine"),
        ("AWS_S3_ENDPOINT_URL", "https://s3.us-west-004.backblazeb2.com"),
        ("AWS_ACCESS_KEY_ID", "0051234567890ab0000000001"),
        ("AWS_SECRET_ACCESS_KEY", "canary-pw"),
        ("AWS_S3_BUCKET_NAME", "tl-engine"),
    ];
    let mut variables: BTreeMap<_, _> = good.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    for (name, value) in changes {
        match value {
            Some(value) => drop(variables.insert((*name).to_owned(), (*value).to_owned())),
            None => drop(variables.remove(*name)),
        }
    }
    variables
}

fn looked(changes: &[(&str, Option<&str>)]) -> Vec<Finding> {
    let (topology, variables) = (Topology::builtin(), variables(changes));
    let lookup = |name: &str| variables.get(name).cloned();
    let found = look_at_variables(topology.tenant("engine").unwrap(), &topology, &[], &lookup);
    assert!(!format!("{found:?}").contains("canary-pw"), "{found:?}");
    found
}

/// What the change of one variable gives, as ids; an unknown problem is its text.
fn told(name: &str, value: &str) -> Vec<String> {
    let found = looked(&[(name, Some(value))]);
    found.into_iter().map(|one| one.diagnosis.map_or(one.what, |known| known.id)).collect()
}

#[test]
fn good_variables_give_nothing() {
    assert_eq!(looked(&[]), []);
}

#[test]
fn variables_are_told_apart_by_what_they_show() {
    let cases: [(&str, &str, &[&str]); 16] = [
        (
            "DATABASE_URL",
            "postgresql://a:canary-pw@ep-a-1-pooler.us-east-2.aws.neon.tech/enginedb?sslmode=require",
            &["neon.pooled-host"],
        ),
        (
            "DATABASE_URL",
            "postgresql://a:canary-pw@ep-a-1.us-east-2.aws.neon.tech/enginedb?sslmode=require&channel_binding=require",
            &["neon.channel-binding"],
        ),
        (
            "DATABASE_URL",
            "postgresql://a:canary-pw@ep-a-1-pooler.us-east-2.aws.neon.tech/enginedb?sslmode=require&options=-c%20search_path%3Dx",
            &["neon.pooled-host", "neon.pooled-parameter"],
        ),
        (
            "DATABASE_URL",
            "postgresql://a:canary-pw@ep-a-1.us-east-2.aws.neon.tech/enginedb?sslmode=require&options=endpoint%3Dep-b-2",
            &["neon.endpoint-option"],
        ),
        (
            "DATABASE_URL",
            "postgresql://a:canary-pw@ep-a-1.us-east-2.aws.neon.tech/enginedb?sslmode=require&options=endpoint%3Dep-a-1",
            &[],
        ),
        (
            "DATABASE_URL",
            "postgresql://a:canary-pw@db.example.com/enginedb?sslmode=prefer",
            &["neon.sslmode"],
        ),
        ("REDIS_URL", "redis://default:canary-pw@kv.example.com", &["upstash.plain-url"]),
        (
            "REDIS_URL",
            "rediss://default:canary-pw@eu1-fine-cat-1.upstash.io:6379/1",
            &["upstash.database-url"],
        ),
        (
            "REDIS_URL",
            "rediss://default_ro:canary-pw@eu1-fine-cat-1.upstash.io:6379",
            &["upstash.read-only-user"],
        ),
        ("AMQP_URL", "amqps://app:canary-pw@mq.example.com/engine", &["cloudamqp.vhost-slash"]),
        ("AMQP_URL", "amqps://app:canary-pw@mq.example.com:5672/%2Fengine", &["cloudamqp.scheme-port"]),
        ("AMQP_URL", "amqps://guest:canary-pw@mq.example.com/%2Fengine", &["cloudamqp.guest"]),
        (
            "AMQP_URL",
            "amqps://wmohtwtk:canary-pw@hawk.rmq.cloudamqp.com/%2Fengine",
            &["cloudamqp.vhost-user"],
        ),
        ("AWS_S3_ENDPOINT_URL", "http://s3.us-west-004.backblazeb2.com", &["b2.plain-url"]),
        (
            "AWS_S3_ENDPOINT_URL",
            "https://tl-engine.s3.us-west-004.backblazeb2.com",
            &["b2.bucket-in-endpoint"],
        ),
        ("AWS_REGION", "us-east-1", &["b2.region"]),
    ];
    for (name, value, expected) in cases {
        assert_eq!(told(name, value), expected, "{name}={value}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let found = looked(&[
        ("DATABASE_URL", Some("postgresql://a:canary-pw@h/other?sslmode=disable")),
        ("REDIS_URL", None),
        ("AMQP_URL", Some("amqp://a:canary-pw@h:5671/engine")),
        ("AWS_S3_BUCKET_NAME", Some("")),
    ]);
    let places: Vec<_> = found.iter().map(|one| one.place.as_str()).collect();
    let expected = [
        "DATABASE_URL",
        "DATABASE_URL",
        "REDIS_URL",
        "AMQP_URL",
        "AMQP_URL",
        "AMQP_URL",
        "AWS_S3_BUCKET_NAME",
    ];
    assert_eq!(places, expected, "{found:#?}");
    assert!(found.iter().all(|one| one.weight == Weight::Wrong && one.seen == Seen::Url));
    assert!(found.iter().all(|one| one.hint.is_some() || one.diagnosis.is_some()));
}

#[test]
fn one_login_for_two_tenants_is_wrong_only_where_the_topology_promises_more() {
    let mut variables = variables(&[]);
    let own = variables.clone();
    for (name, value) in own {
        variables.insert(format!("PLANE_{name}"), value);
    }
    let topology = Topology::builtin();
    let lookup = |name: &str| variables.get(name).cloned();
    let plane = Given::read(topology.tenant("plane").unwrap(), &lookup);
    let found = look_at_variables(topology.tenant("engine").unwrap(), &topology, &[&plane], &lookup);
    let ids: Vec<_> =
        found.iter().map(|one| (one.service, one.diagnosis.as_ref().unwrap().id.as_str())).collect();
    let shared =
        [Service::Postgres, Service::Rabbitmq, Service::S3].map(|service| (service, "any.shared-login"));
    assert_eq!(ids, shared, "Redis is a convention there");
}

#[test]
fn what_cannot_be_read_is_left_out_and_secrets_are_masked() {
    let variables = variables(&[("REDIS_URL", Some("nonsense"))]);
    let topology = Topology::builtin();
    let lookup = |name: &str| variables.get(name).cloned();
    let given = Given::read(topology.tenant("engine").unwrap(), &lookup);
    assert!(given.postgres.is_some() && given.redis.is_none() && given.s3.is_some());
    assert_eq!(given.scrub("said canary-pw twice: canary-pw"), format!("said {0} twice: {0}", Secret::MASK));
    assert!(Given::is_any_set(topology.tenant("engine").unwrap(), &lookup));
    assert!(!Given::is_any_set(topology.tenant("plane").unwrap(), &lookup));
}

proptest! {
    #[test]
    fn text_that_nobody_recorded_gives_no_diagnosis(text in "[ -~éß\n]{0,200}", code in "[0-9A-Z]{5}") {
        for service in Service::ALL {
            prop_assert_eq!(diagnose(Some(service), &text, Some(&code)), None);
            prop_assert_eq!(diagnose_facts(service, Seen::Url, &text).len(), 0);
            prop_assert_eq!(diagnose_facts(service, Seen::Read, &text).len(), 0);
        }
        prop_assert_eq!(diagnose(None, &text, None), None);
    }

    #[test]
    fn any_variable_is_looked_at(value in "(postgresql|rediss?|amqps?|https?)://[a-z]{0,4}:?[ -~]{0,40}") {
        for name in ["DATABASE_URL", "REDIS_URL", "AMQP_URL", "AWS_S3_ENDPOINT_URL"] {
            let _ = told(name, &value);
        }
    }
}
