//! The server in a Compose file: what it obeys, and a script that makes the slices with its data folder.

use std::net::Ipv4Addr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bulkhead_model::{Secret, Service, Tenant};
use ring::{hmac, pbkdf2};
use sha2::{Digest as _, Sha256};

use super::{
    config, contained,
    server::{Slice, plans},
    sql,
};
use crate::{
    Error,
    backends::compose::{FOLDER, Part, identity},
    services::password::Source,
};

/// Where it listens inside, is published, and is published through Toxiproxy.
const PORTS: [u16; 3] = [5432, 15432, 25432];

/// The oldest version for which the script must do: its statements hold for all newer ones.
const OLDEST: u32 = 14;

/// Rounds of a SCRAM verifier, PostgreSQL's own default.
const ROUNDS: std::num::NonZeroU32 = std::num::NonZeroU32::new(4096).expect("4096 is not zero");

pub(super) fn part(tenants: &[Tenant]) -> Result<Part, Error> {
    let [port, published, proxied] = PORTS;
    let identity = identity(Service::Postgres);
    let mut settings = config::settings(contained::SOCKETS, Ipv4Addr::UNSPECIFIED, port, &identity);
    settings.extend(config::lines(&[("hba_file", &format!("{FOLDER}/pg_hba.conf"))]));
    Ok(Part {
        entry: include_str!("compose.yaml").to_owned(),
        files: vec![
            ("postgresql.conf", settings),
            // Inside the container it is reached by root and the server's own user alone.
            ("pg_hba.conf", contained::hba("trust")),
            ("tenants.sql", script(tenants)?),
        ],
        port,
        published,
        proxied,
        accesses: tenants.iter().map(|tenant| slice(tenant).url(published, None)).collect(),
    })
}

/// A tenant's slice, with the password that its app has.
fn slice(tenant: &Tenant) -> Slice<'_> {
    let role = sql::role(tenant);
    let password = Source::Derived.password(&format!("postgres {role}"));
    Slice { tenant, role, password }
}

/// What `psql` is told, in the statements that make slices on stand-ins. Of passwords it holds what verifies them.
fn script(tenants: &[Tenant]) -> Result<String, Error> {
    let verified = |tenant| {
        let slice = slice(tenant);
        let salt = Source::Derived.bytes(&format!("salt of postgres {}", slice.role));
        Slice { password: verifier(&slice.password, salt), ..slice }
    };
    let slices: Vec<_> = tenants.iter().map(verified).collect();
    let mut statements = vec![sql::CLOSE_MAINTENANCE.to_owned()];
    statements.extend(slices.iter().map(|slice| sql::create_role(&slice.role, &slice.password)));
    let plans = plans(&slices)?;
    for plan in &plans {
        statements.push(sql::create_database(plan.database, OLDEST));
        statements.push(sql::close_database(plan.database));
        statements.push(sql::hand_over(plan.database, &plan.holders()));
    }
    let mut script = statements.iter().fold(String::new(), |script, statement| script + statement + ";\n");
    for plan in &plans {
        if let Some(inside) = plan.inside(OLDEST) {
            script.push_str(&format!(
                "\\connect -reuse-previous=on {}\n{inside};\n",
                connection(plan.database)
            ));
        }
    }
    // A data folder of which a part failed has no mark, and its server is never healthy.
    script.push_str("\\! touch \"$PGDATA/slices-made\"\n");
    Ok(script)
}

/// A database as the argument of `\connect`, which would read some names as a whole connection string.
fn connection(database: &str) -> String {
    let value = database.replace('\\', "\\\\").replace('\'', "\\'");
    sql::quoted(&format!("dbname='{value}'"))
}

/// What PostgreSQL keeps of a password and takes in its place (RFC 5803, as in `pg_authid`).
fn verifier(password: &Secret, salt: [u8; 16]) -> Secret {
    let mut salted = [0_u8; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, password.expose().as_bytes(), &mut salted);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let stored = Sha256::digest(hmac::sign(&key, b"Client Key"));
    let server = hmac::sign(&key, b"Server Key");
    let [salt, stored, server] =
        [&salt[..], &stored[..], server.as_ref()].map(|bytes| STANDARD.encode(bytes));
    Secret::new(format!("SCRAM-SHA-256${ROUNDS}:{salt}${stored}:{server}"))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use bulkhead_model::{Secret, Topology};

    use super::{STANDARD, connection, script, verifier};

    /// The password and the salt of RFC 7677's example.
    #[test]
    fn a_verifier_is_what_postgresql_keeps() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let made = verifier(&Secret::new("pencil"), salt.try_into().unwrap());
        let kept = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                    wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        assert_eq!(made.expose(), kept);
    }

    #[test]
    fn the_script_holds_no_password_and_reads_names_as_names() {
        let script = script(&Topology::builtin().tenants).unwrap();
        assert!(script.contains("CREATE DATABASE \"enginedb\"") && script.contains("SCRAM-SHA-256$4096:"));
        assert_eq!(connection("a=b"), "\"dbname='a=b'\"");
        assert_eq!(connection("it's \"\\"), r#""dbname='it\'s ""\\'""#);
    }
}
