//! Responses that are sent before the body has arrived.

use super::{Peer, badly_signed, gateway, signed, statuses};
use crate::harness::API_KEY;

const EXPECT: &str = "Expect: 100-continue";

#[tokio::test]
async fn rejected_request_gets_no_100_continue() {
    let gateway = gateway("").start().await;
    let (ingest, operator) = (gateway.address(), gateway.operator_address());
    let post = |path: &str, lines: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: gateway\r\n{EXPECT}\r\n{lines}\r\n\r\n")
    };
    let some = "Content-Length: 100";
    let cases = [
        (
            "too large",
            ingest,
            badly_signed(&gateway, &format!("{EXPECT}\r\nContent-Length: 900000000")),
            413,
        ),
        ("not signed", ingest, post("/hooks/billing", some), 401),
        (
            "encoded",
            ingest,
            badly_signed(&gateway, &format!("{EXPECT}\r\n{some}\r\nContent-Encoding: gzip")),
            415,
        ),
        ("nowhere", ingest, post("/nope", some), 404),
        ("another method", ingest, post("/hooks/billing", some).replace("POST", "PUT"), 405),
        ("no key", operator, post("/api/v1/jobs", some), 401),
        (
            "an invalid key",
            operator,
            post("/api/v1/jobs", &format!("{some}\r\nAuthorization: Bearer slp_x")),
            401,
        ),
    ];
    for (what, to, head, status) in cases {
        let mut peer = Peer::open(to).await;
        peer.send(&head).await;
        assert_eq!(peer.statuses().await, [status], "{what}");
    }
}

#[tokio::test]
async fn accepted_request_gets_100_continue() {
    let gateway = gateway("").start().await;
    let event = signed(&gateway);
    let (head, body) = event.split_once("\r\n\r\n").unwrap();
    let json = r#"{"action":"discard"}"#;
    let call = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {API_KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {}",
        json.len()
    );
    let ingest = (gateway.address(), head, body);
    for (to, head, body) in [ingest, (gateway.operator_address(), &*call, json)] {
        let mut peer = Peer::open(to).await;
        for _ in 0..2 {
            peer.send(&format!("{head}\r\n{EXPECT}\r\n\r\n")).await;
            assert_eq!(statuses(peer.response().await.as_bytes()), [100]);
            peer.send(body).await;
            let answer = peer.response().await;
            assert_eq!(statuses(answer.as_bytes()).len(), 1, "{answer}");
            assert!(!answer.contains("HTTP/1.1 100"), "{answer}");
        }
    }
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn early_response_reaches_a_sender_that_reads_last() {
    let gateway = gateway("").start().await;
    let large = "x".repeat(20 * 1024 * 1024);
    // Signed bodies are read up to the hard limit.
    let unsigned =
        |line: &str| format!("POST /hooks/billing HTTP/1.1\r\nHost: gateway\r\n{line}\r\n\r\n");
    let length = format!("Content-Length: {}", large.len());
    let size = format!("{:x}\r\n", large.len());
    for (what, begin, status) in [
        ("too large", badly_signed(&gateway, "Content-Length: 900000000"), 413),
        ("not signed", unsigned(&length), 401),
        ("not signed, in chunks", unsigned("Transfer-Encoding: chunked") + &size, 401),
    ] {
        let mut peer = Peer::open(gateway.address()).await;
        peer.send(&begin).await;
        assert!(peer.try_send(large.as_bytes()).await, "{what}: everything is read");
        assert_eq!(peer.statuses().await, [status], "{what}");
    }
}

#[tokio::test]
async fn malformed_request_gets_a_response_while_it_is_still_sent() {
    let gateway = gateway("").start().await;
    let mut peer = Peer::open(gateway.address()).await;
    let rest = "x".repeat(1024 * 1024);
    peer.send(&format!("nonsense\r\n\r\n{rest}")).await;
    assert_eq!(peer.statuses().await, [400]);
}
