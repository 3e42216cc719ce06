//! What `bulkhead bench` measured, for people and for programs.
//!
//! Everything that a server said goes through [`redact`] first.

use std::io::{self, Write};

use bulkhead_model::{
    Amount, Unit, Verdict,
    bench::{BenchCase, BenchReport, Knee, Load, Measure, Recovery, Second, Stretch},
};

use crate::{proof::table, redact, text};

pub(crate) mod usage;
pub(crate) mod wrong;

/// Columns before what belongs to a case.
const INDENT: usize = 6;

/// Seconds that a sparkline shows at most; of more, neighbours share a place.
const PLACES: usize = 60;

/// What it is drawn with.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The heads of the table of operations.
const HEADS: [&str; 13] = [
    "operation",
    "ok/s",
    "ok",
    "failed",
    "unknown",
    "wrong",
    "p50",
    "p90",
    "p99",
    "p99.9",
    "p99.99",
    "max",
    "p99 by the second",
];

/// The heads of the table of stretches.
const STRETCHES: [&str; 8] = ["operation", "faults", "time", "ok/s", "errors", "p50", "p99", "max"];

/// Writes a block for each case: its operations, what the faults did to them, what the processes used, what went wrong when and
/// what the invariants say; then the count and where the document lies, where it was saved.
///
/// # Errors
/// When the sink refuses.
pub fn write(
    report: &BenchReport,
    saved: Option<&str>,
    width: usize,
    sink: &mut dyn Write,
) -> io::Result<()> {
    for case in &report.cases {
        block(case, width, sink)?;
    }
    for knee in &report.knees {
        writeln!(sink, "{} ({}): {}", knee.workload, knee.tenant, bent(knee))?;
    }
    if !report.knees.is_empty() {
        writeln!(sink)?;
    }
    let cases = text::count(report.cases.len(), "case");
    let passed = report.cases.iter().filter(|case| case.verdict == Verdict::Pass).count();
    let time = text::duration(report.duration_ms);
    write!(sink, "{cases}, {passed} without anything lost or wrong · seed {} · {time}", report.seed)?;
    writeln!(sink, "{}", saved.map(|saved| format!(" · {saved}")).unwrap_or_default())
}

/// Writes the document.
///
/// # Errors
/// When the sink refuses.
pub fn json(report: &BenchReport, sink: &mut dyn Write) -> io::Result<()> {
    let mut report = report.clone();
    for invariant in report.cases.iter_mut().flat_map(|case| &mut case.invariants) {
        invariant.evidence = redact::text(&invariant.evidence);
    }
    for usage in report.cases.iter_mut().flat_map(|case| &mut case.usage) {
        usage.not_measured = redact::text(&usage.not_measured);
    }
    serde_json::to_writer_pretty(&mut *sink, &report)?;
    sink.write_all(b"\n")
}

fn block(case: &BenchCase, width: usize, sink: &mut dyn Write) -> io::Result<()> {
    let seconds = case.measured_ns / 1_000_000;
    writeln!(sink, "{}  measured for {}", case.id, text::duration(seconds))?;
    let rows: Vec<_> =
        case.loads.iter().flat_map(|load| load.acts.iter().map(|act| row(load, act))).collect();
    table(&rows, HEADS, sink)?;
    for load in &case.loads {
        writeln!(sink, "{}: {}", load.workload, kept(load))?;
        if let Some(recovery) = &load.recovery {
            writeln!(sink, "{}: {}", load.workload, recovered(recovery))?;
        }
    }
    let stretched = |load: &Load| load.acts.iter().any(|act| !act.stretches.is_empty());
    if case.loads.iter().any(stretched) {
        let acts = case.loads.iter().flat_map(|load| &load.acts);
        let rows: Vec<_> =
            acts.flat_map(|act| act.stretches.iter().map(|stretch| of_stretch(act, stretch))).collect();
        table(&rows, STRETCHES, sink)?;
    }
    usage::write(case, sink)?;
    wrong::write(case, sink)?;
    for invariant in &case.invariants {
        let said = format!("{} {}: {}", invariant.verdict, invariant.name, invariant.evidence);
        let mut lines = text::wrap(&redact::text(&said), width.saturating_sub(INDENT)).into_iter();
        if let Some(first) = lines.next() {
            writeln!(sink, "{first}")?;
        }
        for line in lines {
            writeln!(sink, "{}{line}", " ".repeat(INDENT))?;
        }
    }
    writeln!(sink)
}

/// Where the knee is, in words.
pub(crate) fn bent(knee: &Knee) -> String {
    let rate = |value: u64| Amount { unit: Unit::Rate, value };
    let up_to = knee.holds.map(|holds| format!("keeps up with {}", rate(holds)));
    match (up_to, knee.breaks) {
        (Some(up_to), None) => format!("{up_to}, the highest rate that was tried"),
        (Some(up_to), Some(breaks)) => format!("{up_to} and not with {}: {}", rate(breaks), knee.why),
        (None, _) => format!("does not keep up with the lowest rate that was tried: {}", knee.why),
    }
}

/// Whether the rate was kept up, in words.
pub(crate) fn kept(load: &Load) -> String {
    match load.planned {
        None => String::from(
            "closed loop: each client waits for its answer, so what stalls shows less than it hurts",
        ),
        Some(planned) => {
            let Load { late, skipped, .. } = load;
            format!("{planned} due, {late} of them begun late, {skipped} never")
        }
    }
}

/// How long it took to work again, in words.
pub(crate) fn recovered(recovery: &Recovery) -> String {
    match (recovery.first_ns, recovery.steady_ns) {
        (Some(first), Some(steady)) => {
            format!(
                "once no fault was on, it worked after {} and failed no more after {}",
                span(first),
                span(steady)
            )
        }
        (Some(first), None) => {
            format!("once no fault was on, it worked after {} and never ceased to fail", span(first))
        }
        (None, _) => String::from("once no fault was on, it never worked again"),
    }
}

fn row(load: &Load, act: &Measure) -> [String; 13] {
    let [p50, p90, p99, p999, p9999, max] = {
        let of = act.latency;
        [of.p50, of.p90, of.p99, of.p999, of.p9999, of.max].map(span)
    };
    [
        format!("{} {}", load.workload, act.act),
        rate(act.per_second),
        act.ok.to_string(),
        act.failed.to_string(),
        act.unknown.to_string(),
        act.wrong.total().to_string(),
        p50,
        p90,
        p99,
        p999,
        p9999,
        max,
        sparkline(&act.seconds),
    ]
}

fn of_stretch(act: &Measure, stretch: &Stretch) -> [String; 8] {
    let Stretch { when, took_ns, per_second, errors, latency } = stretch;
    [
        act.act.clone(),
        when.name().to_owned(),
        span(*took_ns),
        rate(*per_second),
        errors.to_string(),
        span(latency.p50),
        span(latency.p99),
        span(latency.max),
    ]
}

/// `18.2`, `4031`.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second < 100.0 { format!("{per_second:.1}") } else { format!("{per_second:.0}") }
}

/// Three digits and a unit: `84 µs`, `1.24 ms`, `2.05 s`; a dash for nothing.
pub(crate) fn span(nanoseconds: u64) -> String {
    let three = |whole: u64, thousandths: u64, unit: &str| match whole {
        0..10 => format!("{whole}.{:02} {unit}", thousandths / 10),
        10..100 => format!("{whole}.{} {unit}", thousandths / 100),
        _ => format!("{whole} {unit}"),
    };
    match nanoseconds {
        0 => String::from("-"),
        1..1_000_000 => three(nanoseconds / 1_000, nanoseconds % 1_000, "µs"),
        1_000_000..1_000_000_000 => three(nanoseconds / 1_000_000, nanoseconds / 1_000 % 1_000, "ms"),
        _ => three(nanoseconds / 1_000_000_000, nanoseconds / 1_000_000 % 1_000, "s"),
    }
}

/// The slowest of a hundred in each second, between the fastest and the slowest second; a dot where nothing succeeded.
fn sparkline(seconds: &[Second]) -> String {
    let together = seconds.len().div_ceil(PLACES).max(1);
    let worst =
        |several: &[Second]| several.iter().filter(|second| second.ok > 0).map(|second| second.p99).max();
    let places: Vec<_> = seconds.chunks(together).map(worst).collect();
    let known = || places.iter().flatten().copied();
    let (least, most) = (known().min().unwrap_or_default(), known().max().unwrap_or_default());
    let bar = |p99: u64| {
        let place = (p99 - least).saturating_mul(7).checked_div(most - least).unwrap_or_default();
        BARS[usize::try_from(place).unwrap_or_default().min(7)]
    };
    places.iter().map(|p99| p99.map_or('·', bar)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use bulkhead_model::{
        TenantName,
        bench::{Counted, Figures, Latency, Part, Usage, When, Wrongs},
        report::InvariantReport,
    };

    use super::*;

    fn knee() -> Knee {
        Knee {
            tenant: TenantName::new("engine").unwrap(),
            workload: String::from("redis.sessions"),
            holds: Some(360),
            breaks: Some(600),
            why: String::from("of 40 due at 10/s 7 were begun late"),
        }
    }

    fn touch() -> Measure {
        let latency = Latency {
            p50: 84_000,
            p90: 950_000,
            p99: 1_240_000,
            p999: 20_500_000,
            p9999: 20_500_000,
            max: 2_050_000_000,
        };
        let second = |ok, p99| Second { ok, p99, ..Second::default() };
        let wrong = Wrongs { lost: 2, foreign: 1, ..Wrongs::default() };
        Measure {
            act: String::from("touch"),
            ok: 18,
            failed: 1,
            unknown: 2,
            wrong,
            per_second: 4.5,
            latency,
            stretches: vec![Stretch {
                when: When::During,
                took_ns: 1_500_000_000,
                per_second: 0.0,
                errors: 3,
                latency: Latency::default(),
            }],
            seconds: vec![
                second(9, 1_000),
                Second { errors: 3, wrong, ..second(0, 0) },
                second(4, 8_000),
                second(5, 4_000),
            ],
        }
    }

    pub(crate) fn report() -> BenchReport {
        let load = Load {
            workload: String::from("redis.sessions"),
            rate: Some(360),
            planned: Some(24),
            skipped: 3,
            late: 2,
            recovery: Some(Recovery { first_ns: Some(1_240_000_000), steady_ns: None }),
            acts: vec![touch()],
        };
        let invariant = InvariantReport {
            name: String::from("within-ttl"),
            verdict: Verdict::Fail,
            evidence: String::from("seen on rediss://engine:hunter2@host:1/0"),
        };
        let figures = Figures {
            cpu_ns: 1_230_000_000,
            cores: 0.3075,
            per_ok_ns: Some(68_300_000),
            memory_mean: 50_700_000,
            memory_peak: 60_000_000,
            counted: Counted::Rss,
        };
        let case = BenchCase {
            id: String::from("bench/redis.sessions (engine)"),
            tenant: TenantName::new("engine").unwrap(),
            verdict: Verdict::Fail,
            invariants: vec![invariant],
            measured_ns: 4_000_000_000,
            loads: vec![load],
            beside: Wrongs { duplicated: 4, ..Wrongs::default() },
            usage: vec![
                Usage { part: Part::Client, figures: Some(figures), not_measured: String::new() },
                Usage {
                    part: Part::Redis,
                    figures: None,
                    not_measured: String::from("it is at amqp://e:hunter2@h"),
                },
            ],
            history: String::from("out/case.jsonl"),
        };
        BenchReport {
            version: 1,
            run: String::from("run"),
            target: String::from("native"),
            target_reason: None,
            seed: 7,
            verdict: Verdict::Fail,
            duration_ms: 5_300,
            servers: Vec::new(),
            cases: vec![case],
            knees: vec![knee()],
        }
    }

    #[test]
    fn every_operation_has_its_row_and_the_oracle_its_line() {
        let mut text = Vec::new();
        write(&report(), Some("out/bench.json"), 100, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for part in [
            "bench/redis.sessions (engine)  measured for 4.0 s\n",
            "redis.sessions touch   4.5    18   1        2         3       84.0 µs   950 µs   1.24 ms   20.5 ms   20.5 ms   2.05 s   ▁·█▄\n",
            "redis.sessions: 24 due, 2 of them begun late, 3 never\n",
            "redis.sessions: once no fault was on, it worked after 1.24 s and never ceased to fail\n",
            "touch       during   1.50 s   0.0    3        -     -     -\n",
            "client    1.23 s      30.8 %        68.3 ms            48.3 MiB RSS   57.2 MiB\n",
            "redis: processor time and memory not measured: it is",
            "redis.sessions touch: 2 lost, by the second ·█··\n",
            "redis.sessions touch: 1 foreign, by the second ·█··\n",
            "at no operation: 4 duplicated\n",
            "fail within-ttl: seen on rediss://",
            "redis.sessions (engine): keeps up with 6/s and not with 10/s: of 40 due at 10/s 7 were begun late\n",
            "1 case, 0 without anything lost or wrong · seed 7 · 5.3 s · out/bench.json\n",
        ] {
            assert!(text.contains(part), "`{part}` is not in\n{text}");
        }
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn the_document_is_read_back_without_a_secret() {
        let mut document = Vec::new();
        json(&report(), &mut document).unwrap();
        assert!(!String::from_utf8_lossy(&document).contains("hunter2"));
        let read: BenchReport = serde_json::from_slice(&document).unwrap();
        assert_eq!(read.cases[0].loads, report().cases[0].loads);
        assert_eq!(read.cases[0].beside, report().cases[0].beside);
        assert_eq!(read.cases[0].usage[0], report().cases[0].usage[0]);
    }

    #[test]
    fn a_document_from_before_these_were_told_is_read_still() {
        let mut document = serde_json::to_value(report()).unwrap();
        let case = document.pointer_mut("/cases/0").and_then(|case| case.as_object_mut()).unwrap();
        assert!(case.remove("beside").is_some() && case.remove("usage").is_some());
        let act = document.pointer_mut("/cases/0/loads/0/acts/0").unwrap();
        assert!(act.as_object_mut().and_then(|act| act.remove("wrong")).is_some());
        let second = act.pointer_mut("/seconds/1").and_then(|second| second.as_object_mut()).unwrap();
        assert_eq!(second.remove("lost"), Some(2.into()), "each second has its own number for each way");
        ["duplicated", "reordered", "foreign"].iter().for_each(|way| drop(second.remove(*way)));
        let read: BenchReport = serde_json::from_value(document).unwrap();
        assert_eq!(
            (read.cases[0].beside, read.cases[0].loads[0].acts[0].seconds[1].errors),
            (Wrongs::default(), 3)
        );
    }

    #[test]
    fn spans_have_three_digits() {
        let told = [0, 999, 84_200, 999_999, 1_240_000, 20_500_000, 999_000_000, 12_345_000_000].map(span);
        assert_eq!(told, ["-", "0.99 µs", "84.2 µs", "999 µs", "1.24 ms", "20.5 ms", "999 ms", "12.3 s"]);
    }
}
