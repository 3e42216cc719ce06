//! Files and folders that nobody else may read.

use std::{
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use crate::Error;

/// Writes a file, replacing what was there; one that is made gets this mode.
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(Error::disk("write", path))
}

/// Makes a folder, and those above it; one that is there stays as it is.
pub(crate) fn folder(path: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path).map_err(Error::disk("create", path))
}
