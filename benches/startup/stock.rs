//! The distribution's own broker: its own script on an empty folder, with a configuration that only says where to
//! listen. Nothing of the target's way of starting a broker is used, so that the comparison is one.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use bulkhead_target::TargetSpec;
use nix::{sys::signal::Signal, unistd::Pid};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Marks every process of one boot, the port mapper that the broker leaves behind too.
const MARK: &str = "BULKHEAD_BENCH";

/// Pause between two attempts to reach the broker.
const POLL: Duration = Duration::from_millis(5);

/// Boots the broker, with its management plugin or without any, and ends it. It is ready when it answers AMQP's first
/// line and, with the plugin, an HTTP request.
pub(crate) async fn boot(spec: &TargetSpec, management: bool) -> Result<Duration> {
    let folder = tempfile::Builder::new().prefix("bulkhead-bench-").tempdir()?;
    let dir = folder.path();
    let (amqp, http, epmd, dist) = (free_port()?, free_port()?, free_port()?, free_port()?);
    let mut config = format!("listeners.tcp.1 = 127.0.0.1:{amqp}\n");
    if management {
        config.push_str(&format!("management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {http}\n"));
    }
    std::fs::write(dir.join("rabbitmq.conf"), config)?;
    let plugins = if management { "[rabbitmq_management].\n" } else { "[].\n" };
    std::fs::write(dir.join("enabled_plugins"), plugins)?;

    let mark = dir.display().to_string();
    let mut command = tokio::process::Command::new(script(spec)?);
    command.current_dir(dir).env("HOME", dir).env(MARK, &mark);
    command
        .env("RABBITMQ_NODENAME", format!("bench{dist}@localhost"))
        .env("RABBITMQ_DIST_PORT", dist.to_string());
    command.env("RABBITMQ_MNESIA_BASE", dir.join("data")).env("RABBITMQ_LOG_BASE", dir.join("logs"));
    command.env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq.conf"));
    command.env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("enabled_plugins"));
    command.env("RABBITMQ_FEATURE_FLAGS_FILE", dir.join("feature_flags"));
    command
        .env("RABBITMQ_CONF_ENV_FILE", dir.join("none"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", dir.join("none"));
    command.env("ERL_EPMD_PORT", epmd.to_string()).env("ERL_EPMD_ADDRESS", "127.0.0.1");
    command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let _end = End(mark);
    let start = Instant::now();
    let mut child = command.spawn().context("cannot start rabbitmq-server")?;
    let deadline = start + spec.start_deadline;
    loop {
        if answers(amqp, b"AMQP\0\0\x09\x01").await
            && (!management || answers(http, b"GET / HTTP/1.0\r\n\r\n").await)
        {
            return Ok(start.elapsed());
        }
        if let Some(status) = child.try_wait()? {
            bail!("the distribution's rabbitmq-server ended by itself ({status})");
        }
        if Instant::now() > deadline {
            bail!("the distribution's rabbitmq-server is not ready after {:?}", spec.start_deadline);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Whether the port answers these bytes with any.
async fn answers(port: u16, question: &[u8]) -> bool {
    let talk = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.write_all(question).await?;
        stream.read_u8().await
    };
    tokio::time::timeout(Duration::from_secs(2), talk).await.is_ok_and(|answer| answer.is_ok())
}

/// The script that comes with RabbitMQ. Debian's command of the same name only changes the user and calls it.
fn script(spec: &TargetSpec) -> Result<PathBuf> {
    let named = spec.places.rabbitmq_home.clone().into_iter();
    let usual = ["/usr/lib/rabbitmq/lib", "/usr/local/lib", "/opt/homebrew/opt", "/usr/local/opt"];
    let inside = usual.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let homes = named.chain(inside.map(|entry| entry.path()).filter(|path| is_home(path)));
    let mut scripts = homes.map(|home| home.join("sbin/rabbitmq-server")).filter(|script| script.is_file());
    scripts.next().context("no RabbitMQ in the usual folders; BULKHEAD_RABBITMQ_HOME names another")
}

fn is_home(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rabbitmq"))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Ends every process that carries the mark when it is dropped.
struct End(String);

impl Drop for End {
    fn drop(&mut self) {
        let mark = format!("{MARK}={}", self.0);
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        for pid in pids {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            if environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
                // It may end in this very moment, which is what is wanted.
                let _gone = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}
