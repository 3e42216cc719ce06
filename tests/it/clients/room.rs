//! Where the programs of `tests/clients` run: a virtual environment and a folder of node modules, each made once for
//! its pinned packages below cargo's folder for tests, and a throw-away folder for the programs themselves.
//!
//! Knows nothing of services. A machine that has no Python or Node and may not get them is a reason to skip.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::{LazyLock, Mutex},
    time::Duration,
};

use bulkhead_model::Tenant;

use super::Program;
use crate::tools::{bring, succeed, written};

/// The longest that one program may take, interpreter start and three connections included.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the programs are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Python,
    Node,
}

/// A folder with the programs and the packages that they import.
pub(crate) struct Room {
    interpreter: PathBuf,
    programs: tempfile::TempDir,
}

/// How a program ended: its exit code, its one line as JSON (null when it printed none) and all that it wrote.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) line: serde_json::Value,
    pub(crate) text: String,
}

impl Language {
    pub(super) const ALL: [Self; 2] = [Self::Python, Self::Node];

    const fn folder(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
        }
    }

    /// The files that say which packages are needed; copied before the packages are fetched.
    const fn pins(self) -> &'static [&'static str] {
        match self {
            Self::Python => &["requirements.txt"],
            Self::Node => &["package.json", "package-lock.json", ".npmrc"],
        }
    }

    /// Debian's packages that bring the interpreter and its package manager.
    const fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Python => &["python3", "python3-venv"],
            Self::Node => &["nodejs", "npm"],
        }
    }

    /// The interpreter's version, or what is missing.
    fn version(self) -> Result<String, String> {
        let check: &[&str] = match self {
            Self::Python => &[
                "python3",
                "-c",
                "import ensurepip, sys, venv; assert sys.version_info >= (3, 11); print(sys.version)",
            ],
            Self::Node => {
                &["node", "-p", "if (parseInt(process.versions.node) < 18) throw 'old'; process.version"]
            }
        };
        let version = succeed(Command::new(check[0]).args(&check[1..]))?;
        if self == Self::Node {
            succeed(Command::new("npm").arg("--version"))?;
        }
        Ok(String::from_utf8_lossy(&version.stdout).into_owned())
    }

    /// Makes the packages in `folder`, which already holds the pins.
    fn fetch(self, folder: &Path) -> Result<(), String> {
        match self {
            Self::Python => {
                succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder.join("venv")))?;
                let mut pip = Command::new(folder.join("venv/bin/python"));
                pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]);
                pip.args(["--requirement", "requirements.txt"]);
                succeed(pip.current_dir(folder))?;
            }
            Self::Node => {
                succeed(
                    Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit"]).current_dir(folder),
                )?;
            }
        }
        Ok(())
    }
}

impl Room {
    /// Makes the room, or says why there is none on this machine.
    pub(crate) fn open(language: Language) -> Result<Self, String> {
        let packages = packages(language)?;
        let programs = tempfile::Builder::new().prefix("bulkhead-it-clients-").tempdir().unwrap();
        for entry in fs::read_dir(sources(language)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "py" || ending == "mjs") {
                fs::copy(&path, programs.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        let interpreter = match language {
            Language::Python => packages.join("venv/bin/python"),
            Language::Node => {
                // Node looks for packages beside the importing file, and nowhere else.
                let modules = packages.join("node_modules");
                std::os::unix::fs::symlink(modules, programs.path().join("node_modules")).unwrap();
                PathBuf::from("node")
            }
        };
        Ok(Self { interpreter, programs })
    }

    /// Puts another file beside the programs.
    pub(crate) fn put(&self, file: &str, text: &str) {
        fs::write(self.programs.path().join(file), text).unwrap();
    }

    /// What runs the programs.
    pub(crate) fn interpreter(&self) -> &str {
        self.interpreter.to_str().unwrap()
    }

    /// What to type to run a program for that tenant.
    pub(crate) fn line(&self, program: &Program, tenant: &Tenant) -> Vec<String> {
        let file = self.programs.path().join(program.file).display().to_string();
        [vec![self.interpreter().to_owned(), file], program.arguments(tenant)].concat()
    }

    /// Runs a program on the names that it is to use. Its environment is `variables` and what any program needs: `PATH` and a home.
    pub(crate) async fn run(&self, program: &str, names: &[String], variables: &[(String, String)]) -> Said {
        let mut command = tokio::process::Command::new(&self.interpreter);
        command.arg(self.programs.path().join(program)).args(names).env_clear();
        command.env("PATH", env::var_os("PATH").unwrap_or_default()).env("HOME", self.programs.path());
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let output = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await;
        let output = output.unwrap_or_else(|_| panic!("{program} hung for {PATIENCE:?}")).unwrap();
        let line = serde_json::from_slice(&output.stdout).unwrap_or(serde_json::Value::Null);
        Said { code: output.status.code(), line, text: written(&output) }
    }
}

/// The folder of packages for `language`, made on first use and shared by every test and process.
fn packages(language: Language) -> Result<PathBuf, String> {
    // One at a time: two package managers at once would fetch everything twice.
    static MAKING: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);
    let _turn = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);

    let version = bring(language.packages(), || language.version())?;
    let mut hasher = DefaultHasher::new();
    version.hash(&mut hasher);
    for pin in language.pins() {
        fs::read(sources(language).join(pin)).unwrap().hash(&mut hasher);
    }
    let folders = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    let folder = folders.join(format!("{}-{:016x}", language.folder(), hasher.finish()));
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(&folders).unwrap();
    let making = tempfile::Builder::new().prefix("making-").tempdir_in(&folders).unwrap();
    for pin in language.pins() {
        fs::copy(sources(language).join(pin), making.path().join(pin)).unwrap();
    }
    language.fetch(making.path()).unwrap_or_else(|error| panic!("the packages for {language:?}: {error}"));
    // Renamed when whole, so that nobody ever sees half of it. When another process was faster, its folder serves.
    match fs::rename(making.path(), &folder) {
        Ok(()) => drop(making.keep()),
        Err(error) => {
            assert!(folder.is_dir(), "could not move the packages to {}: {error}", folder.display())
        }
    }
    Ok(folder)
}

fn sources(language: Language) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(language.folder())
}
