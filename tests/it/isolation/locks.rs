//! A lock on any one table, and handlers that hang.

use std::time::Duration;

use super::{Told, tell, until};
use crate::harness::{Gateway, sql};
use crate::receive::{card, event};

/// Without these nothing can be handed on, whatever is done.
const CORE: &[&str] = &["events", "event_keys", "deliveries", "attempts"];

/// The senders, each with the beginning of its own tables' names.
const SENDERS: &[(&str, &str)] = &[("cards", "docora_"), ("billing", "stripe_"), ("bot", "bot_")];

/// One event of a sender.
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
async fn a_lock_on_any_table_holds_up_nobody_whom_it_does_not_concern() {
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
            for (source, _) in SENDERS {
                send(&gateway, source).await;
            }
        }
        let mut locker = sql::connect(gateway.target()).await;
        sql::run(&mut locker, "BEGIN").await;
        sql::run(&mut locker, &format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await;
        if !is_core {
            // Those whom it concerns come first, and wait for it.
            for (source, _) in SENDERS.iter().filter(|(_, own)| table.starts_with(own)) {
                for _ in 0..10 {
                    send(&gateway, source).await;
                }
            }
            for (source, _) in SENDERS.iter().filter(|(_, own)| !table.starts_with(own)) {
                send(&gateway, source).await;
                until(async || unfinished(source).await == 0).await;
            }
        }
        sql::run(&mut locker, "ROLLBACK").await;
        for (source, _) in SENDERS {
            until(async || {
                let left = unfinished(source).await;
                // What was given back is due in a moment, by a clock that stands still.
                gateway.clock().advance(Duration::from_secs(1));
                left == 0
            })
            .await;
        }
        let harmed = "SELECT count(*) FROM deliveries WHERE state = 'dead' OR attempts <> 1";
        assert_eq!(gateway.count(harmed).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_hangs_leaves_the_others_their_places() {
    let told = Told::new();
    let gateway = Gateway::builder().handler(told.clone()).running().start().await;
    for _ in 0..40 {
        tell(&gateway, "hang").await;
    }
    let leased = "SELECT count(*) FROM deliveries WHERE state = 'leased'";
    until(async || gateway.count(leased).await >= 20).await;
    let answer = gateway.send("cards", Some("create"), card().to_string().as_bytes()).await;
    assert_eq!(answer.status, 202);
    let done = "SELECT count(*) FROM deliveries WHERE state = 'done' AND source = 'cards'";
    until(async || gateway.count(done).await == 1).await;
    told.go_on.add_permits(1000);
    let left = "SELECT count(*) FROM deliveries WHERE state <> 'done'";
    until(async || gateway.count(left).await == 0).await;
}
