//! `flush`: a neighbour empties the database of Redis that all tenants share. What is a convention does not hinder it; a
//! server that keeps tenants apart refuses the command, and the tenant is to notice nothing.

use bulkhead_model::{
    Service,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, clients};

use super::{AT, Doing, FOR, Fault, Ground};

/// The fault.
pub(super) struct Flush;

/// Only Redis keeps many tenants' data in what one command empties.
const ON_REDIS: Wanted<'static> =
    Wanted { name: "service", kind: Kind::Service(&[Service::Redis]), usual: None };

/// How Redis begins a refusal.
const REFUSAL: &str = "NOPERM";

impl Fault for Flush {
    fn shape(&self) -> Shape<'static> {
        let about = "A neighbour empties the database that tenants share (FLUSHDB), once, when it begins; a server that keeps \
                     them apart refuses it (NOPERM).";
        Shape { name: "flush", about, settings: &[ON_REDIS, AT, FOR] }
    }

    /// It takes what every case on the server has.
    fn disturbs(&self, _: Service) -> bool {
        true
    }

    fn takes_a_neighbour(&self) -> bool {
        true
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let mut connection = clients::redis::connect(ground.neighbour(chosen)?).await?;
            match redis::cmd("FLUSHDB").query_async::<()>(&mut connection).await {
                // Asked it was, and told; whether that touched anybody the tenant's own operations say.
                Ok(()) => Ok(1),
                Err(error) if error.code() == Some(REFUSAL) => Ok(1),
                Err(error) => Err(Error::serve(Service::Redis, "empty the database as the neighbour")(error)),
            }
        })
    }

    fn undo<'a>(&'a self, _: &'a Ground<'a>, _: &'a Chosen) -> Doing<'a> {
        // What is gone is gone.
        Box::pin(async { Ok(0) })
    }
}
