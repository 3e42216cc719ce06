//! Files that nobody else may read.

use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use crate::Error;

/// Writes a file, replacing what was there; one that is made gets this mode.
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(Error::disk("write", path))
}
