//! The run's folder and who owns it.
//!
//! A keeper holds a lock on its folder itself, which the kernel lets go when the keeper dies, however it dies. A folder
//! whose lock can be had belongs to nobody: the next keeper clears it away.

use std::{
    fs::{DirBuilder, File},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg};

use crate::Error;

/// What every run's folder starts with.
const PREFIX: &str = "bulkhead-run-";

/// A run's folder, owned as long as this lives. Removing it is the janitor's part.
pub(crate) struct RunFolder {
    /// Its path.
    pub(crate) path: PathBuf,
    _owned: Flock<File>,
}

/// A fresh run id: 12 hexadecimal digits.
pub(super) fn fresh_run() -> String {
    hex::encode(rand::random::<[u8; 6]>())
}

/// Where a run's folder is.
pub(super) fn path(temp: &Path, run: &str) -> PathBuf {
    temp.join(format!("{PREFIX}{run}"))
}

impl RunFolder {
    /// Makes the folder and owns it; none when a sweep took it for a stale one before the lock was ours, and then a
    /// fresh run is to be tried. Mode 0711: PostgreSQL, as another user, passes through and sees no names.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(super) fn make(path: PathBuf) -> Result<Option<Self>, Error> {
        DirBuilder::new().mode(0o711).create(&path).map_err(Error::disk("create", &path))?;
        let Some(owned) = own(&path) else { return Ok(None) };
        // Once more, past the umask.
        let open = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o711));
        open.map_err(Error::disk("open up", &path))?;
        Ok(Some(Self { path, _owned: owned }))
    }

    /// Makes the folder of one server.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(super) fn sub(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        DirBuilder::new().mode(0o700).create(&path).map_err(Error::disk("create", &path))?;
        Ok(path)
    }
}

/// The lock on a folder, when nobody else has it and the folder is still there.
fn own(path: &Path) -> Option<Flock<File>> {
    let folder = File::open(path).ok()?;
    let opened = folder.metadata().ok()?.ino();
    let lock = Flock::lock(folder, FlockArg::LockExclusiveNonblock).ok()?;
    (std::fs::symlink_metadata(path).ok()?.ino() == opened).then_some(lock)
}

/// Folders of this user's runs that nobody owns any more, each with its run's id and locked meanwhile.
pub(super) fn stale(temp: &Path) -> Vec<(String, RunFolder)> {
    let uid = nix::unistd::getuid().as_raw();
    let entries = std::fs::read_dir(temp).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == uid));
    let stale = ours.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let run = name.strip_prefix(PREFIX)?.to_owned();
        let owned = own(&entry.path())?;
        Some((run, RunFolder { path: entry.path(), _owned: owned }))
    });
    stale.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_stale_as_soon_as_its_owner_is_gone() {
        let temp = tempfile::tempdir().unwrap();
        let folder = RunFolder::make(path(temp.path(), "r1")).unwrap().unwrap();
        assert!(stale(temp.path()).is_empty());
        drop(folder);
        let found = stale(temp.path());
        assert_eq!(found.iter().map(|(run, _)| run.as_str()).collect::<Vec<_>>(), ["r1"]);
        assert!(stale(temp.path()).is_empty(), "one that is being swept is swept by one");
    }

    #[test]
    fn folders_pass_others_through_and_servers_keep_theirs_shut() {
        let temp = tempfile::tempdir().unwrap();
        let folder = RunFolder::make(path(temp.path(), "r2")).unwrap().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.path), 0o711);
        assert_eq!(mode(&folder.sub("redis").unwrap()), 0o700);
    }

    #[test]
    fn a_folder_in_no_place_is_an_error_that_names_it() {
        let error = RunFolder::make(PathBuf::from("/nonexistent/bulkhead-run-r3")).err().unwrap();
        assert!(error.chain().contains("/nonexistent/bulkhead-run-r3"), "{}", error.chain());
    }
}
