//! A scoped layout keeps everything the layout says about sharing, and two scopes never meet.

use bulkhead_model::{Scope, Service, Tenant, Topology};
use proptest::prelude::*;

/// One tenant's choices: which of a few containers on each service.
type Choice = [usize; 3];

/// A valid layout of these tenants. Containers with an even number are shared by all who choose them, the others are
/// their chooser's alone.
fn layout(choices: &[Choice]) -> String {
    let mut text = String::new();
    for (tenant, [database, vhost, bucket]) in choices.iter().enumerate() {
        let part = |n: usize, shared: String| {
            if n.is_multiple_of(2) {
                (format!("shared{n}"), shared)
            } else {
                (format!("t{tenant}-own"), String::new())
            }
        };
        let (database, schema) = part(*database, format!(", schema = \"t{tenant}\""));
        let (vhost, queues) = part(*vhost, format!(", queues = \"t{tenant}:\""));
        let (bucket, prefix) = part(*bucket, format!(", prefix = \"t{tenant}/\""));
        text += &format!(
            "[tenants.t{tenant}]\nenv = \"T{tenant}_\"\npostgres = {{ database = \"{database}\"{schema} }}\n\
             redis = {{ prefix = \"t{tenant}:\" }}\nrabbitmq = {{ vhost = \"/{vhost}\"{queues} }}\n\
             s3 = {{ bucket = \"tl-{bucket}\"{prefix} }}\n"
        );
    }
    text
}

/// The container and the part of it that a tenant has on a service.
fn slice(service: Service, tenant: &Tenant) -> (String, Option<String>) {
    let slices = &tenant.slices;
    match service {
        Service::Postgres => (slices.postgres.database.clone(), slices.postgres.schema.clone()),
        Service::Redis => (String::new(), Some(slices.redis.prefix.clone())),
        Service::Rabbitmq => (slices.rabbitmq.vhost.clone(), slices.rabbitmq.queues.clone()),
        Service::S3 => (slices.s3.bucket.clone(), slices.s3.prefix.clone()),
    }
}

/// Whether two slices of a service hold some name in common.
fn meet(service: Service, a: &Tenant, b: &Tenant) -> bool {
    let ((container_a, part_a), (container_b, part_b)) = (slice(service, a), slice(service, b));
    container_a == container_b
        && match (part_a, part_b) {
            (Some(a), Some(b)) if service == Service::Postgres => a == b,
            (Some(a), Some(b)) => a.starts_with(&b) || b.starts_with(&a),
            _ => true,
        }
}

proptest! {
    #[test]
    fn scoping_keeps_what_is_shared_and_what_is_apart(
        choices in prop::collection::vec(prop::array::uniform3(0usize..4), 1..6),
        scope in "[a-z0-9]{1,12}",
        other in "[a-z0-9]{1,12}",
    ) {
        let topology = Topology::parse(&layout(&choices), "t").map_err(|p| TestCaseError::fail(p.to_string()))?;
        let scoped = topology.scoped(&Scope::new(&scope).unwrap());
        prop_assert_eq!(scoped.tenants.len(), topology.tenants.len());
        for service in Service::ALL {
            prop_assert_eq!(scoped.enforcement(service), topology.enforcement(service));
            for (a, scoped_a) in topology.tenants.iter().zip(&scoped.tenants) {
                prop_assert_eq!(&a.name, &scoped_a.name);
                prop_assert_eq!(&a.env, &scoped_a.env);
                prop_assert_eq!(Topology::sharing(service, a), Topology::sharing(service, scoped_a));
                for (b, scoped_b) in topology.tenants.iter().zip(&scoped.tenants) {
                    let same = |x: &Tenant, y: &Tenant| slice(service, x).0 == slice(service, y).0;
                    prop_assert_eq!(same(a, b), same(scoped_a, scoped_b));
                    prop_assert_eq!(meet(service, scoped_a, scoped_b), a.name == b.name);
                }
            }
        }
        // Another case's copy, and the layout itself, never meet it: a scope is a word such as `k3s1`, nobody's prefix.
        prop_assume!(scope != other && (0..choices.len()).all(|tenant| scope != format!("t{tenant}")));
        for foreign in [&topology, &topology.scoped(&Scope::new(&other).unwrap())] {
            for (a, b) in scoped.tenants.iter().flat_map(|a| foreign.tenants.iter().map(move |b| (a, b))) {
                for service in Service::ALL {
                    prop_assert!(!meet(service, a, b), "{} and {} meet on {}", a.name, b.name, service);
                }
            }
        }
    }

    #[test]
    fn the_longest_names_still_fit_when_scoped(scope in "[a-z0-9]{12}") {
        let text = format!(
            "[tenants.t]\npostgres = {{ database = \"{d}\" }}\nredis = {{ prefix = \"t:\" }}\n\
             rabbitmq = {{ vhost = \"{v}\" }}\ns3 = {{ bucket = \"{b}\" }}\n",
            d = "d".repeat(50), v = "v".repeat(114), b = "b".repeat(50),
        );
        let topology = Topology::parse(&text, "t").map_err(|p| TestCaseError::fail(p.to_string()))?;
        let scoped = topology.scoped(&Scope::new(&scope).unwrap());
        let slices = &scoped.tenants[0].slices;
        prop_assert_eq!(slices.postgres.database.len(), 63);
        prop_assert_eq!(slices.rabbitmq.vhost.len(), 127);
        prop_assert_eq!(slices.s3.bucket.len(), 63);
    }
}
