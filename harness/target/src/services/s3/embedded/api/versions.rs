//! Listing every version and delete marker of a bucket.

use std::ops::ControlFlow;

use s3s::{
    S3Response,
    dto::{
        DeleteMarkerEntry, ListObjectVersionsInput, ListObjectVersionsOutput, ObjectVersion,
        ObjectVersionStorageClass,
    },
    s3_error,
};

use super::{
    super::store::{
        index::Held,
        record::timestamp,
        walk::{Query, Step, walk},
    },
    Answer, Api,
    buckets::owner,
    etag, length,
    listing::{Spelling, limit},
};

/// A page in the making.
struct Page {
    versions: Vec<ObjectVersion>,
    markers: Vec<DeleteMarkerEntry>,
    prefixes: Vec<String>,
    /// Key and version id of the last line; a common prefix has no id.
    last: (String, Option<String>),
}

impl Page {
    fn lines(&self) -> usize {
        self.versions.len() + self.markers.len() + self.prefixes.len()
    }

    fn add(&mut self, key: &str, held: &Held, latest: bool, spelling: Spelling) {
        let version = &held.version;
        self.last = (key.to_owned(), Some(version.id.clone()));
        match &version.content {
            Some(content) => self.versions.push(ObjectVersion {
                key: Some(spelling.spell(key)),
                version_id: Some(version.id.clone()),
                is_latest: Some(latest),
                last_modified: Some(timestamp(version.at)),
                e_tag: Some(etag(content)),
                size: Some(length(content.size)),
                owner: Some(owner()),
                storage_class: Some(ObjectVersionStorageClass::from_static(
                    ObjectVersionStorageClass::STANDARD,
                )),
                ..ObjectVersion::default()
            }),
            None => self.markers.push(DeleteMarkerEntry {
                key: Some(spelling.spell(key)),
                version_id: Some(version.id.clone()),
                is_latest: Some(latest),
                last_modified: Some(timestamp(version.at)),
                owner: Some(owner()),
            }),
        }
    }
}

pub(super) fn list(api: &Api, input: ListObjectVersionsInput) -> Answer<ListObjectVersionsOutput> {
    let spelling = Spelling::of(input.encoding_type.as_ref())?;
    let max = limit(input.max_keys)?;
    let room = usize::try_from(max).unwrap_or(0);
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = input.delimiter.unwrap_or_default();
    let key_marker = input.key_marker.unwrap_or_default();
    let id_marker = input.version_id_marker.filter(|id| !id.is_empty());
    if id_marker.is_some() && key_marker.is_empty() {
        return Err(s3_error!(
            InvalidArgument,
            "A version-id marker cannot be specified without a key marker."
        ));
    }
    let query =
        Query { prefix: &prefix, delimiter: &delimiter, after: &key_marker, again: id_marker.is_some() };

    let mut page =
        Page { versions: Vec::new(), markers: Vec::new(), prefixes: Vec::new(), last: Default::default() };
    let mut more = false;
    api.store.read_bucket(&input.bucket, |bucket| {
        walk(&bucket.objects, &query, |step| {
            let (key, versions) = match step {
                Step::Prefix(_) if page.lines() >= room => {
                    more = true;
                    return ControlFlow::Break(());
                }
                Step::Prefix(prefix) => {
                    page.last = (prefix.to_owned(), None);
                    page.prefixes.push(prefix.to_owned());
                    return ControlFlow::Continue(());
                }
                Step::Key(key, versions) => (key.as_str(), versions),
            };
            let resumed = id_marker.as_deref().filter(|_| key == key_marker);
            let mut passed = resumed.is_none();
            for (position, held) in versions.newest_first().enumerate() {
                if !passed {
                    passed = resumed == Some(held.version.id.as_str());
                    continue;
                }
                if page.lines() >= room {
                    more = true;
                    return ControlFlow::Break(());
                }
                page.add(key, held, position == 0, spelling);
            }
            ControlFlow::Continue(())
        });
        Ok(())
    })?;
    more &= room > 0;
    let (last_key, last_id) = page.last;
    Ok(S3Response::new(ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: Some(spelling.spell(&prefix)),
        delimiter: (!delimiter.is_empty()).then(|| spelling.spell(&delimiter)),
        key_marker: Some(spelling.spell(&key_marker)),
        version_id_marker: id_marker,
        max_keys: Some(max),
        is_truncated: Some(more),
        next_key_marker: more.then(|| spelling.spell(&last_key)),
        next_version_id_marker: last_id.filter(|_| more),
        versions: Some(page.versions),
        delete_markers: Some(page.markers),
        common_prefixes: spelling.prefixes(&page.prefixes),
        encoding_type: input.encoding_type,
        request_charged: None,
    }))
}
