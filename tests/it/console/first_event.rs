//! Follows the steps of the README: its commands in a shell, its clicks in a browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::browser::{is_missing, with_browser_at};
use crate::harness::programs::skip_without;

const README: &str = include_str!("../../../README.md");

/// A shell and its processes. Dropping this stops them.
struct Shell {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    readers: Vec<JoinHandle<()>>,
    folder: tempfile::TempDir,
}

impl Shell {
    /// A shell in a folder with the repository's configuration, and free ports.
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::copy(root.join("config.toml"), folder.path().join("config.toml")).unwrap();
        let mut child = Command::new("bash")
            .current_dir(folder.path())
            .env_remove("DATABASE_URL")
            .env("SEALPOST_INGEST__LISTEN", "127.0.0.1:0")
            .env("SEALPOST_OPERATOR__LISTEN", "127.0.0.1:0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let read = |output: Box<dyn Read + Send>| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    // The receiver is gone when the test is over.
                    let _over = sender.send(line);
                }
            })
        };
        let readers = vec![
            read(Box::new(child.stdout.take().unwrap())),
            read(Box::new(child.stderr.take().unwrap())),
        ];
        Self { input: child.stdin.take(), child, lines, readers, folder }
    }

    fn run(&mut self, command: &str) {
        writeln!(self.input.as_mut().unwrap(), "{command}").unwrap();
    }

    /// Waits for a line with this text, and returns the rest of the line.
    fn wait_for(&self, what: &str) -> String {
        let mut lines = Vec::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|_| panic!("{what} was not printed: {lines:#?}"));
            if let Some((_, rest)) = line.split_once(what) {
                return rest.to_owned();
            }
            lines.push(line);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.input.take());
        // It may have exited already.
        let _gone = killpg(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let _gone = self.child.wait();
        // The gateway keeps the pipes open until it has stopped its cluster.
        for reader in self.readers.drain(..) {
            let _ended = reader.join();
        }
        assert!(self.folder.path().exists(), "no process was left behind");
    }
}

/// The commands and the clicks of the section about the first event.
fn steps() -> (Vec<&'static str>, Vec<&'static str>) {
    let (_, section) = README.split_once("## Your first event\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split_once("```").unwrap().0);
    let commands = blocks.flat_map(str::lines).collect();
    let clicks = section.lines().filter(|line| {
        line.split_once(". ").is_some_and(|(number, _)| number.parse::<u8>().is_ok())
    });
    (commands, clicks.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn readme_steps_lead_to_an_event_in_the_console() {
    if is_missing() || skip_without("the shell", &["bash", "curl", "openssl"]) {
        return;
    }
    let (commands, clicks) = steps();
    assert_eq!((commands.len(), clicks.len()), (6, 4), "the number of steps in the README");
    let mut shell = Shell::open();
    let program = format!("{} serve", env!("CARGO_BIN_EXE_sealpost"));
    for command in &commands[..2] {
        shell.run(&command.replace("cargo run --release -- serve", &program));
    }
    // Standard error is no terminal here, so that the link is in a file.
    assert!(README.contains("the log names a file with the link, `data/sealpost-setup-link`"));
    shell.wait_for("link to create the first user written to a file");
    let file = shell.folder.path().join("data/sealpost-setup-link");
    let link = std::fs::read_to_string(&file).unwrap().trim_end().to_owned();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else can read it");
    let rest = shell.wait_for("\"ingest\":\"");
    let (address, _) = rest.split_once('"').unwrap();
    for command in &commands[2..] {
        shell.run(&command.replace("localhost:8080", address));
    }
    shell.wait_for("HTTP/1.1 202 Accepted");
    let (at, path) = link.split_at(link.find("/setup").unwrap());
    with_browser_at(at, async |browser| {
        browser.open(path).await;
        browser.write("#name", "ada").await;
        browser.write("#password", "correct horse battery").await;
        browser.click("form[action='/setup'] button").await;
        browser.wait_for_path("/").await;
        browser.picture("first-event-overview").await;
        browser.click(".side > nav a[href='/events']").await;
        browser.wait_for_path("/events").await;
        browser.click("main a[href^='/events/']").await;
        browser.wait_for_text("evt_1").await;
        let text = browser.text().await;
        for part in ["account.updated", "billing", "signed"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    })
    .await;
}
