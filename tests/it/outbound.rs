//! Outbound HTTP: requests, limits of responses, blocked addresses.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sealpost::outbound::{Answer, Call, Outbound, OutboundError, Policy, Refusal};
use time::macros::datetime;

use crate::destinations::receiver::{Receiver, Reply};

fn outbound(allow: &[&str]) -> Outbound {
    let allow = allow.iter().map(|network| network.parse().unwrap()).collect();
    Outbound::new(&Policy { allow }).unwrap()
}

fn call(url: &str) -> Call {
    Call {
        method: "POST",
        url: url.parse().unwrap(),
        headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
        body: Bytes::from_static(b"hello"),
        deadline: Duration::from_secs(5),
        max_answer: 1024,
    }
}

async fn send(url: &str) -> Result<Answer, OutboundError> {
    outbound(&["127.0.0.0/8"]).send(call(url)).await
}

#[tokio::test]
async fn request_is_sent_as_built_and_the_response_read() {
    let receiver =
        Receiver::start(|_, _| Reply::status(429).header("retry-after", "7").body(b"later")).await;
    let answer = send(&receiver.url("/a?b=c")).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (429, &b"later"[..]));
    let now = datetime!(2026-11-20 12:00:00 UTC);
    assert_eq!(answer.retry_after(now), Some(Duration::from_secs(7)));
    let seen = receiver.seen();
    assert_eq!((seen[0].line.as_str(), &seen[0].body[..]), ("POST /a?b=c", &b"hello"[..]));
    assert_eq!(seen[0].header("content-type"), Some("text/plain"));
    assert_eq!(seen[0].header("accept-encoding"), None, "no encoding is requested");
    assert_eq!(seen[0].header("user-agent"), Some("sealpost/0.1.0"));
}

#[tokio::test]
async fn loopback_is_blocked_unless_allowed() {
    let receiver = Receiver::accepting().await;
    let port = receiver.address.port();
    for url in [
        receiver.url("/"),
        format!("https://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://127.1:{port}/"),
    ] {
        for allow in [&[][..], &["10.0.0.0/8"]] {
            let error = outbound(allow).send(call(&url)).await.unwrap_err();
            assert!(matches!(error, OutboundError::Refused { .. }), "{url}: {error:?}");
        }
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn redirect_is_returned_and_not_followed() {
    let target = Receiver::accepting().await;
    let location = target.url("/secret");
    let receiver =
        Receiver::start(move |_, _| Reply::status(307).header("location", &location)).await;
    assert_eq!(send(&receiver.url("/")).await.unwrap().status, 307);
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn response_has_size_and_time_limits_and_is_not_decompressed() {
    let receiver = Receiver::start(|seen, _| match seen.line.as_str() {
        "POST /large" => Reply::status(200).body(&[b'x'; 1025]),
        "POST /gzip" => Reply::status(200).header("content-encoding", "gzip").body(b"\x1f\x8b"),
        _ => Reply::status(200).gate(&std::sync::Arc::new(tokio::sync::Semaphore::new(0))),
    })
    .await;
    let error = send(&receiver.url("/large")).await.unwrap_err();
    assert!(
        matches!(error, OutboundError::AnswerTooLarge { limit: 1024, status: 200, .. }),
        "{error:?}"
    );
    assert_eq!(&send(&receiver.url("/gzip")).await.unwrap().body[..], b"\x1f\x8b");
    let started = Instant::now();
    let hanging = Call { deadline: Duration::from_millis(200), ..call(&receiver.url("/hang")) };
    let error = outbound(&["127.0.0.0/8"]).send(hanging).await.unwrap_err();
    assert!(matches!(error, OutboundError::NoAnswer { .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn https_never_falls_back_to_plain_text() {
    let receiver = Receiver::accepting().await;
    let url = format!("https://{}/", receiver.address);
    let call = Call { deadline: Duration::from_millis(300), ..call(&url) };
    let error = outbound(&["127.0.0.0/8"]).send(call).await.unwrap_err();
    assert!(matches!(error, OutboundError::NoAnswer { .. }), "{error:?}");
    assert!(receiver.connections() > 0, "a connection was attempted");
    assert_eq!(receiver.seen().len(), 0);
}

#[tokio::test]
async fn headers_cannot_smuggle_requests_or_control_the_connection() {
    let receiver = Receiver::accepting().await;
    for (name, value) in [
        ("x", "a\r\nhost: b"),
        ("x", "a\nb"),
        ("x\r\nhost", "b"),
        ("x y", "b"),
        ("", "b"),
        ("Host", "b"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "x-signature"),
        ("Upgrade", "websocket"),
        ("proxy-authorization", "b"),
        ("te", "trailers"),
    ] {
        let mut call = call(&receiver.url("/"));
        call.headers.push((name.to_owned(), value.to_owned()));
        let error = outbound(&["127.0.0.0/8"]).send(call).await.unwrap_err();
        assert!(matches!(error, OutboundError::Header(_)), "{name:?}: {error:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn blocked_urls_are_rejected_before_sending() {
    let outbound = outbound(&["10.1.0.0/16"]);
    let check = |url: &str| outbound.check(&url.parse().unwrap());
    check("https://example.com/").unwrap();
    check("http://10.1.2.3/").unwrap();
    let error = check("http://10.2.0.1/").unwrap_err();
    let OutboundError::Refused { host, refusal } = &error else { panic!("{error:?}") };
    assert_eq!(host, "10.2.0.1:80");
    assert_eq!(*refusal, Refusal::Address([10, 2, 0, 1].into()));
    assert!(error.to_string().contains("blocked"), "{error}");
}

/// Run by the test below, in another process.
#[tokio::test]
#[ignore = "needs the variables that the test below sets"]
async fn sends_with_proxies_in_the_environment() {
    let receiver = Receiver::accepting().await;
    assert_eq!(send(&receiver.url("/")).await.unwrap().status, 204);
    assert_eq!(receiver.seen()[0].line, "POST /");
}

#[tokio::test]
async fn proxy_environment_variables_are_ignored() {
    let proxy = Receiver::accepting().await;
    let url = proxy.url("");
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "outbound::sends_with_proxies_in_the_environment", "--ignored"]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
    {
        child.env(name, &url);
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy");
    let output = child.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(proxy.connections(), 0);
}
