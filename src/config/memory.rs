//! Detects the available memory: of the machine, or of the control group of the process.

use std::path::Path;

use bytesize::ByteSize;

/// Default share of the memory for bodies in flight: a quarter. The rest is for the gateway itself,
/// for handlers, and for the allocator.
const FRACTION: u64 = 4;
/// Upper limit of the default budget.
const MAX_BUDGET: ByteSize = ByteSize::mib(128);
/// Assumed memory if it cannot be detected.
const ASSUMED: u64 = 1024 * 1024 * 1024;

/// The memory that this process may use.
pub(super) fn memory() -> Option<u64> {
    memory_of(Path::new("/"))
}

/// The default budget of bodies in flight.
pub(super) fn in_flight(memory: Option<u64>) -> ByteSize {
    ByteSize(memory.unwrap_or(ASSUMED) / FRACTION).min(MAX_BUDGET)
}

/// The lowest of all limits.
fn memory_of(root: &Path) -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let groups = read("proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or("/"));
        let (base, files) = match controllers {
            "" => ("sys/fs/cgroup", &["memory.max", "memory.high"][..]),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", &["memory.limit_in_bytes"][..])
            }
            _ => return Vec::new(),
        };
        // Parent groups limit a group, too. In a container the path may be that of the host, and
        // not exist.
        let mut limits = Vec::new();
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            for file in files {
                let text = std::fs::read_to_string(root.join(base).join(group).join(file));
                limits.extend(text.ok().and_then(|text| text.trim().parse::<u64>().ok()));
            }
        }
        limits
    });
    limits.chain(read("proc/meminfo").as_deref().and_then(total)).min()
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1024 * 1024 * 1024;

    fn of(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        memory_of(root.path())
    }

    #[test]
    fn lowest_limit_applies() {
        let machine = ("proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 1 kB\n");
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[machine]), Some(8 * GIB));
        let second = [machine, ("proc/self/cgroup", "0::/a.slice/b.service\n")];
        let with = |more: &[(&'static str, &'static str)]| of(&[&second[..], more].concat());
        assert_eq!(with(&[]), Some(8 * GIB));
        assert_eq!(with(&[("sys/fs/cgroup/a.slice/b.service/memory.max", "max\n")]), Some(8 * GIB));
        assert_eq!(with(&[("sys/fs/cgroup/a.slice/memory.max", "100663296\n")]), Some(100_663_296));
        let high = ("sys/fs/cgroup/a.slice/b.service/memory.high", "1000\n");
        assert_eq!(with(&[("sys/fs/cgroup/a.slice/memory.max", "2000\n"), high]), Some(1_000));
        assert_eq!(with(&[("sys/fs/cgroup/memory.max", "5000\n")]), Some(5_000), "in a container");
        let first = ("proc/self/cgroup", "9:cpu:/x\n4:memory:/docker/abc\n");
        let none = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        let group = ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "300\n");
        assert_eq!(of(&[machine, first, none]), Some(8 * GIB));
        assert_eq!(of(&[machine, first, none, group]), Some(300));
    }

    #[test]
    fn budget_is_a_quarter_of_the_memory() {
        for (memory, budget) in
            [(Some(96), 24), (Some(256), 64), (Some(512), 128), (Some(64 * 1024), 128), (None, 128)]
        {
            let memory = memory.map(|mib: u64| mib * 1024 * 1024);
            assert_eq!(in_flight(memory), ByteSize::mib(budget), "{memory:?}");
        }
    }
}
