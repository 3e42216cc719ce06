//! Whether what was measured is what a gate asks for.

use bulkhead_model::{
    Verdict,
    bench::{
        Load, Measure,
        gate::{Metric, Threshold},
    },
    report::InvariantReport,
};

use crate::words::span;

/// Judges what was measured by one threshold. Where nothing succeeded that it is about, it cannot be told.
pub fn judge(threshold: &Threshold, loads: &[Load]) -> InvariantReport {
    let load = loads.iter().find(|load| load.workload == threshold.workload);
    let acts = load.into_iter().flat_map(|load| &load.acts);
    let about = acts.filter(|measure| threshold.act.as_ref().is_none_or(|act| *act == measure.act));
    let measured: Vec<_> = about.filter(|measure| measure.ok > 0).collect();
    let report = |verdict, evidence| InvariantReport { name: threshold.to_string(), verdict, evidence };
    match threshold.metric {
        _ if measured.is_empty() => {
            let kinds = load.map_or_else(String::new, |load| {
                let kinds: Vec<_> = load.acts.iter().map(|measure| measure.act.as_str()).collect();
                format!("; there were {}", kinds.join(", "))
            });
            report(Verdict::Unknown, format!("no such operation succeeded{kinds}"))
        }
        Metric::Latency(place) => {
            // The slowest kind of operation decides.
            let slowest = measured.iter().max_by_key(|measure| latency(measure, place));
            let took = slowest.map_or(0, |measure| latency(measure, place));
            let which = slowest.map_or("", |measure| measure.act.as_str());
            report(verdict(took < threshold.bound), format!("`{which}` took {}", span(took)))
        }
        Metric::Rate => {
            let per_second: f64 = measured.iter().map(|measure| measure.per_second).sum();
            let bound = f64::from(u32::try_from(threshold.bound / 60).unwrap_or(u32::MAX));
            report(verdict(per_second > bound), format!("{per_second:.1} succeeded in a second"))
        }
    }
}

fn verdict(holds: bool) -> Verdict {
    if holds { Verdict::Pass } else { Verdict::Fail }
}

/// In the order in which a gate counts them.
fn latency(measure: &Measure, place: usize) -> u64 {
    let of = measure.latency;
    [of.p50, of.p90, of.p99, of.p999, of.p9999, of.max].get(place).copied().unwrap_or(of.max)
}

#[cfg(test)]
mod tests {
    use bulkhead_model::bench::{Latency, Wrongs, gate};

    use super::*;

    fn loads() -> Vec<Load> {
        let act = |act: &str, ok, p99, per_second| Measure {
            act: act.to_owned(),
            ok,
            failed: 0,
            unknown: 0,
            wrong: Wrongs::default(),
            per_second,
            latency: Latency { p99, max: 2 * p99, ..Latency::default() },
            stretches: Vec::new(),
            seconds: Vec::new(),
        };
        let acts =
            vec![act("look", 80, 4_000_000, 40.0), act("touch", 20, 9_000_000, 10.0), act("keep", 0, 0, 0.0)];
        vec![Load {
            workload: String::from("redis.sessions"),
            rate: None,
            planned: None,
            skipped: 0,
            late: 0,
            recovery: None,
            acts,
        }]
    }

    #[test]
    fn each_threshold_is_judged_by_the_slowest_that_it_is_about() {
        for (line, wanted, told) in [
            ("redis.sessions: p99 < 10ms", Verdict::Pass, "`touch` took 9.0 ms"),
            ("redis.sessions: p99 < 9ms", Verdict::Fail, "`touch` took 9.0 ms"),
            ("redis.sessions look: p99 < 9ms", Verdict::Pass, "`look` took 4.0 ms"),
            ("redis.sessions look: max < 8ms", Verdict::Fail, "`look` took 8.0 ms"),
            ("redis.sessions: ok/s > 49", Verdict::Pass, "50.0 succeeded in a second"),
            ("redis.sessions: ok/s > 50", Verdict::Fail, "50.0 succeeded"),
            ("redis.sessions keep: p99 < 1s", Verdict::Unknown, "there were look, touch, keep"),
            ("rabbitmq.tasks: p99 < 1s", Verdict::Unknown, "no such operation succeeded"),
        ] {
            let gate = gate::parse(line, "gate", &["redis.sessions", "rabbitmq.tasks"]).unwrap();
            let judged = judge(&gate[0], &loads());
            assert_eq!((judged.verdict, judged.name.as_str()), (wanted, line), "{judged:?}");
            assert!(judged.evidence.contains(told), "{judged:?}");
        }
    }
}
