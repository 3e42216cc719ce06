//! The blocks by which the page says that clients stay as they are: each is taken from the page as it stands, but for its
//! ports, and run on `bulkhead proxy` and, where it is on the machine, on the genuine server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::Command,
    time::timeout,
};

use super::{
    super::{
        clients::{Language, Room},
        tools::skipped,
    },
    clients::{OURS, PATIENCE, cargo_built, go, go_built, openssl, places, servers, succeed},
    echo::Echo,
    page::PAGE,
    server::{CAP, Server, find},
};

/// The block that the page names so, for that server and that upstream.
fn block(name: &str, server: &Server, echo: &Echo) -> String {
    let (_, after) = PAGE.split_once(&format!("<!-- migration: {name} -->\n```")).expect("the block's mark");
    let (_, text) = after.split_once('\n').expect("the fence's end");
    let (text, _) = text.split_once("```\n").expect("the block's end");
    let (api, port) = (server.api.to_string(), server.api.port().to_string());
    let upstream = echo.address.rsplit(':').next().unwrap();
    text.replace("localhost:8474", &api)
        .replace("8474", &port)
        .replace("15432", "0")
        .replace("5432", upstream)
}

/// What ours tells of meanwhile.
struct Ear(BufReader<TcpStream>);

impl Ear {
    async fn at(server: &Server) -> Self {
        let mut stream = TcpStream::connect(server.api).await.unwrap();
        stream.write_all(b"GET /x/events HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut ear = Self(BufReader::new(stream));
        ear.hears(&[r#""event":"listening""#]).await;
        ear
    }

    async fn hears(&mut self, all: &[&str]) {
        let find = async {
            let mut line = String::new();
            while !all.iter().all(|part| line.contains(part)) {
                line.clear();
                assert_ne!(self.0.read_line(&mut line).await.unwrap(), 0, "nothing said {all:?}");
            }
        };
        timeout(CAP, find).await.unwrap_or_else(|_| panic!("nothing said {all:?}"));
    }
}

/// Has a block run on every server, and sees that there is the proxy and was the toxic that it asks for.
async fn runs(name: &str, mut run: impl AsyncFnMut(&str, &Server) -> Result<(), String>) {
    for (on, mut server) in servers().await {
        let echo = Echo::new().await;
        let mut ear = if on == OURS { Some(Ear::at(&server).await) } else { None };
        let text = block(name, &server, &echo);
        run(&text, &server).await.unwrap_or_else(|error| panic!("{name} on {on}: {error}\n{text}"));
        let proxy = server.ask("GET", "/proxies/db", "").await.body;
        assert!(proxy.contains(&format!(r#""upstream":"{}""#, echo.address)), "{name} on {on}: {proxy}");
        if let Some(ear) = &mut ear {
            ear.hears(&[r#""event":"toxic","#, r#""proxy":"db""#, r#""change":"added""#]).await;
        }
    }
}

async fn scripted(language: Language, name: &str, file: &str, program: &str) {
    let room = match Room::open(language) {
        Ok(room) => room,
        Err(reason) => return skipped(&reason),
    };
    runs(name, async |text, _| {
        room.put(file, text);
        let said = room.run(program, &[], &[]).await;
        if said.code == Some(0) { Ok(()) } else { Err(said.text) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn toxiproxy_python_runs() {
    scripted(Language::Python, "python", "block.py", "block.py").await;
}

/// As `chaos run` does, whose package is but a command line around this.
#[tokio::test(flavor = "multi_thread")]
async fn the_chaos_toolkit_runs() {
    const RUN: &str = "\
import json
import os
from chaoslib.experiment import run_experiment
with open(os.path.join(os.path.dirname(__file__), 'block.json')) as file:
    journal = run_experiment(json.load(file))
done = [step['status'] for step in journal['run']]
assert (journal['status'], done) == ('completed', ['succeeded'] * 2), journal
";
    let room = match Room::open(Language::Python) {
        Ok(room) => room,
        Err(reason) => return skipped(&reason),
    };
    room.put("run_block.py", RUN);
    runs("chaostoolkit", async |text, _| {
        room.put("block.json", text);
        let said = room.run("run_block.py", &[], &[]).await;
        if said.code == Some(0) { Ok(()) } else { Err(said.text) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn toxiproxy_node_client_runs() {
    scripted(Language::Node, "node", "block.mjs", "block.mjs").await;
}

/// A folder of a project of its own, with what pins its packages.
fn project(language: &str, pins: &[&str]) -> PathBuf {
    let (source, folder) = places(language);
    let project = folder.join("page");
    for pin in pins {
        fs::create_dir_all(&project).unwrap();
        fs::copy(source.join(pin), project.join(pin)).unwrap();
    }
    project
}

async fn started(program: &Path) -> Result<(), String> {
    let mut command = Command::new(program);
    timeout(PATIENCE, succeed(&mut command)).await.map_err(|_| "it hangs".to_owned())?
}

#[tokio::test(flavor = "multi_thread")]
async fn the_go_client_runs() {
    let project = project("go", &["go.mod", "go.sum"]);
    if let Err(reason) = go().await {
        return skipped(&reason);
    }
    runs("go", async |text, _| {
        fs::write(project.join("main.go"), text).unwrap();
        go_built(&project, &project.join("block")).await?;
        started(&project.join("block")).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_crates_run() {
    if let Err(reason) = openssl() {
        return skipped(&reason);
    }
    let project = project("rust", &["Cargo.toml", "Cargo.lock"]);
    let programs = project.join("src/bin");
    // What lies there from an earlier page is not built.
    let _ = fs::remove_dir_all(&programs);
    fs::create_dir_all(&programs).unwrap();
    for name in ["toxiproxy_rust", "noxious-client"] {
        let program = format!("page-{name}");
        runs(name, async |text, _| {
            fs::write(programs.join(format!("{program}.rs")), text).unwrap();
            started(&cargo_built(&project).await?.join(&program)).await
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_runs() {
    let cli = match find("BULKHEAD_TOXIPROXY_CLI", "toxiproxy-cli", "cli") {
        Ok(cli) => cli,
        Err(reason) => return skipped(&reason),
    };
    runs("toxiproxy-cli", async |text, server| {
        let script = text.replace("toxiproxy-cli", cli.to_str().unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-ec", &script]).env("TOXIPROXY_URL", format!("http://{}", server.api));
        timeout(PATIENCE, succeed(shell.stdin(Stdio::null()))).await.map_err(|_| "it hangs".to_owned())?
    })
    .await;
}
