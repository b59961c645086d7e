//! An application: a Node or Python program with the vendor library, as an HTTP server.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::harness::programs::{missing, node_package, python_package, skip};

/// Version of `standardwebhooks` on npm.
const FOR_NODE: &str = "1.1.1";
/// Version of `standardwebhooks` on `PyPI`.
const FOR_PYTHON: &str = "1.1.0";

/// The program; it stops when dropped.
pub(super) struct Application {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    input: ChildStdin,
    port: u16,
}

impl Application {
    /// Starts a Node script with these packages; `None` if they cannot be installed.
    pub(super) async fn node(
        script: &str,
        packages: &'static [(&str, &str)],
        arguments: &[&str],
    ) -> Option<Self> {
        let all = packages.iter().chain(&[("standardwebhooks", FOR_NODE)]);
        let install = move || -> Result<Vec<PathBuf>, String> {
            missing(&["node", "npm"]).map_or(Ok(()), Err)?;
            let folders = all.map(|(name, version)| node_package(name, version));
            folders.map(|folder| Ok(folder?.join("node_modules"))).collect()
        };
        let folders = installed("the Node receiver", install).await?;
        let mut command = Command::new("node");
        command.env("NODE_PATH", std::env::join_paths(folders).unwrap());
        Some(Self::start(command, script, arguments).await)
    }

    /// Starts a Python script; `None` if its package cannot be installed.
    pub(super) async fn python(script: &str) -> Option<Self> {
        let install = || {
            missing(&["python3"]).map_or(Ok(()), Err)?;
            python_package("standardwebhooks", FOR_PYTHON)
        };
        let python = installed("the Python receiver", install).await?;
        Some(Self::start(Command::new(python), script, &[]).await)
    }

    async fn start(mut command: Command, script: &str, arguments: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/external");
        let mut child = command
            .arg(folder.join(script))
            .args(arguments)
            .env("APP_SECRET", super::SECRET)
            .env("SEALPOST_WEBHOOK_SECRET", super::SECRET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next_line().await.unwrap().expect("the application prints its port");
        Self { _child: child, lines, input, port: port.parse().unwrap() }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Reads the next line of output.
    pub(super) async fn read_line(&mut self) -> Value {
        let line = self.lines.next_line().await.unwrap().expect("the application runs");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Writes a line of input.
    pub(super) async fn write_line(&mut self, what: &Value) {
        self.input.write_all(format!("{what}\n").as_bytes()).await.unwrap();
    }
}

async fn installed<T: Send + 'static>(
    what: &str,
    install: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Option<T> {
    match tokio::task::spawn_blocking(install).await.unwrap() {
        Ok(installed) => Some(installed),
        Err(why) => {
            skip(what, &why);
            None
        }
    }
}
