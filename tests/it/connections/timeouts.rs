//! Timeouts in every state of a connection.

use super::{Peer, badly_signed, gateway};
use crate::harness::API_KEY;

const QUICK: &str = "head_deadline = \"400ms\"\nkeep_alive = \"600ms\"\nstall = \"500ms\"";
const CHUNKED: &str = "Transfer-Encoding: chunked";
const NOWHERE: &str = "GET /nope HTTP/1.1\r\nHost: gateway\r\n\r\n";

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n";

fn post(path: &str, lines: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: gateway\r\n{lines}\r\n\r\n")
}

#[tokio::test]
async fn connection_without_progress_is_closed_in_every_state() {
    let gateway = gateway(QUICK).start().await;
    let chunked = badly_signed(&gateway, CHUNKED);
    let counted = badly_signed(&gateway, "Content-Length: 100");
    let gzip = post("/hooks/billing", &format!("Content-Encoding: gzip\r\n{CHUNKED}"));
    let put = post("/hooks/billing", CHUNKED).replace("POST", "PUT");
    let json = format!("Authorization: Bearer {API_KEY}\r\nContent-Type: application/json");
    let form = "Content-Type: application/x-www-form-urlencoded";
    let json = post("/api/v1/jobs", &format!("{json}\r\n{CHUNKED}"));
    let form = post("/sign-in", &format!("{form}\r\n{CHUNKED}"));
    let (ingest, operator) = (gateway.address(), gateway.operator_address());
    // Pieces that are sent one after the other, separated by bars.
    let cases: &[(&str, _, String, &[u16])] = &[
        ("nothing at all", ingest, String::new(), &[408]),
        ("half of the first head", ingest, "POST /hooks/bi".to_owned(), &[408]),
        ("nothing after a request", ingest, NOWHERE.to_owned(), &[404]),
        ("an empty line after a request", ingest, format!("{NOWHERE}|\r\n"), &[404]),
        ("half of the second head", ingest, format!("{NOWHERE}|P"), &[404, 408]),
        ("half of it with the first", ingest, format!("{NOWHERE}P"), &[404]),
        ("404, no body", ingest, post("/nope", CHUNKED), &[404]),
        ("404, half a body", ingest, post("/nope", "Content-Length: 9") + "a", &[404]),
        ("401, no body", ingest, post("/hooks/billing", CHUNKED), &[401]),
        ("405, no body", ingest, put, &[405]),
        ("415, no body", ingest, gzip, &[415]),
        ("408, half a chunk", ingest, chunked + "5\r\nabc", &[408]),
        ("408, half a body", ingest, counted + "abc", &[408]),
        ("the operator's 401", operator, post("/api/v1/jobs", CHUNKED), &[401]),
        ("the operator's form", operator, form + "5\r\nabc", &[408]),
        ("the operator's JSON", operator, json + "5\r\n{\"a", &[408]),
        ("the operator's second head", operator, format!("{HEALTH}|G"), &[200, 408]),
    ];
    for (what, to, pieces, expected) in cases {
        let mut peer = Peer::open(*to).await;
        let mut received = Vec::new();
        for (place, piece) in pieces.split('|').enumerate() {
            if place > 0 {
                received.extend(super::statuses(peer.response().await.as_bytes()));
            }
            peer.send(piece).await;
        }
        received.extend(peer.statuses().await);
        assert_eq!(received, *expected, "{what}");
    }
}

#[tokio::test]
async fn trickling_head_or_body_is_closed() {
    let gateway = gateway(QUICK).start().await;
    let cases = [
        ("a first head", String::new(), "X", 408),
        ("a body", badly_signed(&gateway, "Content-Length: 100000"), "x", 408),
        ("chunks", badly_signed(&gateway, CHUNKED), "1\r\nx\r\n", 408),
        ("the extension of a chunk", badly_signed(&gateway, CHUNKED) + "1;", "x", 408),
        ("trailers", badly_signed(&gateway, CHUNKED) + "0\r\n", "x", 408),
    ];
    for (what, begin, drip, status) in cases {
        let mut peer = Peer::open(gateway.address()).await;
        peer.send(&begin).await;
        // Until the connection is closed.
        while peer.try_send(drip.as_bytes()).await {
            let pause = std::time::Duration::from_millis(50);
            let mut byte = [0];
            if tokio::time::timeout(pause, peer.0.peek(&mut byte)).await.is_ok() {
                break;
            }
        }
        assert_eq!(peer.statuses().await, [status], "{what}");
    }
}

#[tokio::test]
async fn peer_that_does_not_read_responses_is_disconnected() {
    let gateway = gateway(QUICK).start().await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut peer = Peer(socket.connect(gateway.address()).await.unwrap());
    let many = NOWHERE.repeat(1_000);
    let disconnected = async { while peer.try_send(many.as_bytes()).await {} };
    tokio::time::timeout(super::PATIENCE, disconnected).await.expect("the connection ends");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let gateway = gateway(QUICK).start().await;
    let mut peer = Peer::open(gateway.address()).await;
    let (mut reads, mut writes) = peer.0.split();
    let requests = super::signed(&gateway) + &NOWHERE.repeat(5_000);
    let requests = requests + "GET /nope HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n";
    let sending = tokio::io::AsyncWriteExt::write_all(&mut writes, requests.as_bytes());
    let mut received = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut reads, &mut received);
    let (sent, read) =
        tokio::time::timeout(super::PATIENCE, async { tokio::join!(sending, reading) })
            .await
            .expect("in time");
    sent.unwrap();
    read.unwrap();
    let statuses = super::statuses(&received);
    assert_eq!((statuses[0], statuses.len()), (202, 5_002));
    assert!(statuses[1..].iter().all(|status| *status == 404));
    gateway.run_until_idle().await;
}
