//! Links: one tenant's connection path to one service, each through a fault proxy of its own on loopback, so that a
//! fault can hit one tenant alone.
//!
//! A link keeps the server's name. Real services route by it (Neon by SNI, Backblaze B2 by Host, which is signed) and
//! their certificates carry it, while the proxy listens on 127.0.0.1. Clients that can dial one address and speak to
//! another name do so, and their TLS passes through the proxy untouched: Redis, RabbitMQ and S3. The PostgreSQL client
//! cannot, so the proxy ends its TLS, `SSLRequest` included, with a certificate of the run's own authority, and begins
//! it anew with the server, which it verifies by its real name. No switch turns a verification off.

use std::{
    fs::File,
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    os::fd::AsRawFd,
};

use bulkhead_model::Service;
use bulkhead_proxy::{
    Proxies, Settings, seed,
    spec::ProxySpec,
    tls::{Authority, Preamble, Tls},
};
use bulkhead_target::{Cause, Detour, Disguise, Error, TenantAccess, clients::tls::SSL_REQUEST};

use crate::seed::Seed;

/// The links of a run.
#[derive(Debug)]
pub struct Links {
    proxies: Proxies,
    authority: Authority,
}

impl Links {
    /// None yet. Every random choice of their proxies comes from `seed`.
    ///
    /// # Errors
    /// When the system gives no randomness for the run's authority.
    pub fn new(seed: &Seed) -> Result<Self, Error> {
        let seed = seed::Seed(seed.child("links").number());
        let failed = Error::serve(Service::Postgres, "make the authority of the run's links");
        let authority = Authority::throw_away().map_err(failed)?;
        Ok(Self { proxies: Proxies::new(Settings { seed, whole_close: false }), authority })
    }

    /// The proxies behind the links, for whoever injects faults.
    pub fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// What the proxy of a link is called.
    pub fn name(access: &TenantAccess, service: Service) -> String {
        format!("{}.{service}", access.tenant.name)
    }

    /// What a toxic of a case's fault is called, whichever link it is on; faults are counted from 1, their toxics from 0.
    pub(crate) fn toxic(fault: usize, part: usize) -> String {
        format!("{}{part}", Self::toxics(fault))
    }

    /// What the names of a fault's toxics begin with, and no other's.
    pub(crate) fn toxics(fault: usize) -> String {
        format!("fault-{fault}-")
    }

    /// The same tenant with a link to each of these services.
    ///
    /// # Errors
    /// As [`Links::open`].
    pub async fn through(&self, access: &TenantAccess, services: &[Service]) -> Result<TenantAccess, Error> {
        let mut through = access.clone();
        for service in services {
            let detour = self.open(access, *service, None).await?;
            through.detours.set(*service, detour);
        }
        Ok(through)
    }

    /// The same tenant, which trusts whoever signs what impostors show as well as its own servers, so that a certificate's
    /// flaw is all that is wrong with it. One that trusts the system's roots goes on with these alone. The file is open for
    /// as long as it is kept, has no name and leaves none behind.
    ///
    /// # Errors
    /// When the authority's file cannot be read, or the new one not be written.
    pub(crate) fn trusting_impostors(access: TenantAccess) -> Result<(TenantAccess, Option<File>), Error> {
        let Some(ca) = &access.ca else { return Ok((access, None)) };
        let failed = || Error::disk("trust the impostors' authority as well as", ca);
        let mut file = tempfile::tempfile().map_err(failed())?;
        let signs = Authority::of_faults().map_err(|error| Error::Reported(error.to_string()))?;
        let both = std::fs::read_to_string(ca).map_err(failed())? + "\n" + signs.pem();
        file.write_all(both.as_bytes()).map_err(failed())?;
        let ca = format!("/proc/self/fd/{}", file.as_raw_fd()).into();
        Ok((TenantAccess { ca: Some(ca), ..access }, Some(file)))
    }

    /// The same tenant with a link to each service in its URLs, for programs that know nothing else. TLS passes through: the
    /// servers' certificates must name the host that the links listen on, as stand-ins' do.
    ///
    /// # Errors
    /// As [`Links::open`].
    pub(crate) async fn in_front(&self, access: &TenantAccess) -> Result<TenantAccess, Error> {
        let mut front = access.clone();
        for service in Service::ALL {
            let at = self.listen(access, service, None, None).await?;
            front = front.at_port(service, at.port())?;
        }
        Ok(front)
    }

    /// Opens one link. Its server is looked up by the name in the tenant's URL at each connection, unless `at` says
    /// where it is.
    ///
    /// # Errors
    /// [`Error::Serve`] when the tenant has that link already, no port is left, or a certificate cannot be read.
    pub async fn open(
        &self,
        access: &TenantAccess,
        service: Service,
        at: Option<SocketAddr>,
    ) -> Result<Detour, Error> {
        let (host, port) = access.address(service)?;
        let doing = format!("open a link for tenant `{}` to {host}:{port}", access.tenant.name);
        let tls = match ends_here(access, service) {
            true => Some(self.terms(access, &host).map_err(Error::serve(service, doing.clone()))?),
            false => None,
        };
        let authority = tls.is_some().then(|| self.authority.pem().to_owned());
        let address = self.listen(access, service, at, tls).await?;
        Ok(Detour { address, authority, disguise: Disguise::default() })
    }

    /// Makes a link's proxy, and says where it listens.
    async fn listen(
        &self,
        access: &TenantAccess,
        service: Service,
        at: Option<SocketAddr>,
        tls: Option<Tls>,
    ) -> Result<SocketAddr, Error> {
        let (host, port) = access.address(service)?;
        let doing = format!("open a link for tenant `{}` to {host}:{port}", access.tenant.name);
        let spec = ProxySpec {
            name: Self::name(access, service),
            listen: format!("{}:0", Ipv4Addr::LOCALHOST),
            upstream: at.map_or_else(|| format!("{host}:{port}"), |at| at.to_string()),
            enabled: true,
            toxics: Vec::new(),
            tls,
        };
        let made = self.proxies.create(spec).await.map_err(Error::serve(service, doing.clone()))?;
        made.listen.parse().map_err(Error::serve(service, doing))
    }

    /// How the proxy ends the PostgreSQL client's TLS and begins it anew with the server of that name.
    fn terms(&self, access: &TenantAccess, host: &str) -> Result<Tls, Cause> {
        let named = access.connections.postgres.authority();
        let file = access.ca.clone().or_else(|| named.map(Into::into));
        let read = file.map(|path| {
            std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read `{}`: {error}", path.display()))
        });
        let preamble = Preamble { ask: SSL_REQUEST.to_vec(), answer: b"S".to_vec(), refusal: b"N".to_vec() };
        let (roots, host) = (read.transpose()?, host.trim_matches(['[', ']']));
        Ok(Tls::verifying(self.authority.clone(), Some(host), roots.as_deref(), Some(preamble))?)
    }

    /// Ends every link and what runs over it.
    ///
    /// # Errors
    /// When a proxy could not be ended.
    pub async fn close(self) -> Result<(), Error> {
        for proxy in self.proxies.all() {
            let ended = self.proxies.delete(&proxy.name).await;
            ended.map_err(|error| Error::Reported(format!("could not end the links: {error}")))?;
        }
        Ok(())
    }
}

/// Whether the client of this service cannot dial one address and verify another name.
fn ends_here(access: &TenantAccess, service: Service) -> bool {
    service == Service::Postgres && access.connections.postgres.parameter("sslmode") != Some("disable")
}
