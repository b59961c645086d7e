//! The parts shared by the event page and the delivery page.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{PageContext, Section};
use super::super::parts::{
    BadgeTone, Bytes, Step, bytes, count, link_path, panel, said, stamp, terms, timeline, took,
    word,
};
use crate::admin::TimelineEntry;

/// An event.
pub(in crate::web::console) struct Event {
    /// Its id.
    pub(in crate::web::console) id: String,
    /// The tenant of its source.
    pub(in crate::web::console) tenant: String,
    /// Its source.
    pub(in crate::web::console) source: String,
    /// The provider of that source.
    pub(in crate::web::console) provider: String,
    /// Its type.
    pub(in crate::web::console) kind: String,
    /// The action in the path.
    pub(in crate::web::console) action: Option<String>,
    /// When it was received.
    pub(in crate::web::console) received_at: OffsetDateTime,
    /// When it occurred, according to the sender.
    pub(in crate::web::console) occurred_at: Option<OffsetDateTime>,
    /// How often it was received and when last; `None` once its deduplication key has expired.
    pub(in crate::web::console) seen: Option<(u64, OffsetDateTime)>,
    /// Its proof.
    pub(in crate::web::console) proof: Proof,
    /// Its payload; `None` without the scope `payload:read`.
    pub(in crate::web::console) payload: Option<Payload>,
}

/// The proof of an event.
pub(in crate::web::console) struct Proof {
    /// The signature scheme, if known.
    pub(in crate::web::console) scheme: Option<String>,
    /// Its strength: a stored value.
    pub(in crate::web::console) strength: String,
    /// The fingerprint of the secret.
    pub(in crate::web::console) secret: String,
    /// The gateway's time minus the signed time, in seconds.
    pub(in crate::web::console) skew_seconds: Option<i64>,
    /// Whether it was accepted after its token expired.
    pub(in crate::web::console) late: bool,
}

/// A received payload.
pub(in crate::web::console) struct Payload {
    /// The stored headers.
    pub(in crate::web::console) headers: Vec<(String, String)>,
    /// The claims of the verified token.
    pub(in crate::web::console) claims: Option<String>,
    /// The envelope of the chunks.
    pub(in crate::web::console) envelope: Option<String>,
    /// The body.
    pub(in crate::web::console) body: Bytes,
}

/// An event's facts.
pub(in crate::web::console) fn facts(cx: &PageContext, event: &Event) -> Markup {
    let now = cx.now;
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
            ("Id", html! { code { (said(&event.id)) } }),
            ("Type", html! { (said(&event.kind)) }),
            ("Action", html! { @if let Some(action) = &event.action { (said(action)) } }),
            (
                "Source",
                html! {
                    (cx.link(Section::Sources, &format!("/sources/{}", link_path(&event.source)), &event.source))
                    " " span .muted { (said(&event.provider)) }
                },
            ),
            ("Tenant", html! { (said(&event.tenant)) }),
            ("Received", stamp(event.received_at, now)),
            ("Occurred", html! { @if let Some(at) = event.occurred_at { (stamp(at, now)) } }),
            ("Received count", seen),
        ]),
    )
}

/// The proof of the event.
pub(in crate::web::console) fn proof(proof: &Proof) -> Markup {
    if proof.strength == "edited" {
        return panel(
            "Proof",
            &html! {},
            &terms(&[
                (
                    "Verdict",
                    html! { (word("edited", BadgeTone::Warn)) " this body was written by an operator and has no proof" },
                ),
                ("Original", html! { "verified with secret " code { (said(&proof.secret)) } }),
            ]),
        );
    }
    let tone = if proof.late { BadgeTone::Warn } else { BadgeTone::Good };
    panel(
        "Proof",
        &html! {},
        &terms(&[
            ("Verdict", html! { (word("verified", tone)) " " (said(&proof.strength)) }),
            ("Scheme", html! { @if let Some(scheme) = &proof.scheme { (said(scheme)) } }),
            ("Secret", html! { code { (said(&proof.secret)) } " " span .muted { "fingerprint" } }),
            ("Skew", html! { @if let Some(skew) = proof.skew_seconds { (skew) " s" } }),
            ("Late", html! { @if proof.late { "accepted after its token expired" } }),
        ]),
    )
}

/// The payload, or the missing scope.
pub(in crate::web::console) fn payload(payload: Option<&Payload>) -> Markup {
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
        .map(|(name, value)| (&**name, html! { code { (said(value)) } }))
        .collect();
    html! {
        (bytes(&payload.body))
        @if !headers.is_empty() {
            (panel("Headers", &html! { "Stored headers only" }, &terms(&headers)))
        }
        @for (title, text) in [("Claims", &payload.claims), ("Envelope", &payload.envelope)] {
            @if let Some(text) = text {
                (panel(title, &html! {}, &html! { pre .bytes tabindex="0" role="region" aria-label=(title) { (said(text)) } }))
            }
        }
    }
}

/// The timeline of an event; `here` is the delivery of the current page.
pub(in crate::web::console) fn life(
    moments: &[TimelineEntry],
    here: Option<i64>,
    now: OffsetDateTime,
) -> Markup {
    let steps: Vec<Step> = moments.iter().map(|moment| step(moment, here)).collect();
    panel("Timeline", &html! {}, &timeline(&steps, now))
}

fn step(moment: &TimelineEntry, here: Option<i64>) -> Step {
    let tone = match &*moment.what {
        "received" => BadgeTone::Good,
        "quarantined" => BadgeTone::Bad,
        what => BadgeTone::of(what),
    };
    let what = html! {
        @match (&*moment.what, moment.attempt) {
            ("received", _) => strong { "Received and verified" },
            ("received again", _) => {
                strong { "Received again" }
                @if let Some(times) = moment.times {
                    span .muted { "latest of " (count(times, "time", "times")) }
                }
            },
            ("received with another body", _) => {
                strong { "Received with another body" }
                @if let Some(times) = moment.times {
                    span .muted { (count(times, "time", "times")) " with the same id" }
                }
            },
            ("edited", _) => {
                @match &moment.made {
                    None => strong { "Created by an edit" },
                    Some(event) => {
                        strong { "Edited and replayed" }
                        a href={ "/events/" (event) } { "as another event" }
                    },
                }
            },
            (what, Some(number)) => { strong { "Attempt " (number) } (word(what, tone)) },
            (what, None) => (word(what, tone)),
        }
        @if let Some(id) = moment.delivery {
            @if here == Some(id) { span { "delivery " (id) } }
            @else { a href={ "/deliveries/" (id) } { "delivery " (id) } }
        }
        @if let Some(handler) = &moment.handler {
            span .muted {
                (said(handler))
                @if let Some(lasted) = moment.took { ", " (took(lasted)) }
            }
        }
        @if let Some(by) = &moment.by { span .muted { "by " (said(by)) } }
    };
    let detail = moment.error.clone().or_else(|| moment.reason.clone());
    Step { at: moment.at, what, detail, tone }
}
