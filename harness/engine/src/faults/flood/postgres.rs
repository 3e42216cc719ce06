//! Queries that compute and sort.

use bulkhead_model::Service;
use bulkhead_target::{Error, clients};

use super::Client;

/// Some ten milliseconds of a core, and memory for the sort.
const QUERY: &str =
    "SELECT count(*) FROM (SELECT md5(n::text) FROM generate_series(1, 10000) AS n ORDER BY 1) AS sorted";

pub(super) async fn flood(mut client: Client) -> Result<u64, Error> {
    let mut connection = clients::postgres::connect(&client.access).await?;
    while client.goes_on() {
        let asked = sqlx::query(QUERY).execute(&mut connection).await;
        asked.map_err(Error::serve(Service::Postgres, "flood it with queries"))?;
        client.done += 1;
    }
    Ok(client.done)
}
