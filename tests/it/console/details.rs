//! Pages of transfers, sources and events.

use std::time::Duration;

use sealpost::store::ChangeKind;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::browser::{is_missing, with_browser};
use super::dead_letters::OURS;
use super::headers::post;
use super::{FailingHandler, gateway};
use crate::chunks::Transfer;
use crate::harness::Gateway;
use crate::monitoring::event_of;
use crate::rejected_requests::{KEEP_REJECTED, PLAIN};

async fn api(gateway: &Gateway, path: &str) -> Value {
    gateway.operator(&format!("/api/v1{path}")).await.json
}

#[tokio::test]
async fn transfer_page_shows_chunks_and_the_superseding_transfer() {
    if is_missing() {
        return;
    }
    let gateway = Gateway::start().await;
    let transfer = Transfer::of(3);
    for index in [0, 2] {
        transfer.send(&gateway, index).await;
    }
    let newer = superseded(&gateway, &transfer).await;
    let shown = api(&gateway, "/transfers/1").await;
    assert_eq!(shown["transfer"]["state"], "superseded");
    assert_eq!(shown["others"][0]["id"], newer);
    assert!(shown["envelope"]["file"]["path"].is_string(), "{shown}");
    for path in ["/transfers/999", "/transfers/x"] {
        assert_eq!(gateway.operator(path).await.status, 404, "{path}");
    }
}

/// Checks the page of a transfer before and after it is superseded. Returns the id of the newer one.
async fn superseded(gateway: &Gateway, transfer: &Transfer) -> i64 {
    let newest = "SELECT max(id) FROM chunk_transfers";
    with_browser(gateway, async |browser| {
        browser.show_token().await;
        browser.open("/transfers").await;
        browser.click("a[href='/transfers/1']").await;
        let text = browser.text().await;
        assert!(text.contains("2 of 3 chunks received") && text.contains("images/"), "{text}");
        let map = "return document.querySelector('svg.map').getAttribute('aria-label')";
        assert_eq!(browser.ask(map).await, "2 of 3 chunks received");
        assert!(text.contains("15 min"), "the time left: {text}");
        browser.keep("transfer", "/transfers/1").await;
        transfer.again().send(gateway, 0).await;
        browser.open("/transfers/1").await;
        assert!(browser.text().await.contains("superseded"));
        let newer = gateway.count(newest).await;
        browser.click(&format!("a[href='/transfers/{newer}']")).await;
        assert!(browser.text().await.contains("1 of 3 chunks received"));
    })
    .await;
    gateway.count(newest).await
}

#[tokio::test]
async fn source_is_paused_and_resumed_on_its_page() {
    let gateway = Gateway::builder().config(PLAIN, KEEP_REJECTED).start().await;
    let page = gateway.operator("/sources/billing").await.text;
    assert!(page.contains("action=\"/pauses/source/billing/pause\""), "{page}");
    assert!(page.contains("keeps rejected requests for 1 h"), "{page}");
    assert_eq!(api(&gateway, "/sources/billing").await["keep_rejected_seconds"], 3600.0);
    for (verb, next, is_paused) in [("pause", "resume", true), ("resume", "pause", false)] {
        let path = format!("/pauses/source/billing/{verb}");
        assert_eq!(post(&gateway, &path, OURS, "reason=a+release").await.status, 303);
        let page = gateway.operator("/sources/billing").await.text;
        assert!(page.contains(&format!("action=\"/pauses/source/billing/{next}\"")), "{page}");
        assert_eq!(page.contains("a release"), is_paused, "{page}");
        for path in ["/sources", "/"] {
            let page = gateway.operator(path).await.text;
            assert_eq!(page.contains(">paused</span>"), is_paused, "{path}: {page}");
        }
        let shown = api(&gateway, "/sources/billing").await;
        assert_eq!(shown["paused"]["reason"] == "a release", is_paused, "{shown}");
        let rows = api(&gateway, "/overview").await["sources"].clone();
        let row = rows.as_array().unwrap().iter().find(|row| row["name"] == "billing").unwrap();
        assert_eq!(row["paused_at"].is_string(), is_paused, "{row}");
    }
    let closed = gateway.operator("/sources/closed").await.text;
    assert!(!closed.contains("/pauses/source/"), "what lets nothing in is not paused: {closed}");
}

#[tokio::test]
async fn set_up_page_shows_the_url_and_updates() {
    if is_missing() {
        return;
    }
    let gateway = Gateway::start().await;
    let page = gateway.operator("/sources/billing/set-up").await.text;
    assert!(page.contains("http://127.0.0.1:0/hooks/billing"), "{page}");
    assert!(
        page.contains("the gateway&#39;s own address")
            || page.contains("the gateway's own address"),
        "{page}"
    );
    let listen = "listen = \"127.0.0.1:0\"\nworkers = 1";
    let public = format!("{listen}\npublic_url = \"https://hooks.example/in/\"");
    let gateway = Gateway::builder().config(listen, &public).start().await;
    let cards = gateway.operator("/sources/cards/set-up").await.text;
    assert!(cards.contains("https://hooks.example/in/hooks/cards/{action}"), "{cards}");
    assert!(cards.contains("is one of") && !cards.contains("own address"), "{cards}");
    let shown = api(&gateway, "/sources/billing").await;
    assert_eq!(shown["urls"][0], "https://hooks.example/in/hooks/billing");
    assert_eq!(shown["urls_are_public"], true);
    with_browser(&gateway, async |browser| {
        browser.show_token().await;
        browser.look("light", 1280).await;
        browser.open("/sources").await;
        browser.click("a[href='/sources/billing/set-up']").await;
        let text = browser.text().await;
        assert!(
            text.contains("No verified event yet")
                && text.contains("--to https://hooks.example/in"),
            "{text}"
        );
        browser.keep("set-up", "/sources/billing/set-up").await;
        browser.open("/sources/billing/set-up").await;
        let ping = json!({ "id": "evt_1", "object": "event", "type": "ping", "created": 1 });
        let answer = gateway.send("billing", None, ping.to_string().as_bytes()).await;
        assert_eq!(answer.body_status(), "accepted");
        gateway.flush_stats().await;
        browser.wait_for_text("Set-up complete.").await;
    })
    .await;
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn event_page_links_edits_and_shows_duplicates() {
    if is_missing() {
        return;
    }
    let handler = FailingHandler::default();
    let gateway = gateway(&handler).await;
    let form = "body=%7B%22a%22%3A1%7D&reason=the+sender+said+so";
    assert_eq!(post(&gateway, "/deliveries/1/edit/replay", OURS, form).await.status, 303);
    handler.repair();
    gateway.run_until_idle().await;
    let rows =
        gateway.query("SELECT id, edited_from FROM events WHERE edited_from IS NOT NULL").await;
    let id = |name: &str| rows[0][name].as_str().unwrap().to_owned();
    let (edit, original) = (id("id"), id("edited_from"));
    let shown = api(&gateway, &format!("/events/{original}")).await;
    assert_eq!((&shown["edits"][0]["event"], &shown["edited"]), (&json!(edit), &Value::Null));
    let body = gateway.operator(&format!("/events/{original}/body")).await.text;
    gateway.clock().advance(Duration::from_mins(1));
    assert_eq!(gateway.send("billing", None, body.as_bytes()).await.body_status(), "duplicate");
    let shown = api(&gateway, &format!("/events/{edit}")).await;
    assert_eq!(shown["edited"]["from"], json!(original));
    assert_eq!(shown["timeline"][0]["what"], "edited");
    with_browser(&gateway, async |browser| {
        browser.show_token().await;
        browser.open(&format!("/events/{original}")).await;
        let text = browser.text().await;
        assert!(text.contains("Received again") && text.contains("latest of 2 times"), "{text}");
        browser.click(&format!("a[href='/events/{edit}']")).await;
        let text = browser.text().await;
        assert!(
            text.contains("No provider sent this body") && text.contains("Created by an edit"),
            "{text}"
        );
        browser.keep("event-edited", &format!("/events/{edit}")).await;
        browser.open(&format!("/events/{edit}")).await;
        browser.click(&format!("a[href='/events/{original}']")).await;
        browser.keep("event", &format!("/events/{original}")).await;
    })
    .await;
}

#[tokio::test]
async fn chunked_text_can_be_edited_and_binary_cannot() {
    let gateway = Gateway::start().await;
    for (text, transfer) in [(true, Transfer::of_text(3)), (false, Transfer::of(3))] {
        for index in 0..3 {
            transfer.send(&gateway, index).await;
        }
        let kill = "UPDATE deliveries SET state = 'dead', death_reason = 'permanent',
                    last_error = 'a test', finished_at = now()
                     WHERE id = (SELECT max(id) FROM deliveries)";
        assert_eq!(gateway.execute(kill).await, 1);
        let id = gateway.count("SELECT max(id) FROM deliveries").await;
        let page = gateway.operator(&format!("/deliveries/{id}")).await.text;
        let link = format!("href=\"/deliveries/{id}/edit\"");
        assert_eq!(page.contains(&link), text, "{page}");
        assert_eq!(page.contains("The body is not text and cannot be edited."), !text, "{page}");
        let path = format!("/deliveries/{id}/edit/replay");
        let done = post(&gateway, &path, OURS, "body=plain+text%0D%0A&reason=a+typing+error").await;
        assert_eq!(done.status, if text { 303 } else { 400 }, "{}", done.text);
    }
    let edited = "SELECT id, convert_from(body, 'UTF8') AS body,
                         convert_from(envelope, 'UTF8')::jsonb->'file' AS file
                    FROM events WHERE edited_from IS NOT NULL";
    let [edited] = &gateway.query(edited).await[..] else { panic!("one") };
    assert_eq!(edited["body"], "plain text\n");
    assert_eq!(edited["file"]["size"], 11);
    let sha = hex::encode(Sha256::digest("plain text\n"));
    assert_eq!(edited["file"]["sha"], json!(sha));
    gateway.run_until_idle().await;
    let done = format!(
        "SELECT count(*) FROM deliveries WHERE state = 'done' AND event_id = '{}'",
        edited["id"].as_str().unwrap()
    );
    assert_eq!(gateway.count(&done).await, 1, "handled like any file");
}

#[tokio::test]
async fn unblocking_a_lane_is_shown_and_streamed() {
    if is_missing() {
        return;
    }
    let blocking = "name = \"billing\"\nprovider = \"stripe\"\ndead_head = \"block\"\n";
    let handler = FailingHandler::default();
    let gateway = Gateway::builder().config(PLAIN, blocking).handler(handler.clone()).start().await;
    for number in 1..=3 {
        let event = event_of("acct_a", &format!("evt_{number}"));
        assert_eq!(gateway.send("billing", None, &event).await.body_status(), "accepted");
    }
    gateway.run_until_idle().await;
    with_browser(&gateway, async |browser| {
        browser.show_token().await;
        browser.look("light", 1280).await;
        browser.open("/deliveries/1").await;
        let text = browser.text().await;
        assert!(text.contains("2 deliveries wait"), "{text}");
        browser.click("details:has(form[action='/deliveries/1/unblock']) summary").await;
        browser.write("#unblock-reason", "they do not depend on it").await;
        browser.click("form[action='/deliveries/1/unblock'] button").await;
        browser.wait_for_text("Lane unblocked").await;
        assert!(!browser.text().await.contains("deliveries wait"));
    })
    .await;
    handler.repair();
    gateway.run_until_idle().await;
    let done = "SELECT count(*) FROM deliveries WHERE state = 'done'";
    assert_eq!(gateway.count(done).await, 2, "the waiting deliveries continue");
    let changes = gateway.changes().await;
    let freed = changes
        .into_iter()
        .find(|change| change.change == ChangeKind::Unblocked)
        .expect("a change in the stream");
    assert_eq!((freed.delivery, freed.replay), (Some(1), None));
    assert!(freed.actor.is_some() && freed.event_type.as_deref() == Some("account.updated"));
}
