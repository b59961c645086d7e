//! Limits of headers, and the method `HEAD`.

use super::{Peer, gateway, signed, statuses};
use crate::harness::API_KEY;

/// A signed event with further header lines.
fn with_lines(event: &str, lines: usize) -> String {
    let more: Vec<String> = (0..lines).map(|n| format!("X-Cdn-{n}: v\r\n")).collect();
    event.replacen("Host: gateway\r\n", &format!("Host: gateway\r\n{}", more.concat()), 1)
}

#[tokio::test]
async fn headers_are_accepted_up_to_the_configured_limits() {
    let builder = || gateway("").config("workers = 1", "workers = 1\nmax_header_lines = 40");
    for (gateway, most) in [(gateway("").start().await, 96), (builder().start().await, 40)] {
        let own = signed(&gateway).split_once("\r\n\r\n").unwrap().0.lines().count() - 1;
        for (lines, status) in [(most - 1, 202), (most, 202), (most + 1, 431), (100, 431)] {
            let mut peer = Peer::open(gateway.address()).await;
            peer.send(&with_lines(&signed(&gateway), lines - own)).await;
            let received = statuses(peer.response().await.as_bytes());
            assert_eq!(received, [status], "{lines} lines of {most}");
        }
        gateway.run_until_idle().await;
    }
    let small = gateway("").config("workers = 1", "workers = 1\nmax_head = \"8 KiB\"");
    for (gateway, most) in [(gateway("").start().await, 32), (small.start().await, 8)] {
        for (size, status) in [(most - 1, 202), (most, 431)] {
            let more = format!("Host: gateway\r\nX-Certificate: {}\r\n", "a".repeat(size * 1024));
            let mut peer = Peer::open(gateway.address()).await;
            peer.send(&signed(&gateway).replacen("Host: gateway\r\n", &more, 1)).await;
            let received = statuses(peer.response().await.as_bytes());
            assert_eq!(received, [status], "{size} KiB of {most}");
        }
        gateway.run_until_idle().await;
    }
}

#[tokio::test]
async fn head_responds_like_get_without_a_body() {
    let gateway = gateway("").start().await;
    let key = format!("Authorization: Bearer {API_KEY}\r\n");
    let ask = |method: &str, path: &str, lines: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: gateway\r\n{lines}\r\n")
    };
    let to = gateway.operator_address();
    for (path, lines) in [
        ("/sign-in", ""),
        ("/", "Accept: text/html\r\n"),
        ("/healthz", ""),
        ("/readyz", ""),
        ("/nowhere", &*key),
        ("/api/v1/sources", &*key),
        ("/api/v1/sources", ""),
        ("/metrics", &*key),
    ] {
        let mut got = Peer::open(to).await;
        got.send(&ask("GET", path, lines)).await;
        let get = got.response().await;
        let mut head = Peer::open(to).await;
        head.send(&ask("HEAD", path, lines)).await;
        let answer = head.response().await;
        assert_eq!(statuses(answer.as_bytes()), statuses(get.as_bytes()), "{path}");
        assert!(answer.ends_with("\r\n\r\n"), "{path}: no body: {answer}");
        let names = |text: &str| -> Vec<String> {
            let head = text.split("\r\n\r\n").next().unwrap();
            let lines = head.lines().skip(1).filter_map(|line| line.split(':').next());
            let mut names: Vec<String> = lines.map(str::to_owned).collect();
            names.sort();
            names
        };
        assert_eq!(names(&answer), names(&get), "{path}");
        head.send(&ask("GET", "/healthz", "")).await;
        assert_eq!(
            statuses(head.response().await.as_bytes()),
            [200],
            "{path}: the connection stays open"
        );
    }
    let mut stream = Peer::open(to).await;
    stream.send(&ask("HEAD", "/api/v1/stream", &key)).await;
    assert_eq!(statuses(stream.response().await.as_bytes()), [200]);
    stream.send(&ask("GET", "/healthz", "")).await;
    assert_eq!(statuses(stream.response().await.as_bytes()), [200], "a stream has no body either");
    let mut ingest = Peer::open(gateway.address()).await;
    ingest.send(&ask("HEAD", "/hooks/billing", "")).await;
    assert_eq!(statuses(ingest.response().await.as_bytes()), [405], "senders only post");
}
