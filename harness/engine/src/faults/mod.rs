//! Faults: what is done to a case while its workloads work. Each begins, lasts and is undone.
//!
//! A new one is a file and a line in [`ALL`].

use bulkhead_model::{
    Enforcement, Service, Topology, Unit,
    report::ServerReport,
    scenario::{Chosen, Kind, Shape, Wanted, Whose},
};
use bulkhead_target::{Error, Target};
use futures::future::BoxFuture;

use crate::links::Links;

mod down;
mod flood;
mod flush;
mod impostor;
mod login;
#[cfg(test)]
mod neighbour_tests;
mod password;
mod process;
mod profile;
mod service;
mod toxic;

/// Every fault.
pub static ALL: [&dyn Fault; 38] = [
    &down::Down,
    &process::PAUSE,
    &process::KILL,
    &process::RESTART,
    &service::TERMINATE,
    &service::EXHAUST,
    &service::READ_ONLY,
    &service::OUT_OF_MEMORY,
    &service::EVICT,
    &service::MEMORY_ALARM,
    &service::DISK_ALARM,
    &service::QUEUE_LIMIT,
    &service::SLOW_DOWN,
    &service::INTERNAL_ERROR,
    &service::TRUNCATED,
    &password::Revoked,
    &toxic::LATENCY,
    &toxic::BANDWIDTH,
    &toxic::SLOW_CLOSE,
    &toxic::TIMEOUT,
    &toxic::RESET_PEER,
    &toxic::SLICER,
    &toxic::LIMIT_DATA,
    &toxic::BLACKHOLE,
    &toxic::HALF_OPEN,
    &impostor::EXPIRED,
    &impostor::WRONG_HOST,
    &impostor::SELF_SIGNED,
    &impostor::PLAINTEXT,
    &impostor::STALLED,
    &profile::THREE_G,
    &profile::TRANSATLANTIC,
    &profile::COLD_START,
    &profile::FLAKY_WIFI,
    &flood::Flood,
    &flush::Flush,
    &login::Wrongly::Password,
    &login::Wrongly::Neighbours,
];

/// Where a fault is.
const SERVICE: Wanted<'static> = Wanted { name: "service", kind: Kind::Service(&Service::ALL), usual: None };

/// When it begins, after the workloads do.
const AT: Wanted<'static> = Wanted { name: "at", kind: Kind::Amount(Unit::Time, 0..=600_000), usual: None };

/// How long it lasts.
const FOR: Wanted<'static> =
    Wanted { name: "for", kind: Kind::Amount(Unit::Time, 1..=600_000), usual: Some("1s") };

/// On whose links it is, where it can be on others' than the case's tenant's.
const TENANTS: Wanted<'static> = Whose::WANTED;

/// Something that is done to a case.
pub trait Fault: Sync {
    /// Its name and what it may be told. Every fault has `at` and `for`.
    fn shape(&self) -> Shape<'static>;

    /// Whether it is done to the whole server of that service, which the case then has alone.
    fn disturbs(&self, _on: Service) -> bool {
        false
    }

    /// Whether it is done to the tenant's own link and reaches no server, so that nobody else can notice it.
    fn is_on_a_link(&self) -> bool {
        false
    }

    /// Whether our own fault proxy alone can do it, and no Toxiproxy.
    fn is_ours_alone(&self) -> bool {
        false
    }

    /// Whether it shows clients certificates, of which only the flaw is to be wrong.
    fn shows_certificates(&self) -> bool {
        false
    }

    /// Whether nobody may be answered for the tenant from when it has begun until it is undone.
    fn locks_out(&self) -> bool {
        false
    }

    /// Whether that server can be put into it.
    fn befalls(&self, _server: &ServerReport) -> bool {
        true
    }

    /// Whether every connection that is dialled while it is on meets it, whatever becomes of that.
    fn meets_who_dials(&self) -> bool {
        false
    }

    /// Whether a neighbour does it, who then has slices beside the tenant's.
    fn takes_a_neighbour(&self) -> bool {
        false
    }

    /// Whether each tenant must have a login of its own for it.
    fn takes_logins(&self) -> bool {
        false
    }

    /// Whether it is done to the case's own clients, which a program that is no workload has none of.
    fn is_done_to_clients(&self) -> bool {
        false
    }

    /// Begins it.
    ///
    /// # Errors
    /// When it could not be begun; then nothing is changed.
    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a>;

    /// Undoes it, and says how many connections or bytes it touched.
    ///
    /// # Errors
    /// When it could not be undone.
    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a>;
}

/// A fault that begins or ends: how much it has touched.
pub type Doing<'a> = BoxFuture<'a, Result<u64, Error>>;

/// What faults reach.
pub struct Ground<'a> {
    /// The case's links.
    pub links: &'a Links,
    /// The tenant whose links they are.
    pub access: &'a bulkhead_target::TenantAccess,
    /// Where the servers are.
    pub target: &'a dyn Target,
    /// Another tenant, where there is one.
    pub neighbour: Option<&'a bulkhead_target::TenantAccess>,
    /// Which of the case's faults it is, from 1.
    pub number: usize,
    /// What the neighbour does meanwhile.
    flooding: tokio::sync::Mutex<Option<flood::Flooding>>,
}

impl<'a> Ground<'a> {
    /// One that nothing is done on yet.
    pub(crate) fn new(
        links: &'a Links,
        access: &'a bulkhead_target::TenantAccess,
        target: &'a dyn Target,
        neighbour: Option<&'a bulkhead_target::TenantAccess>,
        number: usize,
    ) -> Self {
        Self { links, access, target, neighbour, number, flooding: tokio::sync::Mutex::default() }
    }

    /// The same for each tenant on whose link the fault is, the case's own first. A neighbour's links are known by its name.
    ///
    /// # Errors
    /// When it is on a neighbour's and there is none.
    pub(crate) fn of_each(&self, chosen: &Chosen) -> Result<Vec<Ground<'a>>, Error> {
        let whose = |access| Ground::new(self.links, access, self.target, self.neighbour, self.number);
        Ok(match Whose::of(chosen) {
            Whose::One => vec![whose(self.access)],
            Whose::All => vec![whose(self.access), whose(self.neighbour(chosen)?)],
            Whose::Neighbour => vec![whose(self.neighbour(chosen)?)],
        })
    }

    /// The neighbour, for a fault that takes one.
    fn neighbour(&self, chosen: &Chosen) -> Result<&'a bulkhead_target::TenantAccess, Error> {
        let nobody =
            || Error::Reported(format!("`{}` takes a second tenant, and there is none", chosen.name));
        self.neighbour.ok_or_else(nobody)
    }

    /// How many connections the tenant's link to that service has.
    fn open(&self, service: Service) -> u64 {
        let name = Links::name(self.access, service);
        let open = self.links.proxies().connections();
        let count = open.iter().filter(|connection| *connection.proxy == *name).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

/// The service that a fault is on.
fn service(chosen: &Chosen) -> Result<Service, Error> {
    let named = chosen.service(SERVICE.name);
    named.ok_or_else(|| Error::Reported(format!("`{}` names no service", chosen.name)))
}

/// The services whose servers these faults are done to.
pub fn disturbed(faults: &[Chosen]) -> Vec<Service> {
    let disturbed = |chosen: &Chosen| {
        let (fault, service) = (find(&chosen.name)?, chosen.service(SERVICE.name)?);
        fault.disturbs(service).then_some(service)
    };
    let mut services: Vec<_> = faults.iter().filter_map(disturbed).collect();
    services.sort_unstable();
    services.dedup();
    services
}

/// Whether one of these faults shows clients certificates.
pub(crate) fn show_certificates(faults: &[Chosen]) -> bool {
    faults.iter().any(|chosen| find(&chosen.name).is_some_and(Fault::shows_certificates))
}

/// Why one of these faults cannot be begun on these servers, for one of these tenants, if so.
pub fn impossible(faults: &[Chosen], servers: &[ServerReport], topology: &Topology) -> Option<String> {
    faults.iter().find_map(|chosen| {
        let (fault, service) = (find(&chosen.name)?, chosen.service(SERVICE.name)?);
        if takes_a_neighbour(chosen) && topology.tenants.len() < 2 {
            return Some(format!("`{}` takes a second tenant, and the topology has one", chosen.name));
        }
        if fault.takes_logins() && topology.enforcement(service) == Enforcement::Convention {
            return Some(format!("`{}` takes logins, and on {service} all tenants have one", chosen.name));
        }
        let server = servers.iter().find(|server| server.service == service)?;
        let why = || format!("a server that is {} cannot be put into `{}`", server.product, chosen.name);
        (!fault.befalls(server)).then(why)
    })
}

/// The first of these that is done to more than the tenant's own links.
pub fn beyond_links(faults: &[Chosen]) -> Option<&Chosen> {
    faults.iter().find(|chosen| !find(&chosen.name).is_some_and(Fault::is_on_a_link))
}

/// The first of these that no Toxiproxy can do to a link.
pub fn beyond_toxiproxy(faults: &[Chosen]) -> Option<&Chosen> {
    faults.iter().find(|chosen| find(&chosen.name).is_some_and(Fault::is_ours_alone))
}

/// The first of these that is done to the case's own clients.
pub fn done_to_clients(faults: &[Chosen]) -> Option<&Chosen> {
    faults.iter().find(|chosen| find(&chosen.name).is_some_and(Fault::is_done_to_clients))
}

/// Whether a neighbour does one of these.
pub(crate) fn take_a_neighbour(faults: &[Chosen]) -> bool {
    faults.iter().any(takes_a_neighbour)
}

fn takes_a_neighbour(chosen: &Chosen) -> bool {
    Whose::of(chosen).takes_a_neighbour() || find(&chosen.name).is_some_and(Fault::takes_a_neighbour)
}

/// Whether a neighbour works on a link of its own for one of these.
pub fn are_on_a_neighbours_link(faults: &[Chosen]) -> bool {
    faults.iter().any(|chosen| Whose::of(chosen).takes_a_neighbour())
}

/// The fault of that name.
pub fn find(name: &str) -> Option<&'static dyn Fault> {
    ALL.into_iter().find(|fault| fault.shape().name == name)
}

/// What a fault is called in a history.
pub fn words(chosen: &Chosen) -> String {
    let whose = match Whose::of(chosen) {
        Whose::One => "",
        Whose::All => " on all tenants' links",
        Whose::Neighbour => " on the neighbour's link",
    };
    match chosen.service("service") {
        Some(service) => format!("{} {service}{whose}", chosen.name),
        None => format!("{}{whose}", chosen.name),
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::scenario::Setting;

    use super::*;

    #[test]
    fn what_a_server_cannot_be_put_into_is_said_before_it_is_tried() {
        let chosen = |name: &str| Chosen {
            name: name.into(),
            settings: [(String::from("service"), Setting::Service(Service::S3))].into(),
        };
        let server = |product: &str| ServerReport {
            service: Service::S3,
            product: product.into(),
            version: String::new(),
            startup_ms: 0,
        };
        let mut one = Topology::builtin();
        one.tenants.truncate(1);
        let said = impossible(&[chosen("down"), chosen("slow-down")], &[server("minio")], &one);
        assert_eq!(said.as_deref(), Some("a server that is minio cannot be put into `slow-down`"));
        assert_eq!(impossible(&[chosen("slow-down")], &[server("embedded")], &one), None);
        assert_eq!(impossible(&[chosen("down"), chosen("kill")], &[server("minio")], &one), None);
        let said = impossible(&[chosen("flood")], &[server("embedded")], &one);
        assert_eq!(said.as_deref(), Some("`flood` takes a second tenant, and the topology has one"));
        assert_eq!(impossible(&[chosen("flood")], &[server("embedded")], &Topology::builtin()), None);
        let mut everywhere = chosen("down");
        everywhere.settings.insert(Whose::NAME.into(), Setting::Word("all"));
        let said = impossible(&[everywhere], &[], &one);
        assert_eq!(said.as_deref(), Some("`down` takes a second tenant, and the topology has one"));
        let on_redis = Chosen {
            settings: [(String::from("service"), Setting::Service(Service::Redis))].into(),
            ..chosen("neighbours-login")
        };
        let said = impossible(&[on_redis], &[], &Topology::builtin());
        assert_eq!(
            said.as_deref(),
            Some("`neighbours-login` takes logins, and on redis all tenants have one")
        );
    }

    #[test]
    fn only_what_the_proxy_does_stays_on_a_link() {
        let chosen = |name: &str| Chosen { name: name.into(), settings: [].into() };
        let links =
            ["down", "latency", "half-open", "flaky-wifi", "expired-certificate", "stalled-handshake"];
        assert_eq!(beyond_links(&links.map(chosen)), None);
        let others =
            ["kill", "terminate", "slow-down", "revoked-password", "flood", "flush", "wrong-password"];
        for name in others {
            let faults = [chosen("down"), chosen(name)];
            assert_eq!(beyond_links(&faults).map(|fault| fault.name.as_str()), Some(name));
        }
    }

    #[test]
    fn what_toxiproxy_has_no_toxic_for_is_done_by_our_own_proxy_alone() {
        let chosen = |name: &str| Chosen { name: name.into(), settings: [].into() };
        let ours: Vec<_> = ALL.iter().map(|fault| fault.shape().name).collect();
        let ours =
            ours.into_iter().filter(|name| beyond_toxiproxy(&[chosen("down"), chosen(name)]).is_some());
        let expected = [
            "blackhole",
            "half-open",
            "expired-certificate",
            "wrong-host-certificate",
            "self-signed-certificate",
            "plaintext",
            "stalled-handshake",
            "cold-start",
        ];
        assert_eq!(ours.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_meets_everybody_needs_the_server_alone() {
        let on = |name: &str, service| Chosen {
            name: name.into(),
            settings: [(String::from("service"), Setting::Service(service))].into(),
        };
        let faults = [
            on("terminate", Service::Redis),
            on("terminate", Service::Postgres),
            on("memory-alarm", Service::Rabbitmq),
            on("slow-down", Service::S3),
        ];
        assert_eq!(disturbed(&faults), [Service::Redis, Service::Rabbitmq]);
    }
}
