//! What both servers are asked to do: sequences of calls, valid, invalid and hostile, and traffic with toxics that
//! change under it.
//!
//! Left out, because Toxiproxy itself is no measure there: addresses on every interface, names that need a resolver,
//! and attributes that end its process (`departures` has those).

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::select,
};

use super::world::encoded;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Client,
    Origin,
}

/// One thing to do.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Calls the API. `{origin}` in the body becomes the origin's address, `{listen:a}` that of proxy `a`.
    Call { method: &'static str, target: String, agent: &'static str, body: Vec<u8> },
    /// Opens a connection through a proxy.
    Open { proxy: &'static str },
    /// Sends from one end; connections count from 0 and wrap around.
    Send { connection: usize, from: End, bytes: usize },
    /// Says at one end that nothing more comes.
    Finish { connection: usize, from: End },
}

impl Step {
    fn mentions(&self, words: &[&str]) -> bool {
        let Self::Call { body, .. } = self else { return false };
        let body = String::from_utf8_lossy(body);
        words.iter().any(|word| body.contains(word))
    }

    /// A call as any client makes it.
    pub(super) fn call(method: &'static str, target: &str, body: &str) -> Self {
        Self::Call { method, target: target.into(), agent: "differential", body: body.into() }
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call { method, target, agent, body } => {
                write!(out, "{method} {target}")?;
                if *agent != "differential" {
                    write!(out, " as {agent}")?;
                }
                let body = String::from_utf8_lossy(body);
                write!(out, " {}", body.chars().take(300).collect::<String>())
            }
            Self::Open { proxy } => write!(out, "open through {proxy}"),
            Self::Send { connection, from, bytes } => {
                write!(out, "send {bytes} on {connection} from {from:?}")
            }
            Self::Finish { connection, from } => write!(out, "finish {connection} at {from:?}"),
        }
    }
}

const NAMES: &[&str] = &["a", "a", "a", "b", "b", "A", "a b", "é", "<&>\"", "%41", "a.b", "toxics"];
const TOXICS: &[&str] = &["t", "t", "t", "latency_downstream", "noop_upstream", "T", "t t", "é", "<>"];
const LISTENS: &[&str] = &[
    r#""127.0.0.1:0""#,
    r#""127.0.0.1:0""#,
    r#""127.0.0.1:0""#,
    r#""localhost:0""#,
    r#""127.0.0.1:""#,
    r#""{listen:a}""#,
    r#""{listen:b}""#,
    r#""127.0.0.1""#,
    r#""127.0.0.1:99999""#,
    r#""127.0.0.1:-1""#,
    r#""1.2.3.4:0""#,
    r#""x""#,
    "7",
    "{}",
];
const UPSTREAMS: &[&str] =
    &[r#""{origin}""#, r#""{origin}""#, r#""127.0.0.1:1""#, r#""nonsense""#, r#""""#, "null", "1", "[]"];
const ENABLED: &[&str] = &["true", "true", "false", "null", "0", r#""true""#];
const STREAMS: &[&str] = &[
    r#""upstream""#,
    r#""downstream""#,
    r#""UPSTREAM""#,
    r#""Downstream""#,
    r#""sideways""#,
    r#""""#,
    "null",
    "3",
];
const TYPES: &[&str] = &[
    r#""latency""#,
    r#""latency""#,
    r#""bandwidth""#,
    r#""slow_close""#,
    r#""timeout""#,
    r#""reset_peer""#,
    r#""slicer""#,
    r#""limit_data""#,
    r#""noop""#,
    r#""LATENCY""#,
    r#""nonsense""#,
    r#""""#,
    "null",
    "[]",
];
const TOXICITIES: &[&str] = &[
    "1",
    "0",
    "0.5",
    "0.1",
    "7.5",
    "-1",
    "1e39",
    "3.4e38",
    "1e-7",
    "1e21",
    "123456789",
    "-0",
    "0.30000001",
    "null",
    r#""1""#,
    "1.0",
    "1e0",
];
const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "300",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1.5",
    "1e3",
    "null",
    r#""5""#,
    "true",
    "[]",
    "{}",
];
const ATTRIBUTES: &[&str] = &[
    "latency",
    "jitter",
    "rate",
    "delay",
    "timeout",
    "average_size",
    "size_variation",
    "bytes",
    "Latency",
    "RATE",
    "unknown",
];
const JUNK: &[&str] = &[
    "null",
    "1",
    "-1",
    "1.5",
    "true",
    r#""x""#,
    r#""""#,
    "[]",
    "{}",
    r#"{"a":[{}]}"#,
    "1e400",
    r#""\ud800""#,
    r#""\u0000""#,
    "99999999999999999999",
];
const BODIES: &[&str] = &[
    "",
    " ",
    "null",
    "{}",
    "[]",
    "[null]",
    "[{}]",
    "{",
    "}",
    r#""x""#,
    "1",
    "nul",
    "{\"name\"}",
    "{\"name\":}",
    "{'name':'a'}",
    "{\"name\":\"a\",}",
    "\u{feff}{}",
    "[1]",
    "{\"attributes\":[]}",
    "{\"attributes\":null}",
    "{\"attributes\":3}",
    "{\"name\":\"a\\q\"}",
    "{\"name\":\"a\nb\",\"upstream\":\"u\",\"enabled\":false}",
];
const TAILS: &[&str] = &["", "", "", "", "", "", " ", "\n\n", "garbage", "{}", "]", "\u{0}"];
const TARGETS: &[&str] = &[
    "/",
    "/proxies/",
    "//proxies",
    "/Proxies",
    "/proxies/a/",
    "/proxies/a/toxics/",
    "/version?x=1",
    "/version/",
    "/proxies?name=a",
    "/proxies/..",
    "/./proxies",
    "/proxies/a%2Ftoxics",
    "/proxies//toxics",
    "/metrics",
    "/nothing",
    "/proxies/a/toxics/t/more",
    "/proxies/a/../b",
    "/populate/",
    "/reset?now",
    "/%70roxies",
    "/proxies/a%2fb",
    "/proxies/%00",
    "/proxies/a;b",
];
const METHODS: &[&str] = &["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "BREW"];

/// Sequences of calls.
pub(super) fn calls() -> impl Strategy<Value = Vec<Step>> {
    vec(call(), 1..25)
}

fn call() -> impl Strategy<Value = Step> {
    let body =
        |inner: Text| prop_oneof![12 => ended(inner), 1 => select(BODIES).prop_map(Vec::from), 1 => raw()];
    let target = prop_oneof![20 => Just(None), 1 => select(TARGETS).prop_map(Some)];
    let method = prop_oneof![20 => Just(None), 1 => select(METHODS).prop_map(Some)];
    let agent = prop_oneof![
        30 => Just("differential"),
        1 => select(&["Mozilla/5.0 (X11)", "mozilla/5.0", "Mozilla", ""][..]),
    ];
    let routes = prop_oneof![
        6 => (Just("POST"), Just("/proxies".to_owned()), body(proxy(true))),
        2 => (Just("POST"), Just("/populate".to_owned()), body(list())),
        3 => (select(&["PATCH", "POST"][..]), at(""), body(proxy(false))),
        6 => (Just("POST"), at("/toxics"), body(toxic(true))),
        4 => (select(&["PATCH", "POST"][..]), at_toxic(), body(toxic(false))),
        1 => (Just("DELETE"), at(""), raw()),
        2 => (Just("DELETE"), at_toxic(), raw()),
        1 => (Just("GET"), at(""), raw()),
        1 => (Just("GET"), at("/toxics"), raw()),
        1 => (Just("GET"), at_toxic(), raw()),
        1 => (Just("GET"), Just("/proxies".to_owned()), raw()),
        1 => (Just("POST"), Just("/reset".to_owned()), raw()),
    ];
    (routes, target, method, agent).prop_map(|((route, path, body), target, method, agent)| Step::Call {
        method: method.unwrap_or(route),
        target: target.map_or(path, str::to_owned),
        agent,
        body,
    })
}

type Text = proptest::strategy::BoxedStrategy<String>;

/// Bytes of any kind, mostly none.
fn raw() -> impl Strategy<Value = Vec<u8>> + Clone {
    prop_oneof![9 => Just(Vec::new()), 1 => vec(any::<u8>(), 0..20)]
}

fn at(below: &'static str) -> impl Strategy<Value = String> {
    select(NAMES).prop_map(move |name| format!("/proxies/{}{below}", encoded(name)))
}

fn at_toxic() -> impl Strategy<Value = String> {
    let names = (select(NAMES), select(TOXICS));
    names.prop_map(|(proxy, toxic)| format!("/proxies/{}/toxics/{}", encoded(proxy), encoded(toxic)))
}

/// A JSON text with what may come after it, or with something missing at its end.
fn ended(text: Text) -> impl Strategy<Value = Vec<u8>> {
    let cut = prop_oneof![15 => Just(None), 1 => any::<proptest::sample::Index>().prop_map(Some)];
    (text, select(TAILS), cut).prop_map(|(text, tail, cut)| {
        let mut bytes = text.into_bytes();
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        bytes.extend(tail.bytes());
        bytes
    })
}

fn quoted(names: &'static [&'static str]) -> Text {
    select(names).prop_map(|name| serde_json::Value::from(name).to_string()).boxed()
}

fn one(values: &'static [&'static str]) -> Text {
    // The first ones are the usual ones.
    prop_oneof![2 => Just(values[0].to_owned()), 3 => select(values).prop_map(str::to_owned)].boxed()
}

/// An object of those members: some left out, in odd letter case, twice, or with an unknown one among them. Members
/// with `true` are always there.
fn object(members: Vec<(&'static str, Text, bool)>) -> Text {
    let each: Vec<_> = members
        .into_iter()
        .map(|(key, value, always)| {
            let keys = prop_oneof![
                12 => Just(key.to_owned()),
                1 => Just(key.to_ascii_uppercase()),
                1 => Just(format!("{}{}", key[..1].to_ascii_uppercase(), &key[1..])),
            ];
            let there = prop_oneof![6 => Just(true), 1 => Just(always)];
            (keys, value, there).prop_map(|(key, value, there)| there.then(|| format!("\"{key}\":{value}")))
        })
        .collect();
    let extra = prop_oneof![
        10 => Just(None),
        1 => select(JUNK).prop_map(|junk| Some(format!("\"unknown\":{junk}"))),
    ];
    (each, extra)
        .prop_map(|(members, extra)| {
            let members: Vec<_> = members.into_iter().chain([extra]).flatten().collect();
            format!("{{{}}}", members.join(","))
        })
        .boxed()
}

fn proxy(new: bool) -> Text {
    object(vec![
        ("name", prop_oneof![9 => quoted(NAMES), 1 => one(JUNK)].boxed(), false),
        ("listen", one(LISTENS), new),
        ("upstream", one(UPSTREAMS), false),
        ("enabled", one(ENABLED), false),
    ])
}

fn list() -> Text {
    vec(proxy(true), 0..4).prop_map(|list| format!("[{}]", list.join(","))).boxed()
}

fn toxic(new: bool) -> Text {
    let attribute = (select(ATTRIBUTES), one(INTEGERS)).prop_map(|(key, value)| format!("\"{key}\":{value}"));
    let attributes = vec(attribute, 0..4).prop_map(|all| format!("{{{}}}", all.join(",")));
    let attributes = prop_oneof![9 => attributes, 1 => select(JUNK).prop_map(str::to_owned)].boxed();
    let mut members = vec![("attributes", attributes, false), ("toxicity", one(TOXICITIES), false)];
    if new {
        members.insert(0, ("name", quoted(TOXICS), false));
        members.insert(1, ("type", one(TYPES), false));
        members.insert(2, ("stream", one(STREAMS), false));
    }
    object(members)
}

/// Toxics as traffic meets them. Times are far shorter or far longer than any wait, so that they decide nothing.
const LIVE: &[&str] = &[
    r#"{"type":"latency","attributes":{"latency":5,"jitter":3}"#,
    r#"{"type":"latency","attributes":{"latency":600000}"#,
    r#"{"type":"bandwidth","attributes":{"rate":2000}"#,
    r#"{"type":"bandwidth","attributes":{"rate":0}"#,
    r#"{"type":"slow_close","attributes":{"delay":10}"#,
    r#"{"type":"slow_close","attributes":{"delay":600000}"#,
    r#"{"type":"timeout","attributes":{"timeout":10}"#,
    r#"{"type":"timeout","attributes":{"timeout":0}"#,
    r#"{"type":"timeout","attributes":{"timeout":600000}"#,
    r#"{"type":"reset_peer","attributes":{"timeout":5}"#,
    r#"{"type":"slicer","attributes":{"average_size":900,"size_variation":200,"delay":10}"#,
    r#"{"type":"limit_data","attributes":{"bytes":0}"#,
    r#"{"type":"limit_data","attributes":{"bytes":3000}"#,
    r#"{"type":"limit_data","attributes":{"bytes":20000}"#,
    r#"{"type":"noop","attributes":{}"#,
];
const LIVE_UPDATES: &[&str] = &[
    r#"{"attributes":{"latency":1,"rate":5000,"delay":5,"timeout":5,"bytes":7000}}"#,
    r#"{"attributes":{"latency":600000,"rate":0,"bytes":100}}"#,
    r#"{"toxicity":1}"#,
];

/// What holds bytes or an end for good.
const HOLDS: &[&str] = &["600000", r#""rate":0"#];

/// What ends a connection from one way. The other way's toxics may hold that in Toxiproxy, which is a departure: a
/// sequence has the one or the other.
const ENDS: &[&str] = &["limit_data", r#""timeout","#, "reset_peer"];

/// Sequences of traffic with changes in between, over one proxy that is there.
pub(super) fn traffic() -> impl Strategy<Value = Vec<Step>> {
    let create = r#"{"name":"a","listen":"127.0.0.1:0","upstream":"{origin}"}"#;
    vec(live(), 2..14).prop_map(move |mut steps| {
        if steps.iter().any(|step| step.mentions(HOLDS)) {
            steps.retain(|step| !matches!(step, Step::Finish { .. }) && !step.mentions(ENDS));
            // Toxiproxy lets go of a held chunk when its toxic is updated or gets a neighbour: one toxic, left as it is.
            let mut toxics = 0;
            steps.retain(|step| match step {
                Step::Call { method: "PATCH", target, .. } => !target.contains("/toxics/"),
                Step::Call { method: "POST", target, .. } if target.ends_with("/toxics") => {
                    toxics += 1;
                    toxics == 1
                }
                _ => true,
            });
        }
        let first = [Step::call("POST", "/proxies", create), Step::Open { proxy: "a" }];
        first.into_iter().chain(steps).collect()
    })
}

fn live() -> impl Strategy<Value = Step> {
    let end = || select(&[End::Client, End::Origin][..]);
    let name = || select(&["t", "u"][..]);
    let added =
        (select(LIVE), name(), select(&["upstream", "downstream"][..]), select(&["1", "1", "1", "0"][..]));
    let toxic = || name().prop_map(|name| format!("/proxies/a/toxics/{name}"));
    // A removed `timeout` closes connections in Toxiproxy although it was spared there, which is a departure.
    let added = added.prop_map(|(toxic, name, stream, toxicity)| {
        (toxic, name, stream, if toxic.contains("timeout\"") { "1" } else { toxicity })
    });
    prop_oneof![
        4 => (0..3_usize, end(), select(&[1, 10, 1000, 5000, 20_000][..]))
            .prop_map(|(connection, from, bytes)| Step::Send { connection, from, bytes }),
        2 => Just(Step::Open { proxy: "a" }),
        1 => (0..3_usize, end()).prop_map(|(connection, from)| Step::Finish { connection, from }),
        4 => added.prop_map(|(toxic, name, stream, toxicity)| {
            let rest = format!(r#","name":"{name}","stream":"{stream}","toxicity":{toxicity}}}"#);
            Step::call("POST", "/proxies/a/toxics", &format!("{toxic}{rest}"))
        }),
        2 => (toxic(), select(LIVE_UPDATES)).prop_map(|(target, body)| Step::call("PATCH", &target, body)),
        3 => toxic().prop_map(|target| Step::call("DELETE", &target, "")),
        1 => select(&[
            r#"{"enabled":false}"#,
            r#"{"enabled":true}"#,
            r#"{"upstream":"127.0.0.1:1"}"#,
            r#"{"upstream":"{origin}"}"#,
            r#"{"listen":"127.0.0.1:0"}"#,
        ][..])
        .prop_map(|body| Step::call("PATCH", "/proxies/a", body)),
        1 => Just(Step::call("POST", "/reset", "")),
    ]
}

/// Sequences that are always run: each departure from the genuine server's answers is met in one of them.
pub(super) fn fixed() -> Vec<Vec<Step>> {
    let call = Step::call;
    let create = |name: &str, rest: &str| {
        let body = format!(r#"{{"name":"{name}","listen":"127.0.0.1:0","upstream":"{{origin}}"{rest}}}"#);
        Step::call("POST", "/proxies", &body)
    };
    vec![
        vec![call("POST", "/proxies", "{"), call("POST", "/proxies", ""), call("POST", "/populate", "{}")],
        vec![call("GET", "/version", "")],
        vec![call(
            "POST",
            "/populate",
            r#"[{"name":"a","listen":"127.0.0.1:0","upstream":"x"},{"name":"a","listen":"127.0.0.1:0","upstream":"y"}]"#,
        )],
        vec![
            create("a", ""),
            call("POST", "/proxies/a/toxics", r#"{"type":"latency","name":"t","attributes":{"latency":1}}"#),
            call("PATCH", "/proxies/a/toxics/t", r#"{"attributes":{"latency":2,"jitter":"x"}}"#),
            call("GET", "/proxies/a", ""),
        ],
        vec![
            create("a", ""),
            call("POST", "/proxies/a/toxics", r#"{"type":"noop"}"#),
            call("PATCH", "/proxies/a", r#"{"enabled":false}"#),
            call("POST", "/proxies", r#"{"name":"b","listen":"{listen:a}","upstream":"{origin}"}"#),
            call("PATCH", "/proxies/a", r#"{"enabled":true}"#),
            call("POST", "/reset", ""),
        ],
    ]
}
