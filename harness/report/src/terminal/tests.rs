//! What readers see, on terminals and in logs, for good runs and bad ones.

use std::sync::{Arc, Mutex};

use bulkhead_model::{RunEvent, RunReport, Service, Verdict};

use super::*;
use crate::{samples, text};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

const LOG: Look = Look { live: false, colour: false, width: 100, verbosity: Verbosity::Normal };

pub(crate) fn show(report: &RunReport, look: Look) -> String {
    let page = Page::default();
    let terminal = Terminal::new(page.clone(), look);
    terminal.event(&RunEvent::Planned {
        run: report.run.clone(),
        target: report.target.clone(),
        reason: report.target_reason.clone(),
        topology: String::from("../bulkhead.toml"),
        seed: report.seed,
        tenants: report.tenants.iter().map(ToString::to_string).collect(),
        cases: report.cases.len(),
    });
    for server in &report.servers {
        terminal.event(&RunEvent::StandInStarting(server.service));
        terminal.event(&RunEvent::StandInReady(server.clone()));
    }
    for case in &report.cases {
        terminal.event(&RunEvent::CaseStarted { id: case.id.clone() });
        terminal.event(&RunEvent::CaseEnded(case.clone()));
    }
    let exit = u8::from(report.verdict != Verdict::Pass);
    terminal.finish(report, Some("target/bulkhead/now/report.json"), exit).unwrap();
    page.text()
}

#[test]
fn a_note_keeps_the_lines_of_a_script() {
    let page = Page::default();
    let script =
        "installing redis, as follows:\nset -e\nif true; then\n  apt-get install \"redis\"\x07\nfi\n";
    Terminal::new(page.clone(), LOG).event(&RunEvent::Note(script.to_owned()));
    let lines = [
        "note        installing redis, as follows:",
        "            set -e",
        "            if true; then",
        "              apt-get install \"redis\"\u{fffd}",
        "            fi\n",
    ];
    assert_eq!(page.text(), lines.join("\n"));
}

#[test]
fn a_good_run_reads_from_the_header_to_the_exit_code() {
    let text = show(&samples::good(), LOG);
    let parts = [
        "bulkhead 0.1.0 · target native · seed 7 · 2 tenants: engine, plane\n\
         target      native: its servers are on this machine\n\
         topology    ../bulkhead.toml\n\n",
        "stand-ins   postgres 15.18 ✓ ready 0.2 s\n",
        "stand-ins   s3 embedded 0.1.0 ✓ joined\n",
        "cases       3/3 · 3 pass · 0 fail · 0 unknown · 0 skipped\n\n",
        "verdicts    scenarios",
        "            checklist        1        0        0        0\n",
        "            isolation        2        0        0        0\n",
        "isolation   from → on",
        "checklist   engine 6/6   plane 6/6\n",
        "3 pass · 0 fail · 0 unknown · 0 skipped · 9.3 s · target/bulkhead/now/report.json\nexit 0\n",
    ];
    let mut rest = text.as_str();
    for part in parts {
        rest = rest.split_once(part).unwrap_or_else(|| panic!("`{part}` is not next in:\n{text}")).1;
    }
    assert!(!text.contains("FAIL") && !text.contains('\x1b'), "{text}");
    assert_eq!(text.matches("cases       3/3").count(), 1, "a quarter is told once: {text}");
}

#[test]
fn a_failure_is_explained_in_order_with_its_repro_and_log() {
    let text = show(&samples::bad(), LOG);
    let parts = [
        "FAIL  isolation/postgres/write (engine → plane)\n",
        "      why        One app must never see what another keeps.\n",
        "      invariant  isolated: 1 > 0 probes allowed; first: CREATE TEMP TABLE worked",
        "      fault      kill postgres at 2.0 s for 1.0 s\n",
        "      likely     PUBLIC has CONNECT; password=***\n",
        "      again      bulkhead verify scenarios/isolation/postgres/write.yaml --seed 7 --case engine\n",
        "      log        postgres, last 2 lines\n      | LOG: ready\u{fffd}[2J\n      | FATAL: server said",
        "UNKNOWN  isolation/redis/read (engine → plane)\n",
        "again      bulkhead verify scenarios/isolation/redis/read.yaml --seed 7 --case engine\n",
        "allowed ▲1",
        "▲1 postgres.write-foreign",
        "fix: REVOKE CONNECT",
        "checklist   engine 5/6   plane 6/6\n",
        "            open engine: RabbitMQ vhost created: no vhost `/engine`",
        "3 pass · 1 fail · 1 unknown · 1 skipped (docker only) · 9.3 s",
        "exit 1\n",
    ];
    let mut rest = text.as_str();
    for part in parts {
        rest = rest.split_once(part).unwrap_or_else(|| panic!("`{part}` is not next in:\n{text}")).1;
    }
    assert_eq!(text.matches("FAIL  ").count(), 1, "explained once: {text}");
}

#[test]
fn quiet_shows_the_failures_and_the_summary_only() {
    let quiet = Look { verbosity: Verbosity::Quiet, ..LOG };
    let good = show(&samples::good(), quiet);
    assert_eq!(good.lines().count(), 2, "{good}");
    let bad = show(&samples::bad(), quiet);
    assert!(
        bad.contains("FAIL  isolation/postgres/write") && bad.contains("again      bulkhead verify"),
        "{bad}"
    );
    assert!(!bad.contains("stand-ins") && !bad.contains("checklist   "), "{bad}");
}

#[test]
fn verbose_shows_every_case_probe_and_item() {
    let text = show(&samples::good(), Look { verbosity: Verbosity::Verbose, ..LOG });
    assert!(text.contains("pass     isolation/s3/read (plane → engine)  0.4 s\n"), "{text}");
    assert!(text.contains("engine → plane postgres.read-foreign read: denied (pass)"), "{text}");
    assert!(text.contains("done plane: Connections tested: connections-tested seen"), "{text}");
}

#[test]
fn no_report_shows_a_secret_in_any_look() {
    for live in [false, true] {
        for verbosity in [Verbosity::Quiet, Verbosity::Normal, Verbosity::Verbose] {
            let text = show(&samples::bad(), Look { live, verbosity, ..LOG });
            assert!(!text.contains(samples::CANARY), "{verbosity:?}: {text}");
        }
    }
}

#[test]
fn colour_is_used_only_where_asked_for_and_says_nothing_that_words_do_not() {
    let plain = show(&samples::bad(), LOG);
    let colour = show(&samples::bad(), Look { colour: true, ..LOG });
    assert!(colour.contains("\x1b[1;31mFAIL\x1b[0m"), "{colour}");
    assert_eq!(blocks::uncoloured(&colour), plain);
}

#[test]
fn at_eighty_columns_every_line_fits_but_those_that_are_for_copying() {
    for report in [samples::good(), samples::bad()] {
        let text = show(&report, Look { width: 80, ..LOG });
        for line in text.lines().filter(|line| !line.starts_with("      again ")) {
            assert!(text::width(line) <= 80, "{} columns: {line}", text::width(line));
        }
    }
}

#[test]
fn on_a_terminal_lines_are_redrawn_in_place_and_the_end_is_the_same() {
    let page = show(&samples::bad(), Look { live: true, ..LOG });
    assert!(page.contains("\r\x1b[2K"), "nothing was redrawn");
    assert!(page.contains("█"), "no bar was drawn: {page}");
    let end = show(&samples::bad(), LOG);
    let end = end.split_once("verdicts ").unwrap().1;
    assert!(page.ends_with(end), "{page}");
}

#[test]
fn a_case_that_no_event_told_of_is_explained_at_the_end() {
    let page = Page::default();
    let terminal = Terminal::new(page.clone(), LOG);
    terminal.finish(&samples::bad(), None, 1).unwrap();
    assert!(
        page.text().contains("again      bulkhead verify scenarios/isolation/postgres"),
        "{}",
        page.text()
    );
}

#[test]
fn a_sink_that_refuses_is_an_error_at_the_end() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("full"))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let terminal = Terminal::new(Full, LOG);
    terminal.event(&RunEvent::StandInStarting(Service::Redis));
    assert!(terminal.finish(&samples::good(), None, 0).is_err());
}
