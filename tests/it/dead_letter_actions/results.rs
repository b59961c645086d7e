//! After an action the page links to its result; later pages show the actor and the reason.

use sealpost::admin::Step;
use sealpost::store::ChangeKind;
use serde_json::json;

use crate::dead_letters::{Fragile, gateway, ids, open, send};
use crate::harness::{API_KEY, Answer, Gateway};

const WHY: &str = "the table is there";
/// Text on the page of a resolved delivery.
const WHO: &str = "<strong>key:test</strong> resolved it";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Posts a console form with the reason; returns the redirect location and its page.
async fn post(gateway: &Gateway, path: &str, form: &str) -> (String, String) {
    let form = format!("{form}&reason=the+table+is+there");
    let answer = gateway.call(path, &[FORM], &form).await;
    assert_eq!(answer.status, 303, "{path}: {}", answer.text);
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let page = get(gateway, &location).await.text;
    (location, page)
}

async fn get(gateway: &Gateway, path: &str) -> Answer {
    let request = gateway.client().get(gateway.operator_url(path)).bearer_auth(API_KEY);
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer
}

fn assert_contains(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part}: {page}");
    }
}

/// A gateway with `count` open dead letters, and their ids, the oldest first.
async fn with_dead_letters(handler: &Fragile, count: usize) -> (Gateway, Vec<i64>) {
    let gateway = gateway(handler).await;
    for number in 0..count {
        send(&gateway, &format!("evt_{number}")).await;
    }
    gateway.run_until_idle().await;
    let dead = ids(gateway.dead_letter_service(), &open()).await;
    assert_eq!(dead.len(), count);
    (gateway, dead)
}

#[tokio::test]
async fn actions_link_their_result_and_show_actor_and_reason() {
    let handler = Fragile::default();
    let (gateway, dead) = with_dead_letters(&handler, 3).await;
    let replayed = format!("/deliveries/{}", dead[0]);
    let (location, page) = post(&gateway, &format!("{replayed}/replay"), "").await;
    let created = location
        .strip_prefix(&format!("{replayed}?did=dead-letters-replay&made="))
        .expect(&location);
    let link = format!("href=\"/deliveries/{created}\"");
    assert_contains(&page, &["Replayed: a new delivery was created", &link, WHO, WHY]);
    let created = get(&gateway, &format!("/deliveries/{created}")).await.text;
    assert_contains(&created, &["by key:test", WHY, &format!("href=\"{replayed}\"")]);

    let discarded = format!("/deliveries/{}", dead[1]);
    let (location, page) = post(&gateway, &format!("{discarded}/discard"), "").await;
    assert_eq!(location, format!("{discarded}?did=dead-letters-discard"));
    assert_contains(&page, &["Discarded: this delivery is resolved", WHO, WHY]);

    let edited = format!("/deliveries/{}", dead[2]);
    let body = "body=%7B%22id%22%3A%22evt_fine%22%7D";
    let (location, page) = post(&gateway, &format!("{edited}/edit/replay"), body).await;
    let created = location.strip_prefix(&format!("{edited}?did=edited&made=")).expect(&location);
    let link = format!("href=\"/events/{created}\"");
    assert_contains(
        &page,
        &["Edited and replayed: a new event", "New event", "the edited event", &link, WHO, WHY],
    );
    let event = get(&gateway, &format!("/events/{created}")).await.text;
    assert_contains(&event, &["No provider sent this body: key:test edited it from"]);
    gateway.run_until_idle().await;
    // The confirmation is shown once; actor and reason remain.
    let later = get(&gateway, &edited).await.text;
    assert_contains(&later, &[WHO, WHY]);
    assert!(!later.contains("Edited and replayed: a new event"), "{later}");
}

#[tokio::test]
async fn refusal_of_a_replay_names_the_option_only_where_it_exists() {
    let handler = Fragile::default();
    let (gateway, dead) = with_dead_letters(&handler, 1).await;
    let id = dead[0];
    post(&gateway, &format!("/deliveries/{id}/discard"), "").await;
    let call = async |verb: &str, body: &str| {
        let path = format!("/api/v1/dead-letters/{id}/{verb}");
        gateway.call(&path, &[("content-type", "application/json")], body).await
    };
    let replayed = call("replay", r#"{"reason":"again"}"#).await;
    assert_eq!((replayed.status, &replayed.json["option"]), (409, &json!("force")));
    assert_eq!(replayed.json["detail"], format!("delivery {id} is already discarded"));
    let discarded = call("discard", r#"{"reason":"again"}"#).await;
    assert_eq!((discarded.status, &discarded.json["option"]), (409, &json!(null)));
    let page = gateway.call(&format!("/deliveries/{id}/replay"), &[FORM], "reason=again").await;
    assert_eq!(page.status, 409, "{}", page.text);
    assert_contains(&page.text, &[&format!("Delivery {id} is already discarded.")]);
    for text in [&replayed.text, &page.text] {
        assert!(!text.contains("--force"), "{text}");
    }
    let forced = call("replay", r#"{"reason":"again","force":true}"#).await;
    assert_eq!(forced.status, 200, "{}", forced.text);
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn job_results_show_who_started_the_job_and_why() {
    let handler = Fragile::default();
    let (gateway, dead) = with_dead_letters(&handler, 2).await;
    while gateway.groups().step().await.unwrap() > 0 {}
    let group = gateway.count("SELECT id FROM dead_letter_groups").await;
    let (plan, page) = post(&gateway, "/jobs", &format!("action=replay&group={group}")).await;
    assert_contains(&page, &[WHY, "by key:test", "2 dead letters match"]);
    let (location, page) = post(&gateway, &format!("{plan}/start"), "").await;
    assert_eq!(location, format!("{plan}?did=jobs-start"));
    assert_contains(&page, &["Job started.", "by key:test", WHY]);
    let mut worker = gateway.jobs().worker();
    while !matches!(worker.step().await.unwrap(), Step::Idle) {}
    assert_contains(&get(&gateway, &plan).await.text, &["by key:test", WHY]);
    for id in dead {
        let created = format!("SELECT id FROM deliveries WHERE replay_of = {id}");
        let created = gateway.count(&created).await;
        let page = get(&gateway, &format!("/deliveries/{id}")).await.text;
        let link = format!("href=\"/deliveries/{created}\"");
        assert_contains(&page, &[WHO, WHY, &link]);
    }
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn unblocked_lane_is_on_page_in_timeline_and_in_stream() {
    let handler = Fragile::default();
    let gateway = Gateway::builder()
        .config("name = \"billing\"", "name = \"billing\"\ndead_head = \"block\"")
        .handler(handler.clone())
        .start()
        .await;
    let event = send(&gateway, "evt_head").await;
    gateway.run_until_idle().await;
    send(&gateway, "evt_fine").await;
    let head = ids(gateway.dead_letter_service(), &open()).await[0];
    let (location, page) = post(&gateway, &format!("/deliveries/{head}/unblock"), "").await;
    assert_eq!(location, format!("/deliveries/{head}?did=dead-letters-unblock"));
    assert_contains(&page, &["Lane unblocked", ">unblocked</span>", "by key:test", WHY]);
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_fine"], "the backlog of the lane runs");

    let shown = get(&gateway, &format!("/api/v1/events/{event}")).await.json;
    let timeline = shown["timeline"].as_array().unwrap();
    let unblocked =
        timeline.iter().find(|entry| entry["what"] == "unblocked").expect("a timeline entry");
    assert_eq!((&unblocked["delivery"], &unblocked["by"]), (&json!(head), &json!("key:test")));
    assert_eq!(unblocked["reason"], WHY);
    let changes = gateway.changes().await;
    let unblocked = changes
        .iter()
        .find(|change| change.change == ChangeKind::Unblocked)
        .expect("a change in the stream");
    assert_eq!((unblocked.delivery, unblocked.actor.as_deref()), (Some(head), Some("key:test")));
}
