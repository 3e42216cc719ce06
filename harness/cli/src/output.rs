//! The files that a run leaves: its folder with report.json, report.md and the histories, and the files asked for.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use bulkhead_checks::measure::Interval;
use bulkhead_model::{
    RunReport,
    bench::{BenchReport, compare::Comparison},
    proof::ProofReport,
};
use bulkhead_report::{bench, charts, compare, hdr, json, junit, markdown, proof};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use crate::args::Output;

/// Sorts by time and is a file name everywhere.
const NAME: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]-[minute]-[second]");

/// Folders of one second that are tried before giving up.
const SAME_SECOND: usize = 1000;

/// A run's own folder.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Its path, as given.
    pub(crate) path: PathBuf,
    /// Its name, which is the run's id.
    pub(crate) run: String,
    /// The folders around it that were made for it, the innermost first.
    around: Vec<PathBuf>,
}

impl Folder {
    /// Makes the folder of a run that starts now.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn make(out: &Path) -> Result<Self> {
        let around = out.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        let around: Vec<_> = around.map(Path::to_path_buf).collect();
        fs::create_dir_all(out)
            .with_context(|| format!("could not create the folder `{}`", out.display()))?;
        let now = OffsetDateTime::now_utc().format(NAME).context("could not write down the time")?;
        for number in 1..=SAME_SECOND {
            let run = if number == 1 { now.clone() } else { format!("{now}-{number}") };
            let path = out.join(&run);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, run, around }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("could not create the folder `{}`", path.display()));
                }
            }
        }
        anyhow::bail!(
            "could not create a folder in `{}`: {SAME_SECOND} runs began in this second",
            out.display()
        )
    }

    /// Takes the folder of a run that never began away again, and those that were made for it.
    pub(crate) fn remove_if_empty(&self) {
        // When there is something in one, it stays: `remove_dir` takes empty folders only.
        let mut folders = std::iter::once(&self.path).chain(&self.around);
        let _ = folders.try_for_each(fs::remove_dir);
    }

    /// Where the report is.
    pub(crate) fn report(&self) -> PathBuf {
        self.path.join("report.json")
    }

    /// Where the history of a program is.
    pub(crate) fn history(&self) -> PathBuf {
        self.path.join("history.jsonl")
    }

    /// Where a proof is.
    pub(crate) fn proof(&self) -> PathBuf {
        self.path.join("proof.json")
    }

    /// Writes a proof into the folder.
    ///
    /// # Errors
    /// When it could not be written.
    pub(crate) fn write_proof(&self, report: &ProofReport) -> Result<()> {
        write(&self.proof(), |sink| proof::json(report, sink))
    }

    /// Where a bench is.
    pub(crate) fn bench(&self) -> PathBuf {
        self.path.join("bench.json")
    }

    /// Writes a bench into the folder, and a page with its charts.
    ///
    /// # Errors
    /// When it could not be written.
    pub(crate) fn write_bench(&self, report: &BenchReport) -> Result<()> {
        write(&self.bench(), |sink| bench::json(report, sink))?;
        write(&self.bench().with_extension("html"), |sink| charts::write(report, sink))
    }

    /// Where a comparison is.
    pub(crate) fn comparison(&self) -> PathBuf {
        self.path.join("compare.json")
    }

    /// Writes a comparison into the folder.
    ///
    /// # Errors
    /// When it could not be written.
    pub(crate) fn write_comparison(&self, comparison: &Comparison) -> Result<()> {
        write(&self.comparison(), |sink| compare::json(comparison, sink))
    }

    /// Writes the times of a case beside its history.
    ///
    /// # Errors
    /// When they could not be written.
    pub(crate) fn write_times(journal: &Path, intervals: &[Interval]) -> Result<()> {
        let intervals = || {
            intervals.iter().map(|Interval { workload, act, second, times }| hdr::Interval {
                workload,
                act,
                second: *second,
                times,
            })
        };
        write(&journal.with_extension("hlog"), |sink| hdr::write(intervals(), sink))
    }

    /// Writes the reports into the folder and into the files that were asked for.
    ///
    /// # Errors
    /// Which file could not be written.
    pub(crate) fn write(&self, report: &RunReport, output: &Output) -> Result<()> {
        write(&self.report(), |sink| json::write(report, sink))?;
        write(&self.path.join("report.md"), |sink| markdown::write(report, sink))?;
        if let Some(path) = &output.junit {
            write(path, |sink| junit::write(report, sink))?;
        }
        if let Some(path) = &output.markdown {
            // Appended: a CI step's summary may hold other tools' words already.
            let file = OpenOptions::new().append(true).create(true).open(path);
            fill(file, path, |sink| markdown::write(report, sink))?;
        }
        Ok(())
    }
}

/// Writes the plan of a case beside its history.
///
/// # Errors
/// When it could not be written.
pub(crate) fn write_plan(journal: &Path, plan: &[u8]) -> Result<()> {
    write(&journal.with_extension("plan.json"), |sink| sink.write_all(plan))
}

fn write(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)
            .with_context(|| format!("could not create the folder `{}`", folder.display()))?;
    }
    fill(File::create(path), path, content)
}

fn fill(
    file: io::Result<File>,
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let filled = file.and_then(|file| {
        let mut sink = BufWriter::new(file);
        content(&mut sink)?;
        sink.flush()
    });
    filled.with_context(|| format!("could not write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_second_have_folders_of_their_own() {
        let out = tempfile::tempdir().unwrap();
        let runs: Vec<_> = (0..3).map(|_| Folder::make(out.path()).unwrap().run).collect();
        assert!(runs[0] != runs[1] && runs[1] != runs[2] && runs[0] != runs[2], "{runs:?}");
    }

    #[test]
    fn a_run_that_never_began_leaves_no_folder_but_those_of_others() {
        let base = tempfile::tempdir().unwrap();
        let out = base.path().join("target/bulkhead");
        let (first, second) = (Folder::make(&out).unwrap(), Folder::make(&out).unwrap());
        first.remove_if_empty();
        assert!(!first.path.exists() && second.path.exists(), "another run's stays");
        second.remove_if_empty();
        assert!(out.exists(), "the second run did not make it");
        fs::remove_dir_all(base.path().join("target")).unwrap();
        Folder::make(&out).unwrap().remove_if_empty();
        assert!(base.path().exists() && !base.path().join("target").exists());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let out = tempfile::tempdir().unwrap();
        let file = out.path().join("taken");
        fs::write(&file, "").unwrap();
        let error = Folder::make(&file.join("deeper")).unwrap_err();
        assert!(error.to_string().contains("taken/deeper"), "{error:#}");
    }
}
