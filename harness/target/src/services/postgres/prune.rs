//! Takes templates away that nothing has used for long: of servers since upgraded, of formats since changed.
//!
//! The lock file of a template says by its time when it was last used; the lock in it says that somebody uses it now.
//! What cannot be removed today is tried again at the next start.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::template::{LOCK, PREFIX, is_at};

/// How long a template is kept that nothing uses.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many are removed at one start: each is a thousand files.
const MOST: usize = 2;

/// How many names of the cache are looked at in one start.
const LOOKED_AT: usize = 1000;

/// Removes templates that nothing has used for long, `own` never. It blocks.
pub(super) fn prune(cache: &Path, own: &str) {
    let names = fs::read_dir(cache).into_iter().flatten().flatten().take(LOOKED_AT);
    let keys = names.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        Some(name.strip_prefix(PREFIX)?.strip_suffix(LOCK)?.to_owned())
    });
    let mut removed = 0;
    for key in keys.filter(|key| key != own) {
        match remove_if_old(cache, &key) {
            Ok(false) => {}
            Ok(true) => removed += 1,
            Err(error) => tracing::debug!("the old template `{PREFIX}{key}` stays for now: {error}"),
        }
        if removed == MOST {
            return;
        }
    }
}

/// Removes one template, its remains and at last its lock file; `false` when it is not old or somebody uses it.
fn remove_if_old(cache: &Path, key: &str) -> io::Result<bool> {
    let named = |end: &str| cache.join(format!("{PREFIX}{key}{end}"));
    let lock = named(LOCK);
    if !is_old(&lock.symlink_metadata()?) {
        return Ok(false);
    }
    let file = fs::File::options().write(true).open(&lock)?;
    // Once it is ours, whoever used it last has noted that.
    if file.try_lock().is_err() || !is_at(&file, &lock) || !is_old(&file.metadata()?) {
        return Ok(false);
    }
    let (entry, aside) = (named(""), named(".old"));
    // In one step out of the way, so that a killed process leaves a template whole or gone.
    let folders: [PathBuf; 2] = [aside.clone(), named(".new")];
    folders.iter().try_for_each(|folder| gone(fs::remove_dir_all(folder)))?;
    gone(fs::rename(&entry, &aside))?;
    gone(fs::remove_dir_all(&aside))?;
    fs::remove_file(&lock)?;
    Ok(true)
}

/// Whether the file was last touched long ago. One from the future was not.
fn is_old(meta: &fs::Metadata) -> bool {
    let touched = u64::try_from(meta.mtime()).unwrap_or(0);
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH + Duration::from_secs(touched))
        .is_ok_and(|age| age > KEPT)
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// Plants a template that was last used so many days ago; gives its lock file, open.
    fn plant(cache: &Path, key: &str, days: u32) -> File {
        fs::create_dir_all(cache.join(format!("postgres-{key}/data/base"))).unwrap();
        let lock = File::create(cache.join(format!("postgres-{key}.lock"))).unwrap();
        lock.set_modified(SystemTime::now() - DAY * days).unwrap();
        lock
    }

    fn names(cache: &Path) -> Vec<String> {
        let names =
            fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn only_what_is_old_unused_and_not_our_own_goes() {
        let cache = tempfile::tempdir().unwrap();
        let old = plant(cache.path(), "old", 31);
        plant(cache.path(), "own", 31);
        plant(cache.path(), "recent", 29);
        let used = plant(cache.path(), "used", 31);
        used.lock_shared().unwrap();
        fs::create_dir_all(cache.path().join("postgres-old.new/data")).unwrap();
        fs::create_dir_all(cache.path().join("postgres-old.old/data")).unwrap();
        fs::write(cache.path().join("others.lock"), "").unwrap();
        prune(cache.path(), "own");
        let left = [
            "others.lock",
            "postgres-own",
            "postgres-own.lock",
            "postgres-recent",
            "postgres-recent.lock",
            "postgres-used",
            "postgres-used.lock",
        ];
        assert_eq!(names(cache.path()), left);
        assert!(!is_at(&old, &cache.path().join("postgres-old.lock")), "whoever waits for it starts over");
        drop(used);
        prune(cache.path(), "own");
        assert_eq!(names(cache.path()), left[..5]);
    }

    #[test]
    fn one_start_removes_a_few_and_later_ones_the_rest() {
        let cache = tempfile::tempdir().unwrap();
        for key in ["a", "b", "c"] {
            plant(cache.path(), key, 400);
        }
        prune(cache.path(), "own");
        assert_eq!(names(cache.path()).len(), 2);
        prune(cache.path(), "own");
        assert_eq!(names(cache.path()), [] as [String; 0]);
    }
}
