//! When notifications are sent: again as the count of an alert grows, and at once in a database
//! outage. And what operator actions leave in pages, counters and the change stream.

use std::time::Duration;

use sealpost::store::{Alert, Severity};
use serde_json::{Value, json};

use super::Scene;
use crate::alerts::outbox::{alert, pass, raise, send_pending};
use crate::harness::Gateway;
use crate::harness::web::{Reply, Web};

/// Raises the same alert several times.
async fn raise_times(gateway: &Gateway, times: usize) {
    for _ in 0..times {
        raise(gateway.store(), alert("a", "another")).await;
    }
}

/// The count of each alert in the pending notification, which is then sent.
async fn counts(gateway: &Gateway) -> Vec<i64> {
    send_pending(gateway.store()).await.into_iter().map(|(_, count, _)| count).collect()
}

#[tokio::test]
async fn notification_repeats_at_every_power_of_ten() {
    let gateway = Gateway::start().await;
    let mut seen = Vec::new();
    for _ in 0..101 {
        raise_times(&gateway, 1).await;
        seen.extend(counts(&gateway).await);
    }
    assert_eq!(seen, [1, 10, 100]);
    gateway.execute("UPDATE alerts SET count = 998").await;
    for _ in 0..3 {
        raise_times(&gateway, 1).await;
        seen.extend(counts(&gateway).await);
    }
    assert_eq!(seen, [1, 10, 100, 1000]);
}

#[tokio::test]
async fn a_trickle_does_not_hide_an_outage() {
    let gateway = Gateway::start().await;
    // Three an hour for over a day: sent at the first, at ten, and daily.
    for _ in 0..40 {
        for _ in 0..3 {
            raise_times(&gateway, 1).await;
            counts(&gateway).await;
            pass(&gateway, "20 minutes").await;
        }
    }
    assert_eq!(counts(&gateway).await, [0; 0]);
    // An outage begins, far from the next power of ten.
    let mut sent = 0;
    for _ in 0..120 {
        raise_times(&gateway, 1).await;
        sent += counts(&gateway).await.len();
    }
    assert_eq!(sent, 1, "a hundred within an hour is much more than three");
    // Another outage after some quiet hours.
    for _ in 0..9 {
        raise_times(&gateway, 1).await;
        counts(&gateway).await;
        pass(&gateway, "40 minutes").await;
    }
    let mut sent = 0;
    for _ in 0..120 {
        raise_times(&gateway, 1).await;
        sent += counts(&gateway).await.len();
    }
    assert!(sent >= 1, "the second outage is sent too");
}

#[tokio::test]
async fn quarantine_alert_counts_its_open_requests() {
    let scene = Scene::start().await;
    let quarantine = async |from: u32, to: u32| {
        for number in from..to {
            let body = format!("no JSON, number {number}");
            let answer = scene.gateway.send("billing", None, body.as_bytes()).await;
            assert_eq!(answer.body_status(), "quarantined");
        }
        scene.evaluate().await;
    };
    quarantine(0, 2).await;
    assert_eq!(counts(&scene.gateway).await, [2]);
    quarantine(2, 9).await;
    assert_eq!(counts(&scene.gateway).await, [0; 0]);
    quarantine(9, 12).await;
    assert_eq!(counts(&scene.gateway).await, [12]);
    let key = &scene.gateway.query("SELECT key, source FROM alerts").await[0];
    assert_eq!(key, &json!({ "key": "quarantine not_json", "source": "billing" }));
    scene
        .gateway
        .execute(
            "UPDATE deliveries SET resolution = 'discarded', resolved_at = now()
              WHERE id > (SELECT min(id) FROM deliveries)",
        )
        .await;
    scene.evaluate().await;
    quarantine(12, 22).await;
    assert_eq!(counts(&scene.gateway).await, [11], "sent at 12, all but one resolved, sent again");
    scene.discard_all().await;
    scene.evaluate().await;
    assert_eq!(scene.alerts_open("dead_letter").await, 0);
}

#[tokio::test]
async fn one_time_alert_closes_after_it_is_sent() {
    let gateway = Gateway::start().await;
    let once = Alert { passing: true, severity: Severity::Warning, ..alert("job 7", "it began") };
    raise(gateway.store(), once).await;
    pass(&gateway, "2 hours").await;
    gateway.store().clean_up_alerts().await.unwrap();
    let open = "SELECT count(*) FROM alerts WHERE closed_at IS NULL";
    assert_eq!(gateway.count(open).await, 1, "not sent yet");
    assert_eq!(send_pending(gateway.store()).await.len(), 1);
    gateway.store().clean_up_alerts().await.unwrap();
    assert_eq!(gateway.count(open).await, 0);
}

#[tokio::test]
async fn channel_is_notified_of_a_database_outage_and_its_end() {
    let web = Web::start(async |_| Reply::json(200, &json!({ "id": "1" }))).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), web.url("/api/webhooks/1/token-0123456789")).unwrap();
    let config = format!(
        "\n[outbound]\nallow = [\"127.0.0.0/8\"]\n[alerts]\ndiscord = {{ file = \"{}\" }}\n",
        file.path().display()
    );
    let gateway = Gateway::builder().more_config(&config).start().await;
    let mut outage = sealpost::alerts::Outage::default();
    gateway.execute("ALTER TABLE alerts RENAME TO alerts_away").await;
    for _ in 0..4 {
        gateway.notifier().step_or_notify(&mut outage).await;
    }
    gateway.execute("ALTER TABLE alerts_away RENAME TO alerts").await;
    for _ in 0..2 {
        gateway.notifier().step_or_notify(&mut outage).await;
    }
    let sent: Vec<String> = web
        .received()
        .iter()
        .map(|one| one.json()["content"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent[0].contains("cannot read or write its database"), "{sent:?}");
    assert!(sent[1].contains("can read and write its database again"), "{sent:?}");
}

#[tokio::test]
async fn dead_letters_of_a_forgotten_destination_are_recorded() {
    let mut scene = Scene::start().await;
    scene.cause("a destination is not configured").await;
    scene.resolve("a destination is not configured").await;
    let gateway = &scene.gateway;
    let changes = gateway.changes().await;
    let dead: Vec<_> = changes.iter().filter(|change| change.change.as_str() == "dead").collect();
    assert_eq!(dead.len(), 1, "streamed once");
    assert_eq!(dead[0].reason, Some(sealpost::store::DeathReason::HandlerMissing));
    assert!(dead[0].error.as_deref().is_some_and(|error| error.contains("no longer configured")));
    assert!(dead[0].actor.is_some(), "with the actor");
    let counted = "SELECT sum(count)::bigint FROM counters WHERE what = 'dead' AND minutes = 5";
    assert_eq!(gateway.count(counted).await, 1);
    let event = gateway.query("SELECT event_id FROM deliveries").await[0]["event_id"].clone();
    let path = format!("/api/v1/events/{}", event.as_str().unwrap());
    let detail = gateway.operator(&path).await.json;
    let entries = detail["timeline"].as_array().unwrap();
    let kinds: Vec<&str> = entries.iter().map(|one| one["what"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["received", "dead", "discarded"], "{detail}");
    for (index, reason) in [(1, "it is gone"), (2, "it was a test")] {
        assert_eq!(entries[index]["reason"], reason);
        assert!(entries[index]["by"].is_string(), "{}", entries[index]);
    }
}

#[tokio::test]
async fn missing_alert_channel_is_reported() {
    let scene = Scene::start().await;
    for path in ["/", "/alerts"] {
        let page = scene.gateway.operator(path).await;
        assert!(page.text.contains("No alert channel is configured"), "{path}");
    }
    let overview = scene.gateway.operator("/api/v1/overview").await.json;
    assert_eq!(overview["alerts_are_sent"], Value::Bool(false));
    assert!(scene.program.run(&["overview"]).stdout.contains("no alert channel"));
}

#[tokio::test]
async fn last_event_time_is_the_receipt_and_not_the_flush() {
    let gateway = Gateway::builder().allow_unfinished().start().await;
    let sent = sealpost::clock::Clock::now(gateway.clock());
    let answer =
        gateway.send("billing", None, &crate::monitoring::event_of("acct_a", "evt_1")).await;
    assert_eq!(answer.body_status(), "accepted");
    gateway.clock().advance(Duration::from_secs(5));
    gateway.flush_stats().await;
    let ada = sealpost::admin::Caller::local("ada");
    let view = gateway.monitoring().source(&ada, "billing").await.unwrap();
    assert_eq!(view.last_event_at, Some(sent));
    assert_eq!(view.secrets[0].first_at, Some(sent));
}

#[tokio::test]
async fn unreadable_database_is_an_alarm_until_it_can_be_read() {
    let scene = Scene::start().await;
    scene.gateway.monitoring().raise_unreadable_alarm().await.unwrap();
    scene.gateway.monitoring().raise_unreadable_alarm().await.unwrap();
    assert_eq!(scene.alerts_open("database").await, 1);
    let metrics = scene.evaluate().await;
    assert_eq!(scene.alerts_open("database").await, 0);
    assert!(super::gauge(&metrics, "database", "critical") < 0.5);
}

#[tokio::test]
async fn replay_links_the_new_delivery_and_shows_actor_and_reason() {
    let mut scene = Scene::start().await;
    scene.cause("a handler's dead letter").await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let path = "/deliveries/1/replay";
    let answer = scene.gateway.call(path, &form, "reason=the+table+is+there").await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let place = answer.headers["location"].to_str().unwrap().to_owned();
    let made = place.rsplit_once("made=").expect("the new delivery").1.to_owned();
    let page = scene.gateway.operator(&place).await.text;
    assert!(page.contains(&format!("href=\"/deliveries/{made}\"")), "{place}: {page}");
    for part in ["key:test", "the table is there", "resolved it"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // A crafted link cannot insert another URL.
    let page = scene
        .gateway
        .operator("/deliveries/1?did=dead-letters-replay&made=//evil.example")
        .await
        .text;
    assert!(!page.contains("evil.example"), "{page}");
    scene.gateway.run_until_idle().await;
}
