//! Samples of the pages on events and deliveries.

use maud::Markup;
use time::Duration;

use super::{NOW, Texts};
use crate::http::console::frame::Stage;
use crate::http::console::pages::parts_of_event::{Event, Payload, Proof, Step};
use crate::http::console::pages::transfers::Map;
use crate::http::console::pages::{delivery, event, events};
use crate::http::console::parts::{Bytes, Facet, FacetValue, Pager, Tab};

fn one(t: &Texts, tab: Tab) -> Event {
    Event {
        id: t.of("01a1f8d3-ea00-76e7-8aa4-9d3367bd1df2"),
        tenant: t.of("acme"),
        source: t.of("billing"),
        provider: t.of("payments"),
        kind: t.of("invoice.paid"),
        action: Some(t.of("update")),
        received_at: NOW - Duration::minutes(9),
        occurred_at: Some(NOW - Duration::minutes(10)),
        seen: Some((3, NOW - Duration::minutes(2))),
        proof: Proof {
            scheme: Some(t.of("HMAC-SHA256 of the time, a dot and the body")),
            strength: t.of("signed"),
            secret: t.of("122a3baadcaf"),
            skew_seconds: Some(-2),
            late: true,
        },
        payload: Some(Payload {
            headers: vec![(t.of("content-type"), t.of("application/json"))],
            claims: Some(t.of("{\"iss\":\"x\"}")),
            envelope: Some(t.of("{\"path\":\"a.png\"}")),
            body: Bytes {
                shown: format!("{{\"id\":{}}}", serde_json::json!(t.of("evt_1"))).into_bytes(),
                size: 90_000,
                tab,
                href: "/deliveries/1".into(),
                download: Some("/events/1/body".into()),
            },
        }),
    }
}

fn steps(t: &Texts) -> Vec<(time::OffsetDateTime, Step)> {
    let attempted = |number, result: &str, error: Option<&str>| Step::Attempted {
        delivery: 1,
        handler: t.of("ledger"),
        number,
        result: t.of(result),
        lasted: Duration::milliseconds(1_204),
        error: error.map(|error| t.of(error)),
    };
    let created =
        |delivery, replay_of| Step::Created { delivery, handler: t.of("ledger"), replay_of };
    vec![
        (NOW - Duration::minutes(9), Step::Received),
        (NOW - Duration::minutes(9), created(1, None)),
        (NOW - Duration::minutes(9), attempted(1, "retry", Some("connection refused"))),
        (NOW - Duration::minutes(8), attempted(2, "dead", Some("account 7 is not known\ntwice"))),
        (NOW - Duration::minutes(5), Step::Resolved { delivery: 1, how: t.of("replayed") }),
        (NOW - Duration::minutes(5), created(2, Some(1))),
        (NOW - Duration::minutes(5), attempted(1, "done", None)),
    ]
}

fn row(t: &Texts) -> events::Row {
    events::Row {
        id: t.of("01a1f8d3-ea00-76e7-8aa4-9d3367bd1df2"),
        kind: t.of("invoice.paid"),
        source: t.of("billing"),
        states: vec![(t.of("done"), 1), (t.of("dead"), 2)],
        size: 2_310,
        strength: t.of("signed"),
        received_at: NOW - Duration::minutes(9),
    }
}

fn delivery(t: &Texts) -> delivery::View {
    delivery::View {
        group: Some(3),
        id: 1,
        state: "dead".into(),
        source: t.of("billing"),
        handler: t.of("ledger"),
        death_reason: Some(t.of("permanent")),
        resolved: None,
        replay_of: Some(7),
        attempts: 2,
        created_at: NOW - Duration::minutes(9),
        finished_at: Some(NOW - Duration::minutes(8)),
        lane: Some(t.of("acct_1")),
        waiting: 4,
        error: Some(t.of("account 7 is not known\nasked twice")),
        event_id: t.of("01a1f8d3-ea00-76e7-8aa4-9d3367bd1df2"),
        event: Some(one(t, Tab::Text)),
        steps: steps(t),
        more: vec![("/deliveries/1/edit".into(), "Edit and replay")],
        commands: vec![("Show it", t.of("sealpost dead-letters show 1"))],
    }
}

/// All of them.
pub(super) fn all(stage: &Stage, t: &Texts) -> Vec<(&'static str, Markup)> {
    let chosen = FacetValue {
        label: t.of("billing"),
        count: Some(22_310),
        href: "/events".into(),
        chosen: true,
    };
    let list = events::View {
        wrong: None,
        asked: events::Asked {
            q: t.of("evt_1"),
            within: "key".into(),
            since: t.of("2026-11-20T00:00"),
            until: t.of("2026-11-21T00:00"),
            kept: vec![("source".into(), t.of("billing"))],
        },
        facets: vec![Facet { label: "Source", values: vec![chosen] }],
        rows: vec![row(t), row(t)],
        pager: Pager {
            shown: t.of("2 of about 22 310"),
            first: None,
            next: Some("/events?after=2".into()),
        },
        bodies: true,
    };
    let whole = event::View {
        event: one(t, Tab::Hex),
        chunks: Some(Map { have: vec![true, true, false] }),
        steps: steps(t),
        deliveries: vec![event::Delivery {
            id: 1,
            handler: t.of("ledger"),
            state: t.of("dead"),
            resolution: Some(t.of("replayed")),
            attempts: 2,
            created_at: NOW - Duration::minutes(9),
        }],
        related: vec![row(t)],
        lane: Some(t.of("acct_1")),
        edited_from: Some(t.of("01a1f8d3")),
        more: vec![("/events/1/fixture".into(), "Save as a fixture")],
        commands: vec![("Send it again", t.of("curl --data-binary @body"))],
    };
    let resolved = delivery::View {
        resolved: Some((t.of("replayed"), NOW - Duration::minutes(5))),
        event: None,
        ..delivery(t)
    };
    vec![
        ("events", events::page(stage, &list)),
        ("event", event::page(stage, &whole)),
        ("delivery-sample", delivery::page(stage, &delivery(t))),
        ("delivery-resolved", delivery::page(stage, &resolved)),
    ]
}
