//! Jepsen's own logs of etcd, with which Porcupine is tested: read from `test_data/jepsen` of its module, as histories of
//! ours. Shared with the suite, as the made-up ones are.

use std::{collections::HashMap, fs, path::Path, process::Command};

use anyhow::{Context, Error, Result, bail, ensure};
use bulkhead_model::{
    Act, Ended, Ending, Found, Invoked, Service, TenantName,
    history::{Event, EventKind},
};

/// Every log with its name, but for one that is empty.
pub(crate) fn logs() -> Result<Vec<(String, Vec<Event>)>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/checks/porcupine");
    let mut go = Command::new("go");
    go.args(["list", "-m", "-f", "{{.Dir}}", "github.com/anishathalye/porcupine"]).current_dir(source);
    let output = go.output().context("cannot run `go list`")?;
    ensure!(output.status.success(), "`go list` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    let folder = Path::new(String::from_utf8(output.stdout)?.trim()).join("test_data/jepsen");
    let listed = fs::read_dir(&folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
    let mut logs = Vec::new();
    for entry in listed {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        if !text.trim().is_empty() {
            let history = history(&text).with_context(|| format!("cannot read `{}`", path.display()))?;
            logs.push((name, history));
        }
    }
    logs.sort_by(|(a, _), (b, _)| a.cmp(b));
    ensure!(!logs.is_empty(), "there are no logs in `{}`", folder.display());
    Ok(logs)
}

/// A line is `INFO jepsen.util - PROCESS :invoke :cas [3 0]`, and later the same process `:ok`, `:fail` or `:info`.
fn history(text: &str) -> Result<Vec<Event>> {
    let tenant = TenantName::new("engine").map_err(Error::msg)?;
    let (mut events, mut under_way, mut last) = (Vec::new(), HashMap::new(), 0);
    for (line, at) in text.lines().zip((0..).step_by(1_000_000)) {
        let mut words = line.split_whitespace().skip_while(|word| *word != "-").skip(1);
        let (Some(process), Some(what), Some(act)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let values: Vec<_> = words.map(|word| word.trim_matches(['[', ']'])).collect();
        let kind = if what == ":invoke" {
            last += 1;
            under_way.insert(process, last);
            EventKind::Invoked(Invoked {
                op: last,
                client: format!("client {process}"),
                tenant: tenant.clone(),
                service: Service::Postgres,
                workload: String::from("postgres.engine-state"),
                act: asked(act, &values)?,
                due: None,
            })
        } else {
            let op = under_way.remove(process).with_context(|| format!("{process} did not begin: {line}"))?;
            let (outcome, found) = match (what, act) {
                (":ok", ":read") => (Ending::Ok, Some(Found::Value(value(values.first())))),
                (":ok", _) => (Ending::Ok, None),
                (":fail", _) => (Ending::Failed, None),
                (":info", _) => (Ending::Unknown, None),
                _ => bail!("no outcome: {line}"),
            };
            EventKind::Ended(Ended { op, outcome, detail: String::new(), found })
        };
        events.push(Event { at, kind });
    }
    let at = events.last().map_or(0, |event| event.at);
    events.push(Event { at, kind: EventKind::CaseEnded });
    Ok(events)
}

fn asked(act: &str, values: &[&str]) -> Result<Act> {
    let register = String::from("engine.r");
    let number = |index| value(values.get(index)).with_context(|| format!("{act} of what: {values:?}"));
    Ok(match act {
        ":read" => Act::Read { register },
        ":write" => Act::Write { register, value: number(0)? },
        ":cas" => Act::Swap { register, from: Some(number(0)?), to: number(1)? },
        _ => bail!("no operation on a register: {act}"),
    })
}

/// Nothing for `nil`.
fn value(word: Option<&&str>) -> Option<String> {
    word.filter(|word| **word != "nil").map(|word| format!("engine.{word}"))
}
