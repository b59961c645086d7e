//! Table locks, and handlers that hang.

use std::time::Duration;

use super::{ScriptedHandler, send_script, until};
use crate::harness::{Gateway, sql};
use crate::receive::{card, event};

/// Tables that every delivery uses.
const CORE: &[&str] = &["events", "event_keys", "deliveries", "attempts"];

/// The sources, each with the prefix of its own tables.
const SOURCES: &[(&str, &str)] = &[("cards", "docora_"), ("billing", "stripe_"), ("bot", "bot_")];

/// Sends an event to a source.
async fn send(gateway: &Gateway, source: &str) {
    let answer = match source {
        "cards" => gateway.send(source, Some("create"), card().to_string().as_bytes()).await,
        "billing" => gateway.send(source, None, event().to_string().as_bytes()).await,
        _ => {
            let number = crate::receive::unique();
            let body = format!("{{\"event\":\"post.submitted\",\"number\":{number}}}");
            let guild = [("x-guild-id".to_owned(), "123456789012345678".to_owned())];
            let headers = gateway.sign(source, body.as_bytes(), &guild);
            gateway.send_raw(source, None, &headers, body.as_bytes()).await
        }
    };
    assert_eq!(answer.status, 202, "{source}: {}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn table_lock_delays_only_the_sources_that_use_the_table() {
    let gateway = Gateway::builder().running().start().await;
    let tables = "SELECT c.relname::text FROM pg_class c
                   WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
                     AND c.relname NOT LIKE '\\_sqlx%' ORDER BY 1";
    let tables = sql::texts(gateway.target(), tables).await;
    assert!(tables.len() > 20, "{tables:?}");
    let unfinished = async |source: &str| {
        let query = format!(
            "SELECT count(*) FROM deliveries
              WHERE source = '{source}' AND state NOT IN ('done', 'dead')"
        );
        gateway.count(&query).await
    };
    for table in &tables {
        let is_core = CORE.contains(&table.as_str());
        if is_core {
            for (source, _) in SOURCES {
                send(&gateway, source).await;
            }
        }
        let mut locker = sql::connect(gateway.target()).await;
        sql::run(&mut locker, "BEGIN").await;
        sql::run(&mut locker, &format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await;
        if !is_core {
            // Deliveries that use the table come first, and wait for the lock.
            for (source, _) in SOURCES.iter().filter(|(_, own)| table.starts_with(own)) {
                for _ in 0..10 {
                    send(&gateway, source).await;
                }
            }
            for (source, _) in SOURCES.iter().filter(|(_, own)| !table.starts_with(own)) {
                send(&gateway, source).await;
                until(async || unfinished(source).await == 0).await;
            }
        }
        sql::run(&mut locker, "ROLLBACK").await;
        for (source, _) in SOURCES {
            until(async || {
                let left = unfinished(source).await;
                // Released deliveries are due shortly, and the clock is stopped.
                gateway.clock().advance(Duration::from_secs(1));
                left == 0
            })
            .await;
        }
        let affected = "SELECT count(*) FROM deliveries WHERE state = 'dead' OR attempts <> 1";
        assert_eq!(gateway.count(affected).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_handler_leaves_slots_for_others() {
    let handler = ScriptedHandler::new();
    let gateway = Gateway::builder().handler(handler.clone()).running().start().await;
    for _ in 0..40 {
        send_script(&gateway, "hang").await;
    }
    let leased = "SELECT count(*) FROM deliveries WHERE state = 'leased'";
    until(async || gateway.count(leased).await >= 20).await;
    let answer = gateway.send("cards", Some("create"), card().to_string().as_bytes()).await;
    assert_eq!(answer.status, 202);
    let done = "SELECT count(*) FROM deliveries WHERE state = 'done' AND source = 'cards'";
    until(async || gateway.count(done).await == 1).await;
    handler.resume.add_permits(1000);
    let left = "SELECT count(*) FROM deliveries WHERE state <> 'done'";
    until(async || gateway.count(left).await == 0).await;
}
