//! Four servers that a test starts by hand, full of the tenants' own data, and what is on them.

use std::{collections::BTreeMap, path::Path, time::Instant};

use bulkhead_model::{Service, Topology};
use bulkhead_target::{TenantAccess, clients, services::Access};
use lapin::{
    BasicProperties, ExchangeKind,
    options::{
        BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, Row, postgres::PgConnectOptions};

use super::super::command::{CAP, Desk, Ran};
use crate::support::{Direct, alone, direct};

/// The servers, a layout's tenants on them, and their variables.
pub(in crate::cli) struct Field {
    pub(in crate::cli) desk: Desk,
    pub(in crate::cli) variables: BTreeMap<String, String>,
    pub(in crate::cli) tenants: Vec<TenantAccess>,
    servers: Vec<Direct>,
}

/// Everything that is on the servers, a line a thing.
pub(in crate::cli) type Digest = Vec<String>;

impl Field {
    /// With the tenants of the built-in layout.
    pub(in crate::cli) async fn new() -> Self {
        Self::of(Desk::new(), Topology::builtin()).await
    }

    /// With those of this layout, which is the desk's.
    pub(in crate::cli) async fn laid_out(layout: &str) -> Self {
        let desk = Desk::new();
        desk.write("bulkhead.toml", layout);
        Self::of(desk, Topology::parse(layout, "bulkhead.toml").unwrap()).await
    }

    async fn of(desk: Desk, layout: Topology) -> Self {
        let tenants = layout.tenants.clone();
        let starting = Service::ALL.map(direct);
        let mut servers: Vec<_> = futures::future::join_all(starting).await;
        let mut access: Vec<Option<TenantAccess>> = vec![None; tenants.len()];
        for server in &mut servers {
            let service = server.running.report().service;
            let enforcement = layout.enforcement(service);
            let made = server.running.provision(&tenants, enforcement).await.unwrap();
            for ((tenant, made), access) in tenants.iter().zip(made).zip(&mut access) {
                let connections = alone(tenant, made.clone(), &server.place.ca);
                match (access, made) {
                    (Some(all), Access::Postgres(url)) => all.connections.postgres = url,
                    (Some(all), Access::Redis(url)) => all.connections.redis = url,
                    (Some(all), Access::Rabbitmq(url)) => all.connections.rabbitmq = url,
                    (Some(all), Access::S3(s3)) => all.connections.s3 = s3,
                    (none, _) => *none = Some(connections),
                }
            }
        }
        let authorities = servers.iter().map(|server| std::fs::read_to_string(&server.place.ca).unwrap());
        desk.write("ca.pem", &authorities.collect::<String>());
        let ca = desk.path("ca.pem");
        let tenants: Vec<_> =
            access.into_iter().flatten().map(|all| TenantAccess { ca: Some(ca.clone()), ..all }).collect();
        let variables = tenants.iter().flat_map(|all| all.connections.variables(&all.tenant)).collect();
        Self { desk, variables, tenants, servers }
    }

    /// Runs the command with the variables, and sees that it prints none of their secrets.
    pub(in crate::cli) fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.desk.command(args);
        let ran = Ran::from(command.envs(&self.variables).output().unwrap());
        for secret in super::super::secrets::in_variables(self.variables.iter()) {
            assert!(!ran.all().contains(&secret), "a password was printed:\n{}", ran.all());
        }
        ran
    }

    pub(in crate::cli) async fn administer(&mut self, service: Service, statement: &str) -> String {
        self.servers[service as usize].running.administer(statement).await.unwrap()
    }

    /// Who signed this server's certificate.
    pub(in crate::cli) fn authority(&self, service: Service) -> &Path {
        &self.servers[service as usize].place.ca
    }

    /// The superuser, in a database, under a name that tells these connections from others.
    pub(in crate::cli) async fn superuser(&self, database: &str) -> PgConnection {
        let sockets = &self.servers[Service::Postgres as usize].place.dir;
        let port = self.tenants[0].connections.postgres.port;
        let options = PgConnectOptions::new_without_pgpass().socket(sockets).port(port);
        let options = options.username("bulkhead").database(database).application_name("field");
        options.connect().await.unwrap()
    }

    /// How many commands the Redis server has served.
    pub(in crate::cli) async fn redis_commands(&mut self) -> u64 {
        let stats = self.administer(Service::Redis, "INFO commandstats").await;
        let calls = stats.split(":calls=").skip(1).map(|rest| rest.split(',').next().unwrap());
        calls.map(|calls| calls.parse::<u64>().unwrap()).sum()
    }

    /// How many messages the RabbitMQ server has taken from clients and given to them.
    pub(in crate::cli) async fn messages(&mut self) -> u64 {
        let sum = "lists:sum([maps:get(K, C, 0) || {_, C} <- maps:to_list(rabbit_global_counters:overview()), \
                   K <- [messages_received_total, messages_delivered_total]])";
        let sum = self.administer(Service::Rabbitmq, sum).await;
        sum.trim().parse().unwrap_or_else(|_| panic!("{sum}"))
    }

    /// Writes what the apps themselves would have there, some of it under names that look like a run's.
    pub(in crate::cli) async fn fill(&self) {
        for access in &self.tenants {
            let slices = &access.tenant.slices;
            let mut postgres = clients::postgres::connect(access).await.unwrap();
            for sql in [
                "CREATE TABLE orders (n int); INSERT INTO orders SELECT generate_series(1, 100)",
                "CREATE SCHEMA bulkhead_notes; CREATE TABLE bulkhead_notes.t AS SELECT 1 AS n",
                "CREATE SCHEMA bulkhead_65f1a2b3c0ffee_7_somebody",
                "CREATE TABLE bulkhead_canary (token text); INSERT INTO bulkhead_canary VALUES ('theirs')",
            ] {
                postgres.execute(sql).await.unwrap();
            }
            let mut redis = clients::redis::connect(access).await.unwrap();
            for key in ["orders", "bulkhead:canary", "bulkhead:notes", "bulkhead:65f1a2b3c0ffee:7:notes"] {
                let set = redis::cmd("SET").arg(slices.redis.key(key)).arg("theirs").to_owned();
                let _: () = set.query_async(&mut redis).await.unwrap();
            }
            let rabbitmq = clients::rabbitmq::connect(access).await.unwrap();
            let channel = rabbitmq.create_channel().await.unwrap();
            channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
            // One of its own: in a shared vhost the default exchange is nobody's.
            let exchange = slices.rabbitmq.queue("app");
            let (declare, table) = (ExchangeDeclareOptions::default(), FieldTable::default);
            channel
                .exchange_declare(exchange.as_str().into(), ExchangeKind::Direct, declare, table())
                .await
                .unwrap();
            for queue in ["orders", "bulkhead-canary", "bulkhead.notes", "bulkhead.65f1a2b3c0ffee.7.notes"] {
                let queue = slices.rabbitmq.queue(queue);
                let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
                channel.queue_declare(queue.as_str().into(), durable, table()).await.unwrap();
                let (name, bind) = (queue.as_str(), QueueBindOptions::default());
                channel
                    .queue_bind(name.into(), exchange.as_str().into(), name.into(), bind, table())
                    .await
                    .unwrap();
                let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
                let sent = channel.basic_publish(
                    exchange.as_str().into(),
                    queue.into(),
                    options,
                    b"theirs",
                    properties,
                );
                sent.await.unwrap().await.unwrap();
            }
            let s3 = clients::s3::client(access).unwrap();
            for key in ["orders", "bulkhead/canary", "bulkhead/notes", "bulkhead/65f1a2b3c0ffee/7/notes"] {
                for body in ["older", "theirs"] {
                    let put = s3.put_object().bucket(&slices.s3.bucket).key(slices.s3.key(key));
                    put.body(body.as_bytes().to_vec().into()).send().await.unwrap();
                }
            }
        }
    }

    /// Whether a case has made a schema and keys.
    pub(in crate::cli) async fn has_names_of_a_run(&self) -> bool {
        let access = &self.tenants[0];
        let mut postgres = clients::postgres::connect(access).await.unwrap();
        let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^bulkhead_.*_engine$'";
        let schemas: i64 = postgres.fetch_one(schemas).await.unwrap().get(0);
        let mut redis = clients::redis::connect(access).await.unwrap();
        let keys = redis::cmd("KEYS").arg("engine:bulkhead:*:*:bulkhead:*").to_owned();
        let keys: Vec<String> = keys.query_async(&mut redis).await.unwrap();
        schemas > 0 && !keys.is_empty()
    }

    /// What is there.
    pub(in crate::cli) async fn digest(&mut self) -> Digest {
        let mut digest = Digest::new();
        for access in &self.tenants {
            postgres(access, &mut digest).await;
            s3(access, &mut digest).await;
        }
        redis(&self.tenants[0], &mut digest).await;
        for statement in [
            "lists:sort([rabbit_amqqueue:info(Q, [name, messages]) || Q <- rabbit_amqqueue:list()])",
            "lists:sort([element(2, X) || V <- rabbit_vhost:list_names(), X <- rabbit_exchange:list(V)])",
        ] {
            digest.push(self.administer(Service::Rabbitmq, statement).await);
        }
        digest
    }
}

/// Waits for a run's first key, and writes one beside its prefix as a careless app would; returns it.
pub(in crate::cli) async fn stray(access: TenantAccess) -> String {
    let mut redis = clients::redis::connect(&access).await.unwrap();
    let begun = Instant::now();
    loop {
        let keys = redis::cmd("KEYS").arg("engine:bulkhead:*:*:bulkhead:*").to_owned();
        let keys: Vec<String> = keys.query_async(&mut redis).await.unwrap();
        if let Some(key) = keys.first() {
            let stray = key.replacen("engine:", "engin:", 1);
            let set = redis::cmd("SET").arg(&stray).arg("1").to_owned();
            let _: () = set.query_async(&mut redis).await.unwrap();
            return stray;
        }
        assert!(begun.elapsed() < CAP, "no run has left a key");
    }
}

async fn postgres(access: &TenantAccess, digest: &mut Digest) {
    let mut connection = clients::postgres::connect(access).await.unwrap();
    let named = "SELECT nspname::text FROM pg_namespace UNION ALL SELECT 'large object ' || oid FROM \
                 pg_largeobject_metadata UNION ALL SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE oid > 16384";
    let names: Vec<String> = sqlx::query_scalar(named).fetch_all(&mut connection).await.unwrap();
    // Another session's temporary schema says nothing.
    digest.extend(names.into_iter().filter(|name| !name.starts_with("pg_")));
    let tables = "SELECT c.oid::regclass::text, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
                  WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%' ORDER BY 1";
    let tables = sqlx::query(tables).fetch_all(&mut connection).await.unwrap();
    for table in tables {
        let (name, kind): (String, String) = (table.get(0), table.get(1));
        let sql = format!("SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {name} t");
        let content: Option<String> =
            if kind == "r" { connection.fetch_one(AssertSqlSafe(sql)).await.unwrap().get(0) } else { None };
        digest.push(format!("{} {name} {kind} {content:?}", access.tenant.name));
    }
    digest.sort();
}

async fn redis(access: &TenantAccess, digest: &mut Digest) {
    let mut connection = clients::redis::connect(access).await.unwrap();
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    keys.sort();
    for key in keys {
        let content: Vec<u8> = redis::cmd("DUMP").arg(&key).query_async(&mut connection).await.unwrap();
        digest.push(format!("{key} {content:?}"));
    }
}

async fn s3(access: &TenantAccess, digest: &mut Digest) {
    let client = clients::s3::client(access).unwrap();
    let (bucket, prefix) = (&access.tenant.slices.s3.bucket, access.tenant.slices.s3.prefix.clone());
    let listed = client.list_object_versions().bucket(bucket).set_prefix(prefix.clone());
    let listed = listed.send().await.unwrap();
    assert_ne!(listed.is_truncated(), Some(true));
    for version in listed.versions() {
        digest.push(format!("{bucket} {:?} {:?} {:?}", version.key(), version.version_id(), version.e_tag()));
    }
    for marker in listed.delete_markers() {
        digest.push(format!("{bucket} {:?} {:?} deleted", marker.key(), marker.version_id()));
    }
    let uploads = client.list_multipart_uploads().bucket(bucket).set_prefix(prefix).send().await.unwrap();
    digest.extend(uploads.uploads().iter().map(|upload| format!("{bucket} unfinished {:?}", upload.key())));
}
