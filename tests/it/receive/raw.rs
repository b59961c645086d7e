//! Raw requests that no client would send.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Answer, Gateway};

/// Timeout of reads.
const PATIENCE: Duration = Duration::from_secs(20);

/// A raw response.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl RawAnswer {
    /// The parsed response, without its headers.
    pub(crate) fn parsed(self) -> Answer {
        let json = serde_json::from_str(&self.body).unwrap_or_default();
        Answer { status: self.status, headers: HeaderMap::default(), text: self.body, json }
    }
}

pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("a write");
    }

    /// As [`Wire::write`], for connections that may be closed.
    pub(crate) async fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next response; `None` if the connection ends without one.
    pub(crate) async fn answer(&mut self) -> Option<RawAnswer> {
        loop {
            if let Some(answer) = self.take() {
                return Some(answer);
            }
            let reading = self.stream.read_buf(&mut self.read);
            let read = tokio::time::timeout(PATIENCE, reading).await;
            if matches!(read.expect("an answer or an end in time"), Ok(0) | Err(_)) {
                return None;
            }
        }
    }

    /// All responses up to the end of the connection.
    pub(crate) async fn answers(&mut self) -> Vec<RawAnswer> {
        let mut answers = Vec::new();
        while let Some(answer) = self.answer().await {
            answers.push(answer);
        }
        answers
    }

    fn take(&mut self) -> Option<RawAnswer> {
        let end = self.read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.read[..end].to_vec()).expect("a readable head");
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
        });
        let whole = end + length.unwrap_or(0);
        if self.read.len() < whole {
            return None;
        }
        let body = String::from_utf8(self.read[end..whole].to_vec()).expect("a readable body");
        self.read.drain(..whole);
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        Some(RawAnswer { status, head, body })
    }
}

/// A request to `path` with a content length.
pub(crate) fn request(path: &str, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut bytes = head(path, headers, &format!("Content-Length: {}", body.len()));
    bytes.extend_from_slice(body);
    bytes
}

/// The head of a request to `path` with an additional line.
pub(crate) fn head(path: &str, headers: &[(String, String)], line: &str) -> Vec<u8> {
    let mut text = format!("POST {path} HTTP/1.1\r\nHost: gateway\r\n{line}\r\n");
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").expect("room");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// Sends bytes and returns all responses.
pub(crate) async fn exchange(gateway: &Gateway, bytes: &[u8]) -> Vec<RawAnswer> {
    let mut wire = Wire::open(gateway.address()).await;
    wire.write(bytes).await;
    wire.answers().await
}
