//! An append-only file of JSON lines: what was acknowledged is in it, whole, before the answer goes out.
//!
//! It outlives a killed process, because written bytes belong to the kernel, but not a machine that loses power: these
//! servers are thrown away, so nothing waits for the disk.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    marker::PhantomData,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};

/// A journal of `T`, open for appending.
#[derive(Debug)]
pub(crate) struct Journal<T> {
    file: File,
    length: u64,
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
        let mut length = 0_u64;
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
        }
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        Ok(Self { file, length, broken: false, records: PhantomData })
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
        Ok(())
    }
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
    fn a_whole_line_that_is_no_record_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        std::fs::File::create(&path).unwrap().write_all(b"[1]\nnonsense\n[2]\n").unwrap();
        let error = Journal::<Vec<u32>>::open(&path, |_| {}).unwrap_err();
        assert!(error.to_string().contains("at byte 4"), "{error}");
    }
}
