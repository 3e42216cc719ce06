//! Finding RabbitMQ and the Erlang it runs on. Looks only: it starts nothing and writes nothing.

use std::path::{Path, PathBuf};

use bulkhead_model::Service;

use crate::{Missing, TargetSpec, services::locate};

/// Where packages put RabbitMQ's home, besides Debian's folder that carries the version in its name.
const HOMES: [&str; 5] = [
    "/opt/rabbitmq",
    "/home/linuxbrew/.linuxbrew/opt/rabbitmq",
    "/opt/homebrew/opt/rabbitmq",
    "/usr/local/opt/rabbitmq",
    "/usr/local/lib/rabbitmq",
];

/// Debian's and Fedora's folder of versioned homes.
const VERSIONED_HOMES: [&str; 2] = ["/usr/lib/rabbitmq/lib", "/usr/lib64/rabbitmq/lib"];

/// Where `erl` is when it is not on PATH.
const ERLANG_BINS: [&str; 7] = [
    "/usr/bin",
    "/usr/lib/erlang/bin",
    "/usr/lib64/erlang/bin",
    "/usr/local/lib/erlang/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/opt/homebrew/bin",
    "/usr/local/bin",
];

/// A broker and its Erlang, both on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Install {
    /// The folder with `sbin/` and `plugins/`.
    pub(super) home: PathBuf,
    /// The version that the plugins folder carries.
    pub(super) version: String,
    /// The broker's Erlang.
    pub(super) erlang: Erlang,
}

/// An Erlang installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Erlang {
    /// The folder of `erl`, for PATH.
    pub(super) path: PathBuf,
    /// `ROOTDIR`: the folder with `lib/` and `releases/`.
    pub(super) root: PathBuf,
    /// `BINDIR`: the runtime's own folder with `erlexec` and `beam.smp`.
    pub(super) bin: PathBuf,
    /// The port mapper.
    pub(super) epmd: PathBuf,
    /// Evaluates an expression on a running node in milliseconds; packages may leave it out.
    pub(super) erl_call: Option<PathBuf>,
}

impl Install {
    /// Looks where the user said, else in the usual places.
    pub(super) fn find(spec: &TargetSpec) -> Result<Self, Missing> {
        let missing = |looked: String| Missing { service: Service::Rabbitmq, looked };
        let home = match &spec.places.rabbitmq_home {
            Some(home) if is_home(home) => home.clone(),
            Some(home) => {
                let home = home.display();
                return Err(missing(format!("no `sbin/rabbitmq-server` beside `plugins` in `{home}`")));
            }
            None => usual_home().ok_or_else(|| {
                let mut places = VERSIONED_HOMES.map(|place| format!("{place}/rabbitmq_server-*")).to_vec();
                places.extend(HOMES.map(String::from));
                missing(format!("no `rabbitmq-server` on PATH or in {}", places.join(", ")))
            })?,
        };
        let version = version(&home)
            .ok_or_else(|| missing(format!("no `rabbit-VERSION` in `{}`", home.join("plugins").display())))?;
        let erlang = Erlang::find().ok_or_else(|| {
            missing(format!(
                "`{}` needs Erlang, and no `erl` with `erlexec` and `epmd` is on PATH",
                home.display()
            ))
        })?;
        Ok(Self { home, version, erlang })
    }

    /// A script of RabbitMQ's own.
    pub(super) fn script(&self, name: &str) -> PathBuf {
        self.home.join("sbin").join(name)
    }
}

impl Erlang {
    fn find() -> Option<Self> {
        locate::program(&["erl"], None, &ERLANG_BINS).and_then(|erl| Self::at(&erl))
    }

    /// The installation that an `erl` script starts: the same variables as the script computes.
    fn at(erl: &Path) -> Option<Self> {
        let real = erl.canonicalize().ok()?;
        let root = real.parent()?.parent()?.to_owned();
        let script = std::fs::read_to_string(&real).ok()?;
        let named = script.split(['/', '"', '\n']).find(|part| part.starts_with("erts-"))?;
        let bin = root.join(named).join("bin");
        let epmd = bin.join("epmd");
        let calls = [bin.join("erl_call"), root.join("bin/erl_call"), erl.with_file_name("erl_call")];
        let whole = bin.join("erlexec").is_file() && epmd.is_file();
        whole.then(|| Self {
            path: erl.parent().unwrap_or(&root).to_owned(),
            erl_call: calls.into_iter().find(|call| call.is_file()).or_else(|| interface_call(&root)),
            root,
            bin,
            epmd,
        })
    }
}

/// `erl_call` in the `erl_interface` library's folder.
fn interface_call(root: &Path) -> Option<PathBuf> {
    let libraries = entries(&root.join("lib"));
    let interface = libraries.into_iter().filter(|path| file_name(path).starts_with("erl_interface-"));
    interface.map(|path| path.join("bin/erl_call")).find(|call| call.is_file())
}

fn usual_home() -> Option<PathBuf> {
    let mut versioned: Vec<_> = VERSIONED_HOMES.iter().flat_map(|place| entries(Path::new(place))).collect();
    versioned.retain(|path| file_name(path).starts_with("rabbitmq_server-"));
    versioned.sort_by_key(|path| numbers(&file_name(path)));
    let fixed = HOMES.iter().map(PathBuf::from);
    // A generic archive's `sbin` is put on PATH, and package managers link to it.
    let linked = locate::program(&["rabbitmq-server"], None, &[]);
    let linked = linked.and_then(|script| Some(script.canonicalize().ok()?.parent()?.parent()?.to_owned()));
    versioned.into_iter().rev().chain(fixed).chain(linked).find(|home| is_home(home))
}

fn is_home(home: &Path) -> bool {
    home.join("sbin/rabbitmq-server").is_file() && home.join("plugins").is_dir()
}

/// The version in the name of the broker's own plugin folder, `rabbit-3.10.8`.
fn version(home: &Path) -> Option<String> {
    entries(&home.join("plugins")).iter().find_map(|path| {
        let version = file_name(path).strip_prefix("rabbit-")?.trim_end_matches(".ez").to_owned();
        version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
    })
}

/// The runs of digits in a text, so that 3.13 comes after 3.9.
pub(super) fn numbers(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|run| run.parse().ok()).collect()
}

/// A folder's entries in the order of their names; none when it cannot be read.
pub(super) fn entries(dir: &Path) -> Vec<PathBuf> {
    let read = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<_> = read.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(dir: &Path, version: &str) -> PathBuf {
        let home = dir.join(format!("rabbitmq_server-{version}"));
        std::fs::create_dir_all(home.join("sbin")).unwrap();
        std::fs::write(home.join("sbin/rabbitmq-server"), "").unwrap();
        std::fs::create_dir_all(home.join(format!("plugins/rabbit-{version}"))).unwrap();
        std::fs::create_dir_all(home.join("plugins/rabbit_common-9.9.9")).unwrap();
        home
    }

    #[test]
    fn the_version_is_that_of_the_broker_itself() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(version(&home(dir.path(), "4.0.5")).as_deref(), Some("4.0.5"));
        assert_eq!(version(dir.path()), None);
    }

    #[test]
    fn versions_are_ordered_by_number() {
        assert!(numbers("rabbitmq_server-3.13.1") > numbers("rabbitmq_server-3.9.12"));
    }

    #[test]
    fn erl_is_followed_to_its_runtime() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("erlang");
        std::fs::create_dir_all(root.join("bin")).unwrap();
        std::fs::create_dir_all(root.join("erts-13.1/bin")).unwrap();
        std::fs::write(root.join("bin/erl"), "ROOTDIR=/x\nBINDIR=\"$ROOTDIR/erts-13.1/bin\"\n").unwrap();
        assert_eq!(Erlang::at(&root.join("bin/erl")), None, "no erlexec yet");
        for program in ["erlexec", "epmd"] {
            std::fs::write(root.join("erts-13.1/bin").join(program), "").unwrap();
        }
        let erlang = Erlang::at(&root.join("bin/erl")).unwrap();
        assert_eq!((erlang.root, erlang.erl_call), (root.clone(), None));
        assert_eq!(erlang.bin, root.join("erts-13.1/bin"));
    }
}
