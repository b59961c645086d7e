//! What anybody may ask of the operator listener, and how much of it.

use reqwest::header::CONTENT_TYPE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{API_KEY, Answer, Gateway};

const FORM: &str = "application/x-www-form-urlencoded";

/// The status of what is answered to a form that says how long it is, and never comes.
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
async fn a_form_has_its_limit_by_who_may_send_it_and_has_to_come_in_time() {
    let gateway = Gateway::start().await;
    for (path, most) in [
        ("/sign-in", 8 * 1024),
        ("/setup", 8 * 1024),
        ("/deliveries/1/replay", 64 * 1024),
        ("/deliveries/1/edit", 4 * 1024 * 1024),
    ] {
        assert_eq!(withheld(&gateway, path, most + 1).await, "413", "{path}, by what it says");
        let answer = post(&gateway, path, format!("x={}", "x".repeat(most - 1))).await;
        assert_eq!(answer.status, 413, "{path}, by what comes: {}", answer.text);
        assert_eq!(answer.json["limit_bytes"], most);
    }
    let paths = ["/sign-in", "/setup", "/keys", "/deliveries/1/replay"];
    let late = paths.map(|path| withheld(&gateway, path, 100));
    assert_eq!(futures_util::future::join_all(late).await, ["408"; 4]);
}
