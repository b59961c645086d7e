//! What the pages on an event and on a delivery both show.

use maud::{Markup, html};
use time::{Duration, OffsetDateTime};

use super::super::frame::{Section, Stage};
use super::super::parts::{
    Bytes, Moment, Tone, bytes, count, link_path, panel, said, stamp, terms, timeline, took, word,
};

/// An event.
pub(in crate::http::console) struct Event {
    /// Its id.
    pub(in crate::http::console) id: String,
    /// To whom its source belongs.
    pub(in crate::http::console) tenant: String,
    /// Its source.
    pub(in crate::http::console) source: String,
    /// What kind of sender that is.
    pub(in crate::http::console) provider: String,
    /// Its type.
    pub(in crate::http::console) kind: String,
    /// The action in the path.
    pub(in crate::http::console) action: Option<String>,
    /// When it was received.
    pub(in crate::http::console) received_at: OffsetDateTime,
    /// When it happened, as the sender says.
    pub(in crate::http::console) occurred_at: Option<OffsetDateTime>,
    /// How often it was received and when last; `None` once its key is forgotten.
    pub(in crate::http::console) seen: Option<(u64, OffsetDateTime)>,
    /// Its proof.
    pub(in crate::http::console) proof: Proof,
    /// What whoever looks may see of its payload; `None` where they may not.
    pub(in crate::http::console) payload: Option<Payload>,
}

/// Why an event was believed.
pub(in crate::http::console) struct Proof {
    /// What was signed and how, where it is known.
    pub(in crate::http::console) scheme: Option<String>,
    /// How much it says: a stored word.
    pub(in crate::http::console) strength: String,
    /// The fingerprint of the secret.
    pub(in crate::http::console) secret: String,
    /// Our time minus the signed time, in seconds.
    pub(in crate::http::console) skew_seconds: Option<i64>,
    /// Let in past the time of its token.
    pub(in crate::http::console) late: bool,
}

/// What came in.
pub(in crate::http::console) struct Payload {
    /// The headers that are kept.
    pub(in crate::http::console) headers: Vec<(String, String)>,
    /// What the verified token says.
    pub(in crate::http::console) claims: Option<String>,
    /// What went around the chunks.
    pub(in crate::http::console) envelope: Option<String>,
    /// The body.
    pub(in crate::http::console) body: Bytes,
}

/// A step in the life of an event.
pub(in crate::http::console) enum Step {
    /// It arrived.
    Received,
    /// A delivery was made of it.
    Created { delivery: i64, handler: String, replay_of: Option<i64> },
    /// An attempt ended.
    Attempted {
        delivery: i64,
        handler: String,
        number: i32,
        /// The stored word.
        result: String,
        lasted: Duration,
        /// What went wrong; `None` where nothing did, or where it may not be seen.
        error: Option<String>,
    },
    /// A dead letter was resolved: the stored word.
    Resolved { delivery: i64, how: String },
}

/// An event's facts.
pub(in crate::http::console) fn facts(stage: &Stage, event: &Event) -> Markup {
    let now = stage.now;
    let seen = match event.seen {
        Some((1, _)) => html! { "once" },
        Some((times, last)) => {
            html! { (count(times, "time", "times")) ", last " (stamp(last, now)) }
        }
        None => html! { "its key is forgotten" },
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
                    (stage.link(Section::Sources, &format!("/sources/{}", link_path(&event.source)), &event.source))
                    " " span .muted { (said(&event.provider)) }
                },
            ),
            ("Tenant", html! { (said(&event.tenant)) }),
            ("Received", stamp(event.received_at, now)),
            ("Occurred", html! { @if let Some(at) = event.occurred_at { (stamp(at, now)) } }),
            ("Seen", seen),
        ]),
    )
}

/// Why it was believed.
pub(in crate::http::console) fn proof(proof: &Proof) -> Markup {
    let tone = if proof.late { Tone::Warn } else { Tone::Good };
    panel(
        "Proof",
        &html! {},
        &terms(&[
            ("Verdict", html! { (word("verified", tone)) " " (said(&proof.strength)) }),
            ("Scheme", html! { @if let Some(scheme) = &proof.scheme { (said(scheme)) } }),
            ("Secret", html! { code { (said(&proof.secret)) } " " span .muted { "fingerprint" } }),
            ("Skew", html! { @if let Some(skew) = proof.skew_seconds { (skew) " s" } }),
            ("Late", html! { @if proof.late { "let in past the time of its token" } }),
        ]),
    )
}

/// The payload, or why it is not shown.
pub(in crate::http::console) fn payload(payload: Option<&Payload>) -> Markup {
    let Some(payload) = payload else {
        return panel(
            "Body",
            &html! {},
            &html! {
                div .empty { p { "Payloads are shown to who has the scope " code { "payload:read" } "." } }
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
            (panel("Headers", &html! { "Only those that are kept" }, &terms(&headers)))
        }
        @for (title, text) in [("Claims", &payload.claims), ("Envelope", &payload.envelope)] {
            @if let Some(text) = text {
                (panel(title, &html! {}, &html! { pre .bytes tabindex="0" role="region" aria-label=(title) { (said(text)) } }))
            }
        }
    }
}

/// The life of an event; `here` is the delivery that the page is about.
pub(in crate::http::console) fn life(
    steps: &[(OffsetDateTime, Step)],
    here: Option<i64>,
    now: OffsetDateTime,
) -> Markup {
    let moments: Vec<Moment> = steps.iter().map(|(at, step)| moment(*at, step, here)).collect();
    panel("Timeline", &html! {}, &timeline(&moments, now))
}

fn moment(at: OffsetDateTime, step: &Step, here: Option<i64>) -> Moment {
    let delivery = |id: i64| {
        html! {
            @if here == Some(id) { span { "delivery " (id) } }
            @else { a href={ "/deliveries/" (id) } { "delivery " (id) } }
        }
    };
    let (what, detail, tone) = match step {
        Step::Received => (html! { strong { "Received and verified" } }, None, Tone::Good),
        Step::Created { delivery: id, handler, replay_of } => {
            let what = html! {
                strong { @if replay_of.is_some() { "Replayed" } @else { "Delivery made" } }
                (delivery(*id)) span .muted { "for " (said(handler)) }
            };
            (what, None, Tone::Plain)
        }
        Step::Attempted { delivery: id, handler, number, result, lasted, error } => {
            let what = html! {
                strong { "Attempt " (number) } (word(result, Tone::of(result))) (delivery(*id))
                span .muted { (said(handler)) ", " (took(*lasted)) }
            };
            (what, error.clone(), Tone::of(result))
        }
        Step::Resolved { delivery: id, how } => (
            html! { strong { "Resolved" } (word(how, Tone::of(how))) (delivery(*id)) },
            None,
            Tone::Plain,
        ),
    };
    Moment { at, what, detail, tone }
}
