//! Events are found by what is known of them, newest first, page by page, and a page says how far
//! it has looked back.

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

#[expect(clippy::unnecessary_wraps, reason = "every use wants it wrapped")]
fn text(word: &str) -> Option<String> {
    Some(word.to_owned())
}

#[tokio::test]
async fn every_filter_finds_what_it_names_and_nothing_else() {
    let gateway = gateway().await;
    let done = send(&gateway, "evt_done").await;
    gateway.clock().advance(Duration::from_secs(10));
    let middle = gateway.clock().now();
    let dead = send(&gateway, "evt_dies").await;
    let answer = gateway.send("billing", None, br#"{"no":"event"}"#).await;
    assert_eq!(answer.what(), "quarantined");
    let odd = answer.id().to_owned();
    gateway.run_until_idle().await;

    let nothing: Vec<String> = Vec::new();
    let of = |change: fn(&mut Search)| {
        let mut search = Search::default();
        change(&mut search);
        search
    };
    for (search, mut expected) in [
        (Search::default(), vec![done.clone(), dead.clone(), odd.clone()]),
        (of(|s| s.source = text("billing")), vec![done.clone(), dead.clone(), odd.clone()]),
        (of(|s| s.source = text("cards")), nothing.clone()),
        (of(|s| s.provider = text("stripe")), vec![done.clone(), dead.clone(), odd.clone()]),
        (of(|s| s.event_type = text("account.updated")), vec![done.clone(), dead.clone()]),
        (of(|s| s.event_type = text("account.*")), vec![done.clone(), dead.clone()]),
        (of(|s| s.event_type = text("account")), nothing.clone()),
        (of(|s| s.event_type = text("%")), nothing.clone()),
        (of(|s| s.state = Some(DeliveryState::Done)), vec![done.clone()]),
        (of(|s| s.state = Some(DeliveryState::Dead)), vec![dead.clone(), odd.clone()]),
        (of(|s| s.state = Some(DeliveryState::Ready)), nothing.clone()),
        (of(|s| s.strength = Some(sealpost::verify::Strength::Vouched)), nothing.clone()),
        (of(|s| s.text = text("evt_dies")), vec![dead.clone()]),
        (of(|s| s.text = text("EVT_DIES")), nothing.clone()),
        (of(|s| s.key = text("evt_done")), vec![done.clone()]),
        (of(|s| s.key = text("evt")), nothing.clone()),
        (Search { from: Some(middle), ..Search::default() }, vec![dead.clone(), odd.clone()]),
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
    assert_eq!(found(&gateway, &by_body).await, [odd]);
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_and_the_last_one_says_so() {
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

/// Events that are only there to be looked through.
async fn many(gateway: &Gateway, count: u32) {
    let bulk = format!(
        "INSERT INTO events (id, tenant, source, provider, event_type, strength, late, secret,
                             received_at, key, headers, body)
         SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7000800000000000'
                 || lpad(to_hex(n), 4, '0'))::uuid,
                'default', 'billing', 'stripe', 'dull', 'signed', false, 'x', now(),
                sha256(n::text::bytea), '{{}}', 'dull'
           FROM generate_series(1, {count}) n"
    );
    gateway.execute(&bulk).await;
}

#[tokio::test]
async fn a_page_that_finds_too_little_says_how_far_it_has_looked_and_where_to_go_on() {
    let gateway = gateway().await;
    many(&gateway, 50_010).await;
    gateway
        .execute(
            "UPDATE events SET event_type = 'rare'
              WHERE id = (SELECT min(id::text)::uuid FROM events)",
        )
        .await;
    let rare = Search { event_type: text("rare"), ..Search::default() };
    let page = find(&gateway, &rare).await;
    assert!(page.events.is_empty() && !page.complete);
    let next = page.next.expect("where to go on");
    assert_eq!(page.looked_back_to, Some(next.made_at()));
    let page = gateway.monitoring().events(&all(), &rare, Some(next), 100).await.unwrap();
    assert_eq!(page.events.len(), 1);
    assert!(page.complete && page.next.is_none());

    let absent = Search { text: text("bright"), ..Search::default() };
    let page = find(&gateway, &absent).await;
    assert!(page.events.is_empty() && !page.complete, "bodies are looked through in smaller steps");
    assert!(page.next.expect("where to go on") > next);
}

#[tokio::test]
async fn somebody_of_one_tenant_finds_its_events_only_and_texts_need_their_scope() {
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
async fn there_are_facets_to_choose_from() {
    let gateway = gateway().await;
    send(&gateway, "evt_1").await;
    let answer = gateway.send("billing", None, &event_of("acct_b", "evt_2")).await;
    assert_eq!(answer.what(), "accepted");
    gateway.run_until_idle().await;
    gateway.count_up().await;
    let facets = gateway.monitoring().facets(&all()).await.unwrap();
    assert_eq!(facets.event_types, [("account.updated".to_owned(), 2)]);
    assert_eq!(facets.sample, 2);
    assert!(facets.sources.contains(&("billing".to_owned(), 2)));
    assert!(facets.sources.contains(&("cards".to_owned(), 0)));
}
