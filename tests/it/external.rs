//! Real HTTP clients that know nothing of this code: shell with curl and openssl, Node with
//! Stripe's own library, Python with Stripe's own library. Each sends what a sender sends and the
//! same with one byte changed; a gateway that tells the time by the machine's clock lets in the
//! first and refuses the second.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use crate::harness;

const NODE_STRIPE: &str = "23.1.0";
const PYTHON_STRIPE: &str = "16.1.0";

/// Two tests that want the same package do not bring it into one folder at once.
static BRINGING: Mutex<()> = Mutex::new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_script_with_curl_and_openssl_is_understood() {
    if let Some(missing) = missing(&["bash", "curl", "openssl"]) {
        return skip("the shell client", &missing);
    }
    let sent = against_a_gateway(|url| run(script("send.sh", "bash"), &url)).await;
    judge(&sent, &["docora create", "docora delete", "bot compat", "bot native"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_program_with_stripes_library_is_understood() {
    if let Some(missing) = missing(&["node", "npm"]) {
        return skip("the Node client", &missing);
    }
    let folder = match node_package("stripe", NODE_STRIPE) {
        Ok(folder) => folder,
        Err(why) => return skip("the Node client", &why),
    };
    let sent = against_a_gateway(move |url| {
        let mut command = script("send.cjs", "node");
        command.env("NODE_PATH", folder.join("node_modules"));
        run(command, &url)
    });
    judge(&sent.await, &["stripe", "docora create", "docora chunks", "apify body", "bot compat"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_program_with_stripes_library_is_understood() {
    if let Some(missing) = missing(&["python3"]) {
        return skip("the Python client", &missing);
    }
    let python = match python_package("stripe", PYTHON_STRIPE) {
        Ok(python) => python,
        Err(why) => return skip("the Python client", &why),
    };
    let sent = against_a_gateway(move |url| {
        run(script("send.py", python.to_str().expect("a path")), &url)
    });
    judge(&sent.await, &["stripe", "docora create", "apify body", "apify token", "bot native"]);
}

/// What the client writes: a line for each request, the case and the status.
async fn against_a_gateway(client: impl FnOnce(String) -> Output + Send + 'static) -> String {
    let (url, shutdown) = harness::gateway_on_the_wall_clock().await;
    let output = tokio::task::spawn_blocking(move || client(url)).await.expect("the client");
    shutdown.soft().cancel();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    said.into_owned()
}

/// Every case is let in as it is, and refused with one byte changed.
fn judge(sent: &str, cases: &[&str]) {
    let lines: Vec<String> = sent.lines().map(str::to_owned).collect();
    let expected: Vec<String> = cases
        .iter()
        .flat_map(|case| [format!("{case} 202"), format!("{case} flipped 401")])
        .collect();
    assert_eq!(lines, expected);
}

fn script(name: &str, program: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/external").join(name));
    command
}

fn run(mut command: Command, url: &str) -> Output {
    command.arg(url).envs(harness::SECRETS.iter().copied());
    command.output().expect("the client starts")
}

/// What is not installed.
pub(crate) fn missing(programs: &[&str]) -> Option<String> {
    let absent = programs.iter().filter(|program| {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        !found.is_ok_and(|found| found.status.success())
    });
    let absent: Vec<_> = absent.copied().collect();
    (!absent.is_empty()).then(|| format!("{} not found", absent.join(" and ")))
}

/// A package for Node, brought once.
pub(crate) fn node_package(name: &str, version: &str) -> Result<PathBuf, String> {
    let _alone = BRINGING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = kept(&format!("node-{name}-{version}"));
    if !folder.join("done").exists() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
        npm.arg(&folder).arg(format!("{name}@{version}"));
        bring(npm)?;
        std::fs::write(folder.join("done"), "").map_err(|error| error.to_string())?;
    }
    Ok(folder)
}

/// A Python that has a package, made once.
pub(crate) fn python_package(name: &str, version: &str) -> Result<PathBuf, String> {
    let _alone = BRINGING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = kept(&format!("python-{name}-{version}"));
    let python = folder.join("bin/python");
    if !folder.join("done").exists() {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(&folder);
        bring(venv)?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip.arg(format!("{name}=={version}"));
        bring(pip)?;
        std::fs::write(folder.join("done"), "").map_err(|error| error.to_string())?;
    }
    Ok(python)
}

fn kept(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("external").join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn bring(mut command: Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// Where nobody looks, a test that did not run must not look like one that passed.
pub(crate) fn skip(what: &str, why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what} did not run: {why}");
    // Not by `eprintln!`: what a test prints is not shown when it passes.
    let line = format!("SKIPPED: {what} did not run: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error is there");
}
