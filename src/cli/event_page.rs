//! Prints an event with its timeline.

use bytes::Bytes;
use serde_json::{Value, json};

use super::delivery_detail::embedded;
use super::output::{line, rfc3339, table, time};
use super::{delivery_detail, event_table, transfers};
use crate::admin::{EventDetail, TimelineEntry};

/// The event as JSON.
pub(super) fn document(detail: &EventDetail) -> Value {
    let proof = &detail.proof;
    let payload = detail.payload.as_ref().map(|payload| {
        let headers: serde_json::Map<String, Value> = payload
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        json!({
            "headers": headers,
            "claims": payload.claims.as_ref().map(embedded),
            "envelope": payload.envelope.as_ref().map(embedded),
        })
    });
    json!({
        "event": event_table::row(&detail.event),
        "action": detail.action,
        "occurred_at": detail.occurred_at.map(rfc3339),
        "proof": {
            "strength": proof.strength.as_str(),
            "headers": proof.headers,
            "secret": proof.secret,
            "secret_place": proof.secret_place,
            "skew_seconds": proof.skew_seconds,
            "late": proof.late,
        },
        "payload": payload,
        "seen": detail.seen.map(|(count, last)| json!({ "count": count, "last_at": rfc3339(last) })),
        "transfer": detail.transfer.as_ref().map(transfers::document),
        "deliveries": detail.deliveries.iter().map(delivery_detail::letter).collect::<Vec<Value>>(),
        "edited": detail.edited.as_ref().map(|edit| json!({
            "from": edit.from.to_string(),
            "by": edit.by,
        })),
        "edits": detail.edits.iter().map(|made| json!({
            "event": made.event.to_string(),
            "by": made.by,
            "at": rfc3339(made.at),
        })).collect::<Vec<Value>>(),
        "timeline": detail.timeline.iter().map(moment).collect::<Vec<Value>>(),
        "related": {
            "lanes": detail.related.lanes,
            "events": detail.related.events.iter().map(event_table::row).collect::<Vec<Value>>(),
            "reach": detail.related.reach,
        },
        "older": detail.older.map(|event| event.to_string()),
        "newer": detail.newer.map(|event| event.to_string()),
    })
}

fn moment(moment: &TimelineEntry) -> Value {
    json!({
        "at": rfc3339(moment.at),
        "what": moment.what,
        "times": moment.times,
        "delivery": moment.delivery,
        "handler": moment.handler,
        "attempt": moment.attempt,
        "took_seconds": moment.took.map(time::Duration::as_seconds_f64),
        "error": moment.error,
    })
}

/// The event as text.
pub(super) fn text(detail: &EventDetail) -> String {
    let (event, proof) = (&detail.event, &detail.proof);
    let mut fields = vec![
        ("kind", event.kind.clone()),
        ("source", format!("{} ({}, tenant {})", event.source, event.provider, event.tenant)),
        ("received", time(event.received_at)),
        ("size", crate::text::size(event.size)),
        (
            "proof",
            match &detail.edited {
                Some(_) => format!("{}: does not cover the edited body", proof.strength.as_str()),
                None => format!("{} by {}", proof.strength.as_str(), proof.headers.join(", ")),
            },
        ),
        (
            "secret",
            match proof.secret_place {
                Some(place) => format!("{} (configured secret {place})", proof.secret),
                None => format!("{} (no longer configured)", proof.secret),
            },
        ),
    ];
    let mut maybe = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
    maybe("skew", proof.skew_seconds.map(|skew| format!("{skew}s")));
    let late = "accepted after the time window, because the token was still expected";
    maybe("late", proof.late.then(|| late.to_owned()));
    let edited = detail.edited.as_ref();
    maybe(
        "edited",
        edited.map(|edit| {
            let (by, from) = (&edit.by, edit.from);
            format!("by {by}, from event {from}: this body was not sent by the provider")
        }),
    );
    for made in &detail.edits {
        maybe("edit", Some(format!("event {}, by {}, {}", made.event, made.by, time(made.at))));
    }
    maybe("action", detail.action.clone());
    maybe("occurred", detail.occurred_at.map(time));
    maybe("requests", detail.seen.map(|(count, last)| format!("{count}, last at {}", time(last))));
    for (name, value) in detail.payload.iter().flat_map(|payload| &payload.headers) {
        maybe("header", Some(format!("{name}: {value}")));
    }
    let json = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let payload = detail.payload.as_ref();
    maybe("claims", payload.and_then(|payload| payload.claims.as_ref()).map(json));
    maybe("envelope", payload.and_then(|payload| payload.envelope.as_ref()).map(json));
    maybe("transfer", detail.transfer.as_ref().map(transfers::in_words));
    maybe("older", detail.older.map(|event| event.to_string()));
    maybe("newer", detail.newer.map(|event| event.to_string()));

    let mut text = format!("Event {}\n", event.id);
    for (name, value) in &fields {
        let field = format!("  {name:<12} {}\n", line(value));
        text.push_str(&field);
    }
    text.push_str("\nTimeline\n");
    let rows: Vec<Vec<String>> = detail
        .timeline
        .iter()
        .map(|moment| {
            let took = moment.took.map(|took| format!("{:.3}s", took.as_seconds_f64()));
            vec![
                time(moment.at),
                moment.what.clone(),
                moment.delivery.map(|id| id.to_string()).unwrap_or_default(),
                moment.handler.clone().unwrap_or_default(),
                moment.attempt.map(|number| number.to_string()).unwrap_or_default(),
                took.unwrap_or_default(),
                moment.error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let head = ["AT", "CHANGE", "DELIVERY", "HANDLER", "ATTEMPT", "DURATION", "ERROR"];
    text.push_str(&table(&head, &rows));
    if !detail.related.events.is_empty() {
        text.push_str("\nOther events in the lane\n");
        text.push_str(&event_table::table(&detail.related.events));
    }
    text
}
