//! Which image plays which service.

use std::ffi::OsString;

use bulkhead_model::Service;
use serde::{Deserialize, Serialize};

use crate::spec::Variable;

/// Each service with the variable that names another image, and the image that plays it when nothing does. MinIO's images
/// have left Docker Hub; the last ones that it published are still on Quay, and nobody maintains them.
const DEFAULTS: [(Service, Variable, &str); 4] = [
    (
        Service::Postgres,
        Variable {
            name: "BULKHEAD_IMAGE_POSTGRES",
            text: "Image of PostgreSQL, for `--target docker` (postgres:18).",
        },
        "postgres:18",
    ),
    (
        Service::Redis,
        Variable {
            name: "BULKHEAD_IMAGE_REDIS",
            text: "Image of Redis or Valkey, for `--target docker` (redis:8).",
        },
        "redis:8",
    ),
    (
        Service::Rabbitmq,
        Variable {
            name: "BULKHEAD_IMAGE_RABBITMQ",
            text: "Image of RabbitMQ, for `--target docker` (rabbitmq:4.2-management).",
        },
        "rabbitmq:4.2-management",
    ),
    (
        Service::S3,
        Variable {
            name: "BULKHEAD_IMAGE_S3",
            text: "Image of MinIO, RustFS, SeaweedFS or Garage, for `--target docker` (quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z).",
        },
        "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z",
    ),
];

/// Toxiproxy's own image.
pub(crate) const TOXIPROXY: &str = "ghcr.io/shopify/toxiproxy:2.12.0";

/// The variable that names another.
pub(crate) const TOXIPROXY_VARIABLE: Variable = Variable {
    name: "BULKHEAD_IMAGE_TOXIPROXY",
    text: "Image of Toxiproxy, for `--links toxiproxy` (ghcr.io/shopify/toxiproxy:2.12.0).",
};

/// The variables that name images.
pub const VARIABLES: [Variable; 5] =
    [DEFAULTS[0].1, DEFAULTS[1].1, DEFAULTS[2].1, DEFAULTS[3].1, TOXIPROXY_VARIABLE];

/// The image of Toxiproxy: its own, but for one that the variable names.
pub(crate) fn toxiproxy(read: impl Fn(Variable) -> Option<OsString>) -> Image {
    let named = read(TOXIPROXY_VARIABLE).map(|value| value.to_string_lossy().into_owned());
    Image::read(named.as_deref().unwrap_or(TOXIPROXY))
}

/// An image by name and tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Image {
    /// `registry:5000/rabbitmq`.
    pub name: String,
    /// `4.2-management`.
    pub tag: String,
}

impl Image {
    /// Reads `name`, `name:tag`, `registry:port/name:tag`. Without a tag it is `latest`, as Docker reads it.
    pub fn read(text: &str) -> Self {
        match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => Self { name: name.to_owned(), tag: tag.to_owned() },
            _ => Self { name: text.to_owned(), tag: String::from("latest") },
        }
    }
}

impl std::fmt::Display for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.name, self.tag)
    }
}

/// One image for each service that an image plays.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Images(Vec<(Service, Image)>);

impl Images {
    /// The default ones, but for those that a variable names.
    pub(crate) fn read(read: impl Fn(Variable) -> Option<OsString>) -> Self {
        let image = |(service, variable, default): (Service, Variable, &str)| {
            let named = read(variable).map(|value| value.to_string_lossy().into_owned());
            (service, Image::read(named.as_deref().unwrap_or(default)))
        };
        Self(DEFAULTS.into_iter().map(image).collect())
    }

    /// The same but for one service, which no image is to play.
    pub(crate) fn without(mut self, service: Service) -> Self {
        self.0.retain(|(other, _)| *other != service);
        self
    }

    /// The image that plays a service; none where none does.
    pub fn of(&self, service: Service) -> Option<&Image> {
        self.0.iter().find(|(other, _)| *other == service).map(|(_, image)| image)
    }

    /// Every service that an image plays.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Service, &Image)> {
        self.0.iter().map(|(service, image)| (*service, image))
    }
}

/// The image that plays a service where no variable names another.
pub(crate) fn default(service: Service) -> &'static str {
    DEFAULTS.iter().find(|(other, ..)| *other == service).map_or("", |(.., default)| default)
}

/// The variable that names another image for a service.
pub(crate) fn variable(service: Service) -> &'static str {
    DEFAULTS.iter().find(|(other, ..)| *other == service).map_or("", |(_, variable, _)| variable.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_tag() {
        for (text, name, tag) in [
            ("redis", "redis", "latest"),
            ("redis:8", "redis", "8"),
            ("registry:5000/redis", "registry:5000/redis", "latest"),
            ("registry:5000/team/redis:8.0", "registry:5000/team/redis", "8.0"),
        ] {
            assert_eq!(Image::read(text), Image { name: name.into(), tag: tag.into() });
        }
    }

    #[test]
    fn a_variable_names_another_image() {
        let none = Images::read(|_| None);
        assert_eq!(none.of(Service::Postgres).unwrap().to_string(), "postgres:18");
        let s3 = none.of(Service::S3).unwrap();
        assert_eq!(
            (s3.name.as_str(), s3.tag.as_str()),
            ("quay.io/minio/minio", "RELEASE.2025-09-07T16-13-09Z")
        );
        assert_eq!(none.clone().without(Service::S3).of(Service::S3), None);
        let named =
            Images::read(|variable| (variable.name == "BULKHEAD_IMAGE_REDIS").then(|| "mine:1".into()));
        assert_eq!(named.of(Service::Redis).unwrap().to_string(), "mine:1");
        assert_eq!(named.of(Service::Postgres), none.of(Service::Postgres));
        assert_eq!(variable(Service::Redis), "BULKHEAD_IMAGE_REDIS");
        assert_eq!(toxiproxy(|_| None).to_string(), TOXIPROXY);
        let named =
            toxiproxy(|variable| (variable.name == "BULKHEAD_IMAGE_TOXIPROXY").then(|| "mine:2".into()));
        assert_eq!(named.to_string(), "mine:2");
    }
}
