//! What an earlier gateway left behind: its server, or files that stop the next one.
//!
//! Every process of a `PostgreSQL` server has the data directory as its working directory. That
//! holds also for a backend whose postmaster was killed, which no pid file names, and it stays true
//! however the pids are recycled.

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

/// Ends what is left of earlier servers and removes the files that would stop the next one. Only
/// for the holder of the lock, with no server of its own running.
pub(super) fn clear(layout: &Layout) -> Result<(), ClusterError> {
    end(&layout.unfinished, Whose::CertainlyOurs)?;
    end(&layout.data, Whose::ToBeAsked)?;
    // Postgres refuses to start while the pid in one of these is alive, whoever it belongs to by
    // now. No process of this cluster is alive, so it is an unrelated process or a zombie.
    // Files that name a dead pid are left: the server knows what to make of them.
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
    /// Nobody else ever uses this directory.
    CertainlyOurs,
    /// The directory may have been adopted from another installation whose server still runs.
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
                    // It may have ended on its own in the meantime.
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

/// The server processes whose working directory is `dir`. Zombies have none; other accounts'
/// processes do not show theirs, but those cannot run on a directory that is ours.
fn processes_in(dir: &Path) -> Vec<Pid> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == dir))
        // Somebody's shell may stand in the directory as well.
        .filter(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.contains("postgres") || name.contains("initdb")
        })
        .map(Pid::from_raw)
        .collect()
}

/// Whether that server process was started by a gateway: the cluster's name is an argument of the
/// postmaster and part of every other process's title.
fn is_ours(pid: Pid) -> bool {
    match fs::read(format!("/proc/{pid}/cmdline")) {
        Ok(line) => line.is_empty() || contains(&line, CLUSTER_NAME.as_bytes()),
        Err(error) => is_gone(&error),
    }
}

/// Whether the error says that the process ended in the meantime: before its file was opened, or
/// between that and reading it.
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
    fn a_process_that_ends_during_inspection_is_gone() {
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
