//! Turns every scenario file into a test of its own name, which `tests/it/scenarios.rs` includes, and builds all of them
//! into the binary, so that `bulkhead verify` works outside its repository too.
//!
//! A file added to or taken from `scenarios/` changes both at the next build; what a test does is written there.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("scenarios");
    println!("cargo::rerun-if-changed=harness/build.rs");
    let scenarios = Folder::read(&root)?;
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("scenario_tests.rs"), scenarios.tests("", 0))?;
    let files = scenarios.files("", &root);
    fs::write(out.join("scenarios.rs"), format!("pub(super) const FILES: &[(&str, &str)] = &[\n{files}];\n"))
}

/// A folder of scenarios.
#[derive(Default)]
struct Folder {
    files: Vec<String>,
    folders: BTreeMap<String, Self>,
}

impl Folder {
    fn read(path: &Path) -> io::Result<Self> {
        // Cargo looks at a folder's own time only, so each is named.
        println!("cargo::rerun-if-changed={}", path.display());
        let mut folder = Self::default();
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                folder.folders.insert(stem, Self::read(&path)?);
            } else if path.extension().is_some_and(|ending| ending == "yaml") {
                folder.files.push(stem);
            }
        }
        folder.files.sort();
        Ok(folder)
    }

    /// A module a folder, so that a test is called as its file is: `isolation::postgres::read`.
    fn tests(&self, above: &str, depth: usize) -> String {
        let up = "super::".repeat(depth);
        let files = self.files.iter().map(|file| {
            let (function, name) = (identifier(file), format!("{above}{file}"));
            format!("#[tokio::test]\nasync fn {function}() {{\n    {up}passes({name:?}).await;\n}}\n")
        });
        let folders = self.folders.iter().map(|(name, folder)| {
            let inner = folder.tests(&format!("{above}{name}/"), depth + 1);
            format!("mod {} {{\n{inner}}}\n", identifier(name))
        });
        files.chain(folders).collect()
    }

    /// A line `(path below scenarios/, text)` for each file.
    fn files(&self, above: &str, root: &Path) -> String {
        let files = self.files.iter().map(|file| {
            let below = format!("{above}{file}.yaml");
            let path = root.join(&below).display().to_string();
            format!("    ({below:?}, include_str!({path:?})),\n")
        });
        let folders =
            self.folders.iter().map(|(name, folder)| folder.files(&format!("{above}{name}/"), root));
        files.chain(folders).collect()
    }
}

/// The name as Rust lets a test be called.
fn identifier(name: &str) -> String {
    format!("r#{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"))
}
