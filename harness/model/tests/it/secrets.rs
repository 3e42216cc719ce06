//! A canary password goes into every place that takes one, whole or mangled, and is in nothing that anyone reads.

use std::{collections::BTreeMap, fmt};

use bulkhead_model::{
    Problems, Secret, Topology,
    url::{AmqpUrl, Connections, PostgresUrl, RedisUrl, S3Access},
};
use proptest::prelude::*;

use crate::strings::nasty;

/// Of letters and digits alone, so that no encoding changes it; the passwords around it hold everything else.
const CANARY: &str = "Canary9x7Q";

/// Everything a reader may get to see of a value.
fn visible<T: fmt::Debug + fmt::Display, E: fmt::Debug + fmt::Display>(result: &Result<T, E>) -> String {
    let displayed = match result {
        Ok(value) => value.to_string(),
        Err(error) => error.to_string(),
    };
    format!("{displayed}\n{result:?}\n{result:#?}")
}

fn visible_connections(result: &Result<Connections, Problems>) -> String {
    let displayed = match result {
        Ok(Connections { postgres, redis, rabbitmq, s3 }) => format!("{postgres} {redis} {rabbitmq} {s3}"),
        Err(problems) => problems.to_string(),
    };
    format!("{displayed}\n{result:?}\n{result:#?}")
}

/// A password with the canary in it, and the same as a URL should hold it, as written in a hurry, or all escaped.
fn password() -> impl Strategy<Value = (String, String)> {
    let around = prop_oneof![nasty(), Just(String::new())];
    (around.clone(), around, 0..3).prop_map(|(before, after, style)| {
        let password = format!("{before}{CANARY}{after}");
        let written = match style {
            0 => password.clone(),
            1 => password.bytes().map(|b| format!("%{b:02X}")).collect(),
            _ => url_escaped(&password),
        };
        (password, written)
    })
}

fn url_escaped(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// One slip of a hand: nothing, a character too many, or one too few. The canary itself stays whole.
fn slip(text: &str, kind: u8, at: prop::sample::Index, extra: char) -> String {
    let canary = text.find(CANARY).map_or(0..0, |start| start..start + CANARY.len());
    let places: Vec<usize> =
        text.char_indices().map(|(i, _)| i).filter(|i| *i == canary.start || !canary.contains(i)).collect();
    let place = *at.get(&places);
    let (before, after) = text.split_at(place);
    match kind {
        0 => text.to_owned(),
        1 => format!("{before}{extra}{after}"),
        _ if place == canary.start => text.to_owned(),
        _ => format!("{before}{}", after.chars().skip(1).collect::<String>()),
    }
}

fn extra() -> impl Strategy<Value = char> {
    prop::sample::select(vec![
        '@', ':', '/', '?', '#', '%', '[', ']', ' ', '\n', '"', '\'', '&', '=', ',', '0', 'é',
    ])
}

/// A URL with that password, right or almost so.
fn url() -> impl Strategy<Value = String> {
    let form = prop::sample::select(vec![
        "postgresql://u:{}@h:5432/enginedb?sslmode=require",
        "postgres://u:{}@h/otherdb?sslmode=prefer",
        "postgres://u:p@h/enginedb?sslmode=require&password={}",
        "postgres://u:p@h/enginedb?sslmode=require&sslpassword={}",
        "postgres://u:p@h/enginedb?sslmode={}",
        "postgres://u:p@h/enginedb?sslmode=require&client_key={}",
        "rediss://default:{}@h:6379/0",
        "redis://:{}@h",
        "redis://:{}@h/x",
        "amqps://u:{}@h:5671/%2Fengine",
        "amqp://u:{}@h/engine",
        "amqps://u:{}@h//engine",
        "https://u:{}@h",
        "{}",
    ]);
    (form, password(), 0u8..3, any::<prop::sample::Index>(), extra())
        .prop_map(|(form, (_, written), kind, at, extra)| {
            slip(&form.replace("{}", &written), kind, at, extra)
        })
        .prop_filter("a login's name is no secret, whatever was meant", |text| !is_in_the_name(text))
}

/// A lost `:` before the password makes a name of its beginning, if another `:` in it is left to end that name.
fn is_in_the_name(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let Some((login, _)) = rest.rsplit_once('@') else { return false };
    let Some((name, _)) = login.split_once(':') else { return false };
    name.contains(CANARY) || name.to_uppercase().contains(&escaped_canary())
}

/// As style 1 above writes it.
fn escaped_canary() -> String {
    CANARY.bytes().map(|b| format!("%{b:02X}")).collect()
}

/// The engine's environment as it should be.
fn environment() -> BTreeMap<String, String> {
    [
        ("DATABASE_URL", "postgresql://u:p@h/enginedb?sslmode=require"),
        ("REDIS_URL", "rediss://u:p@h"),
        ("AMQP_URL", "amqps://u:p@h/%2Fengine"),
        ("AWS_S3_ENDPOINT_URL", "https://h"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "key"),
        ("AWS_S3_BUCKET_NAME", "tl-engine"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn read(environment: &BTreeMap<String, String>) -> Result<Connections, Problems> {
    let topology = Topology::builtin();
    let engine = topology.tenant("engine").unwrap();
    Connections::from_lookup(engine, &topology, &|name| environment.get(name).cloned())
}

fn check(shown: &str) -> Result<(), TestCaseError> {
    prop_assert!(!shown.contains(CANARY), "the canary is visible in: {}", shown);
    prop_assert!(
        !shown.to_uppercase().contains(&escaped_canary()),
        "the escaped canary is visible in: {}",
        shown
    );
    Ok(())
}

#[test]
fn the_canary_is_really_in_there_and_leaves_by_expose_alone() {
    let postgres = PostgresUrl::parse(&format!("postgres://u:{CANARY}@h/enginedb?sslmode=require")).unwrap();
    let redis = RedisUrl::parse(&format!("rediss://u:{CANARY}@h")).unwrap();
    let rabbitmq = AmqpUrl::parse(&format!("amqps://u:{CANARY}@h/%2Fengine")).unwrap();
    let s3 = S3Access::parse("https://h", "id", CANARY, "tl-engine").unwrap();
    for exposed in [postgres.expose(), redis.expose(), rabbitmq.expose()] {
        assert!(exposed.contains(CANARY), "{exposed}");
    }
    let topology = Topology::builtin();
    let connections = Connections { postgres, redis, rabbitmq, s3 };
    let variables = connections.variables(topology.tenant("engine").unwrap());
    assert_eq!(variables.iter().filter(|(_, value)| value.contains(CANARY)).count(), 4);
    let shown = visible_connections(&Ok(connections));
    assert_eq!(shown.matches(Secret::MASK).count(), 12, "each of the four, three times:\n{shown}");
    // The check below can fail.
    assert!(check(&variables[0].1).is_err());
    assert!(check(&escaped_canary()).is_err());
}

#[test]
fn only_what_stands_in_the_names_place_is_left_out() {
    for named in [format!("amqp://u{CANARY}:a@h/engine"), format!("rediss://{}:@h", escaped_canary())] {
        assert!(is_in_the_name(&named), "{named}");
    }
    for secret in [format!("amqp://u:{CANARY}:a@h"), format!("amqp://u{CANARY}@h"), format!("{CANARY}:a@h")] {
        assert!(!is_in_the_name(&secret), "{secret}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_parser_shows_the_password(text in url()) {
        check(&visible(&PostgresUrl::parse(&text)))?;
        check(&visible(&RedisUrl::parse(&text)))?;
        check(&visible(&AmqpUrl::parse(&text)))?;
        check(&visible(&S3Access::parse(&text, "id", "key", "bucket")))?;
        check(&visible(&S3Access::parse("https://h", "id", &text, "bucket")))?;
    }

    #[test]
    fn no_problem_of_an_environment_shows_the_password(
        texts in prop::collection::vec((prop::sample::select(Connections::VARIABLES.to_vec()), url()), 1..4),
        lost in prop::option::of(prop::sample::select(Connections::VARIABLES.to_vec())),
    ) {
        let mut environment = environment();
        // An access key's id is a name, no secret: it may be shown.
        for (variable, text) in texts.into_iter().filter(|(variable, _)| *variable != "AWS_ACCESS_KEY_ID") {
            environment.insert(variable.to_owned(), text);
        }
        lost.map(|variable| environment.remove(variable));
        check(&visible_connections(&read(&environment)))?;
    }

    #[test]
    fn typed_values_show_nothing_either((password, written) in password()) {
        let mut url = PostgresUrl::parse("postgres://u:p@h/d?sslmode=require").unwrap();
        url.password = Secret::new(password.clone());
        url.parameters.push(("password".to_owned(), password.clone()));
        check(&visible(&Ok::<_, String>(url)))?;
        let secret = Secret::new(password);
        check(&format!("{secret} {secret:?} {secret:#?} {}", serde_json::to_string(&[&secret]).unwrap()))?;
        // The secret key put where the bucket's name belongs, even one that could be a bucket's name.
        for misplaced in [written, CANARY.to_owned(), CANARY.to_lowercase()] {
            let mut environment = environment();
            environment.insert("AWS_S3_BUCKET_NAME".to_owned(), misplaced.clone());
            environment.insert("AWS_SECRET_ACCESS_KEY".to_owned(), misplaced.clone());
            let shown = visible_connections(&read(&environment));
            check(&shown)?;
            prop_assert!(!shown.contains(&CANARY.to_lowercase()), "{}", shown);
        }
    }
}
