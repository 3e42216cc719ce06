//! The server in a container of the official image, or of one that is used in the same way.

use std::{net::Ipv4Addr, path::Path};

use bulkhead_model::{Service, url::shell_word};

use super::{LOG, Prepared, config};
use crate::{
    Error,
    backends::docker::{ContainerSpec, File, Image},
    clients,
    instance::InstanceSpec,
    private,
    services::{Place, password, port},
};

/// Where the image keeps its sockets.
pub(super) const SOCKETS: &str = "/var/run/postgresql";

/// Whom it lets in: everybody with a password and TLS, and over the socket the superuser in that way, as whom its own
/// script comes.
pub(super) fn hba(superuser: &str) -> String {
    format!(
        "local     all {0} {superuser}\n\
         local     all all reject\n\
         hostnossl all all all reject\n\
         hostssl   all all all scram-sha-256\n",
        config::ADMIN
    )
}

/// Writes what goes into the container.
pub(super) fn prepare(image: &Image, place: &Place) -> Result<Prepared, Error> {
    let identity = place.authority.identity("postgres", &place.dir)?;
    let port = port::pick(Service::Postgres, place)?;
    let (conf, hba_file, word) =
        (place.dir.join("postgresql.conf"), place.dir.join("pg_hba.conf"), place.dir.join("password"));
    let secret = password::random();
    let mut settings = config::throw_away(SOCKETS, Ipv4Addr::UNSPECIFIED, port, &identity);
    settings.extend(config::lines(&[("hba_file", &hba_file.display().to_string())]));
    private::write(&conf, &settings, 0o600)?;
    private::write(&hba_file, &hba("scram-sha-256"), 0o600)?;
    private::write(&word, secret.expose(), 0o600)?;
    let file = |path: &Path, mode| File { path: path.to_owned(), mode };
    let quoted = |path: &Path| shell_word(&path.display().to_string());
    let key = quoted(&identity.key);
    // The server takes a key that is its user's alone, of whom only the image knows the number.
    let start = format!(
        "chown postgres {key} && exec docker-entrypoint.sh postgres -c config_file={}",
        quoted(&conf)
    );
    let spec = InstanceSpec::Container(ContainerSpec {
        service: Service::Postgres,
        run: place.run.clone(),
        image: image.clone(),
        command: vec!["sh".into(), "-c".into(), start],
        env: vec![
            ("POSTGRES_USER".into(), config::ADMIN.into()),
            ("POSTGRES_DB".into(), config::ADMIN_DATABASE.into()),
            ("POSTGRES_PASSWORD".into(), String::new()),
            ("POSTGRES_PASSWORD_FILE".into(), word.display().to_string()),
            ("POSTGRES_INITDB_ARGS".into(), "--encoding=UTF8 --locale=C.UTF-8 --no-sync".into()),
        ],
        files: vec![
            file(&conf, 0o644),
            file(&hba_file, 0o644),
            file(&word, 0o600),
            file(&identity.ca, 0o644),
            file(&identity.cert, 0o644),
            file(&identity.key, 0o600),
        ],
        ports: vec![port],
        dir: place.dir.clone(),
        log: place.dir.join(LOG),
    });
    let admin = clients::postgres::admin_over_tcp(port, config::ADMIN, &secret, &identity.ca)
        .database(config::ADMIN_DATABASE);
    Ok(Prepared { spec, admin, port })
}
