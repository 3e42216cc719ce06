//! Where a server's program is: the folder that a person named, else PATH, else the usual folders of distributions.
//!
//! It looks at the disk and runs nothing.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// The first of `names` that is an executable file, names in order of preference.
///
/// A folder that a person named is the only one looked at: finding another server elsewhere would hide the mistake.
/// A `*` in a usual folder stands for anything in that one segment; higher version numbers come first.
pub(crate) fn program(names: &[&str], named: Option<&Path>, usual: &[&str]) -> Option<PathBuf> {
    let folders = match named {
        Some(folder) => vec![folder.to_path_buf()],
        None => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).chain(usual.iter().flat_map(|folder| expand(folder))).collect()
        }
    };
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| is_program(file)))
}

/// Says what was looked for and where, for [`crate::Missing`].
pub(crate) fn looked(names: &[&str], named: Option<&Path>, usual: &[&str]) -> String {
    let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
    match named {
        Some(folder) => format!("no {names} in `{}`", folder.display()),
        None => format!("no {names} on PATH or in {}", usual.join(", ")),
    }
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The folders that a pattern with at most one `*` segment names, highest version first.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![PathBuf::from(pattern)] };
    let (parent, start) = before.rsplit_once('/').unwrap_or(("", before));
    let entries = std::fs::read_dir(Path::new(parent)).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(start))
        .map(|name| (version(&name), format!("{parent}/{name}{after}")))
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, folder)| PathBuf::from(folder)).collect()
}

/// The numbers in a folder's name, so that 15 comes after 9.
fn version(name: &str) -> Vec<u32> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use super::{looked, program};

    fn plant(path: &Path, mode: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_highest_version_wins_and_only_programs_count() {
        let root = tempfile::tempdir().unwrap();
        let at = |version: &str| root.path().join(version).join("bin/bulkhead-probe-server");
        plant(&at("9"), 0o755);
        plant(&at("15"), 0o755);
        plant(&at("18"), 0o644);
        let usual = format!("{}/*/bin", root.path().display());
        assert_eq!(program(&["bulkhead-probe-server"], None, &[&usual]), Some(at("15")));
        assert_eq!(program(&["bulkhead-absent-server"], None, &[&usual]), None);
    }

    #[test]
    fn a_named_folder_is_the_only_one() {
        let root = tempfile::tempdir().unwrap();
        plant(&root.path().join("usual/server"), 0o755);
        let usual = root.path().join("usual").display().to_string();
        let named = root.path().join("named");
        assert_eq!(program(&["server"], Some(&named), &[&usual]), None);
        assert!(looked(&["server"], Some(&named), &[&usual]).contains("named"));
    }

    #[test]
    fn the_preferred_name_wins_wherever_it_is() {
        let root = tempfile::tempdir().unwrap();
        plant(&root.path().join("a/second"), 0o755);
        plant(&root.path().join("b/first"), 0o755);
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        let found = program(&["first", "second"], None, &[a.to_str().unwrap(), b.to_str().unwrap()]);
        assert_eq!(found, Some(b.join("first")));
    }
}
