//! What each service's line in the file looks like: which key names the container and which the tenant's part of it.
//! One table, read by the parser, the validator and the help texts.

use super::names::{self, Fault};
use crate::Service;

/// A key of a service's table and the rule for its value.
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) rule: fn(&str) -> Result<(), Fault>,
}

/// One service's table.
pub(super) struct Shape {
    pub(super) service: Service,
    /// The database, vhost or bucket. Redis has one space for all.
    pub(super) container: Option<Field>,
    /// The part of a shared container: schema or prefix. Redis, always shared, requires it.
    pub(super) part: Field,
    /// How it is written.
    pub(super) like: &'static str,
}

impl Shape {
    /// The keys that the table knows.
    pub(super) fn keys(&self) -> Vec<&'static str> {
        self.container.iter().map(|field| field.key).chain([self.part.key]).collect()
    }

    /// Whether two parts of one container hold some name in common.
    pub(super) fn overlap(&self, a: &str, b: &str) -> bool {
        match self.service {
            Service::Postgres => a == b,
            Service::Redis | Service::Rabbitmq | Service::S3 => a.starts_with(b) || b.starts_with(a),
        }
    }
}

/// Every service's, in [`Service::ALL`]'s order.
pub(super) const SHAPES: [Shape; 4] = [
    Shape {
        service: Service::Postgres,
        container: Some(Field { key: "database", rule: names::database }),
        part: Field { key: "schema", rule: names::schema },
        like: "`postgres = { database = \"enginedb\" }`",
    },
    Shape {
        service: Service::Redis,
        container: None,
        part: Field { key: "prefix", rule: names::key_prefix },
        like: "`redis = { prefix = \"engine:\" }`",
    },
    Shape {
        service: Service::Rabbitmq,
        container: Some(Field { key: "vhost", rule: names::vhost }),
        part: Field { key: "queues", rule: names::queue_prefix },
        like: "`rabbitmq = { vhost = \"/engine\" }`",
    },
    Shape {
        service: Service::S3,
        container: Some(Field { key: "bucket", rule: names::bucket }),
        part: Field { key: "prefix", rule: names::path_prefix },
        like: "`s3 = { bucket = \"tl-engine\" }`",
    },
];

#[cfg(test)]
mod tests {
    use super::SHAPES;
    use crate::Service;

    #[test]
    fn every_service_has_its_shape_in_order() {
        assert_eq!(SHAPES.each_ref().map(|shape| shape.service), Service::ALL);
    }
}
