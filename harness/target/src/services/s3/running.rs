//! The parent's side of the embedded server: starts it, talks to it over its pipes, ends it.

use std::{
    ffi::OsString,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bulkhead_model::{Enforcement, S3Slice, Secret, Service, Tenant, report::ServerReport, url::S3Access};
use nix::{sys::signal::Signal, unistd::Pid};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{ChildStdin, ChildStdout},
};

use super::{
    control::{Answered, Asked, Command, Hello, Key, Options, Reply, Slice, Start},
    embedded::KeyGrant,
    keymaker,
};
use crate::{
    Child, ChildSpec, Error, ServiceFault, TargetSpec,
    deadlines::SERVER_STOPS,
    private,
    services::{Access, Place, Running},
};

/// The longest that the running server may take over a request of ours.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running embedded server.
#[derive(Debug)]
pub struct Embedded {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    asked: u64,
    port: u16,
    startup: Duration,
    origin: Origin,
}

/// What the server was started from.
#[derive(Clone, Debug)]
struct Origin {
    spec: TargetSpec,
    place: Place,
    options: Options,
}

impl Embedded {
    /// Starts the server in `place` and waits until it serves. A folder that an earlier one worked in is taken up with
    /// everything in it: objects, buckets and keys.
    ///
    /// # Errors
    /// With the end of the server's log.
    pub async fn start(spec: &TargetSpec, place: &Place, options: Options) -> Result<Self, Error> {
        let begun = Instant::now();
        let identity = place.authority.identity("s3", &place.dir)?;
        let data = place.dir.join("data");
        private::folder(&data)?;
        let mut child = ChildSpec {
            service: Service::S3,
            run: place.run.clone(),
            program: spec.executable.clone(),
            args: vec![OsString::from("__s3")],
            env: Vec::new(),
            dir: place.dir.clone(),
            log: place.dir.join("s3.log"),
            user: None,
            death_signal: Signal::SIGKILL,
            piped: true,
        }
        .spawn()?;
        let Some((input, output)) = child.pipes() else { return Err(broken("open its pipes")) };
        let output = BufReader::new(output).lines();
        let origin = Origin { spec: spec.clone(), place: place.clone(), options: options.clone() };
        let mut server = Self { child, input, output, asked: 0, port: 0, startup: Duration::ZERO, origin };
        let start =
            Start { data, cert: identity.cert, key: identity.key, port: place.port.unwrap_or(0), options };
        server.send(&start).await?;
        let hello: Hello = server.receive(place.deadline).await?;
        server.port = hello.port;
        server.startup = begun.elapsed();
        Ok(server)
    }

    /// Makes a key of one's own choosing. For tests and controls: tenants get theirs from [`Running::provision`].
    ///
    /// It goes with the slice of `bucket` and the grant's prefix.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn add_key(&mut self, bucket: &str, grant: KeyGrant) -> Result<S3Access, Error> {
        let slice = Slice { bucket: bucket.to_owned(), prefix: grant.prefix.clone() };
        let key = Key {
            id: keymaker::id(),
            secret: keymaker::secret(),
            grants: vec![grant],
            slice,
            revoked: false,
        };
        let access = self.access(&key);
        self.ask(Command::Provision { buckets: vec![bucket.to_owned()], keys: vec![key] }, "add a key")
            .await?;
        Ok(access)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id.
    pub fn pid(&self) -> nix::unistd::Pid {
        self.child.pid()
    }

    fn access(&self, key: &Key) -> S3Access {
        S3Access {
            endpoint: format!("https://127.0.0.1:{}", self.port),
            access_key_id: key.id.clone(),
            secret_access_key: Secret::clone(&key.secret),
            bucket: key.slice.bucket.clone(),
        }
    }

    /// Has the server do it; for a fault that ended, how many requests it touched.
    async fn ask(&mut self, command: Command, doing: &str) -> Result<u64, Error> {
        self.asked += 1;
        let number = self.asked;
        self.send(&Asked { number, command }).await?;
        loop {
            let answered: Answered = self.receive(PATIENCE).await?;
            if answered.number == number {
                return match answered.reply {
                    Reply::Done => Ok(0),
                    Reply::Touched(requests) => Ok(requests),
                    Reply::Refused(reason) => Err(Error::serve(Service::S3, doing)(reason)),
                };
            }
        }
    }

    async fn send(&mut self, message: &impl Serialize) -> Result<(), Error> {
        let mut line =
            serde_json::to_vec(message).map_err(Error::serve(Service::S3, "write to the server"))?;
        line.push(b'\n');
        match tokio::time::timeout(PATIENCE, self.input.write_all(&line)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.ended().await),
            Err(_) => Err(self.silent(PATIENCE)),
        }
    }

    async fn receive<T: DeserializeOwned>(&mut self, patience: Duration) -> Result<T, Error> {
        match tokio::time::timeout(patience, self.output.next_line()).await {
            Ok(Ok(Some(line))) => {
                serde_json::from_str(&line).map_err(Error::serve(Service::S3, "read the server's answer"))
            }
            Ok(_) => Err(self.ended().await),
            Err(_) => Err(self.silent(patience)),
        }
    }

    /// The error for pipes that broke: the process ended, or is about to.
    async fn ended(&mut self) -> Error {
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) => self.child.ended(status),
            _ => broken("talk to it: it closed its pipes and goes on running"),
        }
    }

    fn silent(&self, waited: Duration) -> Error {
        let last = String::from("it says nothing on its pipe");
        Error::NotReady { service: Service::S3, waited, last, log: self.child.log_tail(20) }
    }
}

#[async_trait]
impl Running for Embedded {
    fn report(&self) -> ServerReport {
        ServerReport {
            service: Service::S3,
            product: String::from("embedded"),
            version: String::from(env!("CARGO_PKG_VERSION")),
            startup_ms: u64::try_from(self.startup.as_millis()).unwrap_or(u64::MAX),
        }
    }

    async fn provision(
        &mut self,
        tenants: &[Tenant],
        enforcement: Enforcement,
    ) -> Result<Vec<Access>, Error> {
        let mut buckets: Vec<_> = tenants.iter().map(|tenant| tenant.slices.s3.bucket.clone()).collect();
        buckets.sort();
        buckets.dedup();
        let make = |tenant: &Tenant| keymaker::make(&tenant.slices.s3, &buckets, enforcement);
        let keys: Vec<_> = tenants.iter().map(make).collect();
        let accesses = keys.iter().map(|key| Access::S3(self.access(key))).collect();
        let doing = format!("make {}", described(tenants));
        self.ask(Command::Provision { buckets, keys }, &doing).await?;
        Ok(accesses)
    }

    async fn remove(&mut self, tenants: &[Tenant]) -> Result<(), Error> {
        let slices = tenants.iter().map(|tenant| slice(&tenant.slices.s3)).collect();
        self.ask(Command::Remove { slices }, &format!("remove {}", described(tenants))).await.map(drop)
    }

    /// The statement is JSON: `{"key": "…", "grant": {"buckets": ["…"], "prefix": "", "capabilities": ["readFiles"]}}`
    /// lets the key do that as well.
    async fn administer(&mut self, statement: &str) -> Result<String, Error> {
        let doing = "widen a key as administrator";
        let widening = serde_json::from_str(statement).map_err(Error::serve(Service::S3, doing))?;
        self.ask(Command::Widen(widening), doing).await?;
        Ok(String::from("done"))
    }

    async fn inflict(&mut self, fault: ServiceFault, tenant: &Tenant, begins: bool) -> Result<u64, Error> {
        let doing = format!("begin or undo {fault:?} for tenant `{}`", tenant.name);
        self.ask(Command::Fault { slice: slice(&tenant.slices.s3), fault, begins }, &doing).await
    }

    async fn pause(&mut self, paused: bool) -> Result<(), Error> {
        self.child.pause(paused).map_err(Error::serve(Service::S3, "pause the server, or let it go on"))
    }

    /// It has no order in which to end: what it acknowledged is on the disk.
    async fn halt(&mut self, _in_good_order: bool) -> Result<(), Error> {
        self.child.kill().await.map_err(Error::serve(Service::S3, "kill the server"))
    }

    async fn start_again(&mut self) -> Result<(), Error> {
        let Origin { spec, place, options } = self.origin.clone();
        let place = Place { port: Some(self.port), ..place };
        let startup = self.startup;
        *self = Self { startup, ..Self::start(&spec, &place, options).await? };
        Ok(())
    }

    fn pid(&self) -> Option<Pid> {
        Some(self.child.pid())
    }

    fn exited(&mut self) -> Option<Error> {
        self.child.end()
    }

    fn log_tail(&self, lines: usize) -> Vec<String> {
        self.child.log_tail(lines)
    }

    async fn stop(&mut self) {
        // It has nothing to put away: what it acknowledged is on the disk, and the disk is thrown away.
        self.child.stop(Signal::SIGKILL, SERVER_STOPS).await;
    }
}

fn slice(slice: &S3Slice) -> Slice {
    Slice { bucket: slice.bucket.clone(), prefix: slice.prefix.clone().unwrap_or_default() }
}

fn described(tenants: &[Tenant]) -> String {
    let each = |tenant: &Tenant| format!("{} for `{}`", tenant.slices.s3, tenant.name);
    tenants.iter().map(each).collect::<Vec<_>>().join(", ")
}

fn broken(doing: &str) -> Error {
    Error::serve(Service::S3, doing)(std::io::Error::from(std::io::ErrorKind::BrokenPipe))
}
