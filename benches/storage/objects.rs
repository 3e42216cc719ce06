//! What one client does with objects.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_s3::{
    Client as Sdk,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bulkhead_model::S3Slice;
use bulkhead_target::{TenantAccess, clients};
use bytes::Bytes;

/// Bytes of a range, which lies within an object of the default size.
pub(crate) const RANGE: usize = 4096;

/// Parts of an upload, and the bytes of each: no service takes smaller ones.
pub(crate) const PARTS: i32 = 2;
pub(crate) const PART: usize = 5 * 1024 * 1024;

/// A client, and the one object that it works on.
#[derive(Clone)]
pub(crate) struct Client {
    sdk: Sdk,
    slice: S3Slice,
    key: String,
    body: Bytes,
}

impl Client {
    /// The object is there.
    pub(crate) async fn connect(access: &TenantAccess, number: u64, bytes: usize) -> Result<Self> {
        let (sdk, slice) = (clients::s3::client(access)?, access.tenant.slices.s3.clone());
        let key = slice.key(&format!("bench/{number}"));
        let client = Self { sdk, slice, key, body: vec![b'o'; bytes].into() };
        client.put(&client.key).await?;
        Ok(client)
    }

    /// Puts the body there, and tells the version that it became.
    async fn put(&self, key: &str) -> Result<Option<String>> {
        let put = self.sdk.put_object().bucket(&self.slice.bucket).key(key);
        let put = put.body(ByteStream::from(self.body.clone())).send().await;
        Ok(put.with_context(|| format!("put `{key}`"))?.version_id)
    }

    pub(crate) async fn puts(&mut self, times: u64) -> Result<Duration> {
        let (begun, mut versions) = (Instant::now(), Vec::new());
        for _ in 0..times {
            versions.push(self.put(&self.key).await?);
        }
        let took = begun.elapsed();
        for version in versions {
            self.remove(version).await?;
        }
        Ok(took)
    }

    async fn remove(&self, version: Option<String>) -> Result<()> {
        let Some(version) = version else { return Ok(()) };
        let remove = self.sdk.delete_object().bucket(&self.slice.bucket).key(&self.key).version_id(version);
        remove.send().await.map(drop).with_context(|| format!("remove a version of `{}`", self.key))
    }

    /// Reads the object, or this range of it.
    pub(crate) async fn gets(&self, times: u64, range: Option<usize>) -> Result<Duration> {
        let bytes = range.unwrap_or(self.body.len());
        let range = range.map(|bytes| format!("bytes=1024-{}", 1024 + bytes - 1));
        let begun = Instant::now();
        for _ in 0..times {
            let get = self.sdk.get_object().bucket(&self.slice.bucket).key(&self.key);
            let got = get.set_range(range.clone()).send().await;
            let got = got.with_context(|| format!("get `{}`", self.key))?;
            let body = got.body.collect().await.with_context(|| format!("read `{}`", self.key))?;
            let came = body.into_bytes().len();
            ensure!(came == bytes, "`{}` came with {came} of {bytes} bytes", self.key);
        }
        Ok(begun.elapsed())
    }

    /// Sends an object in parts, one after another.
    pub(crate) async fn uploads(&mut self, times: u64) -> Result<Duration> {
        let mut took = Duration::ZERO;
        for _ in 0..times {
            let begun = Instant::now();
            let version = self.upload().await?;
            took += begun.elapsed();
            self.remove(version).await?;
        }
        Ok(took)
    }

    async fn upload(&self) -> Result<Option<String>> {
        let (bucket, key) = (&self.slice.bucket, &self.key);
        let begun = self.sdk.create_multipart_upload().bucket(bucket).key(key).send().await;
        let id = begun.context("begin an upload")?.upload_id.context("an upload has no id")?;
        let mut parts = Vec::new();
        for number in 1..=PARTS {
            let part = self.sdk.upload_part().bucket(bucket).key(key).upload_id(&id).part_number(number);
            let sent = part.body(ByteStream::from(self.body.clone())).send().await.context("send a part")?;
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build());
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.sdk.complete_multipart_upload().bucket(bucket).key(key).upload_id(&id);
        let completed = complete.multipart_upload(parts).send().await;
        Ok(completed.context("complete an upload")?.version_id)
    }

    /// Puts so many objects below a folder of their own, for listings.
    pub(crate) async fn fill(&self, objects: usize) -> Result<()> {
        for number in 0..objects {
            self.put(&self.slice.key(&format!("bench-listed/{number:06}"))).await?;
        }
        Ok(())
    }

    /// Lists that folder's first page, which is to have so many.
    pub(crate) async fn lists(&self, times: u64, objects: usize) -> Result<Duration> {
        let folder = self.slice.key("bench-listed/");
        let begun = Instant::now();
        for _ in 0..times {
            let list = self.sdk.list_objects_v2().bucket(&self.slice.bucket).prefix(&folder);
            let listed = list.send().await.with_context(|| format!("list `{folder}`"))?;
            let listed = listed.contents().len();
            ensure!(listed == objects, "{listed} of {objects} objects were listed");
        }
        Ok(begun.elapsed())
    }
}
