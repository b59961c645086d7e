//! The parts shared by the page of an event and the page of a delivery.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::admin::{
    Erasure, Event, EventDetail, EventProof, Payload, Proof, TimelineEntry, TimelineKind,
};
use crate::store::EventId;
use crate::verify::Strength;
use crate::web::console::layout::{PageContext, Section};
use crate::web::console::parts::{
    BadgeTone, Bytes, Step, Tab, badge, bytes, count, link_path, panel, stamp, terms, timeline,
    took, visible,
};

pub(in crate::web::console) struct EventFacts<'a> {
    id: EventId,
    event_type: &'a str,
    action: Option<&'a str>,
    source: &'a str,
    provider: &'a str,
    tenant: &'a str,
    received_at: OffsetDateTime,
    occurred_at: Option<OffsetDateTime>,
    /// How often it was received and when last; `None` once its deduplication key has expired.
    seen: Option<(u64, OffsetDateTime)>,
}

impl<'a> From<&'a EventDetail> for EventFacts<'a> {
    fn from(detail: &'a EventDetail) -> Self {
        let event = &detail.event;
        Self {
            id: event.id,
            event_type: &event.event_type,
            action: detail.action.as_deref(),
            source: &event.source,
            provider: &event.provider,
            tenant: &event.tenant,
            received_at: event.received_at,
            occurred_at: detail.occurred_at,
            seen: detail.seen_count.zip(detail.last_seen_at),
        }
    }
}

impl<'a> From<&'a Event> for EventFacts<'a> {
    fn from(event: &'a Event) -> Self {
        let times = event.seen.count.map(|count| u64::from(count.unsigned_abs()));
        Self {
            id: event.id,
            event_type: &event.event_type,
            action: event.action.as_deref(),
            source: &event.source,
            provider: &event.provider,
            tenant: &event.tenant,
            received_at: event.received_at,
            occurred_at: event.occurred_at,
            seen: times.zip(event.seen.last_at),
        }
    }
}

pub(in crate::web::console) fn facts<'a>(
    cx: &PageContext,
    event: impl Into<EventFacts<'a>>,
) -> Markup {
    let (now, event) = (cx.now, event.into());
    let source = format!("/sources/{}", link_path(event.source));
    let seen = match event.seen {
        Some((1, _)) => html! { "once" },
        Some((times, last)) => {
            html! { (count(times, "time", "times")) ", last " (stamp(last, now)) }
        }
        None => html! { "deduplication key expired" },
    };
    panel(
        "Event",
        &html! {},
        &terms(&[
            ("Id", html! { code { (event.id) } }),
            ("Type", html! { (visible(event.event_type)) }),
            ("Action", html! { @if let Some(action) = event.action { (visible(action)) } }),
            (
                "Source",
                html! {
                    (cx.link(Section::Sources, &source, event.source))
                    " " span .muted { (visible(event.provider)) }
                },
            ),
            ("Tenant", html! { (visible(event.tenant)) }),
            ("Received", stamp(event.received_at, now)),
            ("Occurred", html! { @if let Some(at) = event.occurred_at { (stamp(at, now)) } }),
            ("Received count", seen),
        ]),
    )
}

pub(in crate::web::console) struct ProofFacts<'a> {
    strength: Strength,
    /// The headers that carry it, if known.
    headers: &'a [String],
    secret: &'a str,
    skew_seconds: Option<i64>,
    late: bool,
}

impl<'a> From<&'a EventProof> for ProofFacts<'a> {
    fn from(proof: &'a EventProof) -> Self {
        Self {
            strength: proof.strength,
            headers: &proof.headers,
            secret: &proof.secret,
            skew_seconds: proof.skew_seconds,
            late: proof.late,
        }
    }
}

impl<'a> From<&'a Proof> for ProofFacts<'a> {
    fn from(proof: &'a Proof) -> Self {
        Self {
            strength: proof.strength,
            headers: &[],
            secret: &proof.secret,
            skew_seconds: proof.skew_seconds,
            late: proof.late,
        }
    }
}

pub(in crate::web::console) fn proof<'a>(proof: impl Into<ProofFacts<'a>>) -> Markup {
    let proof = proof.into();
    if proof.strength == Strength::Edited {
        return panel(
            "Proof",
            &html! {},
            &terms(&[
                (
                    "Verdict",
                    html! { (badge("edited", BadgeTone::Warn)) " this body was written by an operator and has no proof" },
                ),
                ("Original", html! { "verified with secret " code { (visible(proof.secret)) } }),
            ]),
        );
    }
    let tone = if proof.late { BadgeTone::Warn } else { BadgeTone::Good };
    panel(
        "Proof",
        &html! {},
        &terms(&[
            ("Verdict", html! { (badge("verified", tone)) " " (proof.strength.as_str()) }),
            (
                "Scheme",
                html! {
                    @if !proof.headers.is_empty() { "headers " (visible(&proof.headers.join(", "))) }
                },
            ),
            (
                "Secret",
                html! { code { (visible(proof.secret)) } " " span .muted { "fingerprint" } },
            ),
            ("Skew", html! { @if let Some(skew) = proof.skew_seconds { (skew) " s" } }),
            ("Late", html! { @if proof.late { "accepted after its token expired" } }),
        ]),
    )
}

pub(in crate::web::console) struct ShownPayload<'a> {
    pub(in crate::web::console) headers: &'a BTreeMap<String, String>,
    pub(in crate::web::console) claims: Option<&'a Value>,
    pub(in crate::web::console) envelope: Option<&'a Value>,
    pub(in crate::web::console) body: &'a Bytes,
}

impl Payload {
    /// The beginning of the body, on the page at `href`.
    pub(in crate::web::console) fn shown_body(&self, tab: Tab, href: String) -> Bytes {
        let body = &self.body;
        Bytes { shown: body.bytes(), size: body.size_bytes, tab, href, download: None }
    }
}

/// The payload, or who erased it, or the missing scope.
pub(in crate::web::console) fn payload(
    payload: Option<&ShownPayload<'_>>,
    erased: Option<&Erasure>,
) -> Markup {
    if let Some(erasure) = erased {
        return panel(
            "Body",
            &html! {},
            &html! {
                div .empty {
                    p { "The payload was " (visible(&erasure.to_string())) "." }
                    p { "SHA-256 of the body: " code { (erasure.body_sha256) } }
                }
            },
        );
    }
    let Some(payload) = payload else {
        return panel(
            "Body",
            &html! {},
            &html! {
                div .empty { p { "Payloads require the scope " code { "payload:read" } "." } }
            },
        );
    };
    let headers: Vec<(&str, Markup)> = payload
        .headers
        .iter()
        .map(|(name, value)| (&**name, html! { code { (visible(value)) } }))
        .collect();
    html! {
        (bytes(payload.body))
        @if !headers.is_empty() {
            (panel("Headers", &html! { "Stored headers only" }, &terms(&headers)))
        }
        @for (title, json) in [("Claims", payload.claims), ("Envelope", payload.envelope)] {
            @if let Some(json) = json {
                (panel(title, &html! {}, &html! { pre .bytes tabindex="0" role="region" aria-label=(title) { (visible(&json_text(json))) } }))
            }
        }
    }
}

/// JSON as text; stored text that was not JSON as it is.
fn json_text(json: &Value) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

/// The timeline of an event; `here` is the delivery of the current page.
pub(in crate::web::console) fn event_timeline(
    entries: &[TimelineEntry],
    here: Option<i64>,
    now: OffsetDateTime,
) -> Markup {
    let steps: Vec<Step> = entries.iter().map(|entry| step(entry, here)).collect();
    panel("Timeline", &html! {}, &timeline(&steps, now))
}

fn step(entry: &TimelineEntry, here: Option<i64>) -> Step {
    let tone = match entry.what {
        TimelineKind::Received => BadgeTone::Good,
        TimelineKind::Quarantined => BadgeTone::Bad,
        what => BadgeTone::of(what.as_str()),
    };
    let what = html! {
        @match (entry.what, entry.attempt) {
            (TimelineKind::Received, _) => strong { "Received and verified" },
            (TimelineKind::ReceivedAgain, _) => {
                strong { "Received again" }
                @if let Some(times) = entry.times {
                    span .muted { "latest of " (count(times, "time", "times")) }
                }
            },
            (TimelineKind::ReceivedWithAnotherBody, _) => {
                strong { "Received with another body" }
                @if let Some(times) = entry.times {
                    span .muted { (count(times, "time", "times")) " with the same id" }
                }
            },
            (TimelineKind::Edited, _) => {
                @match &entry.made {
                    None => strong { "Created by an edit" },
                    Some(event) => {
                        strong { "Edited and replayed" }
                        a href={ "/events/" (event) } { "as another event" }
                    },
                }
            },
            (what, Some(number)) => {
                strong { "Attempt " (number) } (badge(what.as_str(), tone))
            },
            (what, None) => (badge(what.as_str(), tone)),
        }
        @if let Some(id) = entry.delivery {
            @if here == Some(id) { span { "delivery " (id) } }
            @else { a href={ "/deliveries/" (id) } { "delivery " (id) } }
        }
        @if let Some(handler) = &entry.handler {
            span .muted {
                (visible(handler))
                @if let Some(seconds) = entry.took_seconds {
                    ", " (took(Duration::seconds_f64(seconds)))
                }
            }
        }
        @if let Some(by) = &entry.by { span .muted { "by " (visible(by)) } }
    };
    let detail = entry.error.clone().or_else(|| entry.reason.clone());
    Step { at: entry.at, what, detail, tone }
}
