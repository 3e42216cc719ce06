//! `/metrics` with each of its flags beside the genuine server's, after the same traffic: names, kinds, words, labels and
//! what is counted, but for what the table says.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    differential::toxiproxy,
    echo::{Echo, HELLO, back},
    server::Server,
};

/// How long the genuine server may take to count a connection that has ended.
const CAP: Duration = Duration::from_secs(30);

/// Where the pages differ on purpose: names that begin so, whose they are, and why.
const DIFFER: [(&str, Whose, &str); 4] = [
    ("go_", Whose::Theirs, "there is no Go in ours"),
    ("promhttp_", Whose::Theirs, "they count the errors of a library that ours does not have"),
    ("bulkhead_proxy_", Whose::Ours, "open connections, what toxics touched, uptime: names of our own"),
    ("toxiproxy_proxy_", Whose::Words, "ours say what is counted; Toxiproxy says nothing"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Theirs,
    Ours,
    /// Both have them and explain them otherwise.
    Words,
}

/// A page: what is said of each name, and each line's value.
#[derive(Debug, Default)]
struct Page {
    format: String,
    kinds: BTreeMap<String, String>,
    words: BTreeMap<String, String>,
    values: BTreeMap<String, f64>,
}

impl Page {
    fn read(text: &str, format: &str, places: &[(&str, &str)]) -> Self {
        let mut page = Self { format: format.to_owned(), ..Self::default() };
        for line in text.lines() {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("#"), Some("HELP"), Some(name), rest) => {
                    page.words.insert(name.to_owned(), rest.unwrap_or_default().to_owned());
                }
                (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                    page.kinds.insert(name.to_owned(), kind.to_owned());
                }
                _ => {
                    let (name, value) = line.rsplit_once(' ').expect("a name and a value");
                    let name =
                        places.iter().fold(name.to_owned(), |name, (place, word)| name.replace(place, word));
                    let twice = page.values.insert(name, value.parse().expect("a number"));
                    assert!(twice.is_none(), "{line} stands there twice");
                }
            }
        }
        page
    }

    /// Without what is one side's own. What was taken out is told by its row of the table.
    fn common(mut self, ours: bool, met: &mut BTreeMap<&'static str, u32>) -> Self {
        for (begin, whose, _) in DIFFER {
            let own = match whose {
                Whose::Theirs => !ours,
                Whose::Ours => ours,
                Whose::Words => {
                    self.words.retain(|name, _| !name.starts_with(begin));
                    continue;
                }
            };
            if own {
                let before = self.kinds.len();
                self.kinds.retain(|name, _| !name.starts_with(begin));
                self.words.retain(|name, _| !name.starts_with(begin));
                self.values.retain(|name, _| !name.starts_with(begin));
                *met.entry(begin).or_default() += u32::try_from(before - self.kinds.len()).unwrap();
            }
        }
        self
    }

    fn flows(&self) -> BTreeMap<String, f64> {
        let flows = self.values.iter().filter(|(name, _)| name.starts_with("toxiproxy_"));
        flows.map(|(name, value)| (name.clone(), *value)).collect()
    }
}

/// Both ways through two proxies, one with a toxic that swallows; then the page, once all of it is counted.
async fn page(program: &Path, begin: &[&str], flags: &[&str]) -> Page {
    let arguments = [begin, &["-host", "127.0.0.1", "-port", "0"], flags].concat();
    let mut server = Server::start(program, &arguments).await;
    let echo = Echo::new().await;
    let mut listens = Vec::new();
    for name in ["one", "the other"] {
        let body = format!(r#"{{"name":"{name}","listen":"127.0.0.1:0","upstream":"{}"}}"#, echo.address);
        let made = server.ask("POST", "/proxies", &body).await;
        let made: serde_json::Value = serde_json::from_str(&made.body).unwrap();
        listens.push(made["listen"].as_str().unwrap().to_owned());
    }
    let limit = r#"{"type":"limit_data","attributes":{"bytes":4}}"#;
    assert_eq!(server.ask("POST", "/proxies/the%20other/toxics", limit).await.status, 200);
    for listen in &listens {
        for _ in 0..3 {
            let mut stream = TcpStream::connect(listen).await.unwrap();
            stream.write_all(HELLO).await.unwrap();
            back(&mut stream, HELLO.len()).await;
            stream.shutdown().await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    }
    let places = [(listens[0].as_str(), "LISTEN"), (&listens[1], "LISTEN"), (&echo.address, "UPSTREAM")];
    let begun = Instant::now();
    loop {
        let answer = server.ask("GET", "/metrics", "").await;
        assert_eq!(answer.status, 200);
        let page = Page::read(&answer.body, &answer.headers["content-type"], &places);
        let counted: f64 = page.flows().values().sum();
        // Of the first proxy 30 bytes each way in and out; of the other 30 up in and out, 30 down in and 12 out.
        if !flags.contains(&"-proxy-metrics") || counted >= 222.0 {
            return page;
        }
        assert!(begun.elapsed() < CAP, "it never counts all of it: {page:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_those_of_the_genuine_server_but_for_the_table() {
    let Some(program) = toxiproxy() else { return };
    let ours = Path::new(env!("CARGO_BIN_EXE_bulkhead"));
    let mut met = BTreeMap::new();
    for flags in [&["-proxy-metrics"][..], &["-runtime-metrics"], &["-proxy-metrics", "-runtime-metrics"]] {
        let (theirs, ours) = tokio::join!(page(&program, &[], flags), page(ours, &["proxy"], flags));
        assert_eq!(theirs.flows(), ours.flows(), "{flags:?}");
        let said: Vec<_> = ours.words.iter().filter(|(_, words)| words.is_empty()).collect();
        assert!(said.is_empty(), "{said:?}");
        let (theirs, ours) = (theirs.common(false, &mut met), ours.common(true, &mut met));
        assert_eq!(theirs.format, ours.format);
        assert_eq!(theirs.kinds, ours.kinds, "{flags:?}");
        assert_eq!(theirs.words, ours.words, "{flags:?}");
        let names = |page: &Page| page.values.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&theirs), names(&ours), "{flags:?}");
    }
    for (begin, whose, reason) in DIFFER {
        assert!(whose == Whose::Words || met[begin] > 0, "{begin} is no difference any more: {reason}");
    }
}

#[tokio::test]
async fn without_flags_there_is_no_page_on_either_server() {
    let Some(program) = toxiproxy() else { return };
    for mut server in [Server::genuine(&program).await, Server::ours(&[]).await] {
        assert_eq!(server.ask("GET", "/metrics", "").await.status, 404);
    }
}
