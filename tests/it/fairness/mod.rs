//! Fair sharing of limits: no sender is rejected because of others.

mod bodies;
mod limits;
mod proxies;
mod unknown_sources;

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Builder, Gateway};
use crate::receive::raw::{Wire, head};
use crate::receive::{event, value, with};

const INGEST: &str = "[ingest]\nlisten = \"127.0.0.1:0\"";

/// A gateway with a budget for bodies in flight.
fn with_budget(in_flight: &str) -> Builder {
    Gateway::builder().config(INGEST, &format!("{INGEST}\nin_flight = \"{in_flight}\""))
}

/// Headers with a well-formed but wrong signature.
fn forged(gateway: &Gateway, body: &[u8]) -> Vec<(String, String)> {
    let signed = gateway.sign("billing", body, &[]);
    let (time, _) = value(&signed, "stripe-signature").split_once(',').unwrap();
    with(&signed, "stripe-signature", format!("{time},v1={}", "0".repeat(64)))
}

/// A valid event of at least this many bytes.
fn event_of(bytes: usize) -> Vec<u8> {
    let mut event = event();
    event["padding"] = Value::from("x".repeat(bytes));
    event.to_string().into_bytes()
}

/// Starts a body of `announced` bytes and stalls after `sent`.
async fn stall(
    gateway: &Gateway,
    path: &str,
    headers: &[(String, String)],
    (announced, sent): (usize, usize),
) -> Wire {
    let mut wire = Wire::open(gateway.address()).await;
    wire.write(&head(path, headers, &format!("Content-Length: {announced}"))).await;
    // The gateway may not read all of it.
    let body = vec![b'x'; sent];
    let written = wire.try_write(&body);
    drop(tokio::time::timeout(Duration::from_millis(500), written).await);
    wire
}
