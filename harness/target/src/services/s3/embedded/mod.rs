//! The S3 server inside this binary: a process of its own, so that it can be killed and paused like the other servers.
//!
//! `server` speaks TLS and HTTP, `s3s` the protocol and its signatures; `auth` and `grants` decide who may do what,
//! `api` answers, `store` keeps, `faults` are what befalls a request though the server is well. `admin` obeys the keeper. Start reading at [`main`].

use std::{error::Error, io::Write as _, process::ExitCode, sync::Arc};

use s3s::service::S3ServiceBuilder;

mod admin;
mod api;
mod auth;
mod chunks;
mod faults;
mod grants;
mod keys;
mod server;
mod store;

pub use grants::{Capability, KeyGrant};
pub(super) use server::tls;

use super::control::{Answered, Asked, Hello, Start};
use admin::Admin;
use faults::Faults;
use keys::Keys;
use store::Store;

/// Why the server could not run.
type Failure = Box<dyn Error + Send + Sync>;

/// Runs the server until its standard input ends. Standard error is its log.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log(&format!("{failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to the log.
fn log(text: &str) {
    // There is nowhere to say that saying failed.
    let _unsaid = writeln!(std::io::stderr().lock(), "s3: {text}");
}

fn run() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve());
    // What is in flight has no one left to answer to.
    runtime.shutdown_background();
    served
}

async fn serve() -> Result<(), Failure> {
    let (sender, mut heard) = tokio::sync::mpsc::channel(1);
    // A thread of its own: a blocked read of standard input cannot be called off, and must not hold up the end.
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lines().map_while(Result::ok);
        lines.try_for_each(|line| sender.blocking_send(line).map_err(drop))
    });
    let first = heard.recv().await.ok_or("the keeper said nothing")?;
    let start: Start = serde_json::from_str(&first)?;
    let store = Store::open(&start.data)
        .map_err(|error| format!("could not open `{}`: {error}", start.data.display()))?;
    let (store, keys) = (Arc::new(store), Arc::new(Keys::open(&start.data)?));
    let options = Arc::new(start.options);

    let gate = auth::Gate::new(Arc::clone(&keys), Arc::clone(&options));
    let mut builder = S3ServiceBuilder::new(api::Api::new(Arc::clone(&store), options));
    builder.set_auth(gate.clone());
    builder.set_access(gate);
    let tls = server::tls(&start.cert, &start.key)?;
    let listener = server::bind(start.port).await?;
    let port = listener.local_addr()?.port();
    let faults = Arc::new(Faults::new(Arc::clone(&keys)));
    let front = server::Front { service: builder.build(), faults: Arc::clone(&faults) };
    let serving = tokio::spawn(server::serve(listener, tls, front));
    say(&Hello { port })?;

    let admin = Admin::new(store, keys, faults);
    while let Some(line) = heard.recv().await {
        let Asked { number, command } = serde_json::from_str(&line)?;
        say(&Answered { number, reply: admin.obey(command) })?;
    }
    serving.abort();
    Ok(())
}

/// Writes a line to standard output, which the keeper reads.
fn say(message: &impl serde::Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut output = std::io::stdout().lock();
    output.write_all(&line)?;
    Ok(output.flush()?)
}
