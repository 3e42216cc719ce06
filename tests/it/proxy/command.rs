//! `bulkhead proxy` as a program: Toxiproxy's flags in Toxiproxy's spelling, its log lines, its configuration file, and
//! its end.

use std::{fs, path::Path, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// Only a hang reaches it.
const CAP: Duration = Duration::from_secs(60);

/// The command while it runs. It ends when this is dropped.
pub(super) struct Proxy {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Proxy {
    pub(super) fn start(arguments: &[&str], level: Option<&str>) -> Self {
        let arguments = [&["proxy"], arguments].concat();
        Self::of(Path::new(env!("CARGO_BIN_EXE_bulkhead")), &arguments, level)
    }

    /// Any program with the same flags and log.
    pub(super) fn of(program: &Path, arguments: &[&str], level: Option<&str>) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        command.env_remove("LOG_LEVEL").envs(level.map(|level| ("LOG_LEVEL", level)));
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The next line that says this.
    pub(super) async fn line(&mut self, message: &str) -> Value {
        let find = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                let line: Value = serde_json::from_str(&line).unwrap();
                if line["message"] == message {
                    return line;
                }
            }
            panic!("the log ended without {message:?}");
        };
        timeout(CAP, find).await.unwrap()
    }

    pub(super) async fn api(&mut self) -> String {
        let line = self.line("Starting Toxiproxy HTTP server").await;
        line["address"].as_str().unwrap().to_owned()
    }

    /// Ends it and gives its exit code and what else it logged.
    pub(super) async fn end(mut self, signal: Signal) -> (Option<i32>, Vec<String>) {
        let pid = Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap());
        kill(pid, signal).unwrap();
        let mut rest = Vec::new();
        while let Some(line) = timeout(CAP, self.lines.next_line()).await.unwrap().unwrap() {
            rest.push(line);
        }
        let status = timeout(CAP, self.child.wait()).await.unwrap().unwrap();
        (status.code(), rest)
    }
}

pub(super) async fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(CAP, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn flags_are_taken_in_toxiproxys_spelling_and_the_log_says_which_port_was_free() {
    let spelled = ["-host=127.0.0.1", "-port", "0", "-seed", "42", "-proxy-metrics=T", "-runtime-metrics=0"];
    let mut proxy = Proxy::start(&spelled, None);
    let first = proxy.lines.next_line().await.unwrap().unwrap();
    let begins = r#"{"level":"info","version":"2.12.0","seed":42,"caller":""#;
    assert!(first.starts_with(begins) && first.ends_with(r#","message":"Starting Toxiproxy"}"#), "{first}");
    let address = proxy.api().await;
    assert!(get(&address, "/x/seed").await.ends_with(r#"{"seed":42}"#));
    let metrics = get(&address, "/metrics").await;
    assert!(
        metrics.contains("toxiproxy_proxy_received_bytes_total") && !metrics.contains("uptime"),
        "{metrics}"
    );
    let (code, rest) = proxy.end(Signal::SIGTERM).await;
    assert_eq!(code, Some(0));
    assert!(rest.iter().any(|line| line.contains(r#""status":200"#)), "{rest:?}");
    assert!(rest.last().unwrap().contains("Shutdown started"), "{rest:?}");
}

#[tokio::test]
async fn a_config_file_is_obeyed_and_a_bad_or_missing_one_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxies.json");
    let path = file.to_str().unwrap();
    let arguments = ["--port", "0", "--config", path];

    let mut missing = Proxy::start(&arguments, None);
    assert_eq!(missing.line("Error reading config file").await["level"], "error");
    let address = missing.api().await;
    // Nobody asked for more than this machine.
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    assert!(get(&address, "/proxies").await.ends_with("{}"));

    fs::write(&file, r#"[{"name":"a","upstream":"x:1"},{"name":"b"}]"#).unwrap();
    let mut bad = Proxy::start(&arguments, None);
    let error = bad.line("Failed to populate proxies from file").await;
    assert_eq!(error["error"], "missing required field: upstream at proxy 2");
    assert!(get(&bad.api().await, "/proxies").await.ends_with("{}"));

    let toxic = r#"{"type":"latency","attributes":{"latency":9},"trigger":{"after_bytes":5}}"#;
    let good = format!(r#"[{{"name":"a","upstream":"x:1","enabled":false,"toxics":[{toxic}]}}]"#);
    fs::write(&file, good).unwrap();
    let mut good = Proxy::start(&arguments, None);
    assert_eq!(good.line("Populated proxies from file").await["proxies"], 1);
    let shown = get(&good.api().await, "/proxies/a").await;
    assert!(shown.contains(r#""latency":9"#) && shown.contains(r#""after_bytes":5"#), "{shown}");
    assert_eq!(good.end(Signal::SIGINT).await.0, Some(0));
}

#[tokio::test]
async fn log_level_is_obeyed() {
    let mut proxy = Proxy::start(&["-port", "0", "-host", "127.0.0.1"], Some("info"));
    let address = proxy.api().await;
    get(&address, "/version").await;
    let (code, rest) = proxy.end(Signal::SIGTERM).await;
    assert_eq!((code, rest.len()), (Some(0), 1), "{rest:?}");
}

#[tokio::test]
async fn a_port_that_is_taken_and_a_flag_that_does_not_exist_are_said_at_once() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        let output = command.arg("proxy").args(arguments).env("LOG_LEVEL", "panic").output();
        let output = timeout(CAP, output).await.unwrap().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, text) = run(&["-host", "127.0.0.1", "-port", &port]).await;
    assert!(code != Some(0) && text.contains("cannot listen on 127.0.0.1:"), "{code:?} {text}");
    let (code, text) = run(&["-host", "127.0.0.1", "-port", "no-such-service"]).await;
    assert!(code != Some(0) && text.contains("lookup tcp/no-such-service: unknown port"), "{code:?} {text}");
    let (code, text) = run(&["-prot", "1"]).await;
    assert_eq!(code, Some(64), "{text}");
    let (code, text) = run(&["-version"]).await;
    assert_eq!((code, text.as_str()), (Some(0), "toxiproxy-server version 2.12.0\n"));
}
