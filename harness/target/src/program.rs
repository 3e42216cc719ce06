//! A program of somebody else's that works on stand-ins: it has our streams, and never outlives us.

use std::{
    ffi::OsString,
    future::Future,
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    time::timeout,
};

use crate::process::tie;

/// How long it may take to end once it was asked to.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs it to its end with these variables added to ours. When `asked` comes first it gets a SIGTERM, and after ten seconds
/// a SIGKILL.
///
/// # Errors
/// When it cannot be started, or there is none.
pub async fn run(
    command: &[OsString],
    variables: impl IntoIterator<Item = (String, String)>,
    asked: impl Future<Output = ()>,
) -> io::Result<ExitStatus> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    let mut command = Command::new(program);
    command.args(arguments).envs(variables).kill_on_drop(true);
    tie(&mut command, Signal::SIGKILL);
    let mut child = command.spawn()?;
    end(&mut child, asked).await
}

/// What a program came to whose streams were ours to read.
#[derive(Debug)]
pub struct Said {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// The same of its standard error.
    pub stderr: Vec<u8>,
}

/// As [`run`], in a process group of its own, so that Ctrl-C on a terminal reaches it through us alone, and with what it
/// writes as the answer.
///
/// # Errors
/// As there.
pub async fn hear(
    (program, arguments): (&OsString, &[OsString]),
    variables: impl IntoIterator<Item = (String, String)>,
    asked: impl Future<Output = ()>,
) -> io::Result<Said> {
    let mut command = Command::new(program);
    command.args(arguments).envs(variables).kill_on_drop(true).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    tie(&mut command, Signal::SIGKILL);
    let mut child = command.spawn()?;
    let streams = (child.stdout.take(), child.stderr.take());
    let (status, stdout, stderr) = tokio::join!(end(&mut child, asked), all(streams.0), all(streams.1));
    Ok(Said { status: status?, stdout: stdout?, stderr: stderr? })
}

async fn all(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

async fn end(child: &mut Child, asked: impl Future<Output = ()>) -> io::Result<ExitStatus> {
    tokio::select! {
        ended = child.wait() => return ended,
        () = asked => {}
    }
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // It may have ended just now; then there is nobody to ask.
        let _ended = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    match timeout(PATIENCE, child.wait()).await {
        Ok(ended) => ended,
        Err(_) => {
            child.start_kill()?;
            child.wait().await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, os::unix::process::ExitStatusExt};

    use super::*;

    fn shell(script: &str) -> Vec<OsString> {
        ["sh", "-c", script].map(OsString::from).to_vec()
    }

    #[tokio::test]
    async fn its_variables_reach_it_and_its_code_comes_back() {
        let variables = [(String::from("CODE"), String::from("7"))];
        let status = run(&shell("exit $CODE"), variables, pending()).await.unwrap();
        assert_eq!(status.code(), Some(7));
        let error = run(&[OsString::from("/nonexistent/program")], [], pending()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(run(&[], [], pending()).await.is_err());
    }

    #[tokio::test]
    async fn what_it_writes_is_heard_until_it_is_asked_to_end() {
        let shell = |script: &str| ["-c", script].map(OsString::from);
        let sh = OsString::from("sh");
        let variables = [(String::from("WORD"), String::from("so"))];
        let said =
            hear((&sh, &shell("echo $WORD; echo why >&2; exit 4")), variables, pending()).await.unwrap();
        assert_eq!(
            (said.status.code(), said.stdout, said.stderr),
            (Some(4), b"so\n".into(), b"why\n".into())
        );
        let said = hear((&sh, &shell("exec sleep 600")), [], async {}).await.unwrap();
        assert_eq!(said.status.signal(), Some(15));
    }

    #[tokio::test]
    async fn it_ends_when_it_is_asked_to() {
        let status = run(&shell("exec sleep 600"), [], async {}).await.unwrap();
        assert_eq!(status.signal(), Some(15));
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        nix::unistd::mkfifo(&ready, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let script = format!("trap 'exit 3' TERM; echo > {}; while :; do sleep 0.01; done", ready.display());
        let command = shell(&script);
        let status = run(&command, [], async {
            assert_eq!(tokio::fs::read(&ready).await.unwrap(), b"\n");
        });
        assert_eq!(status.await.unwrap().code(), Some(3));
    }
}
