//! Which parts of variables are secrets, and whole runs in which none may show.

use std::{collections::BTreeMap, fs, path::PathBuf};

use super::{
    command::{Desk, Ran},
    leak,
};
use crate::support;

/// What a server quotes in every line of its log.
const QUOTED: &str = "c4n4ry-Pa55w0rd";

/// The passwords and keys in a tenant's variables.
pub(super) fn in_variables<'a>(variables: impl Iterator<Item = (&'a String, &'a String)>) -> Vec<String> {
    let mut secrets: Vec<String> = Vec::new();
    for (name, value) in variables {
        if name.ends_with("SECRET_ACCESS_KEY") {
            secrets.push(value.clone());
        }
        if let Some((login, _)) = value.split_once("://").and_then(|(_, rest)| rest.split_once('@')) {
            secrets.push(login.split_once(':').unwrap().1.to_owned());
        }
    }
    assert!(secrets.len() >= 4, "three passwords and a key for each tenant: {}", secrets.len());
    assert!(secrets.iter().all(|secret| secret.len() >= 12));
    secrets
}

/// What stands between `user:` and `@` of every URL in the text.
fn passwords(text: &str) -> Vec<&str> {
    let authorities =
        text.split("://").skip(1).filter_map(|rest| rest.split([' ', '/', '"', '\'', '\n']).next());
    authorities
        .filter_map(|authority| authority.rsplit_once('@')?.0.split_once(':').map(|(_, word)| word))
        .collect()
}

/// Whatever has the shape of a stand-in's password, 48 hexadecimal digits, or of an S3 key, wherever it stands.
fn bare(text: &str) -> Vec<&str> {
    let password = |word: &&str| word.len() == 48 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let apart = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
    let key = |(at, _): (usize, &str)| {
        let (before, key, after) = (&text[..at], text.get(at..at + 31)?, &text[at + 31..]);
        let whole = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte));
        (whole && apart(before.chars().next_back()) && apart(after.chars().next())).then_some(key)
    };
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(password);
    words.chain(text.match_indices("K005").filter_map(key)).collect()
}

#[test]
fn passwords_are_found_in_urls_and_elsewhere() {
    assert_eq!(passwords("x amqps://u:pw@h:1/v \"rediss://:***@h\" https://h/x"), ["pw", "***"]);
    let (password, key) = ("0123456789abcdef".repeat(3), format!("K005{}", "aB3+/z9Yk".repeat(3)));
    let text = format!("AUTH {password}\nsecret=\"{key}\" https://h/{key}/x {password}0 {key}0");
    assert_eq!(bare(&text), [&password, &key, &key]);
}

/// What this looks for is what stand-ins really have.
#[tokio::test]
async fn passwords_of_stand_ins_have_the_shape_that_is_looked_for() {
    let session = crate::support::session().await;
    let slices = session.slices(&bulkhead::model::Topology::builtin()).await.unwrap();
    for access in &slices {
        let shown: Vec<_> = bulkhead::variables(access, true).into_iter().map(|(_, value)| value).collect();
        assert_eq!(bare(&shown.join("\n")).len(), 4, "three passwords and a key");
    }
    session.release(slices).await.unwrap();
}

#[test]
fn a_run_at_its_most_talkative_shows_no_password_anywhere() {
    let mut desk = Desk::served();
    desk.set("RUST_LOG", "trace");
    let args = ["verify", "scenarios/checklist", "-vv", "--format", "json", "--junit", "junit.xml"];
    let ran = desk.run(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let texts = written(&desk, ran, &["junit.xml"]);
    assert!(texts.len() > 14, "reports and histories: {:?}", texts.keys());
    show_no_password(&texts);
}

/// A leak, on a server whose log, of which the end goes with the failure, quotes passwords all the time.
#[test]
fn a_failing_run_at_its_most_talkative_shows_none_either() {
    let mut desk = Desk::alone();
    desk.set("RUST_LOG", "trace");
    desk.set("BULKHEAD_POSTGRES_BIN", desk.path("postgres").to_str().unwrap());
    desk.set("BULKHEAD_CACHE", desk.path("cache").to_str().unwrap());
    desk.write("shared.toml", support::ALL_SHARED);
    leak::install(&desk, Some(leak::LEAK));
    let quoting = format!(
        "\"$@\" -c 'log_line_prefix=postgresql://engine:{QUOTED}@127.0.0.1/enginedb password={QUOTED} '"
    );
    let server = fs::read_to_string(desk.path("postgres/postgres")).unwrap();
    desk.write("postgres/postgres", &server.replace("\"$@\"", &quoting));
    let ran = desk.run(&[
        "verify",
        "scenarios/isolation/postgres/read.yaml",
        "--topology",
        "shared.toml",
        "-vv",
        "--junit",
        "junit.xml",
        "--markdown",
        "summary.md",
    ]);
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    let texts = written(&desk, ran, &["junit.xml", "summary.md"]);
    let case = "isolation.postgres.read.engine.plane";
    for file in [format!("{case}.jsonl"), format!("{case}.plan.json"), "stderr".into()] {
        assert!(texts.contains_key(&file), "{file} is not in {:?}", texts.keys());
    }
    for file in ["stdout", "report.json", "junit.xml", "summary.md"] {
        let text = &texts[file];
        assert!(text.contains("postgresql://engine:***@127.0.0.1/enginedb password=***"), "{file}: {text}");
    }
    show_no_password(&texts);
    desk.vanishes();
}

/// All that a desk's only run printed and wrote, by name.
fn written(desk: &Desk, ran: Ran, reports: &[&str]) -> BTreeMap<String, String> {
    let runs: Vec<_> =
        fs::read_dir(desk.path("target/bulkhead")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [run] = &runs[..] else { panic!("one run: {runs:?}") };
    let mut files: Vec<_> = reports.iter().map(|report| desk.path(report)).collect();
    for folder in [run, &run.join("cases")] {
        files.extend(
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()),
        );
    }
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut texts: BTreeMap<_, _> =
        files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect();
    texts.extend([(String::from("stdout"), ran.stdout), (String::from("stderr"), ran.stderr)]);
    texts
}

fn show_no_password(texts: &BTreeMap<String, String>) {
    for (name, text) in texts {
        let mut shown = passwords(text);
        shown.retain(|word| *word != "***");
        shown.extend(bare(text));
        shown.extend(text.matches(QUOTED));
        assert!(shown.is_empty(), "{shown:?} in {name}: {text}");
    }
}
