//! Slow bodies, and limits of chunked framing.

use std::time::Duration;

use super::{Peer, badly_signed, gateway, statuses};
use crate::receive::event;
use crate::receive::raw::head;

#[tokio::test]
async fn slow_but_steady_body_is_accepted() {
    let gateway = gateway("stall = \"1s\"\nmin_rate = \"100 B\"").start().await;
    let body = event().to_string();
    let headers = gateway.sign("billing", body.as_bytes(), &[]);
    let begin = head("/hooks/billing", &headers, &format!("Content-Length: {}", body.len()));
    let mut peer = Peer::open(gateway.address()).await;
    assert!(peer.try_send(&begin).await);
    for piece in body.as_bytes().chunks(20) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(peer.try_send(piece).await);
    }
    assert_eq!(statuses(peer.response().await.as_bytes()), [202]);
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn one_byte_chunks_are_accepted_and_endless_framing_is_rejected() {
    let gateway = gateway("").start().await;
    let body = event().to_string();
    let headers = gateway.sign("billing", body.as_bytes(), &[]);
    let begin = head("/hooks/billing", &headers, "Transfer-Encoding: chunked");
    let mut peer = Peer::open(gateway.address()).await;
    let chunks: Vec<String> = body.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
    assert!(peer.try_send(&begin).await);
    peer.send(&format!("{}0\r\n\r\n", chunks.concat())).await;
    assert_eq!(statuses(peer.response().await.as_bytes()), [202]);

    let extension = format!("1;{}\r\nx\r\n", "x".repeat(16_000));
    let cases = [
        ("an extension without end", "1;".to_owned(), "x".repeat(64 * 1024)),
        ("an extension for every byte", String::new(), extension.repeat(4)),
        ("trailers without end", "0\r\n".to_owned(), "X: y\r\n".repeat(10_000)),
    ];
    for (what, begin, more) in cases {
        let mut peer = Peer::open(gateway.address()).await;
        peer.send(&(badly_signed(&gateway, "Transfer-Encoding: chunked") + &begin)).await;
        let (mut reads, mut writes) = peer.0.split();
        let mut sent = 0;
        let sending = async {
            // Until the gateway stops reading; the buffers of two sockets are in between.
            while tokio::io::AsyncWriteExt::write_all(&mut writes, more.as_bytes()).await.is_ok() {
                sent += more.len();
            }
        };
        let mut received = Vec::new();
        let reading = tokio::io::AsyncReadExt::read_buf(&mut reads, &mut received);
        let answered = async {
            tokio::select! {
                read = reading => read.is_ok_and(|read| read > 0),
                () = sending => false,
            }
        };
        assert!(tokio::time::timeout(super::PATIENCE, answered).await.expect("in time"), "{what}");
        assert_eq!(statuses(&received), [400], "{what}");
        assert!(sent < 32 * 1024 * 1024, "{what}: {sent} bytes");
    }
    gateway.run_until_idle().await;
}
