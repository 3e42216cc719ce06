//! A set of stand-ins as a developer has one: `bulkhead up --detach` in a folder of its own, `bulkhead env` for what
//! an app is given, `bulkhead down` when the value is dropped, also by a failed test.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::support;

/// What a shell adds by itself; it says nothing about the stand-ins.
const OF_THE_SHELL: [&str; 5] = ["PATH", "PWD", "OLDPWD", "SHLVL", "_"];

/// Running stand-ins.
pub(super) struct Set {
    folder: tempfile::TempDir,
}

impl Set {
    /// Starts stand-ins for a layout, whose file makes the folder a project of its own.
    pub(super) fn up(topology: &str) -> Self {
        support::ensure_now();
        let set = Self { folder: tempfile::Builder::new().prefix("bulkhead-it-set-").tempdir().unwrap() };
        std::fs::write(set.folder().join("bulkhead.toml"), topology).unwrap();
        let output = bulkhead(set.folder(), &["up", "--detach"]);
        assert!(
            output.status.success(),
            "`bulkhead up --detach`: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        set
    }

    /// What a program of this tenant finds in its environment after `eval "$(bulkhead env --tenant NAME --bare)"`.
    pub(super) fn variables(&self, tenant: &str) -> Vec<(String, String)> {
        let script = r#"set -eu; text=$("$0" env --tenant "$1" --bare); eval "$text"; exec env -0"#;
        let mut shell = Command::new("sh");
        shell.args(["-c", script, env!("CARGO_BIN_EXE_bulkhead"), tenant]).current_dir(self.folder());
        let clean = ["PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"];
        let kept = clean.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
        let output = shell.env_clear().envs(kept).output().unwrap();
        assert!(output.status.success(), "`bulkhead env`: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let pairs = text.split_terminator('\0').filter_map(|pair| pair.split_once('='));
        let ours = pairs.filter(|(name, _)| !OF_THE_SHELL.contains(name) && !clean.contains(name));
        ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        let output = bulkhead(self.folder(), &["down"]);
        if !std::thread::panicking() {
            assert!(output.status.success(), "`bulkhead down`: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

fn bulkhead(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bulkhead")).args(args).current_dir(folder).output().unwrap()
}
