//! Cleans up after an earlier gateway: ends its server, and removes files that would prevent the
//! next start.
//!
//! Every process of a `PostgreSQL` server has the data directory as its working directory. This
//! includes backends of a killed postmaster, which no pid file names, and does not depend on pids,
//! which are reused.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::ClusterError;
use super::layout::Layout;
use super::server::{CLUSTER_NAME, ENDINGS, POLL, PORT};

/// Ends the processes of earlier servers and removes the files that would prevent a start. Only for
/// the owner of the lock, while its own server is not running.
pub(super) fn clear(layout: &Layout) -> Result<(), ClusterError> {
    end(&layout.unfinished, Whose::CertainlyOurs)?;
    end(&layout.data, Whose::ToBeAsked)?;
    // Postgres refuses to start while the pid in one of these files is alive, whatever process has
    // it now. No process of this cluster is alive, so it is an unrelated process or a zombie. Files
    // with a dead pid are left: the server handles them.
    for file in [
        layout.data.join("postmaster.pid"),
        layout.socket_dir.join(format!(".s.PGSQL.{PORT}.lock")),
    ] {
        if named_pid(&file).is_some_and(|pid| kill(pid, None).is_ok()) {
            tracing::warn!(file = %file.display(), "removing the pid file of an unrelated process");
            fs::remove_file(&file).map_err(ClusterError::io("remove", &file))?;
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Only gateways use this directory.
    CertainlyOurs,
    /// The directory may have been created by another installation whose server is still running.
    ToBeAsked,
}

fn end(dir: &Path, whose: Whose) -> Result<(), ClusterError> {
    let mut last = None;
    for (signal, patience) in ENDINGS {
        let deadline = Instant::now() + patience;
        let mut signalled = Vec::new();
        loop {
            let left = processes_in(dir);
            let Some(&first) = left.first() else { return Ok(()) };
            last = Some(first);
            if whose == Whose::ToBeAsked
                && let Some(foreign) = left.iter().find(|pid| !is_ours(**pid))
            {
                return Err(ClusterError::ForeignServer {
                    data_dir: dir.to_owned(),
                    pid: foreign.as_raw(),
                });
            }
            for pid in left {
                if !signalled.contains(&pid) {
                    tracing::warn!(pid = pid.as_raw(), %signal, "stopping a leftover server");
                    // It may have ended in the meantime.
                    kill(pid, signal).ok();
                    signalled.push(pid);
                }
            }
            if Instant::now() >= deadline {
                break;
            }
            thread::sleep(POLL);
        }
    }
    match last {
        Some(pid) => Err(ClusterError::Unkillable { data_dir: dir.to_owned(), pid: pid.as_raw() }),
        None => Ok(()),
    }
}

/// The server processes with the working directory `dir`. Zombies have none, and those of other
/// accounts are not visible, but cannot run on our directory.
fn processes_in(dir: &Path) -> Vec<Pid> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == dir))
        // A user's shell may be in the directory as well.
        .filter(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.contains("postgres") || name.contains("initdb")
        })
        .map(Pid::from_raw)
        .collect()
}

/// Whether the server process was started by a gateway: the cluster's name is an argument of the
/// postmaster and in the title of every other process.
fn is_ours(pid: Pid) -> bool {
    match fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(line) => line.is_empty() || contains(&line, CLUSTER_NAME.as_bytes()),
        Err(error) => is_gone(&error),
    }
}

/// Whether the error means that the process has ended: before its file was opened, or while it was
/// read.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::ESRCH as i32)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn named_pid(file: &Path) -> Option<Pid> {
    let content = fs::read_to_string(file).ok()?;
    content.lines().next()?.trim().parse().ok().map(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn process_that_ends_during_inspection_is_gone() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut file = fs::File::open(format!("/proc/{}/cmdline", child.id())).unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        let error = file.read_to_end(&mut Vec::new()).unwrap_err();
        assert!(is_gone(&error), "{error}");
        assert!(is_ours(pid));
    }
}
