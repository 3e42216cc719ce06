//! Files of environment variables: a line `NAME=value` for each, quoted as a shell quotes, as `bulkhead env` and
//! `bulkhead compose` write them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bulkhead_model::{Problem, Problems, Secret};

/// The variables of files, by name.
pub(crate) type Variables = BTreeMap<String, Secret>;

/// The variables of all of these files; where two set one, the later does.
///
/// # Errors
/// Everything that is wrong in any of them.
pub(crate) fn read_all(files: &[PathBuf]) -> Result<Variables, Problems> {
    let (mut variables, mut problems) = (Variables::new(), Vec::new());
    for file in files {
        match read(file) {
            Ok(more) => variables.extend(more),
            Err(wrong) => problems.extend(wrong.into_vec()),
        }
    }
    Problems::unless(problems, variables)
}

/// A variable as files set it, else as the environment does.
pub(crate) fn lookup(set: &Variables) -> impl Fn(&str) -> Option<String> {
    |name| match set.get(name) {
        Some(value) => Some(value.expose().to_owned()),
        None => std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()),
    }
}

/// The authorities that files name, whom nobody else names.
pub(crate) fn authorities(set: &Variables) -> Option<PathBuf> {
    set.get("SSL_CERT_FILE").map(|file| file.expose()).filter(|file| !file.is_empty()).map(PathBuf::from)
}

/// The variables of one file.
///
/// # Errors
/// That it cannot be read, or every line of it that sets no variable.
pub(crate) fn read(file: &Path) -> Result<Variables, Problems> {
    let place = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        let hint = "name a file with a line `NAME=value` for each variable";
        Problem::new(place.as_str(), format!("cannot be read: {error}")).hint(hint)
    })?;
    let (mut variables, mut problems) = (Variables::new(), Vec::new());
    // What a quotation that lasts longer than its line began with, and in which line.
    let mut begun = None;
    for (number, line) in (1_usize..).zip(text.lines()) {
        let (first, text) = match begun.take() {
            Some((first, text)) => (first, format!("{text}\n{line}")),
            None => (number, line.to_owned()),
        };
        let Some(words) = shlex::split(&text) else {
            begun = Some((first, text));
            continue;
        };
        for word in words.iter().filter(|word| *word != "export") {
            if let Some((name, value)) = setting(word) {
                variables.insert(name.to_owned(), Secret::new(seen_from(file, name, value)));
            } else {
                // The word itself may be a secret.
                let problem = Problem::new(format!("{place}:{first}"), "a word sets no variable");
                problems.push(problem.hint("write a line `NAME=value` for each"));
            }
        }
    }
    if let Some((first, _)) = begun {
        problems.push(Problem::new(format!("{place}:{first}"), "a quotation begins that does not end"));
    }
    Problems::unless(problems, variables)
}

/// `NAME=value`.
pub(crate) fn setting(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).then_some((name, value))
}

/// The value. A relative path to certificates is looked for from the file's folder and each above it, so that the file
/// says the same wherever it is named from.
fn seen_from(file: &Path, name: &str, value: &str) -> String {
    if !bulkhead::TRUST.contains(&name) || value.is_empty() || Path::new(value).is_absolute() {
        return value.to_owned();
    }
    let real = file.canonicalize().unwrap_or_default();
    let found = real.ancestors().skip(1).map(|folder| folder.join(value)).find(|path| path.exists());
    found.map_or_else(|| value.to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn shown(variables: &Variables) -> Vec<(&str, &str)> {
        variables.iter().map(|(name, value)| (name.as_str(), value.expose())).collect()
    }

    #[test]
    fn a_later_file_wins_and_paths_are_seen_from_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("compose");
        fs::create_dir_all(deep.join("tls")).unwrap();
        let ca = deep.join("tls/ca.pem");
        fs::write(&ca, "").unwrap();
        let ca = ca.canonicalize().unwrap().display().to_string();
        let (first, later) = (deep.join("one.env"), deep.join("two.env"));
        fs::write(&first, "# both\nexport A='1\n2'\nB=x\nSSL_CERT_FILE=compose/tls/ca.pem\n").unwrap();
        fs::write(&later, "B='y z'\nAWS_CA_BUNDLE=tls/ca.pem\nPGSSLROOTCERT=/else/ca.pem\n").unwrap();
        let read = read_all(&[first, later]).unwrap();
        assert_eq!(
            shown(&read),
            [
                ("A", "1\n2"),
                ("AWS_CA_BUNDLE", &*ca),
                ("B", "y z"),
                ("PGSSLROOTCERT", "/else/ca.pem"),
                ("SSL_CERT_FILE", &*ca)
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_without_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plan.env");
        fs::write(&file, "A=1\n\nREDIS_URL hunter2\nB='hunter2\n").unwrap();
        let error = read_all(&[file, folder.path().join("none.env")]).unwrap_err().to_string();
        for part in ["plan.env:3", "plan.env:4", "none.env: cannot be read"] {
            assert!(error.contains(part), "`{part}` is not in {error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }
}
