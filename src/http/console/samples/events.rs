//! Samples of the pages on events and deliveries.

use maud::Markup;
use time::Duration;

use super::{NOW, Texts};
use crate::http::console::frame::Stage;
use crate::http::console::pages::parts_of_event::{Event, Payload, Proof};
use crate::http::console::pages::transfers::Map;
use crate::http::console::pages::{delivery, event, events};
use crate::http::console::parts::{Bytes, Facet, FacetValue, Pager, Tab};
use crate::operator::Moment;

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

fn steps(t: &Texts) -> Vec<Moment> {
    let moment = |minutes, what: &str| Moment {
        at: NOW - Duration::minutes(minutes),
        // A word of ours: no stranger writes it.
        what: what.to_owned(),
        times: None,
        delivery: None,
        handler: None,
        attempt: None,
        took: None,
        error: None,
        by: None,
        reason: None,
        made: None,
    };
    let attempted = |minutes, number, result: &str, error: Option<&str>| Moment {
        delivery: Some(1),
        handler: Some(t.of("ledger")),
        attempt: Some(number),
        took: Some(Duration::milliseconds(1_204)),
        error: error.map(|error| t.of(error)),
        ..moment(minutes, result)
    };
    vec![
        moment(9, "received"),
        attempted(9, 1, "retry", Some("connection refused")),
        attempted(8, 2, "dead", Some("account 7 is not known\ntwice")),
        Moment { times: Some(3), ..moment(7, "received again") },
        Moment {
            delivery: Some(2),
            by: Some(t.of("ada")),
            reason: Some(t.of("the table is there again")),
            ..moment(5, "replayed")
        },
        attempted(5, 1, "done", None),
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
        resolved_by: None,
        replays: Vec::new(),
        edited_as: None,
        replay_of: Some(7),
        attempts: 2,
        created_at: NOW - Duration::minutes(9),
        finished_at: Some(NOW - Duration::minutes(8)),
        lane: Some(t.of("acct_1")),
        waiting: 4,
        error: Some(t.of("account 7 is not known\nasked twice")),
        event_id: t.of("01a1f8d3-ea00-76e7-8aa4-9d3367bd1df2"),
        event: Some(one(t, Tab::Raw)),
        steps: steps(t),
        edit: Some(Ok("/deliveries/1/edit".into())),
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
        edited: Some((t.of("01a1f8d3"), t.of("grace"))),
        edits: vec![(t.of("01a1f8d4"), t.of("ada"), NOW - Duration::minutes(3))],
        transfer: Some(4),
        more: vec![("/events/1/fixture".into(), "Save as a fixture")],
        commands: vec![("Send it again", t.of("curl --data-binary @body"))],
    };
    let resolved = delivery::View {
        resolved: Some((t.of("replayed"), NOW - Duration::minutes(5))),
        resolved_by: Some((t.of("ada"), t.of("the table is there again"))),
        replays: vec![8],
        edited_as: Some(t.of("01a1f8d3-ea00-76e7-8aa4-9d3367bd1df3")),
        event: None,
        edit: Some(Err("Its body is no text, and cannot be edited.")),
        ..delivery(t)
    };
    vec![
        ("events", events::page(stage, &list)),
        ("event", event::page(stage, &whole)),
        ("delivery-sample", delivery::page(stage, &delivery(t))),
        ("delivery-resolved", delivery::page(stage, &resolved)),
    ]
}
