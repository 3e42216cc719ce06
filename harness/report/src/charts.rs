//! What `bulkhead bench` measured as a page with charts: one file, without scripts and without anything from elsewhere.
//!
//! Each kind of operation has a chart of its 99th percentile, one of how many succeeded, and where any went wrong one of how many
//! and in which way, second by second. Everything that a server said goes through [`redact`] first.

use std::io::{self, Write};

use bulkhead_model::{
    Verdict,
    bench::{BenchCase, BenchReport, Load, Measure, Second, Wrong},
};

use crate::{
    bench::{bent, kept, rate, recovered, span, usage, wrong},
    redact, text,
};

/// A chart's size, in pixels, without its axes.
const WIDE: f64 = 560.0;
/// The same.
const HIGH: f64 = 110.0;
/// Room for an axis's numbers.
const AXIS: f64 = 64.0;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:78rem;margin:2rem auto;padding:0 1rem;color:#1d2329;background:#fff}\
table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.15rem .7rem;text-align:right;border-bottom:1px solid #d5dbe1}\
td:first-child,th:first-child{text-align:left}figure{display:inline-block;margin:.5rem 1rem .5rem 0}\
figcaption{font-size:.85rem;color:#56616c}svg text{font-size:11px;fill:#56616c}.bar{fill:#4878a8}.bad{fill:#c2452d}.lost{fill:#8e2323}.duplicated{fill:#c98a1b}.reordered{fill:#6a51a3}.foreign{fill:#d1499b}\
.line{fill:none;stroke:#4878a8;stroke-width:1.6}.axis{stroke:#aab4be}.fail{color:#c2452d}.pass{color:#2d7a46}\
@media(prefers-color-scheme:dark){body{background:#14181c;color:#dfe5ea}td,th{border-color:#333c44}\
figcaption,svg text{color:#9aa6b1;fill:#9aa6b1}}";

/// Writes the page.
///
/// # Errors
/// When the sink refuses.
pub fn write(report: &BenchReport, sink: &mut dyn Write) -> io::Result<()> {
    let BenchReport { run, target, seed, duration_ms, .. } = report;
    writeln!(
        sink,
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>bulkhead bench {}</title>\n<style>{STYLE}</style>\n<h1>bulkhead bench</h1>",
        escaped(run)
    )?;
    let took = text::duration(*duration_ms);
    writeln!(sink, "<p>{} · target {} · seed {seed} · {took}</p>", escaped(run), escaped(target))?;
    let servers = report.servers.iter().map(|server| format!("{} {}", server.product, server.version));
    writeln!(sink, "<p>{}</p>", escaped(&servers.collect::<Vec<_>>().join(", ")))?;
    for knee in &report.knees {
        let said = format!("{} ({}): {}", knee.workload, knee.tenant, bent(knee));
        writeln!(sink, "<p>{}</p>", escaped(&said))?;
    }
    report.cases.iter().try_for_each(|case| section(case, sink))?;
    writeln!(sink, "</html>")
}

fn section(case: &BenchCase, sink: &mut dyn Write) -> io::Result<()> {
    writeln!(sink, "<h2>{}</h2>", escaped(&case.id))?;
    let heads = [
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
    ];
    writeln!(sink, "<table><tr>{}</tr>", cells("th", &heads.map(String::from)))?;
    for load in &case.loads {
        for act in &load.acts {
            writeln!(sink, "<tr>{}</tr>", cells("td", &row(load, act)))?;
        }
    }
    writeln!(sink, "</table>")?;
    for load in &case.loads {
        writeln!(sink, "<p>{}: {}</p>", escaped(&load.workload), escaped(&kept(load)))?;
        if let Some(recovery) = &load.recovery {
            writeln!(sink, "<p>{}: {}</p>", escaped(&load.workload), escaped(&recovered(recovery)))?;
        }
        for act in &load.acts {
            let about = format!("{} {}", load.workload, act.act);
            figure(&format!("{about}: p99 by the second"), &latencies(&act.seconds), sink)?;
            figure(&format!("{about}: succeeded (blue) and not (red)"), &outcomes(&act.seconds), sink)?;
            if act.wrong.total() > 0 {
                let caption = "lost (dark red), duplicated (amber), reordered (violet) and foreign (pink)";
                figure(&format!("{about}: {caption}"), &wrongs(&act.seconds), sink)?;
            }
        }
    }
    if let Some(line) = wrong::beside(&case.beside) {
        writeln!(sink, "<p>{}</p>", escaped(&line))?;
    }
    processes(case, sink)?;
    writeln!(sink, "<ul>")?;
    for invariant in &case.invariants {
        let class = if invariant.verdict == Verdict::Pass { "pass" } else { "fail" };
        let evidence = redact::text(&invariant.evidence);
        writeln!(
            sink,
            "<li><b class=\"{class}\">{}</b> {}: {}</li>",
            invariant.verdict,
            escaped(&invariant.name),
            escaped(&evidence)
        )?;
    }
    writeln!(sink, "</ul>")
}

fn processes(case: &BenchCase, sink: &mut dyn Write) -> io::Result<()> {
    let rows = usage::rows(&case.usage);
    if !rows.is_empty() {
        writeln!(sink, "<table><tr>{}</tr>", cells("th", &usage::HEADS.map(String::from)))?;
        rows.iter().try_for_each(|row| writeln!(sink, "<tr>{}</tr>", cells("td", row)))?;
        writeln!(sink, "</table>")?;
    }
    let missing = usage::missing(&case.usage);
    missing.iter().try_for_each(|line| writeln!(sink, "<p>{}</p>", escaped(line)))
}

fn row(load: &Load, act: &Measure) -> [String; 12] {
    let of = act.latency;
    let [p50, p90, p99, p999, p9999, max] = [of.p50, of.p90, of.p99, of.p999, of.p9999, of.max].map(span);
    let about = format!("{} {}", load.workload, act.act);
    let [ok, failed, unknown, wrong] =
        [act.ok, act.failed, act.unknown, act.wrong.total()].map(|number| number.to_string());
    [about, rate(act.per_second), ok, failed, unknown, wrong, p50, p90, p99, p999, p9999, max]
}

fn cells(kind: &str, cells: &[String]) -> String {
    cells.iter().map(|cell| format!("<{kind}>{}</{kind}>", escaped(cell))).collect()
}

fn figure(caption: &str, drawing: &str, sink: &mut dyn Write) -> io::Result<()> {
    writeln!(
        sink,
        "<figure><svg role=\"img\" aria-label=\"{caption}\" width=\"{}\" height=\"{}\">{drawing}</svg><figcaption>{caption}\
         </figcaption></figure>",
        WIDE + AXIS,
        HIGH + 24.0,
        caption = escaped(caption)
    )
}

/// A line, which is broken where nothing succeeded.
fn latencies(seconds: &[Second]) -> String {
    let most = seconds.iter().map(|second| second.p99).max().unwrap_or_default();
    let (mut drawing, mut points) = (axes(seconds.len(), &span(most)), Vec::new());
    let line = |points: &mut Vec<String>| match points.len() {
        0 => String::new(),
        1 => format!("<circle class=\"bar\" r=\"2\" {}/>", points.remove(0)),
        _ => {
            let path: Vec<_> = points.drain(..).map(|point| bare(&point)).collect();
            format!("<polyline class=\"line\" points=\"{}\"/>", path.join(" "))
        }
    };
    for (place, second) in seconds.iter().enumerate() {
        if second.ok == 0 {
            drawing.push_str(&line(&mut points));
        } else {
            let (x, y) = (
                across(place, seconds.len()) + step(seconds.len()) / 2.0,
                HIGH - share(second.p99, most) * HIGH,
            );
            points.push(format!("cx=\"{x:.1}\" cy=\"{y:.1}\""));
        }
    }
    drawing + &line(&mut points)
}

/// `cx="1.0" cy="2.0"` as `1.0,2.0`.
fn bare(point: &str) -> String {
    point.replace("cx=\"", "").replace("\" cy=\"", ",").replace('"', "")
}

/// Bars, those that did not succeed on top.
fn outcomes(seconds: &[Second]) -> String {
    stacked(seconds.iter().map(|second| [("bar", second.ok), ("bad", second.errors)]).collect())
}

/// Bars of what went wrong, each way on top of the one before it.
fn wrongs(seconds: &[Second]) -> String {
    let ways = |second: &Second| Wrong::ALL.map(|wrong| (wrong.name(), second.wrong.of(wrong)));
    stacked(seconds.iter().map(ways).collect())
}

/// A bar for each second, of parts with their classes.
fn stacked<const N: usize>(seconds: Vec<[(&str, u64); N]>) -> String {
    let total = |parts: &[(&str, u64); N]| parts.iter().map(|(_, number)| number).sum::<u64>();
    let most = seconds.iter().map(total).max().unwrap_or_default();
    let mut drawing = axes(seconds.len(), &format!("{most}/s"));
    let (many, wide) = (seconds.len(), (step(seconds.len()) - 1.0).max(0.5));
    for (place, parts) in seconds.into_iter().enumerate() {
        let (x, mut y) = (across(place, many), HIGH);
        for (class, number) in parts {
            let high = share(number, most) * HIGH;
            y -= high;
            if high > 0.0 {
                drawing.push_str(&format!(
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\"/>"
                ));
            }
        }
    }
    drawing
}

fn axes(seconds: usize, most: &str) -> String {
    let (right, below) = (WIDE + AXIS, HIGH + 15.0);
    format!(
        "<path class=\"axis\" d=\"M{AXIS} 0V{HIGH}H{right}\" fill=\"none\"/><text x=\"{}\" y=\"11\" text-anchor=\"end\">{}</text>\
         <text x=\"{}\" y=\"{HIGH}\" text-anchor=\"end\">0</text><text x=\"{AXIS}\" y=\"{below}\">0 s</text>\
         <text x=\"{right}\" y=\"{below}\" text-anchor=\"end\">{seconds} s</text>",
        AXIS - 6.0,
        escaped(most),
        AXIS - 6.0,
    )
}

fn step(places: usize) -> f64 {
    WIDE / float(places).max(1.0)
}

fn across(place: usize, places: usize) -> f64 {
    AXIS + step(places) * float(place)
}

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "a pixel is coarser")]
fn share(number: u64, most: u64) -> f64 {
    if most == 0 { 0.0 } else { number as f64 / most as f64 }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::tests::report;

    #[test]
    fn the_page_has_every_number_and_a_chart_for_each_and_nothing_that_runs_or_is_secret() {
        let mut report = report();
        report.cases[0].id = String::from("bench/<script>alert(1)</script> (engine)");
        let mut page = Vec::new();
        write(&report, &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        for part in [
            "<td>1.24 ms</td>",
            "keeps up with 6/s",
            "24 due, 2 of them begun late",
            "&lt;script&gt;",
            "class=\"bad\"",
            "class=\"lost\"",
            "<td>client</td><td>1.23 s</td>",
            "redis: processor time and memory not measured",
            "at no operation: 4 duplicated",
        ] {
            assert!(page.contains(part), "`{part}` is not in\n{page}");
        }
        assert_eq!(page.matches("<svg").count(), 3);
        for part in ["<script", "hunter2", "http://", "src="] {
            assert!(!page.contains(part), "`{part}` is in\n{page}");
        }
    }

    #[test]
    fn a_line_is_broken_where_nothing_succeeded() {
        let second = |ok, p99| Second { ok, errors: 1, p99, ..Second::default() };
        let drawn = latencies(&[second(1, 10), second(1, 20), second(0, 0), second(1, 5)]);
        assert_eq!((drawn.matches("<polyline").count(), drawn.matches("<circle").count()), (1, 1));
        assert!(drawn.contains("points=\"134.0,55.0 274.0,0.0\""), "{drawn}");
        assert_eq!(outcomes(&[second(1, 1)]).matches("<rect").count(), 2);
        assert!(!latencies(&[]).contains("NaN") && !outcomes(&[]).contains("NaN"));
    }
}
