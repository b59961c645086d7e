//! The disk of the database, where this machine has it: how much is free, and whether that is enough
//! for new events. A full disk stops PostgreSQL; then nothing can be delivered or repaired either.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytesize::ByteSize;
use nix::sys::statvfs::statvfs;
use tokio::task::spawn_blocking;

use super::{Store, StoreError};

/// How little free space is too little. A limit of 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DiskLimits {
    /// Below this share, in percent, is an alarm.
    pub warn_percent: f64,
    /// Below this share, in percent, no event is accepted.
    pub stop_percent: f64,
    /// Nor below this size, in bytes.
    pub stop_bytes: u64,
}

/// The space of a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// What PostgreSQL can still use.
    pub free: u64,
    pub total: u64,
}

/// Whether there is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskLevel {
    Enough,
    /// Somebody should do something.
    Low,
    /// No event is accepted.
    Full,
}

/// The disk of the database.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiskState {
    pub space: DiskSpace,
    pub level: DiskLevel,
    pub limits: DiskLimits,
}

/// Whether the disk was too full when it was last read.
#[derive(Debug, Clone, Default)]
pub(super) struct DiskGuard(Arc<AtomicBool>);

impl DiskLimits {
    fn state(self, space: DiskSpace) -> DiskState {
        let percent = space.free_percent();
        let level = if percent < self.stop_percent || space.free < self.stop_bytes {
            DiskLevel::Full
        } else if percent < self.warn_percent {
            DiskLevel::Low
        } else {
            DiskLevel::Enough
        };
        DiskState { space, level, limits: self }
    }
}

impl DiskSpace {
    /// Of the file system that has this path.
    fn of(path: &Path) -> Option<Self> {
        /// The types differ between systems.
        fn wide(number: impl Into<u64>) -> u64 {
            number.into()
        }
        let disk = statvfs(path).ok()?;
        let block = wide(disk.fragment_size());
        let size = |blocks: u64| blocks.saturating_mul(block);
        let total = size(wide(disk.blocks()));
        (total > 0).then(|| Self { free: size(wide(disk.blocks_available())), total })
    }

    #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
    fn free_percent(self) -> f64 {
        100.0 * self.free as f64 / self.total.max(1) as f64
    }
}

impl fmt::Display for DiskSpace {
    /// Such as `12 % (3.1 GiB) free`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} % ({}) free", self.free_percent().floor(), ByteSize::b(self.free))
    }
}

impl DiskGuard {
    fn set(&self, state: Option<DiskState>) {
        let is_full = state.is_some_and(|state| state.level == DiskLevel::Full);
        self.0.store(is_full, Ordering::Relaxed);
    }

    fn is_full(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Store {
    /// Reads how much of the database's disk is free. `None` where it cannot be known: the server is
    /// on another machine or in a container, or the role may not see its data directory.
    pub async fn read_disk(&self) -> Result<Option<DiskState>, StoreError> {
        let state = match self.data_directory().await? {
            Some(directory) => {
                let limits = self.pools.disk;
                let read = spawn_blocking(move || read(&directory, limits)).await;
                read.ok().flatten()
            }
            None => None,
        };
        self.disk.set(state);
        if let Some(DiskState { space, .. }) = state {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            let gauge = |name, bytes: u64| metrics::gauge!(name).set(bytes as f64);
            gauge("sealpost_database_disk_free_bytes", space.free);
            gauge("sealpost_database_disk_total_bytes", space.total);
        }
        Ok(state)
    }

    /// Whether the disk was too full for new events when it was last read.
    pub fn is_disk_full(&self) -> bool {
        self.disk.is_full()
    }

    /// The data directory of the server, if this machine has it.
    async fn data_directory(&self) -> Result<Option<PathBuf>, StoreError> {
        if !self.target.is_local() {
            return Ok(None);
        }
        let row = sqlx::query!(
            r#"SELECT CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE')
                           THEN current_setting('data_directory') END AS directory,
                      pg_backend_pid() AS "pid!""#
        )
        .fetch_one(&self.health)
        .await?;
        let pid = row.pid;
        Ok(row.directory.map(PathBuf::from).filter(|_| is_process_here(pid)))
    }
}

/// Whether a server process is one of this machine. Behind a port of this machine there may be a
/// container, whose data directory is another than the one of this name here. Where the system does
/// not show its processes, the address has to do.
fn is_process_here(pid: i32) -> bool {
    let processes = Path::new("/proc");
    if !processes.join("self").exists() {
        return true;
    }
    let command = std::fs::read(processes.join(pid.to_string()).join("cmdline"));
    command.is_ok_and(|command| command.starts_with(b"postgres"))
}

/// The fuller of the disks that have the data and the write-ahead log.
fn read(directory: &Path, limits: DiskLimits) -> Option<DiskState> {
    let states = [directory.to_owned(), directory.join("pg_wal")];
    let states = states.iter().filter_map(|path| DiskSpace::of(path).map(|it| limits.state(it)));
    states.max_by(|one, other| {
        let by_space = other.space.free_percent().total_cmp(&one.space.free_percent());
        one.level.cmp(&other.level).then(by_space)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn level_follows_the_limits() {
        let limits = DiskLimits { warn_percent: 15.0, stop_percent: 5.0, stop_bytes: GIB };
        let level = |limits: DiskLimits, free, total| limits.state(DiskSpace { free, total }).level;
        for (free, total, expected) in [
            (15 * GIB, 100 * GIB, DiskLevel::Enough),
            (15 * GIB - 1, 100 * GIB, DiskLevel::Low),
            (5 * GIB, 100 * GIB, DiskLevel::Low),
            (5 * GIB - 1, 100 * GIB, DiskLevel::Full),
            (GIB, 2 * GIB, DiskLevel::Enough),
            (GIB - 1, 2 * GIB, DiskLevel::Full),
        ] {
            assert_eq!(level(limits, free, total), expected, "{free} of {total}");
        }
        assert_eq!(level(DiskLimits::default(), 0, GIB), DiskLevel::Enough, "no limits");
    }

    #[test]
    fn guard_opens_again() {
        let (guard, limits) =
            (DiskGuard::default(), DiskLimits { stop_bytes: 9, ..DiskLimits::default() });
        assert!(!guard.is_full());
        for (free, full) in [(8, true), (9, false), (0, true)] {
            guard.set(Some(limits.state(DiskSpace { free, total: 100 })));
            assert_eq!(guard.is_full(), full, "{free}");
        }
        guard.set(None);
        assert!(!guard.is_full(), "it is not known any more");
    }

    #[test]
    fn space_is_read_and_described() {
        let space = DiskSpace::of(Path::new("/")).unwrap();
        assert!(space.free <= space.total);
        assert_eq!(DiskSpace::of(Path::new("/no/such/folder")), None);
        let space = DiskSpace { free: 3 * GIB, total: 25 * GIB };
        assert_eq!(space.to_string(), "12 % (3.0 GiB) free");
    }

    #[test]
    fn other_processes_are_not_the_server() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(!is_process_here(own) || !Path::new("/proc/self").exists());
    }
}
