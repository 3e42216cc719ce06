//! Links: one tenant's connection path to one service, each through a fault proxy of its own on loopback, so that a
//! fault can hit one tenant alone.
//!
//! A link keeps the server's name. Real services route by it (Neon by SNI, Backblaze B2 by Host, which is signed) and
//! their certificates carry it, while the proxy listens on 127.0.0.1. Clients that can dial one address and speak to
//! another name do so, and their TLS passes through the proxy untouched: Redis, RabbitMQ and S3. The PostgreSQL client
//! cannot, so the proxy ends its TLS, `SSLRequest` included, with a certificate of the run's own authority, and begins
//! it anew with the server, which it verifies by its real name. No switch turns a verification off.
//!
//! What breaks them is that proxy as well, or a Toxiproxy of another process ([`Breaker`]): then each link leads through
//! both, ours in front, which keeps the name and counts what comes.

use std::{
    fs::File,
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    os::fd::AsRawFd,
};

use bulkhead_model::{Service, TouchRecord};
use bulkhead_proxy::{
    Proxies, Settings,
    live::Touched,
    seed,
    spec::{ProxyChange, ProxySpec, ToxicSpec},
    tls::{Authority, Preamble, Tls},
};
use bulkhead_target::{Cause, Detour, Disguise, Error, TenantAccess, clients::tls::SSL_REQUEST};

use crate::{seed::Seed, tape};

#[cfg(feature = "toxiproxy")]
mod behind;
#[cfg(not(feature = "toxiproxy"))]
#[path = "links/without.rs"]
mod behind;

use behind::Behind;

/// Whether this build can have links broken by [`Breaker::Toxiproxy`].
pub const CAN_DRIVE_TOXIPROXY: bool = cfg!(feature = "toxiproxy");

/// Which proxy breaks links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Breaker {
    /// The one of this process, which the links lead through anyhow.
    #[default]
    Own,
    /// The Toxiproxy of another process whose API is there.
    Toxiproxy(SocketAddr),
}

impl Breaker {
    /// What the Toxiproxy says of its version; none for our own proxy.
    ///
    /// # Errors
    /// When nothing there answers as Toxiproxy does, or this build cannot drive one.
    pub async fn version(self) -> Result<Option<String>, Error> {
        match self {
            Self::Own => Ok(None),
            Self::Toxiproxy(api) => Behind::connect(api).await?.version().await.map(Some),
        }
    }
}

/// The links of a run.
#[derive(Debug)]
pub struct Links {
    proxies: Proxies,
    authority: Authority,
    /// Where the links lead on through the Toxiproxy that breaks them, if one does.
    behind: Option<Behind>,
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
        Ok(Self { proxies: Proxies::new(Settings { seed, whole_close: false }), authority, behind: None })
    }

    /// The same, broken by that proxy.
    ///
    /// # Errors
    /// As [`Links::new`], and when there is no such Toxiproxy.
    pub async fn broken_by(breaker: Breaker, seed: &Seed) -> Result<Self, Error> {
        let links = Self::new(seed)?;
        match breaker {
            Breaker::Own => Ok(links),
            Breaker::Toxiproxy(api) => Ok(Self { behind: Some(Behind::connect(api).await?), ..links }),
        }
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

    /// Puts a toxic on a link.
    ///
    /// # Errors
    /// Why it is not there now.
    pub(crate) async fn put(&self, link: &str, spec: ToxicSpec) -> Result<(), Cause> {
        match &self.behind {
            None => Ok(self.proxies.add_toxic(link, spec).await.map(drop)?),
            Some(behind) => behind.put(link, &spec, &self.proxies).await,
        }
    }

    /// Takes it off again, and says how often, or how many bytes, it touched.
    ///
    /// # Errors
    /// Why it may be there still.
    pub(crate) async fn take_off(&self, link: &str, toxic: &str) -> Result<u64, Cause> {
        if let Some(behind) = &self.behind {
            return behind.take_off(link, toxic, &self.proxies).await;
        }
        self.proxies.remove_toxic(link, toxic).await?;
        let of_it = |touched: &Touched| *touched.proxy == *link && *touched.toxic == *toxic;
        Ok(self.proxies.touched().into_iter().find(of_it).map_or(0, |touched| touched.touches))
    }

    /// Cuts a link, or restores it.
    ///
    /// # Errors
    /// Why it is not so now.
    pub(crate) async fn enable(&self, link: &str, enabled: bool) -> Result<(), Cause> {
        match &self.behind {
            None => {
                let change = ProxyChange { enabled: Some(enabled), ..ProxyChange::default() };
                Ok(self.proxies.change(link, change).await.map(drop)?)
            }
            Some(behind) => behind.enable(link, enabled).await,
        }
    }

    /// What a fault's toxics have done so far, for the history, oldest first. `now` is the run's clock.
    pub(crate) fn touches(&self, fault: usize, now: u64) -> Vec<TouchRecord> {
        match &self.behind {
            None => tape::lines(self, fault, now),
            Some(behind) => behind.touches(fault, &Self::toxics(fault), now),
        }
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
        let (name, server) =
            (Self::name(access, service), at.map_or_else(|| format!("{host}:{port}"), |at| at.to_string()));
        let upstream = match &self.behind {
            None => server,
            Some(behind) => {
                let opened = behind.open(&name, server).await;
                opened.map_err(Error::serve(service, doing.clone()))?
            }
        };
        let spec = ProxySpec {
            name,
            listen: format!("{}:0", Ipv4Addr::LOCALHOST),
            upstream,
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
        let mut ended: Result<(), Cause> = Ok(());
        for proxy in self.proxies.all() {
            if let Err(error) = self.proxies.delete(&proxy.name).await {
                ended = Err(error.into());
            }
        }
        if let Some(behind) = &self.behind {
            ended = behind.close().await.and(ended);
        }
        ended.map_err(|error| Error::Reported(format!("could not end the links: {error}")))
    }
}

/// Whether the client of this service cannot dial one address and verify another name.
fn ends_here(access: &TenantAccess, service: Service) -> bool {
    service == Service::Postgres && access.connections.postgres.parameter("sslmode") != Some("disable")
}
