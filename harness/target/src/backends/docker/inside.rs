//! Programs that are run inside a container that runs.

use std::pin::Pin;

use futures::{FutureExt as _, Stream, StreamExt as _};
use testcontainers::bollard::{
    Docker,
    container::LogOutput,
    errors::Error as ApiError,
    exec::{CreateExecOptions, StartExecResults},
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_util::io::StreamReader;

use crate::error::Cause;

/// A container's inside.
#[derive(Clone, Debug)]
pub(crate) struct Inside {
    pub(super) docker: Docker,
    pub(super) id: String,
}

/// A program's two ends.
pub(crate) struct Ends {
    exec: String,
    pub(crate) input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, ApiError>> + Send>>,
}

impl Ends {
    /// Whether the program goes on and has said nothing that was not read.
    pub(crate) fn quiet(&mut self) -> bool {
        self.output.next().now_or_never().is_none()
    }

    /// What it prints on standard output.
    pub(crate) fn output(&mut self) -> impl AsyncRead + Unpin {
        let pieces = self.output.as_mut().filter_map(|piece| async {
            match piece {
                Ok(LogOutput::StdErr { .. }) => None,
                Ok(piece) => Some(Ok(piece.into_bytes())),
                Err(error) => Some(Err(std::io::Error::other(error))),
            }
        });
        Box::pin(StreamReader::new(Box::pin(pieces)))
    }
}

impl Inside {
    /// Starts a program in it.
    ///
    /// # Errors
    /// When the engine does not.
    pub(crate) async fn start(&self, user: &str, command: &[&str]) -> Result<Ends, Cause> {
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            user: Some(user),
            cmd: Some(command.to_vec()),
            ..CreateExecOptions::default()
        };
        let exec = self.docker.create_exec(&self.id, options).await?.id;
        match self.docker.start_exec(&exec, None).await? {
            StartExecResults::Attached { output, input } => Ok(Ends { exec, input, output }),
            StartExecResults::Detached => Err("the engine started it without its streams".into()),
        }
    }

    /// Runs a program in it on this input, and gives what it printed.
    ///
    /// # Errors
    /// When it cannot be started or fails, with what it complained of.
    pub(crate) async fn run(&self, user: &str, command: &[&str], input: &[u8]) -> Result<String, Cause> {
        // The program's input ends after so many bytes; that ours ends does not reach it through every engine.
        let bytes = input.len().to_string();
        let bounded = ["sh", "-c", "head -c \"$0\" | \"$@\"", &bytes];
        let mut ends = self.start(user, &[&bounded, command].concat()).await?;
        ends.input.write_all(input).await?;
        ends.input.flush().await?;
        let (mut said, mut complaints) = (Vec::new(), Vec::new());
        while let Some(piece) = ends.output.next().await.transpose()? {
            match piece {
                LogOutput::StdErr { message } => complaints.extend_from_slice(&message),
                piece => said.extend_from_slice(piece.as_ref()),
            }
        }
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        match self.docker.inspect_exec(&ends.exec).await?.exit_code {
            Some(0) => Ok(said),
            code => {
                let (program, complaints) =
                    (command.first().copied().unwrap_or_default(), String::from_utf8_lossy(&complaints));
                Err(format!("`{program}` ended with {code:?}: {said} {}", complaints.trim()).into())
            }
        }
    }
}
