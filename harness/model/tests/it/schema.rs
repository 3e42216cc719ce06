//! The JSON Schema of scenario files: it has the parser's keys, takes every shipped file and refuses what the parser does.

use std::path::{Path, PathBuf};

use bulkhead_model::{
    Item,
    scenario::{schema, tags},
};
use serde_json::{Value, json};

use crate::scenario::parse;

/// Every file below the shipped scenarios.
fn shipped(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            shipped(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

/// What the schema holds against a text, a line each.
fn held_against(text: &str) -> Vec<String> {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let value: Value = serde_saphyr::from_str(text).unwrap();
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn every_shipped_file_is_valid() {
    let mut files = Vec::new();
    shipped(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios"), &mut files);
    assert!(files.len() >= 60, "{} files", files.len());
    for file in files {
        let wrong = held_against(&std::fs::read_to_string(&file).unwrap());
        assert!(wrong.is_empty(), "{}: {wrong:#?}", file.display());
    }
}

#[test]
fn a_variable_stands_for_any_value_and_its_list() {
    let text = "for-each: { f: [{ down: { service: redis } }], n: [1], t: [engine] }\ntitle: T\nwhy: W\ntags: [chaos]\n\
                tenants: [$t]\nworkload: [{ rabbitmq.tasks: { publishers: $n } }]\nrun-for: $n\nfaults: $f\n\
                expect: [nothing-lost, { recovers-within: $n }]\n";
    assert_eq!(held_against(text), Vec::<String>::new());
    assert_eq!(held_against(&text.replace("faults: $f", "faults: [$f, { down: $f }]")), Vec::<String>::new());
}

/// Each is refused by the parser, too.
#[test]
fn what_is_wrong_is_refused() {
    let good = "title: T\nwhy: W\nchecklist: [vhost-created]\nexpect: [checklist-done]\n";
    assert_eq!(held_against(good), Vec::<String>::new());
    parse(good).unwrap();
    for (from, to) in [
        ("title: T\n", ""),
        ("title: T", "titel: T"),
        ("[vhost-created]", "vhost-created"),
        ("[vhost-created]", "[vhost-crated]"),
        ("[vhost-created]", "[]"),
        ("expect: [checklist-done]", "expect: [{ recovers-within: 1s, nothing-lost: 1s }]"),
        ("why: W", "why: W\ntags: [cha]"),
        ("why: W", "why: W\ntenants: [Engine]"),
        ("why: W", "why: W\nfaults: down"),
        ("why: W", "why: W\nrun-for: 3 hours"),
    ] {
        let bad = good.replace(from, to);
        assert!(!held_against(&bad).is_empty(), "{bad}");
        parse(&bad).unwrap_err();
    }
}

#[test]
fn the_schema_says_what_the_parser_does() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["required"], json!(["title", "why", "expect"]));
    assert_eq!(
        schema["oneOf"],
        json!([
            { "required": ["probes"] },
            { "required": ["checklist"] },
            { "required": ["workload", "run-for"] },
        ])
    );
    let properties = schema["properties"].as_object().unwrap();
    // Each key of the schema is one that the parser knows, and every other key is not.
    for key in properties.keys() {
        let problems = parse(&format!("{key}: {{}}\n")).unwrap_err().to_string();
        assert!(!problems.contains("unknown key"), "{problems}");
    }
    let hint = parse("zzzzzzzzz: 1\n").unwrap_err().to_string();
    let known: Vec<&str> =
        hint.lines().find_map(|l| l.trim().strip_prefix("hint: known: ")).unwrap().split(", ").collect();
    assert_eq!(known.len(), properties.len());
    for (key, property) in properties {
        assert!(known.contains(&key.as_str()), "{key}");
        assert!(property["description"].is_string(), "{key} has no description");
        let one = |schema: &Value| schema["type"].as_str().is_some_and(|of| of != "null");
        let some = property["anyOf"].as_array().is_some_and(|any| any.iter().all(one));
        assert!(one(property) || some, "{key} may be something else too: {property}");
    }
    let items: Vec<&str> = Item::ALL.map(Item::name).to_vec();
    let described: Vec<String> = schema["$defs"]["Item"]["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variant| variant["const"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(described, items);
    assert_eq!(schema["$defs"]["Tag"]["enum"], json!(tags().collect::<Vec<_>>()));
}
