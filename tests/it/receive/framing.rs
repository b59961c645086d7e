//! Malformed, ambiguous or slow request framing.

use std::time::{Duration, Instant};

use super::raw::{RawAnswer, Wire, exchange, head, request};
use super::{Bench, RequestOutcome, event, value};
use crate::harness::{Answer, Gateway};

const PATH: &str = "/hooks/billing";

fn post(lines: &str, body: &str) -> Vec<u8> {
    format!("POST {PATH} HTTP/1.1\r\nHost: gateway\r\n{lines}\r\n{body}").into_bytes()
}

/// The bytes of a request with a signed event.
fn signed(gateway: &Gateway) -> Vec<u8> {
    let body = event().to_string().into_bytes();
    request(PATH, &gateway.sign("billing", &body, &[]), &body)
}

fn as_answer(raw: Option<RawAnswer>) -> Answer {
    raw.expect("an answer").parsed()
}

#[tokio::test]
async fn ambiguous_framing_is_rejected_and_closes_the_connection() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let smuggled = String::from_utf8(signed(gateway)).unwrap();
    let chunked = "Transfer-Encoding: chunked\r\n";
    let cases = [
        ("two equal lengths", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc")),
        ("two different lengths", post("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd")),
        ("a list of lengths", post("Content-Length: 3, 3\r\n", "abc")),
        (
            "a length and chunks",
            post(&format!("Content-Length: 5\r\n{chunked}"), &format!("0\r\n\r\n{smuggled}")),
        ),
        (
            "chunks and a length",
            post(&format!("{chunked}Content-Length: 5\r\n"), &format!("0\r\n\r\n{smuggled}")),
        ),
        (
            "two encodings",
            post(
                &format!("{chunked}Transfer-Encoding: identity\r\n"),
                &format!("0\r\n\r\n{smuggled}"),
            ),
        ),
        ("an unknown encoding", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")),
        ("an encoding before chunks", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")),
        (
            "chunks in HTTP/1.0",
            format!("POST {PATH} HTTP/1.0\r\nHost: x\r\n{chunked}\r\n0\r\n\r\n").into_bytes(),
        ),
        ("a negative length", post("Content-Length: -1\r\n", "")),
        ("a length with a sign", post("Content-Length: +3\r\n", "abc")),
        ("a hexadecimal length", post("Content-Length: 0x3\r\n", "abc")),
        ("a length beyond counting", post("Content-Length: 18446744073709551616\r\n", "abc")),
        ("a NUL in a header", post("X-A: a\0b\r\nContent-Length: 0\r\n", "")),
        ("a bare CR in a header", post("X-A: a\rb\r\nContent-Length: 0\r\n", "")),
        ("HTTP/0.9", b"GET /hooks/billing\r\n\r\n".to_vec()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
    ];
    for (what, bytes) in cases {
        let before = gateway.rows("events").await;
        let answers = exchange(gateway, &bytes).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [400], "{what}");
        assert_eq!(gateway.rows("events").await, before, "{what}");
        assert_eq!(gateway.rows("event_keys").await.len(), before.len(), "{what}");
        bench.assert_other_source_works(what, "stripe").await;
    }
    bench.finish().await;
}

#[tokio::test]
async fn malformed_chunked_encoding_is_rejected() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = event().to_string();
    let headers = gateway.sign("billing", body.as_bytes(), &[]);
    let size = body.len();
    let cases = [
        ("bare line feeds", format!("{size:x}\n{body}\n0\n\n")),
        ("a size that is no number", format!("{size}g\r\n{body}\r\n0\r\n\r\n")),
        ("a size with a sign", format!("+{size:x}\r\n{body}\r\n0\r\n\r\n")),
        ("a size that is too small", format!("{:x}\r\n{body}\r\n0\r\n\r\n", size - 1)),
    ];
    for (what, chunks) in cases {
        let mut bytes = head(PATH, &headers, "Transfer-Encoding: chunked");
        bytes.extend_from_slice(chunks.as_bytes());
        let answers = exchange(gateway, &bytes).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(matches!(statuses[..], [400 | 413]), "{what}: {statuses:?}");
        assert_eq!(gateway.count("SELECT count(*) FROM events").await, 0, "{what}");
    }
    // Chunk extensions are ignored.
    let good = format!("{size:x};{}\r\n{body}\r\n0\r\n\r\n", "x".repeat(65_536));
    let mut bytes = head(PATH, &headers, "Transfer-Encoding: chunked");
    bytes.extend_from_slice(good.as_bytes());
    let mut wire = Wire::open(gateway.address()).await;
    wire.write(&bytes).await;
    assert_eq!(wire.answer().await.unwrap().status, 202, "well-formed chunks are accepted");
    bench.finish().await;
}

#[tokio::test]
async fn unusual_but_unambiguous_requests_are_processed() {
    let bench = Bench::start().await;
    let address = bench.gateway.address();
    let exchanged = |bytes: Vec<u8>| async move {
        let mut wire = Wire::open(address).await;
        wire.write(&bytes).await;
        as_answer(wire.answer().await)
    };
    let bare = format!("POST {PATH} HTTP/1.1\nHost: x\nContent-Length: 2\n\n{{}}").into_bytes();
    let missing = RequestOutcome::Unauthorized("sig_missing");
    for (what, outcome, kind, bytes) in [
        ("bare line feeds", missing, "stripe", bare),
        (
            "an unknown expectation",
            missing,
            "stripe",
            post("Expect: 200-maybe\r\nContent-Length: 0\r\n", ""),
        ),
        (
            "an upgrade to a WebSocket",
            missing,
            "stripe",
            post("Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n", ""),
        ),
        (
            "an upgrade to HTTP/2",
            missing,
            "stripe",
            post(
                "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 0\r\n",
                "",
            ),
        ),
        (
            "a WebSocket",
            RequestOutcome::Refused(405, "method"),
            "none",
            format!(
                "GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            .into_bytes(),
        ),
    ] {
        bench.check(what, kind, outcome, exchanged(bytes)).await;
    }
    let body = event().to_string().into_bytes();
    let headers = bench.gateway.sign("billing", &body, &[]);
    for (name, text) in [
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Forwarded-Host", "attacker.example"),
        ("X-Forwarded-Proto", "javascript"),
        ("Forwarded", "for=127.0.0.1;host=attacker.example"),
    ] {
        let body = event().to_string().into_bytes();
        let mut headers = bench.gateway.sign("billing", &body, &[]);
        headers.push((name.to_owned(), text.to_owned()));
        let sent = exchanged(request(PATH, &headers, &body));
        let answer = bench.check(name, "stripe", RequestOutcome::Accepted, sent).await;
        assert!(!answer.text.contains("attacker"), "{}", answer.text);
    }
    let continued =
        head(PATH, &headers, &format!("Expect: 100-continue\r\nContent-Length: {}", body.len()));
    let mut wire = Wire::open(address).await;
    wire.write(&continued).await;
    assert_eq!(wire.answer().await.unwrap().status, 100);
    wire.write(&body).await;
    assert_eq!(wire.answer().await.unwrap().status, 202);
    bench.finish().await;
}

#[tokio::test]
async fn oversized_head_is_rejected() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let body = event().to_string().into_bytes();
    let headers = gateway.sign("billing", &body, &[]);
    let lines = |count: usize| {
        let lines: Vec<String> = (0..count).map(|n| format!("X-{n}: 1\r\n")).collect();
        lines.concat()
    };
    let sized = |lines: &str| {
        head(PATH, &headers, &format!("Content-Length: {}\r\n{}", body.len(), lines.trim_end()))
    };
    let signatures = format!("t=1,{}", "v1=00,".repeat(20_000));
    let cases = [
        ("97 lines", sized(&lines(97))),
        ("1,000 lines", sized(&lines(1_000))),
        ("one line of 33 KiB", sized(&format!("X-A: {}", "a".repeat(33 * 1024)))),
        ("a signature of 120 KB", sized(&format!("Stripe-Signature: {signatures}"))),
        ("a head of 200 KB", sized(&format!("X-A: {}", "a".repeat(200_000)))),
        ("a cookie of 40 KB", sized(&format!("Cookie: {}", "a".repeat(40_000)))),
    ];
    for (what, head) in cases {
        let mut wire = Wire::open(gateway.address()).await;
        wire.try_write(&head).await;
        wire.try_write(&body).await;
        assert_eq!(wire.answer().await.expect(what).status, 431, "{what}");
        assert_eq!(gateway.count("SELECT count(*) FROM events").await, 0, "{what}");
    }
    let target = format!("{PATH}?{}", "a".repeat(3_000));
    let answer = gateway.post(&target, &headers, &body).await;
    assert_eq!(answer.status, 431, "a target of 3 KB");
    let mut wire = Wire::open(gateway.address()).await;
    wire.write(&sized(&lines(90))).await;
    wire.write(&body).await;
    assert_eq!(wire.answer().await.unwrap().status, 202, "90 more lines are accepted");
    bench.finish().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let bodies: Vec<String> = (0..50).map(|_| event().to_string()).collect();
    let mut bytes = Vec::new();
    for body in &bodies {
        let headers = gateway.sign("billing", body.as_bytes(), &[]);
        bytes.extend(request(PATH, &headers, body.as_bytes()));
    }
    let mut wire = Wire::open(gateway.address()).await;
    wire.write(&bytes).await;
    for body in &bodies {
        let answer = as_answer(wire.answer().await);
        assert_eq!((answer.status, answer.body_status()), (202, "accepted"));
        let query = format!(
            "SELECT count(*) FROM events WHERE id = '{}' AND body = convert_to('{body}', 'UTF8')",
            answer.id()
        );
        assert_eq!(gateway.count(&query).await, 1, "the response matches its request");
    }
    bench.finish().await;
}

#[tokio::test]
async fn incomplete_head_times_out_after_five_seconds() {
    let bench = Bench::start().await;
    let address = bench.gateway.address();
    let timed = |pieces: Vec<&'static str>| async move {
        let started = Instant::now();
        let mut wire = Wire::open(address).await;
        for piece in pieces {
            if !wire.try_write(piece.as_bytes()).await {
                break;
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let answer = wire.answer().await;
        (answer.map(|answer| answer.status), started.elapsed())
    };
    let dribble =
        vec!["POST /hooks/billing HTTP/1.1\r\n", "Host: x\r\n", "X-A: 1\r\n", "X-B: 2\r\n"];
    let (silent, dribbled) = tokio::join!(timed(vec![]), timed(dribble));
    for (what, (status, took)) in [("silence", silent), ("a dribble", dribbled)] {
        assert_eq!(status, Some(408), "{what}");
        assert!(took < Duration::from_secs(12), "{what}: {took:?}");
    }
    bench.assert_other_source_works("silence", "stripe").await;
    bench.finish().await;
}

#[tokio::test]
async fn incomplete_body_times_out_at_the_body_deadline() {
    let aliases = "aliases = [\"/api/stripe/webhook\"]";
    let builder = Gateway::builder().config(aliases, &format!("{aliases}\nbody_deadline = \"1s\""));
    let bench = Bench::with(builder).await;
    let gateway = &bench.gateway;
    let headers = gateway.sign("billing", b"whatever", &[]);
    assert!(value(&headers, "stripe-signature").starts_with("t="));
    let address = gateway.address();
    let stall = |line: &'static str, body: &'static str| {
        let bytes = [head(PATH, &headers, line), body.as_bytes().to_vec()].concat();
        async move {
            let started = Instant::now();
            let mut wire = Wire::open(address).await;
            wire.write(&bytes).await;
            let answer = as_answer(wire.answer().await);
            let took = started.elapsed();
            assert!((900..6_000).contains(&took.as_millis()), "{took:?}");
            answer
        }
    };
    let outcome = RequestOutcome::Refused(408, "body_timeout");
    bench.check("a stalled body", "stripe", outcome, stall("Content-Length: 100", "abc")).await;
    let endless = stall("Transfer-Encoding: chunked", "ffffffffffffffff\r\nabc");
    bench.check("a chunk without end", "stripe", outcome, endless).await;
    let bytes = head(PATH, &headers, "Content-Length: 2000000");
    let drip = async {
        let started = Instant::now();
        let mut wire = Wire::open(address).await;
        wire.write(&bytes).await;
        while started.elapsed() < Duration::from_millis(2_500) && wire.try_write(b"x").await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        as_answer(wire.answer().await)
    };
    bench.check("a dripping body", "stripe", outcome, drip).await;
    bench.finish().await;
}

#[tokio::test]
async fn oversized_content_length_is_rejected_before_the_body() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    let headers = gateway.sign("billing", b"abc", &[]);
    for length in ["536870913", "9223372036854775807"] {
        let bytes = [head(PATH, &headers, &format!("Content-Length: {length}")), b"abc".to_vec()];
        let sent = async {
            let mut wire = Wire::open(gateway.address()).await;
            wire.write(&bytes.concat()).await;
            let answer = as_answer(wire.answer().await);
            assert!(wire.answer().await.is_none(), "the connection ends");
            answer
        };
        let outcome = RequestOutcome::Refused(413, "too_large");
        let answer = bench.check(length, "stripe", outcome, sent).await;
        assert_eq!(answer.json["limit_bytes"], 536_870_912);
    }
    bench.finish().await;
}
