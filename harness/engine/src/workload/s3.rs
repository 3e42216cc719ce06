//! What the workloads on S3 have in common: large bodies, how they are read, and what a client's error says of the outcome
//! of a request.

use std::{error::Error as Cause, io};

use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::get_object::{GetObjectError, GetObjectOutput},
};
use bulkhead_model::{Content, S3Slice};
use sha2::{Digest, Sha256};

use super::clients::Trouble;
use crate::seed::Seed;

/// Bytes that are made at once.
const PIECE: usize = 4096;

/// What the error says of the request. A server that has an error of its own may have done it before.
pub(super) fn trouble<E>(error: &SdkError<E>) -> Trouble
where
    E: ProvideErrorMetadata + Cause + 'static,
{
    let said =
        || format!("{}: {}", error.code().unwrap_or("no code"), error.message().unwrap_or("no message"));
    match error.raw_response().map(|response| response.status().as_u16()) {
        Some(status) => answered(status, format!("{status} {}", said())),
        None if was_not_dialled(error) => Trouble::Unsent(format!(": {}", chain(error))),
        None => Trouble::Unsure(chain(error)),
    }
}

/// What an answer of that status that is no success says of the request.
fn answered(status: u16, said: String) -> Trouble {
    match status {
        // MinIO shuts down in the middle of it (`ClientDisconnected`) and may have done it.
        499 => Trouble::Unsure(said),
        // Throttled, with 503, it was not looked at; with 501 it asks for what the server does not do.
        400..=498 | 501 | 503 => Trouble::Refused(said),
        _ => Trouble::Unsure(said),
    }
}

/// Whether nobody took the connection, the one thing that is certain when no answer came.
fn was_not_dialled(error: &(dyn Cause + 'static)) -> bool {
    let refused = |cause: &io::Error| cause.kind() == io::ErrorKind::ConnectionRefused;
    causes(error).filter_map(|cause| cause.downcast_ref()).any(refused)
}

fn chain(error: &(dyn Cause + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn causes<'e>(error: &'e (dyn Cause + 'static)) -> impl Iterator<Item = &'e (dyn Cause + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// So many bytes, whose every piece is unlike any other and which are the seed's.
pub(super) fn bytes(seed: &Seed, length: usize) -> Vec<u8> {
    let noise: Vec<u8> = (0..PIECE / 32)
        .flat_map(|number: usize| seed.child(&number.to_string()).token().into_bytes())
        .collect();
    let mut bytes = Vec::with_capacity(length + PIECE);
    for number in 0..=length / PIECE {
        bytes.extend_from_slice(format!("{number:016}").as_bytes());
        bytes.extend_from_slice(noise.get(16..).unwrap_or_default());
    }
    bytes.truncate(length);
    bytes
}

/// What the bytes are, in short.
pub(super) fn content(bytes: &[u8]) -> Content {
    Content {
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        digest: hex::encode(Sha256::digest(bytes)),
    }
}

/// What the object holds, or the range of it; nothing where there is none.
pub(super) async fn fetch(
    client: &Client,
    slice: &S3Slice,
    key: &str,
    range: Option<[u64; 2]>,
) -> Result<Option<Content>, Trouble> {
    let get = client
        .get_object()
        .bucket(&slice.bucket)
        .key(key)
        .set_range(range.map(|[first, last]| format!("bytes={first}-{last}")));
    received(get.send().await).await
}

/// What an answer holds once all of it came.
pub(super) async fn received(
    answer: Result<GetObjectOutput, SdkError<GetObjectError>>,
) -> Result<Option<Content>, Trouble> {
    let got = match answer {
        Ok(got) => got,
        Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
            return Ok(None);
        }
        Err(error) => return Err(trouble(&error)),
    };
    let body = got.body.collect().await.map_err(|error| Trouble::Unsure(error.to_string()))?;
    Ok(Some(content(&body.into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_certainly_not_done_is_refused() {
        let is_refused = |status| matches!(answered(status, String::new()), Trouble::Refused(_));
        assert!([400, 403, 404, 412, 501, 503].into_iter().all(is_refused));
        assert!(![499, 500, 502, 504].into_iter().any(is_refused));
    }
}
