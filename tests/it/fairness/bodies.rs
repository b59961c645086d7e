//! The budget for bodies in flight.

use futures_util::future::join_all;

use super::{event_of, forged, stall, with_budget};
use crate::harness::Gateway;
use crate::receive::raw::{Wire, head};
use crate::receive::{Bench, RequestOutcome, event};

const MIB: usize = 1024 * 1024;
const PATH: &str = "/hooks/billing";

async fn send_valid(gateway: &Gateway, bytes: usize) -> u16 {
    gateway.send("billing", None, &event_of(bytes)).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn small_events_are_accepted_while_large_bodies_stall() {
    let bench = Bench::with(with_budget("4 MiB")).await;
    let gateway = &bench.gateway;
    let signature = [("x-docora-signature".to_owned(), format!("sha256={}", "a".repeat(64)))];
    // More than the budget, at known and unknown sources.
    let sizes = (2 * MIB, 2 * MIB - 1);
    let mut stalled_bodies = Vec::new();
    for path in ["/hooks/nosuch", "/hooks/none/create", "/hooks/cards/create"] {
        stalled_bodies.push(stall(gateway, path, &signature, sizes).await);
    }
    for _ in 0..20 {
        assert_eq!(send_valid(gateway, 3_000).await, 202);
    }
    assert_eq!(send_valid(gateway, 60_000).await, 202);
    drop(stalled_bodies);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_small_bodies_are_evicted_for_a_valid_event() {
    let bench = Bench::with(with_budget("1 MiB")).await;
    let gateway = &bench.gateway;
    let headers = forged(gateway, b"{}");
    let stalled = (0..14).map(|_| stall(gateway, PATH, &headers, (64_000, 60_000)));
    let mut stalled_bodies = join_all(stalled).await;
    let answers = join_all((0..5).map(|_| send_valid(gateway, 30_000))).await;
    assert_eq!(answers, [202; 5]);
    let mut evicted = 0;
    for wire in &mut stalled_bodies {
        evicted += usize::from(wire.answer().await.unwrap().status == 408);
    }
    assert!(evicted > 0, "no stalled body was evicted");
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_body_evicts_a_stalled_one() {
    let bench = Bench::with(with_budget("4 MiB")).await;
    let gateway = &bench.gateway;
    let headers = forged(gateway, b"{}");
    let mut stranger = stall(gateway, PATH, &headers, (2 * MIB, 2 * MIB - 1)).await;
    assert_eq!(send_valid(gateway, MIB).await, 202, "it waits for the budget");
    assert_eq!(stranger.answer().await.unwrap().status, 408);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aborted_bodies_are_failures_but_do_not_block_their_address() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let before = slowed_peers(gateway).await;
    let headers = forged(gateway, b"{}");
    for _ in 0..40 {
        drop(stall(gateway, PATH, &headers, (1_000, 10)).await);
    }
    // The gateway notices the end of a connection a little later.
    let mut counted = false;
    for _ in 0..200 {
        counted = counted || slowed_peers(gateway).await > before;
        assert_eq!(send_valid(gateway, 100).await, 202);
        if counted {
            break;
        }
    }
    assert!(counted, "aborted bodies are not counted as failures");
    bench.finish().await;
}

/// Number of slowed peers in this process.
async fn slowed_peers(gateway: &Gateway) -> u64 {
    let page = gateway.operator("/metrics").await.text;
    let line = page.lines().find(|line| line.starts_with("sealpost_peers_slowed_total"));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_client_does_not_block_valid_senders() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    let bad = forged(gateway, &body);
    for _ in 0..30 {
        let answer = gateway.send_raw("billing", None, &bad, &body).await;
        assert_eq!((answer.status, &answer.text), (401, &bench.unauthorized));
    }
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut wire = Wire::open(gateway.address()).await;
        wire.write(&head(PATH, &bad, "Content-Length: 100")).await;
        wire.write(&body[..10]).await;
        slow.push(wire);
    }
    for _ in 0..10 {
        assert_eq!(send_valid(gateway, 10).await, 202);
    }
    let at_once = join_all((0..20).map(|_| send_valid(gateway, 300_000))).await;
    assert_eq!(at_once, [202; 20]);
    let again = gateway.send_raw("billing", None, &bad, &body);
    bench.check("a forgery", "stripe", RequestOutcome::Unauthorized("sig_mismatch"), again).await;
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn body_over_the_budget_is_quarantined() {
    let bench = Bench::with(with_budget("1 MiB")).await;
    let gateway = &bench.gateway;
    let body = event_of(600 * 1024);
    let sent = gateway.send("billing", None, &body);
    bench.check("too large", "stripe", RequestOutcome::Quarantined("too_large"), sent).await;
    assert_eq!(send_valid(gateway, 400 * 1024).await, 202);
    bench.finish().await;
}
