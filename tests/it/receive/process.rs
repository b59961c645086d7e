//! The program in another process, for tests of its log, metrics and memory.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealpost::clock::{Clock, SystemClock};
use sealpost::config::{Config, Environment};
use sealpost::providers::{self, Draft};
use serde_json::Value;

use crate::harness::{API_KEY, SECRETS, database};

/// A gateway in another process, which is killed on drop.
pub(crate) struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    config: Config,
    client: reqwest::Client,
    pub(crate) ingest: String,
    pub(crate) operator: String,
    folder: tempfile::TempDir,
    database: String,
}

/// Starts a command that serves, and collects its log.
fn spawn(command: &mut Command, folder: &Path, database: &str) -> (Child, Arc<Mutex<Vec<String>>>) {
    let mut child = command
        .arg("--config")
        .arg(folder.join("config.toml"))
        .arg("serve")
        // It writes files to its working directory.
        .current_dir(folder)
        .env("DATABASE_URL", database)
        .envs(SECRETS.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (stderr, log_lines) = (child.stderr.take().expect("its log"), Arc::clone(&lines));
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            log_lines.lock().unwrap().push(line);
        }
    });
    (child, lines)
}

impl Process {
    /// Starts a gateway with the test configuration and a new database.
    pub(crate) async fn start() -> Self {
        Self::start_as(Command::new(env!("CARGO_BIN_EXE_sealpost"))).await
    }

    /// As [`Process::start`], with a limit of open files.
    pub(crate) async fn start_with_files(limit: u32) -> Self {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit -n {limit}; exec \"$0\" \"$@\""));
        command.arg(env!("CARGO_BIN_EXE_sealpost"));
        Self::start_as(command).await
    }

    async fn start_as(mut command: Command) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.toml");
        std::fs::write(&path, include_str!("../harness/config.toml")).expect("a file");
        let environment: Environment = SECRETS.iter().copied().collect();
        let config = Config::load(&path, &environment).expect("a configuration");
        let database = database::fresh_url().await;
        let (child, lines) = spawn(&mut command, folder.path(), &database);
        let mut process = Self {
            child,
            lines,
            config,
            client: sealpost::tls::client().no_proxy().build().expect("a client"),
            ingest: String::new(),
            operator: String::new(),
            folder,
            database,
        };
        process.wait_until_listening().await;
        process
    }

    /// Kills the gateway, and starts it again in the same folder on the same database.
    pub(crate) async fn restart(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("its end");
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
        (self.child, self.lines) = spawn(&mut command, self.folder.path(), &self.database);
        self.wait_until_listening().await;
    }

    async fn wait_until_listening(&mut self) {
        let line = self.wait_for("listening", |line| line["message"] == "listening").await;
        self.ingest = format!("http://{}", line["ingest"].as_str().expect("an address"));
        self.operator = format!("http://{}", line["operator"].as_str().expect("an address"));
    }

    /// The log lines so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Its working directory.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits for a log line.
    pub(crate) async fn wait_for(&self, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..600 {
            let lines = self.log();
            let values = lines.iter().filter_map(|line| serde_json::from_str(line).ok());
            if let Some(found) = values.into_iter().find(&matches) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what}: no such line in {:#?}", self.log());
    }

    /// Headers of a valid request of the present time.
    pub(crate) fn sign(&self, source: &str, body: &[u8]) -> Vec<(String, String)> {
        let mut sources = self.config.sources.iter();
        let source = sources.find(|config| config.entry.name == source).expect("a source");
        let entry = providers::find(&source.entry.provider).expect("a provider");
        entry.sign.unwrap()(&Draft {
            options: &source.entry.options,
            secret: &source.secrets[0],
            token: source.token.as_ref(),
            at: SystemClock.now().unix_timestamp(),
            headers: &[],
            body,
        })
    }

    /// Posts to a path; returns status and body.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> (u16, String) {
        let mut request = self.client.post(format!("{}{path}", self.ingest)).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("a body"))
    }

    /// The request counters by their labels.
    pub(crate) async fn counters(&self) -> HashMap<String, u64> {
        let page = self.client.get(format!("{}/metrics", self.operator));
        let page = page.bearer_auth(API_KEY).send().await.expect("a page");
        let page = page.text().await.expect("a text");
        let lines = page.lines().filter(|line| line.starts_with("sealpost_ingest_total{"));
        lines
            .map(|line| {
                let (labels, count) = line.rsplit_once(' ').expect("a count");
                (labels.to_owned(), count.parse().expect("a number"))
            })
            .collect()
    }

    /// Peak memory in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("its status");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("its memory");
        line.split_whitespace().nth(1).expect("a number").parse().expect("KiB")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
