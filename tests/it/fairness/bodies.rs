//! The room for bodies in flight.

use futures_util::future::join_all;

use super::{event_of, forged, stall, with_room};
use crate::harness::Gateway;
use crate::receive::raw::{Wire, head};
use crate::receive::{Bench, DeliveryOutcome, event};

const MIB: usize = 1024 * 1024;
const PATH: &str = "/hooks/billing";

async fn good(gateway: &Gateway, bytes: usize) -> u16 {
    gateway.send("billing", None, &event_of(bytes)).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_strangers_hold_in_large_bodies_small_events_are_taken_at_once() {
    let bench = Bench::with(with_room("4 MiB")).await;
    let gateway = &bench.gateway;
    let signature = [("x-docora-signature".to_owned(), format!("sha256={}", "a".repeat(64)))];
    // More than there is, at known and at unknown sources.
    let sizes = (2 * MIB, 2 * MIB - 1);
    let mut held = Vec::new();
    for path in ["/hooks/nosuch", "/hooks/none/create", "/hooks/cards/create"] {
        held.push(stall(gateway, path, &signature, sizes).await);
    }
    for _ in 0..20 {
        assert_eq!(good(gateway, 3_000).await, 202);
    }
    assert_eq!(good(gateway, 60_000).await, 202);
    drop(held);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_bodies_that_stand_still_give_way_to_a_good_one_of_the_same_address() {
    let bench = Bench::with(with_room("1 MiB")).await;
    let gateway = &bench.gateway;
    let headers = forged(gateway, b"{}");
    let stalled = (0..14).map(|_| stall(gateway, PATH, &headers, (64_000, 60_000)));
    let mut held = join_all(stalled).await;
    let answers = join_all((0..5).map(|_| good(gateway, 30_000))).await;
    assert_eq!(answers, [202; 5]);
    let mut given_way = 0;
    for wire in &mut held {
        given_way += usize::from(wire.answer().await.unwrap().status == 408);
    }
    assert!(given_way > 0, "nobody was told that it stood still");
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_takes_the_place_of_one_that_stands_still() {
    let bench = Bench::with(with_room("4 MiB")).await;
    let gateway = &bench.gateway;
    let headers = forged(gateway, b"{}");
    let mut stranger = stall(gateway, PATH, &headers, (2 * MIB, 2 * MIB - 1)).await;
    assert_eq!(good(gateway, MIB).await, 202, "it has waited for its turn");
    assert_eq!(stranger.answer().await.unwrap().status, 408);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_break_are_failures_and_good_ones_of_the_same_address_are_taken() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let slowed = slowed(gateway).await;
    let headers = forged(gateway, b"{}");
    for _ in 0..40 {
        drop(stall(gateway, PATH, &headers, (1_000, 10)).await);
    }
    // The end of a connection is noticed a little later.
    let mut noticed = false;
    for _ in 0..200 {
        noticed = noticed || self::slowed(gateway).await > slowed;
        assert_eq!(good(gateway, 100).await, 202);
        if noticed {
            break;
        }
    }
    assert!(noticed, "they were no failures");
    bench.finish().await;
}

/// How many peers were sent to the slow lane, in this process.
async fn slowed(gateway: &Gateway) -> u64 {
    let page = gateway.operator("/metrics").await.text;
    let line = page.lines().find(|line| line.starts_with("sealpost_peers_slowed_total"));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_fails_and_holds_bodies_shuts_no_source_for_its_senders() {
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
        assert_eq!(good(gateway, 10).await, 202);
    }
    let at_once = join_all((0..20).map(|_| good(gateway, 300_000))).await;
    assert_eq!(at_once, [202; 20]);
    let again = gateway.send_raw("billing", None, &bad, &body);
    bench.check("a forgery", "stripe", DeliveryOutcome::Unauthorized("sig_mismatch"), again).await;
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_body_larger_than_fits_the_arrival_is_kept_and_it_need_not_come_again() {
    let bench = Bench::with(with_room("1 MiB")).await;
    let gateway = &bench.gateway;
    let body = event_of(600 * 1024);
    let sent = gateway.send("billing", None, &body);
    bench.check("too large", "stripe", DeliveryOutcome::Quarantined("too_large"), sent).await;
    assert_eq!(good(gateway, 400 * 1024).await, 202);
    bench.finish().await;
}
