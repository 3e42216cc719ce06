//! The cache of PostgreSQL's data folders: many makers at once, damage, remains of the killed, a folder of others'.
//!
//! The cache is named by an environment variable, so each start is a process of its own: this binary again.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime},
};

use bulkhead_model::{Enforcement, Service};
use bulkhead_target::clients;

use crate::support::{alone, direct, ensure_now, tenant};

/// Not a test: starts a server with the cache that the environment names, uses it and stops it.
#[tokio::test]
#[ignore = "a helper process of the tests in this module"]
async fn boot() {
    let mut server = direct(Service::Postgres).await;
    let tenant = tenant("engine", "c");
    let made = server.running.provision(std::slice::from_ref(&tenant), Enforcement::Enforced).await.unwrap();
    let access = alone(&tenant, made.into_iter().next().unwrap(), &server.place.ca);
    clients::postgres::connect(&access).await.unwrap();
    server.running.stop().await;
}

fn start(cache: &Path) -> Child {
    ensure_now();
    Command::new(std::env::current_exe().unwrap())
        .args(["template::boot", "--exact", "--ignored"])
        .env("BULKHEAD_CACHE", cache)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn finish(child: Child) {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// The names in a folder, sorted, lock files left out.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".lock"))
        .collect();
    names.sort();
    names
}

/// The one entry.
fn entry(cache: &Path) -> PathBuf {
    let names = names(cache);
    assert_eq!(names.len(), 1, "{names:?}");
    cache.join(&names[0])
}

#[test]
fn makers_at_once_leave_one_entry_that_later_starts_use() {
    let cache = tempfile::tempdir().unwrap();
    let makers: Vec<_> = (0..4).map(|_| start(cache.path())).collect();
    makers.into_iter().for_each(finish);
    let manifest = entry(cache.path()).join("manifest");
    let made = manifest.metadata().unwrap().modified().unwrap();
    finish(start(cache.path()));
    assert_eq!(manifest.metadata().unwrap().modified().unwrap(), made, "the entry was made again");
}

#[test]
fn a_damaged_entry_is_made_again() {
    let cache = tempfile::tempdir().unwrap();
    finish(start(cache.path()));
    let control = entry(cache.path()).join("data/global/pg_control");
    fs::File::options().write(true).open(&control).unwrap().set_len(100).unwrap();
    finish(start(cache.path()));
    assert_eq!(control.metadata().unwrap().len(), 8192);
    assert_eq!(names(cache.path()).len(), 1);
}

#[test]
fn what_a_killed_maker_left_is_cleared() {
    let cache = tempfile::tempdir().unwrap();
    finish(start(cache.path()));
    let entry = entry(cache.path());
    let (fresh, old) = (entry.with_extension("new"), entry.with_extension("old"));
    fs::rename(&entry, &old).unwrap();
    fs::create_dir_all(fresh.join("data/base")).unwrap();
    finish(start(cache.path()));
    assert_eq!(names(cache.path()), [entry.file_name().unwrap().to_str().unwrap()]);
}

#[test]
fn an_old_template_goes_unless_somebody_uses_it() {
    let cache = tempfile::tempdir().unwrap();
    finish(start(cache.path()));
    let own = entry(cache.path()).file_name().unwrap().to_str().unwrap().to_owned();
    let long_ago = SystemTime::now() - Duration::from_secs(40 * 24 * 60 * 60);
    let lock = |name: &str| cache.path().join(format!("{name}.lock"));
    for name in ["postgres-0000000000000000", "postgres-1111111111111111"] {
        fs::create_dir_all(cache.path().join(name).join("data/base")).unwrap();
        fs::write(lock(name), "").unwrap();
    }
    let locks = ["postgres-0000000000000000", "postgres-1111111111111111", own.as_str()]
        .map(|name| fs::File::options().write(true).open(lock(name)).unwrap());
    locks.iter().for_each(|lock| lock.set_modified(long_ago).unwrap());
    locks[1].lock_shared().unwrap();
    finish(start(cache.path()));
    assert_eq!(names(cache.path()), sorted(["postgres-1111111111111111", &own]));
    assert!(!lock("postgres-0000000000000000").exists());
    let touched = lock(&own).metadata().unwrap().modified().unwrap();
    assert!(touched > long_ago, "its use was noted");
}

fn sorted(mut names: [&str; 2]) -> [&str; 2] {
    names.sort_unstable();
    names
}

#[test]
fn a_cache_that_others_can_write_to_is_left_alone() {
    let cache = tempfile::tempdir().unwrap();
    fs::set_permissions(cache.path(), fs::Permissions::from_mode(0o777)).unwrap();
    finish(start(cache.path()));
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
}
