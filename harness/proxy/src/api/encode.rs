//! Proxies and toxics as Toxiproxy prints them: the same keys in the same order.

use super::json;
use crate::{
    proxies::View,
    spec::ToxicSpec,
    toxics::{Attributes, Value},
};

/// A proxy with its toxics. `exact` adds the `Logger` that recent versions print by accident.
pub(crate) fn proxy(view: &View, exact: bool) -> String {
    let mut members = vec![
        ("name", json::string(&view.name)),
        ("listen", json::string(&view.listen)),
        ("upstream", json::string(&view.upstream)),
        ("enabled", view.enabled.to_string()),
    ];
    if exact {
        members.push(("Logger", "{}".to_owned()));
    }
    members.push(("toxics", toxics(&view.toxics)));
    if let Some(tls) = &view.tls {
        members.push(("tls", tls.shown().to_string()));
    }
    json::object(members)
}

/// All of them in an object by name, sorted.
pub(crate) fn proxies(views: &[View], exact: bool) -> String {
    json::object(views.iter().map(|view| (view.name.as_str(), proxy(view, exact))))
}

/// A list of proxies; an empty one is `null`, as Go prints a list that was never begun.
pub(crate) fn populated(views: &[View], exact: bool) -> String {
    if views.is_empty() {
        return "null".to_owned();
    }
    let views: Vec<String> = views.iter().map(|view| proxy(view, exact)).collect();
    format!("[{}]", views.join(","))
}

/// A list of toxics.
pub(crate) fn toxics(specs: &[ToxicSpec]) -> String {
    let specs: Vec<String> = specs.iter().map(toxic).collect();
    format!("[{}]", specs.join(","))
}

/// A toxic.
pub(crate) fn toxic(spec: &ToxicSpec) -> String {
    let mut members = vec![
        ("attributes", attributes(&spec.attributes)),
        ("name", json::string(&spec.name)),
        ("type", json::string(spec.kind.name())),
        ("stream", json::string(&spec.stream)),
        ("toxicity", json::float32(spec.toxicity)),
    ];
    let trigger: Vec<_> = spec.trigger.given().map(|(name, number)| (name, number.to_string())).collect();
    if !trigger.is_empty() {
        members.push(("trigger", json::object(trigger)));
    }
    json::object(members)
}

fn attributes(attributes: &Attributes) -> String {
    let shown = attributes.iter().filter(|(field, value)| !field.extension || *value != field.default);
    json::object(shown.map(|(field, value)| (field.name, printed(*value))))
}

fn printed(value: Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => json::float64(number),
        Value::Word(word) => json::string(word),
    }
}
