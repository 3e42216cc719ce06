//! How commands and answers of Redis read: what an answer says about isolation, in the words that all services share.

use bulkhead_model::Outcome;
use redis::{Cmd, Value};

use crate::probes::answer::chain;

/// The command as one would type it.
pub(super) fn readable(command: &Cmd) -> String {
    let words = command.args_iter().map(|argument| match argument {
        redis::Arg::Simple(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => format!("({} bytes)", bytes.len()),
        },
        _ => String::from("0"),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Nil and 0 mean that nothing is there, as do `TTL`'s -2, `TYPE`'s `none`, and a list of nothing else.
pub(super) fn read_value(value: &Value) -> (Outcome, String) {
    match value {
        Value::Nil => (Outcome::Invisible, String::from("nil")),
        Value::Int(number @ (0 | -2)) => (Outcome::Invisible, number.to_string()),
        Value::SimpleString(text) if text == "none" => (Outcome::Invisible, text.clone()),
        Value::Array(values) => {
            let (outcomes, texts): (Vec<_>, Vec<_>) = values.iter().map(read_value).unzip();
            let nothing = outcomes.iter().all(|outcome| *outcome == Outcome::Invisible);
            let outcome = if nothing { Outcome::Invisible } else { Outcome::Allowed };
            (outcome, format!("[{}]", texts.join(", ")))
        }
        Value::SimpleString(text) => (Outcome::Allowed, text.clone()),
        Value::Int(number) => (Outcome::Allowed, number.to_string()),
        Value::BulkString(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            (Outcome::Allowed, text.replace(|c: char| c.is_control() && !c.is_whitespace(), "·"))
        }
        Value::Okay => (Outcome::Allowed, String::from("OK")),
        other => (Outcome::Allowed, format!("{other:?}")),
    }
}

/// How the answer begins where the server has no such command.
pub(super) const UNSERVED: &str = "not served: ";

/// How a refusal without `NOPERM` is worded: of a pattern by `SORT`, of a call inside a script by Redis 7.0 and by later
/// ones, of another logical database by a server that has one, of what its configuration reserves.
const REFUSED: [&str; 7] = [
    "insufficient ACL permissions",
    "The user executing the script can't",
    "ACL failure in script",
    "DB index is out of range",
    "Only 0th database is supported",
    "SELECT is not allowed in cluster mode",
    "command not allowed. If the",
];

/// How a connection that listens answers in RESP2 what it may otherwise run: permission is looked at first.
const BARRED: &str = "are allowed in this context";

/// What an error says about isolation: a missing permission or login is a refusal, and so is that there is no such command;
/// anything else says nothing.
pub(super) fn read_error(error: &redis::RedisError) -> (Outcome, String) {
    let unserved = |detail: &str| {
        let begins =
            ["unknown command", "unknown subcommand", "Unknown subcommand", "Command is not available"];
        begins.iter().any(|begin| detail.starts_with(begin))
    };
    let detail = error.detail().unwrap_or_default();
    match error.code() {
        Some(code @ ("NOPERM" | "NOAUTH" | "WRONGPASS")) => (Outcome::Denied, format!("{code} {detail}")),
        // No script of that digest is there.
        Some("NOSCRIPT") => (Outcome::Invisible, format!("NOSCRIPT {detail}")),
        Some("ERR") if REFUSED.iter().any(|words| detail.contains(words)) => {
            (Outcome::Denied, format!("ERR {detail}"))
        }
        Some("ERR") if unserved(detail) => (Outcome::Denied, format!("{UNSERVED}{detail}")),
        Some("ERR") if detail.ends_with(BARRED) => (Outcome::Allowed, format!("permitted: {detail}")),
        _ => (Outcome::Unknown, chain(error)),
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_model::Service;

    use super::*;
    use crate::probes::finding::tests::an_error_leaks_what_it_quotes;

    #[test]
    fn an_error_that_quotes_the_neighbour_is_a_leak() {
        for code in ["NOPERM", "ERR", "WRONGTYPE"] {
            an_error_leaks_what_it_quotes(Service::Redis, |text, _| {
                let answer = redis::parse_redis_value(format!("-{code} {text}\r\n").as_bytes());
                read_error(&answer.and_then(Value::extract_error).unwrap_err())
            });
        }
    }

    #[test]
    fn an_answer_of_nothing_is_not_an_answer_of_something() {
        assert_eq!(read_value(&Value::Nil).0, Outcome::Invisible);
        assert_eq!(read_value(&Value::Int(0)).0, Outcome::Invisible);
        assert_eq!(read_value(&Value::Int(1)).0, Outcome::Allowed);
        assert_eq!(read_value(&Value::Okay).0, Outcome::Allowed);
        assert_eq!(read_value(&Value::Array(vec![Value::Nil, Value::Int(0)])).0, Outcome::Invisible);
        assert_eq!(read_value(&Value::Array(vec![Value::Nil, Value::Int(1)])).0, Outcome::Allowed);
        let of_type = |name: &str| read_value(&Value::SimpleString(name.to_owned())).0;
        assert_eq!((of_type("none"), of_type("hash")), (Outcome::Invisible, Outcome::Allowed));
    }

    #[test]
    fn a_broken_connection_is_not_a_refusal() {
        let broken = redis::RedisError::from(std::io::Error::other("reset"));
        assert_eq!(read_error(&broken).0, Outcome::Unknown);
    }
}
