//! What an S3 client's error says of the outcome of a request.

use std::{error::Error as Cause, io};

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::clients::Trouble;

/// What the error says of the request. A server that has an error of its own may have done it before.
pub(super) fn trouble<E>(error: &SdkError<E>) -> Trouble
where
    E: ProvideErrorMetadata + Cause + 'static,
{
    let said =
        || format!("{}: {}", error.code().unwrap_or("no code"), error.message().unwrap_or("no message"));
    match error.raw_response().map(|response| response.status().as_u16()) {
        // Throttled, with 503, it was not looked at.
        Some(status @ (400..=499 | 503)) => Trouble::Refused(format!("{status} {}", said())),
        Some(status) => Trouble::Unsure(format!("{status} {}", said())),
        None if was_not_dialled(error) => Trouble::Unsent(format!(": {}", chain(error))),
        None => Trouble::Unsure(chain(error)),
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
