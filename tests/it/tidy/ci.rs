//! The whole check, `.ci/run`, never says `ok` of what it did not do: its own functions, on steps of this test's.

use std::process::Command;

const CHECK: &str = concat!(
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/run")),
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/containers"))
);

/// A function of the script.
fn function(name: &str) -> &'static str {
    let begin = CHECK.find(&format!("\n{name}() {{\n")).unwrap_or_else(|| panic!("no function {name}"));
    let end = CHECK[begin..].find("\n}\n").unwrap();
    &CHECK[begin..begin + end + 3]
}

/// What the steps come to: whether the whole passes, and the summary's lines.
fn summary(ci: Option<&str>, steps: &str) -> (bool, Vec<String>) {
    let scratch = tempfile::tempdir().unwrap();
    let functions =
        ["trouble", "step", "ahead", "begun", "cannot", "partly", "summary"].map(function).concat();
    let script = format!(
        "set -euo pipefail\nscratch={}\ndeclare -A groups=()\nnames=() seconds=() results=()\n{functions}\n{steps}\nsummary\n",
        scratch.path().display()
    );
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).env_remove("CI").envs(ci.map(|ci| ("CI", ci)));
    let output = bash.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    (output.status.success(), lines.collect())
}

#[track_caller]
fn says(lines: &[String], begins: &str, ends: &str) {
    let said = lines.iter().any(|line| line.starts_with(begins) && line.ends_with(ends));
    assert!(said, "no line {begins}…{ends} in {lines:#?}");
}

const DONE: &str = "done_() { :; }\nstep one done_\n";
const LEFT_OUT: &str = "none_() { cannot 'no Go'; echo went on; }\nstep two none_\n\
    some_() { partly 'no Go'; echo went on; }\nstep three some_\n";
/// Whatever the code, and also behind a part that was left out.
const FAILED: &str = "some_() { partly 'no Go'; return 75; }\nstep four some_\n";

#[test]
fn what_is_skipped_is_called_so_and_is_a_failure_in_ci() {
    let (passed, lines) = summary(None, DONE);
    assert!(passed);
    says(&lines, "one ", " ok");
    says(&lines, "total ", " ok");

    let (passed, lines) = summary(None, &[DONE, LEFT_OUT].concat());
    assert!(passed);
    says(&lines, "one ", " ok");
    says(&lines, "two ", " skipped");
    says(&lines, "three ", " in part");
    says(&lines, "total ", " ok, 2 skipped or in part");
    assert_eq!(lines.iter().filter(|line| *line == "went on").count(), 1);

    for (ci, failed) in [(Some("true"), 3), (None, 1)] {
        let (passed, lines) = summary(ci, &[DONE, LEFT_OUT, FAILED].concat());
        assert!(!passed);
        says(&lines, "one ", " ok");
        says(&lines, "four ", " FAILED");
        // What it said is told again where it is looked for.
        let told = lines.iter().rposition(|line| line == "in part: no Go");
        assert!(told > lines.iter().position(|line| line == "=== four: FAILED"), "{lines:#?}");
        says(&lines, "total ", &format!(" {failed} FAILED"));
    }
}

/// A build that began ahead fails the step that needs it, and no other.
#[test]
fn what_begins_ahead_counts_where_its_end_is_waited_for() {
    let ahead = "built_() { echo built; }\nbroken_() { echo broken; false; echo went on; }\n\
        ahead good built_\nahead bad broken_\nstep five begun good\nstep six begun bad\n";
    let (passed, lines) = summary(None, &[DONE, ahead].concat());
    assert!(!passed);
    for (begins, ends) in
        [("one ", " ok"), ("five ", " ok"), ("six ", " FAILED"), ("built", ""), ("broken", "")]
    {
        says(&lines, begins, ends);
    }
    assert!(!lines.iter().any(|line| line == "went on"), "{lines:#?}");
    let told = lines.iter().position(|line| line == "=== six: FAILED").unwrap();
    assert!(lines[told..].iter().any(|line| line == "broken"), "{lines:#?}");
}

/// Who says it in another way would be `ok` to the summary.
#[test]
fn every_step_leaves_out_by_those_functions() {
    let steps: Vec<_> = CHECK.lines().filter(|line| line.contains("not on this machine")).collect();
    assert!(steps.len() >= 5);
    for line in steps {
        assert!(line.contains("cannot '") || line.contains("partly '"), "{line}");
    }
    for word in ["echo \"skipped", "echo 'skipped"] {
        assert!(CHECK.matches(word).count() == usize::from(word.contains('"')), "{word}");
    }
}
