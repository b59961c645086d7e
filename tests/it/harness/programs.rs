//! Programs that some tests need beside the Rust toolchain. If one is missing, its tests are
//! skipped: each writes a file, and `tests/left_out.rs` prints a summary at the end of the run. In
//! continuous integration a missing program is a failure.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, Once, PoisonError};

/// Prevents concurrent installations of one package.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Skips the current test.
///
/// # Panics
/// In continuous integration, where no test may be skipped.
pub(crate) fn skip(what: &str, why: &str) {
    static EARLIER_RUNS: Once = Once::new();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what} did not run: {why}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("left-out");
    if std::env::var_os("NEXTEST").is_none() {
        // nextest runs each test in a process of its own.
        EARLIER_RUNS.call_once(|| drop(std::fs::remove_dir_all(&folder)));
    }
    std::fs::create_dir_all(&folder).expect("a folder");
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main").unwrap_or(what);
    let file = test.replace(|c: char| !c.is_alphanumeric() && c != '_', "-");
    std::fs::write(folder.join(file), why).expect("a file about the test");
}

/// The programs that are not installed, as text; `None` if all are installed.
pub(crate) fn missing(programs: &[&str]) -> Option<String> {
    let absent = programs.iter().filter(|program| {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        !found.is_ok_and(|found| found.status.success())
    });
    let absent: Vec<_> = absent.copied().collect();
    (!absent.is_empty()).then(|| format!("{} not found", absent.join(" and ")))
}

/// Skips the current test if one of these programs is not installed.
pub(crate) fn skip_without(what: &str, programs: &[&str]) -> bool {
    missing(programs).inspect(|missing| skip(what, missing)).is_some()
}

/// Installs a Node package once.
pub(crate) fn node_package(name: &str, version: &str) -> Result<PathBuf, String> {
    let _lock = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = cache_folder(&format!("node-{name}-{version}"));
    if !folder.join("done").exists() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
        npm.arg(&folder).arg(format!("{name}@{version}"));
        run(npm)?;
        std::fs::write(folder.join("done"), "").map_err(|error| error.to_string())?;
    }
    Ok(folder)
}

/// Creates a Python environment with a package once.
pub(crate) fn python_package(name: &str, version: &str) -> Result<PathBuf, String> {
    let _lock = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = cache_folder(&format!("python-{name}-{version}"));
    let python = folder.join("bin/python");
    if !folder.join("done").exists() {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(&folder);
        run(venv)?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip.arg(format!("{name}=={version}"));
        run(pip)?;
        std::fs::write(folder.join("done"), "").map_err(|error| error.to_string())?;
    }
    Ok(python)
}

fn cache_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("external").join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn run(mut command: Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
