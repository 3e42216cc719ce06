//! Rules about the text of the repository's files. A rule takes files and returns a message for each violation, so
//! that the same function judges the real files and the planted ones.

use std::{fs, path::Path};

/// A file that a rule reads: its path below the root, and its text.
struct Source {
    path: String,
    text: String,
}

type Rule = fn(&Source) -> Vec<String>;

/// Lines in one file, tests included.
const LONGEST_FILE: usize = 600;

/// Lines in one function, signature included.
const LONGEST_FUNCTION: usize = 70;

/// Functions that are longer, to how many lines, and why they read better whole.
const LONG: [(&str, &str, usize, &str); 1] = [(
    "harness/target/src/services/s3/embedded/grants.rs",
    "scope",
    90,
    "a table: one line for each operation",
)];

/// What holds no source of ours, below the root; in a second worktree `.git` is a file.
const SKIPPED: [&str; 3] = [".git", "target", "tests/clients/node/node_modules"];

/// Where Homebrew lives on every Linux machine that has it.
const HOMEBREW: &str = "/home/linuxbrew/";

/// Files that may print although they are not `harness/cli`, with the reason.
const PRINTERS: [(&str, &str); 4] = [
    ("harness/build.rs", "a build script talks to cargo on its standard output"),
    ("benches/", "a benchmark's table is its result"),
    ("harness/proxy/src/foreign/tests.rs", "a test that is skipped says so"),
    ("tests/", "a test that is skipped says so"),
];

/// Where tests may call `sleep`, how often, and why no event can be awaited there.
const SLEEPERS: [(&str, usize, &str); 7] = [
    ("tests/it/cli/command.rs", 1, "nothing tells that a stranger's process and folder are gone"),
    ("tests/it/endings.rs", 1, "nothing tells that a stranger's child is gone"),
    ("tests/it/keeper/kill.rs", 2, "the random moment at which something is killed is a length of time"),
    ("tests/it/keeper/trace.rs", 2, "nothing tells that a stranger's processes and folders are gone"),
    ("tests/it/proxy/server.rs", 1, "nothing tells that a stranger's server listens"),
    ("tests/it/rabbitmq/fences.rs", 1, "the client has no event for a connection that the server closed"),
    ("tests/it/rabbitmq/parity.rs", 1, "the broker tells nobody that a stream has a leader"),
];

fn repository() -> Vec<Source> {
    let mut sources = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            if SKIPPED.iter().any(|skipped| path == root.join(skipped)) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                sources.push(Source { path, text });
            }
        }
    }
    for known in [".ci/run", "harness/target/src/lib.rs", "tests/it/tidy/text.rs"] {
        assert!(sources.iter().any(|source| source.path == known), "the walk missed {known}");
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

/// Every file opens by saying what it is for.
fn header(source: &Source) -> Vec<String> {
    let marks = match source.path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "rs" => "//!",
        "py" => "\"\"\"",
        "mjs" => "//",
        _ => return Vec::new(),
    };
    let opening = source.text.lines().map_while(|line| line.strip_prefix(marks));
    let words: usize = opening.map(|line| line.split_whitespace().count()).sum();
    if words >= 3 {
        Vec::new()
    } else {
        vec![format!("{}: does not open with `{marks}` and a sentence on what it is for", source.path)]
    }
}

fn file_length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if source.path.ends_with(".rs") && lines > LONGEST_FILE {
        vec![format!("{}: {lines} lines; at most {LONGEST_FILE}: split it by subject", source.path)]
    } else {
        Vec::new()
    }
}

/// Reads rustfmt's layout: a signature ends with the first line that ends in a brace or a semicolon, and a body at the
/// brace that stands as deep as its `fn`.
fn function_length(source: &Source) -> Vec<String> {
    if !source.path.ends_with(".rs") {
        return Vec::new();
    }
    let lines: Vec<&str> = source.text.lines().collect();
    let starts = lines.iter().enumerate().filter(|(_, line)| opens_function(line));
    starts
        .filter_map(|(start, line)| {
            let signature = lines[start..].iter().find(|line| line.ends_with(['{', '}', ';']))?;
            if !signature.ends_with('{') {
                return None;
            }
            let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            let length = lines[start..].iter().position(|line| *line == end)? + 1;
            let listed = LONG
                .iter()
                .find(|(path, name, ..)| source.path == *path && line.contains(&format!("fn {name}(")));
            let most = listed.map_or(LONGEST_FUNCTION, |(_, _, most, _)| *most);
            (length > most).then(|| {
                format!("{}:{}: a function of {length} lines; at most {most}", source.path, start + 1)
            })
        })
        .collect()
}

fn opens_function(line: &str) -> bool {
    let qualifier =
        |word: &str| matches!(word, "async" | "const" | "unsafe" | "extern") || word.starts_with("pub");
    line.trim_start().split_once("fn ").is_some_and(|(before, _)| before.split_whitespace().all(qualifier))
}

/// What is not finished, or was left over from a search for a fault.
fn leftovers(source: &Source) -> Vec<String> {
    let marks = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    code_lines(source)
        .filter(|(_, line)| marks.iter().any(|mark| line.contains(mark.as_str())))
        .map(|(number, line)| format!("{}:{number}: left over: `{}`", source.path, line.trim()))
        .collect()
}

/// Folders of somebody's machine say nothing to anyone else.
fn machine_paths(source: &Source) -> Vec<String> {
    let roots = ["work", "root", "home"].map(|name| format!("/{name}/"));
    let lines = source.text.lines().enumerate();
    lines
        .filter_map(|(index, line)| {
            let root = roots.iter().find(|root| {
                line.match_indices(root.as_str()).any(|(at, _)| {
                    if line[at..].starts_with(HOMEBREW) {
                        return false;
                    }
                    // `harness/work/` is a relative path, `https://host/work/` an address.
                    !line[..at].ends_with(|before: char| before.is_alphanumeric() || "._-}".contains(before))
                })
            })?;
            Some(format!("{}:{}: names a folder of one machine: `{root}`", source.path, index + 1))
        })
        .collect()
}

/// Only the command prints; a room returns what there is to say.
fn prints(source: &Source) -> Vec<String> {
    let exempt = PRINTERS.iter().any(|(path, _)| source.path.starts_with(path));
    if exempt || source.path.starts_with("harness/cli/") {
        return Vec::new();
    }
    let marks = ["print", "println", "eprint", "eprintln"].map(|name| format!("{name}!("));
    code_lines(source)
        .take_while(|(_, line)| !opens_tests(line))
        .filter(|(_, line)| marks.iter().any(|mark| words_contain(line, mark)))
        .map(|(number, line)| format!("{}:{number}: only harness/cli prints: `{}`", source.path, line.trim()))
        .collect()
}

/// A test that sleeps is slow when it passes and wrong when the machine is slower than its author's.
fn sleeps(source: &Source) -> Vec<String> {
    let whole_file = source.path.starts_with("tests/");
    let mut in_tests = whole_file;
    let mark = format!("{}(", "sleep");
    let mut found = Vec::new();
    for (number, line) in code_lines(source) {
        in_tests |= opens_tests(line);
        if in_tests && words_contain(line, &mark) {
            found.push(number);
        }
    }
    let allowed = SLEEPERS.iter().find(|(path, ..)| source.path == *path).map_or(0, |(_, count, _)| *count);
    if found.len() <= allowed {
        return Vec::new();
    }
    let rule = format!("sleeps in tests: {} where {allowed} are listed; await an event instead", found.len());
    found.iter().map(|number| format!("{}:{number}: {rule}", source.path)).collect()
}

fn opens_tests(line: &str) -> bool {
    line.trim_start().starts_with("#[cfg(test)]")
}

/// The lines of a Rust file that are not comments, with their numbers.
fn code_lines(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let rust = source.path.ends_with(".rs");
    let lines = source.text.lines().enumerate().filter(move |_| rust);
    lines.filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(index, line)| (index + 1, line))
}

/// Whether `mark` occurs as a whole word: `println!(` is not an `eprintln!(`.
fn words_contain(line: &str, mark: &str) -> bool {
    line.match_indices(mark)
        .any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
}

fn holds(rule: Rule) {
    let problems: Vec<_> = repository().iter().flat_map(rule).collect();
    assert!(problems.is_empty(), "{} violations\n{}", problems.len(), problems.join("\n"));
}

/// `rule` finds nothing in `good` and says `message` of `bad`, both standing at `path`.
fn goes_red(rule: Rule, path: &str, good: &str, bad: &str, message: &str) {
    let source = |text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    assert_eq!(rule(&source(good)), Vec::<String>::new(), "the rule refuses what it should accept");
    let problems = rule(&source(bad));
    assert!(
        problems.iter().any(|problem| problem.contains(message)),
        "not refused with {message:?}: {problems:?}"
    );
}

#[test]
fn every_file_says_what_it_is_for() {
    holds(header);
    let (good, bad) = ("//! What it is for.\nfn main() {}\n", "fn main() {}\n");
    goes_red(header, "harness/a.rs", good, bad, "harness/a.rs: does not open with `//!`");
    goes_red(header, "harness/a.rs", good, "//! stub\nfn main() {}\n", "harness/a.rs: does not open");
    goes_red(
        header,
        "tests/a.py",
        "\"\"\"What it is for.\n\"\"\"\n",
        "import os\n",
        "tests/a.py: does not open",
    );
}

#[test]
fn files_are_short() {
    holds(file_length);
    let (good, bad) = ("x\n".repeat(LONGEST_FILE), "x\n".repeat(LONGEST_FILE + 1));
    goes_red(file_length, "harness/a.rs", &good, &bad, "harness/a.rs: 601 lines; at most 600");
}

#[test]
fn functions_are_short() {
    holds(function_length);
    let function =
        |lines: usize| format!("impl A {{\n    pub fn f() {{\n{}    }}\n}}\n", "        x;\n".repeat(lines));
    goes_red(
        function_length,
        "harness/a.rs",
        &function(68),
        &function(69),
        "harness/a.rs:2: a function of 71 lines",
    );
    let declared = format!("trait A {{\n    fn f();\n{}    fn g() {{}}\n}}\n", "    // x\n".repeat(100));
    goes_red(function_length, "harness/a.rs", &declared, &function(69), "a function of 71 lines");
}

#[test]
fn nothing_is_left_over() {
    holds(leftovers);
    let call = format!("{}!()", "todo");
    let (good, bad) = (format!("// no {call} here\n"), format!("fn f() {{\n    {call}\n}}\n"));
    goes_red(leftovers, "harness/a.rs", &good, &bad, "harness/a.rs:2: left over");
}

#[test]
fn nothing_names_a_folder_of_one_machine() {
    holds(machine_paths);
    let good = "see https://example.org/home/x and harness/work/ and ${base}/root/\n";
    let bad = format!("cd /{}/main\n", "work");
    goes_red(machine_paths, "README.md", good, &bad, "README.md:1: names a folder of one machine");
}

#[test]
fn only_the_command_prints() {
    holds(prints);
    let good = "fn f() { log(\"fingerprint!\") }\n#[cfg(test)]\nmod tests { fn f() { println!(\"x\") } }\n";
    let bad = "fn f() {\n    eprintln!(\"x\");\n}\n";
    goes_red(
        prints,
        "harness/engine/src/a.rs",
        good,
        bad,
        "harness/engine/src/a.rs:2: only harness/cli prints",
    );
    goes_red(
        prints,
        "harness/engine/src/a.rs",
        "fn f() {}",
        "fn f() { print!(\"x\") }",
        "only harness/cli prints",
    );
}

#[test]
fn no_test_sleeps() {
    holds(sleeps);
    let bad = format!("async fn f() {{\n    tokio::time::{}(second).await;\n}}\n", "sleep");
    goes_red(
        sleeps,
        "tests/it/a.rs",
        "// nobody has to sleep (here)\n",
        &bad,
        "tests/it/a.rs:2: sleeps in tests",
    );
    let inner =
        format!("fn f() {{ {0}(x) }}\n#[cfg(test)]\nmod tests {{\n    fn f() {{ {0}(x) }}\n}}\n", "sleep");
    goes_red(sleeps, "harness/a.rs", "fn f() {}\n", &inner, "harness/a.rs:4: sleeps in tests");
}
