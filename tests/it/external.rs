//! Real HTTP clients that know nothing of this code: shell with curl and openssl, Node with
//! Stripe's own library, Python with Stripe's own library. Each sends what a sender sends and the
//! same with one byte changed; a gateway that tells the time by the machine's clock lets in the
//! first and refuses the second.

use std::path::Path;
use std::process::{Command, Output};

use crate::harness;
use crate::harness::programs::{lacks, node_package, python_package, skip};

const NODE_STRIPE: &str = "23.1.0";
const PYTHON_STRIPE: &str = "16.1.0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_script_with_curl_and_openssl_is_understood() {
    if lacks("the shell client", &["bash", "curl", "openssl"]) {
        return;
    }
    let sent = against_a_gateway(|url| run(script("send.sh", "bash"), &url)).await;
    judge(&sent, &["docora create", "docora delete", "bot compat", "bot native"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_program_with_stripes_library_is_understood() {
    if lacks("the Node client", &["node", "npm"]) {
        return;
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
    if lacks("the Python client", &["python3"]) {
        return;
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
