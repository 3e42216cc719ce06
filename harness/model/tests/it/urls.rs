//! Connection URLs: what each spelling means, what is refused, and that writing and reading agree.

use bulkhead_model::{
    Secret,
    url::{AmqpUrl, EnvFormat, PostgresUrl, RedisUrl, S3Access, render},
};
use proptest::prelude::*;
use std::process::Command;

use crate::strings::{host, nasty};

fn vhost(path: &str) -> Result<String, String> {
    AmqpUrl::parse(&format!("amqps://u:p@h{path}")).map(|url| url.vhost)
}

#[test]
fn an_amqp_path_means_the_vhost_that_the_specification_says() {
    assert_eq!(vhost("").unwrap(), "/");
    assert_eq!(vhost("/").unwrap(), "");
    assert_eq!(vhost("/%2F").unwrap(), "/");
    assert_eq!(vhost("/engine").unwrap(), "engine");
    assert_eq!(vhost("/%2Fengine").unwrap(), "/engine");
    assert_eq!(vhost("/%2fengine").unwrap(), "/engine");
    assert_eq!(vhost("/..").unwrap(), "..");
    assert!(vhost("//engine").unwrap_err().contains("write `/%2Fengine` for the vhost `/engine`"));
    assert!(vhost("/a/b").unwrap_err().contains("%2F"));
    assert!(vhost("/e?heartbeat=5").unwrap_err().contains("query"));
}

#[test]
fn defaults_are_the_services_own() {
    let amqp = AmqpUrl::parse("amqps://u:p@h").unwrap();
    assert_eq!((amqp.port, amqp.tls), (5671, true));
    let amqp = AmqpUrl::parse("AMQP://u:p@h").unwrap();
    assert_eq!((amqp.port, amqp.tls), (5672, false));
    let redis = RedisUrl::parse("rediss://:p@h").unwrap();
    assert_eq!((redis.user.as_str(), redis.port, redis.database, redis.tls), ("default", 6379, 0, true));
    assert_eq!(RedisUrl::parse("redis://u:p@h:1/7").unwrap().database, 7);
    let postgres = PostgresUrl::parse("postgres://u:p%40@[::1]/db").unwrap();
    assert_eq!((postgres.host.as_str(), postgres.port, postgres.password.expose()), ("::1", 5432, "p@"));
}

#[test]
fn urls_have_the_production_shape() {
    let text =
        "postgresql://neondb_owner:p@ep-x.neon.tech:5432/neondb?sslmode=verify-full&sslrootcert=/tmp/ca.pem";
    let postgres = PostgresUrl::parse(text).unwrap();
    assert_eq!(postgres.expose(), text);
    assert_eq!(postgres.to_string(), text.replace(":p@", ":***@"));
    assert_eq!(format!("{postgres:?}"), format!("PostgresUrl({postgres})"));
    let amqp = AmqpUrl::parse("amqps://u:p@h/%2Fengine").unwrap();
    assert_eq!(amqp.expose(), "amqps://u:p@h:5671/%2Fengine");
    let redis = RedisUrl::parse("rediss://default:p@h:6379").unwrap();
    assert_eq!(
        (redis.expose(), redis.to_string()),
        ("rediss://default:p@h:6379/0".into(), "rediss://default:***@h:6379/0".into())
    );
    let s3 = S3Access::parse("https://h:9/", "id", "key", "tl-engine").unwrap();
    assert_eq!(s3.to_string(), "https://h:9/tl-engine with key id:***");
}

#[test]
fn tls_is_what_the_client_would_insist_on() {
    let tls = |query: &str| PostgresUrl::parse(&format!("postgres://u:p@h/d{query}")).unwrap().tls();
    for strong in ["require", "verify-ca", "verify-full"] {
        assert!(tls(&format!("?sslmode={strong}")), "{strong}");
    }
    for weak in ["", "?sslmode=disable", "?sslmode=allow", "?sslmode=prefer", "?application_name=require"] {
        assert!(!tls(weak), "{weak}");
    }
}

#[test]
fn what_clients_read_in_different_ways_is_refused() {
    for (text, part) in [
        ("", "is not a URL"),
        ("db.example", "is not a URL"),
        ("mysql://u:p@h/d", "does not begin with `postgresql://` or `postgres://`"),
        ("'postgres://u:p@h/d'", "quotation mark"),
        ("postgres://u:p@h/d\n", "line break"),
        ("postgres://u:p@h d", "space"),
        ("postgres://h/d", "no user and password"),
        ("postgres://u@h/d", "no password"),
        ("postgres://u:@h/d", "empty password"),
        ("postgres://:p@h/d", "no role"),
        ("postgres://u:p@h", "no database"),
        ("postgres://u:p@h/", "no database"),
        ("postgres://u:p@h/a/b", "more than one segment"),
        ("postgres://u:p@h/dsslmode=require", "a `?` is missing"),
        ("postgres://u:p@h/d&sslmode", "a `?` is missing"),
        ("postgres://u:p@/d", "no host"),
        ("postgres://u:p@:5432/d", "no host"),
        ("postgres://u:p@a,b/d", "a host with other characters"),
        ("postgres://u:p@[::1/d", "no `]`"),
        ("postgres://u:p@[h]/d", "no IPv6 address"),
        ("postgres://u:p@[::1]5432/d", "between the host and the port"),
        ("postgres://u:p@h:/d", "port"),
        ("postgres://u:p@h:0/d", "port"),
        ("postgres://u:p@h:+1/d", "port"),
        ("postgres://u:p@h:65536/d", "port"),
        ("postgres://u:p@q@h/d", "more than one `@`"),
        ("postgres://u:p/q@h/d", "after the host"),
        ("postgres://u:p#q@h/d", "after the host"),
        ("postgres://u:p@h/d#x", "fragment"),
        ("postgres://u:p%4@h/d", "hexadecimal"),
        ("postgres://u:p%zz@h/d", "hexadecimal"),
        ("postgres://u:p%ff@h/d", "not UTF-8"),
        ("postgres://u:p%00@h/d", "NUL"),
        ("postgres://u:p@h/d?sslmode", "without `=`"),
        ("postgres://u:p@h/d?=x", "without a name"),
        ("postgres://u:p@h/d?sslmode=require&sslmode=disable", "twice"),
        ("postgres://u:p@h/d?sslmode=no-verify", "unknown `sslmode`"),
        ("postgres://u:p@h/d?password=x", "secret"),
        ("postgres://u:p@h/d?SSLPassword=x", "secret"),
        ("postgres://u:p@h/d?host=other", "again"),
    ] {
        let error = PostgresUrl::parse(text).unwrap_err();
        assert!(error.contains(part), "`{text}`: {error}");
    }
    for path in ["/x", "/-1", "/+1", "/1/2", "/99999999999"] {
        assert!(
            RedisUrl::parse(&format!("rediss://u:p@h{path}")).unwrap_err().contains("logical database"),
            "{path}"
        );
    }
    for (endpoint, part) in [
        ("h:9", "is not a URL"),
        ("ftp://h", "does not begin with"),
        ("https://u:p@h", "an `@`"),
        ("https://h/bucket", "a path"),
        ("https://h?x", "a path or a query"),
        ("https://", "no host"),
    ] {
        assert!(S3Access::parse(endpoint, "i", "s", "b").unwrap_err().contains(part), "{endpoint}");
    }
    for (id, key, bucket, part) in [
        ("", "s", "b", "key id is empty"),
        ("i", "s\n", "b", "secret access key holds"),
        ("i", "s", "\"b\"", "bucket begins"),
    ] {
        assert!(S3Access::parse("https://h", id, key, bucket).unwrap_err().contains(part), "{part}");
    }
}

#[test]
fn variables_are_quoted_as_each_reader_needs() {
    let variables =
        [("A", "https://h:1/x?y=%2F"), ("B", "it's"), ("C", "a b$c"), ("D", ""), ("E", "1\n2\\\"")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(
        render(EnvFormat::Shell, &variables),
        "export A='https://h:1/x?y=%2F'\nexport B='it'\\''s'\nexport C='a b$c'\nexport D=''\nexport E='1\n2\\\"'\n"
    );
    assert_eq!(
        render(EnvFormat::Dotenv, &variables),
        "A=https://h:1/x?y=%2F\nB=\"it's\"\nC='a b$c'\nD=''\nE=\"1\\n2\\\\\\\"\"\n"
    );
    let json: serde_json::Value = serde_json::from_str(&render(EnvFormat::Json, &variables)).unwrap();
    for (name, value) in &variables {
        assert_eq!(json[name], **value);
    }
    for format in EnvFormat::ALL {
        assert_eq!(format.name().parse::<EnvFormat>().unwrap(), format);
    }
    assert!("yaml".parse::<EnvFormat>().unwrap_err().contains("dotenv"));
}

fn parameters() -> impl Strategy<Value = Vec<(String, String)>> {
    let mode = prop::sample::select(vec!["disable", "prefer", "require", "verify-full"]);
    (mode, prop::option::of(nasty()), prop::option::of(nasty())).prop_map(|(mode, application, options)| {
        let named = |name: &str, value: Option<String>| value.map(|value| (name.to_owned(), value));
        let mode = Some(("sslmode".to_owned(), mode.to_owned()));
        [mode, named("application_name", application), named("opt+ions é", options)]
            .into_iter()
            .flatten()
            .collect()
    })
}

proptest! {
    #[test]
    fn a_postgres_url_reads_back_as_written(
        host in host(), port in 1u16.., user in nasty(), password in nasty(), database in nasty(), parameters in parameters(),
    ) {
        let url = PostgresUrl { host, port, user, password: Secret::new(password), database, parameters };
        prop_assert_eq!(PostgresUrl::parse(&url.expose()), Ok(url));
    }

    #[test]
    fn a_redis_url_reads_back_as_written(
        host in host(), port in 1u16.., user in nasty(), password in nasty(), database: u32, tls: bool,
    ) {
        let url = RedisUrl { host, port, user, password: Secret::new(password), database, tls };
        prop_assert_eq!(RedisUrl::parse(&url.expose()), Ok(url));
    }

    #[test]
    fn an_amqp_url_reads_back_as_written(
        host in host(), port in 1u16.., user in nasty(), password in nasty(), vhost in prop_oneof![nasty(), Just(String::new())],
        tls: bool,
    ) {
        let url = AmqpUrl { host, port, user, password: Secret::new(password), vhost, tls };
        prop_assert_eq!(AmqpUrl::parse(&url.expose()), Ok(url));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in prop_oneof![nasty(), nasty().prop_map(|t| format!("amqps://u:p@h{t}"))]) {
        let _ = (PostgresUrl::parse(&text), RedisUrl::parse(&text), AmqpUrl::parse(&text), S3Access::parse(&text, &text, &text, &text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_shell_reads_the_same_values(values in prop::collection::vec(nasty(), 1..8)) {
        let variables: Vec<(String, String)> =
            values.into_iter().enumerate().map(|(index, value)| (format!("V{index}"), value)).collect();
        let mut script = render(EnvFormat::Shell, &variables);
        for (name, _) in &variables {
            script += &format!("printf '%s\\0' \"${name}\"\n");
        }
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        let expected: String = variables.iter().map(|(_, value)| format!("{value}\0")).collect();
        prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }
}
