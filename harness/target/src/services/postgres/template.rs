//! A ready-made data folder for each version of the server, kept in the user's cache and copied for each run.
//!
//! `initdb` takes half a second and always gives the same; a copy takes a tenth. An entry is a folder that appears
//! whole or not at all, under a lock, with a manifest of every file's size and time. A file that differs from the
//! manifest makes the entry damaged: it is made again. A cache that cannot be trusted or written is not used, and an
//! entry that nothing has used for a month goes.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use bulkhead_model::Service;
use sha2::{Digest, Sha256};

use super::{Installation, account::Account, initdb, prune};
use crate::{Error, services::Place, spec::CACHE};

/// What the names of entries and of all that belongs to them start with.
pub(super) const PREFIX: &str = "postgres-";

/// What the name of an entry's lock file ends with. Its time is that of the entry's last use.
pub(super) const LOCK: &str = ".lock";

/// Changes whenever entries made by an older Bulkhead must not be used.
const FORMAT: &str = "1";

/// The manifest's name inside an entry, beside the folder `data`.
const MANIFEST: &str = "manifest";

/// Pause between two looks at a lock that another process holds.
const POLL: Duration = Duration::from_millis(20);

/// Makes `data`, from the cache when it can.
///
/// # Errors
/// When neither copying nor `initdb` gives a data folder. A cache that fails is never an error.
pub(super) async fn data_folder(
    installation: &Installation,
    account: &Account,
    place: &Place,
    data: &Path,
) -> Result<(), Error> {
    let Some(cache) = Cache::open(installation, &installation.version().await?) else {
        return initdb::run(installation, account, place, data).await;
    };
    let made = cache.make(installation, account, place, data).await;
    // Nobody waits for it; one that is broken off is done at a later start.
    tokio::task::spawn_blocking(move || prune::prune(&cache.folder, &cache.key));
    made
}

/// Whether this open file is the one at that path: a lock in one that was removed says nothing.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let same = |there: fs::Metadata| file.metadata().is_ok_and(|own| own.ino() == there.ino());
    path.symlink_metadata().is_ok_and(same)
}

/// A hold on an entry.
enum Hold {
    /// Ours, with others or alone.
    Ours(File),
    /// Another process makes or removes the entry.
    Busy,
    /// There is no locking in this cache.
    None,
}

#[derive(Clone, Debug)]
struct Cache {
    folder: PathBuf,
    key: String,
}

impl Cache {
    /// The cache, when there is one that only we can write to.
    fn open(installation: &Installation, version: &str) -> Option<Self> {
        let folder = folder();
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        let trusted = made.and_then(|()| fs::symlink_metadata(&folder)).is_ok_and(|meta| {
            let ours = meta.uid() == nix::unistd::Uid::effective().as_raw();
            meta.is_dir() && ours && meta.mode() & 0o022 == 0
        });
        if !trusted {
            tracing::warn!("`{}` is not a folder of ours alone: not used as cache", folder.display());
            return None;
        }
        Some(Self { folder, key: key(installation, version)? })
    }

    fn entry(&self) -> PathBuf {
        self.named("")
    }

    /// What belongs to the entry and ends so.
    fn named(&self, end: &str) -> PathBuf {
        self.folder.join(format!("{PREFIX}{}{end}", self.key))
    }

    /// Copies the entry to `data`, or makes both.
    async fn make(
        &self,
        installation: &Installation,
        account: &Account,
        place: &Place,
        data: &Path,
    ) -> Result<(), Error> {
        // Held as long as the copying takes, so that nobody removes the entry meanwhile.
        let hold = self.try_hold(File::try_lock_shared);
        if !matches!(hold, Hold::Busy) && self.copy(account, data).await? {
            touch(&hold);
            return Ok(());
        }
        drop(hold);
        // Whoever holds the lock may be making the very entry that we want, so look again once it is ours.
        let hold = self.hold(place.deadline).await?;
        let ours = matches!(hold, Hold::Ours(_));
        if !(ours && self.copy(account, data).await?) {
            initdb::run(installation, account, place, data).await?;
            if ours {
                self.store(data).await;
            }
        }
        touch(&hold);
        Ok(())
    }

    /// Copies the entry; `false` when there is none or it is damaged, and then nothing is left at `data`.
    async fn copy(&self, account: &Account, data: &Path) -> Result<bool, Error> {
        let (entry, account, data) = (self.entry(), account.clone(), data.to_path_buf());
        let copied = tokio::task::spawn_blocking(move || {
            let copied = copy(&entry, &account, &data);
            if let Err(why) = &copied
                && data.exists()
            {
                tracing::warn!("the template `{}` is damaged and will be made again: {why}", entry.display());
                fs::remove_dir_all(&data).map_err(Error::disk("remove", &data))?;
            }
            Ok(copied.is_ok())
        });
        copied.await.map_err(Error::serve(Service::Postgres, "copy the template"))?
    }

    fn try_hold(&self, lock: impl FnOnce(&File) -> Result<(), fs::TryLockError>) -> Hold {
        let path = self.named(LOCK);
        let Ok(file) = File::options().write(true).create(true).truncate(false).open(&path) else {
            return Hold::None;
        };
        match lock(&file) {
            Ok(()) if is_at(&file, &path) => Hold::Ours(file),
            Ok(()) | Err(fs::TryLockError::WouldBlock) => Hold::Busy,
            Err(fs::TryLockError::Error(_)) => Hold::None,
        }
    }

    /// Waits for the right to write.
    async fn hold(&self, deadline: Duration) -> Result<Hold, Error> {
        let begun = Instant::now();
        loop {
            match self.try_hold(File::try_lock) {
                Hold::Busy if begun.elapsed() < deadline => tokio::time::sleep(POLL).await,
                Hold::Busy => {
                    let path = self.named(LOCK);
                    let doing =
                        format!("wait for the template that another process makes (`{}`)", path.display());
                    return Err(Error::serve(Service::Postgres, doing)("it took too long"));
                }
                hold => return Ok(hold),
            }
        }
    }

    /// Makes the entry from a fresh data folder. Only with the lock held.
    async fn store(&self, data: &Path) {
        let (cache, data) = (self.clone(), data.to_path_buf());
        let stored = tokio::task::spawn_blocking(move || store(&cache, &data)).await;
        if let Ok(Err(why)) | Err(why) = stored.map_err(std::io::Error::other) {
            tracing::warn!("the template was not kept in `{}`: {why}", self.folder.display());
        }
    }
}

/// Notes that the entry is used now.
fn touch(hold: &Hold) {
    if let Hold::Ours(file) = hold {
        // Without it the entry is made again in a month.
        let _untouched = file.set_modified(SystemTime::now());
    }
}

/// `$BULKHEAD_CACHE`, `$XDG_CACHE_HOME/bulkhead`, `~/.cache/bulkhead`, or a folder of ours among the temporary ones.
fn folder() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable(CACHE.name)
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("bulkhead")))
        .or_else(|| variable("HOME").filter(|home| home.is_dir()).map(|home| home.join(".cache/bulkhead")))
        .unwrap_or_else(|| {
            std::env::temp_dir().join(format!("bulkhead-cache-{}", nix::unistd::Uid::effective()))
        })
}

/// What the entry depends on: the server's version, its programs' path, size and time, and how `initdb` is called.
fn key(installation: &Installation, version: &str) -> Option<String> {
    let mut hash = Sha256::new();
    hash.update(format!("{FORMAT}\n{version}\n{}\n", initdb::OPTIONS.join(" ")));
    for program in [&installation.postgres, &installation.initdb] {
        let meta = program.metadata().ok()?;
        let mark = format!("{} {} {}.{}\n", program.display(), meta.len(), meta.mtime(), meta.mtime_nsec());
        hash.update(mark);
    }
    Some(hex::encode(&hash.finalize()[..8]))
}

/// Copies what the manifest lists. Any difference is an error.
fn copy(entry: &Path, account: &Account, data: &Path) -> std::io::Result<()> {
    let manifest = fs::read_to_string(entry.join(MANIFEST))?;
    let mut lines: Vec<&str> = manifest.lines().collect();
    let complete = lines.pop() == Some(format!("end {}", lines.len()).as_str());
    if !complete {
        fs::DirBuilder::new().mode(0o700).create(data)?;
        return Err(std::io::Error::other("the manifest is incomplete"));
    }
    let source = entry.join("data");
    for line in lines {
        let (mark, name) =
            line.split_once(' ').ok_or_else(|| std::io::Error::other("a line without a name"))?;
        let (from, to) = (source.join(name), data.join(name));
        if mark == "folder" {
            fs::DirBuilder::new().mode(0o700).create(&to)?;
        } else {
            if self::mark(&from.symlink_metadata()?) != mark {
                return Err(std::io::Error::other(format!("`{name}` was changed")));
            }
            fs::copy(&from, &to)?;
        }
        if let Some((user, group)) = account.switch() {
            std::os::unix::fs::lchown(&to, Some(user), Some(group))?;
        }
    }
    Ok(())
}

/// What tells a file from a changed one without reading it.
fn mark(meta: &fs::Metadata) -> String {
    format!("{}:{}.{}", meta.len(), meta.mtime(), meta.mtime_nsec())
}

fn store(cache: &Cache, data: &Path) -> std::io::Result<()> {
    let stored = fill(cache, data);
    if stored.is_err() {
        // Whatever there is of it is cleared the next time at the latest.
        let _gone = fs::remove_dir_all(cache.named(".new"));
    }
    stored
}

fn fill(cache: &Cache, data: &Path) -> std::io::Result<()> {
    // Under the lock nobody else makes this entry, so whatever is half made was left by the killed.
    let (fresh, old) = (cache.named(".new"), cache.named(".old"));
    for left in [&fresh, &old] {
        if left.exists() {
            fs::remove_dir_all(left)?;
        }
    }
    fs::DirBuilder::new().mode(0o700).create(&fresh)?;
    let mut manifest = String::new();
    let mut folders = vec![String::new()];
    let mut count = 0_usize;
    while let Some(folder) = folders.pop() {
        fs::DirBuilder::new().mode(0o700).create(fresh.join("data").join(&folder))?;
        manifest.push_str(&format!("folder {folder}\n"));
        count += 1;
        for item in fs::read_dir(data.join(&folder))? {
            let item = item?;
            let name =
                item.file_name().into_string().map_err(|_| std::io::Error::other("a name is not UTF-8"))?;
            let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if item.file_type()?.is_dir() {
                folders.push(name);
                continue;
            }
            let to = fresh.join("data").join(&name);
            fs::copy(item.path(), &to)?;
            manifest.push_str(&format!("{} {name}\n", mark(&to.symlink_metadata()?)));
            count += 1;
        }
    }
    manifest.push_str(&format!("end {count}\n"));
    File::create(fresh.join(MANIFEST))?.write_all(manifest.as_bytes())?;
    if cache.entry().exists() {
        fs::rename(cache.entry(), &old)?;
    }
    fs::rename(&fresh, cache.entry())?;
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        path::Path,
    };

    use super::{Account, Cache, copy, store};

    /// A cache with one entry, made from a small folder.
    fn cached(root: &Path) -> Cache {
        let data = root.join("made");
        fs::create_dir_all(data.join("base/1")).unwrap();
        fs::write(data.join("PG_VERSION"), "15\n").unwrap();
        fs::write(data.join("base/1/1259"), vec![7; 8192]).unwrap();
        let cache = Cache { folder: root.to_path_buf(), key: "k".into() };
        store(&cache, &data).unwrap();
        cache
    }

    #[test]
    fn a_copy_is_whole() {
        let root = tempfile::tempdir().unwrap();
        let cache = cached(root.path());
        let to = root.path().join("data");
        copy(&cache.entry(), &Account::choose().unwrap(), &to).unwrap();
        assert_eq!(fs::read(to.join("base/1/1259")).unwrap(), vec![7; 8192]);
        assert_eq!(fs::read(to.join("PG_VERSION")).unwrap(), b"15\n");
    }

    #[test]
    fn every_kind_of_damage_is_noticed() {
        let cut_manifest = |entry: &Path| {
            let whole = fs::read_to_string(entry.join("manifest")).unwrap();
            fs::write(entry.join("manifest"), &whole[..whole.len() / 2]).unwrap();
        };
        let file = |entry: &Path| entry.join("data/base/1/1259");
        let cut = |entry: &Path| File::options().write(true).open(file(entry)).unwrap().set_len(9).unwrap();
        let changed = |entry: &Path| fs::write(file(entry), vec![8; 8192]).unwrap();
        let gone = |entry: &Path| fs::remove_file(file(entry)).unwrap();
        let no_manifest = |entry: &Path| fs::remove_file(entry.join("manifest")).unwrap();
        let damages: [&dyn Fn(&Path); 5] = [&cut_manifest, &cut, &changed, &gone, &no_manifest];
        for (number, damage) in damages.iter().enumerate() {
            let root = tempfile::tempdir().unwrap();
            let cache = cached(root.path());
            damage(&cache.entry());
            let copied = copy(&cache.entry(), &Account::choose().unwrap(), &root.path().join("data"));
            copied.expect_err(&format!("damage {number} was not noticed"));
        }
    }
}
