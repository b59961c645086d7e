//! Much of everything: it costs the one who sends it, and nobody else.

use std::time::{Duration, Instant};

use super::raw::{Wire, head};
use super::{Bench, DeliveryOutcome, event, unique, value, with};
use crate::harness::Gateway;

const PATH: &str = "/hooks/billing";

fn forged(gateway: &Gateway, body: &[u8]) -> Vec<(String, String)> {
    let signed = gateway.sign("billing", body, &[]);
    let (time, _) = value(&signed, "stripe-signature").split_once(',').unwrap();
    with(&signed, "stripe-signature", format!("{time},v1={}", "0".repeat(64)))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_a_thousand_times_is_told_the_same_and_still_heard() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    let bad = forged(gateway, &body);
    for _ in 0..1_000 {
        let answer = gateway.send_raw("billing", None, &bad, &body).await;
        assert_eq!((answer.status, &answer.text), (401, &bench.unauthorized));
    }
    let good = gateway.send("billing", None, &body);
    bench.check("a good event", "stripe", DeliveryOutcome::Accepted, good).await;
    assert_eq!(gateway.count("SELECT count(*) FROM event_keys WHERE seen_count > 1").await, 0);
    bench.finish().await;
}

#[tokio::test]
async fn unknown_sources_have_a_lane_too_and_known_ones_do_not_share_it() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    for _ in 0..100 {
        let path = format!("nobody-{}", unique());
        let answer = gateway.send_raw(&path, None, &[], b"{}").await;
        assert_eq!((answer.status, &answer.text), (401, &bench.unauthorized));
    }
    let body = event().to_string().into_bytes();
    bench
        .check("good", "stripe", DeliveryOutcome::Accepted, gateway.send("billing", None, &body))
        .await;
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_slow_bodies_do_not_hold_up_a_good_event() {
    // They come from the address of the good one: the number that one may have is another matter.
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
    // The quickest of three: other tests are at work too.
    let mut quickest = Duration::MAX;
    for _ in 0..3 {
        let body = event().to_string().into_bytes();
        let began = Instant::now();
        let answer = gateway.send("billing", None, &body).await;
        assert_eq!((answer.status, answer.what()), (202, "accepted"));
        quickest = quickest.min(began.elapsed());
    }
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
    drop(wires);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_without_a_signature_is_refused_before_it_is_sent() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let missing = DeliveryOutcome::Unauthorized("sig_missing");
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
    // Who sends it all the same is told the same.
    let body = vec![b'x'; 25 * 1024 * 1024];
    let sent = gateway.send_raw("cards", Some("create"), &[], &body);
    bench.check("all of it", "docora", missing, sent).await;
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_budget_at_once_waits_and_is_told_to_come_again() {
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
    // As long as the first one moves it keeps its place.
    let moving = async {
        let (mut at, mut pace) = (700 * 1024, tokio::time::interval(Duration::from_millis(200)));
        while at < 880 * 1024 {
            pace.tick().await;
            wire.write(&body[at..at + 9 * 1024]).await;
            at += 9 * 1024;
        }
        at
    };
    let (at, refused) = tokio::join!(moving, gateway.send("billing", None, &other));
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert_eq!(refused.headers["retry-after"], "5");
    wire.write(&body[at..]).await;
    assert_eq!(wire.answer().await.unwrap().status, 202);
    let last = event().to_string().into_bytes();
    bench
        .check(
            "room again",
            "stripe",
            DeliveryOutcome::Accepted,
            gateway.send("billing", None, &last),
        )
        .await;
    bench.finish().await;
}

#[tokio::test]
async fn what_an_address_claims_to_be_counts_for_nothing() {
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
        bench.check(what, "stripe", DeliveryOutcome::Unauthorized("sig_missing"), sent).await;
    }
    bench.finish().await;
}
