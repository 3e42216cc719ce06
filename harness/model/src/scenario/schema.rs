//! The JSON Schema of scenario files, for editors and for a check in CI. It mirrors the parser: a test holds the two
//! together. Names that live in other rooms, probes and invariants, are plain text in it.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

use crate::Item;

/// What stands for a value that `for-each` chooses.
fn variable() -> Value {
    json!({ "type": "string", "pattern": r"^\$[a-z0-9-]+$" })
}

/// The schema, draft 2020-12.
pub fn schema() -> Value {
    let mut schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<ScenarioFile>().to_value();
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.iter_mut().filter(|(name, _)| *name != "for-each").for_each(|(_, of)| variable_too(of));
    }
    if let Some(settings) = schema.pointer_mut("/$defs/Chosen/anyOf/1/additionalProperties") {
        or_a_variable(settings);
    }
    schema
}

/// Lets a variable stand for a whole list and for each of its elements. A text may be one as it is.
fn variable_too(property: &mut Value) {
    let Some(of) = property.as_object_mut() else { return };
    let mut kinds = match of.remove("anyOf") {
        Some(Value::Array(kinds)) => kinds,
        _ if of.get("type").is_some_and(|of| of == "array") => {
            let about = ["description", "default"].map(|name| of.remove_entry(name));
            let list = std::mem::take(of);
            of.extend(about.into_iter().flatten());
            vec![Value::Object(list)]
        }
        _ => return,
    };
    kinds.iter_mut().filter_map(|kind| kind.get_mut("items")).for_each(or_a_variable);
    kinds.push(variable());
    of.insert(String::from("anyOf"), Value::Array(kinds));
}

fn or_a_variable(schema: &mut Value) {
    let known = schema.take();
    *schema = json!({ "anyOf": [known, variable()] });
}

/// A Bulkhead scenario: what to run, on whom, and what must hold.
#[derive(JsonSchema)]
#[schemars(
    title = "Bulkhead scenario",
    deny_unknown_fields,
    extend("oneOf" = [
        { "required": ["probes"] },
        { "required": ["checklist"] },
        { "required": ["workload", "run-for"] },
    ])
)]
#[expect(dead_code, reason = "only its shape is used: the parser reads the located tree")]
struct ScenarioFile {
    /// Variables, each with its values: a scenario for each choice of one value of each. `$NAME`, alone as a value,
    /// stands for it.
    #[schemars(default, rename = "for-each", inner(length(min = 1)))]
    for_each: std::collections::BTreeMap<String, Vec<Value>>,
    /// One line that says what holds.
    #[schemars(length(min = 1), regex(pattern = r"\S"))]
    title: String,
    /// Why it matters to the apps.
    #[schemars(length(min = 1), regex(pattern = r"\S"))]
    why: String,
    /// Words to choose by.
    #[schemars(default, length(min = 1), extend("uniqueItems" = true))]
    tags: Vec<Tag>,
    /// The tenants it is about; all when absent.
    #[schemars(default, length(min = 1), inner(regex(pattern = "^[a-z][a-z0-9_-]{0,23}$")), extend("uniqueItems" = true))]
    tenants: Vec<String>,
    /// Names of probes, `<service>.<words>`, or `<service>.<class>` for all of a class.
    #[schemars(default, length(min = 1), inner(regex(pattern = r"^[a-z0-9]+\..+$")), extend("uniqueItems" = true))]
    probes: Vec<String>,
    /// Items of the integration checklist, or `all` of them.
    #[schemars(default, with = "Checklist")]
    checklist: Vec<Item>,
    /// What the tenant's app does: workloads, each with settings or without.
    #[schemars(default, length(min = 1))]
    workload: Vec<Chosen>,
    /// How long it does so: `8s`.
    #[schemars(default, rename = "run-for", regex(pattern = r"^([0-9]+(ms|s|min)|\$[a-z0-9-]+)$"))]
    run_for: String,
    /// What is done to it meanwhile, each with settings.
    #[schemars(default, length(min = 1))]
    faults: Vec<Chosen>,
    /// The invariants that must hold.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    expect: Vec<Expected>,
}

/// `all`, or some of them.
struct Checklist;

impl JsonSchema for Checklist {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Checklist".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let item = generator.subschema_for::<Item>();
        schemars::json_schema!({
            "anyOf": [
                { "type": "string", "const": "all" },
                { "type": "array", "items": item, "minItems": 1, "uniqueItems": true },
            ],
        })
    }
}

/// An invariant, or one with its bound: `recovers-within: 5s`.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its shape is used")]
enum Expected {
    Plain(String),
    Bound(
        #[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
        std::collections::BTreeMap<String, String>,
    ),
}

/// A name, or a name with its settings: `rabbitmq.tasks: { publishers: 2 }`.
struct Chosen;

impl JsonSchema for Chosen {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Chosen".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let settings = schemars::json_schema!({
            "type": ["object", "null"],
            "additionalProperties": { "type": ["string", "integer"] },
        });
        schemars::json_schema!({
            "anyOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": settings,
                },
            ],
        })
    }
}

struct Tag;

impl JsonSchema for Tag {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tag".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let tags: Vec<&str> = super::tags().collect();
        schemars::json_schema!({ "type": "string", "enum": tags })
    }
}
