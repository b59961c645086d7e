//! Prints an event with its timeline.

use super::output::{line, table, time};
use super::{event_table, transfers};
use crate::admin::EventDetail;

/// The event as text.
pub(super) fn text(detail: &EventDetail) -> String {
    let (event, proof) = (&detail.event, &detail.proof);
    let mut fields = vec![
        ("type", event.event_type.clone()),
        ("source", format!("{} ({}, tenant {})", event.source, event.provider, event.tenant)),
        ("received", time(event.received_at)),
        ("size", crate::text::size(event.size_bytes)),
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
    maybe("payload", event.erased.as_ref().map(ToString::to_string));
    let digest = event.erased.as_ref().map(|erasure| erasure.body_sha256.clone());
    maybe("body SHA-256", digest);
    for made in &detail.edits {
        maybe("edit", Some(format!("event {}, by {}, {}", made.event, made.by, time(made.at))));
    }
    maybe("action", detail.action.clone());
    maybe("occurred", detail.occurred_at.map(time));
    let seen = detail.seen_count.zip(detail.last_seen_at);
    maybe("requests", seen.map(|(count, last)| format!("{count}, last at {}", time(last))));
    for (name, value) in detail.payload.iter().flat_map(|payload| &payload.headers) {
        maybe("header", Some(format!("{name}: {value}")));
    }
    let payload = detail.payload.as_ref();
    maybe("claims", payload.and_then(|payload| payload.claims.as_ref()).map(ToString::to_string));
    let envelope = payload.and_then(|payload| payload.envelope.as_ref());
    maybe("envelope", envelope.map(ToString::to_string));
    maybe("transfer", detail.transfer.as_ref().map(transfers::summary));
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
        .map(|entry| {
            let took = entry.took_seconds.map(|seconds| format!("{seconds:.3}s"));
            vec![
                time(entry.at),
                entry.what.to_string(),
                entry.delivery.map(|id| id.to_string()).unwrap_or_default(),
                entry.handler.clone().unwrap_or_default(),
                entry.attempt.map(|number| number.to_string()).unwrap_or_default(),
                took.unwrap_or_default(),
                entry.error.clone().unwrap_or_default(),
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
