//! What clients come with when they come wrongly: a password that is none, or their neighbour's login. It is done to the
//! case's own clients, which ask their link for it; the server is as ever.

use bulkhead_model::{
    Secret, Service,
    scenario::{Chosen, Shape},
};
use bulkhead_target::{Error, Login};

use super::{AT, Doing, FOR, Fault, Ground, SERVICE, down, service};

/// What they come with.
pub(super) enum Wrongly {
    /// Their own user, and a password that is not its own.
    Password,
    /// Their neighbour's user and password, to their own slice.
    Neighbours,
}

impl Fault for Wrongly {
    fn shape(&self) -> Shape<'static> {
        let (name, about) = match self {
            Self::Password => (
                "wrong-password",
                "The tenant's clients come with a password, or a key's secret, that is not its own: who logs in is refused.",
            ),
            Self::Neighbours => (
                "neighbours-login",
                "The tenant's clients come with their neighbour's login, or key, to the tenant's own slice, and are refused.",
            ),
        };
        Shape { name, about, settings: &[SERVICE, AT, FOR] }
    }

    fn meets_who_dials(&self) -> bool {
        true
    }

    fn locks_out(&self) -> bool {
        true
    }

    fn takes_a_neighbour(&self) -> bool {
        matches!(self, Self::Neighbours)
    }

    fn takes_logins(&self) -> bool {
        matches!(self, Self::Neighbours)
    }

    fn is_done_to_clients(&self) -> bool {
        true
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let service = service(chosen)?;
            let login = match self {
                Self::Password => {
                    Login { password: Secret::new("not this one"), ..ground.access.own_login(service) }
                }
                Self::Neighbours => ground.neighbour(chosen)?.own_login(service),
            };
            wear(ground, service, Some(login))?;
            // Those that are open logged in rightly.
            let open = ground.open(service);
            down::cut(ground, service).await.map(|()| open)
        })
    }

    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let service = service(chosen)?;
            wear(ground, service, None)?;
            // Those that logged in wrongly, if any could, are not to go on.
            down::cut(ground, service).await.map(|()| 0)
        })
    }
}

fn wear(ground: &Ground<'_>, service: Service, login: Option<Login>) -> Result<(), Error> {
    let what = "clients that are not Bulkhead's own bring their login with them, so it cannot be another";
    let detour = ground.access.detour(service).ok_or_else(|| Error::Reported(String::from(what)))?;
    detour.disguise.wear(login);
    Ok(())
}
