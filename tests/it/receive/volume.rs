//! High volume: it delays only its own sender.

use std::time::{Duration, Instant};

use super::raw::{Wire, head};
use super::{Bench, RequestOutcome, event, unique, value, with};
use crate::harness::Gateway;

const PATH: &str = "/hooks/billing";

fn forged(gateway: &Gateway, body: &[u8]) -> Vec<(String, String)> {
    let signed = gateway.sign("billing", body, &[]);
    let (time, _) = value(&signed, "stripe-signature").split_once(',').unwrap();
    with(&signed, "stripe-signature", format!("{time},v1={}", "0".repeat(64)))
}

#[tokio::test(flavor = "multi_thread")]
async fn thousand_failures_do_not_block_a_valid_event() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    let bad = forged(gateway, &body);
    for _ in 0..1_000 {
        let answer = gateway.send_raw("billing", None, &bad, &body).await;
        assert_eq!((answer.status, &answer.text), (401, &bench.unauthorized));
    }
    let good = gateway.send("billing", None, &body);
    bench.check("a good event", "stripe", RequestOutcome::Accepted, good).await;
    assert_eq!(gateway.count("SELECT count(*) FROM event_keys WHERE seen_count > 1").await, 0);
    bench.finish().await;
}

#[tokio::test]
async fn requests_to_unknown_sources_do_not_slow_known_ones() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    for _ in 0..100 {
        let path = format!("nobody-{}", unique());
        let answer = gateway.send_raw(&path, None, &[], b"{}").await;
        assert_eq!((answer.status, &answer.text), (401, &bench.unauthorized));
    }
    let body = event().to_string().into_bytes();
    bench
        .check("good", "stripe", RequestOutcome::Accepted, gateway.send("billing", None, &body))
        .await;
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_slow_bodies_do_not_delay_a_valid_event() {
    // All come from one address, so its connection limit is raised.
    let listen = "[ingest]\nlisten = \"127.0.0.1:0\"";
    let many = format!("{listen}\nconnections_per_peer = 1000");
    let bench = Bench::with(Gateway::builder().config(listen, &many)).await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    let signed = gateway.sign("billing", &body, &[]);
    let mut wires = Vec::new();
    for _ in 0..500 {
        let mut wire = Wire::open(gateway.address()).await;
        wire.write(&head(PATH, &signed, "Content-Length: 1000000")).await;
        wire.write(b"slow").await;
        wires.push(wire);
    }
    // The fastest of three, since other tests run at the same time.
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        let body = event().to_string().into_bytes();
        let started = Instant::now();
        let answer = gateway.send("billing", None, &body).await;
        assert_eq!((answer.status, answer.body_status()), (202, "accepted"));
        fastest = fastest.min(started.elapsed());
    }
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
    drop(wires);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_large_body_is_rejected_before_it_is_sent() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let missing = RequestOutcome::Unauthorized("sig_missing");
    let length = "Content-Length: 26214400";
    for round in 0..100 {
        let sent = async {
            let mut wire = Wire::open(gateway.address()).await;
            wire.write(&head("/hooks/cards/create", &[], length)).await;
            let raw = wire.answer().await.expect("an answer");
            (raw.status, raw.body)
        };
        let (status, text) = sent.await;
        assert_eq!((status, &text), (401, &bench.unauthorized), "{round}");
    }
    // A sender that sends the body gets the same response.
    let body = vec![b'x'; 25 * 1024 * 1024];
    let sent = gateway.send_raw("cards", Some("create"), &[], &body);
    bench.check("all of it", "docora", missing, sent).await;
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn request_over_the_body_budget_waits_and_gets_503() {
    let listen = "[ingest]\nlisten = \"127.0.0.1:0\"";
    let small = format!("{listen}\nin_flight = \"2 MiB\"");
    let bench = Bench::with(Gateway::builder().config(listen, &small)).await;
    let gateway = &bench.gateway;
    let mut large = event();
    large["padding"] = "x".repeat(900 * 1024).into();
    let body = large.to_string().into_bytes();
    let signed = gateway.sign("billing", &body, &[]);
    let mut wire = Wire::open(gateway.address()).await;
    let length = format!("Content-Length: {}", body.len());
    wire.write(&head(PATH, &signed, &length)).await;
    wire.write(&body[..700 * 1024]).await;
    let mut other = event();
    other["padding"] = "y".repeat(900 * 1024).into();
    let other = other.to_string().into_bytes();
    // The first body keeps its budget as long as it makes progress.
    let slow_body = async {
        let (mut at, mut pace) = (700 * 1024, tokio::time::interval(Duration::from_millis(200)));
        while at < 880 * 1024 {
            pace.tick().await;
            wire.write(&body[at..at + 9 * 1024]).await;
            at += 9 * 1024;
        }
        at
    };
    let (at, refused) = tokio::join!(slow_body, gateway.send("billing", None, &other));
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert_eq!(refused.headers["retry-after"], "5");
    wire.write(&body[at..]).await;
    assert_eq!(wire.answer().await.unwrap().status, 202);
    let last = event().to_string().into_bytes();
    bench
        .check(
            "within the budget again",
            "stripe",
            RequestOutcome::Accepted,
            gateway.send("billing", None, &last),
        )
        .await;
    bench.finish().await;
}

#[tokio::test]
async fn forwarded_header_of_an_untrusted_peer_is_ignored() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    for forwarded in [
        "127.0.0.1".to_owned(),
        "[::1]:80, fe80::1%eth0, unknown, _hidden".to_owned(),
        "1.1.1.1,".repeat(1_000),
    ] {
        let body = event().to_string().into_bytes();
        let headers = [("x-forwarded-for".to_owned(), forwarded.clone())];
        let sent = gateway.send_raw("billing", None, &headers, &body);
        let what = &forwarded[..20.min(forwarded.len())];
        bench.check(what, "stripe", RequestOutcome::Unauthorized("sig_missing"), sent).await;
    }
    bench.finish().await;
}
