//! A gate: what a bench must come to, a line a threshold.
//!
//! ```text
//! # The login page reads a session for each request.
//! redis.sessions: p99 < 5ms at 2000/s
//! redis.sessions touch: p99.9 < 20ms at 2000/s
//! rabbitmq.tasks hand: ok/s > 400
//! ```

use std::fmt;

use crate::{Amount, Problem, Problems, Unit};

/// One line of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Of which workload.
    pub workload: String,
    /// Of which kind of its operations; of each where it is not said.
    pub act: Option<String>,
    /// What is compared.
    pub metric: Metric,
    /// With what: nanoseconds, or operations a minute.
    pub bound: u64,
    /// At which rate, in operations a minute; the workload's own where it is not said.
    pub at: Option<u64>,
    /// The threshold as it was written, without what it is about.
    pub text: String,
}

/// What a threshold is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// A percentile of the latency, which must be below the bound: its number in the order p50, p90, p99, p99.9, p99.99, max.
    Latency(usize),
    /// How many succeed in a second, which must be above it.
    Rate,
}

/// How latencies are spelt, in the order of [`Metric::Latency`].
const PERCENTILES: [&str; 6] = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];

/// How a rate is spelt.
const RATE: &str = "ok/s";

/// What a line looks like.
const LIKE: &str = "write `redis.sessions: p99 < 5ms at 2000/s`, `redis.sessions touch: max < 1s` or `rabbitmq.tasks: ok/s > 400`";

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.workload)?;
        if let Some(act) = &self.act {
            write!(f, " {act}")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Reads a gate. `workloads` are the names that there are, `file` is what a problem's place begins with.
///
/// # Errors
/// Every line that cannot be read, and a gate without one.
pub fn parse(text: &str, file: &str, workloads: &[&str]) -> Result<Vec<Threshold>, Problems> {
    let (mut thresholds, mut problems) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let stated = line.split('#').next().unwrap_or_default();
        if stated.trim().is_empty() {
            continue;
        }
        match threshold(stated, workloads) {
            Ok(threshold) => thresholds.push(threshold),
            Err((at, what)) => {
                // A place counts characters.
                let column = stated.get(..at).unwrap_or(stated).chars().count() + 1;
                problems.push(Problem::new(format!("{file}:{number}:{column}"), what).hint(LIKE));
            }
        }
    }
    if thresholds.is_empty() && problems.is_empty() {
        problems.push(Problem::new(file, "the gate has no threshold").hint(LIKE));
    }
    Problems::unless(problems, thresholds)
}

/// A line, or at which of its bytes it is wrong and how.
fn threshold(line: &str, workloads: &[&str]) -> Result<Threshold, (usize, String)> {
    // A word that is not there is missing at the beginning.
    let start =
        |part: &str| (part.as_ptr() as usize).saturating_sub(line.as_ptr() as usize) % (line.len() + 1);
    let (about, said) = line.split_once(':').ok_or_else(|| (line.len(), String::from("a `:` is missing")))?;
    let mut about = about.split_whitespace();
    let workload = about.next().unwrap_or_default();
    if !workloads.contains(&workload) {
        let nearest = workloads.iter().copied().max_by(|one, other| {
            strsim::jaro_winkler(workload, one).total_cmp(&strsim::jaro_winkler(workload, other))
        });
        let nearest = nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"));
        return Err((start(workload), format!("no workload is called `{workload}`{nearest}")));
    }
    let act = about.next().map(str::to_owned);
    if let Some(rest) = about.next() {
        return Err((start(rest), format!("`{rest}` is one word too many")));
    }
    let words: Vec<_> = said.split_whitespace().collect();
    let (metric, bound, at) = match words.as_slice() {
        [metric, than, bound] => (named(metric, than), *bound, None),
        [metric, than, bound, "at", rate] => (named(metric, than), *bound, Some(*rate)),
        _ => return Err((start(said), String::from("this is no threshold"))),
    };
    let metric = metric.map_err(|what| (start(words.first().copied().unwrap_or(said)), what))?;
    let unit = if metric == Metric::Rate { Unit::Count } else { Unit::Time };
    let amount = |text: &str, unit| {
        Amount::parse(text, unit).map_err(|what| (start(text), format!("`{text}`: {what}")))
    };
    let value = amount(bound, unit)?.value;
    Ok(Threshold {
        workload: workload.to_owned(),
        act,
        metric,
        bound: match metric {
            Metric::Latency(_) => value.saturating_mul(1_000_000),
            Metric::Rate => value.saturating_mul(60),
        },
        at: at.map(|rate| amount(rate, Unit::Rate)).transpose()?.map(|rate| rate.value),
        text: words.join(" "),
    })
}

fn named(metric: &str, than: &str) -> Result<Metric, String> {
    let place = PERCENTILES.iter().position(|name| *name == metric);
    match (place, metric, than) {
        (Some(place), _, "<") => Ok(Metric::Latency(place)),
        (None, RATE, ">") => Ok(Metric::Rate),
        (Some(_), ..) => Err(format!("a latency must be below its bound: `{metric} <`")),
        (None, RATE, _) => Err(String::from("a rate must be above its bound: `ok/s >`")),
        _ => Err(format!("`{metric}` is not measured; there are {} and {RATE}", PERCENTILES.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WORKLOADS: [&str; 2] = ["redis.sessions", "rabbitmq.tasks"];

    #[test]
    fn a_gate_is_read() {
        let text = "# why\n\nredis.sessions: p99 < 5ms at 2000/s\nredis.sessions touch:max < 1s # so\n rabbitmq.tasks hand: ok/s > 400\n";
        let gate = parse(text, "gate", &WORKLOADS).unwrap();
        let told: Vec<_> =
            gate.iter().map(|line| (line.metric, line.bound, line.at, line.to_string())).collect();
        assert_eq!(
            told,
            [
                (
                    Metric::Latency(2),
                    5_000_000,
                    Some(120_000),
                    String::from("redis.sessions: p99 < 5ms at 2000/s")
                ),
                (Metric::Latency(5), 1_000_000_000, None, String::from("redis.sessions touch: max < 1s")),
                (Metric::Rate, 24_000, None, String::from("rabbitmq.tasks hand: ok/s > 400")),
            ]
        );
    }

    #[test]
    fn every_line_that_is_wrong_is_told_with_its_place() {
        let text = "redis.session: p99 < 5ms\nredis.sessions: p98 < 5ms\nredis.sessions: p99 > 5ms\nredis.sessions: p99 < 5\n\
                    redis.sessions: p99 < 5ms at noon\nredis.sessions p99 < 5ms\nredis.sessions a b: p99 < 5ms\nrabbitmq.tasks: ok/s < 4";
        let problems = parse(text, "gate", &WORKLOADS).unwrap_err();
        let places: Vec<_> = problems.iter().map(|problem| problem.place.clone()).collect();
        assert_eq!(
            places,
            [
                "gate:1:1",
                "gate:2:17",
                "gate:3:17",
                "gate:4:23",
                "gate:5:30",
                "gate:6:25",
                "gate:7:18",
                "gate:8:17"
            ]
        );
        assert!(problems.to_string().contains("did you mean `redis.sessions`?"), "{problems}");
        assert!(parse("# nothing\n", "gate", &WORKLOADS).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z:<># .0-9/µ\n]{0,80}", tail in ".{0,40}") {
            let _ = parse(&format!("{text}{tail}"), "gate", &WORKLOADS);
            let _ = parse(&format!("redis.sessions: {text}{tail}"), "gate", &WORKLOADS);
        }
    }
}
