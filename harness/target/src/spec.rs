//! What to bring up, and the environment variables that say so.
//!
//! Every variable of Bulkhead's that this room reads is declared once, in [`VARIABLES`], with a sentence on what it does.
//! A test sees that the README's table has them all.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use bulkhead_model::{Problem, Problems, Service};

use crate::{
    backends::docker::{self, Images},
    deadlines::SLICES,
    first::FirstSlices,
};

/// An environment variable and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// One sentence on it.
    pub text: &'static str,
}

/// Where PostgreSQL is.
pub const POSTGRES_BIN: Variable =
    Variable { name: "BULKHEAD_POSTGRES_BIN", text: "Folder that holds `postgres` and `initdb`." };
/// Where Redis is.
pub const REDIS_BIN: Variable =
    Variable { name: "BULKHEAD_REDIS_BIN", text: "Folder that holds `redis-server` or `valkey-server`." };
/// Where RabbitMQ is.
pub const RABBITMQ_HOME: Variable = Variable {
    name: "BULKHEAD_RABBITMQ_HOME",
    text: "RabbitMQ's home: the folder with `sbin` and `plugins`.",
};
/// Where MinIO is.
pub const MINIO_BIN: Variable =
    Variable { name: "BULKHEAD_MINIO_BIN", text: "Folder that holds `minio`, for `--s3 minio`." };
/// Whether to install what is missing.
pub const INSTALL: Variable = Variable {
    name: "BULKHEAD_INSTALL",
    text: "`1` lets Bulkhead install missing servers with apt-get, dnf or brew, after printing the command.",
};
/// How long servers stay.
pub const LINGER: Variable = Variable {
    name: "BULKHEAD_LINGER",
    text: "How long servers stay after the last process has let go of them: `0`, `500ms`, `5s` or `2m`.",
};
/// How long a server may take.
pub const START_DEADLINE: Variable = Variable {
    name: "BULKHEAD_START_DEADLINE",
    text: "How long one server may take from start to ready (60s), written as for BULKHEAD_LINGER.",
};

/// Where ready-made data folders are kept.
pub const CACHE: Variable = Variable {
    name: "BULKHEAD_CACHE",
    text: "Folder for ready-made PostgreSQL data folders, instead of `bulkhead` in the user's cache folder.",
};

/// Every variable of Bulkhead's that this room reads.
pub const VARIABLES: [Variable; 13] = {
    let [postgres, redis, rabbitmq, s3, toxiproxy] = docker::VARIABLES;
    [
        POSTGRES_BIN,
        REDIS_BIN,
        RABBITMQ_HOME,
        MINIO_BIN,
        INSTALL,
        LINGER,
        START_DEADLINE,
        CACHE,
        postgres,
        redis,
        rabbitmq,
        s3,
        toxiproxy,
    ]
};

/// The longest span that a variable may ask for: a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Which program plays S3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum S3Kind {
    /// The server inside this binary.
    #[default]
    Embedded,
    /// A server that nobody here wrote: a `minio` binary from PATH, or whichever an image holds.
    Minio,
}

/// A request for stand-ins. Two processes that ask for the same thing share one set of servers.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct TargetSpec {
    /// The images that servers run from; none when they are processes of this machine.
    pub images: Option<Images>,
    /// Which program plays S3.
    pub s3: S3Kind,
    /// Where to look for servers first; from the variables that name folders.
    pub places: Places,
    /// The set's name. Processes with different names never share servers; `None` is the common set.
    pub name: Option<String>,
    /// How long the servers outlive the last lease. Zero for one-shot commands, seconds for test processes.
    pub linger: Duration,
    /// The longest that one server may take from start to ready.
    pub start_deadline: Duration,
    /// The longest that one server may take to make or to remove slices.
    pub slice_deadline: Duration,
    /// The executable that can act as keeper, janitor and embedded S3: `bulkhead` itself.
    pub executable: PathBuf,
    /// Whether missing servers may be installed.
    pub install: bool,
    /// The folder below which the run's folder is made.
    pub temp: PathBuf,
    /// Ports to use instead of those that the kernel picks. Tests use it to take a port first.
    pub ports: Vec<(Service, u16)>,
    /// Slices that are there once the servers are, where this call starts them. Whoever joins ignores it.
    pub first: Option<FirstSlices>,
    /// Slices that will be asked for later: a server that cannot keep them apart as they say is not started.
    pub later: Option<FirstSlices>,
}

/// Folders that people name themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Places {
    /// Folder that holds `postgres` and `initdb`.
    pub postgres_bin: Option<PathBuf>,
    /// Folder that holds `redis-server` or `valkey-server`.
    pub redis_bin: Option<PathBuf>,
    /// RabbitMQ's home: the folder with `sbin/` and `plugins/`.
    pub rabbitmq_home: Option<PathBuf>,
    /// Folder that holds `minio`.
    pub minio_bin: Option<PathBuf>,
}

impl TargetSpec {
    /// The common set as this process's environment asks for it, without linger unless the environment sets one.
    ///
    /// # Errors
    /// Every variable whose value cannot be understood.
    pub fn from_env(executable: impl Into<PathBuf>) -> Result<Self, Problems> {
        Self::from_variables(executable.into(), |variable| std::env::var_os(variable.name))
    }

    /// The same in containers of the images that the variables name. Where the server inside this binary is asked for, no
    /// image plays S3.
    #[must_use]
    pub fn in_containers(self, s3: Option<S3Kind>, read: impl Fn(Variable) -> Option<OsString>) -> Self {
        let images = Images::read(|variable| read(variable).filter(|value| !value.is_empty()));
        match s3 {
            Some(S3Kind::Embedded) => {
                Self { images: Some(images.without(Service::S3)), s3: S3Kind::Embedded, ..self }
            }
            None | Some(S3Kind::Minio) => Self { images: Some(images), s3: S3Kind::Minio, ..self },
        }
    }

    /// Where the servers are, as `--target` names it.
    pub fn target(&self) -> &'static str {
        if self.images.is_some() { "docker" } else { "native" }
    }

    /// The same where the variables are somebody else's.
    ///
    /// # Errors
    /// As there.
    pub fn from_variables(
        executable: PathBuf,
        read: impl Fn(Variable) -> Option<OsString>,
    ) -> Result<Self, Problems> {
        let read = |variable| read(variable).filter(|value| !value.is_empty());
        let mut problems = Vec::new();
        let mut span =
            |variable: Variable, otherwise| match read(variable).map(|v| span(&v.to_string_lossy())) {
                None => otherwise,
                Some(Ok(span)) => span,
                Some(Err(what)) => {
                    problems.push(Problem::new(variable.name, what).hint("write `0`, `500ms`, `5s` or `2m`"));
                    otherwise
                }
            };
        let linger = span(LINGER, Duration::ZERO);
        let start_deadline = span(START_DEADLINE, Duration::from_secs(60));
        let install = match read(INSTALL).map(|value| value.to_string_lossy().into_owned()).as_deref() {
            None | Some("0") => false,
            Some("1") => true,
            Some(other) => {
                let what = format!("`{other}` is neither `0` nor `1`");
                problems.push(Problem::new(INSTALL.name, what));
                false
            }
        };
        let places = Places {
            postgres_bin: read(POSTGRES_BIN).map(PathBuf::from),
            redis_bin: read(REDIS_BIN).map(PathBuf::from),
            rabbitmq_home: read(RABBITMQ_HOME).map(PathBuf::from),
            minio_bin: read(MINIO_BIN).map(PathBuf::from),
        };
        let spec = Self {
            images: None,
            s3: S3Kind::default(),
            places,
            name: None,
            linger,
            start_deadline,
            slice_deadline: SLICES,
            executable,
            install,
            temp: std::env::temp_dir(),
            ports: Vec::new(),
            first: None,
            later: None,
        };
        Problems::unless(problems, spec)
    }
}

/// Reads `0`, `500ms`, `5s`, `2m`, or a bare number of seconds.
fn span(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let not_understood = || format!("`{text}` is not a span of time");
    let number: u64 = number.parse().map_err(|_| not_understood())?;
    let span = match unit {
        "ms" => Duration::from_millis(number),
        "" | "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err(not_understood()),
    };
    if span > LONGEST { Err(format!("`{text}` is longer than a day")) } else { Ok(span) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(Variable, &str)]) -> Result<TargetSpec, Problems> {
        TargetSpec::from_variables(PathBuf::from("/bin/bulkhead"), |wanted| {
            pairs.iter().find(|(variable, _)| *variable == wanted).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn an_empty_environment_asks_for_the_defaults() {
        let spec = read(&[]).unwrap();
        assert_eq!(
            (spec.linger, spec.start_deadline, spec.install),
            (Duration::ZERO, Duration::from_secs(60), false)
        );
        assert_eq!(spec.places, Places::default());
    }

    #[test]
    fn every_variable_is_read() {
        let spec = read(&[
            (POSTGRES_BIN, "/pg"),
            (REDIS_BIN, "/redis"),
            (RABBITMQ_HOME, "/rabbit"),
            (MINIO_BIN, "/minio"),
            (INSTALL, "1"),
            (LINGER, "500ms"),
            (START_DEADLINE, "2m"),
        ]);
        let spec = spec.unwrap();
        assert_eq!(
            (spec.linger, spec.start_deadline),
            (Duration::from_millis(500), Duration::from_secs(120))
        );
        assert!(spec.install);
        assert_eq!(spec.places.postgres_bin, Some(PathBuf::from("/pg")));
        assert_eq!(spec.places.redis_bin, Some(PathBuf::from("/redis")));
        assert_eq!(spec.places.rabbitmq_home, Some(PathBuf::from("/rabbit")));
        assert_eq!(spec.places.minio_bin, Some(PathBuf::from("/minio")));
    }

    #[test]
    fn what_cannot_be_understood_is_refused_all_at_once() {
        let problems = read(&[(LINGER, "soon"), (START_DEADLINE, "99999m"), (INSTALL, "yes")]).unwrap_err();
        let places: Vec<_> = problems.iter().map(|problem| problem.place.as_str()).collect();
        assert_eq!(places, ["BULKHEAD_LINGER", "BULKHEAD_START_DEADLINE", "BULKHEAD_INSTALL"]);
    }
}
