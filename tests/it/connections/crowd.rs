//! Many connections of one peer take nothing from the others.

use std::time::Duration;

use super::{Peer, gateway, metric, signed, statuses, unproven};
use crate::receive::event;
use crate::receive::process::Process;
use crate::receive::raw::request;

const FEW: &str = "connections = 40\nconnections_per_peer = 8";

/// What hostile connections send, and then nothing.
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
async fn a_good_event_is_taken_however_many_connections_one_peer_has() {
    let gateway = gateway(FEW).start().await;
    let mut held = Vec::new();
    for sent in hostile(&gateway) {
        for _ in 0..100 {
            let mut peer = Peer::open(gateway.address()).await;
            peer.try_send(sent.as_bytes()).await;
            held.push(peer);
        }
        for from in ["127.0.0.2", "127.0.0.1"] {
            let mut good = Peer::from(from, gateway.address()).await;
            good.send(&signed(&gateway)).await;
            assert_eq!(statuses(good.heard().await.as_bytes()), [202], "{from}, {sent:?}");
        }
    }
    // Those of before have ended long before their time.
    held.truncate(300);
    for peer in &mut held {
        peer.statuses().await;
    }
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn stalled_bodies_make_room_once_they_have_stood_still() {
    let gateway = gateway(FEW).start().await;
    let stalled = unproven(&gateway, "Content-Length: 100");
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut peer = Peer::open(gateway.address()).await;
        peer.send(&stalled).await;
        held.push(peer);
    }
    let mut other = Peer::from("127.0.0.2", gateway.address()).await;
    other.send(&signed(&gateway)).await;
    assert_eq!(statuses(other.heard().await.as_bytes()), [202], "another peer, at once");
    // A body that may still come is not given up for a newcomer, which comes again.
    loop {
        let mut good = Peer::open(gateway.address()).await;
        good.try_send(signed(&gateway).as_bytes()).await;
        match good.statuses_or_first().await[..] {
            [202] => break,
            [] | [503] => tokio::time::sleep(Duration::from_millis(50)).await,
            ref other => panic!("{other:?}"),
        }
    }
    let stalled = held.iter_mut().map(|peer| Box::pin(peer.statuses()));
    let (told, ..) = futures_util::future::select_all(stalled).await;
    assert_eq!(told, [408], "whoever has to go is told");
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn a_full_listener_takes_from_the_peer_that_has_the_most() {
    let gateway = gateway(FEW).start().await;
    let idle = "GET /nope HTTP/1.1\r\nHost: gateway\r\n\r\n";
    let mut held = Vec::new();
    for peer in 1..=10 {
        for _ in 0..8 {
            let mut peer = Peer::from(&format!("127.0.1.{peer}"), gateway.address()).await;
            peer.send(idle).await;
            peer.heard().await;
            held.push(peer);
        }
    }
    let mut good = Peer::from("127.0.0.2", gateway.address()).await;
    good.send(&signed(&gateway)).await;
    assert_eq!(statuses(good.heard().await.as_bytes()), [202]);
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn a_trusted_proxy_has_as_many_connections_as_the_listener() {
    let builder =
        gateway(FEW).config("workers = 1", "workers = 1\ntrusted_proxies = [\"127.0.0.2/32\"]");
    let gateway = builder.start().await;
    let idle = "GET /nope HTTP/1.1\r\nHost: gateway\r\n\r\n";
    for (from, kept) in [("127.0.0.2", 20), ("127.0.0.3", 8)] {
        let mut peers = Vec::new();
        for _ in 0..20 {
            let mut peer = Peer::from(from, gateway.address()).await;
            peer.send(idle).await;
            peer.heard().await;
            peers.push(peer);
        }
        for peer in &mut peers[..20 - kept] {
            assert_eq!(peer.statuses().await, [0; 0], "{from}: it has ended");
        }
        for peer in &mut peers[20 - kept..] {
            peer.send(idle).await;
            assert_eq!(statuses(peer.heard().await.as_bytes()), [404], "{from}: it is kept");
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
        assert_eq!(peer.statuses().await.len(), 1, "{reason}: it hears why");
        let after = metric(&gateway, "sealpost_connections_broken_total", &broken(reason)).await;
        assert!(after > before, "{reason}");
    }
    assert!(metric(&gateway, "sealpost_connections_total", all).await >= accepted + 3.0);
    let _open = Peer::open(gateway.operator_address()).await;
    let operator = r#"listener="operator""#;
    assert!(metric(&gateway, "sealpost_connections_open", operator).await >= 1.0);
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_body_is_counted_and_logged_as_a_refused_request() {
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
    peer.send(&format!("{}abc", unproven(&gateway, "Content-Length: 100\r\nExpect: 100-continue")))
        .await;
    // Once it is asked to go on, its body is being read.
    peer.heard().await;
    peer.0.set_zero_linger().unwrap();
    drop(peer);
    while count().await == before {}
}

#[tokio::test]
async fn a_low_limit_of_open_files_leaves_room_for_good_events() {
    let process = Process::start_with_files(200).await;
    let line = process.wait_for("a warning", |line| line["event"] == "files.limited").await;
    assert_eq!((line["limit"].as_u64(), line["level"].as_str()), (Some(200), Some("WARN")));
    let address = process.ingest.trim_start_matches("http://").parse().unwrap();
    let mut held = Vec::new();
    for _ in 0..300 {
        let mut peer = Peer::open(address).await;
        peer.try_send(b"POST /hooks/billing HTTP/1.1\r\nHost: gateway\r\n").await;
        held.push(peer);
    }
    let body = event().to_string();
    let headers = process.sign("billing", body.as_bytes());
    let bytes = request("/hooks/billing", &headers, body.as_bytes());
    for from in ["127.0.0.1", "127.0.0.2"] {
        let mut good = Peer::from(from, address).await;
        assert!(good.try_send(&bytes).await);
        let heard = statuses(good.heard().await.as_bytes());
        assert!(matches!(heard[..], [200 | 202]), "{from}: {heard:?}");
    }
}

impl Peer {
    /// The statuses up to the first that is final, or the end.
    async fn statuses_or_first(&mut self) -> Vec<u16> {
        use tokio::io::AsyncReadExt as _;
        let mut heard = Vec::new();
        loop {
            let read = tokio::time::timeout(super::PATIENCE, self.0.read_buf(&mut heard)).await;
            let ended = matches!(read.expect("in time"), Ok(0) | Err(_));
            if ended || !statuses(&heard).is_empty() {
                return statuses(&heard);
            }
        }
    }
}
