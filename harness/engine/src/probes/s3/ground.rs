//! What both tenants plant in S3, and the one way in which the probing tenant asks there.

use aws_sdk_s3::Client;
use bulkhead_model::{Outcome, S3Slice, Service};
use bulkhead_target::{Error, TenantAccess, clients};

use super::{reply::Reply, request::Request};
use crate::probes::{Pair, Side, answer::Answer};

/// Both slices hold [`key`] with a token that only the owner knows.
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
    fn owner(&self, side: Side) -> Option<&Client> {
        match side {
            Side::Own => Some(&self.own),
            Side::Foreign => self.neighbour.as_ref(),
        }
    }

    /// Asks as the probing tenant.
    pub(super) async fn ask(
        &self,
        pair: &Pair<'_>,
        request: Request,
        judge: impl FnOnce(&Reply) -> (Outcome, String),
    ) -> Answer {
        let call = format!("{} as `{}`", request.readable(), pair.from.connections.s3.access_key_id);
        Answer::of(call, async {
            match request.send(&self.own).await {
                Ok(reply) => judge(&reply),
                Err(reason) => (Outcome::Unknown, reason),
            }
        })
        .await
    }

    /// Has the side's owner make something; an empty answer when there is no owner to do it.
    ///
    /// # Errors
    /// When the owner is refused.
    pub(super) async fn made(&self, side: Side, request: Request) -> Result<Reply, Error> {
        match self.owner(side) {
            None => Ok(Reply::default()),
            Some(owner) => make(owner, request).await,
        }
    }

    /// What the side's owner is answered; `None` when there is no owner to ask. Half an answer is none: what is missing of it
    /// must not look like a change.
    pub(super) async fn reply_to_owner(&self, side: Side, request: Request) -> Option<Result<Reply, String>> {
        Some(request.send(self.owner(side)?).await.and_then(Reply::whole))
    }

    /// What the side's owner sees: status, content and the metadata that is planted, or in short that nothing is there,
    /// since MinIO numbers each answer that says so. `None` when there is no owner.
    pub(super) async fn as_owner(
        &self,
        side: Side,
        request: Request,
    ) -> Option<Result<(u16, String, String), Error>> {
        let failed = Error::serve(Service::S3, format!("look at {} as its owner", request.readable()));
        Some(match self.reply_to_owner(side, request).await? {
            Ok(reply) if reply.outcome() == Outcome::Invisible => {
                Ok((reply.status, String::new(), reply.refusal()))
            }
            Ok(reply) if reply.outcome() == Outcome::Allowed => {
                let canary = reply.header("x-amz-meta-canary");
                Ok((reply.status, canary, reply.body))
            }
            Ok(reply) => Err(failed(reply.refusal())),
            Err(reason) => Err(failed(reason)),
        })
    }
}

/// The planted object.
pub(super) fn key(slice: &S3Slice) -> String {
    slice.key("bulkhead/canary")
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

/// How to take a right from the probing tenant's key that no tenant's should have.
pub(super) fn without(pair: &Pair<'_>, right: &str) -> String {
    format!("{}, and without `{right}`", limit(pair))
}

async fn make(owner: &Client, request: Request) -> Result<Reply, Error> {
    let failed = Error::serve(Service::S3, format!("plant {}", request.readable()));
    match request.send(owner).await {
        Ok(reply) if reply.outcome() == Outcome::Allowed => Ok(reply),
        Ok(reply) => Err(failed(reply.refusal())),
        Err(reason) => Err(failed(reason)),
    }
}

async fn plant(owner: &TenantAccess, token: String) -> Result<Client, Error> {
    let slice = &owner.tenant.slices.s3;
    let client = clients::s3::client(owner)?;
    make(&client, Request::object("PUT", slice, &key(slice)).body(token)).await?;
    Ok(client)
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
        let ground = Ground { own: clients::s3::client(&from).unwrap(), neighbour: None };
        let head = Request::bucket("HEAD", "tl-plane");
        let answer = ground.ask(&pair, head, |reply| (reply.outcome(), String::new())).await;
        assert_eq!(answer.outcome, Outcome::Unknown, "{}", answer.text());
    }
}
