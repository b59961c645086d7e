//! Senders that leave as soon as they have sent their last byte.

use std::fmt::Write;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::commits::pay;
use super::driver::payment;
use super::ledger::assert_events;
use crate::harness::Gateway;

/// How a sender leaves.
#[derive(Debug, Clone, Copy)]
enum Leaves {
    /// Closes the connection.
    Politely,
    /// Closes its half, and never reads the answer.
    HalfWay,
    /// Resets it.
    Rudely,
}

async fn send_and_leave(gateway: &Gateway, number: usize, leaves: Leaves) -> Option<TcpStream> {
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
    match leaves {
        Leaves::Politely => None,
        Leaves::HalfWay => {
            connection.shutdown().await.unwrap();
            Some(connection)
        }
        Leaves::Rudely => {
            connection.set_zero_linger().unwrap();
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sender_sends_before_it_leaves_is_stored_once_or_not_at_all() {
    const EACH: usize = 50;
    let gateway = Gateway::start().await;
    for (round, leaves) in
        [Leaves::Politely, Leaves::HalfWay, Leaves::Rudely].into_iter().enumerate()
    {
        for number in round * EACH..(round + 1) * EACH {
            let half_open = send_and_leave(&gateway, number, leaves).await;
            let again = pay(&gateway, number).await;
            assert!(matches!(again, 200 | 202), "{leaves:?}: {again}");
            drop(half_open);
        }
    }
    gateway.run_until_idle().await;
    assert_events(gateway.target(), 3 * EACH).await;
}
