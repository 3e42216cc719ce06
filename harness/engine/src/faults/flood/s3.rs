//! Objects of middling size, put and got.

use bulkhead_model::Service;
use bulkhead_target::{Error, clients};

use super::Client;

/// Bytes of an object.
const SIZE: usize = 64 * 1024;

/// What is done, as an error says it.
const PUT: &str = "flood it with objects";
const GET: &str = "read the flood's object";
const DELETE: &str = "delete the flood's object";

pub(super) async fn flood(mut client: Client) -> Result<u64, Error> {
    let s3 = clients::s3::client(&client.access)?;
    let slice = &client.access.tenant.slices.s3;
    let (bucket, key) = (slice.bucket.clone(), slice.key(&client.name()));
    while client.goes_on() {
        let put = s3.put_object().bucket(&bucket).key(&key).body(vec![b'.'; SIZE].into()).send().await;
        put.map_err(Error::serve(Service::S3, PUT))?;
        let got = s3.get_object().bucket(&bucket).key(&key).send().await;
        let body = got.map_err(Error::serve(Service::S3, GET))?.body.collect().await;
        body.map_err(Error::serve(Service::S3, GET))?;
        client.done += 2;
    }
    let deleted = s3.delete_object().bucket(&bucket).key(&key).send().await;
    deleted.map_err(Error::serve(Service::S3, DELETE))?;
    Ok(client.done)
}
