//! The processes of one broker: its own port mapper and its Erlang node, both direct children with a death signal.
//!
//! The node is started with its name already given and told to start no `epmd`, because an `epmd` that Erlang starts
//! by itself is a daemon that nobody ends. `beam.smp` replaces every launcher on the way, so its pid is the child's.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use bulkhead_model::Service;
use nix::sys::signal::Signal;

use super::{call::Caller, install::Install};
use crate::{
    Child, ChildSpec, Error,
    deadlines::HELPERS_STOP,
    instance::Instance,
    private,
    process::{self, Process, all_gone},
    services::{Place, port},
};

/// The file that keeps the node's name: its data belong to that name.
pub(super) const NAME: &str = "node";

/// The folder of the broker's data.
pub(super) const DATA: &str = "data";

/// The file of the node's log.
pub(super) const LOG: &str = "rabbitmq.log";

/// The broker's processes.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) beam: Instance,
    /// The port mapper; in a container it is within.
    epmd: Option<Child>,
    dir: PathBuf,
    pub(super) caller: Caller,
}

/// Where a node keeps its things, and what it is called.
#[derive(Debug)]
pub(super) struct Home {
    /// The node's name, `bh…@localhost`.
    pub(super) name: String,
    /// The folder of the port mapper's and the node's files.
    pub(super) dir: PathBuf,
    /// The private port mapper's port.
    pub(super) epmd: u16,
}

/// How the node is started: by RabbitMQ's own script or on a prepared code path.
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
}

impl Home {
    /// Prepares the folder: a name and a cookie of the run's own, kept when a broker ran here before.
    pub(super) fn prepare(dir: &Path) -> Result<Self, Error> {
        let file = dir.join(NAME);
        let name = match fs::read_to_string(&file) {
            Ok(name) => name,
            Err(_) => {
                let name = format!("bh{}@localhost", hex::encode(rand::random::<[u8; 6]>()));
                private::write(&file, &name, 0o600)?;
                let cookie: [u8; 24] = rand::random();
                private::write(&dir.join(".erlang.cookie"), &hex::encode(cookie), 0o400)?;
                name
            }
        };
        Ok(Self { name, dir: dir.to_owned(), epmd: free_port()? })
    }

    /// What tells every program of this node where its port mapper and its cookie are.
    fn env(&self, install: &Install) -> Vec<(OsString, OsString)> {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        let mut folders = vec![install.erlang.path.clone()];
        folders.extend(std::env::split_paths(&path));
        let path = std::env::join_paths(folders).unwrap_or(path);
        vec![
            ("PATH".into(), path),
            ("HOME".into(), self.dir.clone().into()),
            ("ERL_EPMD_PORT".into(), self.epmd.to_string().into()),
            ("ERL_EPMD_ADDRESS".into(), "127.0.0.1".into()),
        ]
    }

    /// The arguments that name the node and keep it on loopback.
    pub(super) fn flags(&self) -> Vec<String> {
        let fixed = ["-start_epmd", "false", "-kernel", "inet_dist_use_interface", "{127,0,0,1}"];
        let name = [String::from("-sname"), self.name.clone()];
        name.into_iter().chain(fixed.map(String::from)).collect()
    }

    /// The broker's variables: nothing of the machine's own configuration is read.
    pub(super) fn rabbitmq_env(&self) -> Vec<(OsString, OsString)> {
        let at = |name: &str| self.dir.join(name).into_os_string();
        vec![
            ("RABBITMQ_NODENAME".into(), self.name.clone().into()),
            ("RABBITMQ_MNESIA_BASE".into(), at(DATA)),
            ("RABBITMQ_LOG_BASE".into(), at("logs")),
            ("RABBITMQ_CONFIG_FILE".into(), at("rabbitmq.config")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE".into(), at("enabled_plugins")),
            // These name files that do not exist, in place of those of a broker that the machine may run itself.
            ("RABBITMQ_ADVANCED_CONFIG_FILE".into(), at("no-advanced.config")),
            ("RABBITMQ_CONF_ENV_FILE".into(), at("no-rabbitmq-env.conf")),
        ]
    }
}

impl Node {
    /// Starts the port mapper and the node; does not wait for either.
    pub(super) fn spawn(
        install: &Install,
        place: &Place,
        home: &Home,
        launch: Launch,
    ) -> Result<Self, Error> {
        let spec =
            |program: PathBuf, args: Vec<OsString>, env: Vec<(OsString, OsString)>, log: &str| ChildSpec {
                service: Service::Rabbitmq,
                run: place.run.clone(),
                program,
                args,
                env: home.env(install).into_iter().chain(env).collect(),
                dir: home.dir.clone(),
                log: home.dir.join(log),
                user: None,
                // The broker would take its time over SIGTERM, and its data is thrown away.
                death_signal: Signal::SIGKILL,
                piped: false,
            };
        let port = home.epmd.to_string();
        let args = ["-address", "127.0.0.1", "-port", &port].map(OsString::from).to_vec();
        let epmd = spec(install.erlang.epmd.clone(), args, Vec::new(), "epmd.log").spawn()?;
        let env = home.rabbitmq_env().into_iter().chain(launch.env).collect();
        let beam = Instance::Process(spec(launch.program, launch.args, env, LOG).spawn()?);
        Ok(Self { beam, epmd: Some(epmd), dir: home.dir.clone(), caller: caller(install, place, home) })
    }

    /// A node in a container.
    pub(super) fn contained(beam: Instance, dir: PathBuf, caller: Caller) -> Self {
        Self { beam, epmd: None, dir, caller }
    }

    /// Kills node and port mapper and returns when they and the node's helpers are gone.
    pub(super) async fn stop(&mut self) {
        let Some(epmd) = &mut self.epmd else {
            self.beam.discard(Signal::SIGKILL).await;
            return;
        };
        let family = family(&self.dir);
        self.beam.stop(Signal::SIGKILL, HELPERS_STOP).await;
        epmd.stop(Signal::SIGKILL, HELPERS_STOP).await;
        // Helpers end when the pipe to the node closes.
        if !all_gone(&family, HELPERS_STOP).await {
            family.iter().for_each(|helper| helper.signal(Signal::SIGKILL));
        }
    }
}

fn caller(install: &Install, place: &Place, home: &Home) -> Caller {
    let mut env = home.env(install);
    env.push((crate::process::RUN_VARIABLE.into(), place.run.clone().into()));
    env.push(("LANG".into(), "C.UTF-8".into()));
    match &install.erlang.erl_call {
        Some(program) => Caller::erl_call(program.clone(), &home.name, env, home.dir.clone()),
        None => {
            env.extend(home.rabbitmq_env());
            Caller::rabbitmqctl(install.script("rabbitmqctl"), &home.name, env, home.dir.clone())
        }
    }
}

/// Every process whose home is this folder: the node, the port mapper and the node's helpers, orphaned ones too.
/// Empty where there is no `/proc`.
fn family(dir: &Path) -> Vec<Process> {
    let home = [b"HOME=", dir.as_os_str().as_bytes()].concat();
    let at_home = |pid: &i32| {
        let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        variables.split(|byte| *byte == 0).any(|variable| variable == home)
    };
    process::all().into_iter().flatten().filter(at_home).filter_map(Process::read).collect()
}

/// A port that nobody else is given until the broker has it.
pub(super) fn free_port() -> Result<u16, Error> {
    port::reserve().map_err(Error::serve(Service::Rabbitmq, "reserve a loopback port"))
}
