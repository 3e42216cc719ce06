//! PostgreSQL: a login and one row about the server and the role.

use bulkhead_model::Service;
use bulkhead_target::{Error, TenantAccess, clients};
use sqlx::{Connection, PgConnection};

use super::{Complaint, Seeing, cause, chain, nearly_all};

/// Backends of all databases, what the server takes, its version, and what the role is above.
const LOOK: &str = "SELECT (SELECT coalesce(sum(numbackends), 0) FROM pg_stat_database)::bigint, \
                    current_setting('max_connections')::bigint, current_setting('server_version'), \
                    rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user";

pub(super) async fn enter(access: &TenantAccess) -> Result<Seeing, Complaint> {
    let mut connection = clients::postgres::connect(access).await.map_err(|error| complaint(&error))?;
    let seen = look(&mut connection).await;
    // The row is in hand; how the server takes the farewell changes nothing.
    let _farewell = connection.close().await;
    seen.map_err(|error| {
        complaint(&Error::serve(Service::Postgres, "ask what the server and the role are")(error))
    })
}

async fn look(connection: &mut PgConnection) -> sqlx::Result<Seeing> {
    let (used, most, version, superuser, bypass): (i64, i64, String, bool, bool) =
        sqlx::query_as(LOOK).fetch_one(connection).await?;
    let mut facts = String::new();
    if nearly_all(u64::try_from(used).unwrap_or(0), u64::try_from(most).unwrap_or(0)) {
        facts.push_str("connections: at least nine tenths taken\n");
    }
    if superuser {
        facts.push_str("role: superuser\n");
    } else if bypass {
        facts.push_str("role: bypassrls\n");
    }
    let role = match (superuser, bypass) {
        (true, _) => "a superuser",
        (_, true) => "above row-level security (BYPASSRLS)",
        _ => "bound by row-level security",
    };
    let version = version.split(' ').next().unwrap_or_default();
    let text = format!("PostgreSQL {version}, {used} of {most} connections in use, the role is {role}");
    Ok(Seeing { text, facts })
}

fn complaint(error: &Error) -> Complaint {
    let code = cause::<sqlx::Error>(error).and_then(sqlx::Error::as_database_error);
    let code = code.and_then(|error| error.code().map(std::borrow::Cow::into_owned));
    Complaint { text: chain(error), code }
}
