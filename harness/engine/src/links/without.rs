//! What stands for a Toxiproxy of another process in a build that cannot drive one: nothing, and an error that says so.

use std::net::SocketAddr;

use bulkhead_model::TouchRecord;
use bulkhead_proxy::{Proxies, spec::ToxicSpec};
use bulkhead_target::{Cause, Error};

/// There is none of it.
#[derive(Debug)]
pub(super) enum Behind {}

impl Behind {
    #[expect(clippy::unused_async, reason = "the same call as in a build that can")]
    pub(super) async fn connect(api: SocketAddr) -> Result<Self, Error> {
        Err(Error::Reported(format!(
            "this build cannot drive the Toxiproxy at {api}: build Bulkhead with `--features toxiproxy`"
        )))
    }

    pub(super) async fn version(&self) -> Result<String, Error> {
        match *self {}
    }

    pub(super) async fn open(&self, _: &str, _: String) -> Result<String, Cause> {
        match *self {}
    }

    pub(super) async fn put(&self, _: &str, _: &ToxicSpec, _: &Proxies) -> Result<(), Cause> {
        match *self {}
    }

    pub(super) async fn take_off(&self, _: &str, _: &str, _: &Proxies) -> Result<u64, Cause> {
        match *self {}
    }

    pub(super) async fn enable(&self, _: &str, _: bool) -> Result<(), Cause> {
        match *self {}
    }

    pub(super) fn touches(&self, _: usize, _: &str, _: u64) -> Vec<TouchRecord> {
        match *self {}
    }

    pub(super) async fn close(&self) -> Result<(), Cause> {
        match *self {}
    }
}
