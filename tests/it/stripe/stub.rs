//! A stand-in for Stripe's interface: a real HTTP server on the loopback that answers what it was
//! told to, and remembers what it was asked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One answer.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// What was asked: the path and the head's other lines, in lower case.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
}

type Answers = HashMap<String, Vec<Told>>;

pub(super) struct Stub {
    address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Told {
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
        let answers = Arc::new(Mutex::new(Answers::new()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (told, heard) = (Arc::clone(&answers), Arc::clone(&asked));
        tokio::task::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (told, heard) = (Arc::clone(&told), Arc::clone(&heard));
                tokio::task::spawn(answer(connection, told, heard));
            }
        });
        Self { address, answers, asked }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is answered at a path, one after the other; the last one from then on.
    pub(super) fn answers(&self, path: &str, answers: Vec<Told>) {
        self.answers.lock().unwrap().insert(path.to_owned(), answers);
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    mut connection: TcpStream,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<Asked>>>,
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
    asked.lock().unwrap().push(Asked { path: path.clone(), headers });
    let told = match answers.lock().unwrap().get_mut(&path) {
        Some(several) if several.len() > 1 => several.remove(0),
        Some(last) => last[0].clone(),
        None => Told::error(404, "resource_missing"),
    };
    let mut text = format!(
        "HTTP/1.1 {} Said\r\ncontent-length: {}\r\nconnection: close\r\n",
        told.status,
        told.body.len()
    );
    for (name, value) in &told.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(&told.body);
    // Whoever has read enough may be gone.
    drop(connection.write_all(text.as_bytes()).await);
}
