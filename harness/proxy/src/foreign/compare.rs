//! What was asked for as JSON, whether another server understands it, and whether it shows what was asked for.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use super::{SeenProxy, SeenToxic};
use crate::{
    spec::{ProxySpec, Side, ToxicChange, ToxicSpec},
    toxics,
    trigger::Trigger,
};

/// The part of a toxic that only we understand.
pub(super) fn toxic_extension(spec: &ToxicSpec) -> Option<String> {
    if spec.side == Side::Both {
        return Some("`both`".into());
    }
    if spec.trigger != Trigger::default() {
        return Some("a trigger".into());
    }
    if !toxics::TOXIPROXYS.contains(&spec.kind.name()) {
        return Some(format!("`{}`", spec.kind.name()));
    }
    attribute_extension(&spec.attributes)
}

/// The part of a change that only we understand.
pub(super) fn change_extension(change: &ToxicChange) -> Option<String> {
    let trigger = change.trigger.map(|_| "`trigger`".to_owned());
    trigger.or_else(|| change.attributes.as_ref().and_then(attribute_extension))
}

fn attribute_extension(attributes: &toxics::Attributes) -> Option<String> {
    let mut given = attributes.iter().filter(|(field, value)| field.extension && *value != field.default);
    given.next().map(|(field, _)| format!("`{}`", field.name))
}

/// The part of a proxy that only we understand.
pub(super) fn proxy_extension(spec: &ProxySpec) -> Option<String> {
    let tls = spec.tls.as_ref().map(|_| "`tls`".to_owned());
    tls.or_else(|| spec.toxics.iter().find_map(toxic_extension))
}

pub(super) fn attributes(attributes: &toxics::Attributes) -> Map<String, Value> {
    let standard = attributes.iter().filter(|(field, _)| !field.extension);
    standard
        .map(|(field, value)| {
            let value = match value {
                toxics::Value::Integer(value) => json!(value),
                toxics::Value::Number(value) => json!(value),
                toxics::Value::Word(value) => json!(value),
            };
            (field.name.to_owned(), value)
        })
        .collect()
}

pub(super) fn toxic(spec: &ToxicSpec) -> Value {
    json!({
        "name": spec.name,
        "type": spec.kind.name(),
        "stream": spec.stream,
        "toxicity": spec.toxicity,
        "attributes": attributes(&spec.attributes),
    })
}

/// Whether what is shown is what was asked for. The server may show attributes that we do not know.
pub(super) fn same_toxic(asked: &ToxicSpec, seen: &SeenToxic) -> bool {
    asked.name == seen.name
        && asked.kind.name() == seen.kind
        && asked.stream == seen.stream
        && asked.toxicity.to_bits() == seen.toxicity.to_bits()
        && same_attributes(&attributes(&asked.attributes), &seen.attributes)
}

/// Whether every attribute that was asked for is shown with that number, however it is written.
pub(super) fn same_attributes(asked: &Map<String, Value>, seen: &Map<String, Value>) -> bool {
    asked.iter().all(|(name, asked)| {
        let Some(seen) = seen.get(name) else { return false };
        asked == seen || asked.as_f64().is_some_and(|asked| Some(asked) == seen.as_f64())
    })
}

/// Whether a proxy is there as it was asked for, its toxics aside.
pub(super) fn same_proxy(asked: &ProxySpec, seen: &SeenProxy) -> bool {
    asked.name == seen.name
        && asked.upstream == seen.upstream
        && asked.enabled == seen.enabled
        && same_listen(&asked.listen, &seen.listen)
}

/// Whether an address that a server shows may be the one that was asked for: a server that listens shows what it
/// resolved, and port 0 and none are a port of its choice.
pub(super) fn same_listen(asked: &str, seen: &str) -> bool {
    if asked == seen {
        return true;
    }
    let Ok(seen) = seen.parse::<SocketAddr>() else { return false };
    let Some((host, port)) = asked.rsplit_once(':') else { return asked.is_empty() && seen.port() != 0 };
    let port_fits =
        if port == "0" || port.is_empty() { seen.port() != 0 } else { port.parse() == Ok(seen.port()) };
    let host = host.trim_matches(['[', ']']);
    // A name may be any of its addresses: which, only the other machine knows.
    let host_fits = match host.parse::<std::net::IpAddr>() {
        Ok(ip) => ip == seen.ip() || ip.is_unspecified() && seen.ip().is_unspecified(),
        Err(_) => true,
    };
    port_fits && host_fits
}
