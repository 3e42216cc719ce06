//! Deleting: hiding an object behind a marker, or removing one version for good.

use s3s::{
    S3Request, S3Response, S3Result,
    dto::{
        DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, Error,
    },
    s3_error,
};

use super::{
    super::{
        auth::{Signer, not_entitled},
        grants::{Decision, Request, allowed},
        store::{
            bucket,
            index::Index,
            now,
            record::{Entry, Version},
        },
    },
    Answer, Api,
    write::version_id,
};

/// The most objects that one batch may name.
const MAX_BATCH: usize = 1000;

/// The change, whether a marker is concerned, and the version's or the new marker's id.
fn plan(index: &Index, name: &str, key: &str, id: Option<&str>) -> S3Result<(Option<Entry>, bool, String)> {
    let bucket = bucket(index, name)?;
    let (name, key) = (name.to_owned(), key.to_owned());
    match id {
        None => {
            let version = Version { id: version_id(), at: now(), content: None };
            let id = version.id.clone();
            Ok((Some(Entry::AddVersion { bucket: name, key, version }), true, id))
        }
        Some(id) => {
            let found = bucket.version(&key, id);
            let entry =
                found.map(|_| Entry::RemoveVersion { bucket: name, key: key.clone(), id: id.to_owned() });
            Ok((entry, found.is_some_and(|held| held.version.is_marker()), id.to_owned()))
        }
    }
}

pub(super) fn one(api: &Api, input: &DeleteObjectInput) -> Answer<DeleteObjectOutput> {
    let (marker, id) = api.store.commit(|index| {
        let (entry, marker, id) = plan(index, &input.bucket, &input.key, input.version_id.as_deref())?;
        Ok((entry.into_iter().collect(), (marker, id)))
    })?;
    let output = DeleteObjectOutput {
        delete_marker: marker.then_some(true),
        version_id: Some(id),
        ..DeleteObjectOutput::default()
    };
    Ok(S3Response::new(output))
}

pub(super) fn several(api: &Api, request: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
    let Some(Signer(signer)) = request.extensions.get::<Signer>().cloned() else {
        return Err(not_entitled());
    };
    let DeleteObjectsInput { bucket: name, delete, .. } = request.input;
    if delete.objects.is_empty() || delete.objects.len() > MAX_BATCH {
        return Err(s3_error!(MalformedXML, "A batch names between 1 and {MAX_BATCH} objects"));
    }
    let (deleted, errors) = api.store.commit(|index| {
        bucket(index, &name)?;
        let (mut entries, mut deleted, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for object in delete.objects {
            let asked = Request {
                operation: "DeleteObject",
                bucket: Some(&name),
                key: Some(&object.key),
                prefix: "",
                version: object.version_id.is_some(),
                source: None,
            };
            if allowed(&signer.grants, &asked) == Decision::NotEntitled {
                errors.push(Error {
                    code: Some(String::from("AccessDenied")),
                    message: Some(String::from("not entitled")),
                    key: Some(object.key),
                    version_id: object.version_id,
                });
                continue;
            }
            let (entry, marker, id) = plan(index, &name, &object.key, object.version_id.as_deref())?;
            entries.extend(entry);
            deleted.push(DeletedObject {
                delete_marker: marker.then_some(true),
                delete_marker_version_id: marker.then_some(id),
                key: Some(object.key),
                version_id: object.version_id,
            });
        }
        Ok((entries, (deleted, errors)))
    })?;
    let quiet = delete.quiet.unwrap_or(false);
    let output = DeleteObjectsOutput {
        deleted: (!quiet).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        ..DeleteObjectsOutput::default()
    };
    Ok(S3Response::new(output))
}
