//! Every source of every provider rejects invalid proofs with the same response.

use sealpost::clock::Clock;
use serde_json::json;

use super::{Bench, card, unique, value, with};
use crate::harness::Gateway;

/// Headers that are not part of the proof.
const PLAIN: &[&str] = &["content-type", "accept", "accept-encoding", "user-agent"];

#[tokio::test]
async fn every_invalid_proof_gives_the_same_401_and_no_row() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let now = gateway.clock().now().unix_timestamp();
    let guild = ("x-guild-id".to_owned(), "123456789012345678".to_owned());
    let native = ("fixture-form".to_owned(), "native".to_owned());
    let run = ("fixture-run-key".to_owned(), "5f0c6a3e-6f3e-4b52-9c39-0a8f3a8f3f10".to_owned());
    for (source, action, extra) in [
        ("billing", None, vec![]),
        ("closed", None, vec![]),
        ("cards", Some("create"), vec![]),
        ("apify-runs", None, vec![]),
        ("apify-runs", None, vec![run.clone()]),
        ("apify-verify", None, vec![run]),
        ("bot", None, vec![]),
        ("bot", None, vec![guild.clone()]),
        ("bot", None, vec![guild, native]),
    ] {
        let body = match source {
            "cards" => card().to_string(),
            _ => json!({ "id": unique(), "object": "event", "type": "x" }).to_string(),
        };
        let body = body.as_bytes();
        let signed = gateway.sign(source, body, &extra);
        let proof_headers: Vec<&String> = signed
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !PLAIN.contains(&name.as_str()))
            .collect();
        assert!(!proof_headers.is_empty(), "{source}");
        let mut wrong = vec![("no header".to_owned(), vec![])];
        for name in proof_headers {
            let text = value(&signed, name);
            let mut flipped = text.to_owned();
            let last = if flipped.pop() == Some('0') { '1' } else { '0' };
            flipped.push(last);
            let without: Vec<_> =
                signed.iter().filter(|(header, _)| header != name).cloned().collect();
            // A list may contain other signatures, but only one time.
            let differs = if text.starts_with("t=") {
                text.replacen("t=", "t=1", 1)
            } else {
                flipped.clone()
            };
            assert_ne!(differs, text, "{source}: {name}");
            let line = |value: &str| (name.clone(), value.to_owned());
            let twice: Vec<_> = signed.iter().cloned().chain([line(&differs)]).collect();
            let wrong_twice = [line(&flipped), line(&flipped)];
            let wrong_twice: Vec<_> = without.iter().cloned().chain(wrong_twice).collect();
            wrong.push((format!("{name} missing"), without));
            wrong.push((format!("{name} twice with different values"), twice));
            wrong.push((format!("{name} twice with a wrong value"), wrong_twice));
            for (what, other) in [
                ("another", flipped),
                ("empty", String::new()),
                ("no text", format!("{text}\u{e9}")),
                ("longer", format!("{text},{differs}")),
                ("shorter", text[..text.len() / 2].to_owned()),
                ("huge", format!("{text}{}", "a".repeat(8_000))),
            ] {
                wrong.push((format!("{name} {what}"), with(&signed, name, other)));
            }
        }
        for offset in [-100_000, 100_000] {
            wrong
                .push((format!("{offset} s"), gateway.sign_at(source, body, &extra, now + offset)));
        }
        for (what, headers) in wrong {
            // The guild is optional, but signed, so removing it invalidates the signature.
            let answer = gateway.send_raw(source, action, &headers, body).await;
            assert_eq!(answer.status, 401, "{source}: {what}: {}", answer.text);
            assert_eq!(answer.text, bench.unauthorized, "{source}: {what}");
        }
        if signed.iter().any(|(name, _)| name == "x-webhook-signed-payload") {
            // The token does not sign the body.
            continue;
        }
        let other = gateway.send_raw(source, action, &signed, b"{\"other\":1}").await;
        assert_eq!(
            (other.status, &other.text),
            (401, &bench.unauthorized),
            "{source}: other bytes"
        );
        for table in ["events", "event_keys", "deliveries", "chunk_transfers", "chunk_buffer"] {
            assert_eq!(gateway.rows(table).await.len(), 0, "{source}: {table}");
        }
    }
    bench.assert_other_source_works("every refusal", "none").await;
    bench.finish().await;
}

#[tokio::test]
async fn repeated_or_joined_proof_headers_are_accepted() {
    let gateway = Gateway::builder().allow_unfinished().start().await;
    let guild = ("x-guild-id".to_owned(), "123456789012345678".to_owned());
    let native = ("fixture-form".to_owned(), "native".to_owned());
    let run = ("fixture-run-key".to_owned(), "5f0c6a3e-6f3e-4b52-9c39-0a8f3a8f3f10".to_owned());
    for (source, action, extra) in [
        ("billing", None, vec![]),
        ("cards", Some("create"), vec![]),
        ("apify-runs", None, vec![]),
        ("apify-runs", None, vec![run]),
        ("bot", None, vec![guild.clone()]),
        ("bot", None, vec![guild, native]),
    ] {
        let sign = || {
            let body = match source {
                "cards" => card().to_string(),
                _ => json!({ "id": unique(), "object": "event", "type": "x" }).to_string(),
            };
            (gateway.sign(source, body.as_bytes(), &extra), body)
        };
        let (signed, body) = sign();
        let plain = gateway.send_raw(source, action, &signed, body.as_bytes()).await;
        assert_eq!(plain.status, 202, "{source}: {}", plain.text);
        let proof_headers = signed.iter().filter(|(name, _)| !PLAIN.contains(&name.as_str()));
        for (name, _) in proof_headers {
            let (signed, body) = sign();
            let text = value(&signed, name);
            let again = (name.clone(), text.to_owned());
            let repeated: Vec<_> = signed.iter().cloned().chain([again]).collect();
            let mut variants = vec![("repeated", repeated)];
            // This header is not a list: its value may contain commas.
            if name != "authorization" {
                variants.push(("joined", with(&signed, name, format!("{text}, {text}"))));
            }
            for (position, (variant, headers)) in variants.into_iter().enumerate() {
                let answer = gateway.send_raw(source, action, &headers, body.as_bytes()).await;
                // The second variant has the same dedup key as the first.
                let accepted =
                    if position == 0 { answer.status == 202 } else { answer.status < 300 };
                assert!(accepted, "{source}: {name} {variant}: {} {}", answer.status, answer.text);
            }
        }
    }
}
