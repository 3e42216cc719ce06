//! What both tenants plant in S3, and the one way in which the probing tenant asks there.

use std::future::Future;

use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
};
use bulkhead_model::{Outcome, S3Slice, Service};
use bulkhead_target::{Error, TenantAccess, clients};

use crate::probes::{
    Pair, Side,
    answer::{Answer, chain},
};

/// Refusals that are about the caller's own credentials or clock: they say nothing about the neighbour's slice.
const BROKEN_CLIENT: [&str; 5] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "RequestTimeTooSkewed",
    "ExpiredToken",
    "AuthorizationHeaderMalformed",
];

/// Both slices hold an object with a token that only the owner knows, and one with such a token in its name.
pub(crate) struct Ground {
    /// The probing tenant's client.
    pub(super) own: Client,
    /// The neighbour's own client.
    neighbour: Option<Client>,
}

impl Ground {
    /// Plants on both sides, each by its owner.
    ///
    /// # Errors
    /// When a tenant cannot work in its own slice.
    pub(crate) async fn plant(pair: &Pair<'_>) -> Result<Self, Error> {
        let neighbour = async {
            match pair.owner(Side::Foreign) {
                None => Ok(None),
                Some(access) => plant(access, pair.canary()).await.map(Some),
            }
        };
        let (own, neighbour) = tokio::join!(plant(pair.from, pair.planted(Side::Own)), neighbour);
        Ok(Self { own: own?, neighbour: neighbour? })
    }

    /// The client of the side's owner.
    pub(super) fn owner(&self, side: Side) -> Option<&Client> {
        match side {
            Side::Own => Some(&self.own),
            Side::Foreign => self.neighbour.as_ref(),
        }
    }

    /// What an object holds, as the side's owner sees it; `None` when there is no owner to ask.
    pub(super) async fn held(
        &self,
        pair: &Pair<'_>,
        side: Side,
        key: &str,
    ) -> Option<Result<Option<String>, Error>> {
        Some(held(self.owner(side)?, &pair.tenant(side).slices.s3, key).await)
    }
}

/// The planted object.
pub(super) fn key(slice: &S3Slice) -> String {
    slice.key("bulkhead/canary")
}

/// Makes one call as the probing tenant; [`read_error`] turns an error into an answer.
pub(super) async fn ask(
    pair: &Pair<'_>,
    what: String,
    call: impl Future<Output = Result<(Outcome, String), (Outcome, String)>>,
) -> Answer {
    let key = &pair.from.connections.s3.access_key_id;
    Answer::of(format!("{what} as `{key}`"), async { call.await.unwrap_or_else(|answer| answer) }).await
}

/// What an object holds, as its owner sees it.
///
/// # Errors
/// When the owner cannot read its own slice.
async fn held(owner: &Client, slice: &S3Slice, key: &str) -> Result<Option<String>, Error> {
    let doing = || format!("read `{key}` in {slice} as its owner");
    match owner.get_object().bucket(&slice.bucket).key(key).send().await {
        Ok(object) => {
            let bytes = object.body.collect().await.map_err(Error::serve(Service::S3, doing()))?.into_bytes();
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        }
        Err(error) if status(&error) == Some(404) => Ok(None),
        Err(error) => Err(Error::serve(Service::S3, doing())(error)),
    }
}

/// How to limit the probing tenant's key to what it owns.
pub(super) fn limit(pair: &Pair<'_>) -> String {
    let (key, slice) = (&pair.from.connections.s3.access_key_id, &pair.from.tenant.slices.s3);
    let prefix =
        slice.prefix.as_deref().map(|prefix| format!(" and namePrefix `{prefix}`")).unwrap_or_default();
    format!(
        "replace key `{key}` by one limited to bucket `{}`{prefix}: b2 key create --bucket {} …",
        slice.bucket, slice.bucket
    )
}

/// Writes an object as its owner.
///
/// # Errors
/// When the owner cannot write into its own slice.
pub(super) async fn put(owner: &Client, slice: &S3Slice, key: &str, body: &str) -> Result<(), Error> {
    let body = ByteStream::from(body.as_bytes().to_vec());
    let put = owner.put_object().bucket(&slice.bucket).key(key).body(body).send().await;
    put.map(drop).map_err(Error::serve(Service::S3, format!("plant `{key}` in {slice}")))
}

async fn plant(owner: &TenantAccess, token: String) -> Result<Client, Error> {
    let slice = &owner.tenant.slices.s3;
    let client = clients::s3::client(owner)?;
    for key in [key(slice), slice.key(&format!("bulkhead/named-{token}"))] {
        put(&client, slice, &key, &token).await?;
    }
    Ok(client)
}

/// What an error says about isolation: refused, not there, or nothing at all.
pub(super) fn read_error<E>(error: SdkError<E>) -> (Outcome, String)
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let Some(status) = status(&error) else { return (Outcome::Unknown, chain(&error)) };
    let code = error.code().unwrap_or_default();
    let outcome = match status {
        403 if !BROKEN_CLIENT.contains(&code) && !capped(error.message()) => Outcome::Denied,
        404 => Outcome::Invisible,
        _ => Outcome::Unknown,
    };
    (outcome, format!("{status} {code}: {}", error.message().unwrap_or("no message")))
}

/// The status that the server answered with, if it did.
fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// A spending cap is answered with 403 as well, and says nothing about whose slice it is.
fn capped(message: Option<&str>) -> bool {
    message.is_some_and(|message| message.contains("cap exceeded"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seed::Seed, testing::tenant};

    #[test]
    fn the_fix_names_the_bucket_and_the_prefix() {
        let (mut from, to) = (tenant("engine"), tenant("plane"));
        from.tenant.slices.s3.prefix = Some(String::from("engine/"));
        let fix = limit(&Pair::new(&from, &to, &Seed::new(1)));
        assert!(
            fix.contains("key-engine") && fix.contains("tl-engine") && fix.contains("namePrefix `engine/`"),
            "{fix}"
        );
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_proves_nothing() {
        let (from, to) = (tenant("engine"), tenant("plane"));
        let pair = Pair::new(&from, &to, &Seed::new(1));
        let client = clients::s3::client(&from).unwrap();
        let call = async {
            client.head_bucket().bucket("tl-plane").send().await.map_err(read_error)?;
            Ok((Outcome::Allowed, String::new()))
        };
        let answer = ask(&pair, String::from("HeadBucket"), call).await;
        assert_eq!(answer.outcome, Outcome::Unknown, "{}", answer.text());
    }
}
