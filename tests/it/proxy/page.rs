//! The page on the fault proxy, `harness/proxy/README.md`: its tables are what the code says, and its example runs.

use std::process::Stdio;

use bulkhead_proxy::{
    toxics::{self, Field, Value},
    trigger::Trigger,
};
use tokio::{process::Command, time::timeout};

use super::{
    super::tools::{bring, skipped, succeed},
    departures::TABLE,
    echo::{Echo, HELLO, echoed},
    server::{CAP, Server},
};

pub(super) const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/harness/proxy/README.md"));

/// The rows of the table that stands between two marks.
fn rows(mark: &str) -> Vec<&'static str> {
    let (_, after) = PAGE.split_once(&format!("<!-- {mark} -->\n")).expect("the table's first mark");
    let (table, _) = after.split_once("<!-- end -->").expect("the table's last mark");
    table.lines().skip(2).collect()
}

fn attribute(field: &Field) -> String {
    let default = match field.default {
        Value::Integer(0) => String::new(),
        Value::Integer(number) => format!(", default {number}"),
        Value::Number(number) => format!(", default {number}"),
        Value::Word(_) => format!(": {}", field.words.join(", ")),
    };
    let extension = if field.extension { " *" } else { "" };
    format!("`{}`{extension} ({}{default})", field.name, field.about)
}

fn same(what: &str, rows: &[&str], expected: &[String]) {
    assert!(rows == expected, "the {what} of harness/proxy/README.md are now\n{}\n", expected.join("\n"));
}

#[test]
fn the_table_of_toxics_is_what_the_code_says() {
    let row = |kind: &&dyn toxics::Kind| {
        let attributes: Vec<_> = kind.fields().iter().map(attribute).collect();
        let attributes = if attributes.is_empty() { "none".to_owned() } else { attributes.join("; ") };
        format!("| `{}` | {} | {attributes} |", kind.name(), kind.about())
    };
    same("toxics", &rows("toxics"), &toxics::ALL.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn the_table_of_triggers_is_what_the_code_says() {
    let row = |member: bulkhead_proxy::trigger::Member| format!("| `{}` | {} |", member.name, member.about);
    same("triggers", &rows("triggers"), &Trigger::MEMBERS.map(row));
}

/// What the differential test allows, the page tells, with the same reason.
#[test]
fn the_table_of_differences_is_the_test_s() {
    let row =
        |departure: &super::departures::Departure| format!("| {} | {} |", departure.name, departure.reason);
    same("differences", &rows("differences"), &TABLE.iter().map(row).collect::<Vec<_>>());
}

/// The example is a script for a shell with `curl`; its last line is what the page says that it prints.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_runs() {
    let curl = || succeed(std::process::Command::new("curl").arg("--version"));
    if let Err(reason) = bring(&["curl"], curl) {
        return skipped(&reason);
    }
    let server = Server::ours(&["--seed", "7"]).await;
    let echo = Echo::new().await;
    let (_, after) = PAGE.split_once("<!-- example -->\n```sh\n").expect("the example");
    let (script, _) = after.split_once("```").expect("the example's end");
    let script = script
        .replace("http://localhost:8474", &format!("http://{}", server.api))
        .replace("127.0.0.1:5432", &echo.address)
        .replace("127.0.0.1:15432", "127.0.0.1:0");
    let mut shell = Command::new("sh");
    shell.args(["-ec", &script]).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(CAP, shell.output()).await.expect("the example ends").unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains(r#""name":"slow","type":"latency","stream":"downstream","toxicity":1"#), "{text}");

    let listen = text.split(r#""listen":""#).nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(echoed(listen).await, HELLO);
}
