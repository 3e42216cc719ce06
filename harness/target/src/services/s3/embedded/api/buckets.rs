//! Operations on buckets. Their names, like everywhere, are the account's: one account owns them all here.

use s3s::{
    S3Response,
    dto::{
        Bucket, BucketLocationConstraint, BucketVersioningStatus, CreateBucketInput, CreateBucketOutput,
        DeleteBucketInput, DeleteBucketOutput, GetBucketLocationInput, GetBucketLocationOutput,
        GetBucketVersioningInput, GetBucketVersioningOutput, HeadBucketInput, HeadBucketOutput,
        ListBucketsInput, ListBucketsOutput, Owner,
    },
    s3_error,
};

use super::{
    super::store::{
        bucket, now,
        record::{Entry, timestamp},
    },
    Answer, Api,
};

/// The region that buckets are in, unless the server was given one.
const REGION: &str = "us-east-1";

/// The account that owns everything.
pub(super) fn owner() -> Owner {
    Owner { id: Some(String::from("bulkhead")), display_name: Some(String::from("bulkhead")) }
}

pub(super) fn list(api: &Api, input: &ListBucketsInput) -> Answer<ListBucketsOutput> {
    let prefix = input.prefix.clone().unwrap_or_default();
    let buckets = api.store.read(|index| {
        let shown = index.buckets().filter(|(name, _)| name.starts_with(&prefix));
        let line = |(name, bucket): (&str, &super::super::store::index::Bucket)| Bucket {
            name: Some(name.to_owned()),
            creation_date: Some(timestamp(bucket.at)),
            ..Bucket::default()
        };
        shown.map(line).collect()
    });
    let output =
        ListBucketsOutput { buckets: Some(buckets), owner: Some(owner()), ..ListBucketsOutput::default() };
    Ok(S3Response::new(output))
}

pub(super) fn create(api: &Api, input: &CreateBucketInput) -> Answer<CreateBucketOutput> {
    api.store.commit(|index| {
        if index.bucket(&input.bucket).is_some() {
            return Err(s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            ));
        }
        Ok((vec![Entry::MakeBucket { bucket: input.bucket.clone(), at: now() }], ()))
    })?;
    Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{}", input.bucket)) }))
}

pub(super) fn delete(api: &Api, input: &DeleteBucketInput) -> Answer<DeleteBucketOutput> {
    api.store.commit(|index| {
        if !bucket(index, &input.bucket)?.is_empty() {
            return Err(s3_error!(
                BucketNotEmpty,
                "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
            ));
        }
        Ok((vec![Entry::RemoveBucket { bucket: input.bucket.clone() }], ()))
    })?;
    Ok(S3Response::new(DeleteBucketOutput::default()))
}

pub(super) fn head(api: &Api, input: &HeadBucketInput) -> Answer<HeadBucketOutput> {
    api.store.read_bucket(&input.bucket, |_| Ok(()))?;
    Ok(S3Response::new(HeadBucketOutput { bucket_region: Some(region(api)), ..HeadBucketOutput::default() }))
}

pub(super) fn location(api: &Api, input: &GetBucketLocationInput) -> Answer<GetBucketLocationOutput> {
    api.store.read_bucket(&input.bucket, |_| Ok(()))?;
    // The default region has no name in this answer.
    let named = Some(region(api)).filter(|region| region != REGION).map(BucketLocationConstraint::from);
    Ok(S3Response::new(GetBucketLocationOutput { location_constraint: named }))
}

pub(super) fn versioning(api: &Api, input: &GetBucketVersioningInput) -> Answer<GetBucketVersioningOutput> {
    api.store.read_bucket(&input.bucket, |_| Ok(()))?;
    let status = BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED);
    Ok(S3Response::new(GetBucketVersioningOutput { status: Some(status), mfa_delete: None }))
}

fn region(api: &Api) -> String {
    api.options.region.clone().unwrap_or_else(|| String::from(REGION))
}
