//! When people are told, and of what: again when it grows, at once when the database is away, and
//! of everything that an operator does to what waits.

use std::time::Duration;

use sealpost::store::{Alert, Severity};
use serde_json::{Value, json};

use super::Scene;
use crate::alerts::outbox::{alert, pass, raise, told};
use crate::harness::Gateway;
use crate::harness::web::{Reply, Web};

/// Raises the same so often.
async fn raise_times(gateway: &Gateway, times: usize) {
    for _ in 0..times {
        raise(gateway.store(), alert("a", "another")).await;
    }
}

/// How often it had been raised when it was told, each time.
async fn counts(gateway: &Gateway) -> Vec<i64> {
    told(gateway.store()).await.into_iter().map(|(_, count, _)| count).collect()
}

#[tokio::test]
async fn what_grows_is_told_again_at_every_power_of_ten() {
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
    // Three an hour, for longer than a day: told at the beginning, at ten and once a day.
    for _ in 0..40 {
        for _ in 0..3 {
            raise_times(&gateway, 1).await;
            counts(&gateway).await;
            pass(&gateway, "20 minutes").await;
        }
    }
    assert_eq!(counts(&gateway).await, [0; 0]);
    // An outage begins, far from the next power of ten of them all.
    let mut told = 0;
    for _ in 0..120 {
        raise_times(&gateway, 1).await;
        told += counts(&gateway).await.len();
    }
    assert_eq!(told, 1, "a hundred within an hour is much more than three");
    // The same again, after some quiet hours of it.
    for _ in 0..9 {
        raise_times(&gateway, 1).await;
        counts(&gateway).await;
        pass(&gateway, "40 minutes").await;
    }
    let mut told = 0;
    for _ in 0..120 {
        raise_times(&gateway, 1).await;
        told += counts(&gateway).await.len();
    }
    assert!(told >= 1, "the second outage is told too");
}

#[tokio::test]
async fn quarantined_requests_are_counted_in_an_alert_that_shrinks_and_grows_with_them() {
    let scene = Scene::start().await;
    let quarantine = async |from: u32, to: u32| {
        for number in from..to {
            let body = format!("no JSON, number {number}");
            let answer = scene.gateway.send("billing", None, body.as_bytes()).await;
            assert_eq!(answer.what(), "quarantined");
        }
        scene.look().await;
    };
    quarantine(0, 2).await;
    assert_eq!(counts(&scene.gateway).await, [2]);
    quarantine(2, 9).await;
    assert_eq!(counts(&scene.gateway).await, [0; 0]);
    quarantine(9, 12).await;
    assert_eq!(counts(&scene.gateway).await, [12]);
    let key = &scene.gateway.query("SELECT key, source FROM alerts").await[0];
    assert_eq!(key, &json!({ "key": "gate not_json", "source": "billing" }));
    scene
        .gateway
        .execute(
            "UPDATE deliveries SET resolution = 'discarded', resolved_at = now()
              WHERE id > (SELECT min(id) FROM deliveries)",
        )
        .await;
    scene.look().await;
    quarantine(12, 22).await;
    assert_eq!(counts(&scene.gateway).await, [11], "told at 12, mended but for one, and told anew");
    scene.discard_all().await;
    scene.look().await;
    assert_eq!(scene.alerts_open("dead_letter").await, 0);
}

#[tokio::test]
async fn what_only_happened_ends_by_itself_once_it_was_told() {
    let gateway = Gateway::start().await;
    let once = Alert { passing: true, severity: Severity::Warning, ..alert("job 7", "it began") };
    raise(gateway.store(), once).await;
    pass(&gateway, "2 hours").await;
    gateway.store().tidy_alerts().await.unwrap();
    let open = "SELECT count(*) FROM alerts WHERE closed_at IS NULL";
    assert_eq!(gateway.count(open).await, 1, "nobody was told yet");
    assert_eq!(told(gateway.store()).await.len(), 1);
    gateway.store().tidy_alerts().await.unwrap();
    assert_eq!(gateway.count(open).await, 0);
}

#[tokio::test]
async fn the_channel_is_told_when_the_database_is_away_and_when_it_is_back() {
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
        gateway.notifier().step_or_tell(&mut outage).await;
    }
    gateway.execute("ALTER TABLE alerts_away RENAME TO alerts").await;
    for _ in 0..2 {
        gateway.notifier().step_or_tell(&mut outage).await;
    }
    let told: Vec<String> = web
        .received()
        .iter()
        .map(|one| one.json()["content"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("cannot read or write its database"), "{told:?}");
    assert!(told[1].contains("can read and write its database again"), "{told:?}");
}

#[tokio::test]
async fn what_a_forgotten_destination_buries_is_noted_counted_and_told() {
    let mut scene = Scene::start().await;
    scene.break_it("a destination is not configured").await;
    scene.mend("a destination is not configured").await;
    let gateway = &scene.gateway;
    let changes = gateway.changes().await;
    let dead: Vec<_> = changes.iter().filter(|change| change.change.as_str() == "dead").collect();
    assert_eq!(dead.len(), 1, "the stream says so once");
    assert_eq!(dead[0].reason, Some(sealpost::store::DeathReason::HandlerMissing));
    assert!(dead[0].error.as_deref().is_some_and(|error| error.contains("no longer configured")));
    assert!(dead[0].actor.is_some(), "and who did it");
    let counted = "SELECT sum(count)::bigint FROM counters WHERE what = 'dead' AND minutes = 5";
    assert_eq!(gateway.count(counted).await, 1);
    let event = gateway.query("SELECT event_id FROM deliveries").await[0]["event_id"].clone();
    let path = format!("/api/v1/events/{}", event.as_str().unwrap());
    let detail = gateway.operator(&path).await.json;
    let moments = detail["timeline"].as_array().unwrap();
    let words: Vec<&str> = moments.iter().map(|one| one["what"].as_str().unwrap()).collect();
    assert_eq!(words, ["received", "dead", "discarded"], "{detail}");
    for (moment, why) in [(1, "it is gone"), (2, "it was a test")] {
        assert_eq!(moments[moment]["reason"], why);
        assert!(moments[moment]["by"].is_string(), "{}", moments[moment]);
    }
}

#[tokio::test]
async fn the_page_and_the_command_say_where_nobody_is_told() {
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
async fn the_last_event_is_as_old_as_it_is_and_not_as_its_flush() {
    let gateway = Gateway::builder().leaves_work().start().await;
    let sent = sealpost::clock::Clock::now(gateway.clock());
    let answer =
        gateway.send("billing", None, &crate::monitoring::event_of("acct_a", "evt_1")).await;
    assert_eq!(answer.what(), "accepted");
    gateway.clock().advance(Duration::from_secs(5));
    gateway.count_up().await;
    let ada = sealpost::admin::Caller::local("ada");
    let view = gateway.monitoring().source(&ada, "billing").await.unwrap();
    assert_eq!(view.last_event_at, Some(sent));
    assert_eq!(view.secrets[0].first_at, Some(sent));
}

#[tokio::test]
async fn what_cannot_be_read_is_an_alarm_until_it_can() {
    let scene = Scene::start().await;
    scene.gateway.monitoring().raise_blindness().await.unwrap();
    scene.gateway.monitoring().raise_blindness().await.unwrap();
    assert_eq!(scene.alerts_open("database").await, 1);
    let metrics = scene.look().await;
    assert_eq!(scene.alerts_open("database").await, 0);
    assert!(super::gauge(&metrics, "database", "critical") < 0.5);
}

#[tokio::test]
async fn a_replay_links_what_it_made_and_says_who_did_it_and_why() {
    let mut scene = Scene::start().await;
    scene.break_it("a handler's dead letter").await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let path = "/deliveries/1/replay";
    let answer = scene.gateway.call(path, &form, "reason=the+table+is+there").await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let place = answer.headers["location"].to_str().unwrap().to_owned();
    let made = place.rsplit_once("made=").expect("what was made").1.to_owned();
    let page = scene.gateway.operator(&place).await.text;
    assert!(page.contains(&format!("href=\"/deliveries/{made}\"")), "{place}: {page}");
    for part in ["key:test", "the table is there", "resolved it"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // A link from elsewhere puts nothing else there.
    let page = scene
        .gateway
        .operator("/deliveries/1?did=dead-letters-replay&made=//evil.example")
        .await
        .text;
    assert!(!page.contains("evil.example"), "{page}");
    scene.gateway.run_until_idle().await;
}
