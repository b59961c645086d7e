//! Finds the programs of the server.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::fetch::{self, FetchError};
use super::layout::Layout;
use super::{ClusterError, Settings};

/// The first version whose `initdb` supports all options used here.
const OLDEST: u16 = 14;

/// Folders with one folder per version, and the path between the version and the programs.
const BY_VERSION: [(&str, &str, &str); 6] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr/lib", "postgresql", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/usr/lib64", "postgresql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
];

/// A folder with the programs of one major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) dir: PathBuf,
    pub(super) major: u16,
}

/// The folders where these programs are usually installed: those in `path` (a `PATH`) first, then
/// those of the distributions' packages, the highest major version first.
pub fn installed(path: Option<&OsStr>) -> Vec<PathBuf> {
    let mut folders: Vec<_> =
        path.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    let packaged = BY_VERSION.iter().flat_map(|(parent, prefix, below)| {
        let names =
            fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.file_name());
        highest_first(names.filter_map(|name| name.into_string().ok()), prefix)
            .into_iter()
            .map(move |name| Path::new(parent).join(name).join(below))
    });
    folders.extend(packaged);
    folders
}

/// The programs for a cluster of this major version, or for a new one.
pub(super) fn find(
    settings: &Settings,
    layout: &Layout,
    major: Option<u16>,
) -> Result<Binaries, ClusterError> {
    let mut found = Vec::new();
    let mut suits = |binaries: &Binaries| {
        found.push(binaries.major);
        major.is_none_or(|major| major == binaries.major)
    };
    if let Some(bin_dir) = &settings.bin_dir {
        let binaries = probe(bin_dir)
            .ok_or_else(|| ClusterError::BadBinDir { bin_dir: bin_dir.clone(), oldest: OLDEST })?;
        if suits(&binaries) {
            return Ok(binaries);
        }
        return Err(missing(layout, major, found, None));
    }

    let downloaded_earlier = fetch::bin_dir(&layout.base);
    let mut folders = settings.search.iter().chain([&downloaded_earlier]);
    if let Some(binaries) = folders.find_map(|dir| probe(dir).filter(&mut suits)) {
        return Ok(binaries);
    }
    if !settings.fetch || major.is_some_and(|major| major != fetch::MAJOR) {
        return Err(missing(layout, major, found, None));
    }
    match fetch::fetch(&layout.base) {
        // The download is built against one C library, and may not run here.
        Ok(dir) => {
            probe(&dir).ok_or_else(|| missing(layout, major, found, Some(FetchError::DoesNotRun)))
        }
        Err(error) => Err(missing(layout, major, found, Some(error))),
    }
}

fn missing(
    layout: &Layout,
    major: Option<u16>,
    mut found: Vec<u16>,
    fetch: Option<FetchError>,
) -> ClusterError {
    found.sort_unstable();
    found.dedup();
    match major {
        None => ClusterError::NotInstalled { fetch },
        Some(major) => {
            let data_dir = layout.data.clone();
            ClusterError::MajorNotInstalled { data_dir, major, found, fetch }
        }
    }
}

/// The programs in this folder, if they exist, run, and are recent enough.
fn probe(dir: &Path) -> Option<Binaries> {
    // `PATH` often contains links into the folder with all programs.
    let program = fs::canonicalize(dir.join("postgres")).ok()?;
    let dir = program.parent()?.to_owned();
    if !dir.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(&program).arg("--version").stdin(Stdio::null()).output().ok()?;
    let major = version(str::from_utf8(&output.stdout).ok()?)?;
    (major >= OLDEST).then_some(Binaries { dir, major })
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn version(line: &str) -> Option<u16> {
    let (_, version) = line.split_once("(PostgreSQL) ")?;
    leading_number(version)
}

/// The names that are `prefix` and a version, highest version first.
fn highest_first(names: impl Iterator<Item = String>, prefix: &str) -> Vec<String> {
    let mut versions: Vec<_> = names
        .filter_map(|name| Some((leading_number(name.strip_prefix(prefix)?)?, name)))
        .collect();
    versions.sort_unstable_by(|left, right| right.cmp(left));
    versions.into_iter().map(|(_, name)| name).collect()
}

fn leading_number(text: &str) -> Option<u16> {
    text.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_version_of_releases_packages_and_betas() {
        assert_eq!(version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(version("postgres (PostgreSQL) 18.4\n"), Some(18));
        assert_eq!(version("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(version("something else 15\n"), None);
    }

    #[test]
    fn highest_version_comes_first_by_number() {
        let names = ["9.6", "15", "18", "common", "100"].map(str::to_owned);
        assert_eq!(highest_first(names.into_iter(), ""), ["100", "18", "15", "9.6"]);
        let names = ["pgsql-9.6", "pgsql-17", "share"].map(str::to_owned);
        assert_eq!(highest_first(names.into_iter(), "pgsql-"), ["pgsql-17", "pgsql-9.6"]);
    }

    #[test]
    fn path_comes_before_packages() {
        let folders = installed(Some(OsStr::new("/somewhere/bin:/elsewhere/bin")));
        assert_eq!(folders[..2], ["/somewhere/bin", "/elsewhere/bin"].map(PathBuf::from));
    }
}
