//! Dead letter pages: groups, jobs, edits and pauses.

use sealpost::admin::{Scope, Step};

use super::headers::post;
use super::{FailingHandler, gateway};
use crate::harness::Gateway;
use crate::receive::unique;

/// The header of a form that a browser posts from the console.
pub(super) const OURS: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];

/// Runs all jobs.
async fn run_jobs(gateway: &Gateway) {
    let mut worker = gateway.jobs().worker();
    while !matches!(worker.step().await.expect("the database is there"), Step::Idle) {}
}

/// The page at a path, with only these scopes.
pub(super) async fn as_other(gateway: &Gateway, scopes: &[Scope], path: &str) -> (u16, String) {
    let key = gateway.key(&format!("other-{}", unique()), scopes, None).await;
    let request = gateway.client().get(gateway.operator_url(path)).bearer_auth(key);
    let answer = request.header("accept", "text/html").send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a page"))
}

#[tokio::test]
async fn dead_letters_are_grouped_by_class() {
    let gateway = gateway(&FailingHandler::default()).await;
    let page = gateway.operator("/dead-letters").await.text;
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} in {page}"));
    assert!(at("<h2>Handler failures</h2>") < at("<h2>Quarantined content</h2>"));
    assert!(!page.contains("<h2>Destination failures</h2>"), "the class is empty");
    assert!(at("href=\"/dead-letters/all\"") > 0, "the flat list is linked");
    let groups = gateway.query("SELECT id FROM dead_letter_groups WHERE class = 'handler'").await;
    let group = format!("/dead-letters/groups/{}", groups[0]["id"]);
    assert!(at(&group) > 0);

    let page = gateway.operator(&group).await.text;
    for id in 1..=5 {
        assert!(page.contains(&format!("\"/deliveries/{id}\"")), "{id}: {page}");
    }
    assert!(
        !page.contains("\"/deliveries/6\"")
            && page.contains("Dead-lettered in 24 hours: 5 in total")
    );
    let blind = as_other(&gateway, &[Scope::EventsRead], &group).await;
    assert!(blind.0 == 200 && !blind.1.contains("acct_"), "no error text: {}", blind.1);
    assert!(!blind.1.contains("/jobs/new"), "no actions without their scope");
}

#[tokio::test]
async fn missing_scope_is_named() {
    let gateway = gateway(&FailingHandler::default()).await;
    let reader = [Scope::EventsRead];
    for (scopes, path, missing) in [
        (&reader[..], "/deliveries/1/edit", "payload:read"),
        (&[Scope::EventsRead, Scope::PayloadRead], "/deliveries/1/edit", "events:edit"),
        (&reader, "/jobs/new?class=handler", "events:replay"),
        (&[Scope::SourcesWrite], "/dead-letters", "events:read"),
        (&[Scope::SourcesWrite], "/jobs", "events:read"),
        (&[Scope::SourcesWrite], "/pauses", "events:read"),
    ] {
        let (status, page) = as_other(&gateway, scopes, path).await;
        assert_eq!(status, 403, "{path}");
        assert!(page.contains(&format!("<code>{missing}</code>")), "{path}: {page}");
    }
}

#[tokio::test]
async fn jobs_are_planned_started_and_cancelled() {
    let gateway = gateway(&FailingHandler::default()).await;
    for (path, form, status) in [
        ("/jobs", "action=replay&class=handler&reason=", 400),
        ("/jobs", "action=burn&class=handler&reason=x", 400),
        ("/jobs", "action=replay&class=handler&reason=x&cap=0", 400),
        ("/jobs", "action=replay&source=nobody&reason=x", 404),
        ("/jobs/1/start", "", 404),
        ("/jobs", "action=discard&class=handler&cap=2&reason=not+worth+it", 303),
    ] {
        let answer = post(&gateway, path, OURS, form).await;
        assert_eq!(answer.status, status, "{form}: {}", answer.text);
    }
    let open = "SELECT count(*) FROM deliveries WHERE state = 'dead' AND resolution IS NULL";
    let plan = gateway.operator("/jobs/1").await.text;
    for text in ["5 dead letters match", "the oldest 2 would be processed"] {
        assert!(plan.contains(text), "{text}: {plan}");
    }
    assert_eq!(gateway.count(open).await, 6, "a plan changes nothing");

    let other = [("sec-fetch-site", "cross-site")];
    assert_eq!(post(&gateway, "/jobs/1/start", &other, "").await.status, 403);
    assert_eq!(post(&gateway, "/jobs/1/start", OURS, "").await.status, 303);
    assert_eq!(post(&gateway, "/jobs/1/start", OURS, "").await.status, 409);
    let running = gateway.operator("/jobs/1").await.text;
    assert!(running.contains("http-equiv=\"refresh\"") && running.contains("data-live"));
    run_jobs(&gateway).await;
    let done = gateway.operator("/jobs/1").await.text;
    assert!(done.contains("<dt>Discarded</dt><dd>2</dd>"), "{done}");
    assert!(!done.contains("http-equiv=\"refresh\"") && !done.contains("data-live"));
    assert_eq!(gateway.count(open).await, 4);

    let form = "action=replay&class=handler&reason=x";
    assert_eq!(post(&gateway, "/jobs", OURS, form).await.status, 303);
    for (form, status) in [("reason=", 400), ("reason=a+mistake", 303), ("reason=again", 409)] {
        assert_eq!(post(&gateway, "/jobs/2/cancel", OURS, form).await.status, status, "{form}");
    }
    assert!(gateway.operator("/jobs/2").await.text.contains("cancelled"));
}

#[tokio::test]
async fn edit_is_previewed_and_sources_and_handlers_are_paused() {
    let gateway = gateway(&FailingHandler::default()).await;
    let wrong = post(&gateway, "/deliveries/1/edit", OURS, "body=%7Bhalf").await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains("{half</textarea>"), "{}", wrong.text);
    let checked = post(&gateway, "/deliveries/1/edit", OURS, "body=%7B%22a%22%3A%0D%0A1%7D").await;
    assert_eq!(checked.status, 200);
    assert!(checked.text.contains("would go to ledger"), "{}", checked.text);
    assert_eq!(gateway.count("SELECT count(*) FROM events WHERE edited_from IS NOT NULL").await, 0);
    let form = "body=%7B%22a%22%3A%0D%0A1%7D&reason=the+sender+said+so";
    let done = post(&gateway, "/deliveries/1/edit/replay", OURS, form).await;
    let made = gateway.query("SELECT id FROM events WHERE edited_from IS NOT NULL").await;
    let made = made[0]["id"].as_str().unwrap();
    assert_eq!(
        (done.status, done.headers["location"].to_str().unwrap()),
        (303, &*format!("/deliveries/1?did=edited&made={made}"))
    );
    let edited =
        "SELECT convert_from(body, 'UTF8') AS body FROM events WHERE edited_from IS NOT NULL";
    assert_eq!(gateway.query(edited).await[0]["body"], "{\"a\":\n1}");
    assert_eq!(post(&gateway, "/deliveries/2/unblock", OURS, "reason=x").await.status, 409);
    gateway.run_until_idle().await;

    for (path, status) in [
        ("/pauses/source/billing/pause", 303),
        ("/pauses/handler/ledger/pause", 303),
        ("/pauses/source/nobody/pause", 404),
        ("/pauses/tenant/default/pause", 404),
        ("/pauses/source/billing/stop", 404),
    ] {
        let answer = post(&gateway, path, OURS, "reason=a+release").await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
    }
    let page = gateway.operator("/pauses").await.text;
    assert!(page.contains("/pauses/source/billing/resume") && page.contains("a release"), "{page}");
    assert!(page.contains("/pauses/handler/ledger/resume"), "{page}");
    assert!(page.contains("/pauses/source/cards/pause"), "{page}");
}
