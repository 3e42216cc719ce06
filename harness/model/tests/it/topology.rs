//! Topology files: what is refused, where, and in which words.

use std::{fs, path::Path};

use bulkhead_model::{Enforcement, Problems, Service, Sharing, Topology};

use crate::expect;

fn refused(text: &str) -> Problems {
    Topology::parse(text, "t.toml").expect_err("the layout was accepted")
}

/// Two tenants whose four lines are given, `engine` from line 2 and `plane` from line 7.
fn two(engine: [&str; 4], plane: [&str; 4]) -> String {
    let [e, p] = [engine, plane].map(|lines| lines.join("\n"));
    format!("[tenants.engine]\n{e}\n[tenants.plane]\nenv = \"PLANE_\"\n{p}\n")
}

const ENGINE: [&str; 4] = [
    "postgres = { database = \"enginedb\" }",
    "redis = { prefix = \"engine:\" }",
    "rabbitmq = { vhost = \"/engine\" }",
    "s3 = { bucket = \"tl-engine\" }",
];
const PLANE: [&str; 4] = [
    "postgres = { database = \"planedb\" }",
    "redis = { prefix = \"plane:\" }",
    "rabbitmq = { vhost = \"plane\" }",
    "s3 = { bucket = \"tl-plane\" }",
];

/// One line of each tenant replaced.
fn with(index: usize, engine: &str, plane: &str) -> String {
    let (mut e, mut p) = (ENGINE, PLANE);
    (e[index], p[index]) = (engine, plane);
    two(e, p)
}

#[test]
fn separate_and_shared_layouts_are_accepted() {
    let separate = Topology::parse(&two(ENGINE, PLANE), "t.toml").unwrap();
    assert_eq!(separate.enforcement(Service::Redis), Enforcement::Enforced);
    let shared = two(
        [
            "postgres = { database = \"apps\", schema = \"engine\" }",
            "redis = { prefix = \"engine:\" }",
            "rabbitmq = { vhost = \"wmohtwtk\", queues = \"engine:\" }",
            "s3 = { bucket = \"tl-apps\", prefix = \"engine/\" }",
        ],
        [
            "postgres = { database = \"apps\", schema = \"plane\" }",
            "redis = { prefix = \"plane:\" }",
            "rabbitmq = { vhost = \"wmohtwtk\", queues = \"plane:\" }",
            "s3 = { bucket = \"tl-apps\", prefix = \"plane/\" }",
        ],
    );
    let shared = Topology::parse(&shared, "t.toml").unwrap();
    for service in Service::ALL {
        assert_eq!(Topology::sharing(service, &shared.tenants[0]), Sharing::Shared, "{service}");
    }
    assert_eq!(shared.pairs().count(), 2);
}

#[test]
fn tenants_keep_the_files_order() {
    let text = two(ENGINE, PLANE).replace("engine]", "zulu]").replace("plane]", "alpha]");
    let names: Vec<String> =
        Topology::parse(&text, "t.toml").unwrap().tenants.iter().map(|t| t.name.to_string()).collect();
    assert_eq!(names, ["zulu", "alpha"]);
}

#[test]
fn everything_wrong_in_a_file_is_said_at_once_with_its_place() {
    let text = r#"
color = "blue"
[tenants.engine]
postgress = { database = "enginedb" }
redis = { prefix = "engine" }
rabbitmq = { vhost = 5 }
s3 = { bucket = "TL", colour = 1 }
[tenants.Plane]
env = "plane"
postgres = "planedb"
redis = { prefix = "" }
rabbitmq = { queues = "p:" }
[services.reddis]
[services.redis]
enforcement = "convenient"
"#;
    expect(
        &refused(text),
        &[
            ("t.toml:2:1", "unknown key in the topology `color`"),
            ("t.toml:3:10", "tenant `engine` has no postgres"),
            ("t.toml:4:1", "hint: did you mean `postgres`?"),
            ("t.toml:5:20", "`engine` ends in `e`, so that `engine` also covers `enginex:`"),
            ("t.toml:6:22", "`vhost` must be text, not an integer"),
            ("t.toml:7:17", "at least 6"),
            ("t.toml:7:23", "unknown key in `s3` `colour`"),
            ("t.toml:8:10", "`Plane`: a tenant's name starts with a lower-case letter"),
            ("t.toml:8:10", "tenant `Plane` has no s3"),
            ("t.toml:9:7", "`env` is `plane`"),
            ("t.toml:10:12", "`postgres` must be a table, not text"),
            ("t.toml:11:20", "the prefix is empty"),
            ("t.toml:12:12", "`rabbitmq` has no `vhost`"),
            ("t.toml:13:11", "unknown service `reddis`\n  hint: did you mean `redis`?"),
            ("t.toml:15:15", "unknown enforcement `convenient`\n  hint: did you mean `convention`?"),
        ],
    );
}

#[test]
fn a_file_without_tenants_is_refused() {
    expect(&refused(""), &[("t.toml:1:1", "there is no tenant")]);
    expect(&refused("[tenants]"), &[("t.toml:1:2", "there is no tenant")]);
    expect(&refused("tenants = 1"), &[("t.toml:1:11", "`tenants` must be a table, not an integer")]);
    expect(
        &refused("[tenant.engine]"),
        &[("t.toml:1:1", "there is no tenant"), ("t.toml:1:2", "hint: did you mean `tenants`?")],
    );
}

#[test]
fn broken_syntax_is_said_alone() {
    expect(&refused("[tenants.engine\ncolor = 1\n"), &[("t.toml:1:16", "not valid TOML: ")]);
    let twice = format!("{}[tenants.engine]\n", two(ENGINE, PLANE));
    expect(&refused(&twice), &[("t.toml:12:10", "not valid TOML: duplicate key")]);
    // Depth may not take the process down.
    for (start, level, end) in
        [("a = ", "[", ""), ("a = ", "{b=", ""), ("", "a.", "a = 1"), ("[", "a.", "a]")]
    {
        refused(&format!("{start}{}{end}", level.repeat(100_000)));
    }
}

#[test]
fn equal_slices_name_both_places() {
    let same = "postgres = { database = \"db\" }";
    let part = "tenants `engine` (t.toml:2:25) and `plane` have the same database `db`";
    expect(&refused(&with(0, same, same)), &[("t.toml:8:25", part)]);
    let same = "postgres = { database = \"db\", schema = \"s\" }";
    let part = "tenants `engine` (t.toml:2:40) and `plane` have the same postgres schema `s`";
    expect(&refused(&with(0, same, same)), &[("t.toml:8:40", part)]);
    let same = "redis = { prefix = \"a:\" }";
    let part = "tenants `engine` (t.toml:3:20) and `plane` have the same redis prefix `a:`";
    expect(&refused(&with(1, same, same)), &[("t.toml:9:20", part)]);
    let same = "rabbitmq = { vhost = \"v\" }";
    expect(&refused(&with(2, same, same)), &[("t.toml:10:22", "have the same vhost `v`")]);
    let same = "s3 = { bucket = \"tl-apps\" }";
    expect(&refused(&with(3, same, same)), &[("t.toml:11:17", "have the same bucket `tl-apps`")]);
}

#[test]
fn overlapping_prefixes_name_both_places_in_either_order() {
    let (wide, narrow) = ("redis = { prefix = \"engine:\" }", "redis = { prefix = \"engine:x:\" }");
    let part = "tenants `engine` (t.toml:3:20) and `plane` overlap on redis: `engine:` covers `engine:x:`";
    expect(&refused(&with(1, wide, narrow)), &[("t.toml:9:20", part)]);
    expect(&refused(&with(1, narrow, wide)), &[("t.toml:9:20", part)]);
    let bare = "redis = { prefix = \"engine\" }";
    expect(
        &refused(&with(1, bare, "redis = { prefix = \"engine:x\" }")),
        &[
            ("t.toml:3:20", "also covers `enginex:`"),
            ("t.toml:9:20", "ends in `x`"),
            ("t.toml:9:20", "`engine` covers `engine:x`"),
        ],
    );
}

#[test]
fn prefixes_matter_within_one_container_only() {
    let queues =
        |vhost: &str, queues: &str| format!("rabbitmq = {{ vhost = \"{vhost}\", queues = \"{queues}\" }}");
    assert!(Topology::parse(&with(2, &queues("a", "x:"), &queues("b", "x:")), "t").is_ok());
    expect(
        &refused(&with(2, &queues("a", "x:"), &queues("a", "x:y:"))),
        &[("t.toml:10:36", "overlap on rabbitmq: `x:` covers `x:y:`")],
    );
    let path =
        |bucket: &str, prefix: &str| format!("s3 = {{ bucket = \"{bucket}\", prefix = \"{prefix}\" }}");
    assert!(Topology::parse(&with(3, &path("tl-one", "x/"), &path("tl-two", "x/")), "t").is_ok());
    expect(
        &refused(&with(3, &path("tl-one", "x/y/"), &path("tl-one", "x/"))),
        &[("t.toml:11:36", "overlap on s3: `x/` covers `x/y/`")],
    );
    // A schema is a whole name, not a prefix.
    let schema = |schema: &str| format!("postgres = {{ database = \"d\", schema = \"{schema}\" }}");
    assert!(Topology::parse(&with(0, &schema("app"), &schema("app2")), "t").is_ok());
}

#[test]
fn a_container_is_shared_by_all_in_it_or_by_none() {
    let separate = "s3 = { bucket = \"tl-apps\" }";
    let shared = "s3 = { bucket = \"tl-apps\", prefix = \"x/\" }";
    expect(
        &refused(&with(3, separate, shared)),
        &[("t.toml:11:17", "tenant `engine` (t.toml:5:17) has the whole bucket `tl-apps`, in which `plane`")],
    );
    expect(
        &refused(&with(3, shared, separate)),
        &[(
            "t.toml:11:17",
            "tenant `plane` (t.toml:11:17) has the whole bucket `tl-apps`, in which `engine`",
        )],
    );
    let (separate, shared) =
        ("rabbitmq = { vhost = \"v\" }", "rabbitmq = { vhost = \"v\", queues = \"x:\" }");
    expect(&refused(&with(2, separate, shared)), &[("t.toml:10:22", "has the whole vhost `v`")]);
    let (separate, shared) =
        ("postgres = { database = \"d\" }", "postgres = { database = \"d\", schema = \"s\" }");
    expect(&refused(&with(0, separate, shared)), &[("t.toml:8:25", "has the whole database `d`")]);
}

#[test]
fn a_refused_part_makes_no_second_problem_of_its_absence() {
    let broken = "s3 = { bucket = \"tl-apps\", prefix = 5 }";
    let good = "s3 = { bucket = \"tl-apps\", prefix = \"x/\" }";
    expect(&refused(&with(3, broken, good)), &[("t.toml:5:37", "`prefix` must be text")]);
    let empty = "s3 = { bucket = \"tl-apps\", prefix = \"\" }";
    expect(&refused(&with(3, empty, good)), &[("t.toml:5:37", "the path prefix is empty")]);
}

#[test]
fn two_tenants_never_read_the_same_variables() {
    let bare = two(ENGINE, PLANE).replace("env = \"PLANE_\"\n", "");
    expect(
        &refused(&bare),
        &[(
            "t.toml:6:10",
            "tenants `engine` (t.toml:1:10) and `plane` both read bare variables\n  hint: give one of them its own: `env = \"PLANE_\"`",
        )],
    );
    let both = two(ENGINE, PLANE).replace("[tenants.engine]\n", "[tenants.engine]\nenv = \"PLANE_\"\n");
    expect(&refused(&both), &[("t.toml:8:7", "(t.toml:2:7) and `plane` both read `PLANE_…`")]);
}

#[test]
fn a_layout_is_loaded_from_a_file_or_built_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    fs::write(&file, two(ENGINE, PLANE)).unwrap();
    assert_eq!(Topology::load(Some(&file)).unwrap(), Topology::parse(&two(ENGINE, PLANE), "t").unwrap());
    fs::write(&file, "colour = 1").unwrap();
    let place = format!("{}:1:1", file.display());
    expect(
        &Topology::load(Some(&file)).unwrap_err(),
        &[(&place, "unknown key in the topology `colour`"), (&place, "there is no tenant")],
    );
    let missing = Path::new("/nowhere/bulkhead.toml");
    expect(
        &Topology::load(Some(missing)).unwrap_err(),
        &[("/nowhere/bulkhead.toml", "cannot read the topology")],
    );
    // Neither this package nor a folder above it has a `bulkhead.toml`.
    assert_eq!(Topology::load(None).unwrap(), Topology::builtin());
}
