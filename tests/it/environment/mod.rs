//! The environment of the gateway: defaults of servers, databases and roles, poolers, clocks,
//! signals, restored data.

mod clocks;
mod database_errors;
mod disk;
mod pooler;
mod readiness;
mod restored;
mod retries;
mod sessions;
mod signals;

use sealpost::store::Target;
use serde_json::json;

use crate::harness::{Gateway, sql};

/// Sends a payment; returns the status.
async fn pay(gateway: &Gateway, number: usize) -> u16 {
    gateway.send("billing", None, payment(number).as_bytes()).await.status
}

/// A payment event.
fn payment(number: usize) -> String {
    crate::faults::driver::payment(number).to_string()
}

/// Sends a bot callback with an idempotency key; returns the status.
async fn call_back(gateway: &Gateway, number: usize) -> u16 {
    let body = json!({ "event": "post.submitted", "number": number }).to_string();
    let key = format!("2b3f6a52-0d4c-4c5c-9f0e-{number:012}");
    let headers = gateway.sign("bot", body.as_bytes(), &[("idempotency-key".to_owned(), key)]);
    gateway.send_raw("bot", None, &headers, body.as_bytes()).await.status
}

async fn name_of(target: &Target) -> String {
    sql::texts(target, "SELECT current_database()::text").await.remove(0)
}

/// Terminates all other sessions.
async fn cut_sessions(target: &Target) {
    let query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sql::number(target, query).await;
}
