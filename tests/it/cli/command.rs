//! Running the binary in a folder of a test's own, and finding what it left.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::support;

/// The longest wait for anything: only a hang reaches it.
pub(super) const CAP: Duration = Duration::from_secs(240);

/// Where no container engine is. Tests are about servers of this machine, whatever else there is; those that are not say so.
pub(super) const NO_ENGINE: &str = "unix:///nowhere/docker.sock";

/// A folder to run `bulkhead` in. No topology and no scenarios are in it, so the built-in ones apply.
pub(super) struct Desk {
    folder: tempfile::TempDir,
    env: BTreeMap<&'static str, String>,
}

/// What a command came to.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Desk {
    /// A desk whose commands share the servers of the whole test run.
    pub(super) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("bulkhead-it-cli-").tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let env = [("BULKHEAD_LINGER", "5s"), ("DOCKER_HOST", NO_ENGINE)];
        let env = env.map(|(name, value)| (name, value.to_owned())).into();
        Self { folder, env }
    }

    /// The same for a test whose commands do start servers, which must be on this machine.
    pub(super) fn served() -> Self {
        support::ensure_now();
        Self::new()
    }

    /// A desk with servers of its own, whose folders and processes can be told from all others: they lie below it.
    pub(super) fn alone() -> Self {
        let mut desk = Self::new();
        let (bin, temp) = (desk.path("bin"), desk.path("tmp"));
        for folder in [&bin, &temp] {
            fs::create_dir(folder).unwrap();
            fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).unwrap();
        }
        // Another place to look in makes another kind of set, which no other process asks for.
        symlink(redis_server(), bin.join("redis-server")).unwrap();
        desk.set("BULKHEAD_LINGER", "0");
        desk.set("BULKHEAD_REDIS_BIN", bin.to_str().unwrap());
        desk.set("TMPDIR", temp.to_str().unwrap());
        desk
    }

    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        self.env.insert(name, value.to_owned());
    }

    /// With the container engine of this machine, where there is one.
    pub(super) fn with_engine(mut self) -> Self {
        self.env.remove("DOCKER_HOST");
        self
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(super) fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("RUST_LOG").env_remove("GITHUB_STEP_SUMMARY").env("NO_COLOR", "1").envs(&self.env);
        command
    }

    pub(super) fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    /// Runs it in a folder below.
    pub(super) fn run_in(&self, below: &str, args: &[&str]) -> Ran {
        Ran::from(self.command(args).current_dir(self.path(below)).output().unwrap())
    }

    /// Runs a line as a report prints it, with this build's executable for `bulkhead`.
    pub(super) fn shell(&self, line: &str) -> Ran {
        self.shell_in("", line)
    }

    /// The same in a folder below.
    pub(super) fn shell_in(&self, below: &str, line: &str) -> Ran {
        let own = Path::new(env!("CARGO_BIN_EXE_bulkhead")).parent().unwrap();
        let path = format!("{}:{}", own.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-ec", line]).current_dir(self.path(below)).stdin(Stdio::null());
        Ran::from(command.env_remove("RUST_LOG").envs(&self.env).env("PATH", path).output().unwrap())
    }

    /// Run folders and processes below this desk that are still there. For desks that are alone.
    pub(super) fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("tmp")).unwrap().flatten();
        let mut left: Vec<_> = entries.map(|entry| entry.path().display().to_string()).collect();
        let mark = self.path("tmp").display().to_string();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
            let mentions = |bytes: Vec<u8>| bytes.windows(mark.len()).any(|window| window == mark.as_bytes());
            if pid != std::process::id() && (mentions(read("environ")) || mentions(read("cmdline"))) {
                left.push(format!("{pid} {}", String::from_utf8_lossy(&read("cmdline")).replace('\0', " ")));
            }
        }
        left
    }

    /// Waits until nothing is left.
    pub(super) fn vanishes(&self) {
        let begun = Instant::now();
        loop {
            let left = self.left();
            if left.is_empty() {
                return;
            }
            assert!(begun.elapsed() < CAP, "still there: {left:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Everything that was printed.
    pub(super) fn all(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

fn redis_server() -> PathBuf {
    support::ensure_now();
    let named = std::env::var_os("BULKHEAD_REDIS_BIN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap();
    let folders = named.into_iter().chain(std::env::split_paths(&path)).chain([PathBuf::from("/usr/sbin")]);
    let names = ["redis-server", "valkey-server"];
    let files = folders.flat_map(|folder| names.map(|name| folder.join(name)));
    files.into_iter().find(|file| file.is_file()).expect("redis-server or valkey-server is on PATH")
}
