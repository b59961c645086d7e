//! A stub of Apify's API: an HTTP server on the loopback that responds by a function and records
//! its requests.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Allows requests to the stub.
pub(super) const ALLOW: &str = "\n[outbound]\nallow = [\"127.0.0.0/8\"]\n";

/// A response: status, further header lines, body.
pub(super) type Reply = (u16, String, String);

type Responder = dyn Fn(&str, usize) -> Reply + Send + Sync;

/// A running server; it stops with its runtime.
pub(super) struct Stub {
    pub(super) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    /// Responds with `answer`, given the target and the number of earlier requests.
    pub(super) async fn start(
        answer: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen): (Arc<Responder>, _) = (Arc::new(answer), requests.clone());
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn(serve(stream, answer.clone(), seen.clone()));
            }
        });
        Self { url, requests }
    }

    /// The heads of all requests, in order.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The targets of all requests, in order.
    pub(super) fn targets(&self) -> Vec<String> {
        self.requests().iter().map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<Responder>, requests: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    let before = {
        let mut requests = requests.lock().unwrap();
        requests.push(head);
        requests.len() - 1
    };
    let (status, headers, body) = answer(&target, before);
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} Stub\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    );
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.shutdown().await);
}

/// The value of a numeric query parameter.
pub(super) fn number(target: &str, name: &str) -> usize {
    let query = target.split_once('?').unwrap().1;
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.find(|(key, _)| *key == name).unwrap().1.parse().unwrap()
}
