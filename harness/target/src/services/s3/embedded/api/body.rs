//! A body on its way to a file: streamed, summed as it goes by, and held against everything that was said about it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::StreamExt as _;
use hyper::HeaderMap;
use s3s::{S3Error, S3ErrorCode, S3Result, StdError, TrailingHeaders, dto::StreamingBlob, s3_error};

use super::{
    super::store::{
        blob::{Sink, Written},
        internal,
        sums::Algorithm,
    },
    MAX_SINGLE,
};

/// What a request says about its body.
pub(super) struct Promise {
    length: Option<u64>,
    md5: Option<Vec<u8>>,
    /// The checksum that was chosen, from the headers or from the trailers that will follow the body.
    pub chosen: Option<Algorithm>,
    sum: Option<String>,
    /// Whether a sum must come: in the headers, or else in the trailers.
    expected: bool,
    trailers: Option<TrailingHeaders>,
}

impl Promise {
    /// Reads the headers.
    ///
    /// # Errors
    /// When they contradict one another or cannot be read.
    pub(super) fn of(headers: &HeaderMap, trailers: Option<TrailingHeaders>) -> S3Result<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let given: Vec<_> =
            Algorithm::ALL.into_iter().filter_map(|one| Some((one, text(one.header())?))).collect();
        if given.len() > 1 {
            return Err(s3_error!(InvalidRequest, "Expecting a single x-amz-checksum- header"));
        }
        let announced = text("x-amz-trailer").unwrap_or_default();
        let trailing = Algorithm::ALL
            .into_iter()
            .find(|one| announced.split(',').any(|name| name.trim() == one.header()));
        let md5 =
            match text("content-md5") {
                None => None,
                Some(text) => {
                    let bytes = BASE64_STANDARD.decode(text).ok().filter(|bytes| bytes.len() == 16);
                    Some(bytes.ok_or_else(|| {
                        s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid.")
                    })?)
                }
            };
        let length = text("x-amz-decoded-content-length").or_else(|| text("content-length"));
        let given = given.first();
        Ok(Self {
            length: length.and_then(|text| text.parse().ok()),
            md5,
            chosen: given.map(|(one, _)| *one).or(trailing),
            expected: given.is_some() || trailing.is_some(),
            sum: given.map(|(_, sum)| (*sum).to_owned()),
            trailers,
        })
    }

    /// Takes up the checksum that an upload agreed on at its start, for a part that brings none.
    pub(super) fn agree(&mut self, agreed: Option<Algorithm>) {
        self.chosen = self.chosen.or(agreed);
    }

    /// Writes the body into `sink` and moves it into place when everything said about it holds.
    ///
    /// # Errors
    /// `IncompleteBody`, `BadDigest` and the like; then nothing is left behind.
    pub(super) async fn receive(mut self, body: Option<StreamingBlob>, mut sink: Sink) -> S3Result<Written> {
        if self.length.is_some_and(|length| length > MAX_SINGLE) {
            return Err(too_large());
        }
        if let Some(mut body) = body {
            while let Some(bytes) = body.next().await {
                sink.write(&bytes.map_err(broken_off)?).await.map_err(internal)?;
                if sink.size() > MAX_SINGLE {
                    return Err(too_large());
                }
            }
        }
        if self.length.is_some_and(|length| length != sink.size()) {
            return Err(incomplete());
        }
        if self.sum.is_none() && self.expected {
            self.sum = self.trailing_sum()?;
        }
        let (md5, sum, chosen) = (self.md5, self.sum, self.chosen);
        let written = sink.finish().await.map_err(internal)?;
        if md5.is_some_and(|md5| md5 != written.md5) {
            return Err(s3_error!(
                BadDigest,
                "The Content-MD5 you specified did not match what we received."
            ));
        }
        if let (Some(sum), Some(chosen)) = (sum, chosen)
            && written.sums.get(chosen).as_ref() != Some(&sum)
        {
            let name = chosen.name();
            return Err(s3_error!(
                BadDigest,
                "The {name} you specified did not match the calculated checksum."
            ));
        }
        Ok(written)
    }

    fn trailing_sum(&self) -> S3Result<Option<String>> {
        let Some(chosen) = self.chosen else { return Ok(None) };
        let sum = self.trailers.as_ref().and_then(|trailers| {
            trailers.read(|headers| {
                headers.get(chosen.header()).and_then(|value| value.to_str().ok()).map(str::to_owned)
            })
        });
        // A body that was cut off just before its trailers looks whole otherwise.
        sum.flatten().map(Some).ok_or_else(incomplete)
    }
}

fn incomplete() -> S3Error {
    s3_error!(
        IncompleteBody,
        "You did not provide the number of bytes specified by the Content-Length HTTP header"
    )
}

fn too_large() -> S3Error {
    s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed object size")
}

/// Names the reason for a body's end. `s3s` keeps the types of these errors to itself, so their texts must do.
fn broken_off(error: StdError) -> S3Error {
    let text = error.to_string();
    let mut answer = if text.contains("Sha256Mismatch") {
        let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
        let mut answer = S3Error::with_message(
            code,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        );
        answer.set_status_code(hyper::StatusCode::BAD_REQUEST);
        answer
    } else if text.contains("SignatureMismatch") {
        s3_error!(SignatureDoesNotMatch, "A chunk's signature does not match")
    } else {
        incomplete()
    };
    answer.set_source(error);
    answer
}
