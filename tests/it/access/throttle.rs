//! Limits of unauthenticated requests on the admin listener.

use reqwest::header::CONTENT_TYPE;
use sealpost::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{API_KEY, Answer, Gateway};

const FORM: &str = "application/x-www-form-urlencoded";

/// The status of the response to a form of this length whose body is never sent.
async fn withheld(gateway: &Gateway, path: &str, length: usize) -> String {
    let url = gateway.operator_url("");
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\n\
         content-type: {FORM}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\nname="
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[9..]).into_owned()
}

async fn post(gateway: &Gateway, path: &str, body: String) -> Answer {
    let request = gateway.client().post(gateway.operator_url(path)).header(CONTENT_TYPE, FORM);
    let request = request.bearer_auth(API_KEY).body(body);
    Answer::of(request.send().await.expect("an answer")).await
}

#[tokio::test]
async fn forms_are_limited_in_size_and_time() {
    let gateway = Gateway::start().await;
    for (path, most) in [
        ("/sign-in", 8 * 1024),
        ("/setup", 8 * 1024),
        ("/deliveries/1/replay", 64 * 1024),
        ("/deliveries/1/edit", 4 * 1024 * 1024),
    ] {
        assert_eq!(
            withheld(&gateway, path, most + 1).await,
            "413",
            "{path}, by its declared length"
        );
        let answer = post(&gateway, path, format!("x={}", "x".repeat(most - 1))).await;
        assert_eq!(answer.status, 413, "{path}, by its body: {}", answer.text);
        assert_eq!(answer.json["limit_bytes"], most);
    }
    let paths = ["/sign-in", "/setup", "/keys", "/deliveries/1/replay"];
    let late = paths.map(|path| withheld(&gateway, path, 100));
    assert_eq!(futures_util::future::join_all(late).await, ["408"; 4]);
}

#[tokio::test]
async fn sign_in_flood_is_rejected_before_the_database() {
    // All requests run at once, each on its own connection.
    let connections = "[operator]\nconnections_per_peer = 128\n";
    let gateway = Gateway::builder().config("[operator]\n", connections).start().await;
    // Blocks every attempt that reaches the database.
    let mut blocking = gateway.store().begin().await.unwrap();
    let attempted = blocking.record_sign_in_attempt(&[], gateway.clock().now()).await;
    assert!(attempted.is_ok());
    let flood = (0..80).map(|_| post(&gateway, "/sign-in", "name=ada&password=x".to_owned()));
    let answers = futures_util::future::join_all(flood);
    let ready = async {
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(gateway.operator("/readyz").await.status);
        }
        statuses
    };
    let (answers, statuses) = tokio::join!(answers, ready);
    assert_eq!(statuses, vec![200; 20]);
    let rejected = answers.iter().filter(|answer| answer.status == 429).count();
    assert!(rejected >= 80 - 62, "{rejected}");
    let answer = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert!(answer.headers.contains_key("retry-after"));
    drop(blocking);
    for path in ["/setup?token=x", "/setup", "/oidc/start"] {
        let requests = (0..80).map(|_| gateway.client().get(gateway.operator_url(path)).send());
        let answers = futures_util::future::join_all(requests).await;
        let mut statuses = answers.iter().map(|answer| answer.as_ref().unwrap().status());
        assert!(statuses.any(|status| status == 429), "{path}");
    }
    let form = gateway.client().get(gateway.operator_url("/sign-in"));
    assert_eq!(form.send().await.unwrap().status(), 200, "the form itself is not limited");
}

#[tokio::test]
async fn console_requests_with_a_key_are_rate_limited() {
    let quotas = "[operator]\nreads = { per_second = 1, burst = 2 }\n\
                  changes = { per_second = 1, burst = 1 }\n";
    let gateway = Gateway::builder().config("[operator]\n", quotas).start().await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(gateway.operator("/alerts").await.status);
    }
    assert_eq!(statuses[..2], [200, 200]);
    assert!(statuses.contains(&429), "{statuses:?}");
    let mut last = 0;
    for _ in 0..3 {
        last = post(&gateway, "/deliveries/9/replay", "reason=x".to_owned()).await.status;
    }
    assert_eq!(last, 429);
}
