//! Log lines and counters of requests, without secrets.

use serde_json::Value;

use super::process::Process;
use super::{card, event, value, with};
use crate::harness::SECRETS;

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_one_log_line_and_one_count_without_secrets() {
    let process = Process::start().await;
    let body = event().to_string();
    let signed = process.sign("billing", body.as_bytes());
    let signature = value(&signed, "stripe-signature").to_owned();
    let stale = with(&signed, "stripe-signature", signature.replacen("t=", "t=0", 1));
    let zeros = "0".repeat(64);
    let forged = with(&signed, "stripe-signature", {
        let (time, _) = signature.split_once(',').unwrap();
        format!("{time},v1={zeros}")
    });
    let invalid = "canary-in-the-body, which is no JSON";
    let invalid_headers = process.sign("billing", invalid.as_bytes());
    let other = card().to_string();
    let other_headers = process.sign("cards", other.as_bytes());
    let query = "/hooks/billing?token=canary-in-the-query";
    let noise = [
        ("user-agent".to_owned(), "\u{1b}[31mcanary-in-a-header\u{1b}[0m".to_owned()),
        ("cookie".to_owned(), "session=canary-in-a-cookie".to_owned()),
    ];
    let cluttered: Vec<_> = signed.iter().chain(&noise[1..]).cloned().collect();
    let cases = [
        ("accepted", "", "stripe", "/hooks/billing", &signed[..], body.as_str()),
        ("duplicate", "seen_before", "stripe", query, &cluttered, &body),
        ("rejected", "sig_mismatch", "stripe", "/hooks/billing", &forged, &body),
        ("rejected", "ts_malformed", "stripe", "/hooks/billing", &stale, &body),
        ("rejected", "sig_missing", "stripe", query, &noise[1..], &body),
        ("quarantined", "not_json", "stripe", "/hooks/billing", &invalid_headers, invalid),
        ("accepted", "", "docora", "/hooks/cards/create", &other_headers, &other),
        ("rejected", "unknown_source", "none", "/hooks/canary-in-the-path", &signed, &body),
        ("rejected", "not_found", "none", "/canary-in-the-path", &signed, &body),
    ];
    for (outcome, reason, kind, path, headers, body) in cases {
        let before = process.counters().await;
        let lines = requests(&process).len();
        let (status, text) = process.post(path, headers, body.as_bytes().to_vec()).await;
        // Another thread writes the line, possibly after the response.
        for _ in 0..100 {
            if requests(&process).len() > lines {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let seen = requests(&process).split_off(lines);
        assert_eq!(seen.len(), 1, "{path}: {seen:#?}");
        let line = &seen[0];
        assert_eq!(line["event"], format!("ingest.{outcome}"), "{path}: {text}");
        assert_eq!(line["reason"], reason);
        assert_eq!(line["source.kind"], kind);
        assert_eq!(line["peer"], "127.0.0.1");
        assert!(line["request.id"].is_string());
        if outcome == "rejected" {
            assert_eq!(line["status"], status);
        }
        let after = process.counters().await;
        let increased: Vec<_> = after
            .iter()
            .filter(|(labels, count)| before.get(*labels).unwrap_or(&0) != *count)
            .collect();
        assert_eq!(increased.len(), 1, "{path}: {increased:?}");
        let (labels, count) = increased[0];
        assert_eq!(*count, before.get(labels).unwrap_or(&0) + 1);
        for label in [
            format!("provider=\"{kind}\""),
            format!("\"{outcome}\""),
            format!("reason=\"{reason}\""),
        ] {
            assert!(labels.contains(&label), "{labels}: {label}");
        }
        let source = match kind {
            "stripe" => "billing",
            "docora" => "cards",
            _ => "none",
        };
        assert!(labels.contains(&format!("source=\"{source}\"")), "{labels}: {source}");
    }
    // Unknown names do not become metric series.
    let series = process.counters().await.len();
    for number in 0..100 {
        process.post(&format!("/hooks/nobody-{number}"), &[], vec![]).await;
    }
    assert_eq!(process.counters().await.len(), series);
    let log = process.log().join("\n");
    let metrics = format!("{:?}", process.counters().await);
    let digits = signature.rsplit_once('=').unwrap().1;
    let secrets = SECRETS.iter().map(|(_, secret)| *secret);
    // The setup link of the first user is in a file, and not in the log.
    let link = process.folder().join("data/sealpost-setup-link");
    let link = std::fs::read_to_string(link).expect("a file with the link");
    let (_, token) = link.trim().split_once("token=").expect("a link");
    for canary in ["canary", digits, &zeros, "\u{1b}", token].into_iter().chain(secrets) {
        assert!(!log.contains(canary), "{canary} is in the log:\n{log}");
        assert!(!metrics.contains(canary), "{canary} is in the metrics");
    }
}

#[tokio::test]
async fn setup_link_is_named_again_while_there_is_no_user() {
    let mut process = Process::start().await;
    let file = process.folder().join("data/sealpost-setup-link");
    let token = || {
        let link = std::fs::read_to_string(&file).unwrap();
        link.split_once("token=").unwrap().1.to_owned()
    };
    let first = token();
    let is_named = |line: &Value| {
        let message = line["message"].as_str().unwrap_or_default();
        message.contains("link to create the first user still in its file")
            && line["path"].as_str().unwrap_or_default().ends_with("data/sealpost-setup-link")
    };
    process.restart().await;
    process.wait_for("the file of the link", is_named).await;
    assert_eq!(token(), first, "it is the same link");
    std::fs::remove_file(&file).unwrap();
    process.restart().await;
    let is_hint = |line: &Value| {
        line["message"].as_str().unwrap_or_default().contains("`sealpost users add NAME")
    };
    process.wait_for("another way", is_hint).await;
}

fn requests(process: &Process) -> Vec<Value> {
    let lines = process.log();
    let lines = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    lines
        .filter(|line: &Value| {
            line["event"].as_str().is_some_and(|event| event.starts_with("ingest."))
        })
        .collect()
}
