//! Whoever has dealt with a dead letter is shown what was made by it, and everybody afterwards who
//! did it and why.

use sealpost::admin::Step;
use sealpost::store::ChangeKind;
use serde_json::json;

use crate::dead_letters::{Fragile, gateway, ids, open, send};
use crate::harness::{API_KEY, Answer, Gateway};

const WHY: &str = "the table is there";
/// What stands on the page of a delivery that was dealt with.
const WHO: &str = "<strong>key:test</strong> resolved it";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Posts a form of the console with the reason; gives where it leads, and that page.
async fn post(gateway: &Gateway, path: &str, form: &str) -> (String, String) {
    let form = format!("{form}&reason=the+table+is+there");
    let answer = gateway.call(path, &[FORM], &form).await;
    assert_eq!(answer.status, 303, "{path}: {}", answer.text);
    let place = answer.headers["location"].to_str().unwrap().to_owned();
    let page = get(gateway, &place).await.text;
    (place, page)
}

async fn get(gateway: &Gateway, path: &str) -> Answer {
    let request = gateway.client().get(gateway.operator_url(path)).bearer_auth(API_KEY);
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer
}

fn says(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part}: {page}");
    }
}

/// A gateway with so many open dead letters, and their ids, the oldest first.
async fn with_dead_letters(handler: &Fragile, count: usize) -> (Gateway, Vec<i64>) {
    let gateway = gateway(handler).await;
    for number in 0..count {
        send(&gateway, &format!("evt_{number}")).await;
    }
    gateway.run_until_idle().await;
    let dead = ids(gateway.desk(), &open()).await;
    assert_eq!(dead.len(), count);
    (gateway, dead)
}

#[tokio::test]
async fn a_replay_a_discard_and_an_edit_link_what_they_made_and_name_who_and_why() {
    let handler = Fragile::default();
    let (gateway, dead) = with_dead_letters(&handler, 3).await;
    let replayed = format!("/deliveries/{}", dead[0]);
    let (place, page) = post(&gateway, &format!("{replayed}/replay"), "").await;
    let made =
        place.strip_prefix(&format!("{replayed}?did=dead-letters-replay&made=")).expect(&place);
    let link = format!("href=\"/deliveries/{made}\"");
    says(&page, &["Replayed: a new delivery was created", &link, WHO, WHY]);
    let made = get(&gateway, &format!("/deliveries/{made}")).await.text;
    says(&made, &["by key:test", WHY, &format!("href=\"{replayed}\"")]);

    let discarded = format!("/deliveries/{}", dead[1]);
    let (place, page) = post(&gateway, &format!("{discarded}/discard"), "").await;
    assert_eq!(place, format!("{discarded}?did=dead-letters-discard"));
    says(&page, &["Discarded: this delivery is resolved", WHO, WHY]);

    let edited = format!("/deliveries/{}", dead[2]);
    let body = "body=%7B%22id%22%3A%22evt_fine%22%7D";
    let (place, page) = post(&gateway, &format!("{edited}/edit/replay"), body).await;
    let made = place.strip_prefix(&format!("{edited}?did=edited&made=")).expect(&place);
    let link = format!("href=\"/events/{made}\"");
    says(
        &page,
        &["Edited and replayed: a new event", "New event", "the edited event", &link, WHO, WHY],
    );
    let event = get(&gateway, &format!("/events/{made}")).await.text;
    says(&event, &["No provider sent this body: key:test edited it from"]);
    gateway.run_until_idle().await;
    // What was just done is told once; who did it, and why, for ever.
    let later = get(&gateway, &edited).await.text;
    says(&later, &[WHO, WHY]);
    assert!(!later.contains("Edited and replayed: a new event"), "{later}");
}

#[tokio::test]
async fn what_a_job_dealt_with_names_who_began_it_and_why() {
    let handler = Fragile::default();
    let (gateway, dead) = with_dead_letters(&handler, 2).await;
    while gateway.groups().step().await.unwrap() > 0 {}
    let group = gateway.count("SELECT id FROM dead_letter_groups").await;
    let (plan, page) = post(&gateway, "/jobs", &format!("action=replay&group={group}")).await;
    says(&page, &[WHY, "by key:test", "2 dead letters match"]);
    let (place, page) = post(&gateway, &format!("{plan}/start"), "").await;
    assert_eq!(place, format!("{plan}?did=jobs-start"));
    says(&page, &["Job started.", "by key:test", WHY]);
    let mut worker = gateway.jobs().worker();
    while !matches!(worker.step().await.unwrap(), Step::Idle) {}
    says(&get(&gateway, &plan).await.text, &["by key:test", WHY]);
    for id in dead {
        let made = format!("SELECT id FROM deliveries WHERE replay_of = {id}");
        let made = gateway.count(&made).await;
        let page = get(&gateway, &format!("/deliveries/{id}")).await.text;
        let link = format!("href=\"/deliveries/{made}\"");
        says(&page, &[WHO, WHY, &link]);
    }
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn a_lane_that_was_freed_is_told_on_the_page_in_the_timeline_and_in_the_stream() {
    let handler = Fragile::default();
    let gateway = Gateway::builder()
        .config("name = \"billing\"", "name = \"billing\"\ndead_head = \"block\"")
        .handler(handler.clone())
        .start()
        .await;
    let event = send(&gateway, "evt_head").await;
    gateway.run_until_idle().await;
    send(&gateway, "evt_fine").await;
    let head = ids(gateway.desk(), &open()).await[0];
    let (place, page) = post(&gateway, &format!("/deliveries/{head}/unblock"), "").await;
    assert_eq!(place, format!("/deliveries/{head}?did=dead-letters-unblock"));
    says(&page, &["Lane unblocked", ">unblocked</span>", "by key:test", WHY]);
    gateway.run_until_idle().await;
    assert_eq!(handler.handled(), ["evt_fine"], "what waited goes on");

    let shown = get(&gateway, &format!("/api/v1/events/{event}")).await.json;
    let timeline = shown["timeline"].as_array().unwrap();
    let freed = timeline.iter().find(|moment| moment["what"] == "unblocked").expect("it is there");
    assert_eq!((&freed["delivery"], &freed["by"]), (&json!(head), &json!("key:test")));
    assert_eq!(freed["reason"], WHY);
    let changes = gateway.changes().await;
    let freed =
        changes.iter().find(|change| change.change == ChangeKind::Unblocked).expect("it is told");
    assert_eq!((freed.delivery, freed.actor.as_deref()), (Some(head), Some("key:test")));
}
