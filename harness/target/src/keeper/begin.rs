//! How a keeper comes to be: it reads what it is to do, takes the name, and makes the place it works in.

use std::{io::Write, path::Path, process::ExitCode};

use tokio::{
    io::AsyncReadExt,
    net::{UnixListener, unix::pipe},
    sync::mpsc,
    task::JoinHandle,
};

use crate::{Error, TargetSpec};

use super::{
    connection::Connection,
    folder::{self, RunFolder},
    janitor::Janitor,
    name,
    serve::keep,
    strays,
    wire::{self, Failure, Opening, ToHarness, Word},
};

/// How often a fresh folder may be swept from under us before that is an error.
const FOLDER_ATTEMPTS: usize = 100;

/// How long those who come are told why there will be no servers.
const REFUSAL_DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

/// The whole life of a keeper.
pub(super) async fn run() -> ExitCode {
    let (word, started) = match begin().await {
        Ok(Some(started)) => (Word::Listening, Some(started)),
        Ok(None) => (Word::Lost, None),
        Err(error) => (Word::Failed(error.chain()), None),
    };
    if let Ok(line) = wire::line(&word) {
        let mut out = std::io::stdout();
        // The harness may be gone already; then its pipe says so.
        let _gone = out.write_all(&line).and_then(|()| out.flush());
    }
    let Some((opening, listener, stdin)) = started else { return ExitCode::SUCCESS };
    match keep(opening, listener, stdin).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Reads the opening and takes the name.
async fn begin() -> Result<Option<(Opening, UnixListener, pipe::Receiver)>, Error> {
    let failed =
        |source: std::io::Error| Error::Keeper { doing: String::from("begin"), source: source.into() };
    let stdin = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned().map_err(failed)?;
    let mut stdin = pipe::Receiver::from_owned_fd(stdin).map_err(failed)?;
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        // Byte by byte: what follows the line is the end that stands for the first lease.
        match stdin.read_u8().await {
            Ok(byte) => line.push(byte),
            Err(error) => return Err(failed(error)),
        }
    }
    let opening: Opening = serde_json::from_slice(&line).map_err(|error| failed(error.into()))?;
    let listener = name::listen(&opening.name).map_err(failed)?;
    Ok(listener.map(|listener| (opening, listener, stdin)))
}

/// Starts the janitor, then makes the folder that it is to clear away.
pub(crate) async fn prepare(executable: &Path, temp: &Path) -> Result<(String, RunFolder, Janitor), Error> {
    for _ in 0..FOLDER_ATTEMPTS {
        let run = folder::fresh_run();
        let path = folder::path(temp, &run);
        let janitor = Janitor::start(executable, &run, &path)?;
        match RunFolder::make(path) {
            Ok(Some(folder)) => return Ok((run, folder, janitor)),
            Ok(None) => janitor.finish().await?,
            Err(error) => {
                janitor.finish().await?;
                return Err(error);
            }
        }
    }
    let source = "other keepers keep sweeping it away".into();
    Err(Error::Keeper { doing: String::from("make the run's folder"), source })
}

/// Tells those who have come, and the one who is on its way, why there will be no servers.
pub(super) async fn refuse_all(listener: UnixListener, mut stdin: pipe::Receiver, failure: &Failure) {
    let refuse = async {
        // The spawning harness connects next; its pipe ends when it has read the refusal or is gone.
        let mut rest = [0; 1];
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { return };
                    let (events, mut happened) = mpsc::unbounded_channel();
                    let connection = Connection::open(stream, 0, events);
                    let _hello = happened.recv().await;
                    connection.send(ToHarness::Refused(failure.clone()));
                    connection.close().await;
                }
                _ = stdin.read(&mut rest) => return,
            }
        }
    };
    let _bounded = tokio::time::timeout(REFUSAL_DEADLINE, refuse).await;
}

/// Clears away what earlier runs left that nobody owns any more.
pub(super) fn sweep(spec: &TargetSpec) -> JoinHandle<()> {
    let temp = spec.temp.clone();
    tokio::task::spawn_blocking(move || {
        for (run, folder) in folder::stale(&temp) {
            // What cannot be cleared now is found again by the next keeper.
            let _next_time = strays::clear(&run, &folder.path);
        }
    })
}
