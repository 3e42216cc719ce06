//! Clients of Toxiproxy's that nobody here wrote, unchanged, on `bulkhead proxy`: what their programs in `tests/clients`
//! see, and the official command line.
//!
//! Where the genuine server is on the machine the same programs run on it first, which shows what they prove.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tokio::{net::TcpStream, process::Command, time::timeout};

use super::{
    super::{
        clients::{Language, Room},
        tools::{bring, skipped, succeed as at_once},
    },
    echo::{Echo, HELLO, echoed},
    server::{Server, find, genuine},
};

/// The longest that one program may take; building one is not in it.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The longest that a build of a program and its packages may take.
const BUILD: Duration = Duration::from_secs(900);

pub(super) const OURS: &str = "bulkhead proxy";

/// What every client can add; most can add more.
const KINDS: [&str; 6] = ["latency", "bandwidth", "slow_close", "slicer", "limit_data", "timeout"];

/// The servers that a client is run on, ours last.
pub(super) async fn servers() -> Vec<(&'static str, Server)> {
    let mut servers = Vec::new();
    if let Ok(program) = genuine() {
        servers.push(("the genuine server", Server::genuine(&program).await));
    }
    servers.push((OURS, Server::ours(&[]).await));
    servers
}

/// What a program printed must say that all went as expected, with every toxic.
fn holds(line: &Value, text: &str, on: &str) {
    assert_eq!(line["ok"], Value::Bool(true), "on {on}: {text}");
    let toxics = line["toxics"].as_array().unwrap();
    assert!(toxics.len() >= KINDS.len(), "on {on}: {text}");
}

/// On the tape of ours: that the faults which the client asked for bit.
async fn bit(server: &mut Server, on: &str) {
    if on == OURS {
        let tape = server.ask("GET", "/x/tape", "").await.body;
        for effect in ["delayed", "closed"] {
            assert!(tape.contains(&format!(r#""effect":"{effect}""#)), "nothing was {effect}: {tape}");
        }
    }
}

async fn scripted(language: Language, program: &str) {
    let room = match Room::open(language) {
        Ok(room) => room,
        Err(reason) => return skipped(&reason),
    };
    for (on, mut server) in servers().await {
        let echo = Echo::new().await;
        let variables = [("TOXIPROXY_URL".to_owned(), format!("http://{}", server.api))];
        let said = room.run(program, std::slice::from_ref(&echo.address), &variables).await;
        holds(&said.line, &said.text, on);
        assert_eq!(said.code, Some(0));
        bit(&mut server, on).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn toxiproxy_python_works() {
    scripted(Language::Python, "toxiproxy_faults.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chaostoolkit_toxiproxy_works() {
    scripted(Language::Python, "chaostoolkit_faults.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn toxiproxy_node_client_works() {
    scripted(Language::Node, "toxiproxy-faults.mjs").await;
}

/// Runs a built program on every server.
async fn built(program: &Path, arguments: &[&str]) {
    for (on, mut server) in servers().await {
        let echo = Echo::new().await;
        let mut command = Command::new(program);
        command.args(arguments).arg(&echo.address).env("TOXIPROXY_URL", format!("http://{}", server.api));
        let output = timeout(PATIENCE, command.stdin(Stdio::null()).kill_on_drop(true).output()).await;
        let output = output.expect("a program ends").unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        holds(&serde_json::from_slice(&output.stdout).unwrap_or_default(), &text, on);
        assert!(output.status.success());
        bit(&mut server, on).await;
    }
}

/// The folder that a program's build and its results lie in, and the folder of its source.
pub(super) fn places(language: &str) -> (PathBuf, PathBuf) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(language);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(language);
    std::fs::create_dir_all(&folder).unwrap();
    (source, folder)
}

/// Runs a tool to its end; what it wrote when it failed.
pub(super) async fn succeed(command: &mut Command) -> Result<(), String> {
    let output = timeout(BUILD, command.stdin(Stdio::null()).kill_on_drop(true).output()).await;
    let output = output.expect("a build ends").map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// That there is what both crates are built with, or what is missing.
pub(super) fn openssl() -> Result<(), String> {
    let packages = ["gcc", "libc6-dev", "libssl-dev", "pkg-config"];
    let headers = || at_once(std::process::Command::new("pkg-config").args(["--exists", "openssl"]));
    bring(&packages, headers).map(drop)
}

/// Builds a cargo project of its own, since both crates bring OpenSSL; the folder of what it built.
pub(super) async fn cargo_built(project: &Path) -> Result<PathBuf, String> {
    let (_, folder) = places("rust");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(project.join("Cargo.toml"));
    // What cargo set for this test is not meant for another project.
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.to_string_lossy().starts_with("CARGO_PKG_")) {
        cargo.env_remove(name);
    }
    succeed(cargo.env("CARGO_TARGET_DIR", &folder)).await?;
    Ok(folder.join("debug"))
}

/// Two crates in one program.
#[tokio::test(flavor = "multi_thread")]
async fn the_rust_crates_work() {
    if let Err(reason) = openssl() {
        return skipped(&reason);
    }
    let folder = cargo_built(&places("rust").0).await.unwrap_or_else(|error| panic!("{error}"));
    for name in ["toxiproxy_rust", "noxious-client"] {
        built(&folder.join("bulkhead-clients"), &[name]).await;
    }
}

/// That there is Go, or how to get it.
pub(super) async fn go() -> Result<(), String> {
    let version = succeed(Command::new("go").arg("version")).await;
    version.map_err(|_| "no Go; `apt-get install golang-go` or go.dev/dl brings it".to_owned())
}

/// Builds a Go program.
pub(super) async fn go_built(source: &Path, program: &Path) -> Result<(), String> {
    let mut go = Command::new("go");
    succeed(go.args(["build", "-o"]).arg(program).arg(".").current_dir(source)).await
}

/// Toxiproxy's own client.
#[tokio::test(flavor = "multi_thread")]
async fn the_go_client_works() {
    if let Err(reason) = go().await {
        return skipped(&reason);
    }
    let (source, folder) = places("go");
    let program = folder.join("toxiproxy-faults");
    go_built(&source, &program).await.unwrap_or_else(|error| panic!("{error}"));
    built(&program, &[]).await;
}

/// Toxiproxy's own command line, as its README shows it.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_works() {
    let cli = match find("BULKHEAD_TOXIPROXY_CLI", "toxiproxy-cli", "cli") {
        Ok(cli) => cli,
        Err(reason) => return skipped(&reason),
    };
    for (on, server) in servers().await {
        let echo = Echo::new().await;
        let url = format!("http://{}", server.api);
        let run = async |line: &str| {
            let mut command = Command::new(&cli);
            command.args(line.split(' ')).env("TOXIPROXY_URL", &url).stdin(Stdio::null());
            let output = timeout(PATIENCE, command.kill_on_drop(true).output()).await.unwrap().unwrap();
            let text = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8(text).unwrap())
        };
        let says = async |line: &str, expected: &str| {
            let (success, text) = run(line).await;
            assert!(success && text.contains(expected), "`{line}` on {on}: {text}");
            text
        };
        says(&format!("create -l 127.0.0.1:0 -u {} echo", echo.address), "Created new proxy echo").await;
        let list = says("list", "enabled\t0").await;
        let listen = list.split('\t').nth(1).unwrap().to_owned();
        assert_eq!(echoed(&listen).await, HELLO);
        says("toxic add -t limit_data -n few -a bytes=3 echo", "Added downstream limit_data toxic 'few'")
            .await;
        assert_eq!(echoed(&listen).await, &HELLO[..3]);
        says("toxic update -n few -a bytes=5 echo", "Updated toxic 'few'").await;
        assert_eq!(echoed(&listen).await, &HELLO[..5]);
        says(
            "inspect echo",
            "few\ttype=limit_data\tstream=downstream\ttoxicity=1.00\tattributes=[\tbytes=5\t]",
        )
        .await;
        says("toxic add -t latency -a latency=20 -a jitter=5 --toxicity 0.5 -u echo", "latency_upstream")
            .await;
        says("toxic remove -n few echo", "Removed toxic 'few'").await;
        assert_eq!(echoed(&listen).await, HELLO);
        says("toggle echo", "Proxy echo is now disabled").await;
        TcpStream::connect(&listen).await.unwrap_err();
        says("toggle echo", "Proxy echo is now enabled").await;
        assert_eq!(echoed(&listen).await, HELLO);
        says("delete echo", "Deleted proxy echo").await;
        let (success, text) = run("delete echo").await;
        assert!(!success && text.contains("HTTP 404: proxy not found"), "on {on}: {text}");
    }
}
