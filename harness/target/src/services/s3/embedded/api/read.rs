//! Reading objects: which version, on which conditions, which bytes of it.

use std::ops::Range;

use hyper::{HeaderMap, header::HeaderValue};
use s3s::{
    S3Error, S3ErrorCode, S3Response, S3Result,
    dto::{GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StreamingBlob},
    s3_error,
};

use super::{
    super::store::{
        blob,
        index::{Bucket, Held},
        record::{Content, Version, timestamp},
    },
    Answer, Api,
    conditions::{Conditions, Outcome, failed},
    etag, length, with_sums,
};

/// What an object without a type is said to be.
const DEFAULT_TYPE: &str = "binary/octet-stream";

/// The version that a request means: the one it names, or the newest.
///
/// # Errors
/// `NoSuchKey`, `NoSuchVersion`, or `MethodNotAllowed` for a delete marker by its id.
pub(super) fn find<'a>(bucket: &'a Bucket, key: &str, id: Option<&str>) -> S3Result<(&'a Held, &'a Content)> {
    let held = match id {
        None => {
            bucket.newest(key).ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))?
        }
        Some(id) => {
            let none = || s3_error!(NoSuchVersion, "The specified version does not exist.");
            bucket.version(key, id).ok_or_else(none)?
        }
    };
    match &held.version.content {
        Some(content) => Ok((held, content)),
        None => Err(hidden(&held.version, id.is_some())),
    }
}

fn hidden(marker: &Version, by_id: bool) -> S3Error {
    let mut error = if by_id {
        s3_error!(MethodNotAllowed, "The specified method is not allowed against this resource.")
    } else {
        s3_error!(NoSuchKey, "The specified key does not exist.")
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    if let Ok(id) = HeaderValue::from_str(&marker.id) {
        headers.insert("x-amz-version-id", id);
    }
    error.set_headers(headers);
    error
}

/// The part of an object that a request asks for.
struct Selection {
    range: Range<u64>,
    /// The `Content-Range`, when it is not the whole.
    shown: Option<String>,
    parts: Option<i32>,
}

fn select(content: &Content, range: Option<s3s::dto::Range>, part: Option<i32>) -> S3Result<Selection> {
    let size = content.size;
    let partial = |range: Range<u64>, parts| Selection {
        shown: Some(format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))),
        range,
        parts,
    };
    match (range, part) {
        (Some(_), Some(_)) => {
            Err(s3_error!(InvalidRequest, "Cannot specify both Range header and partNumber query parameter"))
        }
        (Some(range), None) => {
            let checked = range.check(size).ok().filter(|range| !range.is_empty());
            checked.map(|range| partial(range, None)).ok_or_else(|| unsatisfiable(size))
        }
        (None, Some(number)) => {
            let in_parts = content.etag.contains('-');
            let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            let before = index
                .and_then(|index| content.pieces.get(..index))
                .map(|b| b.iter().map(|p| p.size).sum::<u64>());
            let piece = index.and_then(|index| content.pieces.get(index));
            match (before, piece) {
                (Some(start), Some(piece)) => {
                    let parts = in_parts.then(|| i32::try_from(content.pieces.len()).unwrap_or(i32::MAX));
                    Ok(partial(start..start.saturating_add(piece.size), parts))
                }
                _ => Err(unsatisfiable(size)),
            }
        }
        (None, None) => Ok(Selection { range: 0..size, shown: None, parts: None }),
    }
}

fn unsatisfiable(size: u64) -> S3Error {
    let mut error = s3_error!(InvalidRange, "The requested range is not satisfiable");
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
        headers.insert("content-range", value);
    }
    error.set_headers(headers);
    error
}

/// Answers a condition that does not hold.
fn judge(conditions: &Conditions, version: &Version, content: &Content) -> S3Result<()> {
    match conditions.judge(&content.etag, version.at) {
        Outcome::Holds => Ok(()),
        Outcome::Failed => Err(failed()),
        Outcome::NotModified => {
            let mut error = S3Error::new(S3ErrorCode::NotModified);
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(&format!("\"{}\"", content.etag)) {
                headers.insert("etag", value);
            }
            error.set_headers(headers);
            Err(error)
        }
    }
}

pub(super) fn get(api: &Api, input: GetObjectInput) -> Answer<GetObjectOutput> {
    let conditions = Conditions {
        matches: input.if_match,
        matches_none: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    let (held, selection) = api.store.read_bucket(&input.bucket, |bucket| {
        let (held, content) = find(bucket, &input.key, input.version_id.as_deref())?;
        judge(&conditions, &held.version, content)?;
        Ok((held.clone(), select(content, input.range, input.part_number)?))
    })?;
    let Held { version, blobs } = held;
    let Some(content) = version.content else { return Err(s3_error!(NoSuchKey)) };
    let whole = selection.shown.is_none();
    let Range { start, end } = selection.range;
    let meta = content.meta;
    let output = GetObjectOutput {
        accept_ranges: Some(String::from("bytes")),
        body: Some(StreamingBlob::wrap(blob::read(blobs, start, end))),
        cache_control: input.response_cache_control.or(meta.cache_control),
        content_disposition: input.response_content_disposition.or(meta.content_disposition),
        content_encoding: input.response_content_encoding.or(meta.content_encoding),
        content_language: input.response_content_language.or(meta.content_language),
        content_length: Some(length(end.saturating_sub(start))),
        content_range: selection.shown,
        content_type: input.response_content_type.or(meta.content_type).or_else(|| Some(DEFAULT_TYPE.into())),
        e_tag: Some(s3s::dto::ETag::Strong(content.etag)),
        expires: input.response_expires.or(meta.expires),
        last_modified: Some(timestamp(version.at)),
        metadata: (!meta.user.is_empty()).then(|| meta.user.into_iter().collect()),
        parts_count: selection.parts,
        version_id: Some(version.id),
        ..GetObjectOutput::default()
    };
    // A checksum is over the whole, so a part of it goes without.
    let wanted = whole && input.checksum_mode.is_some_and(|mode| mode.as_str() == "ENABLED");
    Ok(S3Response::new(if wanted {
        let kind = content.sums.kind().map(s3s::dto::ChecksumType::from_static);
        GetObjectOutput { checksum_type: kind, ..with_sums!(output, &content.sums) }
    } else {
        output
    }))
}

pub(super) fn head(api: &Api, input: HeadObjectInput) -> Answer<HeadObjectOutput> {
    let conditions = Conditions {
        matches: input.if_match,
        matches_none: input.if_none_match,
        modified_since: input.if_modified_since,
        unmodified_since: input.if_unmodified_since,
    };
    let (version, selection) = api.store.read_bucket(&input.bucket, |bucket| {
        let (held, content) = find(bucket, &input.key, input.version_id.as_deref())?;
        judge(&conditions, &held.version, content)?;
        // A HEAD has no range (RFC 9110, section 14.2).
        Ok((held.version.clone(), select(content, None, input.part_number)?))
    })?;
    let Some(content) = version.content else { return Err(s3_error!(NoSuchKey)) };
    let whole = selection.shown.is_none();
    let output = HeadObjectOutput {
        accept_ranges: Some(String::from("bytes")),
        content_length: Some(length(selection.range.end.saturating_sub(selection.range.start))),
        e_tag: Some(etag(&content)),
        last_modified: Some(timestamp(version.at)),
        parts_count: selection.parts,
        version_id: Some(version.id),
        ..HeadObjectOutput::default()
    };
    let meta = content.meta;
    let output = HeadObjectOutput {
        cache_control: input.response_cache_control.or(meta.cache_control),
        content_disposition: input.response_content_disposition.or(meta.content_disposition),
        content_encoding: input.response_content_encoding.or(meta.content_encoding),
        content_language: input.response_content_language.or(meta.content_language),
        content_type: input.response_content_type.or(meta.content_type).or_else(|| Some(DEFAULT_TYPE.into())),
        expires: input.response_expires.or(meta.expires),
        metadata: (!meta.user.is_empty()).then(|| meta.user.into_iter().collect()),
        ..output
    };
    let wanted = whole && input.checksum_mode.is_some_and(|mode| mode.as_str() == "ENABLED");
    Ok(S3Response::new(if wanted {
        let kind = content.sums.kind().map(s3s::dto::ChecksumType::from_static);
        HeadObjectOutput { checksum_type: kind, ..with_sums!(output, &content.sums) }
    } else {
        output
    }))
}
