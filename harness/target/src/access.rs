//! What a session hands out for one tenant.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use bulkhead_model::{Secret, Service, Tenant, url::Connections};

use crate::{Error, error::Cause};

/// A tenant whose slices exist, and how to reach them.
#[derive(Clone, Debug)]
pub struct TenantAccess {
    /// The tenant, its slices under the names that really exist on the servers.
    pub tenant: Tenant,
    /// What its environment variables say.
    pub connections: Connections,
    /// The PEM file of the certificate authority to trust; none means the system's roots.
    pub ca: Option<PathBuf>,
    /// Where connections are dialled instead of at the address in their URL.
    pub detours: Detours,
}

impl TenantAccess {
    /// Host and port of the server that the tenant's connection to a service leads to, whatever detour it takes.
    ///
    /// # Errors
    /// When the S3 endpoint's URL names no host.
    pub fn address(&self, service: Service) -> Result<(String, u16), Error> {
        let Connections { postgres, redis, rabbitmq, s3 } = &self.connections;
        Ok(match service {
            Service::Postgres => (postgres.host.clone(), postgres.port),
            Service::Redis => (redis.host.clone(), redis.port),
            Service::Rabbitmq => (rabbitmq.host.clone(), rabbitmq.port),
            Service::S3 => endpoint(&s3.endpoint).map_err(Error::serve(service, "read the endpoint"))?,
        })
    }

    /// The same with that port in the service's URL, for something that listens on the host that it names.
    ///
    /// # Errors
    /// When the S3 endpoint is no URL.
    pub fn at_port(mut self, service: Service, port: u16) -> Result<Self, Error> {
        let Connections { postgres, redis, rabbitmq, s3 } = &mut self.connections;
        match service {
            Service::Postgres => postgres.port = port,
            Service::Redis => redis.port = port,
            Service::Rabbitmq => rabbitmq.port = port,
            Service::S3 => {
                s3.endpoint = endpoint_at(&s3.endpoint, port)
                    .map_err(Error::serve(service, "put a port into the endpoint"))?;
            }
        }
        Ok(self)
    }

    /// The login that clients come with: the URL's, unless a disguise on their way says otherwise.
    pub fn login(&self, service: Service) -> Login {
        let worn = self.detour(service).and_then(|detour| detour.disguise.worn());
        worn.unwrap_or_else(|| self.own_login(service))
    }

    /// The login that its URL says.
    pub fn own_login(&self, service: Service) -> Login {
        let Connections { postgres, redis, rabbitmq, s3 } = &self.connections;
        let (user, password) = match service {
            Service::Postgres => (&postgres.user, &postgres.password),
            Service::Redis => (&redis.user, &redis.password),
            Service::Rabbitmq => (&rabbitmq.user, &rabbitmq.password),
            Service::S3 => (&s3.access_key_id, &s3.secret_access_key),
        };
        Login { user: user.clone(), password: password.clone() }
    }

    /// The way around that connections to a service take.
    pub fn detour(&self, service: Service) -> Option<&Detour> {
        self.detours.0[service as usize].as_ref()
    }
}

/// Another way to a server, through a proxy on this machine. The URL's host stays the server's name: it is what SNI, the
/// Host header, a signature and the check of the certificate speak of, and only what is dialled differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detour {
    /// What is dialled.
    pub address: SocketAddr,
    /// Where TLS ends at the proxy, the PEM of the authority that signed what the client is shown there; the proxy then
    /// verifies the server by its real name. Absent, TLS passes through and the client verifies the server itself.
    pub authority: Option<String>,
    /// What clients that take it come with instead of their own login, from one moment to the next.
    pub disguise: Disguise,
}

/// A user and its password, or a key and its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user, or the key's id.
    pub user: String,
    /// The password, or the key's secret.
    pub password: Secret,
}

/// A login that everybody who takes the same detour comes with while it is worn. Connections that are open keep theirs.
#[derive(Clone, Debug, Default)]
pub struct Disguise(Arc<Mutex<Option<Login>>>);

impl Disguise {
    /// From now on clients come with this login, or with their own again.
    pub fn wear(&self, login: Option<Login>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = login;
    }

    /// What is worn.
    pub fn worn(&self) -> Option<Login> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The same one, not one that looks like it.
impl PartialEq for Disguise {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Disguise {}

/// A detour for each service that has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detours([Option<Detour>; 4]);

impl Detours {
    /// Sends connections to a service this way.
    pub fn set(&mut self, service: Service, detour: Detour) {
        self.0[service as usize] = Some(detour);
    }
}

/// Host and port of an endpoint's URL, the scheme's port unless said.
fn endpoint(url: &str) -> Result<(String, u16), Cause> {
    let url = url::Url::parse(url)?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("it names no host")?;
    let port = url.port_or_known_default().ok_or("it is neither https:// nor http://")?;
    Ok((host.to_owned(), port))
}

fn endpoint_at(url: &str, port: u16) -> Result<String, Cause> {
    let mut url = url::Url::parse(url)?;
    url.set_port(Some(port)).map_err(|()| "its URL takes no port")?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::{endpoint, endpoint_at};

    #[test]
    fn a_port_is_put_into_an_endpoint() {
        assert_eq!(endpoint_at("https://127.0.0.1:9000", 1234).unwrap(), "https://127.0.0.1:1234");
        assert_eq!(endpoint_at("https://s3.example.com", 1234).unwrap(), "https://s3.example.com:1234");
    }

    #[test]
    fn endpoints_are_read_and_refused() {
        assert_eq!(endpoint("https://127.0.0.1:9000").unwrap(), ("127.0.0.1".to_owned(), 9000));
        assert_eq!(endpoint("https://s3.example.com/").unwrap(), ("s3.example.com".to_owned(), 443));
        assert_eq!(endpoint("http://s3.example.com").unwrap(), ("s3.example.com".to_owned(), 80));
        assert_eq!(endpoint("https://[::1]").unwrap(), ("[::1]".to_owned(), 443));
        assert_eq!(endpoint("https://[::1]:9000").unwrap(), ("[::1]".to_owned(), 9000));
        for bad in ["https://", "https://host:port", "127.0.0.1:9000", "s3.example.com"] {
            endpoint(bad).unwrap_err();
        }
    }
}
