//! The isolation matrix as data: a row for each pair of tenants and service, a cell for each class of probe.
//!
//! Terminal and Markdown draw the same matrix from here. It only arranges: outcomes and verdicts were settled before.

use bulkhead_model::{Class, Enforcement, Outcome, RunReport, Service, Verdict, report::IsolationRow};

use crate::text;

/// Everything that was probed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matrix {
    /// Rows in the order of the tenants, then of [`Service::ALL`]. A pair and service without a probe has none.
    pub rows: Vec<Row>,
    /// What the cells' numbers refer to.
    pub notes: Vec<Note>,
}

/// What one tenant may do to another's slice of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Who tried.
    pub from: String,
    /// On whose slice.
    pub to: String,
    /// Where.
    pub service: Service,
    /// What was found.
    pub found: Found,
}

/// What a row holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A cell for each of [`Class::ALL`]; none where nothing was probed.
    Cells([Option<Cell>; 6]),
    /// The server refuses nothing by agreement, so cells would say nothing: a sentence with the audit instead.
    Convention(String),
}

/// The worst that one class of probes met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// How the server answered.
    pub outcome: Outcome,
    /// Judged against the policy.
    pub verdict: Verdict,
    /// The note that explains it, when it did not pass or something got through that no setting prevents.
    pub note: Option<usize>,
}

/// The explanation of cells that did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What was tried and what came back.
    pub evidence: String,
    /// How to close it; may be empty.
    pub fix: String,
}

impl Matrix {
    /// Arranges a report's rows.
    pub fn of(report: &RunReport) -> Self {
        let mut matrix = Self::default();
        for from in &report.tenants {
            for to in report.tenants.iter().filter(|to| *to != from) {
                for service in Service::ALL {
                    let of_pair =
                        |row: &&IsolationRow| row.from == *from && row.to == *to && row.service == service;
                    let rows: Vec<_> = report.isolation.iter().filter(of_pair).collect();
                    if rows.is_empty() {
                        continue;
                    }
                    let found = matrix.found(&rows, report);
                    matrix.rows.push(Row { from: from.to_string(), to: to.to_string(), service, found });
                }
            }
        }
        matrix
    }

    /// Whether some class was not probed for some pair and service.
    pub fn has_gaps(&self) -> bool {
        self.rows.iter().any(|row| matches!(&row.found, Found::Cells(cells) if cells.contains(&None)))
    }

    fn found(&mut self, rows: &[&IsolationRow], report: &RunReport) -> Found {
        if rows.iter().any(|row| row.policy == Enforcement::Convention) {
            return Found::Convention(self.convention(rows, report));
        }
        Found::Cells(Class::ALL.map(|class| {
            // What was left out says nothing beside what was tried.
            let tried = |row: &IsolationRow| row.class == class && row.outcome != Outcome::Skipped;
            let any = rows.iter().any(|row| tried(row));
            let of_class = || rows.iter().filter(|row| row.class == class && (!any || tried(row)));
            let worst = of_class().max_by_key(|row| (row.verdict, row.outcome))?;
            let note = match worst.verdict {
                Verdict::Pass => self.by_nature(of_class().copied()),
                _ => Some(self.note(worst)),
            };
            Some(Cell { outcome: worst.outcome, verdict: worst.verdict, note })
        }))
    }

    /// The note on what got through although it passed, because no setting of the server prevents it.
    fn by_nature<'r>(&mut self, rows: impl Iterator<Item = &'r IsolationRow>) -> Option<usize> {
        let leaks: Vec<_> = rows.filter(|row| !row.inherent.is_empty()).collect();
        let server = &leaks.first()?.server;
        // Several leak for one reason, which is said once, where the first of them stands.
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for row in &leaks {
            match reasons.iter_mut().find(|(reason, _)| *reason == row.inherent) {
                Some((_, probes)) => probes.push(&row.probe),
                None => reasons.push((&row.inherent, vec![&row.probe])),
            }
        }
        let each = reasons
            .iter()
            .map(|(reason, probes)| format!("{}: {}", probes.join(", "), text::one_line(reason)));
        let evidence = format!("no setting of {server} closes {}", each.collect::<Vec<_>>().join("; "));
        Some(self.numbered(Note { evidence, fix: String::new() }))
    }

    fn convention(&mut self, rows: &[&IsolationRow], report: &RunReport) -> String {
        let audit = audit(rows).unwrap_or_else(|| of_the_run(rows, report));
        let mut sentence =
            format!("convention: the server refuses nothing, the apps keep to it; audit: {audit}");
        let skipped = |row: &&&IsolationRow| row.outcome == Outcome::Skipped;
        for row in rows.iter().filter(|row| row.verdict != Verdict::Pass && !skipped(row)) {
            let number = self.note(row);
            sentence.push_str(&format!(" · {} {}", row.verdict, mark(number)));
        }
        // What was left out says nothing beside what was tried, and dozens may be left out for one reason.
        let tried = rows.iter().any(|row| row.outcome != Outcome::Skipped);
        if let Some(first) = rows.iter().find(skipped).filter(|_| !tried) {
            let number = self.note(first);
            let count = rows.iter().filter(skipped).count();
            sentence.push_str(&format!(" · {count} skipped {}", mark(number)));
        }
        sentence
    }

    fn note(&mut self, row: &IsolationRow) -> usize {
        let evidence = format!("{}: {}", row.probe, text::one_line(&row.evidence));
        self.numbered(Note { evidence, fix: text::one_line(&row.fix) })
    }

    /// The number of the note, which those that say the same share.
    fn numbered(&mut self, note: Note) -> usize {
        match self.notes.iter().position(|known| *known == note) {
            Some(index) => index + 1,
            None => {
                self.notes.push(note);
                self.notes.len()
            }
        }
    }
}

/// What the look over the whole run found, where there was no audit of single cases.
fn of_the_run(rows: &[&IsolationRow], report: &RunReport) -> String {
    let id = rows.first().map(|row| RunReport::audit_id(row.service));
    let Some(case) = report.cases.iter().find(|case| Some(&case.id) == id.as_ref()) else {
        return String::from("not made");
    };
    let evidence = case.invariants.first().map(|invariant| invariant.evidence.as_str());
    text::one_line(case.skipped.as_deref().or(evidence).unwrap_or("not made"))
}

/// What the audits of a pair's cases found; none where there was none. Probes of one class share a case and so an audit,
/// which counts once.
fn audit(rows: &[&IsolationRow]) -> Option<String> {
    let of_class = |class| {
        let audits = rows.iter().filter(move |row| row.class == class).filter_map(|row| row.audit.as_ref());
        audits.max_by_key(|audit| (audit.outside.len(), audit.names))
    };
    let audits: Vec<_> = Class::ALL.into_iter().filter_map(of_class).collect();
    if audits.is_empty() {
        return None;
    }
    let outside: Vec<_> = audits.iter().flat_map(|audit| &audit.outside).collect();
    let names: usize = audits.iter().map(|audit| audit.names).sum();
    let mut found = format!("{} of {} outside every slice", outside.len(), text::count(names, "name"));
    if let Some(first) = outside.first() {
        found.push_str(&format!(", `{}` first", text::one_line(first)));
    }
    Some(found)
}

/// How a cell refers to its note. It stands beside a word, never alone.
pub fn mark(note: usize) -> String {
    format!("▲{note}")
}

impl Cell {
    /// `denied`, `allowed ▲1`; `leaks ▲1` for what got through and yet passes.
    pub fn words(&self) -> String {
        match self.note {
            Some(note) if self.verdict == Verdict::Pass => format!("leaks {}", mark(note)),
            Some(note) => format!("{} {}", self.outcome, mark(note)),
            None => self.outcome.to_string(),
        }
    }
}

impl Note {
    /// `what was seen · fix: what to do`
    pub fn words(&self) -> String {
        if self.fix.is_empty() {
            self.evidence.clone()
        } else {
            format!("{} · fix: {}", self.evidence, self.fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn the_worst_probe_of_a_class_fills_its_cell() {
        let mut report = samples::good();
        let mut leak = samples::row("engine", "plane", Service::Postgres, Class::Read);
        (leak.outcome, leak.verdict) = (Outcome::Allowed, Verdict::Fail);
        leak.fix = String::from("REVOKE CONNECT ON DATABASE neondb FROM PUBLIC");
        report.isolation.insert(0, leak);
        let matrix = Matrix::of(&report);
        let row = matrix.rows.iter().find(|r| r.from == "engine" && r.service == Service::Postgres).unwrap();
        let Found::Cells(cells) = &row.found else { panic!("enforced: cells") };
        assert_eq!(cells[0], Some(Cell { outcome: Outcome::Allowed, verdict: Verdict::Fail, note: Some(1) }));
        assert_eq!(cells[1].unwrap().words(), "denied");
        assert_eq!(cells[3], None, "administer was not probed");
        assert!(matrix.has_gaps());
        assert!(matrix.notes[0].words().contains("fix: REVOKE CONNECT"));
    }

    #[test]
    fn what_no_setting_closes_is_in_the_cell_with_its_reason_though_it_passes() {
        let mut report = samples::good();
        for (name, reason) in [
            ("postgres.list-databases", "every role may read the catalogue"),
            ("postgres.list-channels", "channels have no owner"),
            ("postgres.list-roles", "every role may read the catalogue"),
        ] {
            let mut leak = samples::row("engine", "plane", Service::Postgres, Class::Enumerate);
            (leak.outcome, leak.probe) = (Outcome::Allowed, name.to_owned());
            leak.inherent = reason.to_owned();
            report.isolation.push(leak);
        }
        let matrix = Matrix::of(&report);
        let row = matrix.rows.iter().find(|r| r.from == "engine" && r.service == Service::Postgres).unwrap();
        let Found::Cells(cells) = &row.found else { panic!("enforced: cells") };
        let cell = cells[4].unwrap();
        assert_eq!((cell.verdict, cell.words().as_str()), (Verdict::Pass, "leaks ▲1"));
        let words = matrix.notes[0].words();
        assert!(words.starts_with("no setting of "), "{words}");
        assert!(
            words.ends_with(
                " closes postgres.list-databases, postgres.list-roles: every role may read the catalogue; \
                 postgres.list-channels: channels have no owner"
            ),
            "{words}"
        );
    }

    #[test]
    fn what_was_left_out_says_nothing_beside_what_was_tried() {
        let mut report = samples::good();
        for class in [Class::Read, Class::Administer] {
            let mut left = samples::row("engine", "plane", Service::Postgres, class);
            (left.outcome, left.verdict) = (Outcome::Skipped, Verdict::Unknown);
            report.isolation.push(left);
        }
        let matrix = Matrix::of(&report);
        let row = matrix.rows.iter().find(|r| r.from == "engine" && r.service == Service::Postgres).unwrap();
        let Found::Cells(cells) = &row.found else { panic!("enforced: cells") };
        assert_eq!(
            (cells[0].unwrap().verdict, cells[0].unwrap().words().as_str()),
            (Verdict::Pass, "denied")
        );
        assert_eq!(cells[3].unwrap().outcome, Outcome::Skipped, "nothing else was tried");
    }

    #[test]
    fn equal_explanations_share_a_note() {
        let mut report = samples::good();
        report.isolation.iter_mut().filter(|r| r.service == Service::S3).for_each(|row| {
            row.verdict = Verdict::Fail;
            (row.probe, row.evidence) = (String::from("s3.list"), String::from("listed"));
        });
        assert_eq!(Matrix::of(&report).notes.len(), 1);
    }

    #[test]
    fn a_convention_has_a_sentence_and_its_audit_instead_of_cells() {
        let matrix = Matrix::of(&samples::good());
        let redis = matrix.rows.iter().find(|r| r.service == Service::Redis).unwrap();
        let Found::Convention(sentence) = &redis.found else { panic!("redis is a convention") };
        assert!(sentence.contains("audit: 0 of 24 names outside every slice"), "{sentence}");

        let mut report = samples::good();
        report.isolation.iter_mut().for_each(|row| row.audit = None);
        let matrix = Matrix::of(&report);
        let Found::Convention(sentence) = &matrix.rows[1].found else { panic!("redis is a convention") };
        assert!(sentence.ends_with("audit: not made"), "{sentence}");

        let mut whole = samples::case(&RunReport::audit_id(Service::Redis));
        whole.invariants[0].evidence = String::from("0 of 9 names");
        report.cases.push(whole.clone());
        let Found::Convention(sentence) = &Matrix::of(&report).rows[1].found else { panic!("a convention") };
        assert!(sentence.ends_with("audit: 0 of 9 names"), "{sentence}");
        (whole.invariants, whole.skipped) = (Vec::new(), Some(String::from("not made: too many keys")));
        *report.cases.last_mut().unwrap() = whole;
        let Found::Convention(sentence) = &Matrix::of(&report).rows[1].found else { panic!("a convention") };
        assert!(sentence.ends_with("audit: not made: too many keys"), "{sentence}");

        for row in report.isolation.iter_mut().filter(|row| row.service == Service::Redis) {
            (row.outcome, row.verdict) = (Outcome::Skipped, Verdict::Unknown);
        }
        let matrix = Matrix::of(&report);
        let Found::Convention(sentence) = &matrix.rows[1].found else { panic!("redis is a convention") };
        assert!(sentence.contains(" skipped ▲1") && !sentence.contains("unknown"), "{sentence}");
    }
}
