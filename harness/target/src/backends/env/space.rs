//! The names within which a run works on services that it does not own: a marker, the run's id and the case's number
//! below each tenant's own prefix. What does not bear such a name is never removed.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use bulkhead_model::{PostgresSlice, RabbitmqSlice, RedisSlice, S3Slice, Slices, Tenant, TenantName};

/// What every name of every run begins with.
const MARK: &str = "bulkhead";

/// Characters of an id: eight for the second in which the run began, six that are random.
const ID_LENGTH: usize = 14;

/// A run's id: 14 of `0-9` and `a-f`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// An id that no other run has.
    pub(super) fn fresh() -> Self {
        let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let second = u32::try_from(second & u64::from(u32::MAX)).unwrap_or_default();
        Self(format!("{second:08x}{}", hex::encode(rand::random::<[u8; 3]>())))
    }

    /// Takes the text when it can be an id.
    pub fn new(text: &str) -> Option<Self> {
        let fits =
            text.len() == ID_LENGTH && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One case's names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Space {
    pub(super) run: RunId,
    pub(super) case: u64,
}

impl Space {
    /// The tenant's schema, which is made first and goes last: as long as it is there, others of these names may be.
    pub(super) fn schema(&self, tenant: &TenantName) -> String {
        let Self { run, case } = self;
        format!("{MARK}_{run}_{case}_{tenant}")
    }

    /// The names that a schema of this tenant's belongs to; none for any other schema.
    pub(super) fn of_schema(schema: &str, tenant: &TenantName) -> Option<Self> {
        let rest = schema.strip_prefix(MARK)?.strip_prefix('_')?;
        let (run, rest) = rest.split_once('_')?;
        let case = rest.strip_suffix(tenant.as_str())?.strip_suffix('_')?;
        let space = Self { run: RunId::new(run)?, case: case.parse().ok()? };
        // Only what is written exactly as we write it: no sign, no leading zero.
        (space.schema(tenant) == schema).then_some(space)
    }

    /// The tenant with its slices narrowed to this case's part of them.
    pub(super) fn narrow(&self, tenant: &Tenant) -> Tenant {
        let Self { run, case } = self;
        let Slices { postgres, redis, rabbitmq, s3 } = &tenant.slices;
        let slices = Slices {
            postgres: PostgresSlice {
                database: postgres.database.clone(),
                schema: Some(self.schema(&tenant.name)),
            },
            redis: RedisSlice { prefix: redis.key(&format!("{MARK}:{run}:{case}:")) },
            rabbitmq: RabbitmqSlice {
                vhost: rabbitmq.vhost.clone(),
                queues: Some(rabbitmq.queue(&format!("{MARK}.{run}.{case}."))),
            },
            s3: S3Slice { bucket: s3.bucket.clone(), prefix: Some(s3.key(&format!("{MARK}/{run}/{case}/"))) },
        };
        Tenant { slices, ..tenant.clone() }
    }
}

/// Whether the Redis key lies within the tenant's names for some case of some run.
pub fn is_of_a_run(tenant: &Tenant, key: &str) -> bool {
    let below = key.strip_prefix(&tenant.slices.redis.key(MARK)).and_then(|rest| rest.strip_prefix(':'));
    let parts = below.and_then(|below| below.split_once(':'));
    let Some((run, case)) = parts.and_then(|(run, rest)| Some((run, rest.split_once(':')?.0))) else {
        return false;
    };
    RunId::new(run).is_some() && case.bytes().all(|b| b.is_ascii_digit()) && !case.is_empty()
}

#[cfg(test)]
mod tests {
    use bulkhead_model::Topology;

    use super::{RunId, Space, is_of_a_run};

    fn space() -> Space {
        Space { run: RunId::new("65f1a2b3c0ffee").unwrap(), case: 7 }
    }

    #[test]
    fn an_id_is_told_from_other_words() {
        let id = RunId::fresh();
        assert_eq!(RunId::new(id.as_str()), Some(id));
        for other in ["", "65f1a2b3c0ffe", "65f1a2b3c0ffeee", "65f1a2b3c0ffeg", "65F1A2B3C0FFEE"] {
            assert_eq!(RunId::new(other), None, "{other}");
        }
    }

    #[test]
    fn slices_are_narrowed_and_stay_where_they_were() {
        let topology = Topology::builtin();
        let engine = space().narrow(&topology.tenants[0]);
        let slices = &engine.slices;
        assert_eq!(slices.postgres.database, "enginedb");
        assert_eq!(slices.postgres.schema.as_deref(), Some("bulkhead_65f1a2b3c0ffee_7_engine"));
        assert_eq!(slices.redis.prefix, "engine:bulkhead:65f1a2b3c0ffee:7:");
        assert_eq!(slices.rabbitmq.queue("q"), "bulkhead.65f1a2b3c0ffee.7.q");
        assert_eq!(
            (slices.s3.bucket.as_str(), slices.s3.key("k")),
            ("tl-engine", String::from("bulkhead/65f1a2b3c0ffee/7/k"))
        );
    }

    #[test]
    fn a_key_is_told_from_those_that_only_look_like_a_runs() {
        let engine = &Topology::builtin().tenants[0];
        assert!(is_of_a_run(engine, &space().narrow(engine).slices.redis.key("bulkhead:canary")));
        for other in [
            "engine:",
            "engine:bulkhead:notes",
            "engine:bulkhead:65f1a2b3c0ffee",
            "engine:bulkhead:65f1a2b3c0ffee:7",
            "engine:bulkhead:65f1a2b3c0ffee::k",
            "engine:bulkhead:65f1a2b3c0ffee:7a:k",
            "engine:bulkhead:65f1a2b3c0ffe:7:k",
            "engin:bulkhead:65f1a2b3c0ffee:7:k",
            "bulkhead:65f1a2b3c0ffee:7:k",
        ] {
            assert!(!is_of_a_run(engine, other), "{other}");
        }
    }

    #[test]
    fn only_a_schema_of_ours_is_recognised() {
        let topology = Topology::builtin();
        let [engine, plane] = [&topology.tenants[0].name, &topology.tenants[1].name];
        assert_eq!(Space::of_schema(&space().schema(engine), engine), Some(space()));
        assert_eq!(Space::of_schema(&space().schema(plane), engine), None);
        for other in [
            "engine",
            "bulkhead",
            "bulkhead_engine",
            "bulkhead_65f1a2b3c0ffee_engine",
            "bulkhead_65f1a2b3c0ffee_07_engine",
            "bulkhead_65f1a2b3c0ffee_+7_engine",
            "bulkhead_65f1a2b3c0ffe_7_engine",
            "my_bulkhead_65f1a2b3c0ffee_7_engine",
            "bulkhead_65f1a2b3c0ffee_7_engine_notes",
        ] {
            assert_eq!(Space::of_schema(other, engine), None, "{other}");
        }
    }
}
