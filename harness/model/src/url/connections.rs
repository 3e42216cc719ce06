//! A tenant's seven environment variables: written from connections, and read back with every problem at once.

use super::{AmqpUrl, Connections, PostgresUrl, RedisUrl, S3Access, s3};
use crate::{Problem, Problems, Secret, Tenant, Topology, document::Shown};

const DATABASE_URL: &str = "DATABASE_URL";
const REDIS_URL: &str = "REDIS_URL";
const AMQP_URL: &str = "AMQP_URL";
const ENDPOINT: &str = "AWS_S3_ENDPOINT_URL";
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const BUCKET: &str = "AWS_S3_BUCKET_NAME";

/// What each variable holds.
const LIKE: [(&str, &str); 7] = [
    (DATABASE_URL, "it looks like `postgresql://role:password@host/database?sslmode=verify-full`"),
    (REDIS_URL, "it looks like `rediss://default:password@host:6379`"),
    (AMQP_URL, "it looks like `amqps://user:password@host/vhost`"),
    (ENDPOINT, "it looks like `https://s3.us-west-004.backblazeb2.com`"),
    (KEY_ID, "it holds the id of the tenant's application key"),
    (SECRET_KEY, "it holds the secret of the tenant's application key"),
    (BUCKET, "it holds the name of the tenant's bucket"),
];

impl Connections {
    /// The names of the seven variables, without a tenant's prefix, in the documents' order.
    pub const VARIABLES: [&'static str; 7] =
        [DATABASE_URL, REDIS_URL, AMQP_URL, ENDPOINT, KEY_ID, SECRET_KEY, BUCKET];

    /// The tenant's variables with their secrets, for a child's environment.
    pub fn variables(&self, tenant: &Tenant) -> Vec<(String, String)> {
        let S3Access { endpoint, access_key_id, secret_access_key, bucket } = &self.s3;
        let values = [
            self.postgres.expose(),
            self.redis.expose(),
            self.rabbitmq.expose(),
            endpoint.clone(),
            access_key_id.clone(),
            secret_access_key.expose().to_owned(),
            bucket.clone(),
        ];
        Self::VARIABLES
            .iter()
            .zip(values)
            .map(|(name, value)| (format!("{}{name}", tenant.env), value))
            .collect()
    }

    /// Reads the tenant's variables and holds them against the topology.
    ///
    /// # Errors
    /// Every problem at once, each with its variable as the place: what is missing, malformed, without TLS, or names
    /// another database, vhost or bucket than the topology. No text holds a secret.
    pub fn from_lookup(
        tenant: &Tenant,
        topology: &Topology,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Problems> {
        let mut reader = Reader { tenant, topology, lookup, problems: Vec::new() };
        let postgres = reader.postgres();
        let redis = reader.redis();
        let rabbitmq = reader.rabbitmq();
        let s3 = reader.s3();
        match (postgres, redis, rabbitmq, s3) {
            (Some(postgres), Some(redis), Some(rabbitmq), Some(s3)) => {
                Problems::unless(reader.problems, Self { postgres, redis, rabbitmq, s3 })
            }
            _ => Err(Problems::from(reader.problems)),
        }
    }
}

struct Reader<'r> {
    tenant: &'r Tenant,
    topology: &'r Topology,
    lookup: &'r dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, variable: &str, what: impl Into<String>, hint: impl Into<String>) {
        let place = format!("{}{variable}", self.tenant.env);
        self.problems.push(Problem::new(place, what).hint(hint));
    }

    /// The variable's value as `parse` reads it. A value that is not there or does not parse is a problem.
    fn value<T>(&mut self, variable: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let like = LIKE.iter().find(|(name, _)| *name == variable).map_or("", |(_, like)| like);
        let name = format!("{}{variable}", self.tenant.env);
        let wrong = match (self.lookup)(&name) {
            None => "is not set".to_owned(),
            Some(text) if text.is_empty() => "is empty".to_owned(),
            Some(text) => match parse(&text) {
                Ok(value) => return Some(value),
                Err(why) => why,
            },
        };
        self.problem(variable, wrong, like);
        None
    }

    fn postgres(&mut self) -> Option<PostgresUrl> {
        let url = self.value(DATABASE_URL, PostgresUrl::parse)?;
        if !url.tls() {
            let what = match url.parameter("sslmode") {
                Some(mode) => format!("does not demand TLS: `sslmode={}`", Shown(mode)),
                None => "does not demand TLS: without `sslmode` a client falls back to plain text".to_owned(),
            };
            self.problem(DATABASE_URL, what, "add `sslmode=verify-full`, or `sslmode=require` at the least");
        }
        let wanted = self.tenant.slices.postgres.database.clone();
        self.container(DATABASE_URL, "database", &url.database, &wanted, |t| &t.slices.postgres.database);
        Some(url)
    }

    fn redis(&mut self) -> Option<RedisUrl> {
        let url = self.value(REDIS_URL, RedisUrl::parse)?;
        if !url.tls {
            let hint = format!("write {}", RedisUrl { tls: true, ..url.clone() });
            self.problem(REDIS_URL, "goes without TLS: it begins with `redis://`", hint);
        }
        Some(url)
    }

    fn rabbitmq(&mut self) -> Option<AmqpUrl> {
        let url = self.value(AMQP_URL, AmqpUrl::parse)?;
        if !url.tls {
            let port = if url.port == 5672 { 5671 } else { url.port };
            let hint = format!("write {}", AmqpUrl { tls: true, port, ..url.clone() });
            self.problem(AMQP_URL, "goes without TLS: it begins with `amqp://`", hint);
        }
        let wanted = self.tenant.slices.rabbitmq.vhost.clone();
        if url.vhost != wanted && bare(&url.vhost) == bare(&wanted) {
            let what = format!(
                "means the vhost `{}`, which differs by a slash from the topology's `{wanted}` for `{}`",
                Shown(&url.vhost),
                self.tenant.name
            );
            let right = AmqpUrl { vhost: wanted, ..url.clone() };
            let hint = format!("write {right}, or `vhost = \"{}\"` in the topology", Shown(&url.vhost));
            self.problem(AMQP_URL, what, hint);
        } else {
            self.container(AMQP_URL, "vhost", &url.vhost, &wanted, |t| &t.slices.rabbitmq.vhost);
        }
        Some(url)
    }

    fn s3(&mut self) -> Option<S3Access> {
        let plain = |text: &str| s3::plain(text).map(|()| text.to_owned()).map_err(str::to_owned);
        let endpoint = self.value(ENDPOINT, s3::endpoint);
        if endpoint.as_ref().is_some_and(|endpoint| !endpoint.starts_with("https://")) {
            self.problem(ENDPOINT, "goes without TLS: it begins with `http://`", "write `https://`");
        }
        let access_key_id = self.value(KEY_ID, plain);
        let secret_access_key = self.value(SECRET_KEY, |text| plain(text).map(Secret::new));
        let bucket = self.value(BUCKET, plain);
        if let Some(bucket) = &bucket {
            let wanted = self.tenant.slices.s3.bucket.clone();
            self.container(BUCKET, "bucket", bucket, &wanted, |t| &t.slices.s3.bucket);
        }
        Some(S3Access {
            endpoint: endpoint?,
            access_key_id: access_key_id?,
            secret_access_key: secret_access_key?,
            bucket: bucket?,
        })
    }

    /// Says so when the variable names another container than the topology, and whose it is.
    fn container(
        &mut self,
        variable: &str,
        kind: &str,
        given: &str,
        wanted: &str,
        of: impl Fn(&Tenant) -> &String,
    ) {
        if given == wanted {
            return;
        }
        // A value that could not be such a name, or is the secret, is a secret in the wrong variable: never show it.
        let named = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
        let secret = (self.lookup)(&format!("{}{SECRET_KEY}", self.tenant.env));
        if variable == BUCKET && (!given.bytes().all(named) || secret.as_deref() == Some(given)) {
            let what = format!(
                "is no bucket's name; the topology gives `{}` the bucket `{wanted}`",
                self.tenant.name
            );
            return self.problem(variable, what, "write the bucket's name: it holds only a-z, 0-9 and `-`");
        }
        let owner = self.topology.tenants.iter().find(|tenant| of(tenant) == given);
        let whose = owner.map_or(String::new(), |owner| format!(", which is `{}`'s", owner.name));
        let what = format!(
            "names the {kind} `{}`{whose}; the topology gives `{}` the {kind} `{}`",
            Shown(given),
            self.tenant.name,
            Shown(wanted)
        );
        self.problem(variable, what, "change the variable or the topology, whichever is wrong");
    }
}

fn bare(vhost: &str) -> &str {
    vhost.strip_prefix('/').unwrap_or(vhost)
}
