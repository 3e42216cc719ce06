//! `down`: a link is cut. Its open connections end, and whoever dials is refused.

use bulkhead_model::{
    Service,
    scenario::{Chosen, Shape},
};
use bulkhead_target::Error;

use super::{AT, Doing, FOR, Fault, Ground, SERVICE, TENANTS, service};
use crate::links::Links;

/// The fault.
pub(super) struct Down;

impl Fault for Down {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "down",
            about: "The link is cut: its connections end, and whoever dials is refused.",
            settings: &[SERVICE, AT, FOR, TENANTS],
        }
    }

    fn is_on_a_link(&self) -> bool {
        true
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let service = service(chosen)?;
            let open = ground.open(service);
            enable(ground, service, false).await.map(|()| open)
        })
    }

    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move { enable(ground, service(chosen)?, true).await.map(|()| 0) })
    }
}

/// Ends the link's connections, and takes new ones.
pub(super) async fn cut(ground: &Ground<'_>, service: Service) -> Result<(), Error> {
    enable(ground, service, false).await?;
    enable(ground, service, true).await
}

async fn enable(ground: &Ground<'_>, service: Service, enabled: bool) -> Result<(), Error> {
    let name = Links::name(ground.access, service);
    let changed = ground.links.enable(&name, enabled).await;
    changed.map_err(Error::serve(service, format!("cut or restore the link `{name}`")))
}
