//! What the benches by Criterion have in common: servers and a slice of their own, groups that say what they measure and
//! count what they do, and an end at the first error.
//!
//! Each bench has the keeper's servers to itself, so that nobody else's work is in its figures, and one tenant's slice on
//! the service that it measures. Connections are those that workloads make. An operation that fails, or takes over a
//! minute, ends the bench with exit code 1 before Criterion keeps anything of it. With `--quick` each figure is one short
//! look, good for whether it works and for the order of its size.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the figures are the result")]

use std::{
    env,
    fmt::Display,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use tokio::{runtime::Runtime, time::timeout};

mod chosen;
mod place;

use bulkhead_model::Service;
use chosen::Chosen;
pub(crate) use place::Place;

/// What Criterion takes of each figure: a warm-up, then so many samples in that time.
const WARM_UP: Duration = Duration::from_secs(1);
const SAMPLES: usize = 30;
const MEASUREMENT: Duration = Duration::from_secs(3);

/// The same with `--quick`, where Criterion doubles one sample until it is steady or this has passed.
const QUICK_MEASUREMENT: Duration = Duration::from_millis(150);

/// What a group may do at most. A server that is many times faster than those known is stopped here, and said so.
const OPERATIONS: u64 = 20_000_000;

/// The longest that one sample may take.
const SAMPLE: Duration = Duration::from_secs(60);

/// A bench of one service.
pub(crate) struct Bench {
    criterion: Criterion,
    runtime: Runtime,
    service: Service,
    quick: bool,
    chosen: Chosen,
    place: Option<Place>,
}

/// Runs a bench whose groups are these, and ends its servers.
pub(crate) fn run(service: Service, groups: &[fn(&mut Bench)]) -> ExitCode {
    let runtime = match Runtime::new().context("cannot start the runtime") {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    if cfg!(debug_assertions) {
        println!("an unoptimised build: these figures say little");
    }
    let quick = env::args().any(|argument| argument == "--quick");
    let chosen = Chosen::by(env::args().skip(1));
    let criterion = Criterion::default().without_plots().configure_from_args();
    let mut bench = Bench { criterion, runtime, service, quick, chosen, place: None };
    for group in groups {
        group(&mut bench);
    }
    bench.criterion.final_summary();
    match bench.close() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

impl Bench {
    /// A group of figures. `says` is what it measures, which is printed before the first of them.
    pub(crate) fn group(&mut self, name: &'static str, says: &'static str) -> Group<'_> {
        let Self { criterion, runtime, service, quick, chosen, place } = self;
        let mut group = criterion.benchmark_group(name);
        group.warm_up_time(WARM_UP).sample_size(SAMPLES);
        group.measurement_time(if *quick { QUICK_MEASUREMENT } else { MEASUREMENT });
        let host = Host { runtime, service: *service, place };
        Group { name, says, chosen, group, host, begun: None, operations: 0 }
    }

    fn close(self) -> Result<()> {
        let Self { runtime, place, .. } = self;
        runtime.block_on(async {
            match place {
                Some(place) => place.close().await,
                None => Ok(()),
            }
        })
    }
}

/// Where figures are taken: made when the first is, so that whoever only asks for a list starts no server.
struct Host<'a> {
    runtime: &'a Runtime,
    service: Service,
    place: &'a mut Option<Place>,
}

impl Host<'_> {
    async fn place(&mut self) -> Result<&Place> {
        if self.place.is_none() {
            *self.place = Some(Place::open(self.service).await?);
        }
        self.place.as_ref().context("there are no servers")
    }

    /// Ends the bench: what follows would be measured on who knows what.
    fn give_up(&mut self, what: &str, error: &anyhow::Error) -> ! {
        eprintln!("error: {what}: {error:#}");
        if let Some(place) = self.place.take()
            && let Err(error) = self.runtime.block_on(place.close())
        {
            eprintln!("error: {error:#}");
        }
        std::process::exit(1)
    }
}

/// Figures that belong together: one thing varies, all else is at the bench's default.
pub(crate) struct Group<'a> {
    name: &'static str,
    says: &'static str,
    chosen: &'a Chosen,
    group: BenchmarkGroup<'a, WallTime>,
    host: Host<'a>,
    begun: Option<Instant>,
    operations: u64,
}

impl Group<'_> {
    /// One figure. `ready` makes what it needs when it is first needed. `play` does the measured thing so many times and says
    /// how long that took, without what it had to make or to remove for it; `each` is what one time moves.
    pub(crate) fn figure<S>(
        &mut self,
        name: impl Display,
        each: Throughput,
        ready: impl AsyncFn(&Place) -> Result<S>,
        play: impl AsyncFn(&mut S, u64) -> Result<Duration>,
    ) {
        let Self { name: group_name, says, chosen, group, host, begun, operations } = self;
        let what = format!("{group_name}/{name}");
        let operations_each = match each {
            Throughput::Elements(elements) => elements,
            _ => 1,
        };
        let mut state = None;
        let mut sample = |times| {
            if begun.is_none() {
                println!("\n{group_name}: {says}");
                *begun = Some(Instant::now());
            }
            *operations += times * operations_each;
            let (runtime, done) = (host.runtime, *operations);
            let played = runtime.block_on(async {
                ensure!(done <= OPERATIONS, "over {OPERATIONS} operations: give the group fewer samples");
                let state = match &mut state {
                    Some(state) => state,
                    None => state.insert(ready(host.place().await?).await?),
                };
                let played = timeout(SAMPLE, play(state, times)).await;
                played.with_context(|| format!("{times} times took over {SAMPLE:?}"))?
            });
            played.unwrap_or_else(|error| host.give_up(&what, &error))
        };
        // Before Criterion's clock starts: its first sample would count what is made for it, and a quick look has no other.
        if chosen.has(&what) {
            sample(1);
        }
        group.throughput(each).bench_function(name.to_string(), |bencher| bencher.iter_custom(&mut sample));
        // What it holds may have to tell the server that it goes.
        let _inside = host.runtime.enter();
        drop(state);
    }

    /// Says what the group has done.
    pub(crate) fn finish(self) {
        let Self { name, group, begun, operations, .. } = self;
        group.finish();
        if let Some(begun) = begun {
            println!("{name}: {operations} operations in {:.0} s", begun.elapsed().as_secs_f64());
        }
    }
}

/// So many bytes as people write them.
pub(crate) fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes}B"),
        1024..1_048_576 => format!("{}KiB", bytes / 1024),
        _ => format!("{}MiB", bytes / 1_048_576),
    }
}
