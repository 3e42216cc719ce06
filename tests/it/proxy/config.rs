//! A configuration file that is wrong, as whoever started the command meets it: what is said, where, and what runs then.
//! The genuine server beside it does what it can: it starts all the same, and so does ours.

use std::{fs, path::Path};

use nix::sys::signal::Signal;

use super::{
    command::{Proxy, get},
    server::{genuine, listening},
};

/// Files with something wrong, where that is, and what is said of it. The last column is whether Toxiproxy, which knows
/// no toxics in a file, finds something wrong too.
const WRONG: &[(&str, &str, &str, bool)] = &[
    ("", "1:1", "bad request body: EOF", true),
    ("[\n  {\"name\": \"a\",\n]", "3:1", "bad request body: invalid character ']'", true),
    ("{}", "1:1", "bad request body: json: the body must be an array, found object", true),
    (
        "[\n  {\"name\": 7, \"upstream\": \"x:1\"}\n]",
        "2:12",
        "json: name must be a string, found number 7",
        true,
    ),
    (
        "[{\"name\": \"a\", \"upstream\": \"x:1\"},\n {\"name\": \"b\"}]",
        "2:2",
        "missing required field: upstream at proxy 2",
        true,
    ),
    (
        "[{\"name\": \"é\", \"upstream\": \"x:1\", \"toxics\": [{\"type\": \"latencyy\"}]}]",
        "1:55",
        "invalid toxic type",
        false,
    ),
    (
        "[{\"name\": \"a\", \"upstream\": \"x:1\", \"toxics\": [\n{\"type\": \"noop\", \"stream\": \"up\"}]}]",
        "2:28",
        "stream was invalid",
        false,
    ),
    (
        "[{\"name\": \"a\", \"upstream\": \"x:1\", \"toxics\": [\n{\"type\": \"latency\", \"attributes\": {\n\"latency\": \"5\"}}]}]",
        "3:12",
        "json: attributes.latency must be a whole number of 64 bits, found string",
        false,
    ),
    (
        "[{\"name\": \"a\", \"upstream\": \"x:1\", \"toxics\": [{\"type\": \"noop\", \"trigger\":\n {\"often\": 1}}]}]",
        "2:12",
        "trigger: unknown member often",
        false,
    ),
    ("[{\"name\": \"a\", \"upstream\": \"x:1\",\n\"tls\": {\"ca_key\": \"\"}}]", "2:8", "bad tls", false),
];

#[tokio::test]
async fn what_is_wrong_in_a_file_is_said_with_its_place_and_nothing_listens_but_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxies.json");
    let path = path.to_str().unwrap();
    // Ours is put to the test with or without it.
    let genuine = genuine().ok();
    for (text, place, words, both) in WRONG {
        fs::write(path, text).unwrap();
        let mut ours = Proxy::start(&["-host", "127.0.0.1", "-port", "0", "-config", path], None);
        let said = ours.line("Failed to populate proxies from file").await;
        assert_eq!(
            (&said["level"], said["at"].as_str()),
            (&"error".into(), Some(&*format!("{path}:{place}"))),
            "{text}"
        );
        assert!(said["error"].as_str().unwrap().contains(words), "{text}: {said}");
        let api = ours.api().await;
        assert!(get(&api, "/proxies").await.ends_with("{}"), "{text}");
        assert_eq!(listening(ours.pid()).len(), 1, "{text}");
        assert_eq!(ours.end(Signal::SIGTERM).await.0, Some(0));
        if let Some(program) = genuine.as_deref().filter(|_| *both) {
            theirs(program, path).await;
        }
    }
}

/// The genuine server says the same of the file with no place, and starts.
async fn theirs(program: &Path, path: &str) {
    let mut theirs = Proxy::of(program, &["-host", "127.0.0.1", "-port", "0", "-config", path], None);
    let said = theirs.line("Failed to populate proxies from file").await;
    assert_eq!(said["level"], "error", "{said}");
    assert_eq!(said.get("at"), None);
    // It does not say which port was free.
    theirs.line("Starting Toxiproxy HTTP server").await;
    let [port] = listened(&theirs).await[..] else { panic!("it listens elsewhere too") };
    assert!(get(&format!("127.0.0.1:{port}"), "/proxies").await.ends_with("{}"));
    assert_eq!(theirs.end(Signal::SIGTERM).await.0, Some(0));
}

/// It says that it starts just before it listens.
async fn listened(theirs: &Proxy) -> Vec<u16> {
    let begun = std::time::Instant::now();
    loop {
        let ports = listening(theirs.pid());
        if !ports.is_empty() {
            return ports;
        }
        assert!(begun.elapsed() < super::server::CAP, "it does not listen");
        tokio::task::yield_now().await;
    }
}
