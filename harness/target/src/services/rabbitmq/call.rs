//! Evaluating an expression on the running node: by a program first, `erl_call` or, where a package left that out,
//! `rabbitmqctl eval`; then through the [`Console`] that the program opened.
//!
//! The expression goes through standard input and the cookie is read from the node's own home, so neither shows in
//! the arguments of a process.

use std::{
    ffi::OsString,
    path::PathBuf,
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, process::Command};

use super::console::Console;
use crate::{backends::docker::Inside, error::Cause};

/// The longest that one expression may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// What is run in a container, by the broker's user, who has the cookie: the one from RabbitMQ 4.0 on Erlang 27 waits for
/// the end of standard input in vain, so it is given a file.
const INSIDE: [&str; 3] = [
    "sh",
    "-c",
    "umask 077; file=$(mktemp) && cat >\"$file\" && rabbitmqctl --quiet eval_file \"$file\"; \
     status=$?; rm -f \"$file\"; exit $status",
];

/// How to reach one node.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    way: Way,
    /// Open, once [`Caller::open`] succeeded.
    console: Option<Console>,
}

/// How an expression gets to the node without its console.
#[derive(Clone, Debug)]
enum Way {
    Program(Program),
    /// Through the `rabbitmqctl` of the node's container.
    Inside(Inside),
}

#[derive(Clone, Debug)]
struct Program {
    /// The program and its arguments.
    program: PathBuf,
    args: Vec<OsString>,
    /// The node's own environment: its home with the cookie, its port mapper.
    env: Vec<(OsString, OsString)>,
    dir: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ErlCall,
    Rabbitmqctl,
}

impl Caller {
    /// Through `erl_call`.
    pub(super) fn erl_call(
        program: PathBuf,
        node: &str,
        env: Vec<(OsString, OsString)>,
        dir: PathBuf,
    ) -> Self {
        let args = ["-n", node, "-e"].map(OsString::from).to_vec();
        let way = Way::Program(Program { program, args, env, dir, kind: Kind::ErlCall });
        Self { way, console: None }
    }

    /// Through `rabbitmqctl`, which starts an Erlang of its own each time. Without an expression among its arguments
    /// it reads one from standard input.
    pub(super) fn rabbitmqctl(
        program: PathBuf,
        node: &str,
        env: Vec<(OsString, OsString)>,
        dir: PathBuf,
    ) -> Self {
        let args = ["--node", node, "--quiet", "eval"].map(OsString::from).to_vec();
        let way = Way::Program(Program { program, args, env, dir, kind: Kind::Rabbitmqctl });
        Self { way, console: None }
    }

    /// Through the `rabbitmqctl` of the node's container.
    pub(super) fn inside(inside: Inside) -> Self {
        Self { way: Way::Inside(inside), console: None }
    }

    /// Opens the node's console for every later expression. Where there is no room for its socket, each goes through
    /// the program.
    pub(super) async fn open(&mut self) -> Result<(), Cause> {
        self.console = None;
        let console = match &self.way {
            Way::Program(program) => Console::of(&program.dir),
            Way::Inside(inside) => Some(Console::inside(inside.clone())),
        };
        let Some(console) = console else { return Ok(()) };
        match self.run(&console.opening()).await?.as_str() {
            "ok" => self.console = Some(console),
            other => return Err(format!("the node did not open its console: {other}").into()),
        }
        Ok(())
    }

    /// The value of the expression, a comma-separated sequence without its final stop.
    pub(super) async fn eval(&self, expression: &str) -> Result<String, Cause> {
        match &self.console {
            Some(console) => tokio::time::timeout(DEADLINE, console.eval(expression))
                .await
                .map_err(|_| format!("the node's console gave no answer within {DEADLINE:?}"))?,
            None => self.run(expression).await,
        }
    }

    /// The same without the console.
    async fn run(&self, expression: &str) -> Result<String, Cause> {
        match &self.way {
            Way::Program(program) => program.run(expression).await,
            Way::Inside(inside) => {
                let asked = format!("{expression}.\n");
                let asked = inside.run("rabbitmq", &INSIDE, asked.as_bytes());
                let late = |_| format!("`rabbitmqctl` gave no answer within {DEADLINE:?}");
                tokio::time::timeout(DEADLINE, asked).await.map_err(late)?
            }
        }
    }
}

impl Program {
    /// The value of the expression.
    async fn run(&self, expression: &str) -> Result<String, Cause> {
        let mut command = Command::new(&self.program);
        if self.kind == Kind::ErlCall {
            command.args(["-h", &fresh_name()]);
        }
        command.args(&self.args).env_clear().envs(self.env.iter().cloned()).current_dir(&self.dir);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let run = async {
            let mut child = command.spawn()?;
            if let Some(mut input) = child.stdin.take() {
                input.write_all(expression.as_bytes()).await?;
                input.write_all(b".\n").await?;
            }
            child.wait_with_output().await
        };
        let program = self.program.display();
        let output = tokio::time::timeout(DEADLINE, run)
            .await
            .map_err(|_| format!("`{program}` gave no answer within {DEADLINE:?}"))?;
        let output = output.map_err(|error| format!("`{program}`: {error}"))?;
        let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`{program}` ({}): {answer} {}", output.status, errors.trim()).into());
        }
        match self.kind {
            Kind::Rabbitmqctl => Ok(answer),
            Kind::ErlCall => match answer.strip_prefix("{ok, ").and_then(|rest| rest.strip_suffix('}')) {
                Some(value) => Ok(value.to_owned()),
                None => Err(answer.into()),
            },
        }
    }
}

/// What `erl_call` calls itself. Left alone it is `c17` every time, and a node refuses whoever comes under the name of
/// one whose goodbye it has not noticed yet, as happens to calls in a row when it is busy.
fn fresh_name() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    format!("bh{}x{}", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::Caller;

    /// A program that answers with what it was asked, or fails.
    fn program(dir: &std::path::Path, text: &str) -> std::path::PathBuf {
        let file = dir.join("program");
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    #[tokio::test]
    async fn the_expression_is_on_standard_input_alone() {
        let dir = tempfile::tempdir().unwrap();
        let echo = program(dir.path(), "printf '{ok, %s %s}' \"$*\" \"$(/bin/cat)\"");
        let caller = Caller::erl_call(echo, "n@localhost", Vec::new(), dir.path().into());
        let said = caller.eval("secret()").await.unwrap();
        assert!(said.starts_with("-h bh") && said.ends_with(" -n n@localhost -e secret()."), "{said}");
        let echo = program(dir.path(), "printf '%s %s' \"$*\" \"$(/bin/cat)\"");
        let caller = Caller::rabbitmqctl(echo, "n@localhost", Vec::new(), dir.path().into());
        assert_eq!(caller.eval("secret()").await.unwrap(), "--node n@localhost --quiet eval secret().");
    }

    #[tokio::test]
    async fn calls_at_once_are_not_taken_for_one_another() {
        let dir = tempfile::tempdir().unwrap();
        // As a node does: a name that is there still is refused, and the goodbye is late.
        let node = "/bin/cat >/dev/null; [ \"$1\" = -h ] && /bin/mkdir \"$2\" 2>/dev/null \
            && printf '{ok, in}' || printf 'refused'";
        let node = program(dir.path(), node);
        let caller = Caller::erl_call(node.clone(), "n@localhost", Vec::new(), dir.path().into());
        let calls = futures::future::join_all((0..4).map(|_| caller.eval("x"))).await;
        assert!(calls.iter().all(|call| call.as_ref().is_ok_and(|said| said == "in")), "{calls:?}");
        // The control: under one name the second is refused.
        let named =
            |name: &str| std::process::Command::new(&node).args(["-h", name]).current_dir(&dir).output();
        assert_eq!([0, 1].map(|_| named("c17").unwrap().stdout), [b"{ok, in}".to_vec(), b"refused".to_vec()]);
    }

    #[tokio::test]
    async fn a_refusal_is_an_error_with_its_text() {
        let dir = tempfile::tempdir().unwrap();
        let refuse = program(dir.path(), "/bin/cat >/dev/null; printf '{error, \"no\"}'");
        let caller = Caller::erl_call(refuse, "n@localhost", Vec::new(), dir.path().into());
        assert_eq!(caller.eval("x").await.unwrap_err().to_string(), "{error, \"no\"}");
        let fail = program(dir.path(), "/bin/cat >/dev/null; echo unable >&2; exit 69");
        let caller = Caller::rabbitmqctl(fail, "n@localhost", Vec::new(), dir.path().into());
        let error = caller.eval("x").await.unwrap_err().to_string();
        assert!(error.contains("unable") && error.contains("69"), "{error}");
    }
}
