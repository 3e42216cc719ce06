//! The one JSON document of a run, `{"version":1,…}`; its field names are [`RunReport`]'s and do not change.

use std::io::{self, Write};

use bulkhead_model::RunReport;

use crate::redact;

/// Writes the document, indented, with a final line break.
///
/// # Errors
/// When the sink refuses.
pub fn write(report: &RunReport, sink: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *sink, &redact::report(report))?;
    sink.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::samples;

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn the_documented_fields_are_there_under_their_names() {
        let mut text = Vec::new();
        write(&samples::bad(), &mut text).unwrap();
        let json: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(json["version"], 1);
        for key in ["run", "seed", "target", "verdict", "cases", "isolation", "checklist"] {
            assert!(keys(&json).contains(&key), "{key}");
        }
        for key in ["id", "title", "verdict", "duration_ms", "faults", "invariants", "repro"] {
            assert!(keys(&json["cases"][0]).contains(&key), "{key}");
        }
        for key in ["name", "verdict", "evidence"] {
            assert!(keys(&json["cases"][0]["invariants"][0]).contains(&key), "{key}");
        }
        for key in
            ["from", "to", "service", "probe", "class", "outcome", "policy", "verdict", "evidence", "fix"]
        {
            assert!(keys(&json["isolation"][0]).contains(&key), "{key}");
        }
        for key in ["item", "service", "done", "evidence"] {
            assert!(keys(&json["checklist"][0]).contains(&key), "{key}");
        }
        assert_eq!(json["verdict"], "fail");
        assert_eq!(json["isolation"][0]["policy"], "enforced");
    }

    #[test]
    fn the_document_reads_back_as_it_was() {
        for report in [samples::good(), samples::bad()] {
            let mut first = Vec::new();
            write(&report, &mut first).unwrap();
            let again: RunReport = serde_json::from_slice(&first).unwrap();
            let mut second = Vec::new();
            write(&again, &mut second).unwrap();
            assert_eq!(first, second);
        }
    }
}
