//! Independent HTTP clients: a shell script with curl and openssl, and Node and Python programs
//! with the library of Stripe. Each sends valid requests, and the same with one byte changed; a
//! gateway with the system clock accepts the former and rejects the latter.

use std::path::Path;
use std::process::{Command, Output};

use crate::harness;
use crate::harness::programs::{node_package, python_package, skip, skip_without};

const NODE_STRIPE: &str = "23.1.0";
const PYTHON_STRIPE: &str = "16.1.0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shell_client_is_accepted() {
    if skip_without("the shell client", &["bash", "curl", "openssl"]) {
        return;
    }
    let sent = run_against_gateway(|url| run(script("send.sh", "bash"), &url)).await;
    assert_statuses(&sent, &["docora create", "docora delete", "bot compat", "bot native"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_client_is_accepted() {
    if skip_without("the Node client", &["node", "npm"]) {
        return;
    }
    let folder = match node_package("stripe", NODE_STRIPE) {
        Ok(folder) => folder,
        Err(why) => return skip("the Node client", &why),
    };
    let sent = run_against_gateway(move |url| {
        let mut command = script("send.cjs", "node");
        command.env("NODE_PATH", folder.join("node_modules"));
        run(command, &url)
    });
    assert_statuses(
        &sent.await,
        &["stripe", "docora create", "docora chunks", "apify body", "bot compat"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_client_is_accepted() {
    if skip_without("the Python client", &["python3"]) {
        return;
    }
    let python = match python_package("stripe", PYTHON_STRIPE) {
        Ok(python) => python,
        Err(why) => return skip("the Python client", &why),
    };
    let sent = run_against_gateway(move |url| {
        run(script("send.py", python.to_str().expect("a path")), &url)
    });
    assert_statuses(
        &sent.await,
        &["stripe", "docora create", "apify body", "apify token", "bot native"],
    );
}

/// Runs a client; returns its output, a line with case and status for each request.
async fn run_against_gateway(client: impl FnOnce(String) -> Output + Send + 'static) -> String {
    let (url, shutdown) = harness::gateway_with_real_clock().await;
    let output = tokio::task::spawn_blocking(move || client(url)).await.expect("the client");
    shutdown.soft().cancel();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    stdout.into_owned()
}

/// Asserts that every case is accepted, and rejected with one byte changed.
fn assert_statuses(sent: &str, cases: &[&str]) {
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
