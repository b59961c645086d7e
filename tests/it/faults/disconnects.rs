//! Senders that disconnect after their last byte.

use std::fmt::Write;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::assertions::assert_events;
use super::commits::pay;
use super::driver::payment;
use crate::harness::Gateway;

/// How a sender disconnects.
#[derive(Debug, Clone, Copy)]
enum Disconnect {
    Close,
    /// Closes its half, and never reads the response.
    CloseHalf,
    Reset,
}

async fn send_and_disconnect(
    gateway: &Gateway,
    number: usize,
    disconnect: Disconnect,
) -> Option<TcpStream> {
    let body = payment(number).to_string();
    let headers = gateway.sign("billing", body.as_bytes(), &[]);
    let mut request = format!(
        "POST /hooks/billing HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n",
        gateway.address(),
        body.len()
    );
    for (name, value) in headers {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    request.push_str("\r\n");
    request.push_str(&body);
    let mut connection = TcpStream::connect(gateway.address()).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    match disconnect {
        Disconnect::Close => None,
        Disconnect::CloseHalf => {
            connection.shutdown().await.unwrap();
            Some(connection)
        }
        Disconnect::Reset => {
            connection.set_zero_linger().unwrap();
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_disconnecting_senders_are_stored_once() {
    const EACH: usize = 50;
    let gateway = Gateway::start().await;
    for (round, disconnect) in
        [Disconnect::Close, Disconnect::CloseHalf, Disconnect::Reset].into_iter().enumerate()
    {
        for number in round * EACH..(round + 1) * EACH {
            let half_open = send_and_disconnect(&gateway, number, disconnect).await;
            let retried = pay(&gateway, number).await;
            assert!(matches!(retried, 200 | 202), "{disconnect:?}: {retried}");
            drop(half_open);
        }
    }
    gateway.run_until_idle().await;
    assert_events(gateway.target(), 3 * EACH).await;
}
