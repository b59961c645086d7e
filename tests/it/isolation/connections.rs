//! Applications that close connections, and applications that fail every first attempt.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::send_script;
use crate::destinations::OwnHandler;
use crate::destinations::receiver::{Receiver, Reply};
use crate::harness::{Builder, Gateway};

fn sending_to(url: &str, more: &str) -> Builder {
    Gateway::builder().handler(OwnHandler::default()).more_config(&format!(
        "\n[outbound]\nallow = [\"127.0.0.0/8\"]\n[[destination]]\nname = \"app\"\nurl = \"{url}\"\n\
         secret = {{ env = \"APP_SECRET\" }}\n{more}\n"
    ))
}

/// Responds to the first request of a connection, and closes it at the second.
async fn answer_once(mut stream: TcpStream, closed: &AtomicUsize) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        if stream.read_buf(&mut buffer).await.ok()? == 0 {
            return None;
        }
        let head = buffer.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(head) = head else { continue };
        let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
        let length = text.split("content-length: ").nth(1)?.split("\r\n").next()?;
        if buffer.len() >= head + 4 + length.parse::<usize>().ok()? {
            break;
        }
    }
    stream.write_all(b"HTTP/1.1 204 X\r\n\r\n").await.ok()?;
    if stream.read_buf(&mut buffer).await.ok()? > 0 {
        closed.fetch_add(1, Ordering::SeqCst);
    }
    Some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_closed_between_requests_is_not_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let closed = Arc::new(AtomicUsize::new(0));
    let closed_count = Arc::clone(&closed);
    tokio::task::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let closed = Arc::clone(&closed_count);
            tokio::task::spawn(async move { answer_once(stream, &closed).await });
        }
    });
    let gateway = sending_to(&url, "concurrency = 1").start().await;
    for _ in 0..12 {
        send_script(&gateway, "nothing").await;
        gateway.run_until_idle().await;
    }
    assert!(closed.load(Ordering::SeqCst) > 0, "a connection was reused after it was closed");
    let results = "SELECT DISTINCT result FROM attempts";
    assert_eq!(gateway.query(results).await, [json!({ "result": "done" })]);
    let failures = "SELECT count(*) FROM destinations";
    assert_eq!(gateway.count(failures).await, 0, "no failure was counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn application_failing_every_first_attempt_gets_every_event() {
    let known = Mutex::new(HashSet::new());
    let receiver = Receiver::start(move |seen, _| {
        let id = seen.header("webhook-id").unwrap_or_default().to_owned();
        Reply::status(if known.lock().unwrap().insert(id) { 503 } else { 204 })
    })
    .await;
    let gateway = sending_to(&receiver.url("/hooks"), "").start().await;
    for _ in 0..30 {
        send_script(&gateway, "nothing").await;
    }
    let left = "SELECT count(*) FROM deliveries WHERE state <> 'done'";
    let mut minutes = 0;
    while gateway.count(left).await > 0 {
        gateway.run_until_idle().await;
        gateway.clock().advance(Duration::from_mins(1));
        minutes += 1;
        assert!(minutes < 30, "{} are left", gateway.count(left).await);
    }
    let most = "SELECT max(attempts)::bigint FROM deliveries WHERE destination = 'app'";
    assert!(gateway.count(most).await < 10);
}
