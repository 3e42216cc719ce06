//! What `bulkhead bench compare` found, for people and for programs.
//!
//! Everything that was said on a command line or by a server goes through [`redact`] first.

use std::io::{self, Write};

use bulkhead_model::bench::compare::{Change, Compared, Comparison, Figure, Side};

use crate::{
    bench::{rate, span},
    proof::table,
    redact, text,
};

/// Columns before what belongs to a line above.
const INDENT: usize = 4;

/// The heads of the table.
const HEADS: [&str; 7] = ["figure", "A", "B", "B : A", "between", "noise", "B is"];

/// Writes the sides, a line for each figure, what that comes to, and where the document lies, where it was saved.
///
/// # Errors
/// When the sink refuses.
pub fn write(
    comparison: &Comparison,
    saved: Option<&str>,
    width: usize,
    sink: &mut dyn Write,
) -> io::Result<()> {
    for (name, side) in ["A", "B"].into_iter().zip(&comparison.sides) {
        wrapped(&format!("{name}   {}", words(side)), width, sink)?;
    }
    writeln!(sink)?;
    let rows: Vec<_> = comparison.figures.iter().map(row).collect();
    if !rows.is_empty() {
        table(&rows, HEADS, sink)?;
        writeln!(sink)?;
    }
    wrapped(&sentence(comparison), width, sink)?;
    let Comparison { rounds, most, seed, duration_ms, change, verdict, stopped, .. } = comparison;
    let time = text::duration(*duration_ms);
    let came = if stopped.is_empty() { change.name() } else { verdict.name() };
    write!(sink, "{came} · {rounds} of at most {most} rounds · seed {seed} · {time}")?;
    writeln!(sink, "{}", saved.map(|saved| format!(" · {saved}")).unwrap_or_default())
}

/// Writes the document.
///
/// # Errors
/// When the sink refuses.
pub fn json(comparison: &Comparison, sink: &mut dyn Write) -> io::Result<()> {
    let mut comparison = comparison.clone();
    comparison.stopped = redact::text(&comparison.stopped);
    for word in comparison.sides.iter_mut().flat_map(|side| &mut side.bench) {
        *word = redact::text(word);
    }
    serde_json::to_writer_pretty(&mut *sink, &comparison)?;
    sink.write_all(b"\n")
}

/// The figure with the greatest threshold, and that: `12.5 % (redis.sessions touch p99)`.
pub fn noisiest(figures: &[Compared]) -> Option<String> {
    let noisiest = figures.iter().max_by(|one, other| one.noise.total_cmp(&other.noise))?;
    Some(format!("{} ({})", share(noisiest.noise), name(noisiest)))
}

fn wrapped(said: &str, width: usize, sink: &mut dyn Write) -> io::Result<()> {
    for (number, line) in text::wrap(&redact::text(said), width.saturating_sub(INDENT)).iter().enumerate() {
        let before = if number == 0 { 0 } else { INDENT };
        writeln!(sink, "{}{line}", " ".repeat(before))?;
    }
    Ok(())
}

fn words(side: &Side) -> String {
    let program = side.program.as_deref().unwrap_or("bulkhead");
    let variables: Vec<_> = side.variables.iter().map(|name| format!("{name}=… ")).collect();
    format!("{}{program} bench {}", variables.concat(), side.bench.join(" "))
}

/// What it came to, and why.
fn sentence(comparison: &Comparison) -> String {
    if !comparison.stopped.is_empty() {
        return format!("ended before its time: {}", comparison.stopped);
    }
    let least = share(comparison.least);
    let are = |change| comparison.figures.iter().filter(|figure| figure.change == change).collect::<Vec<_>>();
    let names = |change| {
        let names: Vec<_> = are(change).into_iter().map(name).collect();
        names.join(", ")
    };
    match comparison.change {
        Change::Worse => format!("B is worse by {least} or more: {}", names(Change::Worse)),
        Change::Better => format!("B is better by {least} or more: {}", names(Change::Better)),
        Change::Same => format!("no figure differs by more than the noise and by {least} or more"),
        Change::Unknown if comparison.figures.is_empty() => String::from(
            "no figure has enough operations in every run: measure for longer, or compare others",
        ),
        Change::Unknown => {
            let untold = are(Change::Unknown);
            match untold.iter().find(|figure| !figure.why.is_empty()) {
                Some(figure) => format!("{}: {}", name(figure), figure.why),
                None => format!(
                    "the noise hides a difference of {least} in {} of {}: measure for longer, play more rounds, or compare \
                     fewer figures",
                    untold.len(),
                    text::count(comparison.figures.len(), "figure"),
                ),
            }
        }
    }
}

fn row(compared: &Compared) -> [String; 7] {
    let Compared { a, b, ratio, between: [low, high], noise, change, why, .. } = compared;
    if !why.is_empty() {
        let none = || String::from("-");
        return [name(compared), none(), none(), none(), none(), none(), format!("{change}: {why}")];
    }
    let value = |value: f64| match compared.figure {
        Figure::Rate => rate(value),
        Figure::Share => format!("{:.1} %", value * 100.0),
        _ => span(whole(value)),
    };
    let wide = *noise > MUCH;
    [
        name(compared),
        value(*a),
        value(*b),
        format!("{ratio:.3}"),
        if wide { String::from("anything") } else { format!("{low:.3} to {high:.3}") },
        share(*noise),
        change.to_string(),
    ]
}

/// A noise beyond which its size tells nothing any more.
const MUCH: f64 = 10.0;

/// `4.2 %`.
fn share(of: f64) -> String {
    if of > MUCH { format!("> {:.0} %", MUCH * 100.0) } else { format!("{:.1} %", of * 100.0) }
}

/// `redis.sessions touch p99 (engine)`.
fn name(compared: &Compared) -> String {
    let Compared { tenant, workload, act, figure, .. } = compared;
    let act = act.as_deref().map_or_else(String::new, |act| format!(" {act}"));
    format!("{workload}{act} {figure} ({tenant})")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "latencies are bounded by an hour"
)]
fn whole(nanoseconds: f64) -> u64 {
    nanoseconds.round() as u64
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{
        TenantName, Verdict,
        bench::compare::{Arm, ArmRun},
    };

    use super::*;

    fn comparison() -> Comparison {
        let side = |bench: &str, variables: &[&str]| Side {
            bench: bench.split(' ').map(str::to_owned).collect(),
            variables: variables.iter().map(|name| (*name).to_owned()).collect(),
            program: None,
            servers: Vec::new(),
        };
        let figure = |figure, [a, b]: [f64; 2], noise: f64, change| Compared {
            tenant: TenantName::new("engine").unwrap(),
            workload: String::from("redis.sessions"),
            act: Some(String::from("touch")),
            figure,
            a,
            b,
            ratio: b / a,
            between: [b / a / (1.0 + noise), b / a * (1.0 + noise)],
            noise,
            change,
            why: String::new(),
        };
        let lone = Compared {
            act: Some(String::from("look")),
            why: String::from("A alone tries it"),
            ..figure(Figure::Share, [1.0, 1.0], f64::MAX, Change::Unknown)
        };
        Comparison {
            version: 1,
            run: String::from("run"),
            seed: 7,
            least: 0.05,
            verdict: Verdict::Fail,
            change: Change::Worse,
            stopped: String::new(),
            duration_ms: 125_000,
            sides: vec![
                side("redis.sessions", &[]),
                side("redis.sessions --faults rediss://engine:hunter2@host", &["REDIS_URL"]),
            ],
            rounds: 6,
            most: 18,
            figures: vec![
                figure(Figure::Rate, [4_031.4, 3_660.0], 0.021, Change::Worse),
                figure(Figure::P50, [1_240_000.0, 1_376_400.0], 0.031, Change::Worse),
                figure(Figure::P99, [8_000_000.0, 8_100_000.0], 0.22, Change::Unknown),
                lone,
            ],
            runs: vec![ArmRun {
                round: 1,
                arm: Arm::B,
                verdict: Verdict::Pass,
                folder: String::from("out/b"),
            }],
        }
    }

    fn shown(comparison: &Comparison) -> String {
        let mut text = Vec::new();
        write(comparison, Some("out/compare.json"), 160, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn each_figure_has_its_line_and_the_end_says_what_they_come_to() {
        let text = shown(&comparison());
        for part in [
            "A bulkhead bench redis.sessions\n",
            "B REDIS_URL=… bulkhead bench redis.sessions --faults rediss://",
            "redis.sessions touch ok/s (engine)   4031      3660      0.908   0.889 to 0.927   2.1 %    worse\n",
            "redis.sessions touch p50 (engine)    1.24 ms   1.37 ms   1.110   1.077 to 1.144   3.1 %    worse\n",
            "redis.sessions look ok (engine)      -         -         -       -                -        unknown: A alone tries it\n",
            "B is worse by 5.0 % or more: redis.sessions touch ok/s (engine), redis.sessions touch p50 (engine)\n",
            "worse · 6 of at most 18 rounds · seed 7 · 2 min 5 s · out/compare.json\n",
        ] {
            assert!(text.contains(part), "`{part}` is not in\n{text}");
        }
        assert!(!text.contains("hunter2"));
        assert_eq!(
            noisiest(&comparison().figures[..3]).unwrap(),
            "22.0 % (redis.sessions touch p99 (engine))"
        );
    }

    #[test]
    fn what_cannot_be_told_says_why() {
        let mut comparison = Comparison { change: Change::Unknown, ..comparison() };
        assert!(shown(&comparison).contains("redis.sessions look ok (engine): A alone tries it\n"));
        comparison.figures.truncate(3);
        assert!(
            shown(&comparison).contains("the noise hides a difference of 5.0 % in 1 of 3 figures: measure")
        );
        comparison.figures.clear();
        assert!(shown(&comparison).contains("no figure has enough operations in every run"));
        comparison.stopped = String::from("round 1, B: nothing-lost: 3 are missing");
        assert!(
            shown(&comparison).contains("ended before its time: round 1, B: nothing-lost: 3 are missing\n")
        );
    }

    #[test]
    fn the_document_is_read_back_without_a_secret() {
        let mut document = Vec::new();
        json(&comparison(), &mut document).unwrap();
        assert!(!String::from_utf8_lossy(&document).contains("hunter2"));
        let read: Comparison = serde_json::from_slice(&document).unwrap();
        assert_eq!((read.figures, read.runs), (comparison().figures, comparison().runs));
    }
}
