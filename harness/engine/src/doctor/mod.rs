//! A look at one service of one tenant, through its variables: name, TLS handshake, login, one harmless read.
//!
//! Nothing is written, declared or changed over there, and nobody logs in where the variables do not demand TLS: a
//! password never crosses in the clear. Every step ends by its deadline. What an answer means is data
//! (`bulkhead_model::doctor`); here is only how the answers are got.

use std::{path::PathBuf, time::Duration};

use bulkhead_model::{
    Secret, Service, Tenant,
    doctor::{Finding, Given, Looked, Seen, Weight, diagnose, diagnose_facts},
    url::{AmqpUrl, Connections, PostgresUrl, RedisUrl, S3Access},
};
use bulkhead_target::{
    Detours, Error, TenantAccess,
    clients::tls::{self, Preamble, TlsFacts},
};

mod plain;
mod postgres;
mod rabbitmq;
mod redis;
mod s3;

/// The longest that the handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The longest that login and read may take together. A service that was asleep may need most of it.
const LOGIN: Duration = Duration::from_secs(25);

/// A tenant to look at.
#[derive(Clone, Debug)]
pub struct Patient {
    /// The tenant, as the topology has it.
    pub tenant: Tenant,
    /// Its variables, as far as they could be read.
    pub given: Given,
    /// The authority to trust and no other, when one was named.
    pub ca: Option<PathBuf>,
    /// What stands in for the system's roots (`SSL_CERT_FILE`), where PostgreSQL's URL names nothing itself.
    pub roots: Option<PathBuf>,
}

/// What a login and its read showed.
struct Seeing {
    /// For people: version, load.
    text: String,
    /// Lines `name: value`, for the signatures.
    facts: String,
}

/// Why a step came to nothing, in the server's or the client's own words.
#[derive(Debug)]
struct Complaint {
    text: String,
    /// SQLSTATE, AMQP's number, S3's word.
    code: Option<String>,
}

impl Complaint {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: None }
    }

    fn of(error: &Error) -> Self {
        Self::new(chain(error))
    }

    fn late(bound: Duration) -> Self {
        Self::new(format!("no answer within {bound:?}"))
    }
}

impl Patient {
    /// Looks at one service. Without readable variables it is not contacted, and said so.
    pub async fn look(&self, service: Service) -> (Looked, Vec<Finding>) {
        let mut findings = Vec::new();
        let place = self.given.place(service);
        let (healthy, seen) = match place {
            None => (false, String::from("not contacted: its variables cannot be read")),
            Some(_) => self.examine(service, &mut findings).await,
        };
        let seen = self.given.scrub(&seen);
        let place = place.unwrap_or_default();
        (Looked { tenant: self.tenant.name.clone(), service, place, healthy, seen }, findings)
    }

    async fn examine(&self, service: Service, findings: &mut Vec<Finding>) -> (bool, String) {
        let Some((host, port, demands_tls)) = self.address(service) else {
            return (false, String::from("not contacted: its address cannot be read"));
        };
        let at = format!("{host}:{port}");
        let shaken = self.shake(service, &host, port).await;
        if !demands_tls {
            let speaks = if shaken.is_ok() { "it speaks TLS" } else { "no TLS handshake came about" };
            return (false, format!("not logged in: the variables do not demand TLS; at {at} {speaks}"));
        }
        let facts = match shaken {
            Ok(facts) => facts,
            Err(complaint) => {
                let complaint = self.in_plain_text(service, &host, port, complaint).await;
                findings.push(self.finding(service, &at, Seen::Handshake, complaint));
                return (false, String::from("no TLS handshake came about"));
            }
        };
        let tls = format!("{} with a certificate for {}", facts.version, facts.peer_names.join(", "));
        let access = self.access();
        let entered = tokio::time::timeout(LOGIN, enter(service, &access)).await;
        match entered.unwrap_or_else(|_| Err(Complaint::late(LOGIN))) {
            Ok(Seeing { text, facts }) => {
                findings.extend(self.read(service, &at, &text, &facts));
                (!findings.iter().any(|finding| finding.weight == Weight::Wrong), format!("{text}; {tls}"))
            }
            Err(complaint) => {
                findings.push(self.finding(service, &at, Seen::Error, complaint));
                (false, format!("{tls}; what came after it failed"))
            }
        }
    }

    async fn shake(&self, service: Service, host: &str, port: u16) -> Result<TlsFacts, Complaint> {
        let preamble = if service == Service::Postgres { Preamble::Postgres } else { Preamble::None };
        let ca = self.authority(service);
        let shaking = tls::handshake(service, host, port, ca.as_deref(), preamble);
        match tokio::time::timeout(HANDSHAKE, shaking).await {
            Ok(shaken) => shaken.map_err(|error| Complaint::of(&error)),
            Err(_) => Err(Complaint::late(HANDSHAKE)),
        }
    }

    /// The complaint, with what the same port says in plain text when it says something.
    async fn in_plain_text(
        &self,
        service: Service,
        host: &str,
        port: u16,
        complaint: Complaint,
    ) -> Complaint {
        // A certificate that does not hold was seen over TLS: there is nothing to ask.
        let by_itself = ["certificate", "Connection refused", "lookup address"];
        if by_itself.iter().any(|word| complaint.text.contains(word)) {
            return complaint;
        }
        match plain::greets(service, host, port).await {
            true => Complaint::new(format!("{}; the server answers in plain text", complaint.text)),
            false => complaint,
        }
    }

    fn finding(&self, service: Service, at: &str, seen: Seen, complaint: Complaint) -> Finding {
        let text = self.given.scrub(&complaint.text);
        let diagnosis = match complaint.text.contains("answers in plain text") {
            // What the port says outweighs how the handshake broke.
            true => diagnose(None, "answers in plain text", None),
            false => diagnose(Some(service), &complaint.text, complaint.code.as_deref()),
        };
        let what = match complaint.code {
            Some(code) if !text.contains(&code) => format!("{text} ({code})"),
            _ => text,
        };
        let hint = "this is no text that is known here: read it, then the server's own log";
        Finding {
            tenant: self.tenant.name.clone(),
            service,
            place: at.to_owned(),
            seen: diagnosis.map_or(seen, |known| known.seen),
            weight: Weight::Wrong,
            what,
            hint: diagnosis.is_none().then(|| hint.to_owned()),
            diagnosis: diagnosis.cloned(),
        }
    }

    fn read(&self, service: Service, at: &str, text: &str, facts: &str) -> Vec<Finding> {
        let known = diagnose_facts(service, Seen::Read, facts).into_iter();
        let finding = known.map(|diagnosis| Finding {
            tenant: self.tenant.name.clone(),
            service,
            place: at.to_owned(),
            seen: Seen::Read,
            weight: diagnosis.weight,
            what: self.given.scrub(text),
            hint: None,
            diagnosis: Some(diagnosis.clone()),
        });
        finding.collect()
    }

    /// Host, port, and whether the variables demand TLS.
    fn address(&self, service: Service) -> Option<(String, u16, bool)> {
        match service {
            Service::Postgres => {
                self.given.postgres.as_ref().map(|url| (url.host.clone(), url.port, url.tls()))
            }
            Service::Redis => self.given.redis.as_ref().map(|url| (url.host.clone(), url.port, url.tls)),
            Service::Rabbitmq => {
                self.given.rabbitmq.as_ref().map(|url| (url.host.clone(), url.port, url.tls))
            }
            Service::S3 => self.given.s3.as_ref().and_then(|s3| {
                let (scheme, rest) = s3.endpoint.split_once("://")?;
                let (host, port) = match rest.rsplit_once(':') {
                    Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
                    _ => (rest, if scheme == "https" { 443 } else { 80 }),
                };
                Some((host.to_owned(), port, s3.tls()))
            }),
        }
    }

    /// PostgreSQL's URL may name an authority of its own.
    fn authority(&self, service: Service) -> Option<PathBuf> {
        let named = self.given.postgres.as_ref().filter(|_| service == Service::Postgres);
        let named = named.and_then(PostgresUrl::authority);
        self.ca.clone().or_else(|| named.map(PathBuf::from)).or_else(|| self.roots.clone())
    }

    /// What clients take. Services whose variables cannot be read are never asked, so they lead nowhere.
    fn access(&self) -> TenantAccess {
        let (host, port) = (String::from("127.0.0.1"), 0);
        let nobody = || (String::from("nobody"), Secret::new("nothing"));
        let given = self.given.clone();
        let mut postgres = given.postgres.unwrap_or_else(|| {
            let ((user, password), database) = (nobody(), String::from("none"));
            PostgresUrl { host: host.clone(), port, user, password, database, parameters: Vec::new() }
        });
        // The login verifies what the handshake verified, however little the URL demands.
        let ca = self.authority(Service::Postgres).map(|ca| ca.display().to_string());
        let ours = [("sslmode", Some(String::from("verify-full"))), ("sslrootcert", ca)];
        for (name, value) in ours {
            postgres.parameters.retain(|(known, _)| known != name);
            postgres.parameters.extend(value.map(|value| (name.to_owned(), value)));
        }
        let redis = given.redis.unwrap_or_else(|| {
            let (user, password) = nobody();
            RedisUrl { host: host.clone(), port, user, password, database: 0, tls: true }
        });
        let rabbitmq = given.rabbitmq.unwrap_or_else(|| {
            let ((user, password), vhost) = (nobody(), String::from("none"));
            AmqpUrl { host: host.clone(), port, user, password, vhost, tls: true }
        });
        let s3 = given.s3.unwrap_or_else(|| {
            let (access_key_id, secret_access_key) = nobody();
            let endpoint = format!("https://{host}:{port}");
            S3Access { endpoint, access_key_id, secret_access_key, bucket: String::from("none") }
        });
        let connections = Connections { postgres, redis, rabbitmq, s3 };
        TenantAccess {
            tenant: self.tenant.clone(),
            connections,
            ca: self.ca.clone(),
            detours: Detours::default(),
        }
    }
}

async fn enter(service: Service, access: &TenantAccess) -> Result<Seeing, Complaint> {
    match service {
        Service::Postgres => postgres::enter(access).await,
        Service::Redis => redis::enter(access).await,
        Service::Rabbitmq => rabbitmq::enter(access).await,
        Service::S3 => s3::enter(access).await,
    }
}

/// Whether `part` is at least nine tenths of `whole`; never of nothing.
fn nearly_all(part: u64, whole: u64) -> bool {
    whole > 0 && part.saturating_mul(10) >= whole.saturating_mul(9)
}

/// An error and all its causes on one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    causes.fold(String::new(), |text, cause| match text.is_empty() {
        true => cause,
        // Some libraries repeat the cause in their own text.
        false if text.contains(&cause) => text,
        false => format!("{text}: {cause}"),
    })
}

/// The first cause of this type, the error itself included.
fn cause<'e, E: std::error::Error + 'static>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e E> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}
