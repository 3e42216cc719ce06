//! `down`: a link is cut. Its open connections end, and whoever dials is refused.

use bulkhead_model::{
    Service,
    scenario::{Chosen, Shape},
};
use bulkhead_proxy::spec::ProxyChange;
use bulkhead_target::Error;

use super::{AT, Doing, FOR, Fault, Ground, SERVICE};
use crate::links::Links;

/// The fault.
pub(super) struct Down;

impl Fault for Down {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "down",
            about: "The link is cut: its connections end, and whoever dials is refused.",
            settings: &[SERVICE, AT, FOR],
        }
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let Some(service) = chosen.service("service") else { return Ok(0) };
            let name = Links::name(ground.access, service);
            let open = ground.links.proxies().connections();
            let touched = open.iter().filter(|connection| *connection.proxy == *name).count();
            enable(ground, service, false).await?;
            Ok(u64::try_from(touched).unwrap_or(u64::MAX))
        })
    }

    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            match chosen.service("service") {
                Some(service) => enable(ground, service, true).await.map(|()| 0),
                None => Ok(0),
            }
        })
    }
}

async fn enable(ground: &Ground<'_>, service: Service, enabled: bool) -> Result<(), Error> {
    let name = Links::name(ground.access, service);
    let change = ProxyChange { enabled: Some(enabled), ..ProxyChange::default() };
    let changed = ground.links.proxies().change(&name, change).await;
    changed.map(drop).map_err(Error::serve(service, format!("cut or restore the link `{name}`")))
}
