//! What a run leaves and where it is looked for; harnesses as processes of their own.
//!
//! Each test keeps its runs in a folder that no other test uses. Every process of theirs names that folder: in its
//! arguments, its environment or as its working folder.

use std::{
    collections::BTreeSet,
    future::Future,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use bulkhead_model::{RunEvent, Topology};
use bulkhead_target::{Session, TargetSpec};
use nix::{sys::signal::Signal, unistd::Pid};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::Instant,
};

use crate::support;

/// Tells a process of this test binary that it is a harness, and which set it is to hold.
const ROLE: &str = "BULKHEAD_TEST_HARNESS";

/// Tells it also to make slices that are going to be detached, which it then does not do.
const LASTING: &str = "BULKHEAD_TEST_LASTING";

/// The longest wait for anything: generous, since only a hang reaches it.
const CAP: Duration = Duration::from_secs(60);

/// A set of servers that one test has for itself.
pub(super) struct Own {
    pub(super) spec: TargetSpec,
    folder: tempfile::TempDir,
}

impl Own {
    /// `name` marks the set; it is made unique.
    pub(super) fn new(name: &str) -> Self {
        support::ensure_now();
        let folder = tempfile::Builder::new().prefix(&format!("bulkhead-it-{name}-")).tempdir().unwrap();
        // PostgreSQL, which will not run as root, must be able to pass through.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let mut spec = support::spec();
        spec.name = Some(folder.path().display().to_string());
        spec.linger = Duration::ZERO;
        spec.temp = folder.path().to_owned();
        Self { spec, folder }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What is in the folder: a folder a run.
    pub(super) fn folders(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// The processes of all runs in the folder, keepers and janitors included, as number and command line.
    pub(super) fn processes(&self) -> Vec<String> {
        pids().into_iter().filter(|pid| self.concerns(*pid)).map(describe).collect()
    }

    fn concerns(&self, pid: i32) -> bool {
        let proc = proc(pid);
        let path = self.path().to_str().unwrap();
        let mentions = |file: &str| {
            let bytes = std::fs::read(proc.join(file)).unwrap_or_default();
            bytes.windows(path.len()).any(|window| window == path.as_bytes())
        };
        let inside = std::fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd.starts_with(self.path()));
        inside || mentions("cmdline") || mentions("environ") || self.is_keeper(pid)
    }

    /// A keeper has the folder neither in its arguments nor in its environment, but locks the run's folder.
    fn is_keeper(&self, pid: i32) -> bool {
        let open = std::fs::read_dir(proc(pid).join("fd")).into_iter().flatten().flatten();
        open.map(|fd| std::fs::read_link(fd.path())).any(|to| to.is_ok_and(|to| to.starts_with(self.path())))
    }

    /// The listening TCP ports of those processes, each with the socket's inode, which no later socket has.
    pub(super) fn ports(&self) -> BTreeSet<(String, String)> {
        let ours = pids().into_iter().filter(|pid| self.concerns(*pid));
        let sockets: BTreeSet<_> = ours.flat_map(sockets).collect();
        listening().into_iter().filter(|(_, inode)| sockets.contains(inode)).collect()
    }

    /// Waits until no process and no folder is left.
    pub(super) async fn assert_gone(&self) {
        let end = Instant::now() + CAP;
        loop {
            let (processes, folders) = (self.processes(), self.folders());
            if processes.is_empty() && folders.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "left after {CAP:?}: {processes:#?} {folders:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Polls until there is a value.
pub(super) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut attempt: impl FnMut() -> F) -> T {
    let end = Instant::now() + CAP;
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(Instant::now() < end, "{what}: not after {CAP:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// All listening TCP sockets: address and inode.
pub(super) fn listening() -> BTreeSet<(String, String)> {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| std::fs::read_to_string(file).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    let fields = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let listening = fields.filter(|fields| fields.get(3) == Some(&"0A"));
    listening.map(|fields| (fields[1].to_owned(), fields[9].to_owned())).collect()
}

fn sockets(pid: i32) -> Vec<String> {
    let open = std::fs::read_dir(proc(pid).join("fd")).into_iter().flatten().flatten();
    let targets = open.filter_map(|fd| std::fs::read_link(fd.path()).ok()?.to_str().map(str::to_owned));
    targets.filter_map(|to| Some(to.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect()
}

fn pids() -> Vec<i32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    all.filter(|pid| Ok(*pid) != i32::try_from(std::process::id())).collect()
}

fn proc(pid: i32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

fn describe(pid: i32) -> String {
    let line = std::fs::read(proc(pid).join("cmdline")).unwrap_or_default();
    format!("{pid} {}", String::from_utf8_lossy(&line).replace('\0', " "))
}

/// Signals a process that a test started or learnt of from its own session.
pub(super) fn signal(pid: u32, signal: Signal) {
    let _gone = nix::sys::signal::kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal);
}

/// A harness in a process of its own, which a test can kill.
pub(super) struct Harness {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Harness {
    /// Starts it: it opens a session on the test's set, makes slices, and closes when it is told to.
    pub(super) fn start(own: &Own) -> Self {
        Self::spawn(Command::new(std::env::current_exe().unwrap()), own)
    }

    /// The same with slices as `up --detach` makes them, which stay undetached as long as it lives.
    pub(super) fn start_lasting(own: &Own) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(LASTING, "1");
        Self::spawn(command, own)
    }

    /// The same with the test's folder on a small disk that only the harness and what it starts can see.
    pub(super) fn start_on_a_disk_of(own: &Own, size: &str) -> Self {
        let mut command = Command::new("unshare");
        let mount = "mount -t tmpfs -o mode=0711,size=\"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"";
        command.args(["--mount", "sh", "-c", mount, "sh", size]).arg(own.path());
        command.arg(std::env::current_exe().unwrap());
        Self::spawn(command, own)
    }

    /// The command itself: `bulkhead up`, with its runs in the test's folder.
    pub(super) fn up(own: &Own) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        command.arg("up").current_dir(own.path()).env("TMPDIR", own.path());
        Self::with_pipes(command)
    }

    fn spawn(mut command: Command, own: &Own) -> Self {
        command.args(["keeper::trace::play_the_harness", "--exact", "--nocapture"]);
        command.env(ROLE, serde_json::to_string(&own.spec).unwrap());
        Self::with_pipes(command)
    }

    fn with_pipes(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdin, lines }
    }

    /// Waits for a line that contains `mark` and gives what follows it.
    pub(super) async fn line(&mut self, mark: &str) -> String {
        let wait = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Some((_, rest)) = line.split_once(mark) {
                    return rest.to_owned();
                }
            }
            panic!("the harness ended without saying `{mark}`")
        };
        tokio::time::timeout(CAP, wait).await.unwrap_or_else(|_| panic!("no `{mark}` after {CAP:?}"))
    }

    /// Lets it close its session.
    pub(super) async fn finish(mut self) {
        self.stdin.write_all(b"\n").await.unwrap();
        assert!(self.child.wait().await.unwrap().success());
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Ctrl-C.
    pub(super) fn interrupt(&self) {
        signal(self.pid(), Signal::SIGINT);
    }

    /// Kills it and waits until it is gone.
    pub(super) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Not a test by itself: what a [`Harness`] runs. Without the role it only shows that it has none.
#[tokio::test]
async fn play_the_harness() {
    let Ok(spec) = std::env::var(ROLE) else { return };
    let spec: TargetSpec = serde_json::from_str(&spec).unwrap();
    let progress = |event: RunEvent| match event {
        RunEvent::StandInStarting(service) => println!("\nstarting {service}"),
        RunEvent::StandInReady(report) => println!("\nready {}", report.service),
        _ => {}
    };
    let session = match Session::open(&spec, &progress).await {
        Ok(session) => session,
        Err(error) => {
            let left: Vec<_> =
                std::fs::read_dir(&spec.temp).unwrap().flatten().map(|e| e.file_name()).collect();
            println!("\nfailed {}\nleft {left:?}", error.chain().replace('\n', "; "));
            return;
        }
    };
    println!("\ngranted {} {}", session.run(), session.keeper());
    let topology = Topology::builtin();
    let access = match std::env::var_os(LASTING) {
        Some(_) => session.lasting_slices(&topology).await.unwrap(),
        None => session.slices(&topology).await.unwrap(),
    };
    println!("\nslices {}", access[0].tenant.slices.postgres.database);
    let wait = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    wait.await.unwrap().unwrap();
    println!("\nclosing");
    session.close().await.unwrap();
}
