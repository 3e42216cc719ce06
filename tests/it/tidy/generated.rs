//! Files that are generated and checked in: each is what the program generates now.

use bulkhead_model::scenario;

const SCHEMA: &str = "scenarios/schema.json";

/// Says how to make the file again when it is not what is generated.
fn stale(file: &str, generated: &str) -> Option<String> {
    let (file, generated) = (file.trim_end(), generated.trim_end());
    let line = file.lines().zip(generated.lines()).position(|(one, other)| one != other);
    let line =
        line.or_else(|| (file != generated).then(|| file.lines().count().min(generated.lines().count())))?;
    Some(format!("{SCHEMA}:{}: stale; `cargo bulkhead scenario schema > {SCHEMA}` makes it again", line + 1))
}

#[test]
fn the_schema_of_scenario_files_is_the_one_in_the_repository() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA);
    let file = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(stale(&file, &format!("{:#}", scenario::schema())), None);
}

#[test]
fn a_stale_file_is_refused() {
    assert_eq!(stale("{\n}\n", "{\n}"), None);
    let expected =
        "scenarios/schema.json:2: stale; `cargo bulkhead scenario schema > scenarios/schema.json` makes it";
    assert!(stale("{\n  1\n}\n", "{\n  2\n}\n").unwrap().starts_with(expected));
    assert!(stale("{\n", "{\n}\n").unwrap().starts_with(expected));
}
