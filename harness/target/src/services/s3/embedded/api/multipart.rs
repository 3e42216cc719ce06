//! Uploads in parts: begin, send, complete, abort. Until it is completed nothing of an upload can be read.

use std::sync::Arc;

use futures::{StreamExt as _, pin_mut};
use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
        CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart,
        CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, UploadPartInput, UploadPartOutput,
    },
    s3_error,
};

use super::{
    super::store::{
        blob::{self, Blob},
        bucket,
        index::{Bucket, Pending},
        internal, now,
        record::{Content, Entry, Meta, Part, Upload, Version},
        sums::{Algorithm, Summer, Sums, etag_of_parts, sum_of_parts},
    },
    Answer, Api,
    body::Promise,
    conditions::WriteConditions,
    meta_of, with_sums,
    write::version_id,
};

/// The highest number of a part.
const MAX_PARTS: i32 = 10_000;

/// The upload of that id.
///
/// # Errors
/// `NoSuchUpload`.
pub(super) fn find<'a>(bucket: &'a Bucket, key: &str, id: &str) -> S3Result<&'a Pending> {
    bucket
        .upload(key, id)
        .ok_or_else(|| s3_error!(NoSuchUpload, "The specified multipart upload does not exist."))
}

/// Refuses a part's number that is out of range.
pub(super) fn check_number(number: i32) -> S3Result<()> {
    if (1..=MAX_PARTS).contains(&number) {
        return Ok(());
    }
    Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and {MAX_PARTS}, inclusive"))
}

pub(super) fn create(
    api: &Api,
    mut input: CreateMultipartUploadInput,
) -> Answer<CreateMultipartUploadOutput> {
    let meta = meta_of!(input)?;
    let checksum = match &input.checksum_algorithm {
        None => None,
        Some(name) => {
            let unknown = || s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported.");
            let algorithm = Algorithm::named(name.as_str()).ok_or_else(unknown)?;
            let whole = match input.checksum_type.as_ref().map(ChecksumType::as_str) {
                None => algorithm == Algorithm::Crc64nvme,
                Some(kind) => kind == ChecksumType::FULL_OBJECT,
            };
            if whole && !algorithm.is_crc() || !whole && algorithm == Algorithm::Crc64nvme {
                let name = algorithm.name();
                return Err(s3_error!(
                    InvalidRequest,
                    "The checksum type cannot be used with the {name} algorithm."
                ));
            }
            Some((algorithm, whole))
        }
    };
    // The time first, so that ids sort in the order in which uploads began.
    let id = format!("{:012x}{:016x}", now(), rand::random::<u64>());
    let upload = Upload { at: now(), meta, checksum };
    let (name, key) = (input.bucket.clone(), input.key.clone());
    api.store.commit(|index| {
        bucket(index, &name)?;
        Ok((vec![Entry::StartUpload { bucket: name, key, id: id.clone(), upload }], ()))
    })?;
    Ok(S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        checksum_algorithm: checksum.map(|(algorithm, _)| ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: checksum.map(|(_, whole)| kind(whole)),
        ..CreateMultipartUploadOutput::default()
    }))
}

/// `FULL_OBJECT` or `COMPOSITE`.
pub(super) fn kind(whole: bool) -> ChecksumType {
    ChecksumType::from_static(if whole { ChecksumType::FULL_OBJECT } else { ChecksumType::COMPOSITE })
}

pub(super) async fn upload_part(api: &Api, request: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
    let mut promise = Promise::of(&request.headers, request.trailing_headers)?;
    let mut input = request.input;
    check_number(input.part_number)?;
    let agreed = api.store.read_bucket(&input.bucket, |bucket| {
        Ok(find(bucket, &input.key, &input.upload_id)?.upload.checksum.map(|(algorithm, _)| algorithm))
    })?;
    if let (Some(agreed), Some(chosen)) = (agreed, promise.chosen)
        && agreed != chosen
    {
        let (agreed, chosen) = (agreed.name(), chosen.name());
        return Err(s3_error!(
            InvalidRequest,
            "Checksum Type mismatch occurred, expected {agreed}, actual {chosen}"
        ));
    }
    promise.agree(agreed);
    let part = part_name(&input.upload_id, input.part_number);
    let sink = api.store.blobs().sink(&input.bucket, &input.key, &part, promise.chosen);
    let written = promise.receive(input.body.take(), sink).await?;
    let part = Part {
        at: now(),
        etag: hex::encode(written.md5),
        piece: written.blob.piece().clone(),
        sums: written.sums.clone(),
    };
    let output =
        UploadPartOutput { e_tag: Some(ETag::Strong(part.etag.clone())), ..UploadPartOutput::default() };
    add_part(api, input.bucket, input.key, input.upload_id, input.part_number, part)?;
    Ok(S3Response::new(with_sums!(output, &written.sums)))
}

/// A name for a part's file that no other attempt at the same part has.
pub(super) fn part_name(upload: &str, number: i32) -> String {
    format!("{upload}/{number}/{:016x}", rand::random::<u64>())
}

/// Records a part whose file is in place, unless the upload ended meanwhile.
pub(super) fn add_part(
    api: &Api,
    name: String,
    key: String,
    id: String,
    number: i32,
    part: Part,
) -> S3Result<()> {
    api.store.commit(|index| {
        find(bucket(index, &name)?, &key, &id)?;
        Ok((vec![Entry::AddPart { bucket: name, key, id, number, part }], ()))
    })
}

pub(super) fn abort(api: &Api, input: &AbortMultipartUploadInput) -> Answer<AbortMultipartUploadOutput> {
    let (name, key, id) = (input.bucket.clone(), input.key.clone(), input.upload_id.clone());
    api.store.commit(|index| {
        find(bucket(index, &name)?, &key, &id)?;
        Ok((vec![Entry::EndUpload { bucket: name, key, id }], ()))
    })?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}

pub(super) async fn complete(
    api: &Api,
    input: CompleteMultipartUploadInput,
) -> Answer<CompleteMultipartUploadOutput> {
    let named = input.multipart_upload.as_ref().and_then(|list| list.parts.clone()).unwrap_or_default();
    let (parts, checksum) = api.store.read_bucket(&input.bucket, |bucket| {
        let pending = find(bucket, &input.key, &input.upload_id)?;
        Ok((assemble(pending, &named, api.options.min_part_size)?, pending.upload.checksum))
    })?;
    let size = parts.iter().map(|(part, _)| part.piece.size).sum::<u64>();
    if input.mpu_object_size.is_some_and(|expected| u64::try_from(expected) != Ok(size)) {
        return Err(s3_error!(InvalidRequest, "The object size does not match x-amz-mp-object-size"));
    }
    let sums = match checksum {
        None => Sums::default(),
        Some((algorithm, true)) => sum_of_all(algorithm, &parts, size).await?,
        Some((algorithm, false)) => {
            sum_of_parts(algorithm, parts.iter().map(|(part, _)| &part.sums)).unwrap_or_default()
        }
    };
    check_promised(&input, &sums)?;
    let etag = etag_of_parts(parts.iter().map(|(part, _)| part.etag.as_str()));
    let etag = etag.ok_or_else(|| s3_error!(InvalidPart, "A part has no entity tag"))?;

    let id = version_id();
    let conditions = WriteConditions { matches: input.if_match, matches_none: input.if_none_match };
    let (name, key, upload) = (input.bucket.clone(), input.key.clone(), input.upload_id);
    let output = CompleteMultipartUploadOutput {
        bucket: Some(input.bucket),
        location: Some(format!("/{name}/{key}")),
        key: Some(input.key),
        e_tag: Some(ETag::Strong(etag.clone())),
        version_id: Some(id.clone()),
        checksum_type: sums.kind().map(ChecksumType::from_static),
        ..CompleteMultipartUploadOutput::default()
    };
    let output = with_sums!(output, &sums);
    api.store.commit(|index| {
        let bucket = bucket(index, &name)?;
        let pending = find(bucket, &key, &upload)?;
        // The lock was let go: a part may have been sent again since.
        let again = assemble(pending, &named, api.options.min_part_size)?;
        if !again.iter().map(|(part, _)| &part.piece).eq(parts.iter().map(|(part, _)| &part.piece)) {
            return Err(s3_error!(InvalidPart, "A part was sent again while the upload was completed"));
        }
        conditions.check(bucket.newest(&key).map(|held| &held.version))?;
        let pieces = parts.iter().map(|(part, _)| part.piece.clone()).collect();
        let content = Content { size, etag, pieces, meta: pending.upload.meta.clone(), sums };
        let version = Version { id, at: now(), content: Some(content) };
        let add = Entry::AddVersion { bucket: name.clone(), key: key.clone(), version };
        Ok((vec![add, Entry::EndUpload { bucket: name, key, id: upload }], ()))
    })?;
    Ok(S3Response::new(output))
}

/// The parts that the request names, held to the rules for their order, tags and sizes.
fn assemble(pending: &Pending, named: &[CompletedPart], min_size: u64) -> S3Result<Vec<(Part, Arc<Blob>)>> {
    if named.is_empty() {
        return Err(s3_error!(MalformedXML, "You must specify at least one part"));
    }
    let mut parts = Vec::with_capacity(named.len());
    let mut before = 0;
    for part in named {
        let number = part.part_number.unwrap_or_default();
        if number <= before {
            return Err(s3_error!(InvalidPartOrder, "The list of parts was not in ascending order."));
        }
        before = number;
        let invalid = || {
            s3_error!(
                InvalidPart,
                "One or more of the specified parts could not be found. \
                 The part might not have been uploaded, or the specified entity tag might not have matched: {number}"
            )
        };
        let (found, blob) = pending.parts.get(&number).ok_or_else(invalid)?;
        if part.e_tag.as_ref().is_none_or(|tag| tag.value() != found.etag) || !sums_agree(part, &found.sums) {
            return Err(invalid());
        }
        parts.push((found.clone(), Arc::clone(blob)));
    }
    let all_but_last = parts.len().saturating_sub(1);
    if parts.iter().take(all_but_last).any(|(part, _)| part.piece.size < min_size) {
        return Err(s3_error!(
            EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size"
        ));
    }
    Ok(parts)
}

/// Whether the checksums that the request repeats are those of the part.
fn sums_agree(part: &CompletedPart, sums: &Sums) -> bool {
    let given = [
        (Algorithm::Crc32, &part.checksum_crc32),
        (Algorithm::Crc32c, &part.checksum_crc32c),
        (Algorithm::Crc64nvme, &part.checksum_crc64nvme),
        (Algorithm::Sha1, &part.checksum_sha1),
        (Algorithm::Sha256, &part.checksum_sha256),
    ];
    given.iter().all(|(algorithm, sum)| sum.is_none() || sums.get(*algorithm) == **sum)
}

/// Whether the checksum that the request expects of the whole is what it came to.
fn check_promised(input: &CompleteMultipartUploadInput, sums: &Sums) -> S3Result<()> {
    let given = [
        (Algorithm::Crc32, &input.checksum_crc32),
        (Algorithm::Crc32c, &input.checksum_crc32c),
        (Algorithm::Crc64nvme, &input.checksum_crc64nvme),
        (Algorithm::Sha1, &input.checksum_sha1),
        (Algorithm::Sha256, &input.checksum_sha256),
    ];
    for (algorithm, sum) in given {
        if sum.is_some() && sums.get(algorithm) != *sum {
            let name = algorithm.name();
            return Err(s3_error!(
                BadDigest,
                "The {name} you specified did not match the calculated checksum."
            ));
        }
    }
    Ok(())
}

/// The checksum over all bytes, read once more.
async fn sum_of_all(algorithm: Algorithm, parts: &[(Part, Arc<Blob>)], size: u64) -> S3Result<Sums> {
    let mut summer = Summer::new(Some(algorithm));
    let bytes = blob::read(parts.iter().map(|(_, blob)| Arc::clone(blob)).collect(), 0, size);
    pin_mut!(bytes);
    while let Some(bytes) = bytes.next().await {
        summer.update(&bytes.map_err(internal)?);
    }
    Ok(summer.finish().1)
}
