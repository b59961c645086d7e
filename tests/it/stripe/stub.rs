//! A stub of the Stripe API: an HTTP server on the loopback with prepared responses, which records
//! its requests.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A response.
#[derive(Clone)]
pub(super) struct StubResponse {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// A received request: its path, and its headers with lower-case names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StubRequest {
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
}

type Responses = HashMap<String, Vec<StubResponse>>;

pub(super) struct Stub {
    address: SocketAddr,
    responses: Arc<Mutex<Responses>>,
    requests: Arc<Mutex<Vec<StubRequest>>>,
}

impl StubResponse {
    pub(super) fn ok(body: &serde_json::Value) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.to_string() }
    }

    pub(super) fn error(status: u16, code: &str) -> Self {
        let error = serde_json::json!({ "error": { "code": code, "message": "sk_test_secret" } });
        Self { status, headers: Vec::new(), body: error.to_string() }
    }
}

impl Stub {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stub = Self { address, responses: Arc::default(), requests: Arc::default() };
        let (responses, requests) = (Arc::clone(&stub.responses), Arc::clone(&stub.requests));
        tokio::task::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (responses, requests) = (Arc::clone(&responses), Arc::clone(&requests));
                tokio::task::spawn(respond(connection, responses, requests));
            }
        });
        stub
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the responses at a path: one after the other, and then always the last.
    pub(super) fn responses(&self, path: &str, responses: Vec<StubResponse>) {
        self.responses.lock().unwrap().insert(path.to_owned(), responses);
    }

    pub(super) fn requests(&self) -> Vec<StubRequest> {
        self.requests.lock().unwrap().clone()
    }
}

async fn respond(
    mut connection: TcpStream,
    responses: Arc<Mutex<Responses>>,
    requests: Arc<Mutex<Vec<StubRequest>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    requests.lock().unwrap().push(StubRequest { path: path.clone(), headers });
    let response = match responses.lock().unwrap().get_mut(&path) {
        Some(several) if several.len() > 1 => several.remove(0),
        Some(last) => last[0].clone(),
        None => StubResponse::error(404, "resource_missing"),
    };
    let mut text = format!(
        "HTTP/1.1 {} Stub\r\ncontent-length: {}\r\nconnection: close\r\n",
        response.status,
        response.body.len()
    );
    for (name, value) in &response.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(&response.body);
    // The client may have disconnected.
    drop(connection.write_all(text.as_bytes()).await);
}
