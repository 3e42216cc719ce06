//! Who holds the servers and which slices exist: plain bookkeeping, no I/O.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bulkhead_model::{Enforcement, Service, Tenant};

use super::wire::{Wanted, WireAccess, WireTenant};

/// A lease's number: the number of its connection.
pub(super) type LeaseId = u64;

/// The slices that one request made.
pub(super) struct Holding {
    lease: LeaseId,
    tenants: Vec<WireTenant>,
    services: Vec<Service>,
    /// The services that nobody else may be on.
    alone: Vec<Service>,
    enforcement: [Enforcement; 4],
    exact: bool,
    stays: bool,
    /// Whether its lease has had its time to be detached.
    overdue: bool,
    state: State,
}

enum State {
    /// Being made; their names are taken already.
    Making,
    /// There.
    Made(Vec<WireAccess>),
    /// Being removed; their names are taken still.
    Going,
}

/// A holding's number.
pub(super) type HoldingId = u64;

#[derive(Default)]
struct Lease {
    linger: Duration,
    detached: bool,
}

/// All leases and holdings of one keeper.
#[derive(Default)]
pub(super) struct Leases {
    leases: BTreeMap<LeaseId, Lease>,
    holdings: BTreeMap<HoldingId, Holding>,
    names: BTreeMap<String, (LeaseId, HoldingId)>,
    next: HoldingId,
    /// The linger of the lease that ended last.
    linger: Duration,
}

impl Leases {
    /// Begins a lease.
    pub(super) fn begin(&mut self, lease: LeaseId, linger: Duration) {
        self.leases.insert(lease, Lease { linger, detached: false });
    }

    /// Ends a lease whose connection is gone, unless it was detached; its made holdings are to be removed.
    pub(super) fn end(&mut self, lease: LeaseId) -> Vec<HoldingId> {
        match self.leases.get(&lease) {
            Some(Lease { detached: false, linger }) => self.linger = *linger,
            _ => return Vec::new(),
        }
        self.leases.remove(&lease);
        let its = self.holdings.iter().filter(|(_, h)| h.lease == lease && matches!(h.state, State::Made(_)));
        its.map(|(id, _)| *id).collect()
    }

    /// Lets a lease outlive its connection.
    pub(super) fn detach(&mut self, lease: LeaseId) {
        if let Some(lease) = self.leases.get_mut(&lease) {
            lease.detached = true;
        }
    }

    /// How many leases there are.
    pub(super) fn count(&self) -> usize {
        self.leases.len()
    }

    /// Whether the lease has not ended.
    pub(super) fn lives(&self, lease: LeaseId) -> bool {
        self.leases.contains_key(&lease)
    }

    /// How long the servers stay after the lease that ended last.
    pub(super) fn linger(&self) -> Duration {
        self.linger
    }

    /// Takes the names of slices that are about to be made.
    ///
    /// # Errors
    /// The first name that is taken, and by whom.
    pub(super) fn reserve(&mut self, lease: LeaseId, wanted: &Wanted) -> Result<HoldingId, String> {
        let names: BTreeSet<_> = wanted.tenants.iter().flat_map(|tenant| names(&tenant.0)).collect();
        if let Some((name, (holder, _))) = names.iter().find_map(|name| self.names.get_key_value(name)) {
            let who =
                if *holder == lease { String::from("this lease itself") } else { format!("lease {holder}") };
            return Err(format!(
                "{name} is held already, by {who}: release it first, or use a set of another name"
            ));
        }
        let exact = self.holdings.values().find(|h| wanted.exact && h.exact && h.lease != lease);
        if let Some(Holding { lease: holder, .. }) = exact {
            return Err(format!("slices under a topology's own names are held already, by lease {holder}"));
        }
        self.next += 1;
        let id = self.next;
        self.names.extend(names.into_iter().map(|name| (name, (lease, id))));
        let Wanted { tenants, services, alone, enforcement, exact, stays } = wanted;
        let (tenants, services, alone) = (tenants.clone(), services.clone(), alone.clone());
        let (enforcement, exact, stays) = (*enforcement, *exact, *stays);
        let (overdue, state) = (false, State::Making);
        let holding = Holding { lease, tenants, services, alone, enforcement, exact, stays, overdue, state };
        self.holdings.insert(id, holding);
        Ok(id)
    }

    /// Whether these slices cannot be made now, because others have a server alone or would be on one that these want
    /// alone.
    pub(super) fn in_the_way(&self, wanted: &Wanted) -> Way {
        let mut conflicting = self.holdings.values().filter(|holding| {
            let (others, theirs) = (&holding.services, &holding.alone);
            meet(&wanted.alone, others) || meet(theirs, &wanted.services)
        });
        // Slices under a topology's own names stay for as long as somebody develops on them.
        match (conflicting.clone().find(|holding| holding.exact), conflicting.next()) {
            (Some(holding), _) => Way::Closed(holding.lease),
            (None, Some(_)) => Way::Wait,
            (None, None) => Way::Free,
        }
    }

    /// Whether slices that this lease was given have the service alone.
    pub(super) fn is_alone(&self, lease: LeaseId, service: Service) -> bool {
        self.holdings
            .values()
            .any(|h| h.lease == lease && h.alone.contains(&service) && matches!(h.state, State::Made(_)))
    }

    /// Whether the lease was given a slice for this tenant there.
    pub(super) fn holds(&self, lease: LeaseId, tenant: &WireTenant, service: Service) -> bool {
        let its = |h: &&Holding| h.lease == lease && matches!(h.state, State::Made(_));
        let mut its = self.holdings.values().filter(its);
        its.any(|h| h.services.contains(&service) && h.tenants.contains(tenant))
    }

    /// The services that these slices have alone.
    pub(super) fn alone(&self, id: HoldingId) -> Vec<Service> {
        self.holdings.get(&id).map_or_else(Vec::new, |holding| holding.alone.clone())
    }

    /// The slices are there. False when nobody holds the lease any more, so that they are to be removed.
    pub(super) fn made(&mut self, id: HoldingId, access: Vec<WireAccess>) -> bool {
        let Some(holding) = self.holdings.get_mut(&id) else { return false };
        holding.state = State::Made(access);
        let lease = holding.lease;
        self.lives(lease)
    }

    /// Marks slices as being removed and says whose they are and where.
    pub(super) fn going(&mut self, id: HoldingId) -> Option<(Vec<Tenant>, Vec<Service>)> {
        let holding = self.holdings.get_mut(&id)?;
        holding.state = State::Going;
        let tenants = holding.tenants.iter().map(|tenant| tenant.0.clone()).collect();
        Some((tenants, holding.services.clone()))
    }

    /// The slices are gone, or were never made: their names are free.
    pub(super) fn gone(&mut self, id: HoldingId) {
        self.holdings.remove(&id);
        self.names.retain(|_, (_, holder)| *holder != id);
    }

    /// The holding of a lease that consists of exactly these tenants.
    pub(super) fn find(&self, lease: LeaseId, tenants: &[WireTenant]) -> Option<HoldingId> {
        let mut its =
            self.holdings.iter().filter(|(_, h)| h.lease == lease && matches!(h.state, State::Made(_)));
        its.find(|(_, holding)| holding.tenants == tenants).map(|(id, _)| *id)
    }

    /// Whether exact slices are there for others: made, and detached if they are to be.
    fn settled(&self, holding: &Holding) -> bool {
        let detached = self.leases.get(&holding.lease).is_some_and(|lease| lease.detached);
        matches!(holding.state, State::Made(_)) && (detached || !holding.stays)
    }

    /// Whether it is still open what becomes of another lease's exact slices.
    pub(super) fn unsettled(&self, lease: LeaseId) -> bool {
        self.holdings.values().any(|h| h.exact && h.lease != lease && !self.settled(h))
    }

    /// Whether slices were made that are there for others only once their lease is detached, and it is not yet.
    pub(super) fn awaits_detaching(&self, id: HoldingId) -> bool {
        self.holdings.get(&id).is_some_and(|h| matches!(h.state, State::Made(_)) && !self.settled(h))
    }

    /// Notes that a lease has had its time to be detached.
    pub(super) fn is_overdue(&mut self, id: HoldingId) {
        if self.awaits_detaching(id)
            && let Some(holding) = self.holdings.get_mut(&id)
        {
            holding.overdue = true;
        }
    }

    /// Another lease whose exact slices it is no use to wait for.
    pub(super) fn overdue(&self, lease: LeaseId) -> Option<LeaseId> {
        let mut others = self.holdings.iter().filter(|(_, h)| h.overdue && h.lease != lease);
        others.find(|(id, _)| self.awaits_detaching(**id)).map(|(_, holding)| holding.lease)
    }

    /// All slices under exact names that are there for others.
    pub(super) fn exact(&self) -> Vec<WireAccess> {
        let made =
            self.holdings.values().filter(|h| h.exact && self.settled(h)).filter_map(
                |holding| match &holding.state {
                    State::Made(access) => Some(access.iter().cloned()),
                    State::Making | State::Going => None,
                },
            );
        made.flatten().collect()
    }

    /// What is enforced on those slices, and the lease that they go with unless it was detached; none without slices.
    pub(super) fn exact_terms(&self) -> Option<([Enforcement; 4], Option<LeaseId>)> {
        let holding = self.holdings.values().find(|h| h.exact && self.settled(h))?;
        let detached = self.leases.get(&holding.lease).is_some_and(|lease| lease.detached);
        Some((holding.enforcement, (!detached).then_some(holding.lease)))
    }
}

/// Whether slices can be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// They can.
    Free,
    /// Once others are gone.
    Wait,
    /// Not while this lease stays, which may be for ever.
    Closed(LeaseId),
}

/// Whether two requests cannot be there at the same time.
pub(super) fn conflict(one: &Wanted, other: &Wanted) -> bool {
    meet(&one.alone, &other.services) || meet(&other.alone, &one.services)
}

fn meet(some: &[Service], others: &[Service]) -> bool {
    some.iter().any(|service| others.contains(service))
}

/// What a tenant's slices occupy. Containers are named whole: a second holder's tenant in the same container would find
/// it made, and see it go with the first.
fn names(tenant: &Tenant) -> [String; 4] {
    let slices = &tenant.slices;
    [
        format!("database `{}`", slices.postgres.database),
        format!("key prefix `{}`", slices.redis.prefix),
        format!("vhost `{}`", slices.rabbitmq.vhost),
        format!("bucket `{}`", slices.s3.bucket),
    ]
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{PostgresSlice, RabbitmqSlice, RedisSlice, S3Slice, Slices, TenantName};

    use super::*;

    fn tenant(name: &str, bucket: &str) -> WireTenant {
        let slices = Slices {
            postgres: PostgresSlice { database: format!("{name}db"), schema: None },
            redis: RedisSlice { prefix: format!("{name}:") },
            rabbitmq: RabbitmqSlice { vhost: name.into(), queues: None },
            s3: S3Slice { bucket: bucket.into(), prefix: None },
        };
        WireTenant(Tenant { name: TenantName::new(name).unwrap(), env: String::new(), slices })
    }

    fn wanted(tenants: Vec<WireTenant>, exact: bool) -> Wanted {
        let services = Service::ALL.to_vec();
        let alone = Vec::new();
        Wanted { tenants, services, alone, enforcement: [Enforcement::Enforced; 4], exact, stays: false }
    }

    #[test]
    fn names_are_taken_from_reservation_to_removal() {
        let mut leases = Leases::default();
        leases.begin(1, Duration::ZERO);
        leases.begin(2, Duration::ZERO);
        let engine = vec![tenant("engine", "tl-engine")];
        let first = leases.reserve(1, &wanted(engine.clone(), true)).unwrap();
        let refused = leases.reserve(2, &wanted(engine.clone(), true)).unwrap_err();
        assert!(refused.contains("bucket `tl-engine` is held already, by lease 1"), "{refused}");
        // Another tenant in a bucket that is held.
        assert!(leases.reserve(2, &wanted(vec![tenant("plane", "tl-engine")], true)).is_err());
        assert!(leases.made(first, Vec::new()));
        assert_eq!(leases.find(1, &engine), Some(first));
        assert_eq!(leases.find(2, &engine), None);
        assert_eq!(leases.end(1), [first]);
        assert!(leases.reserve(2, &wanted(engine.clone(), true)).is_err());
        let (tenants, services) = leases.going(first).unwrap();
        assert_eq!((tenants.len(), &*services), (1, &Service::ALL[..]));
        leases.gone(first);
        assert!(leases.reserve(2, &wanted(engine, true)).is_ok());
    }

    #[test]
    fn tenants_of_one_request_may_share_a_container() {
        let mut leases = Leases::default();
        leases.begin(1, Duration::ZERO);
        assert!(
            leases.reserve(1, &wanted(vec![tenant("a", "shared"), tenant("b", "shared")], false)).is_ok()
        );
    }

    #[test]
    fn slices_that_are_made_after_their_lease_has_ended_are_nobodys() {
        let mut leases = Leases::default();
        leases.begin(1, Duration::from_secs(3));
        let id = leases.reserve(1, &wanted(vec![tenant("a", "a")], false)).unwrap();
        assert!(leases.end(1).is_empty(), "what is being made cannot be removed yet");
        assert!(!leases.made(id, Vec::new()));
        assert_eq!((leases.count(), leases.linger()), (0, Duration::from_secs(3)));
    }

    #[test]
    fn exact_slices_are_open_until_they_are_made_and_detached_or_gone() {
        let mut leases = Leases::default();
        leases.begin(1, Duration::ZERO);
        leases.begin(2, Duration::ZERO);
        let lasting = Wanted { stays: true, ..wanted(vec![tenant("a", "a")], true) };
        let id = leases.reserve(1, &lasting).unwrap();
        assert!(leases.unsettled(2) && !leases.unsettled(1));
        leases.made(id, Vec::new());
        assert!(leases.unsettled(2) && leases.exact_terms().is_none());
        assert!(leases.awaits_detaching(id) && leases.overdue(2).is_none());
        leases.is_overdue(id);
        assert_eq!((leases.overdue(2), leases.overdue(1)), (Some(1), None));
        leases.detach(1);
        assert!(!leases.unsettled(2) && leases.exact_terms().is_some() && leases.overdue(2).is_none());
        // Other names do not make a second topology of them.
        assert!(leases.reserve(2, &wanted(vec![tenant("b", "b")], true)).is_err());
        leases.going(id);
        assert!(leases.unsettled(2));
        leases.gone(id);
        assert!(!leases.unsettled(2));
    }

    #[test]
    fn a_server_that_one_has_alone_is_nobody_elses_meanwhile() {
        let mut leases = Leases::default();
        leases.begin(1, Duration::ZERO);
        let on = |name: &str, services: &[Service], alone: &[Service]| Wanted {
            services: services.to_vec(),
            alone: alone.to_vec(),
            ..wanted(vec![tenant(name, name)], false)
        };
        let (redis, s3) = (on("a", &[Service::Redis], &[]), on("b", &[Service::S3], &[]));
        let alone = on("c", &[Service::Redis], &[Service::Redis]);
        let first = leases.reserve(1, &redis).unwrap();
        assert_eq!((leases.in_the_way(&alone), leases.in_the_way(&s3)), (Way::Wait, Way::Free));
        leases.gone(first);
        assert_eq!(leases.in_the_way(&alone), Way::Free);
        let second = leases.reserve(1, &alone).unwrap();
        assert!(!leases.is_alone(1, Service::Redis), "not before it is made");
        leases.made(second, Vec::new());
        assert!(leases.is_alone(1, Service::Redis) && !leases.is_alone(2, Service::Redis));
        assert_eq!((leases.in_the_way(&redis), leases.in_the_way(&s3)), (Way::Wait, Way::Free));
        leases.gone(second);
        leases.reserve(1, &wanted(vec![tenant("d", "d")], true)).unwrap();
        assert_eq!(leases.in_the_way(&alone), Way::Closed(1));
        assert!(
            conflict(&alone, &redis)
                && conflict(&redis, &alone)
                && !conflict(&redis, &on("e", &[Service::Redis], &[]))
        );
    }

    #[test]
    fn a_detached_lease_outlives_its_connection() {
        let mut leases = Leases::default();
        leases.begin(1, Duration::ZERO);
        let id = leases.reserve(1, &wanted(vec![tenant("a", "a")], true)).unwrap();
        leases.made(id, Vec::new());
        assert_eq!(leases.exact_terms(), Some(([Enforcement::Enforced; 4], Some(1))));
        leases.detach(1);
        assert_eq!(leases.exact_terms(), Some(([Enforcement::Enforced; 4], None)));
        assert!(leases.end(1).is_empty());
        assert_eq!(leases.count(), 1);
    }
}
