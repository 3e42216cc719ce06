//! Listing the visible objects of a bucket, in both forms of the call.

use std::ops::ControlFlow;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{
    S3Response, S3Result,
    dto::{
        ChecksumAlgorithm, ChecksumType, CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput,
        ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass,
    },
    s3_error,
};

use super::{
    super::store::{
        record::timestamp,
        walk::{Query, Step, walk},
    },
    Answer, Api,
    buckets::owner,
    etag, length,
};

/// The most lines of a page, and the number when none is asked for.
const MAX_KEYS: i32 = 1000;

/// What stays as it is under `encoding-type=url`.
const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// How names are written in an answer.
#[derive(Clone, Copy)]
pub(super) struct Spelling {
    url: bool,
}

impl Spelling {
    /// As the request asks.
    ///
    /// # Errors
    /// `InvalidArgument` for anything but `url`.
    pub(super) fn of(asked: Option<&EncodingType>) -> S3Result<Self> {
        match asked.map(EncodingType::as_str) {
            None => Ok(Self { url: false }),
            Some("url") => Ok(Self { url: true }),
            Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
        }
    }

    /// A name in the answer.
    pub(super) fn spell(self, name: &str) -> String {
        if self.url { utf8_percent_encode(name, &PLAIN).to_string() } else { name.to_owned() }
    }

    /// Common prefixes in the answer; none when there are none.
    pub(super) fn prefixes(self, prefixes: &[String]) -> Option<Vec<CommonPrefix>> {
        let line = |prefix: &String| CommonPrefix { prefix: Some(self.spell(prefix)) };
        (!prefixes.is_empty()).then(|| prefixes.iter().map(line).collect())
    }
}

/// The number of lines that a request asks for.
///
/// # Errors
/// `InvalidArgument` for a negative number.
pub(super) fn limit(asked: Option<i32>) -> S3Result<i32> {
    match asked.unwrap_or(MAX_KEYS) {
        number if number < 0 => Err(s3_error!(InvalidArgument, "The number of results must not be negative")),
        number => Ok(number.min(MAX_KEYS)),
    }
}

/// A page of visible objects.
struct Page {
    objects: Vec<Object>,
    prefixes: Vec<String>,
    /// The last line, when more follow.
    last: Option<String>,
}

fn page(
    api: &Api,
    bucket: &str,
    query: &Query<'_>,
    max: i32,
    spelling: Spelling,
    owned: bool,
) -> S3Result<Page> {
    let max = usize::try_from(max).unwrap_or(0);
    api.store.read_bucket(bucket, |bucket| {
        let mut page = Page { objects: Vec::new(), prefixes: Vec::new(), last: None };
        let (mut last, mut more) = (String::new(), false);
        walk(&bucket.visible, query, |step| {
            if page.objects.len() + page.prefixes.len() >= max {
                more = max > 0;
                return ControlFlow::Break(());
            }
            match step {
                Step::Prefix(prefix) => {
                    prefix.clone_into(&mut last);
                    page.prefixes.push(prefix.to_owned());
                }
                Step::Key(key, ()) => {
                    let Some(held) = bucket.newest(key.as_str()) else { return ControlFlow::Continue(()) };
                    let Some(content) = &held.version.content else { return ControlFlow::Continue(()) };
                    key.as_str().clone_into(&mut last);
                    let algorithm = content.sums.chosen.as_ref().map(|(one, _)| one.name());
                    page.objects.push(Object {
                        key: Some(spelling.spell(key.as_str())),
                        size: Some(length(content.size)),
                        e_tag: Some(etag(content)),
                        last_modified: Some(timestamp(held.version.at)),
                        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
                        checksum_algorithm: algorithm.map(|name| vec![ChecksumAlgorithm::from_static(name)]),
                        checksum_type: content.sums.kind().map(ChecksumType::from_static),
                        owner: owned.then(owner),
                        ..Object::default()
                    });
                }
            }
            ControlFlow::Continue(())
        });
        page.last = more.then_some(last);
        Ok(page)
    })
}

pub(super) fn v1(api: &Api, input: ListObjectsInput) -> Answer<ListObjectsOutput> {
    let spelling = Spelling::of(input.encoding_type.as_ref())?;
    let max = limit(input.max_keys)?;
    let (prefix, marker) = (input.prefix.unwrap_or_default(), input.marker.unwrap_or_default());
    let delimiter = input.delimiter.unwrap_or_default();
    let query = Query { prefix: &prefix, delimiter: &delimiter, after: &marker, again: false };
    let page = page(api, &input.bucket, &query, max, spelling, true)?;
    let next = page.last.as_deref().map(|last| spelling.spell(last));
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(spelling.spell(&prefix)),
        marker: Some(spelling.spell(&marker)),
        max_keys: Some(max),
        is_truncated: Some(next.is_some()),
        contents: Some(page.objects),
        common_prefixes: spelling.prefixes(&page.prefixes),
        delimiter: (!delimiter.is_empty()).then(|| spelling.spell(&delimiter)),
        // Without a delimiter the last key serves, and S3 leaves this out; clients take either.
        next_marker: next.filter(|_| !delimiter.is_empty()),
        encoding_type: input.encoding_type,
        request_charged: None,
    }))
}

pub(super) fn v2(api: &Api, input: ListObjectsV2Input) -> Answer<ListObjectsV2Output> {
    let spelling = Spelling::of(input.encoding_type.as_ref())?;
    let max = limit(input.max_keys)?;
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = input.delimiter.unwrap_or_default();
    let after = match &input.continuation_token {
        Some(token) => read_token(token)?,
        None => input.start_after.clone().unwrap_or_default(),
    };
    let query = Query { prefix: &prefix, delimiter: &delimiter, after: &after, again: false };
    let page = page(api, &input.bucket, &query, max, spelling, input.fetch_owner.unwrap_or(false))?;
    let count = page.objects.len() + page.prefixes.len();
    let next = page.last.as_deref().map(token);
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(spelling.spell(&prefix)),
        max_keys: Some(max),
        key_count: Some(i32::try_from(count).unwrap_or(i32::MAX)),
        continuation_token: input.continuation_token,
        is_truncated: Some(next.is_some()),
        next_continuation_token: next,
        contents: Some(page.objects),
        common_prefixes: spelling.prefixes(&page.prefixes),
        delimiter: (!delimiter.is_empty()).then(|| spelling.spell(&delimiter)),
        encoding_type: input.encoding_type,
        start_after: input.start_after.map(|after| spelling.spell(&after)),
        request_charged: None,
    }))
}

fn token(last: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(last)
}

fn read_token(token: &str) -> S3Result<String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.is_empty());
    text.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}
