//! Runs the server's programs: creates a data directory, starts and stops a server.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::binaries::Binaries;
use super::layout::Layout;
use super::{ClusterError, Endpoint, exec};

/// Only part of the name of the socket.
pub(super) const PORT: u16 = 5432;
/// The superuser of a new cluster.
const USER: &str = "sealpost";
/// Identifies the processes of a managed server.
pub(super) const CLUSTER_NAME: &str = "sealpost-managed";
/// The signals that stop a server, each with its timeout: a fast shutdown that ends its sessions,
/// an immediate one with a recovery at the next start, and a kill.
pub(super) const ENDINGS: [(Signal, Duration); 3] = [
    (Signal::SIGINT, Duration::from_secs(20)),
    (Signal::SIGQUIT, Duration::from_secs(5)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];
pub(super) const POLL: Duration = Duration::from_millis(5);

/// A log that is longer than this at startup is rotated.
const MAX_LOG: u64 = 8 << 20;
const STILL_STARTING: Duration = Duration::from_secs(10);

/// Passed as arguments, which override configuration files.
const OPTIONS: [&str; 16] = [
    // An acknowledged event must survive a crash.
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    // Only the socket in the private folder.
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "ssl=off",
    "max_connections=100",
    "shared_buffers=128MB",
    "timezone=UTC",
    "log_timezone=UTC",
    // To the log file that we opened.
    "log_destination=stderr",
    "logging_collector=off",
    "log_checkpoints=off",
    "external_pid_file=",
    // Both identify the processes left by an earlier gateway.
    "update_process_title=on",
    concat!("cluster_name=", "sealpost-managed"),
];

/// A server that can be started repeatedly.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) launcher: PathBuf,
    pub(super) binaries: Binaries,
    pub(super) layout: Layout,
}

/// The result of a start that did not fail.
#[derive(Debug)]
pub(super) enum Started {
    Ready(Child),
    /// The caller stopped it before it was ready.
    Abandoned,
}

impl Server {
    /// Creates the data directory in a temporary location, and renames it once it is complete.
    pub(super) fn initdb(&self) -> Result<(), ClusterError> {
        let Layout { unfinished, data, .. } = &self.layout;
        if fs::symlink_metadata(unfinished).is_ok() {
            tracing::warn!(folder = %unfinished.display(), "removing an incomplete data directory");
            fs::remove_dir_all(unfinished).map_err(ClusterError::io("remove", unfinished))?;
        }
        self.layout.make_private(unfinished)?;
        let log = self.open_log()?;
        let status = self
            .command("initdb", unfinished, &log)?
            .args(["--encoding=UTF8", "--locale=C", "--data-checksums", "--auth-local=trust"])
            .args(["--auth-host=reject", "--no-instructions", "--username", USER, "--pgdata"])
            .arg(unfinished)
            .status()
            .map_err(ClusterError::io("run", &self.launcher))?;
        if !status.success() {
            return Err(ClusterError::Initdb { status: status.to_string(), log: log.new_output() });
        }
        fs::rename(unfinished, data).map_err(ClusterError::io("put the new cluster at", data))?;
        File::open(&self.layout.base)
            .and_then(|base| base.sync_all())
            .map_err(ClusterError::io("sync", &self.layout.base))
    }

    /// Starts a server and waits until it accepts connections; recovery may take any time.
    /// `abandon` is called repeatedly: it waits a moment, and returns whether to give up. The
    /// kernel ends the server with the calling thread.
    pub(super) fn start(
        &self,
        mut abandon: impl FnMut(Duration) -> bool,
    ) -> Result<Started, ClusterError> {
        self.layout.make_private(&self.layout.socket_dir)?;
        let log = self.open_log()?;
        let mut child = self
            .command("postgres", &self.layout.data, &log)?
            .arg("-D")
            .arg(&self.layout.data)
            .arg("-k")
            .arg(&self.layout.socket_dir)
            .args(["-p", &PORT.to_string()])
            .args(OPTIONS.iter().flat_map(|option| ["-c", *option]))
            .spawn()
            .map_err(ClusterError::io("run", &self.launcher))?;
        let mut remark_at = Instant::now() + STILL_STARTING;
        while !self.is_ready(&child) {
            if let Some(status) = ended(&mut child) {
                return Err(ClusterError::Died { status, log: log.new_output() });
            }
            if abandon(POLL) {
                stop(&mut child);
                return Ok(Started::Abandoned);
            }
            if Instant::now() >= remark_at {
                tracing::warn!(log = %log.path.display(), "the PostgreSQL server is still starting");
                remark_at += STILL_STARTING;
            }
        }
        Ok(Started::Ready(child))
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint { socket_dir: self.layout.socket_dir.clone(), port: PORT, user: USER.to_owned() }
    }

    /// The eighth line of the server's pid file.
    fn is_ready(&self, child: &Child) -> bool {
        let Ok(content) = fs::read_to_string(self.layout.data.join("postmaster.pid")) else {
            return false;
        };
        let mut lines = content.lines().map(str::trim);
        lines.next().and_then(|pid| pid.parse().ok()) == Some(child.id())
            && lines.nth(6) == Some("ready")
    }

    /// One of the server's programs, under the server's account, in a process group of its own:
    /// Ctrl-C in a terminal must not stop the server while the gateway drains.
    fn command(&self, program: &str, dir: &Path, log: &Log) -> Result<Command, ClusterError> {
        let output = || log.file.try_clone().map_err(ClusterError::io("open", &log.path));
        let program = self.binaries.dir.join(program);
        let mut command = Command::new(&self.launcher);
        command
            .args(exec::arguments(self.layout.account.change(), program.as_os_str()))
            // The server must not see the gateway's secrets.
            .env_clear()
            .env("LC_ALL", "C")
            .current_dir(dir)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output()?)
            .stderr(output()?);
        Ok(command)
    }

    fn open_log(&self) -> Result<Log, ClusterError> {
        let path = self.layout.log.clone();
        if fs::metadata(&path).is_ok_and(|found| found.len() > MAX_LOG) {
            fs::rename(&path, path.with_added_extension("old"))
                .map_err(ClusterError::io("rotate", &path))?;
        }
        let opened = File::options().read(true).append(true).create(true).mode(0o600).open(&path);
        let file = opened.map_err(ClusterError::io("open", &path))?;
        let start = file.metadata().map_err(ClusterError::io("inspect", &path))?.len();
        Ok(Log { file, path, start })
    }
}

/// Stops a server and waits for it.
pub(super) fn stop(child: &mut Child) {
    let Ok(pid) = i32::try_from(child.id()).map(Pid::from_raw) else { return };
    for (signal, patience) in ENDINGS {
        if signal != Signal::SIGINT {
            tracing::warn!(%signal, "the PostgreSQL server takes too long to stop");
        }
        let deadline = Instant::now() + patience;
        // Not reaped yet, so the pid cannot have been reused.
        if kill(pid, signal).is_err() {
            return;
        }
        while Instant::now() < deadline {
            if ended(child).is_some() {
                return;
            }
            thread::sleep(POLL);
        }
    }
}

/// The exit status, or that it is unknown; `None` while the server runs.
pub(super) fn ended(child: &mut Child) -> Option<String> {
    match child.try_wait() {
        Ok(status) => status.as_ref().map(ExitStatus::to_string),
        Err(error) => Some(error.to_string()),
    }
}

/// The server's log, and the offset at the current start.
struct Log {
    file: File,
    path: PathBuf,
    start: u64,
}

impl Log {
    /// The end of the output since this start, or why it cannot be read.
    fn new_output(&self) -> String {
        let read = || -> io::Result<String> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.start))?;
            let mut new_output = Vec::new();
            file.read_to_end(&mut new_output)?;
            Ok(String::from_utf8_lossy(&new_output).into_owned())
        };
        read().map_or_else(|error| error.to_string(), |new_output| last_lines(&new_output))
    }
}

/// The last few lines as one line.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let start = lines.len().saturating_sub(6);
    lines.get(start..).unwrap_or_default().join("; ")
}
