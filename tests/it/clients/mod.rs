//! Clients that nobody here wrote: the programs of `tests/clients` on slices of their own, with nothing but the
//! documents' environment variables as `bulkhead env` prints them.
//!
//! For every tenant of the documents' layout and of one in which everything is shared, in Python and in Node. That
//! their certificate verification is on is shown by giving each of them an authority that signed nothing.

mod room;
mod set;

use std::{collections::BTreeSet, path::Path};

use bulkhead_model::{Service, Tenant, Topology};
use bulkhead_target::{Authority, TenantAccess};
use futures::future::join_all;
use serde_json::Value;

use self::set::Set;
use super::{support, tools::skipped};

pub(crate) use self::room::{Language, Room, Said};

/// One client library's program.
pub(crate) struct Program {
    language: Language,
    service: Service,
    file: &'static str,
}

/// Every program: four libraries in each language.
const PROGRAMS: [Program; 8] = [
    Program { language: Language::Python, service: Service::Postgres, file: "postgres_state.py" },
    Program { language: Language::Python, service: Service::Redis, file: "redis_cache.py" },
    Program { language: Language::Python, service: Service::Rabbitmq, file: "rabbitmq_tasks.py" },
    Program { language: Language::Python, service: Service::S3, file: "s3_files.py" },
    Program { language: Language::Node, service: Service::Postgres, file: "postgres-state.mjs" },
    Program { language: Language::Node, service: Service::Redis, file: "redis-cache.mjs" },
    Program { language: Language::Node, service: Service::Rabbitmq, file: "rabbitmq-tasks.mjs" },
    Program { language: Language::Node, service: Service::S3, file: "s3-files.mjs" },
];

/// A tenant and what a program of it finds in its environment.
struct App {
    tenant: Tenant,
    variables: Vec<(String, String)>,
}

impl Program {
    pub(crate) fn of(language: Language) -> impl Iterator<Item = &'static Self> {
        PROGRAMS.iter().filter(move |program| program.language == language)
    }

    /// What the program is told to use: the documents' name, inside the tenant's slice.
    fn name(&self, tenant: &Tenant) -> String {
        let slices = &tenant.slices;
        match self.service {
            Service::Postgres => format!("{}_state", tenant.name),
            Service::Redis => slices.redis.key("cache:key"),
            // In a vhost of its own the documents' queue has its name in full: `engine:tasks`.
            Service::Rabbitmq if slices.rabbitmq.queues.is_none() => format!("{}:tasks", tenant.name),
            Service::Rabbitmq => slices.rabbitmq.queue("tasks"),
            Service::S3 => slices.s3.key("backups/state.bin"),
        }
    }

    /// All its arguments: in a shared vhost also the exchange to publish through, the default one being everybody's.
    fn arguments(&self, tenant: &Tenant) -> Vec<String> {
        let slice = &tenant.slices.rabbitmq;
        let exchange =
            (self.service == Service::Rabbitmq && slice.queues.is_some()).then(|| slice.queue("work"));
        [Some(self.name(tenant)), exchange].into_iter().flatten().collect()
    }

    /// The facts that the program must have seen in the tenant's slice, as its line spells them.
    fn expected(&self, tenant: &Tenant) -> Vec<(&'static str, String)> {
        let name = self.name(tenant);
        match self.service {
            Service::Postgres => vec![("table", name), ("database", tenant.slices.postgres.database.clone())],
            Service::Redis => vec![("key", name)],
            Service::Rabbitmq => vec![("queue", name)],
            Service::S3 => vec![("key", name), ("bucket", tenant.slices.s3.bucket.clone())],
        }
    }
}

impl App {
    fn of(access: &TenantAccess) -> Self {
        Self { tenant: access.tenant.clone(), variables: bulkhead::variables(access, true) }
    }

    /// The same app with another authority wherever its environment names one, in the URLs' parameters too.
    fn distrusting(mut self, stranger: &Path) -> Self {
        let named = |variable: &&str| self.variables.iter().find(|(name, _)| name == variable);
        let trusted: BTreeSet<_> =
            bulkhead::TRUST.iter().filter_map(named).map(|(_, value)| value.clone()).collect();
        assert_eq!(trusted.len(), 1, "one authority in every variable: {trusted:?}");
        for (_, value) in &mut self.variables {
            for authority in &trusted {
                *value = value.replace(authority.as_str(), stranger.to_str().unwrap());
            }
        }
        self
    }
}

/// Runs every program of a language for every app, all at once.
async fn run_all(language: Language, apps: &[App]) -> Vec<(&'static Program, &Tenant, Said)> {
    let room = match Room::open(language) {
        Ok(room) => room,
        Err(reason) => {
            skipped(&reason);
            return Vec::new();
        }
    };
    let room = &room;
    let runs = apps.iter().flat_map(|App { tenant, variables }| {
        Program::of(language).map(move |program| async move {
            (program, tenant, room.run(program.file, &program.arguments(tenant), variables).await)
        })
    });
    let done = join_all(runs).await;
    assert_eq!(done.len(), 4 * apps.len());
    done
}

/// Holds what every program saw against its slice.
async fn all_work(apps: &[App]) {
    for language in Language::ALL {
        for (program, tenant, Said { code, line, text }) in run_all(language, apps).await {
            let said = format!("{} for {}: {text}", program.file, tenant.name);
            assert_eq!((code, &line["ok"]), (Some(0), &Value::Bool(true)), "{said}");
            for (fact, value) in program.expected(tenant) {
                assert_eq!(line[fact], value, "`{fact}` of {said}");
            }
        }
    }
}

/// The documents' layout, through the commands that a developer types.
#[tokio::test(flavor = "multi_thread")]
async fn clients_work_with_what_env_prints() {
    let set = Set::up(Topology::DEFAULT);
    let tenants = Topology::builtin().tenants;
    let apps =
        tenants.into_iter().map(|tenant| App { variables: set.variables(tenant.name.as_str()), tenant });
    let apps: Vec<_> = apps.collect();
    assert_eq!(apps.len(), 2);
    all_work(&apps).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_work_where_everything_is_shared() {
    let session = support::session().await;
    let access =
        session.slices(&Topology::parse(support::ALL_SHARED, "all-shared.toml").unwrap()).await.unwrap();
    let apps: Vec<_> = access.iter().map(App::of).collect();
    assert_eq!(apps.len(), 2);
    all_work(&apps).await;
    session.release(access).await.unwrap();
}

/// Their certificate verification is on: the same programs fail when the authority that they are given signed nothing.
#[tokio::test(flavor = "multi_thread")]
async fn clients_refuse_an_authority_that_signed_nothing() {
    let session = support::session().await;
    let access = session.slices(&Topology::builtin()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stranger = folder.path().join("stranger.pem");
    std::fs::write(&stranger, Authority::new().unwrap().pem()).unwrap();
    let apps = [App::of(&access[0]).distrusting(&stranger)];
    for language in Language::ALL {
        for (program, _, Said { code, line, text }) in run_all(language, &apps).await {
            assert_eq!(code, Some(1), "{} trusted a stranger: {text}", program.file);
            let error = line["error"].as_str().unwrap_or_default().to_lowercase();
            assert!(error.contains("certificate"), "{} failed for another reason: {text}", program.file);
        }
    }
    session.release(access).await.unwrap();
}

/// Needs no server: whatever a program knows, it knows from its environment.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_its_variables_fails() {
    let tenant = Topology::builtin().tenants.remove(0);
    for language in Language::ALL {
        let apps = [App { tenant: tenant.clone(), variables: Vec::new() }];
        for (program, _, Said { code, line, text }) in run_all(language, &apps).await {
            assert_eq!(code, Some(1), "{}: {text}", program.file);
            assert!(line["failed"].is_string() && line["ok"].is_null(), "{}: {text}", program.file);
        }
    }
}
