//! Two tenants, one of whom tries the other's slice: who they are, what both have planted, and the tokens that tell their
//! content apart.

use std::sync::atomic::{AtomicU64, Ordering};

use bulkhead_model::{
    Secret, Service, Slices, Tenant, TenantName,
    scenario::{Case, Subject},
    url::Connections,
};
use bulkhead_target::{Error, TenantAccess};
use futures::future::BoxFuture;
use tokio::sync::OnceCell;

use super::{postgres, rabbitmq, redis, s3};
use crate::seed::Seed;

/// The names of the words that are planted, in the order of [`Side`].
const PLANTED: [&str; 2] = ["own", "canary"];

/// The name of the word that probes set which write plainly.
pub(crate) const SET: &str = "set";

/// On whose slice a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// On the probing tenant's own: the control.
    Own,
    /// On the neighbour's: the attempt.
    Foreign,
}

/// Who tries, on whose slice. All probes of a case share one, and with it the connections.
pub struct Pair<'a> {
    /// Who tries.
    pub from: &'a TenantAccess,
    /// Whose slice it is.
    pub to: &'a Tenant,
    /// How the neighbour itself gets at its slice; `None` where only its names are known.
    neighbour: Option<&'a TenantAccess>,
    /// The slices that the probing tenant's grants are about, where the case has but a part of them.
    granted: Option<&'a Slices>,
    /// Whether everything beside the slices is real.
    confined: bool,
    /// The address of RabbitMQ's management API, where there is one.
    management: Option<String>,
    seed: Seed,
    /// Which of the pairs of this process it is.
    serial: u64,
    grounds: Grounds,
}

/// What was planted, a service at a time and only when a probe asks for it.
#[derive(Default)]
struct Grounds {
    postgres: Ground<postgres::Ground>,
    redis: Ground<redis::Ground>,
    rabbitmq: Ground<rabbitmq::Ground>,
    s3: Ground<s3::Ground>,
}

/// Planted once; that it could not be is remembered as well, so that not every probe waits for it anew.
type Ground<T> = OnceCell<Result<T, String>>;

impl<'a> Pair<'a> {
    /// A pair with tokens of its own, drawn from `seed`.
    pub fn new(from: &'a TenantAccess, to: &'a TenantAccess, seed: &Seed) -> Self {
        Self { neighbour: Some(to), ..Self::by_name(from, &to.tenant, seed) }
    }

    /// A pair of which only the trying tenant's credentials are known: nothing can be planted at the neighbour's.
    pub fn by_name(from: &'a TenantAccess, to: &'a Tenant, seed: &Seed) -> Self {
        static PAIRS: AtomicU64 = AtomicU64::new(0);
        let seed = branch(seed, &from.tenant.name, &to.name);
        Self {
            from,
            to,
            neighbour: None,
            granted: None,
            confined: false,
            management: None,
            seed,
            serial: PAIRS.fetch_add(1, Ordering::Relaxed),
            grounds: Grounds::default(),
        }
    }

    /// The same pair on a RabbitMQ whose management API is here.
    #[must_use]
    pub fn with_management(self, management: Option<String>) -> Self {
        Self { management, ..self }
    }

    /// The same pair within a part of what the probing tenant may use.
    #[must_use]
    pub fn within(self, granted: &'a Slices) -> Self {
        Self { granted: Some(granted), ..self }
    }

    /// The same pair where everything beside the slices is real: nothing is planted there, and nothing told about it.
    #[must_use]
    pub fn confined(self, confined: bool) -> Self {
        Self { confined, ..self }
    }

    /// Whether everything beside the slices is real.
    pub(crate) fn is_confined(&self) -> bool {
        self.confined
    }

    /// The slices that end where the probing tenant's rights do.
    pub(crate) fn granted(&self) -> &'a Slices {
        self.granted.unwrap_or(&self.from.tenant.slices)
    }

    /// The address of RabbitMQ's management API, where there is one.
    pub(crate) fn management(&self) -> Option<&str> {
        self.management.as_deref()
    }

    /// Whose slice the side is.
    pub(crate) fn tenant(&self, side: Side) -> &'a Tenant {
        match side {
            Side::Own => &self.from.tenant,
            Side::Foreign => self.to,
        }
    }

    /// How the side's owner gets at its slice; `None` for a neighbour of whom only names are known.
    pub(crate) fn owner(&self, side: Side) -> Option<&'a TenantAccess> {
        match side {
            Side::Own => Some(self.from),
            Side::Foreign => self.neighbour,
        }
    }

    /// Whether the neighbour's own client can plant and look.
    pub(crate) fn has_neighbour(&self) -> bool {
        self.neighbour.is_some()
    }

    /// What the side's owner plants in its slice, and nobody else ever sends.
    pub(crate) fn planted(&self, side: Side) -> String {
        self.token(PLANTED[side as usize])
    }

    /// What the neighbour's own client plants.
    pub(crate) fn canary(&self) -> String {
        self.planted(Side::Foreign)
    }

    /// The word of that name: 32 of `0-9` and `a-f` that occur nowhere else. What a probe writes bears one named after it.
    pub(crate) fn token(&self, name: &str) -> String {
        self.seed.child(name).token()
    }

    /// Every word that these probes plant or write between the tenants of a case that draws from `seed`; none where it has no
    /// pair.
    pub(crate) fn words<'n>(seed: &Seed, case: &Case, probes: impl Iterator<Item = &'n str>) -> Vec<String> {
        let Subject::Pair { from, to } = &case.subject else { return Vec::new() };
        let seed = branch(seed, from, to);
        PLANTED.into_iter().chain([SET]).chain(probes).map(|name| seed.child(name).token()).collect()
    }

    /// Which of the pairs of this process it is: names what is held by a connection and goes with it, because a server may
    /// still hold what an earlier pair of the same two had when a fault cut it off.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// Plants what probes of the service look for, if that was not done yet.
    ///
    /// # Errors
    /// When a tenant cannot work in its own slice.
    pub async fn ready(&self, service: Service) -> Result<(), Error> {
        match service {
            Service::Postgres => self.postgres().await.map(drop),
            Service::Redis => self.redis().await.map(drop),
            Service::Rabbitmq => self.rabbitmq().await.map(drop),
            Service::S3 => self.s3().await.map(drop),
        }
    }

    /// What is planted on PostgreSQL. Boxed, as are the three that follow: two hundred probes wait for one of them, and the
    /// compiler would prove anew for each that a whole client may be sent between threads.
    ///
    /// # Errors
    /// When a tenant cannot work in its own slice; so for all four.
    pub(crate) fn postgres(&self) -> BoxFuture<'_, Result<&postgres::Ground, Error>> {
        Box::pin(planted(&self.grounds.postgres, || postgres::Ground::plant(self)))
    }

    /// What is planted on Redis.
    pub(crate) fn redis(&self) -> BoxFuture<'_, Result<&redis::Ground, Error>> {
        Box::pin(planted(&self.grounds.redis, || redis::Ground::plant(self)))
    }

    /// What is planted on RabbitMQ.
    pub(crate) fn rabbitmq(&self) -> BoxFuture<'_, Result<&rabbitmq::Ground, Error>> {
        Box::pin(planted(&self.grounds.rabbitmq, || rabbitmq::Ground::plant(self)))
    }

    /// What is planted in S3.
    pub(crate) fn s3(&self) -> BoxFuture<'_, Result<&s3::Ground, Error>> {
        Box::pin(planted(&self.grounds.s3, || s3::Ground::plant(self)))
    }

    /// Why a probe that needs the neighbour's client is left out.
    pub(crate) fn without_neighbour(&self, service: Service) -> String {
        let Tenant { name, env, .. } = self.to;
        let variables = match env.as_str() {
            "" => String::from("its variables are"),
            prefix => format!("the variables that begin with `{prefix}` are"),
        };
        format!("needs {name}'s own credentials for {service}; {variables} not set")
    }

    /// The text with both tenants' passwords and keys masked, whatever a server or a client put into it.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let known = [Some(self.from), self.neighbour].into_iter().flatten();
        let secrets = known.flat_map(|access| {
            let Connections { postgres, redis, rabbitmq, s3 } = &access.connections;
            [&postgres.password, &redis.password, &rabbitmq.password, &s3.secret_access_key]
        });
        let shown = secrets.filter(|secret| !secret.is_empty());
        shown.fold(text.to_owned(), |text, secret| text.replace(secret.expose(), Secret::MASK))
    }
}

/// Where the words of a pair are drawn.
fn branch(seed: &Seed, from: &TenantName, to: &TenantName) -> Seed {
    seed.child(from.as_str()).child(to.as_str())
}

async fn planted<T, F: Future<Output = Result<T, Error>>>(
    ground: &Ground<T>,
    plant: impl FnOnce() -> F,
) -> Result<&T, Error> {
    let planted = ground.get_or_init(|| async { plant().await.map_err(|error| error.chain()) }).await;
    planted.as_ref().map_err(|reason| Error::Reported(reason.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tenant;

    #[test]
    fn tokens_differ_by_direction_by_side_and_by_name() {
        let (engine, plane) = (tenant("engine"), tenant("plane"));
        let seed = Seed::new(1);
        let (there, back) = (Pair::new(&engine, &plane, &seed), Pair::new(&plane, &engine, &seed));
        let tokens =
            [there.canary(), there.planted(Side::Own), there.token("x"), back.canary(), back.token("x")];
        let distinct: std::collections::BTreeSet<_> = tokens.iter().collect();
        assert_eq!(distinct.len(), tokens.len(), "{tokens:?}");
    }

    #[test]
    fn a_neighbour_that_is_known_by_name_has_no_client() {
        let (engine, plane) = (tenant("engine"), tenant("plane"));
        let pair = Pair::by_name(&engine, &plane.tenant, &Seed::new(1));
        assert!(pair.owner(Side::Foreign).is_none() && pair.owner(Side::Own).is_some());
        assert!(pair.without_neighbour(Service::Redis).contains("`PLANE_`"));
    }

    #[tokio::test]
    async fn that_nothing_could_be_planted_is_found_out_once() {
        let (ground, mut tries) = (Ground::<()>::new(), 0);
        for _ in 0..2 {
            let plant = || {
                tries += 1;
                async { Err(Error::Reported(String::from("refused"))) }
            };
            let error = planted(&ground, plant).await.unwrap_err();
            assert_eq!(error.chain(), "refused");
        }
        assert_eq!(tries, 1);
    }
}
