//! Contents and order of the stream, and resuming it.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealpost::admin::{Caller, DeadLetterAction};
use sealpost::store::ChangeKind;
use serde_json::{Value, json};
use strum::VariantArray as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use uuid::Uuid;

use super::{
    Message, PATH, Seen, Watcher, ask, assert_no_repetition, everything, insert, rejected, send,
    text,
};
use crate::harness::{API_KEY, Builder, Gateway, because, sql};
use crate::receive::{file_event, unique};

/// A gateway with a heartbeat every second.
fn with_fast_heartbeat() -> Builder {
    Gateway::builder().config("[operator]\n", "[operator]\nheartbeat = \"1s\"\n")
}

#[tokio::test]
async fn stream_covers_an_event_from_arrival_to_operator_actions() {
    let gateway = Gateway::start().await;
    let mut watcher = Watcher::open(&gateway, "", None).await;
    let event = json!({
        "id": "evt_1", "object": "event", "type": "account.updated", "created": 1_763_600_000,
        "livemode": true, "account": "acct_a", "data": { "object": { "id": "acct_a" } },
    });
    let dead = gateway.send("billing", None, event.to_string().as_bytes()).await;
    let useless = gateway.send("billing", None, b"not\nJSON").await;
    gateway.run_until_idle().await;
    let seen = watcher.take(3).await;
    let changes: Vec<&str> = seen.iter().map(|seen| seen.name.as_str()).collect();
    assert_eq!(changes, ["arrived", "quarantined", "dead"]);
    assert_eq!(
        seen[0].data,
        json!({
            "change": "arrived", "at": "2026-11-20T12:00:00Z", "source": "billing",
            "type": "account.updated", "event": dead.id(),
        })
    );
    assert_eq!((text(&seen[1], "event"), text(&seen[1], "reason")), (useless.id(), "not_json"));
    let last = &seen[2];
    assert_eq!((text(last, "event"), text(last, "type")), (dead.id(), "account.updated"));
    assert_eq!((text(last, "handler"), text(last, "reason")), ("stripe", "livemode_mismatch"));
    assert_eq!(last.data["attempt"], 1);

    let delivery = last.data["delivery"].as_i64().unwrap();
    for action in [DeadLetterAction::Replay, DeadLetterAction::Discard] {
        let id = if action == DeadLetterAction::Replay { delivery } else { delivery + 2 };
        let caller = Caller::local("ada");
        let batch = gateway
            .dead_letter_service()
            .resolve_one(&caller, action, id, &because("mended"), false)
            .await
            .unwrap();
        assert_eq!(batch.refused, []);
        gateway.run_until_idle().await;
    }
    let seen = watcher.take(3).await;
    let changes: Vec<&str> = seen.iter().map(|seen| seen.name.as_str()).collect();
    assert_eq!(changes, ["replayed", "dead", "discarded"]);
    assert_eq!((text(&seen[0], "actor"), text(&seen[2], "actor")), ("ada", "ada"));
    assert_eq!(seen[0].data["delivery"], delivery);
    assert_eq!(seen[0].data["replay"], seen[1].data["delivery"]);
    assert_eq!(seen[2].data["delivery"], seen[1].data["delivery"]);
    assert_eq!(seen[2].data["type"], "account.updated");
}

#[tokio::test]
async fn filtered_stream_still_advances_its_position() {
    let gateway = with_fast_heartbeat().start().await;
    let card = file_event("cards/a.md", "# A").to_string();
    gateway.send("cards", Some("create"), card.as_bytes()).await;
    send(&gateway).await;
    gateway.run_until_idle().await;
    for (query, expected) in [
        ("source=cards", &["arrived", "done"][..]),
        ("source=cards,billing", &["arrived", "arrived", "done", "done"]),
        ("type=invoice.*", &["arrived", "done"]),
        ("type=invoice.finalized&change=done", &["done"]),
        ("change=arrived", &["arrived", "arrived"]),
    ] {
        let query = format!("?after=start&{query}");
        let seen = Watcher::open(&gateway, &query, None).await.take(expected.len()).await;
        let mut changes: Vec<&str> = seen.iter().map(|seen| seen.name.as_str()).collect();
        changes.sort_unstable();
        assert_eq!(changes, expected, "{query}");
    }
    let mut watcher = Watcher::open(&gateway, "?after=start&change=dead", None).await;
    let began = watcher.last.clone();
    watcher.comment("alive").await;
    while watcher.last == began {
        assert!(watcher.read().await);
        while let Some(message) = watcher.message() {
            assert_eq!(message, Message::Other);
        }
    }
    let last = everything(&gateway, 4).await.pop().unwrap();
    assert_eq!(watcher.last, last.id, "the filtered changes are not scanned again");
}

/// The expected order, from the tables: event id, or delivery and attempt number.
async fn expected_order(gateway: &Gateway) -> Vec<String> {
    let rows = gateway
        .query(
            "SELECT change FROM (
                SELECT xact, 0 AS place, id::text AS a, 0 AS b, 0 AS c, id::text AS change FROM events
                 UNION ALL
                SELECT xact, 1, '', delivery_id, number, delivery_id || ' ' || number
                  FROM attempts) rows ORDER BY xact, place, a, b, c",
        )
        .await;
    rows.iter().map(|row| row["change"].as_str().unwrap().to_owned()).collect()
}

fn change_key(seen: &Seen) -> String {
    match seen.data["delivery"].as_i64().zip(seen.data["attempt"].as_i64()) {
        Some((delivery, number)) => format!("{delivery} {number}"),
        None => text(seen, "event").to_owned(),
    }
}

/// Sends a file in three chunks with other events in between; its id is of its first chunk. Returns
/// all ids.
async fn send_chunked(gateway: &Gateway) -> Vec<String> {
    let text = "0123456789abcdef".repeat(9);
    let mut body = file_event(&format!("files/{}.bin", unique()), &text);
    body["file"]["content_encoding"] = json!("base64");
    let encoded = STANDARD.encode(&text);
    let transfer = Uuid::new_v4().to_string();
    let mut ids = Vec::new();
    for index in 0..3 {
        body["file"]["content"] = json!(&encoded[index * 64..(index + 1) * 64]);
        body["file"]["chunk"] = json!({ "id": transfer, "index": index, "total": 3 });
        let answer = gateway.send("cards", Some("create"), body.to_string().as_bytes()).await;
        assert_eq!(answer.body_status(), "accepted", "{}", answer.text);
        ids.push(send(gateway).await);
        if index == 2 {
            ids.push(answer.id().to_owned());
        }
    }
    ids
}

/// Runs eight concurrent writers; all clients must receive the same complete stream.
async fn check_concurrent_writers(gateways: &[Gateway]) {
    const ROUNDS: usize = 4;
    let mut watchers = Vec::new();
    for gateway in gateways {
        watchers.push(Watcher::open(gateway, "", None).await);
    }
    let writers = (0..8).map(|writer| async move {
        let mut ids = Vec::new();
        for _ in 0..ROUNDS {
            let gateway = &gateways[writer % gateways.len()];
            ids.extend(send_chunked(gateway).await);
            gateway.run_until_idle().await;
        }
        ids
    });
    let written = futures_util::future::join_all(writers);
    // Each event has two changes: arrived and done.
    let count = 8 * ROUNDS * 4 * 2;
    let watching = watchers.iter_mut().map(|watcher| watcher.take(count));
    let (written, seen) = tokio::join!(written, futures_util::future::join_all(watching));
    let written: Vec<String> = written.into_iter().flatten().collect();
    assert_eq!(written.len(), 8 * ROUNDS * 4);

    let expected_order = expected_order(&gateways[0]).await;
    for seen in &seen {
        assert_no_repetition(seen);
        assert_eq!(seen.iter().map(change_key).collect::<Vec<_>>(), expected_order);
    }
    assert_eq!(everything(&gateways[0], count).await, seen[0]);
    let place: HashMap<(&str, &str), usize> =
        seen[0].iter().enumerate().map(|(at, s)| ((text(s, "event"), &*s.name), at)).collect();
    for id in &written {
        assert!(place[&(id.as_str(), "arrived")] < place[&(id.as_str(), "done")], "{id}");
    }
    // Ids are not in commit order, which this test depends on.
    let arrived = seen[0].iter().filter(|seen| seen.name == "arrived");
    let ids: Vec<&str> = arrived.map(|seen| text(seen, "event")).collect();
    assert!(!ids.is_sorted(), "the ids are in commit order");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_writers_lose_repeat_or_reorder_nothing() {
    check_concurrent_writers(&[Gateway::start().await]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_stream_the_same_changes() {
    let first = Gateway::start().await;
    let second = Gateway::builder().sharing_database(&first).start().await;
    check_concurrent_writers(&[first, second]).await;
}

#[tokio::test]
async fn late_commit_delays_later_changes_with_a_comment() {
    let gateway = with_fast_heartbeat().start().await;
    let mut watcher = Watcher::open(&gateway, "", None).await;
    let mut open = sql::connect(gateway.target()).await;
    sql::run(&mut open, "BEGIN").await;
    sql::run(&mut open, &insert(1, "late")).await;
    let after = [send(&gateway).await, send(&gateway).await];
    let lag = watcher.comment("lag ").await;
    assert!(lag.contains("blocked by an open transaction"), "{lag}");
    sql::run(&mut open, "COMMIT").await;
    let seen = watcher.take(3).await;
    assert_eq!(text(&seen[0], "type"), "late");
    assert_eq!([text(&seen[1], "event"), text(&seen[2], "event")], after);

    sql::run(&mut open, "BEGIN").await;
    sql::run(&mut open, &insert(1, "never")).await;
    let after = send(&gateway).await;
    sql::run(&mut open, "ROLLBACK").await;
    assert_eq!(text(&watcher.take(1).await[0], "event"), after);
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn client_resumes_exactly_after_any_change() {
    let gateway = Gateway::builder()
        // One caller may use a quarter of them, and disconnects are noticed with a delay.
        .config("[operator]\n", "[operator]\nstream_clients = 256\n")
        .start()
        .await;
    for _ in 0..5 {
        send(&gateway).await;
    }
    gateway.run_until_idle().await;
    let all = everything(&gateway, 10).await;
    for (at, seen) in all.iter().enumerate().take(9) {
        let rest = &all[at + 1..];
        let mut watcher = Watcher::open(&gateway, "", Some(&seen.id)).await;
        assert_eq!(watcher.take(rest.len()).await, rest);
        let mut watcher = Watcher::open(&gateway, &format!("?after={}", seen.id), None).await;
        assert_eq!(watcher.take(rest.len()).await, rest);
    }
    // Last-Event-ID takes precedence over the query.
    let mut watcher = Watcher::open(&gateway, "?after=start", Some(&all[8].id)).await;
    assert_eq!(watcher.take(1).await, all[9..]);
    // Later changes follow.
    let mut watcher = Watcher::open(&gateway, "", Some(&all[9].id)).await;
    let new = send(&gateway).await;
    assert_eq!(text(&watcher.take(1).await[0], "event"), new);
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn invalid_position_is_400_and_a_removed_one_is_410() {
    let gateway = Gateway::start().await;
    let (kept, removed) = (send(&gateway).await, send(&gateway).await);
    gateway.run_until_idle().await;
    let all = everything(&gateway, 4).await;
    for bad in ["0", "x", "évé", "..", &all[0].id[1..], &format!("{}A", all[0].id)] {
        assert_eq!(rejected(&gateway, "", Some(bad)).await.0, 400, "{bad}");
    }
    for bad in ["?after=1", "?before=x", "?change=dying", "?after=start&after=start"] {
        assert_eq!(rejected(&gateway, bad, None).await.0, 400, "{bad}");
    }
    assert_eq!(rejected(&gateway, &format!("?type={}", "x".repeat(9000)), None).await.0, 400);

    gateway.execute(&format!("DELETE FROM events WHERE id = '{removed}'")).await;
    let position = |event: &str| {
        let found = all.iter().find(|seen| text(seen, "event") == event).unwrap();
        found.id.clone()
    };
    assert_eq!(ask(&gateway, "", Some(&position(&kept))).await.status(), 200);
    let (status, _, problem) = rejected(&gateway, "", Some(&position(&removed))).await;
    assert_eq!((status, &problem["type"]), (410, &json!("urn:sealpost:problem:position-gone")));
    // A position of another database.
    let other = Gateway::start().await;
    assert_eq!(rejected(&other, "", Some(&position(&kept))).await.0, 410);
}

#[tokio::test]
async fn an_unknown_change_is_rejected_with_the_known_ones() {
    let gateway = Gateway::start().await;
    let (status, _, problem) = rejected(&gateway, "?change=dead,dying", None).await;
    assert_eq!(status, 400);
    let detail = problem["detail"].as_str().unwrap();
    let (_, words) = detail.split_once("expected one of: ").expect("the known changes");
    let words: Vec<&str> = words.split(", ").collect();
    let all: Vec<&str> = ChangeKind::VARIANTS.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(words, all);
    assert!(words.contains(&"unblocked"), "{detail}");
    let all = format!("?change={}", words.join(","));
    assert_eq!(ask(&gateway, &all, None).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn terminated_database_connections_lose_nothing() {
    let gateway = Gateway::builder().running().start().await;
    let mut watcher = Watcher::open(&gateway, "", None).await;
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database()
          AND application_name IN ('sealpost listen', 'sealpost admin')";
    let listening = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'sealpost listen'";
    while gateway.count(listening).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut sent = Vec::new();
    let mut killed = 0;
    for round in 0..20 {
        sent.push(send(&gateway).await);
        if round % 4 == 0 {
            killed += gateway.count(kill).await;
        }
    }
    assert!(killed > 1, "{killed}");
    let seen = watcher.take(2 * sent.len()).await;
    assert_no_repetition(&seen);
    let mut arrived: Vec<&str> = Vec::new();
    arrived.extend(seen.iter().filter(|s| s.name == "arrived").map(|s| text(s, "event")));
    assert_eq!(arrived, sent);
    assert_eq!(seen.iter().filter(|seen| seen.name == "done").count(), sent.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_client_is_disconnected_and_resumes_without_loss() {
    const COUNT: u32 = 20_000;
    let gateway = with_fast_heartbeat()
        .config("[operator]\n", "[operator]\nstream_clients = 1\n")
        .start()
        .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let url = gateway.operator_url("");
    let address = url.trim_start_matches("http://").parse().unwrap();
    let mut slow = socket.connect(address).await.unwrap();
    let request = format!(
        "GET {PATH}?after=start HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\n\
         connection: close\r\n\r\n"
    );
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut byte = [0];
    slow.read_exact(&mut byte).await.unwrap();
    assert_eq!(rejected(&gateway, "", None).await.0, 503, "the limit is reached");

    // More than all buffers in between.
    gateway.execute(&insert(COUNT, &"k".repeat(200))).await;
    let mut rounds = 0;
    while ask(&gateway, "", None).await.status() == 503 {
        rounds += 1;
        assert!(rounds < 600, "the slow client is never disconnected");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut got = Vec::new();
    slow.read_to_end(&mut got).await.unwrap();
    let got = String::from_utf8(got).unwrap();
    assert!(got.contains(": the client reads too slowly; reconnect with Last-Event-ID"));
    let ids: Vec<&str> = got.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    let data = got.lines().filter(|line| line.starts_with("data: ")).count();
    assert!(data > 0 && data < COUNT as usize, "{data}");
    let rest = loop {
        let response = ask(&gateway, "", ids.last().copied()).await;
        if response.status() == 200 {
            let mut watcher = Watcher::on(response).await;
            break watcher.take(COUNT as usize - data).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_no_repetition(&rest);
    let all: Vec<Value> = gateway.query("SELECT id FROM events ORDER BY xact, id").await;
    let last = rest.last().map(|seen| text(seen, "event"));
    assert_eq!(last, all.last().and_then(|row| row["id"].as_str()));
}

#[tokio::test]
async fn stream_ends_with_a_comment_when_the_gateway_stops() {
    let gateway = Gateway::start().await;
    let mut watcher = Watcher::open(&gateway, "", None).await;
    gateway.stop();
    assert_eq!(watcher.next().await, None);
    assert_eq!(
        watcher.comments.last().unwrap(),
        "the gateway is stopping; reconnect with Last-Event-ID"
    );
}
