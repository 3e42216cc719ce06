//! A broker that serves, carved into slices: RabbitMQ's definitions make them, its own functions remove them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bulkhead_model::{Enforcement, Secret, Service, Tenant, report::ServerReport, url::AmqpUrl};
use nix::{sys::signal::Signal, unistd::Pid};

use super::{
    contained::Contained,
    definitions::{self, Definitions, Login},
    fast_or_plain,
    install::Install,
    management,
    node::Node,
    plain,
};
use crate::{
    Error, Identity, ServiceFault,
    services::{Access, HALT, Place, Running, password::Source},
};

/// Makes what a definitions document says.
const IMPORT: &str = r#"
case rabbit_definitions:import_raw(base64:decode("$DOCUMENT")) of
    ok -> ok;
    {error, Reason} -> lists:flatten(io_lib:format("~tp", [Reason]))
end"#;

/// Removes users and vhosts, which closes their connections, and what starts with a prefix in vhosts that stay.
const REMOVE: &str = r#"
Who = <<"bulkhead">>,
Texts = fun(List) -> [base64:decode(Text) || Text <- List] end,
Starts = fun(Text, Prefix) -> binary:longest_common_prefix([Text, Prefix]) =:= byte_size(Prefix) end,
[rabbit_auth_backend_internal:delete_user(User, Who) || User <- Texts([$USERS]),
    rabbit_auth_backend_internal:exists(User)],
[begin
    [VHost, Prefix] = Texts(Pair),
    [rabbit_amqqueue:delete(Queue, false, false, Who) || Queue <- rabbit_amqqueue:list(VHost),
        Starts(element(4, amqqueue:get_name(Queue)), Prefix)],
    [rabbit_exchange:delete(element(2, Exchange), false, Who) || Exchange <- rabbit_exchange:list(VHost),
        Starts(element(4, element(2, Exchange)), Prefix)]
end || Pair <- [$PREFIXES]],
[rabbit_vhost:delete(VHost, Who) || VHost <- Texts([$VHOSTS]), rabbit_vhost:exists(VHost)],
ok"#;

/// A running broker.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) node: Node,
    pub(super) origin: Origin,
    pub(super) version: String,
    pub(super) port: u16,
    /// The folder of its files.
    pub(super) dir: PathBuf,
    pub(super) identity: Identity,
    /// The management API's address, once it runs.
    pub(super) management: Option<String>,
    pub(super) startup: Duration,
    pub(super) notes: Vec<String>,
    /// The tenants in each vhost that was made.
    pub(super) vhosts: BTreeMap<String, BTreeSet<String>>,
    /// The vhosts of each user that tenants share by convention.
    pub(super) common: BTreeMap<String, BTreeSet<String>>,
    /// What it made with its start and nobody has asked for yet.
    pub(super) first: Option<First>,
    /// What the broker kept of the passwords that a fault took from users.
    pub(super) revoked: BTreeMap<String, Secret>,
}

/// Slices that the definitions file had at the start.
#[derive(Debug)]
pub(super) struct First {
    pub(super) tenants: Vec<Tenant>,
    pub(super) enforcement: Enforcement,
    /// One for each tenant.
    pub(super) logins: Vec<Login>,
}

/// What the broker was started from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    Process(Box<(Install, Place)>),
    Container(Box<Contained>),
}

/// What a removal takes away.
#[derive(Debug, Default, PartialEq, Eq)]
struct Removal {
    users: BTreeSet<String>,
    vhosts: BTreeSet<String>,
    /// Vhost and prefix, where other tenants stay in the vhost.
    prefixes: BTreeSet<(String, String)>,
}

#[async_trait]
impl Running for Server {
    fn report(&self) -> ServerReport {
        ServerReport {
            service: Service::Rabbitmq,
            product: "rabbitmq".into(),
            version: self.version.clone(),
            startup_ms: u64::try_from(self.startup.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    async fn provision(
        &mut self,
        tenants: &[Tenant],
        enforcement: Enforcement,
    ) -> Result<Vec<Access>, Error> {
        let asked = |first: &mut First| first.tenants == tenants && first.enforcement == enforcement;
        if let Some(first) = self.first.take_if(asked) {
            return Ok(self.opened(tenants, enforcement, first.logins));
        }
        let (definitions, logins) = Definitions::tenants(tenants, enforcement, Source::Random);
        let doing = || {
            let named = tenants.iter().map(|t| format!("{} for `{}`", t.slices.rabbitmq, t.name));
            format!("make {}", named.collect::<Vec<_>>().join("; "))
        };
        if let Err(error) = self.import(&definitions).await {
            // All or none: what was made before the refusal goes again. Vhosts that others use stay.
            let known = |vhost: &str| self.vhosts.contains_key(vhost);
            let removal = Removal {
                users: logins.into_iter().map(|login| login.user).collect(),
                vhosts: vhosts(tenants).filter(|vhost| !known(vhost)).map(String::from).collect(),
                prefixes: BTreeSet::new(),
            };
            let undone = self.evaluate(&removal.expression()).await;
            let left =
                undone.err().map(|left| format!("; and could not undo it: {left}")).unwrap_or_default();
            return Err(Error::serve(Service::Rabbitmq, doing())(format!("{error}{left}")));
        }
        Ok(self.opened(tenants, enforcement, logins))
    }

    async fn remove(&mut self, tenants: &[Tenant]) -> Result<(), Error> {
        let (mut kept, mut common) = (self.vhosts.clone(), self.common.clone());
        let removal = plan(tenants, &mut kept, &mut common);
        let named = vhosts(tenants).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("`, `");
        let failed = Error::serve(Service::Rabbitmq, format!("remove slices in vhost `{named}`"));
        self.evaluate(&removal.expression()).await.map_err(failed)?;
        (self.vhosts, self.common) = (kept, common);
        Ok(())
    }

    async fn management(&mut self) -> Result<Option<String>, Error> {
        if self.management.is_none() {
            self.management = Some(management::enable(self).await?);
        }
        Ok(self.management.clone())
    }

    async fn names(&mut self, tenant: &Tenant) -> Result<Option<Vec<String>>, Error> {
        let doing = format!("list the queues and exchanges of vhost `{}`", tenant.slices.rabbitmq.vhost);
        self.vhost_names(tenant).await.map(Some).map_err(Error::serve(Service::Rabbitmq, doing))
    }

    async fn administer(&mut self, statement: &str) -> Result<String, Error> {
        let failed = Error::serve(Service::Rabbitmq, "evaluate an expression on the node");
        self.node.caller.eval(statement).await.map_err(failed)
    }

    async fn inflict(&mut self, fault: ServiceFault, tenant: &Tenant, begins: bool) -> Result<u64, Error> {
        self.befall(fault, tenant, begins).await
    }

    async fn pause(&mut self, paused: bool) -> Result<(), Error> {
        let failed = Error::serve(Service::Rabbitmq, "pause the server, or let it go on");
        self.node.beam.pause(paused).await.map_err(failed)
    }

    async fn halt(&mut self, in_good_order: bool) -> Result<(), Error> {
        if in_good_order {
            self.node.beam.stop(Signal::SIGTERM, HALT).await;
        }
        match &self.origin {
            Origin::Process(_) => self.node.stop().await,
            Origin::Container(_) if in_good_order => {}
            Origin::Container(_) => {
                let failed = Error::serve(Service::Rabbitmq, "kill the server");
                self.node.beam.kill().await.map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The way in which it was started once is the way in which it starts again.
    async fn start_again(&mut self) -> Result<(), Error> {
        let (install, place) = match &self.origin {
            Origin::Process(origin) => (&origin.0, &origin.1),
            Origin::Container(contained) => {
                self.management = None;
                return contained.start_again(&mut self.node).await;
            }
        };
        // Its data folder has the first slices, or no longer.
        let place = Place { port: Some(self.port), first: None, ..place.clone() };
        let started = if self.notes.is_empty() {
            fast_or_plain(install, &place).await?
        } else {
            plain(install, &place).await?
        };
        let Self { node, identity, .. } = started;
        (self.node, self.identity, self.management) = (node, identity, None);
        Ok(())
    }

    fn pid(&self) -> Option<Pid> {
        self.node.beam.pid()
    }

    fn exited(&mut self) -> Option<Error> {
        self.node.beam.end()
    }

    fn log_tail(&self, lines: usize) -> Vec<String> {
        self.node.beam.log_tail(lines)
    }

    async fn stop(&mut self) {
        self.node.stop().await;
    }
}

impl Server {
    /// Notes slices that are there now; what leads to each.
    fn opened(&mut self, tenants: &[Tenant], enforcement: Enforcement, logins: Vec<Login>) -> Vec<Access> {
        for tenant in tenants {
            let vhost = tenant.slices.rabbitmq.vhost.clone();
            self.vhosts.entry(vhost).or_default().insert(tenant.name.to_string());
        }
        if enforcement == Enforcement::Convention {
            for (login, vhost) in logins.iter().zip(vhosts(tenants)) {
                self.common.entry(login.user.clone()).or_default().insert(vhost.to_owned());
            }
        }
        accesses(tenants, logins, self.port)
    }

    async fn import(&self, definitions: &Definitions) -> Result<(), String> {
        let document = serde_json::to_vec(definitions).map_err(|error| error.to_string())?;
        self.evaluate(&IMPORT.replace("$DOCUMENT", &STANDARD.encode(document))).await
    }

    /// Evaluates an expression whose value must be `ok`.
    pub(super) async fn evaluate(&self, expression: &str) -> Result<(), String> {
        match self.node.caller.eval(expression).await {
            Ok(value) if value == "ok" => Ok(()),
            Ok(value) => Err(value),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Removal {
    fn expression(&self) -> String {
        let list = |texts: &BTreeSet<String>| {
            let literals = texts.iter().map(|text| literal(text));
            literals.collect::<Vec<_>>().join(",")
        };
        let pairs =
            self.prefixes.iter().map(|(vhost, prefix)| format!("[{},{}]", literal(vhost), literal(prefix)));
        REMOVE
            .replace("$USERS", &list(&self.users))
            .replace("$PREFIXES", &pairs.collect::<Vec<_>>().join(","))
            .replace("$VHOSTS", &list(&self.vhosts))
    }
}

/// What goes with these tenants, taking them out of the books.
fn plan(
    tenants: &[Tenant],
    kept: &mut BTreeMap<String, BTreeSet<String>>,
    common: &mut BTreeMap<String, BTreeSet<String>>,
) -> Removal {
    let mut removal = Removal::default();
    for tenant in tenants {
        removal.users.insert(definitions::user(tenant));
        if let Some(others) = kept.get_mut(&tenant.slices.rabbitmq.vhost) {
            others.remove(tenant.name.as_str());
        }
    }
    for tenant in tenants {
        let slice = &tenant.slices.rabbitmq;
        match (kept.get(&slice.vhost), &slice.queues) {
            (Some(others), Some(prefix)) if !others.is_empty() => {
                removal.prefixes.insert((slice.vhost.clone(), prefix.clone()));
            }
            (Some(others), None) if !others.is_empty() => {}
            _ => {
                removal.vhosts.insert(slice.vhost.clone());
            }
        }
    }
    kept.retain(|vhost, _| !removal.vhosts.contains(vhost));
    common.retain(|user, vhosts| {
        vhosts.retain(|vhost| !removal.vhosts.contains(vhost));
        let ends = vhosts.is_empty();
        if ends {
            removal.users.insert(user.clone());
        }
        !ends
    });
    removal
}

/// Base64 in quotes: no name can end its literal.
pub(super) fn literal(text: &str) -> String {
    format!("\"{}\"", STANDARD.encode(text))
}

/// What leads to each tenant's vhost.
pub(super) fn accesses(tenants: &[Tenant], logins: Vec<Login>, port: u16) -> Vec<Access> {
    let urls = logins.into_iter().zip(vhosts(tenants)).map(|(login, vhost)| {
        let Login { user, password } = login;
        let (host, vhost) = (String::from("127.0.0.1"), vhost.to_owned());
        Access::Rabbitmq(AmqpUrl { host, port, user, password, vhost, tls: true })
    });
    urls.collect()
}

fn vhosts(tenants: &[Tenant]) -> impl Iterator<Item = &str> {
    tenants.iter().map(|tenant| tenant.slices.rabbitmq.vhost.as_str())
}
