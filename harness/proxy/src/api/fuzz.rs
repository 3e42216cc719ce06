//! Fuzz targets of what reads strangers' bytes: whole requests of the API, their bodies, and the configuration file,
//! which is one of these.
//!
//! `cargo test` runs the corpus and a bounded number of random inputs; `cargo bolero test api::fuzz::raw_bytes` goes on
//! for as long as it is let. Nothing may panic, what is refused is refused as a bad request, and what is taken is taken
//! the same again from its own answer.

use std::{collections::BTreeSet, convert::Infallible, fs, path::Path, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    Api, Options,
    decode::{ProxyBody, Remarks, ToxicBody, toxic_change},
    encode,
    json::Json,
    read_proxies,
};
use crate::{Error, Proxies, Settings, seed::Seed, spec::ToxicSpec};

/// Inputs in a run of `cargo test`.
const INPUTS: usize = 4096;

/// Whole requests in one, each on a server of its own.
const REQUESTS: usize = 1024;

/// A place, what to do there, and a byte to do it with.
type Edit = (u16, u8, u8);

fn refused(error: &Error) {
    assert_eq!(error.status(), 400, "{error}");
    assert!(!error.to_string().contains('\n'), "{error:?}");
}

/// Everything that reads a body.
fn read(body: &[u8]) {
    if let Err((_, error)) = read_proxies(body, &mut Vec::new()) {
        refused(&error);
    }
    let Ok(json) = Json::first(body) else { return };
    let mut remarks = Remarks::default();
    match ProxyBody::read(json, &mut remarks).and_then(|body| body.spec(None, &mut remarks)) {
        Ok(spec) => spec.toxics.iter().for_each(taken),
        Err(error) => refused(&error),
    }
    let toxic = ToxicBody::read(json, &mut remarks).and_then(|body| body.spec(|_| false, &mut remarks));
    match toxic {
        Ok(spec) => {
            taken(&spec);
            if let Err(error) = toxic_change(json, &spec, &mut remarks) {
                refused(&error);
            }
        }
        Err(error) => refused(&error),
    }
}

/// A toxic that was taken is printed, and taken the same from that.
fn taken(spec: &ToxicSpec) {
    let printed = encode::toxic(spec);
    let mut remarks = Remarks::default();
    let json = Json::first(printed.as_bytes()).expect("our own JSON");
    let again = ToxicBody::read(json, &mut remarks).and_then(|body| body.spec(|_| false, &mut remarks));
    assert_eq!(encode::toxic(&again.expect("our own answer")), printed);
    assert_eq!(remarks.ignored, Vec::<String>::new(), "{printed}");
}

/// The inputs in the repository.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/__fuzz__/api__fuzz__raw_bytes/corpus");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn edited(mut body: Vec<u8>, edits: &[Edit], corpus: &[Vec<u8>]) -> Vec<u8> {
    for &(at, how, byte) in edits {
        let at = usize::from(at) % (body.len() + 1);
        match how % 5 {
            0 => body.insert(at, byte),
            1 => drop(body.splice(at..at, std::iter::repeat_n(byte, 300))),
            2 => body.truncate(at),
            3 => {
                let other = &corpus[usize::from(byte) % corpus.len()];
                drop(body.splice(at..at, other.iter().copied()));
            }
            _ if at < body.len() => body[at] = byte,
            _ => {}
        }
    }
    body
}

/// What a request is made of, before it is edited.
const METHODS: [&str; 8] = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "get"];
const PATHS: [&str; 16] = [
    "/version",
    "/proxies",
    "/proxies/p",
    "/proxies/q",
    "/proxies/p/toxics",
    "/proxies/p/toxics/t",
    "/proxies/p/toxics/u",
    "/populate",
    "/reset",
    "/metrics",
    "/x/health",
    "/x/seed",
    "/x/connections",
    "/x/tape",
    "//proxies/../x//seed",
    "/proxies/a%2Fb",
];
const QUERIES: [&str; 6] = [
    "",
    "?after=1",
    "?after=0&limit=18446744073709551616",
    "?apply=enabled",
    "?apply=x&apply=enabled",
    "?&&=%",
];
/// Bodies that mean something to a proxy and a toxic that are there.
const BODIES: [&str; 8] = [
    "",
    "{}",
    "[]",
    r#"{"seed":-9223372036854775808}"#,
    r#"{"name":"q","upstream":"127.0.0.1:1","enabled":false}"#,
    r#"{"upstream":"127.0.0.1:2","enabled":false,"tls":null}"#,
    r#"{"type":"latency","attributes":{"latency":5},"trigger":{"after_ms":1,"for_ms":1}}"#,
    r#"{"attributes":{"latency":9223372036854775807},"toxicity":-1,"trigger":null}"#,
];

/// A request: which method, path, query and body, and the edits of what comes after the method.
type Asked = (u8, u8, u8, Vec<Edit>, u8, Vec<Edit>);

/// None to three of them, so that some of what is asked for is right.
fn few(edits: &[Edit], many: u8) -> &[Edit] {
    &edits[..edits.len().min(usize::from(many >> 6))]
}

/// Its bytes. The target is kept to one word and nothing is listened to but a port of loopback, whatever is edited.
fn request((method, path, query, target_edits, body, body_edits): &Asked, corpus: &[Vec<u8>]) -> Vec<u8> {
    let method = METHODS[usize::from(*method) % METHODS.len()];
    let target = format!(
        "{}{}",
        PATHS[usize::from(*path) % PATHS.len()],
        QUERIES[usize::from(*query) % QUERIES.len()]
    );
    let mut words: Vec<Vec<u8>> = PATHS.iter().chain(&QUERIES).map(|word| word.as_bytes().to_vec()).collect();
    let target = edited(target.into_bytes(), few(target_edits, *query), &words);
    let target: String = target
        .iter()
        .map(|byte| match byte {
            b'!'..=b'~' => char::from(*byte).to_string(),
            _ => format!("%{byte:02x}"),
        })
        .collect();
    words = BODIES.iter().map(|body| body.as_bytes().to_vec()).chain(corpus.iter().cloned()).collect();
    let body = edited(words[usize::from(*body) % words.len()].clone(), few(body_edits, *body), corpus);
    let body = String::from_utf8_lossy(&body).replace("isten", "_").replace("\\u", "_");
    let body = body.replace(r#"{"name""#, r#"{"listen":"127.0.0.1:0","name""#);
    let length = body.len();
    let head =
        format!("{method} /{} HTTP/1.1\r\nHost: x\r\nConnection: close", target.trim_start_matches('/'));
    format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// What the API answers: the status, and the body.
async fn answered(api: &Api, request: &[u8]) -> (u16, String) {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let service = service_fn(|request| async {
        Ok::<_, Infallible>(api.answer(([127, 0, 0, 1], 1).into(), request).await)
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(server), service);
    let asking = async move {
        client.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    let both = async { tokio::join!(serving, asking) };
    let (_, answer) =
        tokio::time::timeout(Duration::from_secs(60), both).await.expect("an answer and an end");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Asks for something on a set with a proxy and a toxic; the status. What is left is taken the same again.
async fn ask(request: &[u8]) -> u16 {
    let proxies = Proxies::new(Settings { seed: Seed(7), whole_close: false });
    let there = br#"[{"name":"p","listen":"127.0.0.1:0","upstream":"127.0.0.1:1","enabled":false,
        "toxics":[{"type":"latency","name":"t"}]}]"#;
    let there = read_proxies(there, &mut Vec::new()).unwrap();
    assert!(proxies.populate(there, false).await.error.is_none());
    let api = Api::new(proxies, Options { proxy_metrics: true, ..Options::default() });

    let told = String::from_utf8_lossy(request).into_owned();
    let (status, body) = answered(&api, request).await;
    const KNOWN: [u16; 10] = [200, 201, 204, 301, 400, 403, 404, 405, 409, 500];
    assert!(KNOWN.contains(&status), "{status} {body} to {told}");
    if status >= 400 && body.starts_with('{') {
        let error: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(error["status"], status, "{body} to {told}");
    }
    let (status_after, all) =
        answered(&api, b"GET /proxies HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status_after, 200);
    let all: Value = serde_json::from_str(&all).unwrap();
    let all: Vec<&Value> = all.as_object().unwrap().values().collect();
    let again = read_proxies(serde_json::to_string(&all).unwrap().as_bytes(), &mut Vec::new());
    assert_eq!(again.expect("our own answer").len(), all.len(), "{all:?} after {told}");
    status
}

fn status(asked: &Asked, corpus: &[Vec<u8>]) -> u16 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(ask(&request(asked, corpus)))
}

#[test]
fn whole_requests() {
    let corpus = corpus();
    let requests = bolero::check!().with_type::<Asked>().with_iterations(REQUESTS);
    requests.for_each(|asked| {
        status(asked, &corpus);
    });
}

/// So that the target is known to reach what it is for.
#[test]
fn whole_requests_without_an_edit_come_to_every_end() {
    let count = |all: &[&str]| u8::try_from(all.len()).unwrap();
    let mut seen = BTreeSet::new();
    for (method, path) in (0..count(&METHODS)).flat_map(|m| (0..count(&PATHS)).map(move |p| (m, p))) {
        for body in 0..count(&BODIES) {
            seen.insert(status(&(method, path, body % count(&QUERIES), Vec::new(), body, Vec::new()), &[]));
        }
    }
    for status in [200, 201, 204, 301, 400, 404, 405] {
        assert!(seen.contains(&status), "no request came to {status}: {seen:?}");
    }
}

#[test]
fn raw_bytes() {
    bolero::check!().with_iterations(INPUTS).for_each(|body: &[u8]| read(body));
}

#[test]
fn bodies_that_are_nearly_right() {
    let corpus = corpus();
    assert!(corpus.len() >= 10);
    bolero::check!().with_type::<(u8, Vec<Edit>)>().with_iterations(INPUTS).for_each(|(first, edits)| {
        read(&edited(corpus[usize::from(*first) % corpus.len()].clone(), edits, &corpus));
    });
}

#[test]
fn the_corpus_is_read_and_some_of_it_taken() {
    let taken = corpus().iter().filter(|body| read_proxies(body, &mut Vec::new()).is_ok()).count();
    assert!((1..corpus().len()).contains(&taken), "the corpus holds right and wrong: {taken}");
}
