//! One gateway per data directory: the lock, and the endpoint that its owner publishes in it.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{ClusterError, Endpoint};

/// The kernel needs a moment to release the lock of a killed gateway.
const TIMEOUT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);

/// The lock of the gateway that owns the cluster; released on drop.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    pub(super) fn acquire(path: &Path) -> Result<Self, ClusterError> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            // Any user who can open the file could lock it, and prevent the gateway from starting.
            .mode(0o600)
            .open(path)
            .map_err(ClusterError::io("open the lock file", path))?;
        // A file of another version may be accessible to all. Only its owner can change that.
        let _kept = file.set_permissions(fs::Permissions::from_mode(0o600));
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => {
                    let pid = fs::read(path).ok().and_then(|content| owner(&content));
                    return Err(ClusterError::Owned { lock: path.to_owned(), pid });
                }
                Err(TryLockError::Error(error)) => {
                    return Err(ClusterError::io("lock", path)(error));
                }
            }
        }
        let lock = Self { file, path: path.to_owned() };
        // No endpoint yet: readers see that the server is still starting.
        lock.write(&[])?;
        Ok(lock)
    }

    /// Publishes the endpoint of the server, which must be ready.
    pub(super) fn publish(&self, endpoint: &Endpoint) -> Result<(), ClusterError> {
        let mut lines = format!("{}\n{}\n", endpoint.port, endpoint.user).into_bytes();
        // Last, up to the end of the file: a path may contain any byte.
        lines.extend_from_slice(endpoint.socket_dir.as_os_str().as_bytes());
        self.write(&lines)
    }

    fn write(&self, rest: &[u8]) -> Result<(), ClusterError> {
        let mut content = format!("{}\n", std::process::id()).into_bytes();
        content.extend_from_slice(rest);
        self.file
            .set_len(0)
            .and_then(|()| io::Seek::rewind(&mut &self.file))
            .and_then(|()| (&self.file).write_all(&content))
            .map_err(ClusterError::io("write the lock file", &self.path))
    }
}

/// The endpoint published by the owner of the lock at `path`; `None` without an owner.
pub(super) fn published(path: &Path) -> Result<Option<Endpoint>, ClusterError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ClusterError::io("open the lock file", path)(error)),
    };
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match file.try_lock_shared() {
            // Closing the file releases the lock at once; a gateway that starts now waits longer.
            Ok(()) => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(ClusterError::io("lock", path)(error)),
        }
        let content = fs::read(path).map_err(ClusterError::io("read the lock file", path))?;
        if let Some(endpoint) = endpoint(&content) {
            return Ok(Some(endpoint));
        }
        if Instant::now() >= deadline {
            return Err(ClusterError::Starting { lock: path.to_owned(), pid: owner(&content) });
        }
        thread::sleep(POLL);
    }
}

fn owner(content: &[u8]) -> Option<u32> {
    line(content.split(|byte| *byte == b'\n').next()?)
}

fn endpoint(content: &[u8]) -> Option<Endpoint> {
    let mut lines = content.splitn(4, |byte| *byte == b'\n');
    let _pid: u32 = line(lines.next()?)?;
    let port = line(lines.next()?)?;
    let user = line(lines.next()?)?;
    let socket_dir = lines.next().filter(|rest| !rest.is_empty())?;
    Some(Endpoint { socket_dir: OsStr::from_bytes(socket_dir).into(), port, user })
}

fn line<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    str::from_utf8(bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod permissions {
    use super::*;

    #[test]
    fn only_its_owner_can_open_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let new = folder.path().join("new.lock");
        let lock = Lock::acquire(&new).unwrap();
        assert_eq!(mode(&new), 0o600);
        drop(lock);
        let old = folder.path().join("old.lock");
        fs::write(&old, "").unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o644)).unwrap();
        let _held = Lock::acquire(&old).unwrap();
        assert_eq!(mode(&old), 0o600, "also one of another version");
    }
}
