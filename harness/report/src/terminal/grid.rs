//! The isolation matrix on a terminal: a table while it fits, else a list. Down to the narrowest width.

use bulkhead_model::{Class, Verdict};

use super::{blocks, style::Style};
use crate::{
    matrix::{Cell, Found, Matrix, Row},
    text,
};

/// What stands in a cell where nothing was probed.
const NOT_PROBED: &str = "-";

/// The matrix beside its label, with its legend and notes. Empty when nothing was probed.
pub(super) fn lines(matrix: &Matrix, width: usize, style: Style) -> Vec<String> {
    if matrix.rows.is_empty() {
        return Vec::new();
    }
    let room = width - blocks::LABEL;
    let mut lines = wide(matrix, room, style).unwrap_or_else(|| list(matrix, room, style));
    if matrix.has_gaps() {
        lines.push(style.dim("-  this class was not probed"));
    }
    for (index, note) in matrix.notes.iter().enumerate() {
        let mark = format!("▲{} ", index + 1);
        let indent = text::width(&mark);
        for (row, line) in text::wrap(&note.words(), room - indent).into_iter().enumerate() {
            let head = if row == 0 { mark.clone() } else { " ".repeat(indent) };
            lines.push(format!("{head}{line}"));
        }
    }
    blocks::beside("isolation", lines)
}

/// A table with the pair and the service before the cells, or with the pair on a line of its own.
fn wide(matrix: &Matrix, room: usize, style: Style) -> Option<Vec<String>> {
    let columns = column_widths(matrix);
    let cells: usize = columns.iter().map(|column| column + 2).sum();
    let service = matrix.rows.iter().map(|row| text::width(row.service.name())).max()?;
    let pair = matrix.rows.iter().map(|row| text::width(&pair(row))).max()?.max(text::width("from → on"));
    if pair + 2 + service + cells <= room {
        return Some(table(matrix, Some(pair), service, &columns, room, style));
    }
    let service = service.max(text::width("from → on"));
    (service + cells <= room).then(|| table(matrix, None, service, &columns, room, style))
}

fn table(
    matrix: &Matrix,
    pair_width: Option<usize>,
    service: usize,
    columns: &[usize; 6],
    room: usize,
    style: Style,
) -> Vec<String> {
    let lead = pair_width.map_or(service, |pair| pair + 2 + service);
    let mut header = text::pad("from → on", lead);
    for (class, column) in Class::ALL.iter().zip(columns) {
        header.push_str("  ");
        header.push_str(&text::pad(class.name(), *column));
    }
    let mut lines = vec![style.bold(header.trim_end())];
    let mut last = String::new();
    for row in &matrix.rows {
        let pair = pair(row);
        let fresh = pair != last;
        if fresh && pair_width.is_none() {
            lines.push(pair.clone());
        }
        let mut head = match pair_width {
            Some(columns) => format!("{}  ", text::pad(if fresh { &pair } else { "" }, columns)),
            None => String::new(),
        };
        head.push_str(&text::pad(row.service.name(), service));
        match &row.found {
            Found::Cells(cells) => {
                let mut line = head;
                for (cell, column) in cells.iter().zip(columns) {
                    line.push_str("  ");
                    line.push_str(&words(*cell, *column, style));
                }
                lines.push(line.trim_end().to_owned());
            }
            Found::Convention(sentence) => {
                let wrapped = text::wrap(sentence, room - lead - 2);
                for (index, line) in wrapped.into_iter().enumerate() {
                    let head = if index == 0 { head.clone() } else { " ".repeat(lead) };
                    lines.push(format!("{head}  {line}"));
                }
            }
        }
        last = pair;
    }
    lines
}

/// `read denied, write denied, …` under the pair and the service, for what no table holds.
fn list(matrix: &Matrix, room: usize, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    let mut last = String::new();
    for row in &matrix.rows {
        let pair = pair(row);
        if pair != last {
            lines.push(style.bold(&pair));
        }
        let sentence = match &row.found {
            Found::Cells(cells) => {
                let word = |(class, cell): (&Class, &Option<Cell>)| {
                    format!("{class} {}", cell.map_or_else(|| NOT_PROBED.to_owned(), |cell| cell.words()))
                };
                Class::ALL.iter().zip(cells).map(word).collect::<Vec<_>>().join(", ")
            }
            Found::Convention(sentence) => sentence.clone(),
        };
        for (index, line) in text::wrap(&sentence, room - 12).into_iter().enumerate() {
            let head = if index == 0 { row.service.name() } else { "" };
            lines.push(format!("  {}{line}", text::pad(head, 10)));
        }
        last = pair;
    }
    lines
}

fn pair(row: &Row) -> String {
    format!("{} → {}", row.from, row.to)
}

fn words(cell: Option<Cell>, columns: usize, style: Style) -> String {
    match cell {
        None => text::pad(NOT_PROBED, columns),
        Some(cell) => {
            let words = text::pad(&cell.words(), columns);
            if cell.verdict == Verdict::Pass { words } else { style.verdict(cell.verdict, &words) }
        }
    }
}

fn column_widths(matrix: &Matrix) -> [usize; 6] {
    let mut columns = Class::ALL.map(|class| text::width(class.name()));
    for row in &matrix.rows {
        if let Found::Cells(cells) = &row.found {
            for (column, cell) in columns.iter_mut().zip(cells) {
                *column = cell.map_or(1, |cell| text::width(&cell.words())).max(*column);
            }
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{Outcome, RunReport, Service};

    use super::*;
    use crate::samples;

    fn drawn(report: &RunReport, width: usize) -> Vec<String> {
        lines(&Matrix::of(report), width, Style { colour: false })
    }

    #[test]
    fn at_a_hundred_and_ten_columns_a_row_holds_pair_service_and_cells() {
        let text = drawn(&samples::good(), 110).join("\n");
        assert!(
            text.starts_with(
                "isolation   from → on        \
                 \x20        read    write   delete  administer  enumerate  exhaust\n"
            ),
            "{text}"
        );
        let row = "engine → plane  postgres  denied  denied  denied  -           invisible  -";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("redis     convention: the server refuses nothing"), "{text}");
        assert!(text.ends_with("-  this class was not probed"), "{text}");
    }

    #[test]
    fn at_eighty_columns_the_pair_has_a_line_of_its_own() {
        let text = drawn(&samples::good(), 80).join("\n");
        assert!(text.contains("\n            engine → plane\n            postgres   denied"), "{text}");
    }

    #[test]
    fn every_line_fits_whatever_the_width_and_the_findings() {
        let mut report = samples::good();
        for (index, row) in report.isolation.iter_mut().enumerate() {
            (row.outcome, row.verdict) = (Outcome::Unknown, bulkhead_model::Verdict::Unknown);
            row.evidence =
                format!("answer {index} said neither yes nor no and went on for rather a long time");
        }
        for width in 60..130 {
            for report in [&report, &samples::good()] {
                let lines = drawn(report, width);
                let widest = lines.iter().map(|line| text::width(line)).max().unwrap();
                assert!(widest <= width, "{widest} > {width}:\n{}", lines.join("\n"));
            }
        }
        let list = drawn(&report, 60).join("\n");
        assert!(list.contains("administer -"), "too narrow for a table: {list}");
    }

    #[test]
    fn a_leak_is_a_word_with_a_note_and_the_note_names_the_fix() {
        let mut report = samples::good();
        let mut leak = samples::row("plane", "engine", Service::S3, Class::Administer);
        (leak.outcome, leak.verdict) = (Outcome::Allowed, bulkhead_model::Verdict::Fail);
        leak.fix = String::from("limit the key to its bucket");
        report.isolation.push(leak);
        let text = drawn(&report, 100).join("\n");
        assert!(text.contains("allowed ▲1"), "{text}");
        assert!(
            text.contains("▲1 s3.administer-foreign: administer on engine: refused · fix: limit the key"),
            "{text}"
        );
    }

    #[test]
    fn nothing_probed_draws_nothing() {
        let mut report = samples::good();
        report.isolation.clear();
        assert!(drawn(&report, 80).is_empty());
    }
}
