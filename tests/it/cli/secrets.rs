//! Which parts of variables are secrets, and a whole run in which none may show.

use std::fs;

use super::command::Desk;

/// The passwords and keys in a tenant's variables.
pub(super) fn in_variables<'a>(variables: impl Iterator<Item = (&'a String, &'a String)>) -> Vec<String> {
    let mut secrets: Vec<String> = Vec::new();
    for (name, value) in variables {
        if name.ends_with("SECRET_ACCESS_KEY") {
            secrets.push(value.clone());
        }
        if let Some((login, _)) = value.split_once("://").and_then(|(_, rest)| rest.split_once('@')) {
            secrets.push(login.split_once(':').unwrap().1.to_owned());
        }
    }
    assert!(secrets.len() >= 4, "three passwords and a key for each tenant: {}", secrets.len());
    assert!(secrets.iter().all(|secret| secret.len() >= 12));
    secrets
}

/// What stands between `user:` and `@` of every URL in the text.
fn passwords(text: &str) -> Vec<&str> {
    let authorities =
        text.split("://").skip(1).filter_map(|rest| rest.split([' ', '/', '"', '\'', '\n']).next());
    authorities
        .filter_map(|authority| authority.rsplit_once('@')?.0.split_once(':').map(|(_, word)| word))
        .collect()
}

#[test]
fn urls_with_passwords_are_found() {
    assert_eq!(passwords("x amqps://u:pw@h:1/v \"rediss://:***@h\" https://h/x"), ["pw", "***"]);
}

#[test]
fn a_run_at_its_most_talkative_shows_no_password_anywhere() {
    let mut desk = Desk::served();
    desk.set("RUST_LOG", "trace");
    let args = ["verify", "scenarios/checklist", "-vv", "--format", "json", "--junit", "junit.xml"];
    let ran = desk.run(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    let mut files = vec![desk.path("junit.xml")];
    let runs: Vec<_> =
        fs::read_dir(desk.path("target/bulkhead")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for folder in [&runs[0], &runs[0].join("cases")] {
        files.extend(
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()),
        );
    }
    assert!(files.len() > 12, "reports and histories: {files:?}");
    let texts = files.iter().map(|path| fs::read_to_string(path).unwrap()).chain([ran.stdout, ran.stderr]);
    for text in texts {
        let shown: Vec<_> = passwords(&text).into_iter().filter(|word| *word != "***").collect();
        assert!(shown.is_empty(), "{shown:?} in {text}");
    }
}
