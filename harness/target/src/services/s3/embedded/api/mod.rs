//! The S3 operations: each is a function in one of the files below, on the storage. What is not listed here answers
//! `501 NotImplemented`, but only to keys that may ask for it.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use super::store::{
    Store,
    record::{Content, Meta, Version},
};
use crate::services::s3::control::Options;

mod body;
mod buckets;
mod conditions;
mod copy;
mod delete;
mod listing;
mod multipart;
mod parts;
mod read;
mod settings;
mod versions;
mod write;

/// The longest object that one request may carry or copy.
const MAX_SINGLE: u64 = 5 * 1024 * 1024 * 1024;

/// Answers S3 requests from the storage.
pub(crate) struct Api {
    store: Arc<Store>,
    options: Arc<Options>,
}

impl Api {
    /// On this storage.
    pub(crate) fn new(store: Arc<Store>, options: Arc<Options>) -> Self {
        Self { store, options }
    }
}

/// Fills in the five checksum fields that many outputs have.
macro_rules! with_sums {
    ($output:expr, $sums:expr) => {{
        use $crate::services::s3::embedded::store::sums::{Algorithm, Sums};
        let (mut output, sums): (_, &Sums) = ($output, $sums);
        output.checksum_crc32 = sums.get(Algorithm::Crc32);
        output.checksum_crc32c = sums.get(Algorithm::Crc32c);
        output.checksum_crc64nvme = sums.get(Algorithm::Crc64nvme);
        output.checksum_sha1 = sums.get(Algorithm::Sha1);
        output.checksum_sha256 = sums.get(Algorithm::Sha256);
        output
    }};
}
use with_sums;

/// The headers that an object keeps, from a request that stores one.
macro_rules! meta_of {
    ($input:expr) => {
        $crate::services::s3::embedded::api::kept(Meta {
            content_type: $input.content_type.take(),
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $input.content_encoding.take(),
            content_language: $input.content_language.take(),
            expires: $input.expires.take(),
            user: $input.metadata.take().unwrap_or_default().into_iter().collect(),
        })
    };
}
use meta_of;

/// The most that user metadata may come to, names and values.
const MAX_METADATA: usize = 2 * 1024;

/// Leaves out the transfer's own coding, and refuses too much metadata.
fn kept(mut meta: Meta) -> S3Result<Meta> {
    let codings = meta.content_encoding.take().unwrap_or_default();
    let own: Vec<_> =
        codings.split(',').map(str::trim).filter(|c| !c.is_empty() && *c != "aws-chunked").collect();
    meta.content_encoding = (!own.is_empty()).then(|| own.join(","));
    if meta.user.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_METADATA {
        return Err(s3s::s3_error!(
            MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size"
        ));
    }
    Ok(meta)
}

/// A content's entity tag.
fn etag(content: &Content) -> ETag {
    ETag::Strong(content.etag.clone())
}

/// A version's entity tag; a delete marker's is empty.
fn etag_of(version: &Version) -> ETag {
    version.content.as_ref().map_or_else(|| ETag::Strong(String::new()), etag)
}

/// A length as the protocol's types have it.
fn length(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

type Answer<T> = S3Result<S3Response<T>>;

#[async_trait::async_trait]
impl S3 for Api {
    async fn list_buckets(&self, req: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
        buckets::list(self, &req.input)
    }

    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
        buckets::create(self, &req.input)
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> Answer<DeleteBucketOutput> {
        buckets::delete(self, &req.input)
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        buckets::head(self, &req.input)
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> Answer<GetBucketLocationOutput> {
        buckets::location(self, &req.input)
    }

    async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> Answer<GetBucketVersioningOutput> {
        buckets::versioning(self, &req.input)
    }

    async fn get_bucket_acl(&self, req: S3Request<GetBucketAclInput>) -> Answer<GetBucketAclOutput> {
        settings::acl(self, &req.input)
    }

    async fn get_bucket_cors(&self, req: S3Request<GetBucketCorsInput>) -> Answer<GetBucketCorsOutput> {
        settings::cors(self, &req.input)
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        req: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> Answer<GetBucketLifecycleConfigurationOutput> {
        settings::lifecycle(self, &req.input)
    }

    async fn get_bucket_encryption(
        &self,
        req: S3Request<GetBucketEncryptionInput>,
    ) -> Answer<GetBucketEncryptionOutput> {
        settings::encryption(self, &req.input)
    }

    async fn get_object_lock_configuration(
        &self,
        req: S3Request<GetObjectLockConfigurationInput>,
    ) -> Answer<GetObjectLockConfigurationOutput> {
        settings::lock(self, &req.input)
    }

    async fn get_object_acl(&self, req: S3Request<GetObjectAclInput>) -> Answer<GetObjectAclOutput> {
        settings::object_acl(self, &req.input)
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        read::get(self, req.input)
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        read::head(self, req.input)
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        write::put(self, req).await
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        copy::object(self, req.input)
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        delete::one(self, &req.input)
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        delete::several(self, req)
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> Answer<ListObjectsOutput> {
        listing::v1(self, req.input)
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        listing::v2(self, req.input)
    }

    async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> Answer<ListObjectVersionsOutput> {
        versions::list(self, req.input)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        multipart::create(self, req.input)
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        multipart::upload_part(self, req).await
    }

    async fn upload_part_copy(&self, req: S3Request<UploadPartCopyInput>) -> Answer<UploadPartCopyOutput> {
        copy::part(self, req.input).await
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        multipart::complete(self, req.input).await
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        multipart::abort(self, &req.input)
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
        parts::list(self, req.input)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        parts::uploads(self, req.input)
    }
}
