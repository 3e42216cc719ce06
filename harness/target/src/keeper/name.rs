//! Where a keeper and its harnesses meet: an abstract Unix socket whose name says what is asked for.
//!
//! Taking such a name is atomic, so of many keepers started at once exactly one wins, and it vanishes with the process:
//! no stale file, no lock file. The kernel tells each end who the other is, and only the same user is talked to.

use std::{
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::MetadataExt,
            net::{SocketAddr, UnixListener as StdListener, UnixStream as StdStream},
        },
    },
};

use sha2::{Digest, Sha256};
use tokio::net::{UnixListener, UnixStream};

use crate::TargetSpec;

use super::kind::Kind;

/// What the servers of a set are, as a text. A folder that is not UTF-8 has no JSON.
pub(super) fn kind(spec: &TargetSpec) -> String {
    let kind = Kind::of(spec);
    serde_json::to_string(&kind).unwrap_or_else(|_| format!("{kind:?}"))
}

/// The rendezvous name of the set that `spec` asks for.
///
/// The common set is also told apart by kind and by the very executable, so that a rebuilt one never meets an old
/// keeper. A named set is found by its name alone: `down` and `env` must find what an older build left running.
pub(super) fn rendezvous(spec: &TargetSpec) -> String {
    let uid = nix::unistd::getuid();
    let told_apart = match &spec.name {
        Some(name) => format!("set {name}"),
        None => format!("common {} {} {}", env!("CARGO_PKG_VERSION"), identity(spec), kind(spec)),
    };
    let digest = Sha256::digest(format!("{uid} {told_apart}"));
    format!("bulkhead-keeper-{}", hex::encode(&digest[..16]))
}

/// Changes whenever the executable is replaced.
fn identity(spec: &TargetSpec) -> String {
    match std::fs::metadata(&spec.executable) {
        Ok(file) => {
            format!("{}:{}:{}:{}.{}", file.dev(), file.ino(), file.len(), file.mtime(), file.mtime_nsec())
        }
        Err(_) => spec.executable.display().to_string(),
    }
}

/// Takes the name; none when another process has it.
pub(crate) fn listen(name: &str) -> io::Result<Option<UnixListener>> {
    let listener = match StdListener::bind_addr(&SocketAddr::from_abstract_name(name)?) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Ok(None),
        other => other?,
    };
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener).map(Some)
}

/// Connects to the process that has the name; none when nobody has it.
pub(crate) fn connect(name: &str) -> io::Result<Option<UnixStream>> {
    let stream = match StdStream::connect_addr(&SocketAddr::from_abstract_name(name)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
        other => other?,
    };
    stream.set_nonblocking(true)?;
    let stream = UnixStream::from_std(stream)?;
    if is_ours(&stream)? {
        return Ok(Some(stream));
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user's process holds the name"))
}

/// Whether the other end runs as the same user.
pub(super) fn is_ours(stream: &UnixStream) -> io::Result<bool> {
    Ok(stream.peer_cred()?.uid() == nix::unistd::getuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: Option<&str>, executable: &std::path::Path) -> TargetSpec {
        let mut spec = TargetSpec::from_env(executable).unwrap();
        spec.name = name.map(String::from);
        spec
    }

    #[test]
    fn a_rebuilt_executable_gets_a_common_set_of_its_own_and_finds_a_named_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let before = [None, Some("up-1")].map(|name| rendezvous(&spec(name, file.path())));
        std::fs::write(file.path(), "rebuilt").unwrap();
        let after = [None, Some("up-1")].map(|name| rendezvous(&spec(name, file.path())));
        assert_ne!(before[0], after[0]);
        assert_eq!(before[1], after[1]);
        assert_ne!(after[0], after[1]);
    }

    #[test]
    fn servers_from_elsewhere_are_another_common_set_and_the_same_named_one() {
        let [mut common, mut named] =
            [None, Some("up-1")].map(|name| spec(name, std::path::Path::new("/nowhere")));
        let before = [&common, &named].map(rendezvous);
        for spec in [&mut common, &mut named] {
            spec.places.postgres_bin = Some("/another".into());
        }
        assert_ne!(before[0], rendezvous(&common));
        assert_eq!(before[1], rendezvous(&named));
    }

    #[tokio::test]
    async fn a_name_is_taken_once_and_free_again_after_its_holder() {
        let name = rendezvous(&spec(Some("test-taken-once"), std::path::Path::new("/nowhere")));
        assert!(connect(&name).unwrap().is_none());
        let held = listen(&name).unwrap().unwrap();
        assert!(listen(&name).unwrap().is_none());
        assert!(is_ours(&connect(&name).unwrap().unwrap()).unwrap());
        drop(held);
        assert!(listen(&name).unwrap().is_some());
    }
}
