//! How a harness gets its lease: join the keeper that is there, or start one, and start over when it is just stopping.

use std::{process::Stdio, time::Duration};

use bulkhead_model::{RunEvent, Service};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::UnixStream,
    process::ChildStdin,
};

use crate::{
    Error, TargetSpec,
    backends::{
        docker::{self, Images},
        native,
    },
    process::RUN_VARIABLE,
    services::s3,
};

use super::{
    link::{Link, failed},
    name,
    wire::{self, Failure, Granted, Intent, Opening, PROTOCOL, ToHarness, ToKeeper, Word},
};

/// How often to start over: each time a keeper was met just as it stopped, or ended without a word.
const ROUNDS: usize = 50;

/// What a start may take beyond the servers' own deadline: the keeper's start, a failure's clearing away.
const MARGIN: Duration = Duration::from_secs(60);

/// How long a fresh keeper may take to say whether it has the name.
const WORD_DEADLINE: Duration = Duration::from_secs(30);

/// Joins the servers that `spec` asks for, or starts them.
///
/// # Errors
/// As [`crate::Session::open`].
pub(crate) async fn join(
    spec: &TargetSpec,
    progress: &(dyn Fn(RunEvent) + Send + Sync),
) -> Result<(Link, Granted), Error> {
    let name = name::rendezvous(spec);
    let mut looked = false;
    for _ in 0..ROUNDS {
        let connected = name::connect(&name).map_err(|source| failed("reach the keeper", source))?;
        let (stream, first_lease) = match connected {
            Some(stream) => (stream, None),
            None => {
                if !looked {
                    match &spec.images {
                        None => native::ensure(spec, progress).await?,
                        Some(images) => {
                            docker::ensure(images, |note| progress(RunEvent::Note(note))).await?;
                            check(images, spec).await?;
                        }
                    }
                    looked = true;
                }
                let first_lease = spawn(spec, &name).await?;
                match name::connect(&name).map_err(|source| failed("reach the keeper", source))? {
                    Some(stream) => (stream, first_lease),
                    None => continue,
                }
            }
        };
        let token = first_lease.as_ref().map(|lease| lease.token);
        let patience = spec.start_deadline.saturating_mul(2).saturating_add(MARGIN);
        let granted = tokio::time::timeout(patience, take(spec, stream, token, progress)).await;
        if let Some(granted) =
            granted.map_err(|_| failed("get a lease", format!("no answer after {patience:?}")))??
        {
            return Ok(granted);
        }
    }
    Err(failed("get a lease", format!("{ROUNDS} keepers in a row ended before they granted one")))
}

/// Sees that the servers in the images can keep the slices apart that will be asked for.
async fn check(images: &Images, spec: &TargetSpec) -> Result<(), Error> {
    let Some(image) = images.of(Service::S3) else { return Ok(()) };
    let slices = [&spec.first, &spec.later].into_iter().flatten().map(|slices| slices.on(Service::S3));
    s3::check(image, &slices.collect::<Vec<_>>()).await
}

/// The pipe that stands for the first lease until the connection does.
struct FirstLease {
    token: u64,
    _pipe: ChildStdin,
}

/// Starts a keeper and waits for its word; none when another one has the name.
async fn spawn(spec: &TargetSpec, name: &str) -> Result<Option<FirstLease>, Error> {
    let program = spec.executable.display().to_string();
    let doing = format!("start `{program} __keeper`");
    let mut command = tokio::process::Command::new(&spec.executable);
    command.arg("__keeper").current_dir("/").env_remove(RUN_VARIABLE);
    if spec.images.is_some()
        && let Some(engine) = docker::elsewhere().await
    {
        command.env("DOCKER_HOST", engine);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    super::detach(&mut command);
    let mut child = command.spawn().map_err(|source| failed(&doing, source))?;
    let pipes = child.stdin.take().zip(child.stdout.take());
    let (mut stdin, stdout) = pipes.ok_or_else(|| failed(&doing, "no pipes"))?;
    // It is never waited for, so the runtime reaps it whenever it ends.
    drop(child);
    let token = rand::random();
    let opening = Opening { name: name.to_owned(), spec: spec.clone(), token };
    let opening = wire::line(&opening).map_err(|source| failed(&doing, source))?;
    stdin.write_all(&opening).await.map_err(|source| failed(&doing, source))?;
    let mut stdout = BufReader::new(stdout);
    let word = tokio::time::timeout(WORD_DEADLINE, wire::next(&mut stdout)).await;
    let word = word.map_err(|_| failed(&doing, format!("no word after {WORD_DEADLINE:?}")))?;
    match word.map_err(|source| failed(&doing, source))? {
        Some(Word::Listening) => Ok(Some(FirstLease { token, _pipe: stdin })),
        Some(Word::Lost) => Ok(None),
        Some(Word::Failed(why)) => Err(Error::Reported(why)),
        None => Err(failed(&doing, "it ended without a word")),
    }
}

/// Says hello and reads on until the lease is granted; none when the keeper closes before that.
async fn take(
    spec: &TargetSpec,
    stream: UnixStream,
    token: Option<u64>,
    progress: &(dyn Fn(RunEvent) + Send + Sync),
) -> Result<Option<(Link, Granted)>, Error> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let intent = Intent::Lease { kind: name::kind(spec), linger: spec.linger, token };
    let hello = wire::line(&ToKeeper::Hello { protocol: PROTOCOL, intent });
    let hello = hello.map_err(|source| failed("get a lease", source))?;
    if write.write_all(&hello).await.is_err() {
        return Ok(None);
    }
    // An error here is a connection that was reset: the keeper was just stopping.
    while let Ok(Some(message)) = wire::next(&mut read).await {
        match message {
            ToHarness::Starting(service) => progress(RunEvent::StandInStarting(service)),
            ToHarness::Ready(report) => progress(RunEvent::StandInReady(report)),
            ToHarness::Note(note) => progress(RunEvent::Note(note)),
            ToHarness::Granted(granted) => {
                let link = Link::new(read, write).map_err(|source| failed("hold the lease", source))?;
                return Ok(Some((link, granted)));
            }
            ToHarness::Refused(Failure { why, hint }) => return Err(Error::Refused { why, hint }),
            ToHarness::Ending(_) | ToHarness::ServerDied(_) | ToHarness::Answer { .. } => {}
        }
    }
    Ok(None)
}
