//! S3: a listing of one key in the tenant's part of the bucket, then of versions that stay hidden.
//!
//! A listing and not `HeadBucket`, which scoped keys are refused on B2, and whose refusal carries no text.

use aws_sdk_s3::{Client, error::ProvideErrorMetadata, error::SdkError};
use bulkhead_model::{S3Slice, Service};
use bulkhead_target::{Error, TenantAccess, clients};

use super::{Complaint, Seeing};

/// Versions that are looked at: one page.
const VERSIONS: i32 = 100;

pub(super) async fn enter(access: &TenantAccess) -> Result<Seeing, Complaint> {
    let client = clients::s3::client(access).map_err(|error| Complaint::of(&error))?;
    let bucket = &access.connections.s3.bucket;
    let slice = &access.tenant.slices.s3;
    let prefix = slice.prefix.clone();
    let listed = client.list_objects_v2().bucket(bucket).set_prefix(prefix).max_keys(1).send().await;
    listed.map_err(|error| complaint(&format!("list one key of `{bucket}`"), error))?;
    let mut facts = String::new();
    if hidden(&client, bucket, slice).await {
        facts.push_str("versions: hidden ones, and no rule that removes them\n");
    }
    Ok(Seeing { text: format!("the key may list `{bucket}`"), facts })
}

/// Whether versions are hidden and no rule removes them. What the key may not ask is no finding.
async fn hidden(client: &Client, bucket: &str, slice: &S3Slice) -> bool {
    let versions = client.list_object_versions().bucket(bucket).set_prefix(slice.prefix.clone());
    let Ok(page) = versions.max_keys(VERSIONS).send().await else { return false };
    let old = page.versions().iter().any(|version| version.is_latest() == Some(false));
    if !old && page.delete_markers().is_empty() {
        return false;
    }
    match client.get_bucket_lifecycle_configuration().bucket(bucket).send().await {
        Ok(rules) => rules.rules().is_empty(),
        Err(error) => error.code() == Some("NoSuchLifecycleConfiguration"),
    }
}

/// The server's code and message; without an answer, the client's own words.
fn complaint<E>(doing: &str, error: SdkError<E>) -> Complaint
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let answered = error.raw_response().is_some();
    match (error.code().map(str::to_owned), error.message()) {
        (Some(code), message) if answered => {
            let message = message.map(|message| format!(": {message}")).unwrap_or_default();
            let text = format!("s3: could not {doing}: {code}{message}");
            Complaint { text, code: Some(code) }
        }
        _ => Complaint::of(&Error::serve(Service::S3, doing)(error)),
    }
}
