//! Files of bytes: written beside, moved into place whole, removed when the last version that uses them is gone.
//!
//! A file's name is the SHA-256 of bucket, key and version, so a key never meets the file system. Copies share files.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use bytes::Bytes;
use futures::Stream;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use super::{
    record::Piece,
    sums::{Algorithm, Summer, Sums},
};

/// How many bytes are gathered before they go to the file, and the most that one read takes from it.
const CHUNK: usize = 256 * 1024;

/// The folder of files.
#[derive(Clone, Debug)]
pub(crate) struct Blobs(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    whole: PathBuf,
    parts: PathBuf,
    live: Mutex<HashMap<String, Weak<Blob>>>,
}

/// A file in use. Its last owner's end removes it from the disk.
#[derive(Debug)]
pub(crate) struct Blob {
    folder: Arc<Folder>,
    piece: Piece,
}

/// A file that is being written.
pub(crate) struct Sink {
    folder: Arc<Folder>,
    name: String,
    half: Half,
    file: Option<tokio::fs::File>,
    buffer: Vec<u8>,
    size: u64,
    summer: Summer,
}

/// The half-written file, removed unless it was moved away.
struct Half(PathBuf);

/// A finished file with what was learnt as it went by.
pub(crate) struct Written {
    pub blob: Arc<Blob>,
    pub md5: [u8; 16],
    pub sums: Sums,
}

impl Blobs {
    /// Opens the folder below `dir` and removes what an earlier process left half-written.
    ///
    /// # Errors
    /// When the folders cannot be made or emptied.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let (whole, parts) = (dir.join("objects"), dir.join("incoming"));
        if parts.exists() {
            fs::remove_dir_all(&parts)?;
        }
        fs::create_dir_all(&whole)?;
        fs::create_dir_all(&parts)?;
        Ok(Self(Arc::new(Folder { whole, parts, live: Mutex::default() })))
    }

    /// Removes every file that nobody holds: those moved into place just before the process was killed.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.0.whole)? {
            let entry = entry?;
            if !self.0.live().contains_key(&*entry.file_name().to_string_lossy()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// The file of a piece, which somebody else may hold already.
    pub(crate) fn hold(&self, piece: &Piece) -> Arc<Blob> {
        let mut live = self.0.live();
        if let Some(blob) = live.get(&piece.blob).and_then(Weak::upgrade) {
            return blob;
        }
        let blob = Arc::new(Blob { folder: Arc::clone(&self.0), piece: piece.clone() });
        live.insert(piece.blob.clone(), Arc::downgrade(&blob));
        blob
    }

    /// A new file, named after what it will hold.
    pub(crate) fn sink(&self, bucket: &str, key: &str, version: &str, chosen: Option<Algorithm>) -> Sink {
        let mut digest = Sha256::new();
        for part in [bucket, key, version] {
            // The length before each part keeps `a`+`bc` apart from `ab`+`c`.
            digest.update(part.len().to_le_bytes());
            digest.update(part.as_bytes());
        }
        let name = hex::encode(digest.finalize());
        let half = Half(self.0.parts.join(&name));
        let summer = Summer::new(chosen);
        Sink { folder: Arc::clone(&self.0), name, half, file: None, buffer: Vec::new(), size: 0, summer }
    }
}

impl Folder {
    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<String, Weak<Blob>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blob {
    /// The name and length by which the journal knows it.
    pub(crate) fn piece(&self) -> &Piece {
        &self.piece
    }

    fn path(&self) -> PathBuf {
        self.folder.whole.join(&self.piece.blob)
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        let mut live = self.folder.live();
        // Somebody may have taken it up again between the last owner's end and this line.
        if live.get(&self.piece.blob).is_some_and(|blob| blob.strong_count() == 0) {
            live.remove(&self.piece.blob);
            // Already gone is what replaying an old journal finds; anything else the next start's sweep mends.
            let _gone = fs::remove_file(self.path());
        }
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}

impl Sink {
    /// Takes more bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.summer.update(bytes);
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush().await?;
        }
        Ok(())
    }

    /// How many bytes were taken.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Moves the file into place, whole.
    ///
    /// # Errors
    /// When the file cannot be written or moved.
    pub(crate) async fn finish(mut self) -> io::Result<Written> {
        let to = self.folder.whole.join(&self.name);
        if self.file.is_some() {
            self.flush().await?;
            if let Some(mut file) = self.file.take() {
                file.flush().await?;
            }
            tokio::fs::rename(&self.half.0, &to).await?;
        } else {
            let (from, bytes, to) = (self.half.0.clone(), std::mem::take(&mut self.buffer), to);
            let write = move || fs::write(&from, bytes).and_then(|()| fs::rename(&from, to));
            tokio::task::spawn_blocking(write).await.map_err(io::Error::other)??;
        }
        let (md5, sums) = self.summer.finish();
        let piece = Piece { blob: self.name, size: self.size };
        Ok(Written { blob: Blobs(self.folder).hold(&piece), md5, sums })
    }

    async fn flush(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tokio::fs::File::create(&self.half.0).await?),
        };
        file.write_all(&self.buffer).await?;
        self.buffer.clear();
        Ok(())
    }
}

/// The bytes from `start` up to `end` of these files laid end to end. The files stay until the stream is dropped.
pub(crate) fn read(
    blobs: Vec<Arc<Blob>>,
    start: u64,
    end: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync {
    let reader =
        Reader { blobs: blobs.into_iter(), open: None, skip: start, left: end.saturating_sub(start) };
    futures::stream::try_unfold(reader, |mut reader| async move {
        Ok(reader.next().await?.map(|bytes| (bytes, reader)))
    })
}

struct Reader {
    blobs: std::vec::IntoIter<Arc<Blob>>,
    open: Option<(tokio::fs::File, Arc<Blob>)>,
    skip: u64,
    left: u64,
}

impl Reader {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while self.left > 0 {
            if let Some((file, _)) = &mut self.open {
                let mut bytes = Vec::with_capacity(CHUNK.min(usize::try_from(self.left).unwrap_or(CHUNK)));
                let room = u64::try_from(bytes.capacity()).unwrap_or(u64::MAX).min(self.left);
                let read = file.take(room).read_buf(&mut bytes).await?;
                if read > 0 {
                    self.left = self.left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
                    return Ok(Some(bytes.into()));
                }
                self.open = None;
            }
            let Some(blob) = self.blobs.next() else {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "an object's file is shorter than it was",
                ));
            };
            if self.skip >= blob.piece.size {
                self.skip -= blob.piece.size;
                continue;
            }
            let mut file = tokio::fs::File::open(blob.path()).await?;
            file.seek(io::SeekFrom::Start(std::mem::take(&mut self.skip))).await?;
            self.open = Some((file, blob));
        }
        Ok(None)
    }
}
