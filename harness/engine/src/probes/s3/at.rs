//! Where a probe asks: the side's slice, with what the probe itself has planted there.

use bulkhead_model::S3Slice;
use bulkhead_target::Error;

use super::{ground::Ground, request::Request};
use crate::probes::{Pair, Side};

/// What a slice holds before a probe asks, each planted by the slice's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plant {
    /// An object with the side's token in its content and its metadata.
    Object,
    /// An object with the token in its name.
    Named,
    /// An object with the token, and a newer version without it.
    Versions,
    /// An object with the token, hidden behind a delete marker.
    Hidden,
    /// An unfinished upload with one part.
    Upload,
    /// An object of the probing tenant's own, to write from.
    Mine,
    /// An unfinished upload of the probing tenant's own, to write into.
    MyUpload,
}

/// Where a probe asks.
pub(super) struct At<'p> {
    pub(super) pair: &'p Pair<'p>,
    pub(super) side: Side,
    /// The probe's name without the service's.
    probe: &'static str,
    /// The id of the planted version, marker or upload of the side's; empty where nothing was planted.
    pub(super) id: String,
    /// The entity tag of the planted upload's part.
    pub(super) etag: String,
    /// The id of the probing tenant's own upload.
    pub(super) my_id: String,
}

impl<'p> At<'p> {
    /// Plants what the probe needs. Each probe has a folder of its own, so that none is in the way of another.
    ///
    /// # Errors
    /// When an owner cannot work in its own slice.
    pub(super) async fn plant(
        ground: &Ground,
        pair: &'p Pair<'p>,
        side: Side,
        name: &'static str,
        plants: &[Plant],
    ) -> Result<Self, Error> {
        let probe = name.split_once('.').map_or(name, |(_, probe)| probe);
        let mut at = Self { pair, side, probe, id: String::new(), etag: String::new(), my_id: String::new() };
        for plant in plants {
            at.plant_one(ground, *plant).await?;
        }
        Ok(at)
    }

    async fn plant_one(&mut self, ground: &Ground, plant: Plant) -> Result<(), Error> {
        let (side, token) = (self.side, self.pair.planted(self.side));
        let object = |method| Request::object(method, self.slice(), &self.key());
        let bearing = || object("PUT").header("x-amz-meta-canary", token.clone()).body(token.clone());
        match plant {
            Plant::Object => drop(ground.made(side, bearing()).await?),
            Plant::Named => {
                let key = format!("{}named-{token}", self.folder());
                ground.made(side, Request::object("PUT", self.slice(), &key).body("named")).await?;
            }
            Plant::Versions => {
                self.id = ground.made(side, bearing()).await?.version();
                let newer = Request::object("PUT", self.slice(), &self.key()).body("newer");
                ground.made(side, newer).await?;
            }
            Plant::Hidden => {
                ground.made(side, bearing()).await?;
                let hide = Request::object("DELETE", self.slice(), &self.key());
                self.id = ground.made(side, hide).await?.version();
            }
            Plant::Upload => {
                self.id = ground.made(side, object("POST").query("uploads", "")).await?.begun();
                if !self.id.is_empty() {
                    let part = Request::object("PUT", self.slice(), &self.key()).query("partNumber", "1");
                    let part = part.query("uploadId", &self.id).body(format!("part {token}"));
                    self.etag = ground.made(side, part).await?.etag();
                }
            }
            Plant::Mine => {
                let mine = Request::object("PUT", self.my_slice(), &self.my_key()).body(self.marker());
                ground.made(Side::Own, mine).await?;
            }
            Plant::MyUpload => {
                let begin = Request::object("POST", self.my_slice(), &self.my_key()).query("uploads", "");
                self.my_id = ground.made(Side::Own, begin).await?.begun();
            }
        }
        Ok(())
    }

    /// Ends the uploads that were planted or `begun`, by their owners: what is left unfinished is paid for.
    pub(super) async fn clear(&self, ground: &Ground, begun: &str) {
        let planted = if self.etag.is_empty() { "" } else { self.id.as_str() };
        let mine = (Side::Own, self.my_slice(), self.my_key(), self.my_id.as_str());
        let theirs = |id| (self.side, self.slice(), self.key(), id);
        for (side, slice, key, id) in [theirs(planted), theirs(begun), mine] {
            if !id.is_empty() {
                let abort = Request::object("DELETE", slice, &key).query("uploadId", id);
                // One that the probe has ended or completed is gone already.
                let _gone = ground.as_owner(side, abort).await;
            }
        }
    }

    /// The side's slice.
    pub(super) fn slice(&self) -> &'p S3Slice {
        &self.pair.tenant(self.side).slices.s3
    }

    /// The probing tenant's own slice.
    pub(super) fn my_slice(&self) -> &'p S3Slice {
        &self.pair.from.tenant.slices.s3
    }

    /// The slice that ends where the probing tenant's rights do.
    pub(super) fn granted(&self) -> &'p S3Slice {
        &self.pair.granted().s3
    }

    /// The prefix of everything that this probe plants in the side's slice.
    pub(super) fn folder(&self) -> String {
        self.slice().key(&format!("bulkhead/{}/", self.probe))
    }

    /// The object in the side's slice that it is about.
    pub(super) fn key(&self) -> String {
        format!("{}object", self.folder())
    }

    /// An object of the probing tenant's own.
    pub(super) fn my_key(&self) -> String {
        self.my_slice().key(&format!("bulkhead/{}/mine", self.probe))
    }

    /// What the probe writes, and nobody else does.
    pub(super) fn marker(&self) -> String {
        self.pair.token(self.probe)
    }
}
