//! Limits of connections: many of one peer do not affect others.

use std::time::Duration;

use super::{Peer, badly_signed, gateway, metric, signed, statuses};
use crate::receive::event;
use crate::receive::process::Process;
use crate::receive::raw::request;

const FEW: &str = "connections = 40\nconnections_per_peer = 8";

/// What hostile connections send before they stall.
fn hostile(gateway: &crate::harness::Gateway) -> [String; 4] {
    let nowhere = "POST /nope HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n\r\n";
    [
        String::new(),
        "POST /hooks/bill".to_owned(),
        nowhere.to_owned(),
        "GET /nope HTTP/1.1\r\nHost: gateway\r\n\r\n".to_owned(),
    ]
    .map(|text| text.replace("gateway", &gateway.address().to_string()))
}

#[tokio::test]
async fn valid_event_is_accepted_despite_many_connections_of_a_peer() {
    let gateway = gateway(FEW).start().await;
    let mut open = Vec::new();
    for sent in hostile(&gateway) {
        for _ in 0..100 {
            let mut peer = Peer::open(gateway.address()).await;
            peer.try_send(sent.as_bytes()).await;
            open.push(peer);
        }
        for from in ["127.0.0.2", "127.0.0.1"] {
            let mut good = Peer::from(from, gateway.address()).await;
            good.send(&signed(&gateway)).await;
            assert_eq!(statuses(good.response().await.as_bytes()), [202], "{from}, {sent:?}");
        }
    }
    // The earlier ones were evicted long before their timeout.
    open.truncate(300);
    for peer in &mut open {
        peer.statuses().await;
    }
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn stalled_bodies_are_evicted_for_new_connections() {
    let gateway = gateway(FEW).start().await;
    let stalled = badly_signed(&gateway, "Content-Length: 100");
    let mut open = Vec::new();
    for _ in 0..8 {
        let mut peer = Peer::open(gateway.address()).await;
        peer.send(&stalled).await;
        open.push(peer);
    }
    let mut other = Peer::from("127.0.0.2", gateway.address()).await;
    other.send(&signed(&gateway)).await;
    assert_eq!(statuses(other.response().await.as_bytes()), [202], "another peer, at once");
    // A body that may still arrive is not evicted: the new connection retries.
    loop {
        let mut good = Peer::open(gateway.address()).await;
        good.try_send(signed(&gateway).as_bytes()).await;
        match good.statuses_or_first().await[..] {
            [202] => break,
            [] | [503] => tokio::time::sleep(Duration::from_millis(50)).await,
            ref other => panic!("{other:?}"),
        }
    }
    let stalled = open.iter_mut().map(|peer| Box::pin(peer.statuses()));
    let (evicted, ..) = futures_util::future::select_all(stalled).await;
    assert_eq!(evicted, [408], "an evicted request gets a response");
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn full_listener_evicts_from_the_peer_with_most_connections() {
    let gateway = gateway(FEW).start().await;
    let idle = "GET /nope HTTP/1.1\r\nHost: gateway\r\n\r\n";
    let mut open = Vec::new();
    for peer in 1..=10 {
        for _ in 0..8 {
            let mut peer = Peer::from(&format!("127.0.1.{peer}"), gateway.address()).await;
            peer.send(idle).await;
            peer.response().await;
            open.push(peer);
        }
    }
    let mut good = Peer::from("127.0.0.2", gateway.address()).await;
    good.send(&signed(&gateway)).await;
    assert_eq!(statuses(good.response().await.as_bytes()), [202]);
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn trusted_proxy_has_no_limit_per_peer() {
    let builder =
        gateway(FEW).config("workers = 1", "workers = 1\ntrusted_proxies = [\"127.0.0.2/32\"]");
    let gateway = builder.start().await;
    let idle = "GET /nope HTTP/1.1\r\nHost: gateway\r\n\r\n";
    for (from, kept) in [("127.0.0.2", 20), ("127.0.0.3", 8)] {
        let mut peers = Vec::new();
        for _ in 0..20 {
            let mut peer = Peer::from(from, gateway.address()).await;
            peer.send(idle).await;
            peer.response().await;
            peers.push(peer);
        }
        for peer in &mut peers[..20 - kept] {
            assert_eq!(peer.statuses().await, [0; 0], "{from}: evicted");
        }
        for peer in &mut peers[20 - kept..] {
            peer.send(idle).await;
            assert_eq!(statuses(peer.response().await.as_bytes()), [404], "{from}: kept");
        }
    }
}

#[tokio::test]
async fn connections_are_counted() {
    let gateway = gateway("head_deadline = \"200ms\"").start().await;
    let all = r#"listener="ingest""#;
    let broken = |reason: &str| format!("{all},reason=\"{reason}\"");
    let accepted = metric(&gateway, "sealpost_connections_total", all).await;
    let cases = [
        ("POST /hooks/billing HT", "head_timeout"),
        ("not a request\r\n\r\n", "bad_request"),
        (&*format!("GET /nope HTTP/1.1\r\nX: {}", "x".repeat(200_000)), "head_too_large"),
    ];
    for (sent, reason) in cases {
        let before = metric(&gateway, "sealpost_connections_broken_total", &broken(reason)).await;
        let mut peer = Peer::open(gateway.address()).await;
        peer.try_send(sent.as_bytes()).await;
        assert_eq!(peer.statuses().await.len(), 1, "{reason}: it gets a response");
        let after = metric(&gateway, "sealpost_connections_broken_total", &broken(reason)).await;
        assert!(after > before, "{reason}");
    }
    assert!(metric(&gateway, "sealpost_connections_total", all).await >= accepted + 3.0);
    let _open = Peer::open(gateway.operator_address()).await;
    let operator = r#"listener="operator""#;
    assert!(metric(&gateway, "sealpost_connections_open", operator).await >= 1.0);
}

#[tokio::test]
async fn reset_during_a_body_is_counted_as_a_rejected_request() {
    let gateway = gateway("").start().await;
    let refused = "sealpost_ingest_total{";
    let count = async || {
        let page = gateway.operator("/metrics").await.text;
        let lines = page
            .lines()
            .filter(|line| line.starts_with(refused) && line.contains("reason=\"http_framing\""));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    let before = count().await;
    let mut peer = Peer::open(gateway.address()).await;
    peer.send(&format!(
        "{}abc",
        badly_signed(&gateway, "Content-Length: 100\r\nExpect: 100-continue")
    ))
    .await;
    // After `100 Continue` its body is being read.
    peer.response().await;
    peer.0.set_zero_linger().unwrap();
    drop(peer);
    while count().await == before {}
}

#[tokio::test]
async fn low_limit_of_open_files_leaves_room_for_valid_events() {
    let process = Process::start_with_files(200).await;
    let line = process.wait_for("a warning", |line| line["event"] == "files.limited").await;
    assert_eq!((line["limit"].as_u64(), line["level"].as_str()), (Some(200), Some("WARN")));
    let address = process.ingest.trim_start_matches("http://").parse().unwrap();
    let mut open = Vec::new();
    for _ in 0..300 {
        let mut peer = Peer::open(address).await;
        peer.try_send(b"POST /hooks/billing HTTP/1.1\r\nHost: gateway\r\n").await;
        open.push(peer);
    }
    let body = event().to_string();
    let headers = process.sign("billing", body.as_bytes());
    let bytes = request("/hooks/billing", &headers, body.as_bytes());
    for from in ["127.0.0.1", "127.0.0.2"] {
        let mut good = Peer::from(from, address).await;
        assert!(good.try_send(&bytes).await);
        let received = statuses(good.response().await.as_bytes());
        assert!(matches!(received[..], [200 | 202]), "{from}: {received:?}");
    }
}

impl Peer {
    /// The statuses up to the first that is final, or the end.
    async fn statuses_or_first(&mut self) -> Vec<u16> {
        use tokio::io::AsyncReadExt as _;
        let mut received = Vec::new();
        loop {
            let read = tokio::time::timeout(super::PATIENCE, self.0.read_buf(&mut received)).await;
            let ended = matches!(read.expect("in time"), Ok(0) | Err(_));
            if ended || !statuses(&received).is_empty() {
                return statuses(&received);
            }
        }
    }
}
