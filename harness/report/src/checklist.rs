//! The documents' integration checklist as Markdown with ticks: `- [x] …` with its evidence, `- [ ] …` with its reason
//! and what to do.

use std::io::{self, Write};

use bulkhead_model::{Item, RunReport, report::ChecklistRow};

use crate::{redact, text};

/// Writes the checklist of every tenant.
///
/// # Errors
/// When the sink refuses.
pub fn write(report: &RunReport, sink: &mut dyn Write) -> io::Result<()> {
    let report = redact::report(report);
    writeln!(sink, "# Integration checklist")?;
    let servers: Vec<_> = report.servers.iter().map(|s| format!("{} {}", s.product, s.version)).collect();
    writeln!(sink, "\nTarget {}: {}.", report.target, servers.join(", "))?;
    sections(&report, "##", sink)
}

/// Writes a heading and the items for each tenant. The report is masked already.
pub(crate) fn sections(report: &RunReport, heading: &str, sink: &mut dyn Write) -> io::Result<()> {
    for tenant in &report.tenants {
        let rows: Vec<_> = report.checklist.iter().filter(|row| row.tenant == *tenant).collect();
        writeln!(sink, "\n{heading} {tenant}: {}\n", ticks(rows.iter().copied()))?;
        for item in Item::ALL {
            let of_item: Vec<_> = rows.iter().filter(|row| row.item == item).collect();
            if of_item.is_empty() {
                writeln!(sink, "- [ ] {}: not examined", item.title())?;
            }
            for row in of_item {
                writeln!(sink, "{}", line(row))?;
            }
        }
    }
    Ok(())
}

/// `6/6`: items that hold, of the six that there are. An item that was not examined does not hold.
pub fn ticks<'a>(rows: impl IntoIterator<Item = &'a ChecklistRow>) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    let holds = |item: &Item| {
        let mut of_item = rows.iter().filter(|row| row.item == *item).peekable();
        of_item.peek().is_some() && of_item.all(|row| row.done)
    };
    format!("{}/{}", Item::ALL.iter().filter(|item| holds(item)).count(), Item::ALL.len())
}

fn line(row: &ChecklistRow) -> String {
    let tick = if row.done { 'x' } else { ' ' };
    let mut line = format!("- [{tick}] {}", row.item.title());
    if !row.evidence.is_empty() {
        line.push_str(&format!(": {}", text::one_line(&row.evidence)));
    }
    if !row.done && !row.fix.is_empty() {
        line.push_str(&format!(". Fix: {}", text::one_line(&row.fix)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn markdown(report: &RunReport) -> String {
        let mut text = Vec::new();
        write(report, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn every_tenant_has_its_six_items_ticked_with_evidence() {
        let text = markdown(&samples::good());
        assert_eq!(text.matches("- [x] ").count(), 12, "{text}");
        assert!(text.contains("## engine: 6/6") && text.contains("## plane: 6/6"), "{text}");
        assert!(text.contains("- [x] PostgreSQL database created: database-created seen"), "{text}");
        let versions = "\nTarget native: postgres 15.18, redis 7.0.15, rabbitmq 3.10.8, embedded 0.1.0.\n";
        assert!(text.contains(versions), "{text}");
    }

    #[test]
    fn what_does_not_hold_or_was_not_examined_is_not_ticked() {
        let mut report = samples::bad();
        report
            .checklist
            .retain(|row| !(row.tenant.as_str() == "plane" && row.item == Item::ConnectionsTested));
        let text = markdown(&report);
        assert!(text.contains("- [ ] RabbitMQ vhost created: no vhost `/engine`"), "{text}");
        assert!(text.contains(". Fix: create it"), "{text}");
        assert!(text.contains("- [ ] Connections tested: not examined"), "{text}");
        assert!(text.contains("## engine: 5/6") && text.contains("## plane: 5/6"), "{text}");
        assert!(!text.contains(samples::CANARY), "{text}");
    }
}
