//! Listing unfinished uploads, and the parts of one.

use std::ops::ControlFlow;

use s3s::{
    S3Response,
    dto::{
        ChecksumAlgorithm, ETag, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput,
        ListPartsOutput, MultipartUpload, Part, StorageClass,
    },
};

use super::{
    super::store::{
        record::{Upload, timestamp},
        walk::{Query, Step, walk},
    },
    Answer, Api,
    buckets::owner,
    length,
    listing::{Spelling, limit},
    multipart::{find, kind},
    with_sums,
};

pub(super) fn list(api: &Api, input: ListPartsInput) -> Answer<ListPartsOutput> {
    let max = limit(input.max_parts)?;
    let room = usize::try_from(max).unwrap_or(0);
    let after = input.part_number_marker.unwrap_or(0);
    let (parts, more, checksum) = api.store.read_bucket(&input.bucket, |bucket| {
        let pending = find(bucket, &input.key, &input.upload_id)?;
        let mut following = pending.parts.range(after.saturating_add(1)..);
        let page = following.by_ref().take(room).map(|(number, (part, _))| {
            let shown = Part {
                part_number: Some(*number),
                size: Some(length(part.piece.size)),
                e_tag: Some(ETag::Strong(part.etag.clone())),
                last_modified: Some(timestamp(part.at)),
                ..Part::default()
            };
            with_sums!(shown, &part.sums)
        });
        let page: Vec<_> = page.collect();
        Ok((page, room > 0 && following.next().is_some(), pending.upload.checksum))
    })?;
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        part_number_marker: Some(after),
        next_part_number_marker: parts.last().and_then(|part| part.part_number).filter(|_| more),
        max_parts: Some(max),
        is_truncated: Some(more),
        parts: Some(parts),
        owner: Some(owner()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        checksum_algorithm: checksum.map(|(algorithm, _)| ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: checksum.map(|(_, whole)| kind(whole)),
        ..ListPartsOutput::default()
    }))
}

pub(super) fn uploads(api: &Api, input: ListMultipartUploadsInput) -> Answer<ListMultipartUploadsOutput> {
    let spelling = Spelling::of(input.encoding_type.as_ref())?;
    let max = limit(input.max_uploads)?;
    let room = usize::try_from(max).unwrap_or(0);
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = input.delimiter.unwrap_or_default();
    let key_marker = input.key_marker.unwrap_or_default();
    // Without a key marker S3 ignores the upload marker.
    let id_marker = input.upload_id_marker.filter(|id| !id.is_empty() && !key_marker.is_empty());
    let query =
        Query { prefix: &prefix, delimiter: &delimiter, after: &key_marker, again: id_marker.is_some() };

    let (mut shown, mut prefixes, mut more) = (Vec::new(), Vec::new(), false);
    let mut last: (String, Option<String>) = Default::default();
    api.store.read_bucket(&input.bucket, |bucket| {
        walk(&bucket.uploads, &query, |step| {
            let (key, uploads) = match step {
                Step::Prefix(_) if shown.len() + prefixes.len() >= room => {
                    more = true;
                    return ControlFlow::Break(());
                }
                Step::Prefix(prefix) => {
                    last = (prefix.to_owned(), None);
                    prefixes.push(prefix.to_owned());
                    return ControlFlow::Continue(());
                }
                Step::Key(key, uploads) => (key.as_str(), uploads),
            };
            let resumed = id_marker.as_deref().filter(|_| key == key_marker);
            for (id, pending) in
                uploads.iter().filter(|(id, _)| resumed.is_none_or(|marker| id.as_str() > marker))
            {
                if shown.len() + prefixes.len() >= room {
                    more = true;
                    return ControlFlow::Break(());
                }
                last = (key.to_owned(), Some(id.clone()));
                shown.push(unfinished(spelling.spell(key), id, &pending.upload));
            }
            ControlFlow::Continue(())
        });
        Ok(())
    })?;
    more &= room > 0;
    Ok(S3Response::new(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: Some(spelling.spell(&prefix)),
        delimiter: (!delimiter.is_empty()).then(|| spelling.spell(&delimiter)),
        key_marker: Some(spelling.spell(&key_marker)),
        upload_id_marker: id_marker,
        max_uploads: Some(max),
        is_truncated: Some(more),
        next_key_marker: more.then(|| spelling.spell(&last.0)),
        next_upload_id_marker: last.1.filter(|_| more),
        uploads: Some(shown),
        common_prefixes: spelling.prefixes(&prefixes),
        encoding_type: input.encoding_type,
        request_charged: None,
    }))
}

fn unfinished(key: String, id: &str, upload: &Upload) -> MultipartUpload {
    MultipartUpload {
        key: Some(key),
        upload_id: Some(id.to_owned()),
        initiated: Some(timestamp(upload.at)),
        owner: Some(owner()),
        storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
        checksum_algorithm: upload
            .checksum
            .map(|(algorithm, _)| ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: upload.checksum.map(|(_, whole)| kind(whole)),
        ..MultipartUpload::default()
    }
}
