//! The negative controls: for each probe a right too many that it must see, a file a service.

use bulkhead_model::Service;

use super::{Control, shut::Shut};

pub(super) mod postgres;
mod rabbitmq;
mod redis;
mod s3;

/// Those of a service, in the order of its probes.
pub(super) fn of(service: Service) -> &'static [Control] {
    match service {
        Service::Postgres => postgres::CONTROLS,
        Service::Redis => redis::CONTROLS,
        Service::Rabbitmq => &rabbitmq::CONTROLS,
        Service::S3 => s3::CONTROLS,
    }
}

/// What keeps in what a service's servers leak by themselves.
pub(super) fn shut(service: Service) -> &'static [Shut] {
    match service {
        Service::Postgres => postgres::SHUT,
        Service::Redis => redis::SHUT,
        Service::Rabbitmq => rabbitmq::SHUT,
        // An account for each tenant, of which no server here has two.
        Service::S3 => &[],
    }
}

/// What the server of a probe's control is started with besides; nothing where the common one will do.
pub(super) fn settings(probe: &str) -> &'static [&'static str] {
    redis::SETTINGS.iter().find(|(of, _)| *of == probe).map_or(&[], |(_, settings)| settings)
}
