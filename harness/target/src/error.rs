//! What can go wrong while servers are found, started, carved up and reached.
//!
//! Variants are named by what was attempted; the cause is the source and is not repeated in the text. Hints are apart
//! from errors ([`Error::hint`]) so that one place decides how both are printed.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

use bulkhead_model::Service;

/// Any cause that a client library or the system gives.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A server that is not on this machine.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Missing {
    /// Which service it would play.
    pub service: Service,
    /// What was looked for and where, a lower-case fragment.
    pub looked: String,
}

/// A failed attempt.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Servers are missing. Nothing was started.
    #[error("{}", missing_text(.0))]
    Missing(Vec<Missing>),
    /// Servers are missing, and no container engine answers in their place. Nothing was started.
    #[error("{}\n  docker: {engine}", missing_text(.missing))]
    Neither {
        /// What is missing.
        missing: Vec<Missing>,
        /// Who was asked for containers, and why there are none.
        engine: String,
    },
    /// No container engine answers.
    #[error("no container engine answers: {why}")]
    NoEngine {
        /// What the attempt met.
        why: String,
    },
    /// An image is not here and cannot be pulled.
    #[error("{service}: could not get the image `{image}`: {why}")]
    NoImage {
        /// Which service it would play.
        service: Service,
        /// Which image.
        image: String,
        /// The variable that names another.
        variable: &'static str,
        /// What the engine said.
        why: String,
    },
    /// Nothing says which S3 server an image holds.
    #[error("s3: neither the command nor the name of the image `{image}` says which server it holds")]
    NotS3 {
        /// Which image.
        image: String,
        /// The variable that names another.
        variable: &'static str,
        /// The servers that one may hold.
        known: String,
    },
    /// An S3 server has no rules that keep tenants apart as they are to be. Nothing was started.
    #[error("s3: {product} has no rules below a bucket, which are to keep {slice} to `{tenant}` alone")]
    Unkept {
        /// Which server.
        product: &'static str,
        /// The slice.
        slice: String,
        /// Whose it is.
        tenant: String,
    },
    /// Missing servers could not be installed.
    #[error("could not install the missing servers: {why}{}", log_text(.log))]
    Install {
        /// What stopped it.
        why: String,
        /// The last lines that the package manager printed.
        log: Vec<String>,
    },
    /// Something on disk could not be made, read or removed.
    #[error("could not {doing} `{}`", path.display())]
    Disk {
        /// A verb: `create`, `copy`.
        doing: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder on the way to a server's files is closed to the user that the server must run as.
    #[error("{service}: user `{user}`, which the server must run as, may not pass `{}`", folder.display())]
    Closed {
        /// Which service.
        service: Service,
        /// The user.
        user: String,
        /// The folder.
        folder: PathBuf,
    },
    /// A server's process could not be started.
    #[error("{service}: could not start `{}`", program.display())]
    Spawn {
        /// Which service.
        service: Service,
        /// Which program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A server's process ended while it was expected to get ready or to serve.
    #[error("{service}: the server ended by itself ({status}){}", log_text(.log))]
    Exited {
        /// Which service.
        service: Service,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// A server ran but never answered.
    #[error("{service}: not ready after {waited:.1?}; last answer: {last}{}", log_text(.log))]
    NotReady {
        /// Which service.
        service: Service,
        /// How long it was given.
        waited: Duration,
        /// What the last attempt met.
        last: String,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// A ready server refused something that a slice or a client needs.
    #[error("{service}: could not {doing}")]
    Serve {
        /// Which service.
        service: Service,
        /// What was tried, naming tenant and slice: "create database `enginedb` for `engine`".
        doing: String,
        /// Why.
        source: Cause,
    },
    /// The certificates could not be made.
    #[error("could not make the throw-away certificates")]
    Certificates(#[source] rcgen::Error),
    /// Toxiproxy could not be started in a container.
    #[error("toxiproxy: could not {doing}")]
    Toxiproxy {
        /// What was tried.
        doing: String,
        /// Why.
        source: Cause,
    },
    /// The keeper could not be started or reached, or broke off.
    #[error("keeper: could not {doing}")]
    Keeper {
        /// What was tried.
        doing: String,
        /// Why.
        source: Cause,
    },
    /// The keeper could not give a lease; the text is the whole chain from over there.
    #[error("{why}")]
    Refused {
        /// What went wrong.
        why: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// The keeper answered that something went wrong over there; the text is its whole chain.
    #[error("{0}")]
    Reported(String),
}

impl Error {
    /// Wraps an I/O error with the path it was about.
    pub fn disk(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { doing, path, source }
    }

    /// Wraps a client's error with what was tried.
    pub fn serve<E: Into<Cause>>(service: Service, doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        let doing = doing.into();
        move |source| Self::Serve { service, doing, source: source.into() }
    }

    /// What to do next, when there is something better than reading the log.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Closed { folder, .. } => Some(format!(
                "let others pass (`chmod o+x {}`) or keep the files elsewhere",
                folder.display()
            )),
            Self::Refused { hint, .. } => hint.clone(),
            Self::Missing(missing) => Some(crate::backends::native::advice(missing)),
            Self::Neither { missing, .. } => Some(format!(
                "{}\nor start Docker or Podman, or name its socket in DOCKER_HOST: then the servers run in containers",
                crate::backends::native::advice(missing)
            )),
            Self::NoEngine { .. } => Some(String::from(
                "start Docker or Podman, or name its socket in DOCKER_HOST; without one, `--target native` runs the servers \
                 of this machine",
            )),
            Self::NoImage { service, variable, .. } => {
                let besides = match service {
                    Service::S3 => "; with `--s3 embedded` S3 needs none",
                    _ => "",
                };
                Some(format!("name an image that this machine has, or can pull, in {variable}{besides}"))
            }
            Self::Toxiproxy { .. } => Some(String::from(
                "it runs in a container: start Docker or Podman, or name its socket in DOCKER_HOST, and see that it has the \
                 image or can pull it, or name another in BULKHEAD_IMAGE_TOXIPROXY; `--links own` needs neither",
            )),
            Self::NotS3 { variable, known, .. } => Some(format!(
                "name an image of one of these in {variable}: {known}; with `--s3 embedded` S3 needs none"
            )),
            Self::Unkept { .. } => Some(String::from(
                "give each tenant a bucket of its own, or let it be a convention (`[services.s3]` with `enforcement = \
                 \"convention\"`), or take another server",
            )),
            Self::Install { .. } => {
                Some(String::from("run the printed script by hand, as root where it needs that"))
            }
            Self::NotReady { .. } => {
                Some(format!("on a slow machine, give it longer with {}", crate::spec::START_DEADLINE.name))
            }
            _ => None,
        }
    }

    /// The error and all its causes on one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

fn missing_text(missing: &[Missing]) -> String {
    let lines: Vec<_> = missing.iter().map(|m| format!("{}: {}", m.service, m.looked)).collect();
    format!("servers are missing\n  {}", lines.join("\n  "))
}

fn log_text(log: &[String]) -> String {
    if log.is_empty() {
        String::from("; its log is empty")
    } else {
        format!("; its log ends:\n  {}", log.join("\n  "))
    }
}
