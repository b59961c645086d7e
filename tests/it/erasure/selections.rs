//! Which events a selection finds, and for whom.

use sealpost::admin::{AdminError, Caller, Scope, Scopes, SelectBy, SubjectSelection};
use serde_json::{Value, json};

use super::{by, erase, event, field, try_erase};
use crate::harness::{Gateway, START};
use crate::rejected_requests::{KEEP_REJECTED, PLAIN, send_rejected, wait_for_rejected};

/// Sends an event about an account, which is its lane; returns its id.
async fn send(gateway: &Gateway, id: &str, account: &str) -> String {
    let body = json!({
        "id": id, "object": "event", "type": "charge.expired", "created": 1_763_600_000,
        "livemode": false, "account": account,
        "data": { "object": { "id": format!("ch_{id}"), "customer": { "n": 7 } } },
    });
    let answer = gateway.send("billing", None, body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    gateway.run_until_idle().await;
    answer.id().to_owned()
}

/// The erased events.
async fn erased(gateway: &Gateway) -> Vec<String> {
    let rows = gateway.query("SELECT id FROM events WHERE erased_at IS NOT NULL ORDER BY id").await;
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_selection_finds_its_events_only() {
    let gateway = Gateway::start().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(send(&gateway, &format!("evt_{number}"), &format!("acct_{number}")).await);
        gateway.clock().advance(std::time::Duration::from_mins(1));
    }
    let lanes = gateway.query("SELECT lane FROM deliveries ORDER BY id").await;
    let lane = sealpost::verify::Lane::shown(lanes[2]["lane"].as_str().unwrap());
    let minute = |minutes| Some(START + time::Duration::minutes(minutes));
    let selections = [
        event(&ids[0]),
        by(SelectBy::Key("evt_1".into())),
        by(SelectBy::Lane(lane)),
        field("/account=acct_3"),
        SubjectSelection {
            source: Some("billing".into()),
            from: minute(4),
            until: minute(5),
            ..by(SelectBy::Tenant("default".into()))
        },
    ];
    for (place, selection) in selections.iter().enumerate() {
        let elsewhere = SubjectSelection { source: Some("bot".into()), ..selection.clone() };
        assert!(erase(&gateway, &elsewhere).await.is_empty(), "{elsewhere}");
        let before = SubjectSelection { until: Some(START), ..selection.clone() };
        assert!(erase(&gateway, &before).await.is_empty(), "{before}");
        let result = erase(&gateway, selection).await;
        assert_eq!(result.events, 1, "{selection}");
        assert_eq!(erased(&gateway).await, ids[..=place], "{selection}");
        assert!(erase(&gateway, selection).await.is_empty(), "{selection}");
    }
    let audit = gateway.audited_changes().await;
    assert_eq!(audit.len(), 5);
    assert!(audit.iter().all(|entry| entry["action"] == "erase" && entry["count"] == 1));
    let targets: Vec<&str> = audit.iter().map(|entry| entry["target"].as_str().unwrap()).collect();
    assert_eq!(targets[0], format!("event {}", ids[0]));
    assert!(targets[3].starts_with("events where /account is sha256:"), "{targets:?}");
    assert!(!targets.iter().any(|target| target.contains("acct_") || target.contains("evt_1")));
}

#[tokio::test]
async fn kept_rejected_request_is_erased_by_a_value_in_its_body() {
    let gateway = Gateway::builder().config(PLAIN, KEEP_REJECTED).start().await;
    send_rejected(&gateway, r#"{"id":"evt_1","customer":"cus_1"}"#).await;
    send_rejected(&gateway, r#"{"id":"evt_2","customer":"cus_2"}"#).await;
    wait_for_rejected(&gateway, 2).await;
    let result = erase(&gateway, &field("/customer=cus_1")).await;
    assert_eq!((result.rejected_requests, result.events), (1, 0));
    assert_eq!(gateway.rows("rejected_requests").await.len(), 1);
}

#[tokio::test]
async fn caller_of_a_tenant_erases_nothing_of_another() {
    let gateway = Gateway::start().await;
    let id = send(&gateway, "evt_1", "acct_1").await;
    let of = |tenant: &str| Caller::new("tim", Some(tenant.into()), Scopes::all());
    let other = try_erase(&gateway, &of("other"), &event(&id), false).await.unwrap();
    assert!(other.is_empty());
    let tenant = by(SelectBy::Tenant("default".into()));
    let refused = try_erase(&gateway, &of("other"), &tenant, false).await;
    assert!(matches!(refused, Err(AdminError::NotFound(_))), "{refused:?}");
    let reader = Caller::new("rita", None, Scopes::from_iter([Scope::PayloadRead]));
    let refused = try_erase(&gateway, &reader, &event(&id), false).await.unwrap_err();
    assert_eq!(refused.missing(), Some(Scope::EventsErase));
    assert!(erased(&gateway).await.is_empty());
    assert_eq!(try_erase(&gateway, &of("default"), &event(&id), false).await.unwrap().events, 1);
}

#[tokio::test]
async fn unknown_source_has_no_keys() {
    let gateway = Gateway::start().await;
    let selection =
        SubjectSelection { source: Some("gone".into()), ..by(SelectBy::Key("evt_1".into())) };
    let error = try_erase(&gateway, &super::dora(), &selection, false).await.unwrap_err();
    assert!(error.to_string().contains("--pointer"), "{error}");
    assert_eq!(gateway.audited_changes().await, [Value::Null; 0]);
}
