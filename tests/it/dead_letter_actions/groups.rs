//! Titles of groups, and which errors share a group.

use async_trait::async_trait;
use sealpost::admin::{Caller, GroupSelection, Scope, Scopes};
use sealpost::dispatch::{Attempt, Failure, Handler};
use sealpost::store::{DeathReason, Effects, StoredEvent};
use serde_json::{Value, json};

use crate::dead_letters::ada;
use crate::harness::Gateway;

/// Fails with the error text of the event.
struct FailsWithText;

#[async_trait]
impl Handler for FailsWithText {
    fn name(&self) -> &'static str {
        "fails-with-text"
    }

    async fn handle(&self, event: &StoredEvent, _: Attempt) -> Result<Effects, Failure> {
        let body: Value = serde_json::from_slice(&event.body).unwrap();
        let text = body["error"].as_str().unwrap().to_owned();
        Err(Failure::permanent(DeathReason::Permanent, text))
    }
}

async fn fail(gateway: &Gateway, id: &str, error: &str) {
    let event = json!({
        "id": id, "object": "event", "type": "account.updated", "created": 1_763_600_000,
        "livemode": false, "error": error, "data": { "object": { "id": id } },
    });
    let answer = gateway.send("billing", None, event.to_string().as_bytes()).await;
    assert_eq!(answer.body_status(), "accepted", "{}", answer.text);
    gateway.run_until_idle().await;
}

#[tokio::test]
async fn group_title_is_the_newest_message_and_its_key_ignores_values() {
    let gateway = Gateway::builder().handler(FailsWithText).start().await;
    for (number, error) in [
        "destination responded 422: card 17 is locked (SQLSTATE 55P03)",
        "destination responded 422: card 99 is locked (SQLSTATE 55P03)",
        "destination responded 404: card 17 is locked (SQLSTATE 55P03)",
        "destination responded 422: card 17 is locked (SQLSTATE 40001)",
        "missing field `details_submitted`",
        "missing field `payouts_enabled`",
        "invalid type: string \"x\", expected i64 at line 1 column 64",
        "invalid type: string \"a \\\"b\\\" c\", expected i64 at line 2 column 7",
        "invalid type: string \"x\", expected u64 at line 1 column 64",
    ]
    .into_iter()
    .enumerate()
    {
        fail(&gateway, &format!("evt_{number}"), error).await;
    }
    let selection = GroupSelection::default();
    let page = gateway.groups().list(&ada(), &selection, None, 100).await.unwrap();
    let mut groups: Vec<(&str, u64)> =
        page.items.iter().map(|group| (&*group.title, group.open)).collect();
    groups.sort_unstable();
    assert_eq!(
        groups,
        [
            ("destination responded 404: card 17 is locked (SQLSTATE 55P03)", 1),
            ("destination responded 422: card 17 is locked (SQLSTATE 40001)", 1),
            ("destination responded 422: card 99 is locked (SQLSTATE 55P03)", 2),
            ("invalid type: string \"a \\\"b\\\" c\", expected i64 at line 2 column 7", 2),
            ("invalid type: string \"x\", expected u64 at line 1 column 64", 1),
            ("missing field `details_submitted`", 1),
            ("missing field `payouts_enabled`", 1),
        ]
    );
    assert!(page.items.iter().all(|group| group.message.as_ref() == Some(&group.title)));

    let reader = Caller::new("rita", None, Scopes::from_iter([Scope::EventsRead]));
    let page = gateway.groups().list(&reader, &selection, None, 100).await.unwrap();
    for group in &page.items {
        assert_eq!(group.title, "The handler reported a permanent failure");
        assert_eq!(group.message, None);
    }
}

#[tokio::test]
async fn newest_message_is_of_the_last_death_not_the_last_arrival() {
    let gateway = Gateway::builder().handler(FailsWithText).start().await;
    fail(&gateway, "evt_1", "card 1 is gone").await;
    fail(&gateway, "evt_2", "card 2 is gone").await;
    let list = async || {
        let selection = GroupSelection::default();
        gateway.groups().list(&ada(), &selection, None, 10).await.unwrap().items.remove(0)
    };
    assert_eq!(list().await.title, "card 2 is gone");
    let first = gateway.query("SELECT min(id) AS id FROM deliveries").await[0]["id"].clone();
    // It was retried for a long time, and died after the other was grouped.
    gateway
        .execute(&format!(
            "INSERT INTO deliveries (event_id, source, handler, triggered_by, replay_of,
                                     lane_blocks, state, attempts, created_at, due_at,
                                     finished_at, death_reason, last_error)
             OVERRIDING SYSTEM VALUE
             SELECT event_id, source, handler, 'replay', id, false, 'dead', 1, created_at, due_at,
                    finished_at - interval '1 hour', death_reason, 'card 3 is gone'
               FROM deliveries WHERE id = {first}"
        ))
        .await;
    let group = list().await;
    assert_eq!((&*group.title, group.open), ("card 2 is gone", 3));
}
