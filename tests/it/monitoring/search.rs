//! Search for events: filters, pagination from the newest, and bounded scans.

use std::time::Duration;

use sealpost::admin::{AdminError, Caller, EventMatches, Scope, Scopes, Search};
use sealpost::clock::Clock as _;
use sealpost::store::DeliveryState;

use super::{event, event_of, gateway, send};
use crate::harness::Gateway;

fn all() -> Caller {
    Caller::local("ada")
}

async fn find(gateway: &Gateway, search: &Search) -> EventMatches {
    gateway.monitoring().events(&all(), search, None, 100).await.expect("a page")
}

async fn found(gateway: &Gateway, search: &Search) -> Vec<String> {
    find(gateway, search).await.events.iter().map(|event| event.id.to_string()).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "every use needs an option")]
fn text(word: &str) -> Option<String> {
    Some(word.to_owned())
}

#[tokio::test]
async fn filters_find_only_matching_events() {
    let gateway = gateway().await;
    let done = send(&gateway, "evt_done").await;
    gateway.clock().advance(Duration::from_secs(10));
    let middle = gateway.clock().now();
    let dead = send(&gateway, "evt_dies").await;
    let answer = gateway.send("billing", None, br#"{"no":"event"}"#).await;
    assert_eq!(answer.body_status(), "quarantined");
    let quarantined = answer.id().to_owned();
    gateway.run_until_idle().await;

    let nothing: Vec<String> = Vec::new();
    let of = |change: fn(&mut Search)| {
        let mut search = Search::default();
        change(&mut search);
        search
    };
    for (search, mut expected) in [
        (Search::default(), vec![done.clone(), dead.clone(), quarantined.clone()]),
        (of(|s| s.source = text("billing")), vec![done.clone(), dead.clone(), quarantined.clone()]),
        (of(|s| s.source = text("cards")), nothing.clone()),
        (
            of(|s| s.provider = text("stripe")),
            vec![done.clone(), dead.clone(), quarantined.clone()],
        ),
        (of(|s| s.event_type = text("account.updated")), vec![done.clone(), dead.clone()]),
        (of(|s| s.event_type = text("account.*")), vec![done.clone(), dead.clone()]),
        (of(|s| s.event_type = text("account")), nothing.clone()),
        (of(|s| s.event_type = text("%")), nothing.clone()),
        (of(|s| s.state = Some(DeliveryState::Done)), vec![done.clone()]),
        (of(|s| s.state = Some(DeliveryState::Dead)), vec![dead.clone(), quarantined.clone()]),
        (of(|s| s.state = Some(DeliveryState::Ready)), nothing.clone()),
        (of(|s| s.strength = Some(sealpost::verify::Strength::Vouched)), nothing.clone()),
        (of(|s| s.text = text("evt_dies")), vec![dead.clone()]),
        (of(|s| s.text = text("EVT_DIES")), nothing.clone()),
        (of(|s| s.key = text("evt_done")), vec![done.clone()]),
        (of(|s| s.key = text("evt")), nothing.clone()),
        (
            Search { from: Some(middle), ..Search::default() },
            vec![dead.clone(), quarantined.clone()],
        ),
        (Search { to: Some(middle), ..Search::default() }, vec![done.clone()]),
        (Search { id: Some(done.clone()), ..Search::default() }, vec![done.clone()]),
        (Search { id: text(&done[..13]), ..Search::default() }, vec![done.clone()]),
        (
            Search { key: text("evt_done"), state: Some(DeliveryState::Dead), ..Search::default() },
            nothing.clone(),
        ),
    ] {
        expected.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(found(&gateway, &search).await, expected, "{search:?}");
    }
    let page = find(&gateway, &Search::default()).await;
    assert!(page.complete && page.next.is_none() && page.looked_back_to.is_none());
    let row = page.events.iter().find(|row| row.id.to_string() == dead).unwrap();
    assert_eq!((row.deliveries.dead, row.deliveries.done), (1, 0));
    assert_eq!(row.size_bytes, event("evt_dies").len() as u64);
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(br#"{"no":"event"}"#));
    let by_body = Search { key: Some(digest), ..Search::default() };
    assert_eq!(found(&gateway, &by_body).await, [quarantined]);
}

#[tokio::test]
async fn pagination_has_no_gaps_and_marks_the_last_page() {
    let gateway = gateway().await;
    let mut sent = Vec::new();
    for number in 0..7 {
        gateway.clock().advance(Duration::from_millis(5));
        sent.push(send(&gateway, &format!("evt_{number}")).await);
    }
    gateway.run_until_idle().await;
    sent.reverse();
    let (mut seen, mut before) = (Vec::new(), None);
    for _ in 0..10 {
        let page =
            gateway.monitoring().events(&all(), &Search::default(), before, 3).await.unwrap();
        seen.extend(page.events.iter().map(|event| event.id.to_string()));
        before = page.next;
        if page.complete {
            break;
        }
    }
    assert_eq!(seen, sent);
    assert!(before.is_none());
}

/// Inserts events that only have to be scanned.
async fn insert_events(gateway: &Gateway, count: u32) {
    let bulk = format!(
        "INSERT INTO events (id, tenant, source, provider, event_type, strength, late, secret,
                             received_at, key, headers, body)
         SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7000800000000000'
                 || lpad(to_hex(n), 4, '0'))::uuid,
                'default', 'billing', 'stripe', 'common', 'signed', false, 'x', now(),
                gen_random_uuid(), '{{}}', 'common'
           FROM generate_series(1, {count}) n"
    );
    gateway.execute(&bulk).await;
}

#[tokio::test]
async fn bounded_search_returns_its_range_and_a_cursor() {
    let gateway = gateway().await;
    insert_events(&gateway, 50_010).await;
    gateway
        .execute(
            "UPDATE events SET event_type = 'rare'
              WHERE id = (SELECT min(id::text)::uuid FROM events)",
        )
        .await;
    let rare = Search { event_type: text("rare"), ..Search::default() };
    let page = find(&gateway, &rare).await;
    assert!(page.events.is_empty() && !page.complete);
    let next = page.next.expect("a cursor");
    assert_eq!(page.looked_back_to, Some(next.assigned_at()));
    let page = gateway.monitoring().events(&all(), &rare, Some(next), 100).await.unwrap();
    assert_eq!(page.events.len(), 1);
    assert!(page.complete && page.next.is_none());

    let absent = Search { text: text("absent"), ..Search::default() };
    let page = find(&gateway, &absent).await;
    assert!(page.events.is_empty() && !page.complete, "bodies are scanned in smaller steps");
    assert!(page.next.expect("a cursor") > next);
}

#[tokio::test]
async fn search_is_limited_to_tenant_and_text_needs_payload_scope() {
    let gateway = gateway().await;
    send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    let of = |tenant: Option<&str>, scopes: &[Scope]| {
        Caller::new("bo", tenant.map(str::to_owned), scopes.iter().copied().collect::<Scopes>())
    };
    let monitoring = gateway.monitoring();
    let other = of(Some("other"), &[Scope::EventsRead]);
    for search in [Search::default(), Search { key: text("evt_1"), ..Search::default() }] {
        assert!(monitoring.events(&other, &search, None, 10).await.unwrap().events.is_empty());
    }
    assert_eq!(monitoring.facets(&other).await.unwrap().event_types, []);
    let reader = of(None, &[Scope::EventsRead]);
    let search = Search { text: text("evt"), ..Search::default() };
    let denied = monitoring.events(&reader, &search, None, 10).await.unwrap_err();
    assert_eq!(denied.missing(), Some(Scope::PayloadRead));
    let search = Search { id: text("no-id!"), ..Search::default() };
    let error = monitoring.events(&reader, &search, None, 10).await.unwrap_err();
    assert!(matches!(error, AdminError::Invalid(_)), "{error}");
    assert_eq!(gateway.operator("/api/v1/events?state=asleep").await.status, 400);
    assert_eq!(gateway.operator("/events?state=asleep").await.status, 422);
}

#[tokio::test]
async fn facets_count_types_and_sources() {
    let gateway = gateway().await;
    send(&gateway, "evt_1").await;
    let answer = gateway.send("billing", None, &event_of("acct_b", "evt_2")).await;
    assert_eq!(answer.body_status(), "accepted");
    gateway.run_until_idle().await;
    gateway.flush_stats().await;
    let facets = gateway.monitoring().facets(&all()).await.unwrap();
    assert_eq!(facets.event_types, [("account.updated".to_owned(), 2)]);
    assert_eq!(facets.sample, 2);
    assert!(facets.sources.contains(&("billing".to_owned(), 2)));
    assert!(facets.sources.contains(&("cards".to_owned(), 0)));
}
