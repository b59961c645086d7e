//! Processor time by process, from Linux's `/proc`: steadier than a rate where other programs share
//! the processor.

use std::collections::BTreeMap;
use std::time::Duration;

/// The processes whose time is read.
#[derive(Clone, Copy)]
pub(crate) struct Meter {
    /// The server under test, with its children; none if it is this process.
    pub(crate) server: Option<u32>,
    /// The first process of PostgreSQL.
    pub(crate) postgres: u32,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Processor {
    pub(crate) own: Duration,
    pub(crate) server: Duration,
    pub(crate) postgres: Duration,
}

impl Processor {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            own: self.own.saturating_sub(before.own),
            server: self.server.saturating_sub(before.server),
            postgres: self.postgres.saturating_sub(before.postgres),
        }
    }
}

impl Meter {
    pub(crate) fn read(&self) -> Processor {
        let processes = processes();
        let of = |pid: u32| of_tree(&processes, pid);
        let own = processes.get(&std::process::id()).map(|process| process.own);
        Processor {
            own: own.unwrap_or_default(),
            server: self.server.map(of).unwrap_or_default(),
            postgres: of(self.postgres),
        }
    }
}

struct Process {
    parent: u32,
    own: Duration,
    /// The time of children that have ended.
    ended: Duration,
}

/// The time of a process, and of its children, also those that have ended.
fn of_tree(processes: &BTreeMap<u32, Process>, pid: u32) -> Duration {
    let Some(process) = processes.get(&pid) else { return Duration::ZERO };
    let children = processes.iter().filter(|(_, child)| child.parent == pid);
    let children: Duration = children.map(|(&child, _)| of_tree(processes, child)).sum();
    process.own + process.ended + children
}

fn processes() -> BTreeMap<u32, Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, process(&std::fs::read_to_string(entry.path().join("stat")).ok()?)?))
    };
    entries.filter_map(of).collect()
}

fn process(stat: &str) -> Option<Process> {
    /// The unit of the kernel's counters.
    const TICK: Duration = Duration::from_millis(10);
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let time = |first: usize| -> Option<Duration> {
        let ticks = |number: usize| fields.get(number)?.parse::<u32>().ok();
        Some(TICK * (ticks(first)? + ticks(first + 1)?))
    };
    Some(Process { parent: fields.get(1)?.parse().ok()?, own: time(11)?, ended: time(13)? })
}

/// The resident memory of a process in MiB.
pub(crate) fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib / 1024.0
}
