//! Storing an object in one request.

use s3s::{
    S3Request, S3Response,
    dto::{ChecksumType, ETag, PutObjectInput, PutObjectOutput},
};

use super::{
    super::store::{
        bucket, now,
        record::{Content, Entry, Meta, Version},
    },
    Answer, Api,
    body::Promise,
    conditions::WriteConditions,
    length, meta_of, with_sums,
};

/// A fresh version id, shaped like B2's.
pub(super) fn version_id() -> String {
    format!("4_z{:032x}", rand::random::<u128>())
}

pub(super) async fn put(api: &Api, request: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
    let promise = Promise::of(&request.headers, request.trailing_headers)?;
    let mut input = request.input;
    let meta = meta_of!(input)?;
    api.store.read_bucket(&input.bucket, |_| Ok(()))?;

    let id = version_id();
    let sink = api.store.blobs().sink(&input.bucket, &input.key, &id, promise.chosen);
    let written = promise.receive(input.body.take(), sink).await?;
    let piece = written.blob.piece().clone();
    let content = Content {
        size: piece.size,
        etag: hex::encode(written.md5),
        pieces: vec![piece],
        meta,
        sums: written.sums.clone(),
    };
    let output = PutObjectOutput {
        e_tag: Some(ETag::Strong(content.etag.clone())),
        version_id: Some(id.clone()),
        size: Some(length(content.size)),
        checksum_type: content.sums.kind().map(ChecksumType::from_static),
        ..PutObjectOutput::default()
    };
    let conditions = WriteConditions { matches: input.if_match, matches_none: input.if_none_match };
    api.store.commit(|index| {
        let bucket = bucket(index, &input.bucket)?;
        conditions.check(bucket.newest(&input.key).map(|held| &held.version))?;
        let version = Version { id, at: now(), content: Some(content) };
        Ok((vec![Entry::AddVersion { bucket: input.bucket, key: input.key, version }], ()))
    })?;
    Ok(S3Response::new(with_sums!(output, &written.sums)))
}
