//! Requests over HTTP, as bytes that were made beforehand.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::generator::Sender;

pub(crate) struct Connection {
    stream: TcpStream,
    requests: Arc<Vec<Bytes>>,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr, requests: Arc<Vec<Bytes>>) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, requests, answer: vec![0; 8192] }
    }

    /// Reads one response, whose length is in its head.
    async fn read(&mut self) -> usize {
        let mut length = 0;
        loop {
            let read = self.stream.read(&mut self.answer[length..]).await.unwrap();
            assert!(read > 0, "the server closed the connection");
            length += read;
            let text = &self.answer[..length];
            if let Some(end) = find(text, b"\r\n\r\n")
                && length >= end + 4 + content_length(&text[..end])
            {
                return length;
            }
        }
    }
}

impl Sender for Connection {
    async fn send(&mut self, number: usize) {
        let requests = Arc::clone(&self.requests);
        self.stream.write_all(&requests[number]).await.unwrap();
        let length = self.read().await;
        let answer = &self.answer[..length];
        assert!(answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(answer));
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|part| part == what)
}

fn content_length(head: &[u8]) -> usize {
    let head = str::from_utf8(head).unwrap();
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let length = lines.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.map_or(0, |(_, value)| value.trim().parse().unwrap())
}
