//! Where ours departs from Toxiproxy on purpose: the one table, each entry with its reason, each shown to be met.

use super::{
    scenes::{Call, Scene},
    server::Answer,
    steps::Step,
};

/// One improvement.
pub(super) struct Departure {
    /// What ours does, in a line.
    pub(super) name: &'static str,
    /// Why that is better, and why no client can mind.
    pub(super) reason: &'static str,
    /// Where the two differ.
    pub(super) shown: Shown,
}

/// How an entry is shown.
pub(super) enum Shown {
    /// By a difference between two answers of a sequence, of just this kind.
    Answers(fn(&Step, &Answer, &Answer) -> bool),
    /// By the state that is left, which the judge compares and makes the same again.
    State,
    /// By a scene of its own on a server of its own: what is to be told of each, and not of the other.
    Told { scene: Scene, theirs: &'static str, ours: &'static str },
}

const fn call(method: &'static str, target: &'static str, body: &'static str) -> Call {
    Call { method, target, body }
}

/// A proxy that is there before anything is asked of it.
const PROXY: Call = call("POST", "/proxies", r#"{"name":"a","listen":"127.0.0.1:0","upstream":"{origin}"}"#);

/// The table.
pub(super) const TABLE: &[Departure] = &[
    Departure {
        name: "the parser's words",
        reason: "they are those of another JSON library; status, shape and everything before them are the same",
        shown: Shown::Answers(|_, theirs, ours| {
            let (theirs_words, theirs_rest) = words(theirs);
            let (ours_words, ours_rest) = words(ours);
            let end_of_input = |words: &Option<&str>| *words == Some("EOF");
            theirs_words.is_some()
                && ours_words.is_some()
                && !end_of_input(&theirs_words)
                && !end_of_input(&ours_words)
                && theirs_rest == ours_rest
        }),
    },
    Departure {
        name: REFUSED_UPDATES,
        reason: "a toxic that is half updated is what nobody asked for, and its client was told that it was not",
        shown: Shown::State,
    },
    Departure {
        name: WHOLE_RESETS,
        reason: "a proxy that cannot listen must not keep the faults of others in place",
        shown: Shown::State,
    },
    Departure {
        name: "the version",
        reason: "a server that Go installed says `git`; ours names the version whose contract it keeps",
        shown: Shown::Answers(|step, theirs, ours| {
            let asked = matches!(step, Step::Call { target, .. } if target.starts_with("/version"));
            let said =
                |answer: &Answer, version: &str| answer.body == format!("{{\"version\": \"{version}\"}}\n");
            asked
                && said(ours, "2.12.0")
                && theirs.body.starts_with("{\"version\": \"")
                && theirs.headers == ours.headers
                && theirs.status == ours.status
        }),
    },
    Departure {
        name: "no Logger",
        reason: "the member is an accident of recent versions, and the official clients pass over it",
        shown: Shown::Told {
            scene: Scene::Calls(&[PROXY]),
            theirs: r#""enabled":true,"Logger":{},"toxics":[]"#,
            ours: r#""enabled":true,"toxics":[]"#,
        },
    },
    Departure {
        name: "toxics from the start",
        reason: "a proxy with its toxics in one call is there with them from the first connection on",
        shown: Shown::Told {
            scene: Scene::Calls(&[call(
                "POST",
                "/proxies",
                r#"{"name":"a","listen":"127.0.0.1:0","upstream":"{origin}","toxics":[{"type":"timeout"}]}"#,
            )]),
            theirs: r#""toxics":[]"#,
            ours: r#""toxics":[{"attributes":{"timeout":0},"name":"timeout_downstream""#,
        },
    },
    Departure {
        name: "both ways in one toxic",
        reason: "one name for what is one fault; Toxiproxy refuses the word",
        shown: Shown::Told {
            scene: Scene::Calls(&[
                PROXY,
                call("POST", "/proxies/a/toxics", r#"{"type":"latency","stream":"both"}"#),
            ]),
            theirs: "400 {\"error\":\"stream was invalid",
            ours: r#"200 {"attributes":{"latency":0,"jitter":0},"name":"latency_both","type":"latency","stream":"both""#,
        },
    },
    Departure {
        name: "more toxics",
        reason: "types that Toxiproxy refuses, `packet_loss` of its next version among them",
        shown: Shown::Told {
            scene: Scene::Calls(&[PROXY, call("POST", "/proxies/a/toxics", r#"{"type":"packet_loss"}"#)]),
            theirs: "400 {\"error\":\"invalid toxic type\"",
            ours: r#"200 {"attributes":{"loss_rate":0.1,"correlation":0},"name":"packet_loss_downstream""#,
        },
    },
    Departure {
        name: "triggers",
        reason: "a fault can begin late, meet some connections and heal by itself; Toxiproxy passes the member over",
        shown: Shown::Told {
            scene: Scene::Calls(&[
                PROXY,
                call("POST", "/proxies/a/toxics", r#"{"type":"noop","trigger":{"connections":1}}"#),
            ]),
            theirs: r#""toxicity":1} "#,
            ours: r#""toxicity":1,"trigger":{"connections":1}} "#,
        },
    },
    Departure {
        name: "routes of its own",
        reason: "they stand below `/x/`, where Toxiproxy has nothing",
        shown: Shown::Told {
            scene: Scene::Calls(&[call("GET", "/x/health", "")]),
            theirs: "404 404 page not found",
            ours: r#"200 {"status":"ok""#,
        },
    },
    Departure {
        name: "keys that mean nothing are named",
        reason: "a misspelt key is passed over by both; the header of ours says so, and a client need not read it",
        shown: Shown::Told {
            scene: Scene::Calls(&[PROXY, call("POST", "/proxies/a/toxics", r#"{"type":"noop","toxity":1}"#)]),
            theirs: "ignored: none",
            ours: "ignored: toxity",
        },
    },
    Departure {
        name: "values that act otherwise than they read are named",
        reason: "both take them and show them as they were given; the header of ours says what they mean",
        shown: Shown::Told {
            scene: Scene::Calls(&[
                PROXY,
                call("POST", "/proxies/a/toxics", r#"{"type":"noop","toxicity":7.5}"#),
            ]),
            theirs: "note: none",
            ours: "note: a toxicity below 0 acts as 0 and one above 1 as 1",
        },
    },
    Departure {
        name: "a list can switch proxies that are there",
        reason: "`?apply=enabled` asks for it; Toxiproxy passes over the query, and both leave the switch alone without it",
        shown: Shown::Told {
            scene: Scene::Calls(&[
                call(
                    "POST",
                    "/proxies",
                    r#"{"name":"a","listen":"127.0.0.1:0","upstream":"{origin}","enabled":false}"#,
                ),
                call(
                    "POST",
                    "/populate?apply=enabled",
                    r#"[{"name":"a","listen":"127.0.0.1:0","upstream":"{origin}","enabled":true}]"#,
                ),
            ]),
            theirs: r#""enabled":false"#,
            ours: r#""enabled":true"#,
        },
    },
    Departure {
        name: "the coin of a connection stays as it fell",
        reason: "whom a toxic spares it spares, until its own toxicity changes; Toxiproxy tosses again when it gets a neighbour",
        shown: Shown::Told { scene: Scene::Coin, theirs: "struck later", ours: "spared to the end" },
    },
    Departure {
        name: "the seed decides every choice",
        reason: "the same seed and the same traffic meet the same faults; Toxiproxy reads `-seed` and does not use it",
        shown: Shown::Told { scene: Scene::Again, theirs: "other choices", ours: "the same choices" },
    },
    Departure {
        name: "half-close is passed on",
        reason: "a client that has said all of its request still gets its answer",
        shown: Shown::Told { scene: Scene::HalfClose, theirs: "0 bytes, then end", ours: "10 bytes" },
    },
    Departure {
        name: "reset_peer resets old connections",
        reason: "what the toxic is for; Toxiproxy sends a plain end on connections that are older than it",
        shown: Shown::Told {
            scene: Scene::OldReset,
            theirs: "0 bytes, then end",
            ours: "0 bytes, then reset",
        },
    },
    Departure {
        name: "a reset_peer that waits can be removed",
        reason: "a fault must be lifted when it is asked for, without loss; Toxiproxy's call waits for the reset",
        shown: Shown::Told {
            scene: Scene::RemovedReset,
            theirs: "removed in its time: 204, 0 bytes, then reset",
            ours: "removed before its time: 204, 10 bytes",
        },
    },
    Departure {
        name: "a peer's reset is passed on as one",
        reason: "whoever speaks to a server that died sees what it would see without a proxy; Toxiproxy makes it a plain end",
        shown: Shown::Told {
            scene: Scene::PeerReset,
            theirs: "0 bytes, then end",
            ours: "0 bytes, then reset",
        },
    },
    Departure {
        name: "dialling is given up after 10 s",
        reason: "a client is not to wait for minutes on an upstream that answers nothing; Toxiproxy waits as its system does",
        shown: Shown::Told {
            scene: Scene::Undialled,
            theirs: "0 bytes, then silence",
            ours: "0 bytes, then end after 10 s",
        },
    },
    Departure {
        name: "a cut ends both ways at once",
        reason: "Toxiproxy closes one end and lets the toxics of the other way hold the other end open",
        shown: Shown::Told {
            scene: Scene::HeldCut,
            theirs: "0 bytes, then silence",
            ours: "0 bytes, then end",
        },
    },
    Departure {
        name: "what is held stays held",
        reason: "Toxiproxy lets a chunk go whenever its toxic is updated or gets a neighbour, though it is still to be held",
        shown: Shown::Told { scene: Scene::HeldUpdate, theirs: "10 bytes", ours: "0 bytes, then silence" },
    },
    Departure {
        name: "a toxic that was spared is removed without a trace",
        reason: "Toxiproxy closes connections on which the removed `timeout` never acted",
        shown: Shown::Told { scene: Scene::SparedTimeout, theirs: "0 bytes, then ", ours: "10 bytes" },
    },
    Departure {
        name: "a rate below 0 kills nothing",
        reason: "Toxiproxy's process ends with it; ours takes it for no limit",
        shown: Shown::Told {
            scene: Scene::Absurd(r#"{"type":"bandwidth","attributes":{"rate":-1}}"#),
            theirs: "the server is dead",
            ours: "10 bytes",
        },
    },
    Departure {
        name: "a slicer of nothing kills nothing",
        reason: "Toxiproxy's process ends with it; ours lets the bytes pass",
        shown: Shown::Told {
            scene: Scene::Absurd(r#"{"type":"slicer","attributes":{"average_size":0}}"#),
            theirs: "the server is dead",
            ours: "10 bytes",
        },
    },
    Departure {
        name: "toxics go while a client does not read",
        reason: "a fault must be lifted when it is asked for; Toxiproxy waits for the client and answers 503 after 25 s",
        shown: Shown::Told { scene: Scene::Unread, theirs: "removed: 503", ours: "removed: 204" },
    },
    Departure {
        name: "mistyped toxics in a list are refused",
        reason: "Toxiproxy passes over a member that ours obeys, and what is obeyed is to make sense",
        shown: Shown::Told {
            scene: Scene::Calls(&[call(
                "POST",
                "/populate",
                r#"[{"name":"a","listen":"127.0.0.1:0","upstream":"{origin}","toxics":7}]"#,
            )]),
            theirs: "201 {",
            ours: r#"400 {"error":"bad request body: json: toxics must be an array"#,
        },
    },
    Departure {
        name: "mistyped TLS is refused",
        reason: "the same: a proxy that was to end TLS must not pass it through in silence",
        shown: Shown::Told {
            scene: Scene::Calls(&[call(
                "POST",
                "/populate",
                r#"[{"name":"a","listen":"127.0.0.1:0","upstream":"{origin}","tls":7}]"#,
            )]),
            theirs: "201 {",
            ours: r#"400 {"error":"bad tls: it is not an object"#,
        },
    },
    Departure {
        name: "a head has 4,096 lines at most",
        reason: "no client sends as many; Go bounds the bytes alone, which both do at 1 MiB",
        shown: Shown::Told { scene: Scene::Lines(5000), theirs: "200 ", ours: "431 " },
    },
    Departure {
        name: "a body has 16 MiB at most",
        reason: "they hold some 100,000 proxies, and nobody is to fill the memory with more",
        shown: Shown::Told {
            scene: Scene::Large(17 << 20),
            theirs: "201 {",
            ours: r#"413 {"error":"bad request body: it is larger than 16 MiB""#,
        },
    },
    Departure {
        name: "a fragment is no part of a path",
        reason: "`GET /version#x` means `/version` by the rules of URIs, and no client sends it",
        shown: Shown::Told {
            scene: Scene::Raw("GET /version#x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
            theirs: "404 ",
            ours: "200 ",
        },
    },
    Departure {
        name: "what is no HTTP is refused without a word",
        reason: "who sends it reads no HTTP; Go's server says 400, 501 or 505 in words, ours 400 with an empty body",
        shown: Shown::Told {
            scene: Scene::Raw("garbage\r\n\r\n"),
            theirs: "400 [content-type: text/plain; charset=utf-8] 400 Bad Request|",
            ours: "400 |",
        },
    },
];

/// Its judge compares the toxic.
pub(super) const REFUSED_UPDATES: &str = "a refused update changes nothing";

/// Its judge compares the proxies.
pub(super) const WHOLE_RESETS: &str = "a reset that fails for one proxy is done for the others";

/// The entry that a difference between two answers is of.
pub(super) fn forgiven(step: &Step, theirs: &Answer, ours: &Answer) -> Option<&'static str> {
    let entry = TABLE.iter().find(|entry| match entry.shown {
        Shown::Answers(judge) => judge(step, theirs, ours),
        Shown::State | Shown::Told { .. } => false,
    });
    entry.map(|entry| entry.name)
}

/// What a parser said, and the answer without it.
fn words(answer: &Answer) -> (Option<&str>, Answer) {
    const BEFORE: &str = r#"{"error":"bad request body: "#;
    const AFTER: &str = r#"","status":400"#;
    let words = answer.body.strip_prefix(BEFORE).and_then(|rest| Some(&rest[..rest.rfind(AFTER)?]));
    let rest = Answer {
        body: words.map_or(answer.body.clone(), |words| answer.body.replace(words, "")),
        ..answer.clone()
    };
    (words, rest)
}
