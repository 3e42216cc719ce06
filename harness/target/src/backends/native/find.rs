//! Which servers are missing, said in one message before anything is started.

use crate::{Error, Missing, TargetSpec, services};

use super::packages::{MANAGERS, Manager};

/// Looks for every server that `spec` needs. Starts nothing and writes nothing.
///
/// # Errors
/// [`Error::Missing`] with all that is missing; its hint says how to install it.
pub fn check(spec: &TargetSpec) -> Result<(), Error> {
    let missing = missing(spec);
    if missing.is_empty() { Ok(()) } else { Err(Error::Missing(missing)) }
}

/// Every server that is not here.
pub(crate) fn missing(spec: &TargetSpec) -> Vec<Missing> {
    services::ALL.iter().filter_map(|stand_in| stand_in.find(spec).err()).collect()
}

/// The main command inside a container that may install what it lacks, the repository being the current folder.
const IN_A_CONTAINER: &str =
    "docker run --rm -it -v \"$PWD:/src\" -w /src -e BULKHEAD_INSTALL=1 rust:1.95-bookworm cargo verify";

/// What to do about the one program that no package brings.
const BY_HAND: &str =
    "put the program that plays S3 on PATH, or name the folder of `minio` in BULKHEAD_MINIO_BIN";

/// How to get what is missing.
pub(crate) fn advice(missing: &[Missing]) -> String {
    let line = |manager: &Manager| {
        let packages: Vec<_> = missing.iter().filter_map(|m| manager.package(m.service)).collect();
        (!packages.is_empty()).then(|| format!("{} {}", manager.by_hand, packages.join(" ")))
    };
    let by_hand = missing.iter().any(|m| MANAGERS.iter().all(|manager| manager.package(m.service).is_none()));
    let mut lines: Vec<_> = MANAGERS.iter().filter_map(line).collect();
    if lines.is_empty() {
        return String::from(BY_HAND);
    }
    lines.push(String::from(
        "or set BULKHEAD_INSTALL=1 to let Bulkhead run the one of them that fits this machine",
    ));
    lines.push(format!("or use Docker: {IN_A_CONTAINER}"));
    let mut text = format!("install what is missing with one of\n  {}", lines.join("\n  "));
    if by_hand {
        text.push_str(&format!("\nand {BY_HAND}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use bulkhead_model::Service;

    use super::*;

    fn not_here(services: &[Service]) -> Vec<Missing> {
        services
            .iter()
            .map(|service| Missing { service: *service, looked: String::from("no such program") })
            .collect()
    }

    #[test]
    fn one_message_names_every_missing_package_for_every_manager() {
        let missing = not_here(&[Service::Postgres, Service::Redis, Service::Rabbitmq]);
        let text = advice(&missing);
        assert!(text.contains("apt-get install postgresql redis-server rabbitmq-server"), "{text}");
        assert!(text.contains("dnf install postgresql-server valkey rabbitmq-server"), "{text}");
        assert!(text.contains("brew install postgresql@18 redis rabbitmq"), "{text}");
        assert!(text.contains("BULKHEAD_INSTALL=1") && text.contains("Docker"), "{text}");
        let error = Error::Missing(missing);
        assert_eq!(error.hint(), Some(text));
        assert!(error.to_string().contains("postgres: no such program\n  redis: no such program"), "{error}");
    }

    #[test]
    fn only_what_is_missing_is_named() {
        let text = advice(&not_here(&[Service::Redis]));
        assert!(text.contains("redis-server") && !text.contains("rabbitmq"), "{text}");
    }

    #[test]
    fn what_no_package_brings_is_put_on_path() {
        assert_eq!(advice(&not_here(&[Service::S3])), BY_HAND);
        let text = advice(&not_here(&[Service::Redis, Service::S3]));
        assert!(text.contains("apt-get install redis-server\n"), "{text}");
        assert!(text.ends_with(&format!("\nand {BY_HAND}")), "{text}");
        assert!(!advice(&not_here(&[Service::Redis])).contains(BY_HAND), "nothing else is missing");
    }
}
