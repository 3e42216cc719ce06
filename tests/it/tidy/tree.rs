//! Rules about who may depend on whom, asked of `cargo metadata`: the rooms' one direction, the pure rooms' freedom
//! from input and output, and one TLS stack with one provider in the command.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

/// For each package, as `name version`, the packages that it needs at run time.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Room, what it must never reach, and why.
const NEVER: [(&str, &[&str], &str); 7] = [
    (
        "bulkhead-model",
        &["tokio", "rand", "bulkhead-target", "bulkhead-engine", "bulkhead-checks", "bulkhead-report"],
        "plain data knows no runtime, no randomness and no other room",
    ),
    (
        "bulkhead-checks",
        &["tokio", "rand", "time", "bulkhead-target", "bulkhead-engine", "bulkhead-report"],
        "a check performs no input or output and reads no clock",
    ),
    (
        "bulkhead-report",
        &["tokio", "bulkhead-target", "bulkhead-engine", "bulkhead-checks"],
        "a report shows what the model says and reaches nothing",
    ),
    (
        "bulkhead-target",
        &["bulkhead-engine", "bulkhead-checks", "bulkhead-report"],
        "the target never knows what runs on it",
    ),
    (
        "bulkhead-proxy",
        &["bulkhead-model", "bulkhead-target", "bulkhead-engine", "bulkhead-checks", "bulkhead-report"],
        "the proxy knows bytes only: no tenant, no scenario, no service's protocol",
    ),
    ("bulkhead-engine", &["bulkhead-checks", "bulkhead-report"], "whoever drives must not judge"),
    (
        "bulkhead",
        &["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "libssh2-sys", "boring"],
        "one TLS stack, rustls, with one provider, ring",
    ),
];

/// Packages of which the command holds exactly one version.
const ONE_OF: [&str; 4] = ["rustls", "ring", "hyper", "http"];

/// The graph of the workspace, for the platform this runs on.
static WORKSPACE: LazyLock<Graph> = LazyLock::new(|| {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--offline", "--locked"]);
    cargo.args(["--filter-platform", &host()]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    graph(&serde_json::from_slice(&output.stdout).unwrap())
});

fn host() -> String {
    let output = Command::new(env!("CARGO")).args(["--version", "--verbose"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn graph(metadata: &Value) -> Graph {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names: BTreeMap<_, _> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            (text(&package["id"]), format!("{} {}", text(&package["name"]), text(&package["version"])))
        })
        .collect();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| {
            let needed = node["deps"].as_array().unwrap().iter().filter(|dependency| {
                dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null())
            });
            let needed =
                needed.map(|dependency| names[dependency["pkg"].as_str().unwrap()].clone()).collect();
            (names[node["id"].as_str().unwrap()].clone(), needed)
        })
        .collect()
}

fn name(package: &str) -> &str {
    package.split(' ').next().unwrap_or_default()
}

/// Everything that `from` reaches, each with the package through which it was found.
fn reached(graph: &Graph, from: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open: Vec<String> = graph.keys().filter(|package| name(package) == from).cloned().collect();
    assert!(!open.is_empty(), "no package `{from}`: the rule guards nothing");
    while let Some(package) = open.pop() {
        for needed in &graph[&package] {
            if !found.contains_key(needed) {
                found.insert(needed.clone(), package.clone());
                open.push(needed.clone());
            }
        }
    }
    found
}

/// The violations of `NEVER`, each with the way to the forbidden package.
fn forbidden(graph: &Graph) -> Vec<String> {
    let mut problems = Vec::new();
    for (room, never, why) in NEVER {
        let reached = reached(graph, room);
        for package in reached.keys().filter(|package| never.contains(&name(package))) {
            let mut way = vec![package.as_str()];
            let mut at = package;
            while let Some(through) = reached.get(at) {
                way.push(through);
                at = through;
            }
            way.reverse();
            problems.push(format!("{room} reaches {package}: {}; {why}", way.join(" → ")));
        }
    }
    problems
}

/// The violations of `ONE_OF`.
fn several(graph: &Graph) -> Vec<String> {
    let reached = reached(graph, "bulkhead");
    let mut problems = Vec::new();
    for only in ONE_OF {
        let versions: Vec<_> =
            reached.keys().filter(|package| name(package) == only).map(String::as_str).collect();
        if versions.len() != 1 {
            problems.push(format!(
                "the command holds {} versions of {only}, not 1: {versions:?}",
                versions.len()
            ));
        }
    }
    problems
}

/// The graph with one more edge; the package at its end is added when it is not there.
fn planted(from: &str, to: &str) -> Graph {
    let mut graph = WORKSPACE.clone();
    graph.entry(to.to_owned()).or_default();
    let from = graph.keys().find(|package| name(package) == from).unwrap().clone();
    graph.get_mut(&from).unwrap().insert(to.to_owned());
    graph
}

#[test]
fn every_room_imports_only_what_it_may() {
    assert_eq!(forbidden(&WORKSPACE), Vec::<String>::new());
}

#[test]
fn the_command_holds_one_tls_stack_with_one_provider() {
    assert_eq!(several(&WORKSPACE), Vec::<String>::new());
}

#[test]
fn a_forbidden_import_is_refused_with_its_way() {
    let problems = forbidden(&planted("bulkhead-checks", "tokio 1.0.0"));
    let expected =
        "bulkhead-checks reaches tokio 1.0.0: bulkhead-checks 0.1.0 → tokio 1.0.0; a check performs no";
    assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{problems:?}");

    let problems = forbidden(&planted("serde_json", "openssl-sys 0.9.0"));
    assert!(
        problems.iter().any(|problem| problem.starts_with("bulkhead reaches openssl-sys 0.9.0: ")),
        "{problems:?}"
    );

    for (room, never, _) in NEVER {
        for package in never {
            let refusal = format!("{room} reaches {package} 0.0.1");
            let problems = forbidden(&planted(room, &format!("{package} 0.0.1")));
            assert!(problems.iter().any(|problem| problem.starts_with(&refusal)), "not refused: {refusal}");
        }
    }
}

#[test]
fn a_second_version_and_a_missing_provider_are_refused() {
    let second = several(&planted("bulkhead-target", "rustls 0.21.12"));
    assert!(
        second.iter().any(|problem| problem.starts_with("the command holds 2 versions of rustls")),
        "{second:?}"
    );

    let mut without = WORKSPACE.clone();
    for needed in without.values_mut() {
        needed.retain(|package| name(package) != "ring");
    }
    let none = several(&without);
    assert!(
        none.iter().any(|problem| problem.starts_with("the command holds 0 versions of ring")),
        "{none:?}"
    );
}
