//! The probes of one pair of tenants, made and recorded.

use bulkhead_model::{Control, Outcome, ProbeRecord, Service, history::EventKind, scenario::Case};
use bulkhead_target::{Error, Lot, TenantAccess};
use futures::{StreamExt, future::join_all};

use super::{Broken, Runner};
use crate::{
    probes::{self, About, Finding, Pair, Probe},
    scribe::Scribe,
    seed::Seed,
};

/// How many probes of one pair and service run side by side.
const BESIDE: usize = 8;

impl Runner<'_> {
    pub(super) async fn isolation(
        &self,
        case: &Case,
        only: Option<Service>,
        (access, from): (&TenantAccess, &Lot),
        to: &Lot,
        (seed, scribe): (&Seed, &Scribe<'_>),
    ) -> Result<(), Broken> {
        let mut probes = probes::select(&case.scenario.probes)?;
        probes.retain(|probe| only.is_none_or(|only| probe.about().service == only));
        // It starts when somebody needs it, which takes the broker a while.
        let management = match probes.iter().any(|probe| probe.about().management) {
            true => self.target.management(Service::Rabbitmq).await?,
            false => None,
        };
        let pair = |from, to, neighbour| {
            let pair = match neighbour {
                Some(neighbour) => Pair::new(from, neighbour, seed),
                None => Pair::by_name(from, to, seed),
            };
            pair.with_management(management.clone())
        };
        // What is granted, and has to be taken back, is about the whole slices, of which a case may have but a part.
        let whole = |lot: &Lot| {
            let access = lot.access.clone();
            access.map(|access| TenantAccess { tenant: lot.grantee(), ..access })
        };
        let (granted, grantee) = (TenantAccess { tenant: from.grantee(), ..access.clone() }, to.grantee());
        let neighbour = whole(to);
        let attempted = pair(access, &to.tenant, to.access.as_ref())
            .within(&from.granted)
            .confined(!self.target.is_ours());
        let fixed = pair(&granted, &grantee, neighbour.as_ref());
        self.probes(&probes, &Pairs { attempted, fixed }, scribe).await
    }

    /// Makes all probes of a pair and records them in their order. Those of one service run side by side on the same
    /// connections, but for those that must be alone, which follow. Only what changes a connection itself needs one of its
    /// own: another login, database or vhost, and listening.
    async fn probes(
        &self,
        probes: &[&'static dyn Probe],
        pairs: &Pairs<'_>,
        scribe: &Scribe<'_>,
    ) -> Result<(), Broken> {
        let of = |service, alone| {
            let chosen = probes.iter().filter(move |probe| {
                let about = probe.about();
                about.service == service && about.alone == alone
            });
            chosen.map(move |probe| async move { (probe.about().name, self.probe(*probe, pairs).await) })
        };
        let services = Service::ALL.map(|service| async move {
            let beside = futures::stream::iter(of(service, false)).buffered(BESIDE);
            let mut made: Vec<_> = beside.collect().await;
            for probe in of(service, true) {
                made.push(probe.await);
            }
            made
        });
        let made = join_all(services).await;
        let mut made: Vec<_> = made.into_iter().flatten().collect();
        made.sort_by_key(|(name, _)| probes.iter().position(|probe| probe.about().name == *name));
        let mut broken = None;
        for (_, (record, failed)) in made {
            scribe.record(EventKind::Probe(record));
            broken = broken.or(failed);
        }
        broken.map_or(Ok(()), Err)
    }

    /// One probe's record, and why it could not be attempted, if so: the row stays in the matrix, as one that says
    /// nothing.
    async fn probe(&self, probe: &dyn Probe, pairs: &Pairs<'_>) -> (ProbeRecord, Option<Broken>) {
        let (about, pair) = (probe.about(), &pairs.attempted);
        let server = self.server(about.service);
        let untold = probes::untold(probe, &server, pair.from);
        let left_out =
            untold.or_else(|| too_much(about).filter(|_| !self.target.is_ours()).map(String::from));
        let made = match left_out {
            Some(reason) => Ok(Finding::skipped(reason)),
            None => probes::make(probe, pair).await,
        };
        let (found, broken) = match made {
            Ok(found) => (found, None),
            Err(error) => {
                let detail = pair.scrub(&error.chain());
                let control = Control { held: false, detail: detail.clone() };
                let evidence = format!("not attempted: {detail}");
                let found = Finding { control, outcome: Outcome::Unknown, canary_seen: false, evidence };
                (found, Some(Broken::Target(Error::Reported(detail))))
            }
        };
        let policy = self.topology.enforcement(about.service);
        let record = found.record(probe, (pair, &pairs.fixed), policy, server);
        (record, broken)
    }
}

/// The same two tenants twice.
struct Pairs<'a> {
    /// On the slices within which the case works.
    attempted: Pair<'a>,
    /// On those that their grants are about.
    fixed: Pair<'a>,
}

/// Why a probe is not made on servers that others use.
fn too_much(about: &About) -> Option<&'static str> {
    match about {
        About { takes: true, .. } => Some("takes of what others need, so it is made on stand-ins only"),
        About { beyond: true, .. } => {
            Some("reaches beyond the run's own names, so it is made on stand-ins only")
        }
        _ => None,
    }
}
