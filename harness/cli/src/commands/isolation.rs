//! `bulkhead isolation`: every probe by every tenant on every other's slices, and the matrix of what came of it.

use std::io::{self, Write};

use anyhow::Result;
use bulkhead_model::{
    Problems, Service, Topology,
    scenario::{self, Expected, Scenario},
};
use bulkhead_report::json;
use clap::Args;

use crate::{
    args::{Format, Output, Place, Real, Volume},
    course::Course,
    look,
    plan::{self, Plan, Planned},
    project::Project,
    real::Asked,
};

const EXAMPLES: &str = "\
Examples:
  bulkhead isolation                    tenant by tenant, service by service, class by class
  bulkhead isolation redis s3           those two services alone
  bulkhead isolation --format json | jq '.isolation[] | select(.outcome == \"allowed\")'
                                        the rows, one for each probe, for a program";

/// `bulkhead isolation`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Isolation {
    /// Services to probe: `postgres`, `redis`, `rabbitmq`, `s3` [default: all]
    #[arg(value_name = "SERVICE")]
    services: Vec<Service>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    real: Real,
    /// The number that every made-up value derives from
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    output: Output,
}

impl Isolation {
    /// Starts stand-ins, makes every probe for every ordered pair of tenants, prints the matrix.
    pub(crate) async fn run(self, volume: Volume) -> Result<u8> {
        let project = &Project::here()?;
        let topology = Topology::load(self.place.topology.as_deref());
        let (topology, asked) = Problems::both(topology, Asked::of(&self.place, &self.real))?;
        let chosen = |service: &Service| self.services.is_empty() || self.services.contains(service);
        let scenarios: Vec<_> = Service::ALL.into_iter().filter(chosen).map(whole).collect();
        let repro =
            format!("{}{} --seed {}", self.typed(), plan::options(&self.place, &self.real), self.seed);
        let cases = scenario::expand(&scenarios, &topology)?.into_iter();
        let planned = cases.map(|case| Planned { case, repro: repro.clone() }).collect();
        let plan = Plan { cases: planned, topology, seed: self.seed, repro };
        let opening = asked.settle().await?;
        let output = &self.output;
        let terminal = &look::terminal(output.format, volume);
        let course = Course::new((&plan, &opening), (project, &self.place), (output, terminal), volume);
        let finished = course.run().await?;
        Ok(finished.conclude(output, |code| {
            let report = &finished.driven.report;
            let path = finished.folder.report().display().to_string();
            let shown = terminal.finish(report, Some(&path), code);
            if output.format == Format::Human {
                return shown;
            }
            let mut out = io::stdout().lock();
            shown.and(json::write(report, &mut out).and_then(|()| out.flush()))
        }))
    }

    /// The command as it was typed, without its options.
    fn typed(&self) -> String {
        let services = self.services.iter().map(|service| format!(" {service}"));
        format!("bulkhead isolation{}", services.collect::<String>())
    }
}

/// All probes of a service as one scenario: a case for each ordered pair, in which they share connections.
fn whole(service: Service) -> Scenario {
    Scenario {
        name: format!("isolation/{service}"),
        title: format!("Nothing gets through on {service}"),
        why: String::from(
            "Apps that share a service must not see, change, delete or use up what is another's.",
        ),
        probes: vec![service.to_string()],
        expect: vec![Expected::plain("isolated"), Expected::plain("nothing-foreign")],
        ..Scenario::default()
    }
}
