//! Who may call the operator listener.

use std::process::{Command, Stdio};

use reqwest::header::{AUTHORIZATION, HeaderMap};
use sealpost::clock::Clock;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{PATH, Watcher};
use crate::harness::{Answer, Builder, Gateway, OPERATOR_TOKEN, SECRETS, database};

/// A gateway whose configuration names no token.
fn without_token() -> Builder {
    Gateway::builder().config("token = { env = \"OPERATOR_TOKEN\" }\n", "heartbeat = \"1s\"\n")
}

async fn get(gateway: &Gateway, path: &str, authorization: &[&str]) -> Answer {
    let mut request = gateway.client().get(gateway.operator_url(path));
    for value in authorization {
        request = request.header(AUTHORIZATION, *value);
    }
    Answer::of(request.send().await.expect("an answer")).await
}

/// What may not differ between two refusals.
fn essence(answer: &Answer) -> (u16, String, HeaderMap) {
    let mut headers = answer.headers.clone();
    headers.remove("date");
    (answer.status, answer.text.clone(), headers)
}

/// `sealpost operator token` on the gateway's database, with what it prints.
async fn token_command(gateway: &Gateway, arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sealpost"))
        .args(["operator", "token"])
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("DATABASE_URL", database::url(gateway.target()).await)
        .env("USER", "grace")
        .current_dir(folder.path())
        .output()
        .expect("the program runs");
    (output.status.code(), String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
}

#[tokio::test]
async fn whoever_has_no_good_token_is_told_the_same_everywhere_and_health_needs_none() {
    let gateway = Gateway::start().await;
    let good = format!("Bearer {OPERATOR_TOKEN}");
    let (first, cut) = (get(&gateway, "/metrics", &[]).await, &good[..good.len() - 1]);
    assert_eq!(first.status, 401);
    assert_eq!(first.headers["www-authenticate"], "Bearer realm=\"sealpost operator\"");
    assert_eq!(first.headers["content-type"], "application/problem+json");
    assert_eq!(first.json["type"], "urn:sealpost:problem:token-required");
    for (path, authorization) in [
        ("/metrics", &["Bearer wrong-token-0123456789"][..]),
        ("/metrics", &[cut]),
        ("/metrics", &[&format!("{good}x")]),
        ("/metrics", &[OPERATOR_TOKEN]),
        ("/metrics", &["Bearer"]),
        ("/metrics", &["Bearer "]),
        ("/metrics", &[&format!("Basic {OPERATOR_TOKEN}")]),
        ("/metrics", &[&good, "Bearer other"]),
        (&format!("/metrics?token={OPERATOR_TOKEN}"), &[]),
        ("/", &[]),
        ("/nothing/here", &[]),
        ("/healthz/", &[]),
        (PATH, &[]),
        (&format!("{PATH}?after=nonsense"), &[]),
    ] {
        let answer = get(&gateway, path, authorization).await;
        assert_eq!(essence(&answer), essence(&first), "{path} {authorization:?}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(&gateway, path, &[]).await.status, 200);
    }
    assert_eq!(get(&gateway, "/metrics", &[&good]).await.status, 200);
    assert_eq!(get(&gateway, "/metrics", &[&good.replace("Bearer", "bearer")]).await.status, 200);
    assert_eq!(get(&gateway, "/nothing/here", &[&good]).await.status, 404);
}

#[tokio::test]
async fn a_peer_that_keeps_failing_is_slowed_down_and_a_good_token_is_not() {
    let gateway = Gateway::start().await;
    let mut answers = Vec::new();
    for _ in 0..25 {
        answers.push(get(&gateway, "/metrics", &["Bearer wrong-token-0123456789"]).await);
    }
    let denied = answers.iter().filter(|answer| answer.status == 401).count();
    assert!((20..=21).contains(&denied), "{denied}");
    let last = answers.last().unwrap();
    assert_eq!((last.status, &last.json["status"]), (429, &json!(429)));
    assert!(last.headers.contains_key("retry-after"));
    assert_eq!(gateway.operator("/metrics").await.status, 200);
    assert_eq!(get(&gateway, "/readyz", &[]).await.status, 200);
}

#[tokio::test]
async fn a_token_is_made_once_and_a_new_one_ends_what_the_old_one_began() {
    let gateway = without_token().start().await;
    assert_eq!(token_command(&gateway, &[]).await, (Some(2), String::new()), "none was made");
    let now = gateway.clock().now();
    let first = sealpost::operator::first_token(gateway.store(), now).await.unwrap().unwrap();
    assert!(sealpost::operator::first_token(gateway.store(), now).await.unwrap().is_none());
    let (code, made) = token_command(&gateway, &[]).await;
    assert_eq!((code, &*made), (Some(0), "made 2026-11-20 12:00:00Z by sealpost serve"));
    let old = format!("Bearer {}", *first);
    assert_eq!(get(&gateway, "/metrics", &[&old]).await.status, 200);
    let stream = gateway.client().get(gateway.operator_url(PATH)).bearer_auth(&*first);
    let mut watcher = Watcher::on(stream.send().await.unwrap()).await;

    let (code, second) = token_command(&gateway, &["--new"]).await;
    assert_eq!((code, second.starts_with("slp_")), (Some(0), true), "{second}");
    let new = format!("Bearer {second}");
    assert_eq!(get(&gateway, "/metrics", &[&new]).await.status, 200, "at once");
    assert_eq!(get(&gateway, "/metrics", &[&old]).await.status, 401, "at once");
    assert_eq!(watcher.next().await, None);
    assert!(watcher.comments.last().unwrap().starts_with("the token is good no longer"));

    let rows = gateway
        .query(
            "SELECT encode(digest, 'hex') AS digest, created_by, revoked_at
                                FROM operator_tokens ORDER BY id",
        )
        .await;
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1]["digest"], hex::encode(Sha256::digest(&second)), "only its digest is kept");
    assert_eq!((&rows[1]["created_by"], &rows[1]["revoked_at"]), (&json!("grace"), &Value::Null));
    assert_ne!(rows[0]["revoked_at"], Value::Null);
    let [audit] = &gateway.rows("audit_log").await[..] else { panic!("one line") };
    assert_eq!((&audit["actor"], &audit["action"]), (&json!("grace"), &json!("replace token")));

    // The database is away: metrics are wanted now.
    gateway.store().close().await;
    assert_eq!(get(&gateway, "/readyz", &[]).await.status, 503);
    assert_eq!(get(&gateway, "/metrics", &[&new]).await.status, 200);
    assert_eq!(get(&gateway, "/metrics", &[&old]).await.status, 401);
}

#[tokio::test]
async fn the_first_start_shows_the_token_once_and_not_in_the_log() {
    let url = database::fresh_url().await;
    let config = include_str!("../harness/config.toml")
        .replace("token = { env = \"OPERATOR_TOKEN\" }\n", "");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let mut shown = Vec::new();
    for start in 0..2 {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_sealpost"))
            .arg("serve")
            .env("DATABASE_URL", &url)
            .envs(SECRETS.iter().copied())
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let operator = loop {
            let line = lines.next_line().await.unwrap().expect("a line");
            if let Some(token) = line.strip_prefix("operator token, shown only now: ") {
                shown.push(token.to_owned());
                continue;
            }
            let line: Value = serde_json::from_str(&line).expect("a line of the log");
            if line["message"] == "listening" {
                break line["operator"].as_str().expect("an address").to_owned();
            }
        };
        assert_eq!(shown.len(), 1, "start {start}");
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let page = client.get(format!("http://{operator}/metrics"));
        let page = page.bearer_auth(&shown[0]).send().await.unwrap();
        assert_eq!(page.status(), 200, "start {start}");
        assert!(!page.text().await.unwrap().contains(&shown[0]));
        let none = client.get(format!("http://{operator}/{}", shown[0]));
        assert_eq!(none.send().await.unwrap().status(), 401);
        loop {
            let line = lines.next_line().await.unwrap().expect("a line");
            assert!(!line.contains(&shown[0]), "{line}");
            if line.contains("operator.denied") {
                break;
            }
        }
        child.kill().await.unwrap();
    }
}
