//! A gateway with a day of realistic traffic: several senders, failures of every kind, and operator
//! actions. For tests and pictures of its pages.

use std::time::Duration;

use async_trait::async_trait;
use sealpost::admin::{
    BulkRequest, Caller, DeadLetterAction, Filter, NewUser, Scope, Scopes, Selection, Step,
};
use sealpost::clock::Clock as _;
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{DeathReason, Effects, PauseTarget, StoredEvent};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::HOSTILE;
use super::browser::documentation;
use crate::chunks::Transfer;
use crate::destinations::receiver::{Receiver, Reply};
use crate::harness::{Gateway, because};
use crate::receive::{file_event, unique};
use crate::rejected_requests::{KEEP_REJECTED, PLAIN, send_rejected, wait_for_rejected};

/// A gateway with a day of traffic, and the application that it sends to.
pub(super) struct Busy {
    pub(super) gateway: Gateway,
    _application: Receiver,
}

/// Fails in the way that the event names.
struct Ledger;

#[async_trait]
impl Handler for Ledger {
    fn name(&self) -> &'static str {
        "ledger"
    }

    async fn handle(&self, event: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        let body: Value = serde_json::from_slice(&event.body).unwrap_or_default();
        let object = &body["data"]["object"];
        match object["fails"].as_str() {
            Some("unknown") => {
                let account = object["account"].as_str().unwrap_or_default();
                // The pictures of the documentation have no hostile text.
                let more = if documentation().is_some() { "asked twice" } else { HOSTILE };
                let error = format!("account {account} is not known: {more}\nasked twice");
                Err(Failure::permanent(DeathReason::Permanent, error))
            }
            Some("closed") => {
                let error = "the period 2026-10 is closed, nothing can be booked to it";
                Err(Failure::permanent(DeathReason::Permanent, error))
            }
            Some(_) => Err(Failure::transient("the ledger did not answer within 30 s")),
            None => Ok(Effects::unchanged()),
        }
    }
}

fn ada() -> Caller {
    Caller::local("ada")
}

/// Sends an event that the handler fails in this way.
async fn bill(gateway: &Gateway, kind: &str, fails: Option<&str>) {
    let number = unique();
    let account = format!("acct_{}", number % 40);
    let event = json!({
        "id": format!("evt_{number}"), "object": "event", "type": kind, "created": 1_763_600_000,
        "livemode": false, "account": account,
        "data": { "object": {
            "id": format!("in_{number}"), "account": account, "amount_due": 4200 + number,
            "currency": "eur", "customer_name": "Søren Øst \u{202e}", "fails": fails,
        } },
    });
    let answer = gateway.send("billing", None, event.to_string().as_bytes()).await;
    assert_eq!(answer.body_status(), "accepted", "{}", answer.text);
}

async fn card(gateway: &Gateway, path: &str) {
    let card = file_event(path, "# A card").to_string();
    let answer = gateway.send("cards", Some("create"), card.as_bytes()).await;
    assert_eq!(answer.body_status(), "accepted", "{}", answer.text);
}

/// The traffic of one hour of the day.
async fn hour(gateway: &Gateway, hour: usize) {
    let kinds = ["invoice.paid", "invoice.finalized", "customer.updated"];
    let many = [3, 2, 1, 1, 2, 4, 7, 9, 8, 6, 7, 5];
    for place in 0..many[hour % many.len()] {
        bill(gateway, kinds[place % kinds.len()], None).await;
    }
    for place in 0..hour % 3 {
        card(gateway, &format!("cards/{hour}-{place}.md")).await;
    }
    for _ in 0..hour.saturating_sub(18) {
        bill(gateway, "invoice.paid", Some("unknown")).await;
    }
    if hour % 7 == 6 {
        bill(gateway, "invoice.voided", Some("closed")).await;
    }
    if hour == 3 {
        let half = "{\"id\":\"evt_half\",\"object\":\"event\",\"type\":";
        assert_eq!(
            gateway.send("billing", None, half.as_bytes()).await.body_status(),
            "quarantined"
        );
        let lost = Transfer::of(9);
        for chunk in [0, 4] {
            lost.send(gateway, chunk).await;
        }
    }
    gateway.run_until_idle().await;
    gateway.flush_stats().await;
    gateway.run_maintenance().await;
    gateway.clock().advance(Duration::from_mins(59));
}

/// Plans a job for some dead letters.
async fn plan(
    gateway: &Gateway,
    action: DeadLetterAction,
    filter: Filter,
    cap: u32,
    reason: &str,
) -> i64 {
    let request = BulkRequest {
        action,
        selection: Selection::Matching(filter),
        cap: Some(cap),
        rate: Some(50),
        reason: reason.to_owned(),
        force: false,
    };
    gateway.jobs().plan(&ada(), &request).await.expect("a plan").job.id
}

/// Operator actions: jobs in every state, a pause, a key, an invitation.
async fn users(gateway: &Gateway) {
    let jobs = gateway.jobs();
    let of = |source: &str| Filter { source: Some(source.to_owned()), ..Filter::default() };
    let many =
        plan(gateway, DeadLetterAction::Replay, of("billing"), 4, "the ledger knows them now")
            .await;
    jobs.start(&ada(), many).await.unwrap();
    let mut worker = jobs.worker();
    loop {
        match worker.step().await.unwrap() {
            Step::Idle => break,
            Step::Paced(_) => gateway.clock().advance(Duration::from_secs(1)),
            Step::Did { .. } | Step::Ended => {}
        }
    }
    gateway.run_until_idle().await;
    let wrong = plan(gateway, DeadLetterAction::Discard, of("billing"), 2, "test events").await;
    jobs.cancel(&ada(), wrong, &because("they are not")).await.unwrap();
    plan(gateway, DeadLetterAction::Replay, of("billing"), 100, "the ledger is fixed").await;
    let running = plan(gateway, DeadLetterAction::Replay, of("cards"), 9, "sent again").await;
    jobs.start(&ada(), running).await.unwrap();

    gateway.key("exporter", &[Scope::EventsRead, Scope::PayloadRead], Some("default")).await;
    let linus = NewUser {
        name: "linus".to_owned(),
        scopes: [Scope::EventsRead, Scope::EventsReplay].into_iter().collect::<Scopes>(),
        tenant: None,
    };
    gateway.access().add_user(&ada(), &linus).await.unwrap();
    let why = &because("a release until 14:00");
    gateway.pauses().pause(&ada(), PauseTarget::Source, "apify-runs", why).await.unwrap();
}

/// A gateway after a day of traffic, which ends now, so that its clock is right.
pub(super) async fn busy() -> Busy {
    let application = Receiver::start(|_, number| match number % 23 {
        22 => Reply::status(400).body(b"no such customer"),
        _ => Reply::status(204),
    })
    .await;
    let more = format!(
        "\n[outbound]\nallow = [\"127.0.0.0/8\"]\n\n[[destination]]\nname = \"shop\"\n\
         url = \"{}\"\nsecret = {{ env = \"APP_SECRET\" }}\nsources = [\"billing\"]\n\
         \n[[destination]]\nname = \"archive\"\nurl = \"{}\"\n\
         secret = {{ env = \"APP_SECRET\" }}\nsources = [\"cards\"]\n",
        application.url("/hooks/sealpost"),
        application.url("/archive"),
    );
    let gateway = Gateway::builder()
        .config(PLAIN, KEEP_REJECTED)
        .more_config(&more)
        .handler(Ledger)
        .allow_unfinished()
        .start_at(OffsetDateTime::now_utc() - time::Duration::hours(24))
        .start()
        .await;
    for number in 0..24 {
        hour(&gateway, number).await;
    }
    let caught_up = OffsetDateTime::now_utc() - gateway.clock().now();
    gateway.clock().advance(caught_up.try_into().expect("it is behind"));

    for number in 0..2 {
        send_rejected(&gateway, &format!("{{\"id\":\"evt_rejected_{number}\"}}")).await;
    }
    wait_for_rejected(&gateway, 2).await;
    for _ in 0..24 {
        let forged = gateway.send_raw("cards-too", Some("create"), &[], b"{}").await;
        assert_eq!(forged.status, 401);
    }
    let whole = Transfer::of(6);
    for chunk in 0..6 {
        whole.send(&gateway, chunk).await;
    }
    for (total, here) in [(12, 7), (900, 40)] {
        let open = Transfer::of(total);
        for chunk in (0..here).map(|place| place * total / here) {
            open.send(&gateway, chunk).await;
        }
    }
    bill(&gateway, "invoice.paid", Some("slow")).await;
    gateway.run_until_idle().await;
    gateway.flush_stats().await;
    gateway.run_maintenance().await;
    users(&gateway).await;
    while gateway.groups().step().await.unwrap() > 0 {}
    Busy { gateway, _application: application }
}

/// The pages of a busy gateway, with the names of their pictures.
pub(super) async fn pages(busy: &Busy) -> Vec<(&'static str, String)> {
    let gateway = &busy.gateway;
    let text = async |query: &str| {
        let rows = gateway.query(query).await;
        let row = rows.first().unwrap_or_else(|| panic!("nothing: {query}"));
        row["id"].to_string().trim_matches('"').to_owned()
    };
    let whole =
        text("SELECT id FROM events WHERE source = 'cards' ORDER BY received_at DESC").await;
    let paid = text(
        "SELECT event_id AS id FROM deliveries WHERE source = 'billing' AND state = 'dead'
          ORDER BY id DESC",
    )
    .await;
    let delivery = async |which: &str| {
        text(&format!("SELECT id FROM deliveries WHERE {which} ORDER BY id DESC")).await
    };
    let dead = delivery("death_reason = 'permanent' AND resolution IS NULL").await;
    let resolved = delivery("resolution = 'replayed'").await;
    let done = delivery("state = 'done'").await;
    let retried = delivery("state = 'ready'").await;
    let group = text("SELECT id FROM dead_letter_groups ORDER BY open DESC").await;
    let rejected = text("SELECT id FROM rejected_requests ORDER BY id").await;
    let job = async |state: &str| {
        text(&format!("SELECT id FROM jobs WHERE state = '{state}' ORDER BY id")).await
    };
    let (done_job, running) = (job("done").await, job("running").await);
    let (planned, cancelled) = (job("planned").await, job("cancelled").await);
    vec![
        ("overview", "/".to_owned()),
        ("events", "/events".to_owned()),
        ("events-found", "/events?source=billing&state=dead".to_owned()),
        ("events-none", "/events?q=nothing-like-this&within=key".to_owned()),
        ("events-not-asked", "/events?q=no-id".to_owned()),
        ("event", format!("/events/{paid}")),
        ("event-hex", format!("/events/{paid}?view=hex")),
        ("event-chunked", format!("/events/{whole}")),
        ("groups", "/dead-letters".to_owned()),
        ("groups-of-class", "/dead-letters?class=handler&which=all".to_owned()),
        ("group", format!("/dead-letters/groups/{group}")),
        ("dead-letters", "/dead-letters/all?which=all".to_owned()),
        ("delivery", format!("/deliveries/{dead}")),
        ("delivery-decoded", format!("/deliveries/{dead}?view=decoded")),
        ("delivery-resolved", format!("/deliveries/{resolved}")),
        ("delivery-done", format!("/deliveries/{done}")),
        ("delivery-retried", format!("/deliveries/{retried}")),
        ("edit", format!("/deliveries/{dead}/edit")),
        ("explain", "/explain?source=billing".to_owned()),
        ("jobs", "/jobs".to_owned()),
        ("job-new", "/jobs/new?class=handler".to_owned()),
        ("job-plan", format!("/jobs/{planned}")),
        ("job-running", format!("/jobs/{running}")),
        ("job-done", format!("/jobs/{done_job}")),
        ("job-cancelled", format!("/jobs/{cancelled}")),
        ("transfers", "/transfers".to_owned()),
        ("rejected-requests", "/rejected-requests".to_owned()),
        ("rejected-request", format!("/rejected-requests/{rejected}")),
        ("sources", "/sources".to_owned()),
        ("source", "/sources/billing".to_owned()),
        ("source-set-up", "/sources/bot/set-up".to_owned()),
        ("providers", "/providers?q=webhooks".to_owned()),
        ("provider", "/providers/stripe".to_owned()),
        ("pauses", "/pauses".to_owned()),
        ("destinations", "/destinations".to_owned()),
        ("alerts", "/alerts?which=all".to_owned()),
        ("settings", "/settings".to_owned()),
        ("audit", "/audit".to_owned()),
        ("keys", "/keys".to_owned()),
        ("users", "/users".to_owned()),
        ("nothing", "/nothing-is-here".to_owned()),
        ("nothing-of-that-id", "/deliveries/999999".to_owned()),
    ]
}

/// The pages of a busy gateway that the documentation shows.
pub(super) async fn documented(busy: &Busy) -> [(&'static str, String); 4] {
    let closed = busy
        .gateway
        .query(
            "SELECT id FROM deliveries
              WHERE last_error LIKE 'the period%' AND resolution IS NULL ORDER BY id DESC",
        )
        .await;
    [
        ("console-overview", "/".to_owned()),
        ("console-dead-letters", "/dead-letters".to_owned()),
        ("console-delivery", format!("/deliveries/{}", closed[0]["id"])),
        ("console-destination", "/destinations/shop".to_owned()),
    ]
}
