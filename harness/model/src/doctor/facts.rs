//! What a tenant's variables show before anything is contacted: what is missing or malformed, and the facts that the
//! signatures of kind `url` are held against.
//!
//! Facts are lines `name: value` for matching only. They are never shown: what a finding says about a variable is the
//! URL with its password masked.

use std::{fmt::Write as _, net::IpAddr};

use super::{Finding, Seen, Weight, diagnose_facts};
use crate::{
    Enforcement, Secret, Service, Tenant, Topology,
    url::{AmqpUrl, Connections, PostgresUrl, RedisUrl, S3Access},
};

/// The variables of one tenant as far as they can be read, service by service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// `DATABASE_URL`
    pub postgres: Option<PostgresUrl>,
    /// `REDIS_URL`
    pub redis: Option<RedisUrl>,
    /// `AMQP_URL`
    pub rabbitmq: Option<AmqpUrl>,
    /// The four `AWS_*` variables, when all four can be read.
    pub s3: Option<S3Access>,
}

impl Given {
    /// Reads what can be read. What cannot is left out; [`look_at_variables`] says why.
    pub fn read(tenant: &Tenant, lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| lookup(&format!("{}{name}", tenant.env)).unwrap_or_default();
        let [endpoint, key, secret, bucket] =
            ["AWS_S3_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_S3_BUCKET_NAME"]
                .map(value);
        Self {
            postgres: PostgresUrl::parse(&value("DATABASE_URL")).ok(),
            redis: RedisUrl::parse(&value("REDIS_URL")).ok(),
            rabbitmq: AmqpUrl::parse(&value("AMQP_URL")).ok(),
            s3: S3Access::parse(&endpoint, &key, &secret, &bucket).ok(),
        }
    }

    /// Whether any of the tenant's variables is set.
    pub fn is_any_set(tenant: &Tenant, lookup: &dyn Fn(&str) -> Option<String>) -> bool {
        Connections::VARIABLES.iter().any(|name| lookup(&format!("{}{name}", tenant.env)).is_some())
    }

    /// Where a service is, without a secret; none when its variables cannot be read.
    pub fn place(&self, service: Service) -> Option<String> {
        match service {
            Service::Postgres => self.postgres.as_ref().map(ToString::to_string),
            Service::Redis => self.redis.as_ref().map(ToString::to_string),
            Service::Rabbitmq => self.rabbitmq.as_ref().map(ToString::to_string),
            Service::S3 => self.s3.as_ref().map(|s3| s3.endpoint.clone()),
        }
    }

    /// The text with every secret of these variables masked.
    pub fn scrub(&self, text: &str) -> String {
        let secrets = [
            self.postgres.as_ref().map(|url| &url.password),
            self.redis.as_ref().map(|url| &url.password),
            self.rabbitmq.as_ref().map(|url| &url.password),
            self.s3.as_ref().map(|s3| &s3.secret_access_key),
        ];
        let secrets = secrets.into_iter().flatten().filter(|secret| !secret.is_empty());
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret.expose(), Secret::MASK))
    }

    /// Who logs in, and where: two tenants with the same share a login.
    fn login(&self, service: Service) -> Option<(&str, u16, &str)> {
        match service {
            Service::Postgres => {
                self.postgres.as_ref().map(|url| (url.host.as_str(), url.port, url.user.as_str()))
            }
            Service::Redis => self.redis.as_ref().map(|url| (url.host.as_str(), url.port, url.user.as_str())),
            Service::Rabbitmq => {
                self.rabbitmq.as_ref().map(|url| (url.host.as_str(), url.port, url.user.as_str()))
            }
            Service::S3 => self.s3.as_ref().map(|s3| (s3.endpoint.as_str(), 0, s3.access_key_id.as_str())),
        }
    }
}

/// Everything that is wrong with one tenant's variables, and everything of which to beware, in the order of the services.
/// `others` are the variables of the tenants beside it. No text holds a secret.
pub fn look_at_variables(
    tenant: &Tenant,
    topology: &Topology,
    others: &[&Given],
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let mut findings = problems(tenant, topology, lookup);
    let given = Given::read(tenant, lookup);
    for service in Service::ALL {
        let Some(mut facts) = facts(&given, service, lookup) else { continue };
        let login = given.login(service);
        let shared = others.iter().any(|other| other.login(service) == login);
        if shared && topology.enforcement(service) == Enforcement::Enforced {
            facts.push_str("login: shared, though the topology promises `enforced`\n");
        }
        for diagnosis in diagnose_facts(service, Seen::Url, &facts) {
            findings.push(Finding {
                tenant: tenant.name.clone(),
                service,
                place: format!("{}{}", tenant.env, variable(service)),
                seen: Seen::Url,
                weight: diagnosis.weight,
                what: given.scrub(&format!(
                    "{}: {}",
                    given.place(service).unwrap_or_default(),
                    diagnosis.symptom
                )),
                hint: None,
                diagnosis: Some(diagnosis.clone()),
            });
        }
    }
    findings.sort_by_key(|finding| finding.service);
    findings
}

/// The variable that says where a service is.
fn variable(service: Service) -> &'static str {
    match service {
        Service::Postgres => "DATABASE_URL",
        Service::Redis => "REDIS_URL",
        Service::Rabbitmq => "AMQP_URL",
        Service::S3 => "AWS_S3_ENDPOINT_URL",
    }
}

/// What is missing, malformed, without TLS, or at odds with the topology.
fn problems(tenant: &Tenant, topology: &Topology, lookup: &dyn Fn(&str) -> Option<String>) -> Vec<Finding> {
    let Err(problems) = Connections::from_lookup(tenant, topology, lookup) else { return Vec::new() };
    let finding = |problem: crate::Problem| {
        let bare = problem.place.strip_prefix(&tenant.env).unwrap_or(&problem.place);
        let service = Service::ALL.into_iter().find(|service| variable(*service) == bare);
        let service = service.unwrap_or(Service::S3);
        let diagnosis =
            diagnose_facts(service, Seen::Url, &problem.what).first().map(|known| (*known).clone());
        Finding {
            tenant: tenant.name.clone(),
            service,
            what: problem.what,
            hint: problem.hint,
            place: problem.place,
            seen: Seen::Url,
            weight: Weight::Wrong,
            diagnosis,
        }
    };
    problems.into_vec().into_iter().map(finding).collect()
}

/// What the variables of one service show; none when they cannot be read.
fn facts(given: &Given, service: Service, lookup: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut facts = Facts(String::new());
    match service {
        Service::Postgres => postgres(given.postgres.as_ref()?, &mut facts),
        Service::Redis => {
            let url = given.redis.as_ref()?;
            facts.host(&url.host);
            facts.add("user", &url.user);
            facts.add("database", &url.database.to_string());
        }
        Service::Rabbitmq => {
            let url = given.rabbitmq.as_ref()?;
            facts.host(&url.host);
            facts.add("user", &url.user);
            facts.add("vhost", &url.vhost);
            facts.add("vhost-is-user", if url.vhost == url.user { "yes" } else { "no" });
            let scheme = if url.tls { "amqps" } else { "amqp" };
            facts.add("scheme-and-port", &format!("{scheme} on {}", url.port));
        }
        Service::S3 => s3(given.s3.as_ref()?, lookup, &mut facts),
    }
    Some(facts.0)
}

struct Facts(String);

impl Facts {
    /// Adds a line. Percent-encoding lets a value hold a line break, which must not make another line.
    fn add(&mut self, name: &str, value: &str) {
        let value: String = value.chars().filter(|c| !c.is_control()).collect();
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.0, "{name}: {value}");
    }

    fn host(&mut self, host: &str) {
        self.add("host", host);
        let loopback = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        self.add("loopback", if loopback { "yes" } else { "no" });
    }
}

fn postgres(url: &PostgresUrl, facts: &mut Facts) {
    facts.host(&url.host);
    facts.add("user", &url.user);
    if let Some(value) = url.parameter("channel_binding") {
        facts.add("channel-binding", value);
    }
    let endpoint = url.parameter("options").and_then(endpoint_option);
    if let Some(endpoint) = endpoint {
        let same = url.host.split('.').next() == Some(endpoint);
        facts.add("endpoint-option", if same { "same" } else { "other" });
    }
    let named = |key: &str| key != "options" || endpoint.is_none();
    url.parameters.iter().filter(|(key, _)| named(key)).for_each(|(key, _)| facts.add("parameter", key));
}

/// The endpoint that `options` names for Neon's proxy: `endpoint=…`, once `project=…`.
fn endpoint_option(options: &str) -> Option<&str> {
    let mut words = options.split_whitespace();
    words.find_map(|word| word.strip_prefix("endpoint=").or_else(|| word.strip_prefix("project=")))
}

fn s3(access: &S3Access, lookup: &dyn Fn(&str) -> Option<String>, facts: &mut Facts) {
    const DOMAIN: &str = ".backblazeb2.com";
    let address = access.endpoint.split_once("://").map_or(access.endpoint.as_str(), |(_, rest)| rest);
    let host = match address.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => address.split(':').next().unwrap_or(address),
    };
    facts.host(host);
    let in_host = host.strip_prefix(access.bucket.as_str()).is_some_and(|rest| rest.starts_with('.'));
    facts.add("bucket-in-endpoint", if in_host { "yes" } else { "no" });
    let region = host.strip_suffix(DOMAIN).and_then(|rest| rest.strip_prefix("s3."));
    let regions = ["AWS_REGION", "AWS_DEFAULT_REGION"].map(lookup);
    if regions.into_iter().flatten().any(|said| region.is_some_and(|region| region != said)) {
        facts.add("region-variable", "another one");
    }
    let plain = access.bucket.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !plain || !(6..=63).contains(&access.bucket.len()) || access.bucket.starts_with("b2-") {
        facts.add("bucket-name", "none that B2 gives");
    }
}
