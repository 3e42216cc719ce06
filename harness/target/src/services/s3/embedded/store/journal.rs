//! An append-only file of JSON lines: what was acknowledged is in it, whole, before the answer goes out.
//!
//! It outlives a killed process, because written bytes belong to the kernel, but not a machine that loses power: these
//! servers are thrown away, so nothing waits for the disk.
//!
//! What was undone again is history that nobody asks for: once the file is mostly that, it is written anew beside the old
//! one, with what lives, and takes its name in one step. A process killed at any moment leaves one whole file or the
//! other under the name.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write},
    marker::PhantomData,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

/// How many times as many lines as there are live records a journal may have.
const FACTOR: usize = 4;

/// A journal with fewer lines is not worth writing anew.
const LEAST: usize = 256;

/// A journal of `T`, open for appending.
#[derive(Debug)]
pub(crate) struct Journal<T> {
    path: PathBuf,
    file: File,
    length: u64,
    lines: usize,
    /// With how many lines it is to be seen whether most of them are history.
    due: usize,
    broken: bool,
    records: PhantomData<fn(T)>,
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// Opens it, readable by us alone, and hands every record to `replay`, oldest first.
    ///
    /// A last line without its end was never acknowledged: it is cut off.
    ///
    /// # Errors
    /// When the file cannot be read or written, or a whole line is not a record.
    pub(crate) fn open(path: &Path, mut replay: impl FnMut(T)) -> io::Result<Self> {
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        // An earlier process was killed while it wrote it.
        match fs::remove_file(beside(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let (mut length, mut lines) = (0_u64, 0);
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                break;
            }
            let broken = |source| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("`{}` at byte {length}: {source}", path.display()),
                )
            };
            replay(serde_json::from_slice(&line).map_err(broken)?);
            length = length.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            lines += 1;
        }
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        let path = path.to_path_buf();
        Ok(Self { path, file, length, lines, due: LEAST, broken: false, records: PhantomData })
    }

    /// Appends a record. After an error the journal is as it was before.
    ///
    /// # Errors
    /// When the disk is full, say; and for good once even the half-written line could not be taken back.
    pub(crate) fn append(&mut self, record: &T) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("the journal ends in half a line that could not be taken back"));
        }
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let written = self.file.write_all(&line);
        if let Err(error) = written {
            let undone =
                self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            self.broken = undone.is_err();
            return Err(error);
        }
        self.length = self.length.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        self.lines += 1;
        Ok(())
    }

    /// Whether it is time for [`Journal::compact`].
    pub(crate) fn is_due(&self) -> bool {
        self.lines >= self.due
    }

    /// Writes the file anew when most of it is history; `live` records add up to the same. A failure leaves the journal
    /// as it was, to be tried again when it has doubled.
    pub(crate) fn compact(&mut self, count: usize, live: impl Iterator<Item = T>) {
        let worth = count.saturating_mul(FACTOR).max(LEAST);
        if self.lines < worth {
            self.due = worth;
            return;
        }
        match write(&beside(&self.path), live).and_then(|fresh| {
            fs::rename(beside(&self.path), &self.path)?;
            Ok(fresh)
        }) {
            Ok((file, length)) => {
                (self.file, self.length, self.lines, self.due) = (file, length, count, worth);
                self.broken = false;
            }
            Err(error) => {
                tracing::warn!("`{}` was not written anew: {error}", self.path.display());
                // The next try truncates what cannot be removed now.
                let _left = fs::remove_file(beside(&self.path));
                self.due = self.lines.saturating_mul(2);
            }
        }
    }
}

/// Where a journal is written anew.
fn beside(path: &Path) -> PathBuf {
    path.with_extension("journal.new")
}

/// Writes these records into a file, and gives it open at its end, with its length.
fn write<T: Serialize>(path: &Path, records: impl Iterator<Item = T>) -> io::Result<(File, u64)> {
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut file = BufWriter::new(file);
    for record in records {
        serde_json::to_writer(&mut file, &record)?;
        file.write_all(b"\n")?;
    }
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    let length = file.stream_position()?;
    Ok((file, length))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::Journal;

    fn read(path: &std::path::Path) -> Vec<Vec<u32>> {
        let mut found = Vec::new();
        Journal::<Vec<u32>>::open(path, |record| found.push(record)).unwrap();
        found
    }

    #[test]
    fn a_torn_last_line_is_discarded_and_does_not_stain_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, |_: Vec<u32>| panic!("it is new")).unwrap();
        journal.append(&vec![1]).unwrap();
        journal.append(&vec![2, 3]).unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        // Cut anywhere inside the last line: the first record always stays, the second never half.
        for cut in 4..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(read(&path), vec![vec![1]], "cut at {cut}");
            let mut journal = Journal::open(&path, |_: Vec<u32>| {}).unwrap();
            journal.append(&vec![4]).unwrap();
            assert_eq!(read(&path), vec![vec![1], vec![4]], "cut at {cut}");
        }
    }

    #[test]
    fn a_journal_of_history_is_written_anew_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.journal");
        let mut journal = Journal::open(&path, |_: Vec<u32>| {}).unwrap();
        let mut sizes = Vec::new();
        for number in 0..2000 {
            journal.append(&vec![number]).unwrap();
            if journal.is_due() {
                // Only the last ten are still of interest.
                journal.compact(10, (number - 9..=number).map(|live| vec![live]));
            }
            sizes.push(std::fs::metadata(&path).unwrap().len());
        }
        let shrinkings = sizes.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert_eq!(shrinkings, 2000 / 250, "each after some 246 more lines");
        let found = read(&path);
        assert!(found.len() < 256 && found.ends_with(&[vec![1998], vec![1999]]), "{}", found.len());
        assert!(!folder.path().join("x.journal.new").exists());
    }

    #[test]
    fn a_journal_of_what_lives_is_left_alone_and_so_is_one_that_cannot_be_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.journal");
        let mut journal = Journal::open(&path, |_: Vec<u32>| {}).unwrap();
        let append = |journal: &mut Journal<Vec<u32>>, lines: u32| {
            (0..lines).for_each(|number| journal.append(&vec![number]).unwrap());
        };
        append(&mut journal, 300);
        journal.compact(300, std::iter::from_fn(|| panic!("nothing is history")));
        assert!(!journal.is_due());
        append(&mut journal, 900);
        assert!(journal.is_due());
        // Its place is taken.
        std::fs::create_dir(folder.path().join("x.journal.new")).unwrap();
        journal.compact(1, std::iter::once(vec![7]));
        assert!(!journal.is_due());
        append(&mut journal, 1);
        std::fs::remove_dir(folder.path().join("x.journal.new")).unwrap();
        assert_eq!(read(&path).len(), 1201);
    }

    #[test]
    fn a_whole_line_that_is_no_record_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        std::fs::File::create(&path).unwrap().write_all(b"[1]\nnonsense\n[2]\n").unwrap();
        let error = Journal::<Vec<u32>>::open(&path, |_| {}).unwrap_err();
        assert!(error.to_string().contains("at byte 4"), "{error}");
    }
}
