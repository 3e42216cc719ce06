//! The end of the terminal report: verdicts by area, the matrix, the checklist, the summary line, the exit code.

use std::collections::BTreeMap;

use bulkhead_model::{
    RunReport, TenantName, Verdict,
    report::{CaseReport, ChecklistRow},
};

use super::{Look, Verbosity, blocks, grid, style::Style};
use crate::{
    checklist,
    counts::{Counts, skip_reasons},
    matrix::Matrix,
    text,
};

pub(super) struct Ending<'a> {
    pub(super) report: &'a RunReport,
    pub(super) saved: Option<&'a str>,
    pub(super) exit: u8,
    pub(super) look: Look,
    pub(super) style: Style,
}

impl Ending<'_> {
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.look.verbosity > Verbosity::Quiet {
            let parts = [
                self.verdicts(),
                grid::lines(&Matrix::of(self.report), self.look.width, self.style),
                self.probes(),
                self.checklist(),
            ];
            for part in parts.into_iter().filter(|part| !part.is_empty()) {
                lines.push(String::new());
                lines.extend(part);
            }
            lines.push(String::new());
        }
        lines.extend(self.summary());
        let exit = format!("exit {}", self.exit);
        lines.push(self.style.verdict(self.report.verdict, &exit));
        lines
    }

    /// A row for each area of scenarios.
    fn verdicts(&self) -> Vec<String> {
        let mut areas: BTreeMap<&str, Vec<&CaseReport>> = BTreeMap::new();
        for case in &self.report.cases {
            let area = case.id.split(['/', ' ']).next().unwrap_or_default();
            areas.entry(area).or_default().push(case);
        }
        if areas.is_empty() {
            return Vec::new();
        }
        let first = areas.keys().map(|area| text::width(area)).max().unwrap_or(0).max("scenarios".len());
        let mut header = text::pad("scenarios", first);
        let flaky = self.report.cases.iter().any(|case| case.verdict == Verdict::Flaky);
        let columns = ["pass", "fail", "flaky", "unknown", "skipped"];
        for column in columns.into_iter().filter(|column| flaky || *column != "flaky") {
            header.push_str(&format!("  {column:>7}"));
        }
        let mut lines = vec![self.style.bold(&header)];
        for (area, cases) in areas {
            let counts = Counts::of(cases);
            let mut line = text::pad(area, first);
            line.push_str(&format!("  {:>7}", counts.pass));
            let bad = [
                (counts.fail, Verdict::Fail),
                (counts.flaky, Verdict::Flaky),
                (counts.unknown, Verdict::Unknown),
            ];
            for (number, verdict) in
                bad.into_iter().filter(|(_, verdict)| flaky || *verdict != Verdict::Flaky)
            {
                let cell = format!("  {number:>7}");
                line.push_str(&if number > 0 { self.style.verdict(verdict, &cell) } else { cell });
            }
            line.push_str(&format!("  {:>7}", counts.skipped));
            lines.push(line);
        }
        blocks::beside("verdicts", lines)
    }

    /// Every probe, for those who ask for more.
    fn probes(&self) -> Vec<String> {
        if self.look.verbosity < Verbosity::Verbose {
            return Vec::new();
        }
        let mut lines = Vec::new();
        for row in &self.report.isolation {
            let words = format!(
                "{} → {} {} {}: {} ({}); {}",
                row.from,
                row.to,
                row.probe,
                row.class,
                row.outcome,
                row.verdict,
                text::one_line(&row.evidence)
            );
            lines.extend(text::wrap(&words, self.look.width - blocks::LABEL));
        }
        blocks::beside("probes", lines)
    }

    fn items_of<'a>(&'a self, tenant: &'a TenantName) -> impl Iterator<Item = &'a ChecklistRow> {
        self.report.checklist.iter().filter(move |row| row.tenant == *tenant)
    }

    /// `engine 6/6   plane 6/6`, and whatever does not hold with its reason and what to do.
    fn checklist(&self) -> Vec<String> {
        if self.report.checklist.is_empty() {
            return Vec::new();
        }
        let ticks: Vec<_> = self
            .report
            .tenants
            .iter()
            .map(|tenant| {
                let ticks = checklist::ticks(self.items_of(tenant));
                let whole = self.items_of(tenant).all(|row| row.done);
                let words = format!("{tenant} {ticks}");
                if whole { words } else { self.style.verdict(Verdict::Fail, &words) }
            })
            .collect();
        let mut lines = blocks::items("checklist", &ticks, self.look.width);
        for row in &self.report.checklist {
            if row.done && self.look.verbosity < Verbosity::Verbose {
                continue;
            }
            let tick = if row.done { "done" } else { "open" };
            let mut words =
                format!("{tick} {}: {}: {}", row.tenant, row.item.title(), text::one_line(&row.evidence));
            if !row.done && !row.fix.is_empty() {
                words.push_str(&format!(" · fix: {}", text::one_line(&row.fix)));
            }
            lines.extend(blocks::labelled("", &words, self.look.width));
        }
        lines
    }

    /// `251 pass · 1 fail · 0 unknown · 3 skipped (docker only) · 3 min 12 s · <report>`
    fn summary(&self) -> Vec<String> {
        let counts = Counts::of(&self.report.cases);
        let reasons = skip_reasons(&self.report.cases);
        let mut words = counts.line();
        if !reasons.is_empty() {
            words.push_str(&format!(" ({reasons})"));
        }
        words.push_str(&format!(" · {}", text::duration(self.report.duration_ms)));
        let mut lines = text::wrap(&words, self.look.width);
        if let Some(first) = lines.first_mut() {
            *first = self.style.verdict(self.report.verdict, first);
        }
        let Some(saved) = self.saved else { return lines };
        match lines.last_mut() {
            Some(last) if text::width(&words) + 3 + text::width(saved) <= self.look.width => {
                last.push_str(" · ");
                last.push_str(saved);
            }
            // Whole on a line of its own, so that it can be copied.
            _ => lines.push(saved.to_owned()),
        }
        lines
    }
}
