//! The program as a process that can be killed, and senders that sign by the system clock.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sealpost::providers::{self, Draft};
use sealpost::verify::Secret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

use super::proxy::PATIENCE;
use crate::harness::SECRETS;

/// Short leases, so that an expired one is recovered during the test. All senders share an address.
const CONFIG: &str = r#"
    [ingest]
    listen = "127.0.0.1:0"
    workers = 1
    connections_per_peer = 1024
    [operator]
    listen = "127.0.0.1:0"
    [database]
    ingest_connections = 4
    dispatch_connections = 3
    operator_connections = 2
    [dispatch]
    handler_deadline = "1s"
    lease = "2s"
    poll = "100ms"
    backoff = "100ms"
    max_backoff = "500ms"
    [[source]]
    name = "billing"
    provider = "stripe"
    secrets = [{ env = "BILLING_SECRET" }]
    options = { livemode = false }
    limit = { per_second = 10000, burst = 10000 }
    [[source]]
    name = "cards"
    provider = "docora"
    secrets = [{ env = "CARDS_SECRET" }]
    options = { app_id = "app_0123456789abcdef01234567" }
"#;

/// A running `sealpost`.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    /// Locked while the log must not be read.
    reading: Arc<tokio::sync::Mutex<()>>,
    folder: TempDir,
}

/// A running `sealpost serve`.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) remote: Remote,
}

/// HTTP client of a gateway.
#[derive(Clone)]
pub(crate) struct Remote {
    ingest: SocketAddr,
    operator: SocketAddr,
    client: reqwest::Client,
}

impl Process {
    /// Starts `sealpost` with these arguments.
    pub(crate) fn start(arguments: &[&str], database_url: Option<&str>, more_config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        std::fs::write(&config, format!("{CONFIG}{more_config}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
        command
            .args(arguments)
            .arg("--config")
            .arg(&config)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(SECRETS.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(url) = database_url {
            command.env("DATABASE_URL", url);
        }
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (written, reading) = (Arc::clone(&log), Arc::default());
        let may_read: Arc<tokio::sync::Mutex<()>> = Arc::clone(&reading);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _reading = may_read.lock().await;
                let mut log = written.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, log, reading, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Stops reading the log until the guard is dropped.
    pub(crate) async fn stop_reading_log(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.reading).lock_owned().await
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().expect("it has not ended").try_into().unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Sends SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for the process to exit.
    pub(crate) async fn ended(&mut self, within: Duration) -> ExitStatus {
        let ended = tokio::time::timeout(within, self.child.wait()).await;
        ended
            .unwrap_or_else(|_| panic!("it did not exit within {within:?}:\n{}", self.log()))
            .unwrap()
    }
}

impl Server {
    /// Starts the gateway on a database and waits until it listens.
    pub(crate) async fn start(database_url: &str) -> Self {
        Self::start_with(Some(database_url), "").await
    }

    /// As [`Server::start`], with more configuration, and possibly no database.
    pub(crate) async fn start_with(database_url: Option<&str>, more_config: &str) -> Self {
        let mut process = Process::start(&["serve"], database_url, more_config);
        let line = wait_for("the gateway listens", async || {
            if let Some(status) = process.child.try_wait().unwrap() {
                panic!("the gateway ended with {status}:\n{}", process.log());
            }
            let log = process.log();
            log.lines().find(|line| line.contains(r#""message":"listening""#)).map(str::to_owned)
        });
        let line: Value = serde_json::from_str(&line.await).unwrap();
        let address = |name: &str| line[name].as_str().unwrap().parse().unwrap();
        let (ingest, operator) = (address("ingest"), address("operator"));
        let client = sealpost::tls::client().no_proxy().build().unwrap();
        Self { process, remote: Remote { ingest, operator, client } }
    }

    /// Sends SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.process.child.kill().await.unwrap();
    }
}

impl Remote {
    /// Sends a request; `None` without a response.
    pub(crate) async fn send(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let body = body.to_string();
        let url = format!("http://{}/hooks/{path}", self.ingest);
        let mut request = self.client.post(url).body(body.clone());
        for (name, value) in sign(path, body.as_bytes()) {
            request = request.header(name, value);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let text = response.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// Sends a request in the background.
    pub(crate) fn start_send(
        &self,
        path: &'static str,
        body: &Value,
    ) -> JoinHandle<Option<(u16, Value)>> {
        let (remote, body) = (self.clone(), body.clone());
        tokio::spawn(async move { remote.send(path, &body).await })
    }

    /// Status of `/readyz`; 0 without a response.
    pub(crate) async fn readyz(&self) -> u16 {
        let url = format!("http://{}/readyz", self.operator);
        self.client.get(url).send().await.map_or(0, |response| response.status().as_u16())
    }
}

/// Headers of a valid request of the present time.
fn sign(path: &str, body: &[u8]) -> Vec<(String, String)> {
    let (provider, secret) = if path.starts_with("billing") {
        ("stripe", "BILLING_SECRET")
    } else {
        ("docora", "CARDS_SECRET")
    };
    let (_, secret) = SECRETS.iter().find(|(name, _)| *name == secret).unwrap();
    let options = toml::toml! { app_id = "app_0123456789abcdef01234567" };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    providers::find(provider).unwrap().sign.unwrap()(&Draft {
        options: &options,
        secret: &Secret::new(*secret).unwrap(),
        token: None,
        at: now.try_into().unwrap(),
        headers: &[],
        body,
    })
}

/// A payment, which is one row of `stripe_payments` once handled.
pub(crate) fn payment(number: usize) -> Value {
    json!({
        "id": format!("evt_{number}"), "object": "event", "type": "checkout.session.completed",
        "created": 1_763_600_000, "livemode": false, "account": "acct_a",
        "data": { "object": {
            "id": format!("cs_{number}"), "object": "checkout.session", "payment_status": "paid",
            "payment_intent": format!("pi_{number}"), "amount_total": 12_100, "currency": "aud",
            "metadata": { "invoice_id": format!("inv_{number}") },
        } },
    })
}

/// Polls until `look` returns a value.
pub(crate) async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, looking).await;
    found.unwrap_or_else(|_| panic!("timed out: {what}"))
}
