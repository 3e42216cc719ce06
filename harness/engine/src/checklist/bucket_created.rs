//! "S3 bucket created": the tenant's key writes an object into its bucket, reads the same bytes back and lists it.

use aws_sdk_s3::{Client, primitives::ByteStream};
use bulkhead_model::{Item, S3Slice, Service};
use bulkhead_target::{Error, clients};
use tokio::time::Instant;

use super::{ChecklistItem, Examination, Examining, NotDone, RoundTrips};

pub(super) struct BucketCreated;

impl ChecklistItem for BucketCreated {
    fn item(&self) -> Item {
        Item::BucketCreated
    }

    fn examine<'a>(&'a self, examination: &'a Examination<'a>) -> Examining<'a> {
        Box::pin(async move {
            let slice = &examination.access.tenant.slices.s3;
            let s3 = &examination.access.connections.s3;
            if s3.bucket != slice.bucket {
                let reason =
                    format!("the environment names bucket `{}`, the topology `{}`", s3.bucket, slice.bucket);
                return Err(NotDone::new(reason, "change the variable or the topology, whichever is wrong"));
            }
            let prefix =
                slice.prefix.as_deref().map(|prefix| format!(" and prefix `{prefix}`")).unwrap_or_default();
            let create = format!(
                "create bucket `{}` and limit key `{}` to it{prefix}, with listFiles, readFiles, writeFiles and deleteFiles",
                slice.bucket, s3.access_key_id
            );
            let not_done = |error: Error| NotDone::of(&error, create.clone());
            let client = clients::s3::client(examination.access).map_err(not_done)?;
            let trips = work(&client, slice).await.map_err(not_done)?;
            let server = examination.server(Service::S3).await?;
            Ok(format!("{server}, {slice}, object written, read back and listed, {}", trips.text()))
        })
    }
}

async fn work(client: &Client, slice: &S3Slice) -> Result<RoundTrips, Error> {
    let (bucket, key) = (&slice.bucket, slice.key("bulkhead/checklist"));
    let failed = |doing: &str| format!("{doing} `{key}` in {slice}");
    let body = ByteStream::from_static(b"written");
    let put = client.put_object().bucket(bucket).key(&key).body(body).send().await;
    put.map_err(Error::serve(Service::S3, failed("write")))?;
    let mut trips = RoundTrips::new();
    while trips.wanted() {
        let begun = Instant::now();
        let got = client.get_object().bucket(bucket).key(&key).send().await;
        let got = got.map_err(Error::serve(Service::S3, failed("read")))?;
        let bytes = got.body.collect().await.map_err(Error::serve(Service::S3, failed("read")))?.into_bytes();
        trips.took(begun);
        if bytes.as_ref() != b"written" {
            let source = format!("read {} bytes instead of what was written", bytes.len());
            return Err(Error::serve(Service::S3, failed("read back"))(source));
        }
    }
    let listed = client.list_objects_v2().bucket(bucket).prefix(&key).max_keys(1).send().await;
    let listed = listed.map_err(Error::serve(Service::S3, failed("list")))?;
    let found = listed.contents().iter().any(|object| object.key() == Some(key.as_str()));
    let deleted = client.delete_object().bucket(bucket).key(&key).send().await;
    deleted.map_err(Error::serve(Service::S3, failed("delete")))?;
    if !found {
        return Err(Error::serve(Service::S3, failed("list"))("it is not in the listing"));
    }
    Ok(trips)
}
