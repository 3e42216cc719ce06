//! Whom the server runs as: ourselves, or another user when we are root, which PostgreSQL refuses to run as.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use bulkhead_model::Service;
use nix::unistd::{Gid, Uid, User};

use crate::Error;

/// Users that may stand in for root, in order of preference.
const STAND_INS: [&str; 2] = ["postgres", "nobody"];

#[derive(Clone, Debug)]
pub(super) struct Account {
    /// The name under which the kernel will know us when we connect over the server's socket.
    pub(super) ours: String,
    /// The user that the server runs as.
    server: User,
    /// Whether that is another than ourselves.
    other: bool,
}

impl Account {
    /// Our own user, or when that is root the first of `postgres` and `nobody` that exists.
    pub(super) fn choose() -> Result<Self, Error> {
        let failed = |why: String| Error::serve(Service::Postgres, "choose the user to run as")(why);
        let uid = Uid::effective();
        let ours = User::from_uid(uid).map_err(|errno| failed(errno.to_string()))?;
        let ours =
            ours.ok_or_else(|| failed(format!("user id {uid} has no name, and PostgreSQL wants one")))?;
        if !uid.is_root() {
            return Ok(Self { ours: ours.name.clone(), server: ours, other: false });
        }
        let stand_in = STAND_INS.iter().find_map(|name| User::from_name(name).ok().flatten());
        let server = stand_in.ok_or_else(|| {
            failed(
                "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`"
                    .into(),
            )
        })?;
        Ok(Self { ours: ours.name, server, other: true })
    }

    /// User and group for the child to become, when not our own.
    pub(super) fn switch(&self) -> Option<(u32, u32)> {
        self.other.then(|| (self.server.uid.as_raw(), self.server.gid.as_raw()))
    }

    /// Makes one file or folder the server's own.
    pub(super) fn give(&self, path: &Path) -> Result<(), Error> {
        let Some((user, group)) = self.switch() else { return Ok(()) };
        std::os::unix::fs::lchown(path, Some(user), Some(group))
            .map_err(Error::disk("change the owner of", path))
    }

    /// Whether the server's user may reach this file: every folder above it must let that user pass.
    ///
    /// # Errors
    /// [`Error::Closed`] with the first folder that does not.
    pub(super) fn check_path_to(&self, path: &Path) -> Result<(), Error> {
        if !self.other {
            return Ok(());
        }
        let real = std::fs::canonicalize(path).map_err(Error::disk("find", path))?;
        let mut folders: Vec<&Path> = real.ancestors().skip(1).collect();
        folders.reverse();
        for folder in folders {
            let meta = folder.metadata().map_err(Error::disk("look at", folder))?;
            if !passable(&meta, self.server.uid, self.server.gid) {
                return Err(Error::Closed {
                    service: Service::Postgres,
                    user: self.server.name.clone(),
                    folder: PathBuf::from(folder),
                });
            }
        }
        Ok(())
    }
}

fn passable(meta: &std::fs::Metadata, user: Uid, group: Gid) -> bool {
    let mode = meta.mode();
    if meta.uid() == user.as_raw() {
        mode & 0o100 != 0
    } else if meta.gid() == group.as_raw() {
        mode & 0o010 != 0
    } else {
        mode & 0o001 != 0
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use nix::unistd::{Gid, Uid};

    use super::passable;

    #[test]
    fn the_class_that_applies_decides() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, stranger) =
            ((Uid::effective(), Gid::effective()), (Uid::from_raw(12345), Gid::from_raw(12345)));
        for (mode, owner, other) in [(0o700, true, false), (0o711, true, true), (0o601, false, true)] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            let meta = folder.path().metadata().unwrap();
            assert_eq!(passable(&meta, ours.0, ours.1), owner, "{mode:o}");
            assert_eq!(passable(&meta, stranger.0, stranger.1), other, "{mode:o}");
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    }
}
