//! The command `sealpost events tail`.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::{PATIENCE, everything, send, text};
use crate::harness::{API_KEY, Builder, Gateway};

struct Tail {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    _folder: tempfile::TempDir,
}

impl Tail {
    fn start(gateway: &Gateway, token: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_sealpost"))
            .args(["events", "tail", "--url", &gateway.operator_url("")])
            .args(arguments)
            .env_clear()
            .env("SEALPOST_API_KEY", token)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program runs");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, _folder: folder }
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        line.expect("a line in time").unwrap().expect("a line")
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().expect("it runs").try_into().unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Its exit code and standard error.
    async fn ended(mut self) -> (Option<i32>, String) {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("an end");
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
        (status.unwrap().code(), stderr)
    }
}

#[tokio::test]
async fn tail_prints_changes_until_interrupted() {
    let gateway = Gateway::start().await;
    let id = send(&gateway).await;
    gateway.run_until_idle().await;
    let mut tail = Tail::start(&gateway, API_KEY, &["--after", "start"]);
    let arrived = tail.line().await;
    let words: Vec<&str> = arrived.split_whitespace().collect();
    assert_eq!(words[0], "2026-11-20", "{arrived}");
    assert_eq!(words[2..], ["arrived", "billing", "invoice.finalized", &id]);
    let done = tail.line().await;
    assert!(
        done.contains("  done ") && done.ends_with("delivery 1, attempt 1, stripe, ignored"),
        "{done}"
    );
    tail.signal(Signal::SIGINT);
    assert_eq!(tail.ended().await, (Some(0), String::new()));

    let tail = Tail::start(&gateway, "wrong-token-0123456789", &[]);
    let (code, stderr) = tail.ended().await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("the admin listener responded with 401"), "{stderr}");
    let (code, stderr) = Tail::start(&gateway, API_KEY, &["--after", "x"]).ended().await;
    assert!(code == Some(1) && stderr.contains("responded with 400"), "{stderr}");
    let (code, stderr) = Tail::start(&gateway, "", &[]).ended().await;
    assert!(code == Some(64) && stderr.contains("SEALPOST_API_KEY"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_resumes_after_a_gateway_restart() {
    let gateway = Gateway::start().await;
    let filter = ["--format", "json", "--source", "billing", "--change", "arrived"];
    let (before, after) = (&filter[..], &["--after", "start"][..]);
    let mut tail = Tail::start(&gateway, API_KEY, &[before, after].concat());
    let mut sent = vec![send(&gateway).await];
    let mut seen: Vec<Value> = vec![serde_json::from_str(&tail.line().await).unwrap()];

    let address = gateway.operator_url("").trim_start_matches("http://").to_owned();
    gateway.stop();
    let builder = |gateway: &Gateway| -> Builder {
        let here = format!("[operator]\nlisten = \"{address}\"");
        Gateway::builder()
            .config("[operator]\nlisten = \"127.0.0.1:0\"", &here)
            .sharing_database(gateway)
    };
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // An event at another gateway meanwhile.
    let other = Gateway::builder().sharing_database(&gateway).start().await;
    sent.push(send(&other).await);
    let again = builder(&gateway).start().await;
    sent.push(send(&again).await);
    other.run_until_idle().await;
    for _ in 0..2 {
        seen.push(serde_json::from_str(&tail.line().await).unwrap());
    }
    let ids: Vec<&str> = seen.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(ids, sent);
    tail.signal(Signal::SIGTERM);
    let (code, stderr) = tail.ended().await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("the gateway is stopping"), "{stderr}");

    // `--after` accepts the printed id.
    let id = seen[1]["id"].as_str().unwrap();
    let mut tail = Tail::start(&again, API_KEY, &[before, &["--after", id]].concat());
    let line: Value = serde_json::from_str(&tail.line().await).unwrap();
    assert_eq!(line["event"], sent[2].as_str());
    assert_eq!(text(&everything(&again, 1).await[0], "event"), sent[0]);
}
