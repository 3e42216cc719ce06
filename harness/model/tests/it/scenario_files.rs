//! Folders of scenario files: what is found, how it is called, and what is never passed over in silence.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bulkhead_model::scenario::load;

use crate::{expect, scenario::KNOWN};

const TEXT: &str = "title: T\nwhy: W\nchecklist: [vhost-created]\nexpect: [checklist-done]\n";

/// A folder with these files, each a path and a text.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn names(paths: &[PathBuf]) -> Vec<String> {
    load(paths, &KNOWN).unwrap().into_iter().map(|scenario| scenario.name).collect()
}

fn place(path: &Path, rest: &str) -> String {
    format!("{}{rest}", path.display())
}

#[test]
fn names_are_the_paths_below_scenarios_however_one_gets_there() {
    let folder = folder(&[
        ("scenarios/z.yaml", TEXT),
        ("scenarios/a/b/c.yaml", TEXT),
        ("scenarios/a/b.yaml", TEXT),
        ("scenarios/a/README.md", "not a scenario"),
        ("scenarios/.hidden/x.yaml", "not read"),
    ]);
    let root = folder.path().join("scenarios");
    assert_eq!(names(std::slice::from_ref(&root)), ["a/b", "a/b/c", "z"]);
    assert_eq!(names(&[root.join("a")]), ["a/b", "a/b/c"]);
    assert_eq!(names(&[root.join("a/b/c.yaml"), root.join("z.yaml")]), ["a/b/c", "z"]);
    assert_eq!(names(&[root.join("a/../a/b/../b.yaml")]), ["a/b"]);
    assert_eq!(names(&[root.clone(), root.join("a"), root.join("z.yaml")]), ["a/b", "a/b/c", "z"]);
}

#[test]
fn outside_of_scenarios_names_begin_at_the_given_path() {
    let folder = folder(&[("mine/x/y.yaml", TEXT)]);
    assert_eq!(names(&[folder.path().join("mine")]), ["x/y"]);
    assert_eq!(names(&[folder.path().join("mine/x/y.yaml")]), ["y"]);
}

#[test]
fn all_files_problems_come_at_once() {
    let folder = folder(&[
        ("scenarios/a.yaml", "title: T\n"),
        ("scenarios/b.yaml", TEXT),
        ("scenarios/c.yaml", &TEXT.replace("why", "wyh")),
        ("scenarios/d.yml", TEXT),
        ("scenarios/notes.txt", ""),
        ("empty/readme.md", ""),
        ("other/b.yaml", TEXT),
    ]);
    let at = |path: &str| folder.path().join(path);
    let [missing, scenarios, empty, text, other] =
        ["missing", "scenarios", "empty", "scenarios/notes.txt", "other"].map(at);
    let problems =
        load(&[missing.clone(), scenarios, empty.clone(), text.clone(), other], &KNOWN).unwrap_err();
    let (a, c) = (at("scenarios/a.yaml"), at("scenarios/c.yaml"));
    expect(
        &problems,
        &[
            (&place(&missing, ""), "cannot read this"),
            (&place(&at("scenarios/d.yml"), ""), "scenario files end in `.yaml`: rename it"),
            (&place(&empty, ""), "there is no scenario in this folder"),
            (&place(&text, ""), "this is no scenario file"),
            (&place(&at("other/b.yaml"), ""), "the scenario `b` is also in"),
            (&place(&a, ":1:1"), "no `why`"),
            (&place(&a, ":1:1"), "no `expect`"),
            (&place(&a, ":1:1"), "does nothing"),
            (&place(&c, ":1:1"), "no `why`"),
            (&place(&c, ":2:1"), "did you mean `why`?"),
        ],
    );
}
