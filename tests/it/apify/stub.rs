//! What stands in for Apify's API: a real HTTP server on the loopback that answers from a list
//! and remembers what it was asked.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Lets the gateway reach it.
pub(super) const ALLOW: &str = "\n[outbound]\nallow = [\"127.0.0.0/8\"]\n";

/// One answer: status, further header lines, body.
pub(super) type Reply = (u16, String, String);

/// Answers requests by their target.
type Answering = dyn Fn(&str, usize) -> Reply + Send + Sync;

/// A server that is running; it ends with its runtime.
pub(super) struct Stub {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    /// Answers with what `answer` makes of the target and of how often it was asked before.
    pub(super) async fn start(
        answer: impl Fn(&str, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen): (Arc<Answering>, _) = (Arc::new(answer), asked.clone());
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn(serve(stream, answer.clone(), seen.clone()));
            }
        });
        Self { url, asked }
    }

    /// The heads of all requests, in order.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The targets of all requests, in order.
    pub(super) fn targets(&self) -> Vec<String> {
        self.asked().iter().map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<Answering>, asked: Arc<Mutex<Vec<String>>>) {
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
        let mut asked = asked.lock().unwrap();
        asked.push(head);
        asked.len() - 1
    };
    let (status, headers, body) = answer(&target, before);
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} Stub\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    );
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.shutdown().await);
}

/// The number under `name` in a target's query.
pub(super) fn number(target: &str, name: &str) -> usize {
    let query = target.split_once('?').unwrap().1;
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.find(|(key, _)| *key == name).unwrap().1.parse().unwrap()
}
