//! Copying inside the server: a whole object shares its files with the source, a part is written anew.

use futures::{StreamExt as _, pin_mut};
use s3s::{
    S3Response, S3Result,
    dto::{
        ChecksumType, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, ETag,
        UploadPartCopyInput, UploadPartCopyOutput,
    },
    s3_error,
};

use super::{
    super::store::{
        blob, bucket,
        index::{Held, Index},
        internal, now,
        record::{Content, Entry, Meta, Part, Version, timestamp},
    },
    Answer, Api, MAX_SINGLE,
    conditions::{Conditions, Outcome, failed},
    meta_of,
    multipart::{self, add_part, check_number, part_name},
    read::find,
    with_sums,
    write::version_id,
};

/// Bucket, key and version id of a source.
fn named(source: &CopySource) -> S3Result<(&str, &str, Option<&str>)> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => Ok((bucket, key, version_id.as_deref())),
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => {
            Err(s3_error!(InvalidArgument, "Invalid copy source object key"))
        }
    }
}

/// The source's version and content, when the conditions on it hold.
fn look_up<'a>(index: &'a Index, source: &CopySource, on: &Conditions) -> S3Result<(&'a Held, &'a Content)> {
    let (name, key, id) = named(source)?;
    let (held, content) = find(bucket(index, name)?, key, id)?;
    // A copy has no 304: a condition either holds or fails.
    if on.judge(&content.etag, held.version.at) == Outcome::Holds {
        Ok((held, content))
    } else {
        Err(failed())
    }
}

pub(super) fn object(api: &Api, mut input: CopyObjectInput) -> Answer<CopyObjectOutput> {
    let conditions = Conditions {
        matches: input.copy_source_if_match.take(),
        matches_none: input.copy_source_if_none_match.take(),
        modified_since: input.copy_source_if_modified_since.take(),
        unmodified_since: input.copy_source_if_unmodified_since.take(),
    };
    let replace = match input.metadata_directive.as_ref().map(s3s::dto::MetadataDirective::as_str) {
        None | Some("COPY") => false,
        Some("REPLACE") => true,
        Some(_) => return Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
    };
    let meta = meta_of!(input)?;
    let (source_name, source_key, source_id) = named(&input.copy_source)?;
    if !replace && source_id.is_none() && source_name == input.bucket && source_key == input.key {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes."
        ));
    }
    let (version, source_id) = api.store.commit(|index| {
        let (held, content) = look_up(index, &input.copy_source, &conditions)?;
        bucket(index, &input.bucket)?;
        if content.size > MAX_SINGLE {
            return Err(s3_error!(
                InvalidRequest,
                "The specified copy source is larger than the maximum allowable size for a copy source"
            ));
        }
        let meta = if replace { meta } else { content.meta.clone() };
        let content = Content { meta, ..content.clone() };
        let version = Version { id: version_id(), at: now(), content: Some(content) };
        let entry = Entry::AddVersion {
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            version: version.clone(),
        };
        Ok((vec![entry], (version, held.version.id.clone())))
    })?;
    let Version { id, at, content } = version;
    let Some(content) = content else { return Err(s3_error!(NoSuchKey)) };
    let result = CopyObjectResult {
        e_tag: Some(ETag::Strong(content.etag)),
        last_modified: Some(timestamp(at)),
        checksum_type: content.sums.kind().map(ChecksumType::from_static),
        ..CopyObjectResult::default()
    };
    Ok(S3Response::new(CopyObjectOutput {
        copy_object_result: Some(with_sums!(result, &content.sums)),
        copy_source_version_id: Some(source_id),
        version_id: Some(id),
        ..CopyObjectOutput::default()
    }))
}

pub(super) async fn part(api: &Api, input: UploadPartCopyInput) -> Answer<UploadPartCopyOutput> {
    check_number(input.part_number)?;
    let conditions = Conditions {
        matches: input.copy_source_if_match,
        matches_none: input.copy_source_if_none_match,
        modified_since: input.copy_source_if_modified_since,
        unmodified_since: input.copy_source_if_unmodified_since,
    };
    let (held, range, chosen) = api.store.read(|index| {
        let pending = multipart::find(bucket(index, &input.bucket)?, &input.key, &input.upload_id)?;
        let (held, content) = look_up(index, &input.copy_source, &conditions)?;
        let range = match &input.copy_source_range {
            None => 0..content.size,
            Some(text) => source_range(text, content.size)?,
        };
        if range.end.saturating_sub(range.start) > MAX_SINGLE {
            return Err(s3_error!(
                EntityTooLarge,
                "Your proposed upload exceeds the maximum allowed object size"
            ));
        }
        Ok((held.clone(), range, pending.upload.checksum.map(|(algorithm, _)| algorithm)))
    })?;
    let name = part_name(&input.upload_id, input.part_number);
    let mut sink = api.store.blobs().sink(&input.bucket, &input.key, &name, chosen);
    let bytes = blob::read(held.blobs, range.start, range.end);
    pin_mut!(bytes);
    while let Some(bytes) = bytes.next().await {
        sink.write(&bytes.map_err(internal)?).await.map_err(internal)?;
    }
    let written = sink.finish().await.map_err(internal)?;
    let part = Part {
        at: now(),
        etag: hex::encode(written.md5),
        piece: written.blob.piece().clone(),
        sums: written.sums.clone(),
    };
    let result = CopyPartResult {
        e_tag: Some(ETag::Strong(part.etag.clone())),
        last_modified: Some(timestamp(part.at)),
        ..CopyPartResult::default()
    };
    add_part(api, input.bucket, input.key, input.upload_id, input.part_number, part)?;
    Ok(S3Response::new(UploadPartCopyOutput {
        copy_part_result: Some(with_sums!(result, &written.sums)),
        copy_source_version_id: Some(held.version.id),
        ..UploadPartCopyOutput::default()
    }))
}

/// `bytes=first-last`, both given and both inside the source.
fn source_range(text: &str, size: u64) -> S3Result<std::ops::Range<u64>> {
    let malformed = || {
        s3_error!(InvalidArgument, "The x-amz-copy-source-range value must be of the form bytes=first-last")
    };
    let (first, last) =
        text.strip_prefix("bytes=").and_then(|rest| rest.split_once('-')).ok_or_else(malformed)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| malformed());
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(malformed());
    }
    if last >= size {
        return Err(s3_error!(InvalidRange, "The copy source range lies outside the source of {size} bytes"));
    }
    Ok(first..last.saturating_add(1))
}
