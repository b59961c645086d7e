//! Every state in which a peer can leave a connection has an end.

use super::{Peer, gateway, unproven};
use crate::harness::API_KEY;

const QUICK: &str = "head_deadline = \"400ms\"\nkeep_alive = \"600ms\"\nstall = \"500ms\"";
const CHUNKED: &str = "Transfer-Encoding: chunked";
const NOWHERE: &str = "GET /nope HTTP/1.1\r\nHost: gateway\r\n\r\n";

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n";

fn post(path: &str, lines: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: gateway\r\n{lines}\r\n\r\n")
}

#[tokio::test]
async fn a_connection_that_makes_no_progress_ends_whatever_it_waits_in() {
    let gateway = gateway(QUICK).start().await;
    let chunked = unproven(&gateway, CHUNKED);
    let counted = unproven(&gateway, "Content-Length: 100");
    let gzip = post("/hooks/billing", &format!("Content-Encoding: gzip\r\n{CHUNKED}"));
    let put = post("/hooks/billing", CHUNKED).replace("POST", "PUT");
    let json = format!("Authorization: Bearer {API_KEY}\r\nContent-Type: application/json");
    let form = "Content-Type: application/x-www-form-urlencoded";
    let json = post("/api/v1/jobs", &format!("{json}\r\n{CHUNKED}"));
    let form = post("/sign-in", &format!("{form}\r\n{CHUNKED}"));
    let (ingest, operator) = (gateway.address(), gateway.operator_address());
    // Pieces that are sent one after the other, between bars.
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
        let mut heard = Vec::new();
        for (place, piece) in pieces.split('|').enumerate() {
            if place > 0 {
                heard.extend(super::statuses(peer.heard().await.as_bytes()));
            }
            peer.send(piece).await;
        }
        heard.extend(peer.statuses().await);
        assert_eq!(heard, *expected, "{what}");
    }
}

#[tokio::test]
async fn a_head_or_a_body_that_drips_ends_too() {
    let gateway = gateway(QUICK).start().await;
    let cases = [
        ("a first head", String::new(), "X", 408),
        ("a body", unproven(&gateway, "Content-Length: 100000"), "x", 408),
        ("chunks", unproven(&gateway, CHUNKED), "1\r\nx\r\n", 408),
        ("the extension of a chunk", unproven(&gateway, CHUNKED) + "1;", "x", 408),
        ("trailers", unproven(&gateway, CHUNKED) + "0\r\n", "x", 408),
    ];
    for (what, begin, drip, status) in cases {
        let mut peer = Peer::open(gateway.address()).await;
        peer.send(&begin).await;
        // As long as somebody listens.
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
async fn a_peer_that_does_not_read_its_answers_is_cut_off() {
    let gateway = gateway(QUICK).start().await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut peer = Peer(socket.connect(gateway.address()).await.unwrap());
    let many = NOWHERE.repeat(1_000);
    let cut_off = async { while peer.try_send(many.as_bytes()).await {} };
    tokio::time::timeout(super::PATIENCE, cut_off).await.expect("the connection ends");
}

#[tokio::test]
async fn what_a_client_sends_ahead_waits_for_the_answer_before_it() {
    let gateway = gateway(QUICK).start().await;
    let mut peer = Peer::open(gateway.address()).await;
    let (mut reads, mut writes) = peer.0.split();
    let requests = super::signed(&gateway) + &NOWHERE.repeat(5_000);
    let requests = requests + "GET /nope HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n";
    let sending = tokio::io::AsyncWriteExt::write_all(&mut writes, requests.as_bytes());
    let mut heard = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut reads, &mut heard);
    let (sent, read) =
        tokio::time::timeout(super::PATIENCE, async { tokio::join!(sending, reading) })
            .await
            .expect("in time");
    sent.unwrap();
    read.unwrap();
    let statuses = super::statuses(&heard);
    assert_eq!((statuses[0], statuses.len()), (202, 5_002));
    assert!(statuses[1..].iter().all(|status| *status == 404));
    gateway.run_until_idle().await;
}
