//! Connections over real sockets: timeouts, limits per peer, and early responses.

mod early_responses;
mod head;
mod limits;
mod slow_bodies;
mod timeouts;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Builder, Gateway};
use crate::receive::event;
use crate::receive::raw::request;

/// The timeout of every wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway with these settings on both listeners.
fn gateway(lines: &str) -> Builder {
    Gateway::builder()
        .config("workers = 1", &format!("workers = 1\n{lines}"))
        .config("[database]", &format!("{lines}\n\n[database]"))
}

/// The client's end of a connection.
struct Peer(TcpStream);

impl Peer {
    async fn open(to: SocketAddr) -> Self {
        Self::from("127.0.0.1", to).await
    }

    /// Connects from another loopback address, which is another peer.
    async fn from(address: &str, to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(address.parse().expect("an address"), 0)).expect("a name");
        Self(socket.connect(to).await.expect("a connection"))
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("an open connection");
    }

    /// As [`Peer::send`], where the connection may be closed.
    async fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Reads to the end of a response's head, with whatever arrives along with it.
    async fn response(&mut self) -> String {
        let mut received = Vec::new();
        while !received.windows(4).any(|four| four == b"\r\n\r\n") {
            let read = tokio::time::timeout(PATIENCE, self.0.read_buf(&mut received)).await;
            assert!(read.expect("in time").is_ok_and(|read| read > 0), "an answer");
        }
        String::from_utf8_lossy(&received).into_owned()
    }

    /// Reads until the connection ends, and returns the statuses.
    async fn statuses(&mut self) -> Vec<u16> {
        let mut received = Vec::new();
        loop {
            let read = tokio::time::timeout(PATIENCE, self.0.read_buf(&mut received)).await;
            if matches!(read.expect("the connection ends"), Ok(0) | Err(_)) {
                return statuses(&received);
            }
        }
    }
}

/// The statuses of the responses in these bytes.
fn statuses(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split("HTTP/1.1 ").skip(1);
    lines.map(|line| line[..3].parse().expect("a status")).collect()
}

/// The request of a signed event.
fn signed(gateway: &Gateway) -> String {
    let body = event().to_string();
    let headers = gateway.sign("billing", body.as_bytes(), &[]);
    let bytes = request("/hooks/billing", &headers, body.as_bytes());
    String::from_utf8(bytes).expect("a request of text")
}

/// The head of a request with a well-formed but wrong signature, and one more line.
fn badly_signed(gateway: &Gateway, line: &str) -> String {
    let time = gateway.clock_seconds();
    let signature = "0".repeat(64);
    format!(
        "POST /hooks/billing HTTP/1.1\r\nHost: gateway\r\n{line}\r\n\
         Stripe-Signature: t={time},v1={signature}\r\n\r\n"
    )
}

/// The counter or gauge of connections with these labels.
async fn metric(gateway: &Gateway, name: &str, labels: &str) -> f64 {
    let page = gateway.operator("/metrics").await.text;
    let line = page.lines().find(|line| line.starts_with(&format!("{name}{{{labels}}}")));
    line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}
