//! Finds and ends what a run left: processes by mark or folder, PostgreSQL's shared memory, the folder itself.
//!
//! A process belongs to a run when its environment carries the run's mark, or when its working folder is inside the
//! run's folder: PostgreSQL overwrites its environment, and epmd leaves its folder. One with a terminal is a person's
//! shell that happens to be there and is left alone.

use std::{
    collections::HashSet,
    fs, io,
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    process::{Pid, PidfdFlags, Signal},
};

use crate::{
    deadlines::{STRAYS_END, STRAYS_GONE},
    process::RUN_VARIABLE,
};

/// Ends every process of the run and removes its folder.
///
/// # Errors
/// What would not end, or what could not be removed.
pub(super) fn clear(run: &str, dir: &Path) -> io::Result<()> {
    crate::backends::docker::clear(run, dir).map_err(|error| io::Error::other(error.chain()))?;
    let end = Instant::now() + STRAYS_GONE;
    wait_all(&hold_all(run, dir)?, STRAYS_END)?;
    loop {
        let strays = hold_all(run, dir)?;
        if strays.is_empty() {
            break;
        }
        for stray in &strays {
            // It fails only for one that has ended meanwhile.
            let _ended = rustix::process::pidfd_send_signal(stray, Signal::KILL);
        }
        wait_all(&strays, end.saturating_duration_since(Instant::now()))?;
        if Instant::now() >= end {
            return Err(io::Error::other(format!("{} processes of run {run} would not end", strays.len())));
        }
    }
    free_shared_memory(dir);
    // A sweep and a janitor may clear the same folder at once, and each finds entries that the other has just removed.
    loop {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !dir.exists() => return Ok(()),
            Err(_) if Instant::now() < end => {}
            other => return other,
        }
    }
}

/// A handle on every process of the run.
fn hold_all(run: &str, dir: &Path) -> io::Result<Vec<OwnedFd>> {
    let mut handles = Vec::new();
    for pid in processes()? {
        if !belongs(pid, run, dir) {
            continue;
        }
        let Some(number) = Pid::from_raw(pid) else { continue };
        // Asked again once held: between the two looks the number may have passed to another process.
        if let Ok(handle) = rustix::process::pidfd_open(number, PidfdFlags::empty())
            && belongs(pid, run, dir)
        {
            handles.push(handle);
        }
    }
    Ok(handles)
}

fn processes() -> io::Result<Vec<i32>> {
    let numbers =
        fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers.collect())
}

fn belongs(pid: i32, run: &str, dir: &Path) -> bool {
    let proc = Path::new("/proc").join(pid.to_string());
    if Ok(pid) == i32::try_from(std::process::id()) || has_terminal(&proc) {
        return false;
    }
    let mark = format!("{RUN_VARIABLE}={run}");
    let marked = || {
        let environment = fs::read(proc.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    let inside = || fs::read_link(proc.join("cwd")).is_ok_and(|folder| folder.starts_with(dir));
    marked() || inside()
}

/// The seventh field of `stat`; fields are counted after the name, which may itself hold spaces and brackets.
fn has_terminal(proc: &Path) -> bool {
    let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields.split_whitespace().nth(4).is_some_and(|terminal| terminal != "0")
}

/// Waits until all have ended or the time is over.
fn wait_all(handles: &[OwnedFd], patience: Duration) -> io::Result<()> {
    let end = Instant::now() + patience;
    let mut ended = HashSet::new();
    while ended.len() < handles.len() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let waiting: Vec<_> = (0..handles.len()).filter(|index| !ended.contains(index)).collect();
        let mut polled: Vec<_> = waiting.iter().map(|i| PollFd::new(&handles[*i], PollFlags::IN)).collect();
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match rustix::event::poll(&mut polled, Some(&left)) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        let done = waiting.iter().zip(&polled).filter(|(_, poll)| !poll.revents().is_empty());
        ended.extend(done.map(|(index, _)| *index));
    }
    Ok(())
}

/// Removes the System V segment that a PostgreSQL which was killed hard leaves behind.
///
/// The seventh line of its `postmaster.pid` holds the segment's key and id (PostgreSQL's `utils/pidfile.h`). Where the
/// file lacks it, the disk being full, the key tells: it is the data folder's inode (`port/sysv_shmem.c`).
fn free_shared_memory(dir: &Path) {
    let folders = fs::read_dir(dir).into_iter().flatten().flatten();
    let nested = folders.flat_map(|folder| {
        let inside = fs::read_dir(folder.path()).into_iter().flatten().flatten().map(|entry| entry.path());
        [folder.path()].into_iter().chain(inside)
    });
    for folder in nested {
        if !folder.join("PG_VERSION").is_file() {
            continue;
        }
        let text = fs::read_to_string(folder.join("postmaster.pid")).unwrap_or_default();
        let noted = text.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
        let keyed = fs::metadata(&folder).ok().and_then(|data| keyed(&table, data.ino(), data.uid()));
        for segment in [noted, keyed].into_iter().flatten() {
            remove_segment(segment);
        }
    }
}

/// The id of the segment with the key of a data folder, in the kernel's table (`proc(5)`): key, id, permissions, size,
/// creator, last user, attachments and owner are its first columns.
fn keyed(table: &str, inode: u64, owner: u32) -> Option<i32> {
    // A key has 32 bits, an inode more: PostgreSQL takes the lower ones.
    let key = u32::try_from(inode & u64::from(u32::MAX)).ok()?.cast_signed();
    table.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let is = |index: usize, wanted: i64| fields.get(index)?.parse::<i64>().ok().filter(|n| *n == wanted);
        is(0, key.into()).and(is(7, owner.into()))?;
        fields.get(1)?.parse().ok()
    })
}

/// Removes the segment unless a process is attached to it.
fn remove_segment(segment: i32) {
    #[expect(
        unsafe_code,
        reason = "no safe wrapper exists; the structure is plain numbers and lives through both calls"
    )]
    unsafe {
        let mut state: nix::libc::shmid_ds = std::mem::zeroed();
        if nix::libc::shmctl(segment, nix::libc::IPC_STAT, &raw mut state) == 0 && state.shm_nattch == 0 {
            nix::libc::shmctl(segment, nix::libc::IPC_RMID, std::ptr::null_mut());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// A process without a terminal, as every process of a keeper is.
    fn sleeper(configure: impl FnOnce(&mut Command)) -> std::process::Child {
        let mut command = Command::new("setsid");
        command.args(["sleep", "600"]).stdin(Stdio::null()).stdout(Stdio::null());
        configure(&mut command);
        command.spawn().unwrap()
    }

    #[test]
    fn what_is_marked_or_inside_ends_and_what_is_neither_stays() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("run");
        fs::create_dir_all(dir.join("redis")).unwrap();
        let mut marked = sleeper(|command| {
            command.env(RUN_VARIABLE, "strays-1").current_dir("/");
        });
        let mut inside = sleeper(|command| {
            command.current_dir(dir.join("redis"));
        });
        let mut other = sleeper(|command| {
            command.env(RUN_VARIABLE, "strays-11").current_dir(temp.path());
        });
        // Reaped as they end, or they would count as being there.
        let reaper = std::thread::spawn(move || (marked.wait().unwrap(), inside.wait().unwrap()));
        clear("strays-1", &dir).unwrap();
        reaper.join().unwrap();
        assert!(!dir.exists());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_segment_is_found_by_its_folders_inode_and_owner() {
        let table = "       key      shmid perms       size  cpid  lpid nattch   uid   gid\n\
                     \x20     2292     491566   600         56 14311 14311      0   101   104\n\
                     \x20       -2     491567   600         56 14311 14311      0   101   104\n";
        assert_eq!(keyed(table, 2292, 101), Some(491_566));
        assert_eq!(keyed(table, 0x1_ffff_fffe, 101), Some(491_567));
        assert_eq!(keyed(table, 2292, 0), None);
        assert_eq!(keyed(table, 491_566, 101), None);
    }

    #[test]
    fn a_run_that_left_nothing_is_cleared_without_a_word() {
        clear("strays-2", Path::new("/nonexistent/run")).unwrap();
    }
}
