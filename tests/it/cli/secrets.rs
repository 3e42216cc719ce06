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

/// Whatever has the shape of a stand-in's password, 48 hexadecimal digits, or of an S3 key, wherever it stands.
fn bare(text: &str) -> Vec<&str> {
    let password = |word: &&str| word.len() == 48 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let apart = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
    let key = |(at, _): (usize, &str)| {
        let (before, key, after) = (&text[..at], text.get(at..at + 31)?, &text[at + 31..]);
        let whole = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte));
        (whole && apart(before.chars().next_back()) && apart(after.chars().next())).then_some(key)
    };
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(password);
    words.chain(text.match_indices("K005").filter_map(key)).collect()
}

#[test]
fn passwords_are_found_in_urls_and_elsewhere() {
    assert_eq!(passwords("x amqps://u:pw@h:1/v \"rediss://:***@h\" https://h/x"), ["pw", "***"]);
    let (password, key) = ("0123456789abcdef".repeat(3), format!("K005{}", "aB3+/z9Yk".repeat(3)));
    let text = format!("AUTH {password}\nsecret=\"{key}\" https://h/{key}/x {password}0 {key}0");
    assert_eq!(bare(&text), [&password, &key, &key]);
}

/// What this looks for is what stand-ins really have.
#[tokio::test]
async fn passwords_of_stand_ins_have_the_shape_that_is_looked_for() {
    let session = crate::support::session().await;
    let slices = session.slices(&bulkhead::model::Topology::builtin()).await.unwrap();
    for access in &slices {
        let shown: Vec<_> = bulkhead::variables(access, true).into_iter().map(|(_, value)| value).collect();
        assert_eq!(bare(&shown.join("\n")).len(), 4, "three passwords and a key");
    }
    session.release(slices).await.unwrap();
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
        let mut shown = passwords(&text);
        shown.retain(|word| *word != "***");
        shown.extend(bare(&text));
        assert!(shown.is_empty(), "{shown:?} in {text}");
    }
}
